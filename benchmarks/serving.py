"""Requests a second through the serving engine, against what it was asked to reach, its plain twin, and a bare loop.

The figures of other simulators are quoted from the project's brief (they were measured on another machine of 2 cores);
what is compared side by side here is the compiled engine, the plain one and the bare loop, in one run.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import sim
from benchmarks import splitwise, splitwise_rules
from benchmarks.bare_loop import served
from benchmarks.process import spent
from benchmarks.serving_scenarios import KEPT_UP_WITH, poisson_service
from benchmarks.startup import COMMAND, ENVIRONMENT
from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed
from sim.running.peak_memory import peak_bytes
from sim.units import NS_PER_S

MEBIBYTE = 1 << 20
EXPLAIN = 0.15
"""A larger difference from another simulator's result wants an explanation."""


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def rows(*, quick: bool) -> list[Row]:
    """All of it; ``quick`` shrinks the long ones and says so."""
    sim.run(poisson_service(1000, "round-robin"))  # compiled, or read from the cache
    return [*_azure(), *_throughput(quick=quick), *_kernels(quick=quick), *_twins(quick=quick)]


def _azure() -> Sequence[Row]:
    if not splitwise.TRACE.is_file():
        print("the Azure trace is not here (../shared/data): its rows are left out")
        return []
    with tempfile.TemporaryDirectory() as folder:
        steps, file = Path(folder) / "steps.csv", Path(folder) / "azure.yaml"
        splitwise.write_step_table(steps)
        scenario = splitwise.scenario(steps)
        seconds, results = _timed(lambda: sim.run(scenario))
        from sim.results.files import to_yaml

        file.write_text(to_yaml(scenario))
        whole = spent([*COMMAND, "run", str(file), "--quiet"], Path(folder), ENVIRONMENT)
    from sim.workload.traces import read_trace

    found = results.summary["serving"]["conv"]
    told_again = splitwise_rules.medians(read_trace(splitwise.TRACE).requests, splitwise.LATENCIES)
    rows = [
        Row("Azure 2023, 8 x TP8, read and simulate", seconds, "s", 1.0, "beside-splitwise has the other"),
        Row("the same, whole command", whole.wall_s, "s", 4.0, f"{whole.cpu_s:.1f} s of CPU, {whole.peak_mib:.0f} MiB"),
    ]
    for name, label in (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("e2e_s", "E2E")):
        rows.append(
            Row(f"  median {label}", found[name]["p50"], "s", note=_beside(found[name]["p50"], name, told_again))
        )
    return rows


def _beside(median_s: float, name: str, told_again: dict[str, float]) -> str:
    quoted_s, rules_s = splitwise.PUBLISHED[name], told_again[name]
    off, off_rules = median_s / quoted_s - 1, median_s / rules_s - 1
    note = f"Splitwise-sim {quoted_s:g} s ({off:+.0%}); its rules told again {rules_s:.3f} s ({off_rules:+.0%})"
    if abs(off) > EXPLAIN and abs(off_rules) <= EXPLAIN:
        note += ": the quoted figure is not what its own rules give on this table and trace"
    return note


def _throughput(*, quick: bool) -> Sequence[Row]:
    requests = 2_000_000 if quick else 10_000_000
    result = []
    # The second model leaves so little memory that the KV limit binds, and sequences are preempted: from 195 a second.
    tight = partial(poisson_service, requests, "join-shortest-queue", model="qwen3-32b", weights="bf16")
    cases = (
        ("round robin", poisson_service(requests, "round-robin"), 3.0),
        ("shortest queue", poisson_service(requests, "join-shortest-queue"), 1.0),
        ("shortest queue, KV limit binding", tight(rate="250 request/s"), 1.0),
        ("round robin, kept up with", poisson_service(requests, "round-robin", rate=KEPT_UP_WITH), None),
        ("shortest queue, kept up with", poisson_service(requests, "join-shortest-queue", rate=KEPT_UP_WITH), None),
        ("shortest queue, much of the KV cache, kept up with", tight(rate="150 request/s"), None),
    )
    for case, scenario, reach in cases:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            seconds, found, peak = pool.submit(_served, scenario).result()
        rate = found["completed"] / seconds / 1e6
        note = f"{found['completed']:,} requests, mean batch {found['batch_size_mean']:.0f}, chunked prefill, "
        note += f"{found['preemptions']:,} preemptions, {found['queue_length_mean']:,.0f} waiting in the mean, "
        note += f"{peak / MEBIBYTE:.0f} MiB"
        result.append(Row(f"Poisson, 8 replicas, {case}", rate, "M/s", reach, note, at_least=True))
    bare = _bare(requests)
    result.append(Row("a bare loop of heap and arithmetic", bare, "M/s", note="no features"))
    result.append(Row("share of the bare loop, round robin", result[0].value / bare, "", note="1 would be the limit"))
    return result


def _served(scenario: dict[str, Any]) -> tuple[float, dict[str, Any], int]:
    """CPU seconds of a run in a process of its own, what it found, and bytes of memory at most."""
    sim.run(poisson_service(1000, "round-robin"))
    began = time.process_time()
    found = sim.run(scenario).summary["serving"]["chat"]
    return time.process_time() - began, found, peak_bytes()


def _kernels(*, quick: bool) -> Sequence[Row]:
    """Measured kernels against the roofline: what reading and summing them adds to a run, by turns, the best of each.

    At a rate that both keep up with: where queues grow, the slower of the two is another run, with other iterations.
    """
    if installed() is None:
        print("aiconfigurator-core is not installed: measured kernels are left out")
        return []
    scenarios = [poisson_service(2_000_000, "round-robin", rate="800 request/s") for _ in range(2)]
    steps = {"kind": "kernels", "framework": "vllm", "version": "0.24.0", "fp8": "block"}
    scenarios[1]["workloads"]["chat"]["step_time"] = steps
    first_s = _computed(scenarios[1])
    turns = [[_computed(scenario) for scenario in scenarios] for _ in range(2 if quick else 5)]
    roofline_s, kernels_s = (min(of) for of in zip(*turns, strict=True))
    note = (
        f"2,000,000 requests, {kernels_s:.2f} against {roofline_s:.2f} s of CPU; {first_s:.2f} s with tables read anew"
    )
    return [Row("step_time: kernels / roofline", kernels_s / roofline_s, "", 1.15, note)]


def _computed(scenario: dict[str, Any]) -> float:
    """CPU seconds of a run, which runs in one thread: others on the machine lengthen what a clock shows."""
    began = time.process_time()
    sim.run(scenario)
    return time.process_time() - began


def _bare(requests: int) -> float:
    rng = np.random.default_rng(0)
    arrival_ns = np.cumsum(np.rint(rng.exponential(NS_PER_S / 1600, requests)).astype(np.int64))
    output = np.maximum(1, np.rint(rng.lognormal(3.81, 0.83, requests))).astype(np.int64)
    heaps = np.zeros((8, 1 << 14), dtype=np.int64)
    served(arrival_ns[:10], output[:10], 8, 6_000_000, heaps)
    seconds, _ = _timed(lambda: served(arrival_ns, output, 8, 6_000_000, heaps))
    return requests / seconds / 1e6


def _twins(*, quick: bool) -> Sequence[Row]:
    """The same work through both engines; the results are compared too."""
    requests = 5_000 if quick else 50_000
    plain_s, plain = _timed(lambda: sim.run(poisson_service(requests, "join-shortest-queue", engine="reference")))
    fast_s, fast = _timed(lambda: sim.run(poisson_service(requests, "join-shortest-queue")))
    same = {**plain.summary["serving"]["chat"], "engine": ""} == {**fast.summary["serving"]["chat"], "engine": ""}
    note = f"{requests:,} requests, whole runs, {plain_s:.1f} s against {fast_s:.2f} s; results equal: {same}"
    return [Row("compiled engine against plain", plain_s / fast_s, "x", note=note)]
