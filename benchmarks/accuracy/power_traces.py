"""Power over time of vLLM on A100 and L40S: mean power and energy of each run's inference phases, by model held out.

The traces name the model and the phases, and not how many tokens there were. A phase is work and then a pause, whose
length is the same throughout an experiment. What the work draws beyond a loaded GPU is simulated (a closed loop on the
same GPUs); the power of a loaded GPU, one factor on the simulated, and the pause are told from the other models' runs.
Data: power-traces-browser.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import sim
from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import Errors, errors
from sim.measure.fit.least_squares import held_out

Floats = npt.NDArray[np.float64]

FOLDER = MEASURED / "vllm_power_traces"
BOARDS = {"A100": ("nvidia-a100-sxm-80gb", "dgx-a100"), "L40S": ("nvidia-l40s", "l40s-server")}
PHI_3_MINI = {
    "name": "phi-3-mini",
    "architecture": {
        "kind": "transformer", "layers": 32, "hidden": 3072, "heads": 32, "kv_heads": 32, "head_dim": 96, "ffn": 8192,
        "vocabulary": 32064,
    },
}  # fmt: skip
"""From the model's published configuration (arXiv:2404.14219)."""
MODELS: dict[str, tuple[str, Any]] = {
    # what a run's name begins with: family, model
    "deepseek_r1_7b": ("qwen2-7b", "qwen2.5-7b"),
    "qwen_coder_7b": ("qwen2-7b", "qwen2.5-7b"),
    "qwen7b": ("qwen2-7b", "qwen2.5-7b"),
    "qwen72b": ("qwen2-72b", "qwen2.5-72b"),
    "exp1_llama8b": ("llama-8b", "llama-3.1-8b"),
    "exp8_llama8b": ("llama-8b", "llama-3.1-8b"),
    "exp8_qwen7b": ("qwen2-7b", "qwen2.5-7b"),
    "llama_1b": ("llama-1b", "llama-3.2-1b"),
    "llama_3b": ("llama-3b", "llama-3.2-3b"),
    "llama_8b": ("llama-8b", "llama-3.1-8b"),
    "llama_70b": ("llama-70b", "llama-3.1-70b"),
    "mistral7b": ("mistral", "mistral-7b"),
    "phi_mini": ("phi", PHI_3_MINI),
}
BARE_W = 50.0
"""A GPU below this has no context: the run never began."""
USERS = 4
LONG = 1.5
"""The 97th percentile over the 5th, above which a run worked for long enough to show its high plateau."""


@dataclass(frozen=True)
class Trace:
    """One run: its inference phases' seconds and mean W (per GPU), the low and the high plateau, and its pauses."""

    name: str
    family: str
    board: str
    group: str
    gpus: int
    dynamic_w: float
    seconds: Floats
    watts: Floats
    low_w: float
    high_w: float
    pause_s: Floats


@lru_cache(maxsize=64)
def simulated_w(model: str, board: str, gpus: int, weights: str) -> float:
    """W of a GPU at work beyond a loaded one: a closed loop of a few users on one replica, simulated."""
    _, node = BOARDS[board]
    chosen: Any = json.loads(model)
    scenario: dict[str, Any] = {
        "name": "a few users",
        "start": "2025-01-01T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": node, "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving", "model": chosen, "stack": "generic-2025", "precision": {"weights": weights},
                "replicas": {"count": 1, "tensor_parallel": gpus},
                "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 2048}, "routing": "round-robin",
                "arrivals": {"kind": "closed-loop", "concurrency": USERS, "requests": 40},
                "lengths": {
                    "kind": "separate", "prompt": {"kind": "constant", "tokens": 128},
                    "output": {"kind": "constant", "tokens": 200},
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }  # fmt: skip
    ledger = sim.run(scenario).energy.where(lambda key: key.component == "gpu" and key.owner == "w")
    active = ledger.where(lambda key: key.state == "active")
    mean_w = active.total_j() / (float(active.slot_ns.sum()) * 1e-9)
    from sim.profiles.catalog import Catalog

    return mean_w - float(Catalog().gpu(BOARDS[board][0]).power.loaded.value)


def traces() -> list[Trace]:
    """Every run with inference phases on GPUs that were in use."""
    table = pd.read_csv(FOLDER / "manifest.csv").set_index("run_id")
    found = []
    for path in sorted(FOLDER.glob("*.json.gz")):
        with gzip.open(path, "rt") as text:
            data = json.load(text)
        about = table.loc[data["run_id"]]
        gpus = int(about["tp_size"])
        times, watts = np.array(data["ts"]), np.array(data["pw"], dtype=np.float64) / gpus
        low, high = float(np.percentile(watts, 5)), float(np.percentile(watts, 97))
        seconds, means, pauses = [], [], []
        for phase in data["phases"]:
            inside = (times >= phase["t_start"]) & (times <= phase["t_end"])
            if phase["phase"] != "inference" or inside.sum() < 4:
                continue
            t, w = times[inside], watts[inside]
            length = float(t[-1] - t[0])
            seconds.append(length)
            means.append(float(np.trapezoid(w, t)) / length)
            pauses.append(length - float(np.trapezoid((w > 0.5 * (low + high)).astype(np.float64), t)))
        if not seconds or low < BARE_W:
            continue
        key = max((name for name in MODELS if data["run_id"].startswith(name)), key=len)
        family, model = MODELS[key]
        weights = "int4" if about["quantization"] in ("awq", "gptq") else "bf16"
        board = str(about["gpu_type"])
        dynamic = simulated_w(json.dumps(model), board, gpus, weights)
        found.append(
            Trace(
                str(data["run_id"]), family, board, str(about["experiment_group"]), gpus, dynamic,
                np.array(seconds), np.array(means), low, high, np.array(pauses),
            )
        )  # fmt: skip
    return found


def predict(trace: Trace, known: list[Trace]) -> Floats:
    """Mean W of a GPU in each of its phases, from other models' runs on the same board."""
    board = [other for other in known if other.board == trace.board]
    loaded = float(np.median([other.low_w for other in board]))
    long = [other for other in board if other.high_w > LONG * other.low_w]
    factor = float(np.median([(other.high_w - other.low_w) / other.dynamic_w for other in long]))
    alike = [other for other in known if other.group == trace.group] or board
    pause = float(np.median(np.concatenate([other.pause_s for other in alike])))
    working = np.clip(1.0 - pause / trace.seconds, 0.0, 1.0)
    return np.asarray(loaded + factor * trace.dynamic_w * working)


def guess_w(trace: Trace, known: list[Trace]) -> float:
    """The guess without a model: the mean W of all phases of other models on the board."""
    return float(np.mean(np.concatenate([other.watts for other in known if other.board == trace.board])))


def rows() -> list[Row]:
    """Mean power of phases, and energy of whole runs."""
    if not FOLDER.is_dir():
        print(f"{FOLDER.name} is not here: its rows are left out")
        return []
    runs = traces()
    predicted: list[Floats] = [np.zeros(0)] * len(runs)
    guessed: list[Floats] = [np.zeros(0)] * len(runs)
    for known, judged in held_out([run.family for run in runs]):
        others = [run for run, is_known in zip(runs, known, strict=True) if is_known]
        for i in np.flatnonzero(judged):
            predicted[i] = predict(runs[i], others)
            guessed[i] = np.full(len(runs[i].watts), guess_w(runs[i], others))

    def judged_by(watts: list[Floats], which: list[int]) -> tuple[Errors, Errors]:
        """Of phases and of whole runs."""
        of_phases = [np.concatenate([series[i] for i in which]) for series in (watts, [run.watts for run in runs])]
        told, truth = (
            np.array([float(series[i] @ runs[i].seconds) for i in which])
            for series in (watts, [run.watts for run in runs])
        )
        return errors(*of_phases), errors(told, truth)

    whole = list(range(len(runs)))
    (phases, energy), (naive_phases, naive_energy) = judged_by(predicted, whole), judged_by(guessed, whole)
    boards = {board: [i for i in whole if runs[i].board == board] for board in BOARDS}
    by_board = {board: judged_by(predicted, which) for board, which in boards.items()}
    each = [", ".join(f"{board} {100 * found[k].mape:.1f}" for board, found in by_board.items()) for k in (0, 1)]
    notes = [
        f"naive {100 * naive.mape:.0f} %, noise 3-5 %; {by}"
        for naive, by in zip((naive_phases, naive_energy), each, strict=True)
    ]
    count = f"{phases.count} phases of {len(runs)} runs"
    return [
        Row("vLLM traces, mean power of a phase", 100 * phases.mape, "%", 10.0, f"{notes[0]}; {count}"),
        Row("vLLM traces, energy of a run", 100 * energy.mape, "%", 10.0, notes[1]),
    ]
