"""Tables of measured training runs: each row a model, a layout and a step, and the tokens a second that came of it.

Two headers are read, those of NVIDIA's Megatron-Bridge (``release``, ``phase``, ``model``, ``system``, ``gpus``,
``precision``, ``gbs``, ``mbs``, ``sequence``, ``fsdp``, ``tp``, ``pp``, ``cp``, ``vp``, ``ep``,
``tokens_per_s_per_gpu``) and of MosaicML's LLM Foundry (``model``, ``sequence``, ``gpus``, ``gpu``, ``micro_batch``,
``grad_accumulation``, ``global_batch``, ``tokens_per_s_per_gpu``, ``precision``, ``sharding``,
``activation_recompute``); columns beside these are not used. A ``model`` is the name of a profile, however it is
spelled (``LLAMA3_70B``), or a size of MPT. Cells of the former may hold a second value in brackets, of another
recipe: the note then has its tokens a second, and the row is two runs.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from sim.errors import InputError, Problem
from sim.measure.fit.measured_csv import has_columns
from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.profiles.machines.gpu import GPUProfile
from sim.reading import read_text
from sim.training.compute import lacking
from sim.training.layout import problems
from sim.training.terms import Recipe, Spread, TrainingPrecision
from sim.training.topology import Island, Network, Switched, Tier, spread_evenly, switched
from sim.training.work import Architecture
from sim.validation import nearest

BRIDGE = ("release", "phase", "model", "system", "gpus", "precision", "gbs", "mbs", "sequence", "fsdp", "tp", "pp",
          "cp", "vp", "ep", "tokens_per_s_per_gpu")  # fmt: skip
FOUNDRY = ("model", "sequence", "gpus", "gpu", "micro_batch", "grad_accumulation", "global_batch",
           "tokens_per_s_per_gpu", "precision", "sharding", "activation_recompute")  # fmt: skip
MEASURED = "tokens_per_s_per_gpu"
PRECISIONS: Mapping[str, TrainingPrecision] = {
    "BF16": "bf16",
    "FP8": "fp8",
    "FP8-CS": "fp8",
    "FP8-SC": "fp8",
    "FP8-MX": "mxfp8",
    "MXFP8": "mxfp8",
    "NVFP4": "nvfp4",
    "amp_bf16": "bf16",
    "bf16": "bf16",
    "amp_fp8": "fp8",
}
UNSTATED: tuple[TrainingPrecision, TrainingPrecision] = ("fp8", "mxfp8")
"""Of rows without a precision (release 25.09): 8 bits by the tensor first, in brackets by blocks."""
MPT = {"125m": (768, 12, 12), "350m": (1024, 24, 16), "760m": (1536, 24, 12), "1b": (2048, 24, 16)}
MPT |= {"3b": (2560, 32, 20), "7b": (4096, 32, 32), "13b": (5120, 40, 40), "30b": (7168, 48, 56), "70b": (8192, 80, 64)}
"""Width, layers and heads (LLM Foundry, scripts/train/yamls/pretrain)."""
MPT_VOCABULARY = 50368


class System(NamedTuple):
    """A machine of a table: its GPU's profile, GPUs of an island and of a node, and B/s of a GPU's port."""

    gpu: str
    island: int
    node: int
    port_byte_per_s: float


SYSTEMS = {
    "DGX-H100": System("nvidia-h100-sxm-80gb", 8, 8, 50e9),
    "DGX-H200": System("nvidia-h200-sxm-141gb", 8, 8, 50e9),
    "DGX-B200": System("nvidia-b200-sxm-180gb", 8, 8, 50e9),
    "DGX-B300": System("nvidia-b300-sxm-270gb", 8, 8, 100e9),
    "DGX-GB200": System("nvidia-gb200-186gb", 72, 4, 50e9),
    "DGX-GB300": System("nvidia-gb300-279gb", 72, 4, 100e9),
    "DGX-A100": System("nvidia-a100-sxm-80gb", 8, 8, 25e9),
    "h100_80gb": System("nvidia-h100-sxm-80gb", 8, 8, 50e9),
    "a100_80gb": System("nvidia-a100-sxm-80gb", 8, 8, 25e9),
    "a100_40gb": System("nvidia-a100-sxm-40gb", 8, 8, 25e9),
}
"""Ports of 400 Gbit/s (ConnectX-7), 800 (ConnectX-8) and 200 (ConnectX-6) for each GPU."""
LEAF = Tier(islands=32, oversubscription=1.0)
NETWORK_S, SWITCH_S = 2e-6, 0.3e-6
"""One message over the network and through one of its switches; ``collectives`` adds the library's."""


@dataclass(frozen=True)
class Run:
    """A measured run: what was trained on what and how, of which ``year`` the software was, and tokens a second of each
    GPU. ``model`` is the table's own name of it, ``line`` where it stands."""

    model: str
    system: str
    gpu: GPUProfile
    gpus: int
    architecture: Architecture
    spread: Spread
    recipe: Recipe
    topology: Switched
    year: float
    tokens_per_s: float
    line: int


def is_training_table(path: Path) -> bool:
    """Whether the file is a table of training runs, by the column that all of them have; others may be missing."""
    return has_columns(path, [MEASURED])


def is_bridge_table(path: Path) -> bool:
    """Whether it has the header of Megatron-Bridge."""
    return has_columns(path, BRIDGE)


def read_training_table(path: Path, catalog: Catalog) -> list[Run]:
    """All runs of a table. Raises ``InputError`` with the line of each row that cannot be read."""
    runs, wrong = training_runs(path, catalog)
    if wrong:
        raise InputError(wrong)
    if not runs:
        raise InputError.one(str(path), "holds no rows")
    return runs


def training_runs(path: Path, catalog: Catalog) -> tuple[list[Run], list[Problem]]:
    """The runs of a table, and what is wrong with the rows that are none."""
    table = _cells(path)
    read = _bridge if set(BRIDGE) <= set(table.columns) else _foundry
    found: list[Run] = []
    wrong: list[Problem] = []
    for i, row in enumerate(table.to_dict("records")):
        line, cells = i + 2, {str(name): str(cell) for name, cell in row.items()}
        try:
            runs = list(read(cells, catalog, line))
        except _CellError as error:
            wrong.append(Problem(str(path), line, error.column, str(error)))
            continue
        for run in runs:
            bad = problems(run.architecture, run.spread, run.recipe, run.gpus, uneven=True)
            lacks = lacking(run.gpu, run.recipe)
            bad += [("precision", lacks)] if lacks is not None else []
            wrong += [Problem(str(path), line, field, message) for field, message in bad]
            found += [run] if not bad else []
    return found, wrong


class _CellError(ValueError):
    """What is wrong with the cell of a column."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def _cells(path: Path) -> pd.DataFrame:
    """The rows as text. Raises ``InputError`` where this is no CSV, or lacks columns of the header it is nearer to."""
    try:
        table = pd.read_csv(io.StringIO(read_text(path), newline=""), dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' ParserError is one
        raise InputError.one(str(path), f"cannot be read as CSV: {error}") from None
    table.columns = table.columns.str.strip()
    absent = min(([name for name in header if name not in table.columns] for header in (BRIDGE, FOUNDRY)), key=len)
    if absent:
        raise InputError.one(str(path), f"is a table of training runs without columns {', '.join(absent)}", line=1)
    return table


def _one_of(row: Mapping[str, str], column: str, known: Iterable[str]) -> str:
    """A cell that is one of the known names."""
    names = [*known]
    if row[column] not in names:
        raise _CellError(column, f"unknown '{row[column]}'{nearest(row[column], names)}  ({', '.join(names)})")
    return row[column]


def _measured(row: Mapping[str, str]) -> float:
    """Tokens a second, above zero and finite."""
    cell = row[MEASURED]
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0.0 < value < math.inf:
        raise _CellError(MEASURED, f"must be a number above zero, and is '{cell}'")
    return value


def _count(row: Mapping[str, str], column: str, which: int = 0) -> int:
    """A whole number of at least 1: the first of a cell, or the one in brackets."""
    value = _number(row[column], which) if re.fullmatch(r"\s*\d+\s*(\(.*\)\s*)?", row[column]) else 0
    if value < 1:
        raise _CellError(column, f"must be a whole number of at least 1, and is '{row[column]}'")
    return value


def topology_of(system: System, gpu: GPUProfile, gpus: int) -> Switched:
    """How so many GPUs of a system are joined."""
    assert gpu.link is not None
    island = Island(system.island, float(gpu.link.bandwidth.value) / 2.0, 0.0)
    if gpus <= system.island:
        return switched(gpus, island, None)
    network = Network(system.port_byte_per_s, NETWORK_S, SWITCH_S, 0.0, (LEAF,), rails=True)
    return switched(gpus, island, network, beside=spread_evenly(gpus, system.island, system.node))


def _bridge(row: dict[str, str], catalog: Catalog, line: int) -> Iterator[Run]:
    """A row of Megatron-Bridge: one run, or two where its note has a second figure in brackets."""
    second = re.search(r"tokens_per_s_per_gpu printed as \d+ \((\d+)\)", row.get("note", ""))
    yield _bridge_run(row, catalog, line, 0, _measured(row))
    if second:
        yield _bridge_run(row, catalog, line, 1, float(second.group(1)))


def _bridge_run(row: dict[str, str], catalog: Catalog, line: int, which: int, tokens_per_s: float) -> Run:
    system = SYSTEMS[_one_of(row, "system", SYSTEMS)]
    gpus = _count(row, "gpus")
    tensor, pipeline, context, chunks, expert = (max(1, _number(row[k], which)) for k in ("tp", "pp", "cp", "vp", "ep"))
    named = re.findall(r"[A-Z0-9-]+", row["precision"])
    asked = {"precision": named[min(which, len(named) - 1)]} if named else None
    precision = PRECISIONS[_one_of(asked, "precision", PRECISIONS)] if asked is not None else UNSTATED[which]
    if which:  # A cell without brackets may be of the first recipe alone: what has no room was smaller in the second.
        expert = min(expert, gpus // pipeline)
    gpu = catalog.gpu(system.gpu)
    hopper = gpu.chip is not None and gpu.chip.generation == "hopper"
    name = re.sub(r"\s*\(.*", "", row["model"])
    architecture = catalog.model(_model(name, catalog)).architecture
    mtp = "deepseek" in name.lower() and "w/o MTP" not in row["model"]
    year, month = _release(row["release"])
    return Run(
        model=name,
        system=row["system"],
        gpu=gpu,
        gpus=gpus,
        architecture=architecture,
        spread=Spread(
            data=max(1, gpus // (tensor * pipeline * context)),
            tensor=tensor,
            pipeline=pipeline,
            context=context,
            expert=expert,
            chunks=chunks if pipeline > 1 else 1,
            shard="parameters" if _number(row["fsdp"], which) > 1 and pipeline == 1 else "optimizer",
            sequence_parallel=tensor > 1,
        ),
        recipe=Recipe(
            sequence=_count(row, "sequence"),
            global_batch=_count(row, "gbs", which),
            micro_batch=_count(row, "mbs", which),
            precision="fp8" if hopper and precision == "mxfp8" else precision,
            lora_rank=16 if row["phase"] == "lora" else None,
            gradient_bytes=2.0,
            mtp_modules=int(mtp),
        ),
        topology=topology_of(system, gpu, gpus),
        year=2000.0 + year + (month - 1) / 12.0,
        tokens_per_s=tokens_per_s,
        line=line,
    )


def _model(name: str, catalog: Catalog) -> str:
    try:
        return profile_named(name, tuple(catalog.paths()))
    except ValueError as error:
        raise _CellError("model", str(error)) from None


def _release(cell: str) -> tuple[int, int]:
    """Year of this century and month: ``26.06.01`` -> (26, 6)."""
    found = re.match(r"(\d\d)\.(\d\d)(\.|$)", cell)
    if found is None:
        raise _CellError("release", f"must be a year and a month, e.g. 26.06, and is '{cell}'")
    return int(found[1]), int(found[2])


def _number(cell: str, which: int) -> int:
    """The first number of a cell, or the one in brackets where there is one; 0 where there is none."""
    found = re.findall(r"\d+", cell)
    return int(found[min(which, len(found) - 1)]) if found else 0


def _foundry(row: dict[str, str], catalog: Catalog, line: int) -> Iterator[Run]:
    """A row of LLM Foundry."""
    system = SYSTEMS[_one_of(row, "gpu", SYSTEMS)]
    gpu, gpus, sequence = catalog.gpu(system.gpu), _count(row, "gpus"), _count(row, "sequence")
    yield Run(
        model=row["model"],
        system=row["gpu"],
        gpu=gpu,
        gpus=gpus,
        architecture=mpt(_one_of(row, "model", MPT), sequence),
        spread=Spread(data=gpus, shard="parameters" if row["sharding"] == "FULL_SHARD" else "gradients"),
        recipe=Recipe(
            sequence=sequence,
            global_batch=_count(row, "global_batch"),
            micro_batch=_count(row, "micro_batch"),
            precision=PRECISIONS[_one_of(row, "precision", PRECISIONS)],
            recompute="full" if row["activation_recompute"] == "True" else "none",
            gradient_bytes=2.0,
        ),
        topology=topology_of(system, gpu, gpus),
        year=2024.0,
        tokens_per_s=_measured(row),
        line=line,
    )


@lru_cache(maxsize=64)
def mpt(size: str, sequence: int) -> Transformer:
    """MPT of a size, with learned positions."""
    hidden, layers, heads = MPT[size]
    return Transformer(
        kind="transformer",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        ffn=4 * hidden,
        gated_ffn=False,
        vocabulary=MPT_VOCABULARY,
        tied_embeddings=True,
        norm="layer",
        qkv_bias=True,
        output_bias=True,
        ffn_bias=True,
        positions=sequence,
    )


@lru_cache(maxsize=256)
def profile_named(name: str, profiles: tuple[str, ...]) -> str:
    """The profile meant by a table's spelling: letters and digits alike, or the only one that begins so, or of Llama 3
    the release 3.1 (of the same layers). Raises ``ValueError`` where there is none."""
    wanted = _plain(name)
    alike = [each for each in profiles if _plain(each) == wanted]
    begun = [each for each in profiles if _plain(each).startswith(wanted)]
    newer = [each for each in profiles if _plain(each) == re.sub("^llama3(?=[0-9]+b)", "llama31", wanted)]
    for found in (alike, newer, begun):
        if len(found) == 1:
            return found[0]
    raise ValueError(f"no profile of a model is called '{name}'")


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
