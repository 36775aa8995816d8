"""A billion Poisson requests, half of them in each of two processes that run at the same time.

``python -m benchmarks billion`` measures it with the sources here (``--quick``: 20 million, scaled up), and
``python -m benchmarks.billion COMMIT [REQUESTS]`` does so with those of a commit as well, one after the other, and
prints how much less time it takes. Time is by the clock, of both processes from start to end, Python's own start
included; memory is the peak of the larger. Eight replicas keep up with the requests, so that memory does not grow with
them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from benchmarks.process import Spent, spent
from benchmarks.serving import KEPT_UP_WITH, poisson_service
from benchmarks.table import Row, show

ROOT = Path(__file__).resolve().parent.parent
BILLION, QUICK = 1_000_000_000, 20_000_000
MIB_PER_GIB = 1024
RUN = """
import json, sys
import sim
done = sim.run(json.loads(sys.argv[1])).summary["serving"]["chat"]
print(json.dumps(done["completed"]))
"""


def measured(tree: Path, requests: int) -> tuple[float, list[Spent]]:
    """Seconds by the clock with the sources of ``tree``, and what each of two processes took."""
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}

    def half(seed: int) -> Spent:
        service = poisson_service(requests // 2, "round-robin", seed=seed, rate=KEPT_UP_WITH)
        return spent([sys.executable, "-c", RUN, json.dumps(service)], tree, env)

    spent([sys.executable, "-c", RUN, json.dumps(poisson_service(1000, "round-robin"))], tree, env)  # it is compiled
    began = perf_counter()
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(half, (1, 2)))
    seconds = perf_counter() - began
    completed = sum(json.loads(one.printed) for one in halves)
    if completed != requests // 2 * 2:
        raise RuntimeError(f"{completed:,} of {requests:,} requests were completed")
    return seconds, halves


def rows(*, quick: bool) -> Sequence[Row]:
    """Minutes and memory, with the sources here."""
    return _rows(ROOT, QUICK if quick else BILLION)[0]


def _rows(tree: Path, requests: int) -> tuple[list[Row], float]:
    seconds, halves = measured(tree, requests)
    note = "measured" if requests == BILLION else f"scaled up from {requests:,}: run without --quick to measure it"
    note += f"; {sum(one.cpu_s for one in halves):.1f} s of CPU in {seconds:.1f} s"
    peak_mib = max(one.peak_mib for one in halves)
    return [
        Row("1,000,000,000 requests, two processes", seconds * BILLION / requests / 60, "min", 4.0, note),
        Row("memory of each", peak_mib / MIB_PER_GIB, "GiB", 1.0, f"{peak_mib:.0f} MiB at most"),
    ], seconds


def main() -> None:
    """Beside a commit."""
    commit, requests = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else BILLION
    with tempfile.TemporaryDirectory() as scratch:
        before = Path(scratch, "before")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", before, commit], cwd=ROOT, check=True)
        try:
            told_before, before_s = _rows(before, requests)
            told, now_s = _rows(ROOT, requests)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)
    show(f"billion, {commit}", told_before, as_json=False)
    beside = Row("time over that of the commit", now_s / before_s, "x")
    show("billion, here", [*told, beside], as_json=False)


if __name__ == "__main__":
    main()
