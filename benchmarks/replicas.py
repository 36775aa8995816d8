"""What a request costs with many replicas: each router on 8 to 4,096 of them, start and drain included, in CPU time.

Every replica is asked at the same rate, for the shorter the more there are: their batches are smaller, and an answer
takes more iterations (``docs/speed.md`` has how much that is). Each row is the least of three runs in processes of
their own, the sizes in turns: what a system takes to give fresh memory differs tenfold from one moment to the next. The
compiled engine is loaded before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import sim
from benchmarks.serving_scenarios import many_replicas
from benchmarks.table import Row
from sim.running.peak_memory import peak_bytes
from sim.workload.routers import ROUTERS

SIZES = (8, 64, 512, 4096)
RUNS = 3
MEBIBYTE = 1 << 20
PREFIX_MIB = 500.0


def measured(replicas: int, router: str, requests: int) -> tuple[float, float]:
    """us of CPU a request that was answered, and MiB at most."""
    sim.run(many_replicas(8, router, 1000))
    began = time.process_time()
    found = sim.run(many_replicas(replicas, router, requests)).summary["serving"]["chat"]
    spent_us = 1e6 * (time.process_time() - began) / found["completed"]
    return spent_us, peak_bytes() / MEBIBYTE


def apart(replicas: int, router: str, requests: int) -> tuple[float, float]:
    """The same, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, replicas, router, requests).result()


def rows(*, quick: bool) -> Sequence[Row]:
    """A row for each router and size, and how much more a request costs on the most replicas."""
    requests = 100_000 if quick else 400_000
    result: list[Row] = []
    for router in ROUTERS:
        asked = requests // 2 if router == "prefix-affinity" else requests
        sizes = SIZES[:-1] if router == "prefix-affinity" else SIZES
        turns = [{size: apart(size, router, asked) for size in sizes} for _ in range(1 if quick else RUNS)]
        cost, mib = ({size: min(turn[size][what] for turn in turns) for size in sizes} for what in (0, 1))
        for size in sizes:
            note = f"{asked:,} requests, {mib[size]:.0f} MiB"
            result.append(Row(f"{router}, {size:,} replicas", cost[size], "us/request", note=note))
        most = max(sizes)
        if router == "prefix-affinity":
            result.append(Row(f"  its memory on {most:,}", mib[most], "MiB", PREFIX_MIB))
        result.append(Row(f"  {router}, {most:,} over 8", cost[most] / cost[8], "x", 2.0))
    return result
