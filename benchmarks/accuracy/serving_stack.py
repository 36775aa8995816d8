"""A serving stack and its GPUs as a few constants, and the simulator run with them on a measured configuration.

Nothing is memorised by row: all models share the constants, whose form is ``profiles.step``. Powers are shares of the
TDP, so that a board that was never measured is predicted from its data sheet.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sim.documents import read_document
from sim.measure.fit.least_squares import Bound
from sim.profiles.catalog import Catalog, shipped_folder
from sim.results.files import to_yaml
from sim.results.results import Results

BOARDS = {"H100": "nvidia-h100-sxm-80gb", "B200": "nvidia-b200-sxm-180gb"}
NODES = {"H100": "dgx-h100", "B200": "dgx-b200"}
STACK = "measured-stack"
WEIGHTS = {"bfloat16": "bf16", "fp8": "fp8", "mxfp4": "mxfp4"}
REFERENCE_BYTE_PER_J = 3.35e12 / 700.0
"""Of an H100: bytes of its bandwidth for each joule of its TDP."""

CONSTANTS = {
    "iteration_s": Bound(1e-3, 3e-4, 5e-3),
    "layer_s": Bound(60e-6, 3e-5, 1.2e-4),
    "expert_layer_s": Bound(25e-6, 1e-6, 2e-4),
    "fp8_layer_s": Bound(20e-6, 1e-7, 1.5e-4),
    "sequence_s": Bound(35e-6, 1e-6, 2e-4),
    "launch_s": Bound(500e-6, 1e-5, 2e-3),
    "expert_launch_s": Bound(200e-6, 0.0, 1e-3),
    "fp8_launch_s": Bound(200e-6, 0.0, 1e-3),
    "prompt_s": Bound(2e-3, 1e-4, 2e-2),
    "image_s": Bound(5e-3, 5e-4, 0.1),
    "video_s": Bound(15e-3, 1e-3, 0.1),
    "image_encoder_s": Bound(20e-3, 0.0, 0.1),
    "video_encoder_s": Bound(40e-3, 0.0, 0.2),
    "link_latency_s": Bound(8e-6, 1e-6, 4e-5),
    "link_latency_per_gpu_s": Bound(1.5e-6, 1e-7, 1e-5),
    "memory_efficiency": Bound(0.9, 0.5, 1.0),
    "compute_efficiency": Bound(0.7, 0.3, 0.9),
    "overlap": Bound(0.6, 0.0, 1.0),
    "expert_efficiency": Bound(0.6, 0.3, 1.0),
    "tile_issue": Bound(25.0, 10.0, 60.0),
    "mxfp4_efficiency": Bound(1.0, 0.3, 1.0),
    "fp8_floor": Bound(0.2, 0.0, 0.9),
    "expert_skew": Bound(1.0, 0.0, 2.5),
    "expert_imbalance": Bound(1.0, 0.1, 1.5),
    "routed_passes": Bound(5.0, 0.0, 80.0),
    "chat_tokens": Bound(100.0, 20.0, 150.0),
    "code_tokens": Bound(1000.0, 200.0, 1400.0),
    "image_megapixels": Bound(0.8, 0.3, 2.0),
    "video_megapixels": Bound(0.8, 0.3, 6.0),
    "waiting_share": Bound(0.2, 0.01, 0.5),
    "streaming_share": Bound(0.6, 0.2, 1.2),
    "byte_law": Bound(0.5, -0.2, 1.2),
    "context_power": Bound(1.2, 0.7, 2.0),
    "computing_share": Bound(1.6, 0.3, 3.0),
    "expert_power": Bound(1.5, 0.0, 5.0),
    "fp8_power": Bound(1.2, 0.5, 2.5),
    "mxfp4_power": Bound(1.2, 0.5, 2.5),
    "fp8_layer_power": Bound(1.5, 0.5, 5.0),
}
"""Shares are of the TDP: what a board draws beyond loaded while it waits, while it streams at its full bandwidth, and
while it computes at its full rate; ``byte_law`` says how the second grows with the bandwidth (``streaming_share``).
Efficiencies and powers of fp8 and mxfp4 are relative to the experts' in 16 bits, so that a family that alone is
quantised has something to be predicted from. Sizes of prompts by task, which the data do not give, are constants too.
"""

GRAPH_TOKENS = 512
"""The largest batch for which vLLM captures a graph by default."""


def streaming_share(
    byte_per_s: float | npt.NDArray[Any], tdp_w: float | npt.NDArray[Any], constants: Mapping[str, float]
) -> Any:
    """W beyond loaded while memory streams at ``byte_per_s``, as a share of the TDP.

    Between two simple laws, by ``byte_law``: 0, the same share of any board's TDP; 1, the same energy of any byte.
    """
    more = byte_per_s / tdp_w / REFERENCE_BYTE_PER_J
    return constants["streaming_share"] * more ** constants["byte_law"]


def write_profiles(folder: Path, constants: Mapping[str, float]) -> None:
    """The stack and both boards as profiles, beside which the shipped ones serve for the rest."""

    def entry(value: str | float) -> dict[str, Any]:
        return {"value": value, "source": "fit", "confidence": "derived", "note": "Fitted with the others held out."}

    c = constants
    shipped = read_document(Catalog().path("vllm-2025")).data
    # How the stack cuts its tiles is known from its source, not fitted.
    tiles = {**copy.deepcopy(shipped["tiles"]), "issue": entry(c["tile_issue"])}
    sources_of_tiles = {"vllm-source": shipped["sources"]["vllm-source"]}
    source = {"title": "ML.ENERGY v3, fitted", "author": "coldaisle", "year": 2026}
    stack = {
        "kind": "stack",
        "name": STACK,
        "title": "The stack as fitted",
        "sources": {"fit": source, **sources_of_tiles},
        "compute_efficiency": entry(c["compute_efficiency"]),
        "memory_efficiency": entry(c["memory_efficiency"]),
        "expert_efficiency": entry(c["expert_efficiency"]),
        "link_efficiency": entry(0.7),
        "overlap": entry(c["overlap"]),
        "iteration": entry(f"{c['iteration_s']} s"),
        "layer": entry(f"{c['layer_s']} s"),
        "sequence": entry(f"{c['sequence_s']} s"),
        "link_latency": entry(f"{c['link_latency_s']} s"),
        "swap_bandwidth": entry("25 GB/s"),
        # All of it: loops at the edge of their cache were measured at concurrencies that it held.
        "gpu_memory_utilization": entry(1.0),
        "activation_reserve": entry(0.01),
        "expert_layer": entry(f"{c['expert_layer_s']} s"),
        "launch": entry(f"{c['launch_s']} s"),
        "expert_launch": entry(f"{c['expert_launch_s']} s"),
        "graph_tokens": entry(GRAPH_TOKENS),
        "prompt": entry(f"{c['prompt_s']} s"),
        "link_latency_per_gpu": entry(f"{c['link_latency_per_gpu_s']} s"),
        "expert_power": entry(c["expert_power"]),
        "expert_imbalance": entry(c["expert_imbalance"]),
        "expert_skew": entry(c["expert_skew"]),
        "routed_passes": entry(c["routed_passes"]),
        "context_power": entry(c["context_power"]),
        "tiles": tiles,
        "quantised": {
            "fp8": {
                "expert_efficiency": entry(c["expert_efficiency"]),
                "expert_power": entry(c["fp8_power"] * c["expert_power"]),
                "expert_floor": entry(c["fp8_floor"]),
                "layer": entry(f"{c['fp8_layer_s']} s"),
                "layer_power": entry(c["fp8_layer_power"]),
                "launch": entry(f"{c['fp8_launch_s']} s"),
                "tiles": "large",
            },
            "mxfp4": {
                "expert_efficiency": entry(c["mxfp4_efficiency"] * c["expert_efficiency"]),
                "expert_power": entry(c["mxfp4_power"] * c["expert_power"]),
                "tiles": "none",
            },
        },
    }
    (folder / "stacks").mkdir()
    (folder / "stacks" / f"{STACK}.yaml").write_text(to_yaml(stack))
    (folder / "gpus").mkdir()
    for name in BOARDS.values():
        gpu = Catalog().gpu(name)
        tdp = float(gpu.tdp.value)
        profile: dict[str, Any] = copy.deepcopy(read_document(Catalog().path(name)).data)
        profile["sources"]["fit"] = source
        power = profile["power"]
        bandwidth = float(gpu.memory.bandwidth.value)
        a_byte_j = float(streaming_share(bandwidth, tdp, c)) * tdp / bandwidth
        power["energy_per_byte"] = entry(f"{a_byte_j * 1e12} pJ/B")
        power["waiting"] = entry(f"{c['waiting_share'] * tdp} W")
        for precision in power["energy_per_flop"]:
            per_flop = c["computing_share"] * tdp / float(gpu.peak[precision].value)
            power["energy_per_flop"][precision] = entry(f"{per_flop * 1e12} pJ/FLOP")
        (folder / "gpus" / f"{name}.yaml").write_text(to_yaml(profile))


@dataclass(frozen=True)
class Configuration:
    """A measured closed loop: ``users`` at a model on GPUs of one board, with the lengths of its task."""

    board: str
    model: Any
    gpus: int
    expert_parallel: bool
    data_parallel: bool
    weights: str
    users: int
    prompt_tokens: int
    prompt_work_s: float
    encoder_s: float
    output: Mapping[str, Any]
    seconds: float


class Bench:
    """The simulator with one set of constants. A context manager: its profiles live in a folder that goes away."""

    def __init__(self, constants: Mapping[str, float]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        write_profiles(Path(self._folder.name), constants)
        self._catalog = Catalog((Path(self._folder.name), shipped_folder("hardware_profiles")))

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def run(self, at: Configuration) -> Results:
        """The closed loop, from all users at once until ``seconds`` are over."""
        from sim.loading.scenario import load_scenario
        from sim.running.run import run_loaded

        return run_loaded(load_scenario(scenario(at), {}, self._catalog))


def scenario(at: Configuration) -> dict[str, Any]:
    """The configuration as a scenario."""
    replicas: dict[str, Any] = {"count": 1, "tensor_parallel": at.gpus}
    if at.data_parallel:
        replicas = {"count": 1, "data_parallel": at.gpus}
    if at.expert_parallel or at.data_parallel:
        replicas["expert_parallel"] = True
    return {
        "name": "a closed loop",
        "start": "2025-09-01T00:00:00Z",
        "duration": f"{at.seconds} s",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": NODES[at.board], "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving",
                "model": at.model,
                "stack": STACK,
                "precision": {"weights": at.weights},
                "replicas": replicas,
                "batching": {"max_num_seqs": at.users, "max_num_batched_tokens": max(8192, at.users)},
                "routing": "round-robin",
                "prompt_work": f"{at.prompt_work_s} s",
                "encoder_work": f"{at.encoder_s} s",
                "arrivals": {"kind": "closed-loop", "concurrency": at.users},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "constant", "tokens": at.prompt_tokens},
                    "output": dict(at.output),
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 d"},
    }
