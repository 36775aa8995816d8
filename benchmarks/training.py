"""How long it takes to cost a training step from nothing, and to simulate 54 days of a large job and its failures."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.table import Row
from sim.build.training.gangs import trained_in
from sim.build.training.trained import Trained
from sim.loading.scenario import Loaded, load_scenario
from sim.running.run import built_of, run_loaded
from sim.running.simulation import simulate
from sim.spec.training import ModelWork
from sim.training.step import step_cost

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
THOUSAND = {
    "cluster.nodes.0.count": "128",
    "workloads.pretrain.gpus": "1024",
    "workloads.pretrain.work.global_batch": "2048",
}


def _forget() -> None:
    """Empties every cache of the laws of training."""
    for name, module in list(sys.modules.items()):
        if name.startswith("sim.training"):
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _seconds(act: Callable[[], object]) -> float:
    gc.collect()
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _job(loaded: Loaded) -> Trained:
    answers = loaded.answers.of_run
    job = answers.jobs["pretrain"]
    assert isinstance(job.work, ModelWork)
    return trained_in(job, job.work, answers.pool("pretrain"), answers)


def rows(*, quick: bool) -> list[Row]:
    """Medians within this process, everything imported and profiles read."""
    times = 5 if quick else 31
    job = _job(load_scenario(SCENARIOS / "llama-70b-training.yaml", THOUSAND))
    cold, joined, warm = [], [], []
    for _ in range(times):
        _forget()
        fresh = Trained(job.work, job.gpus, job.architecture, job.machine, job.gpu, job.stack)
        joined.append(_seconds(partial(getattr, fresh, "topology")))
        costed = partial(
            step_cost, fresh.architecture, fresh.gpu, fresh.topology, fresh.stack, fresh.spread, fresh.recipe
        )
        cold.append(_seconds(costed))
        warm.append(_seconds(costed))
    large = load_scenario(SCENARIOS / "llama-3-405b-training.yaml")
    built = built_of(large)
    simulated = [_seconds(partial(simulate, built)) for _ in range(2 if quick else 5)]
    whole = [_seconds(partial(run_loaded, large)) for _ in range(1 if quick else 3)]
    cold_ms, bare_ms = 1e3 * statistics.median(cold), 1e3 * statistics.median(warm)
    return [
        Row("a step of 1,024 H100, cold", cold_ms, "ms", 5.0, f"{cold_ms / bare_ms:.1f} x one costed again"),
        Row("their topology, once", 1e3 * statistics.median(joined), "ms", note="graph, distances, bisection"),
        Row("54 days of 16,384 H100 with failures", statistics.median(simulated), "s", 2.0, "simulated"),
        Row("the same, built and accounted", statistics.median(whole), "s", 2.0),
    ]
