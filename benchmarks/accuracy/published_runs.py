"""Training runs that others published, as runs of the training law: what stands in ``published_training.yaml``.

A run's result is tokens a second of each GPU, or comes as seconds of a step, as MFU, or as TFLOP/s of each GPU, which
are turned into tokens a second by the count of FLOP that its source uses. ``hardware_tflops`` count four forward
passes' FLOP with recomputation and the whole square of attention (Narayanan et al., arXiv:2104.04473, equation 3),
``mfu`` and ``square_tflops`` the same without recomputation (Korthikanti et al., arXiv:2205.05198, equation 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.documents import read_document
from sim.measure.fit.training_table import Run, System, topology_of
from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.profiles.machines.gpu import GPUProfile
from sim.quantities import Quantity
from sim.training.flops import training_flops
from sim.training.layout import problems
from sim.training.terms import Recipe, Spread
from sim.training.work import Architecture

FILE = Path(__file__).with_name("published_training.yaml")
OF_SPREAD = frozenset(field.name for field in fields(Spread))
OF_RECIPE = frozenset(field.name for field in fields(Recipe))


@dataclass(frozen=True)
class Family:
    """Runs of one source on one system, what about them is assumed, and which constant of the stack they tell of."""

    name: str
    source: str
    stack: str
    assumed: str
    tells: str | None
    runs: tuple[Run, ...]


@lru_cache(maxsize=1)
def families() -> tuple[Family, ...]:
    """All of the file. Raises ``ValueError`` for a layout that cannot be."""
    told: Any = read_document(FILE).data
    return tuple(_family(each, told) for each in told["families"])


def _family(told: Mapping[str, Any], file: Mapping[str, Any]) -> Family:
    if told["source"] not in file["sources"]:
        raise ValueError(f"{told['name']}: no source is called {told['source']}")
    system = file["systems"][told["system"]]
    runs = [run_of({**told["shared"], **each}, told, system, file["models"]) for each in told["runs"]]
    return Family(told["name"], told["source"], told["stack"], told["assumed"], told.get("tells"), tuple(runs))


def run_of(row: dict[str, Any], family: Mapping[str, Any], system: Mapping[str, Any], models: Mapping[str, Any]) -> Run:
    gpus, gpu = int(row["gpus"]), _board(system)
    architecture = _architecture(row["model"], row["sequence"], models)
    spread_over = int(row.get("tensor", 1)) * int(row.get("pipeline", 1)) * int(row.get("context", 1))
    spread = Spread(data=gpus // spread_over, **{key: row[key] for key in OF_SPREAD & set(row)})
    if spread.tensor == 1:
        spread = Spread(**{**vars(spread), "sequence_parallel": False})
    recipe = Recipe(gradient_bytes=2.0, **{key: row[key] for key in OF_RECIPE & set(row)})
    wrong = problems(architecture, spread, recipe, gpus, uneven=True)
    if wrong:
        raise ValueError(f"{family['name']}, {row['model']} on {gpus} GPUs: {wrong}")
    wired = System(system["board"], system["island"], system["node"], float(system["port_byte_per_s"]))
    return Run(
        model=row["model"],
        system=family["system"],
        gpu=gpu,
        gpus=gpus,
        architecture=architecture,
        spread=spread,
        recipe=recipe,
        topology=topology_of(wired, gpu, gpus),
        year=float(family["year"]),
        tokens_per_s=_tokens_per_s(row, architecture, recipe, gpu, gpus),
        line=0,
    )


def _board(system: Mapping[str, Any]) -> GPUProfile:
    """The board of a system, with another limit or memory where it says so."""
    board = Catalog().gpu(system["board"])
    if "limit_w" in system:
        tdp = board.tdp.model_copy(update={"value": Quantity(float(system["limit_w"]))})
        bandwidth = board.memory.bandwidth.model_copy(update={"value": Quantity(float(system["memory_byte_per_s"]))})
        memory = board.memory.model_copy(update={"bandwidth": bandwidth})
        board = board.model_copy(update={"tdp": tdp, "memory": memory})
    return board


def _architecture(name: str, sequence: int, models: Mapping[str, Any]) -> Architecture:
    if name not in models:
        return Catalog().model(name).architecture
    told = models[name]
    gated = bool(told.get("gated", False))
    return Transformer(
        kind="transformer",
        layers=told["layers"],
        hidden=told["hidden"],
        heads=told["heads"],
        kv_heads=told.get("kv_heads", told["heads"]),
        head_dim=told["hidden"] // told["heads"],
        ffn=told.get("ffn", 4 * told["hidden"]),
        gated_ffn=gated,
        vocabulary=told["vocabulary"],
        tied_embeddings=name.startswith("gpt"),
        norm="rms" if gated else "layer",
        positions=sequence if name.startswith("gpt") else 0,
    )


def _tokens_per_s(
    row: Mapping[str, Any], architecture: Architecture, recipe: Recipe, gpu: GPUProfile, gpus: int
) -> float:
    """Of each GPU, from what the source states."""
    if "tokens_per_s" in row:
        return float(row["tokens_per_s"])
    if "step_s" in row:
        return recipe.tokens / float(row["step_s"]) / gpus
    forward = training_flops(architecture, recipe).forward
    whole = forward.total - forward.attention + forward.square
    if "hardware_tflops" in row:
        return 1e12 * float(row["hardware_tflops"]) / (4.0 * whole - forward.head)
    if "mfu" in row:
        return float(row["mfu"]) * float(gpu.peak["bf16"].value) / (3.0 * whole)
    return 1e12 * float(row["square_tflops"]) / (3.0 * whole)
