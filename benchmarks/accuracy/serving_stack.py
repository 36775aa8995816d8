"""A serving stack and its GPUs as a few constants, and the simulator run with them on a measured configuration.

Nothing is memorised by row: all models share the constants, whose form is ``iteration.cost``. Powers are shares of the
TDP, so that a board that was never measured is predicted from its data sheet.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sim.build.serving.deployment import Deployment
from sim.documents import read_document
from sim.measure.fit.least_squares import Bound
from sim.profiles.catalog import Catalog, shipped_folder
from sim.profiles.iteration.terms import Terms
from sim.results.files import to_yaml
from sim.results.results import Results
from sim.spec.serving import Replicas, Serving

BOARDS = {"H100": "nvidia-h100-sxm-80gb", "B200": "nvidia-b200-sxm-180gb"}
NODES = {"H100": "dgx-h100", "B200": "dgx-b200"}
STACK, FLASHINFER = "measured-stack", "measured-stack-flashinfer"
"""By default, and with another library's kernels for quantised experts, whose tokens need not be aligned."""
WEIGHTS = {"bfloat16": "bf16", "fp8": "fp8", "mxfp4": "mxfp4"}

CONSTANTS = {
    "iteration_s": Bound(0.7e-3, 1e-4, 5e-3),
    "layer_s": Bound(15e-6, 1e-6, 8e-5),
    "fp8_layer_s": Bound(60e-6, 1e-7, 3e-4),
    "logit_s": Bound(0.3e-9, 1e-11, 1e-9),
    "launch_s": Bound(400e-6, 1e-5, 1e-3),
    "expert_launch_s": Bound(600e-6, 0.0, 1.2e-3),
    "prompt_s": Bound(0.5e-3, 1e-4, 1e-3),
    "image_s": Bound(5e-3, 5e-4, 0.1),
    "video_s": Bound(15e-3, 1e-3, 0.1),
    "image_encoder_s": Bound(20e-3, 0.0, 0.1),
    "video_encoder_s": Bound(40e-3, 0.0, 0.2),
    "expert_crowded": Bound(1.3, 1.0, 2.5),
    "expert_skew": Bound(1.0, 0.0, 2.5),
    "expert_imbalance": Bound(1.0, 0.1, 1.5),
    "routed_passes": Bound(5.0, 0.0, 80.0),
    "chat_tokens": Bound(120.0, 40.0, 400.0),
    "code_tokens": Bound(600.0, 200.0, 1400.0),
    "image_megapixels": Bound(0.8, 0.3, 2.0),
    "video_megapixels": Bound(0.8, 0.3, 6.0),
    "logit_bytes": Bound(200.0, 50.0, 800.0),
    "mxfp4_power": Bound(1.2, 0.8, 3.0),
}
"""What is left to whole servers. Shares are of the TDP: what a board draws beyond loaded while it waits, beside that
while kernels run, and while it computes at its full rate. Sizes of prompts by task, which the data do not give, are
constants too. A prompt's own host work is bounded by 1 ms: what an iteration with prompts waits for the host goes
with layers (``launch_s``). All else is the kernels' (``hardware_profiles/stacks/vllm-2025.yaml``) and held.
"""


@dataclass(frozen=True)
class Rows:
    """Many configurations' terms of an iteration's cost, as columns, and which have weights of 8 or 4 bits."""

    terms: Terms
    fp8: Any
    mxfp4: Any


def with_constants(rows: Rows, constants: Mapping[str, float]) -> Terms:
    """Their terms with these constants: what ``write_profiles`` says in files."""
    c, device = constants, rows.terms.device
    device = replace(device, cap_w=device.limit_w)
    stack = replace(
        rows.terms.stack,
        iteration_s=c["iteration_s"],
        layer_s=c["layer_s"],
        quantise_s=np.where(rows.fp8, c["fp8_layer_s"], 0.0),
        logit_s=c["logit_s"],
        launch_s=c["launch_s"],
        expert_launch_s=c["expert_launch_s"],
        logit_byte=c["logit_bytes"],
        expert_crowded=np.where(rows.fp8 | rows.mxfp4, 1.0, c["expert_crowded"]),
        expert_skew=c["expert_skew"] + 0.0 * device.limit_w,
        expert_imbalance=c["expert_imbalance"],
        routed_passes=c["routed_passes"],
        expert_power=np.where(rows.mxfp4, c["mxfp4_power"], 1.0),
    )
    return replace(rows.terms, device=device, stack=stack)


def write_profiles(folder: Path, constants: Mapping[str, float]) -> None:
    """The stack and both boards as profiles, beside which the shipped ones serve for the rest."""

    def entry(value: str | float) -> dict[str, Any]:
        return {"value": value, "source": "fit", "confidence": "derived", "note": "Fitted with the others held out."}

    c = constants
    source = {"title": "ML.ENERGY v3, fitted", "author": "coldaisle", "year": 2026}
    stack: dict[str, Any] = copy.deepcopy(read_document(Catalog().path("vllm-2025")).data)
    stack["name"], stack["sources"]["fit"] = STACK, source
    stack |= {
        "iteration": entry(f"{c['iteration_s']} s"),
        "layer": entry(f"{c['layer_s']} s"),
        "launch": entry(f"{c['launch_s']} s"),
        "expert_launch": entry(f"{c['expert_launch_s']} s"),
        "prompt": entry(f"{c['prompt_s']} s"),
        "logits_per_second": entry(1.0 / c["logit_s"]),
        "logit_bytes": entry(c["logit_bytes"]),
        "expert_crowded": entry(c["expert_crowded"]),
        "expert_imbalance": entry(c["expert_imbalance"]),
        "expert_skew": entry(c["expert_skew"]),
        "routed_passes": entry(c["routed_passes"]),
        # All of it: loops at the edge of their cache were measured at concurrencies that it held.
        "gpu_memory_utilization": entry(1.0),
        "activation_reserve": entry(0.01),
    }
    stack["quantised"]["fp8"] |= {"layer": entry(f"{c['fp8_layer_s']} s")}
    stack["quantised"]["mxfp4"] |= {"expert_power": entry(c["mxfp4_power"])}
    (folder / "stacks").mkdir()
    (folder / "stacks" / f"{STACK}.yaml").write_text(to_yaml(stack))
    for kernels in stack["quantised"]["fp8"]["experts"].values():
        kernels.pop("aligned")
    stack["name"] = FLASHINFER
    (folder / "stacks" / f"{FLASHINFER}.yaml").write_text(to_yaml(stack))


def deployment(at: Configuration) -> Deployment:
    """A measured configuration as the shipped stack would run it."""
    spec = Serving.model_validate(workload(at) | {"stack": "vllm-2025"})
    catalog = Catalog()
    assert isinstance(spec.replicas, Replicas)
    return Deployment.of(spec, spec.replicas, catalog.gpu(BOARDS[at.board]), catalog.node(NODES[at.board]), catalog)


@dataclass(frozen=True)
class Configuration:
    """A measured closed loop: ``users`` at a model on GPUs of one board, with the lengths of its task; with
    ``flashinfer`` its quantised experts are that library's. Of a prompt so many tokens are cached, on average."""

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
    flashinfer: bool = False
    cached_tokens: int = 0


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
        return self.of(scenario(at))

    def of(self, asked: dict[str, Any]) -> Results:
        """A scenario, with these profiles."""
        from sim.loading.scenario import load_scenario
        from sim.running.run import run_loaded

        return run_loaded(load_scenario(asked, {}, self._catalog))


def workload(at: Configuration) -> dict[str, Any]:
    """The closed loop."""
    replicas: dict[str, Any] = {"count": 1, "tensor_parallel": at.gpus}
    if at.data_parallel:
        replicas = {"count": 1, "data_parallel": at.gpus}
    if at.expert_parallel or at.data_parallel:
        replicas["expert_parallel"] = True
    met: dict[str, Any] = {}
    if at.cached_tokens:  # all begin alike, which is as much as some of them being met again
        met = {"prefix": {"kind": "documents", "count": 1, "tokens": at.cached_tokens, "zipf": 0.0}}
    return met | {
        "kind": "serving",
        "model": at.model,
        "stack": FLASHINFER if at.flashinfer else STACK,
        "precision": {"weights": at.weights},
        "replicas": replicas,
        "batching": {
            "max_num_seqs": at.users,
            "max_num_batched_tokens": max(8192, at.users),
            "prefix_cache": bool(met),
        },
        "routing": "round-robin",
        "prompt_work": f"{at.prompt_work_s} s",
        "encoder_work": f"{at.encoder_s} s",
        "arrivals": {"kind": "closed-loop", "concurrency": at.users},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": at.prompt_tokens - at.cached_tokens},
            "output": dict(at.output),
        },
        "cpu_load": 0.1,
    }


def scenario(at: Configuration, bins: int = 200) -> dict[str, Any]:
    """The configuration as a scenario, its energy in so many ``bins``."""
    return {
        "name": "a closed loop",
        "start": "2025-09-01T00:00:00Z",
        "duration": f"{at.seconds} s",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": NODES[at.board], "count": 1}]},
        "workloads": {"w": workload(at)},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": f"{at.seconds / bins} s", "requests": "all"},
    }
