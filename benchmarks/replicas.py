"""What a request costs with many replicas: each router on 8 to 4,096 of them, start and drain included, in CPU time.

Every replica is asked at the same rate, for the shorter the more there are: their batches are smaller, and an answer
takes more iterations (``docs/speed.md`` has how much that is). Each row runs in a process of its own, for its peak of
memory; the compiled engine is loaded before the clock starts.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import sim
from benchmarks.serving_scenarios import many_replicas
from benchmarks.table import Row
from sim.workload.routers import ROUTERS

SIZES = (8, 64, 512, 4096)
MEBIBYTE = 1 << 20
PREFIX_MIB = 500.0


def measured(replicas: int, router: str, requests: int) -> tuple[float, float]:
    """us of CPU a request that was answered, and MiB at most."""
    sim.run(many_replicas(8, router, 1000))
    began = time.process_time()
    found = sim.run(many_replicas(replicas, router, requests)).summary["serving"]["chat"]
    spent_us = 1e6 * (time.process_time() - began) / found["completed"]
    return spent_us, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


def rows(*, quick: bool) -> Sequence[Row]:
    """A row for each router and size, and how much more a request costs on the most replicas."""
    requests = 100_000 if quick else 400_000
    result: list[Row] = []
    for router in ROUTERS:
        cost: dict[int, float] = {}
        for replicas in SIZES[:-1] if router == "prefix-affinity" else SIZES:
            asked = requests // 2 if router == "prefix-affinity" else requests
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                cost[replicas], mib = pool.submit(measured, replicas, router, asked).result()
            note = f"{asked:,} requests, {mib:.0f} MiB"
            result.append(Row(f"{router}, {replicas:,} replicas", cost[replicas], "us/request", note=note))
            if router == "prefix-affinity" and replicas == max(SIZES[:-1]):
                result.append(Row(f"  its memory on {replicas:,}", mib, "MiB", PREFIX_MIB))
        most = max(cost)
        result.append(Row(f"  {router}, {most:,} over 8", cost[most] / cost[8], "x", 2.0))
    return result
