"""Studies: pricing a day-long run over and over, two workers against one, and what a point costs beside its simulation.

Figures are ratios or seconds of this machine; the cluster figure needs the ``dask`` extra and starts two local workers.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.table import Row
from sim.runner import simulated
from sim.spec.loader import load_scenario
from sim.study.store import Store
from sim.study.sweep import sweep

DAY: dict[str, Any] = {
    "extends": "chat-service",
    "workloads": {"chat": {"arrivals": {"kind": "diurnal", "rate": "0.2 request/s"}}},
}
"""A day of the chat service at a tenth of its load: the ledger has the same rows and bins."""
WORK: dict[str, Any] = {
    "extends": "chat-service",
    "duration": "2 h",
    "workloads": {"chat": {"arrivals": {"kind": "gamma", "rate": "2 request/s", "cv": 1.0}}},
}


def pricing(points: int) -> dict[str, Any]:
    """A study of that many points over one simulation."""
    axes = {
        "site.grid.intensity": {"range": ["20 gCO2e/kWh", "800 gCO2e/kWh", points // 10]},
        "site.facility.pue": {"range": [1.05, 1.6, 10]},
    }
    return {"name": "pricing", "base": DAY, "axes": axes}


def simulating(points: int) -> dict[str, Any]:
    """A study in which every point is simulated."""
    return {"name": "simulating", "base": WORK, "replications": points}


class _Studies:
    """Runs studies in a folder of their own, timed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.cache = Store(folder / "cache")

    def seconds(self, study: dict[str, Any], *, fresh: bool = False, **how: Any) -> float:
        """Of one run; ``fresh`` with an empty cache."""
        self.count += 1
        cache = Store(self.folder / f"cache-{self.count}") if fresh else self.cache
        began = time.perf_counter()
        sweep(study, self.folder / f"out-{self.count}", cache=cache, **how)
        return time.perf_counter() - began


def _median(work: Callable[[], float], runs: int) -> float:
    return statistics.median(work() for _ in range(runs))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@contextmanager
def _dask(workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers of one thread."""
    with ExitStack() as stack:

        def started(*arguments: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--no-dashboard"], stderr=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            return process

        scheduler = started("scheduler", "--host", "127.0.0.1", "--port", "0")
        assert scheduler.stderr is not None
        address = next(line.split()[-1] for line in scheduler.stderr if "Scheduler at:" in line)
        for _ in range(workers):
            started("worker", address, "--nthreads", "1", "--no-nanny")
        yield address


def rows(*, quick: bool) -> list[Row]:
    """Every figure that studies must reach."""
    runs, points = (1, 40) if quick else (3, 200)
    with tempfile.TemporaryDirectory(prefix="coldaisle-bench-") as folder:
        studies = _Studies(Path(folder))
        studies.seconds(pricing(20))  # simulates the day, and loads what a first study loads
        thousand = _median(lambda: studies.seconds(pricing(1_000)), runs)
        before = _peak_mib()
        ten_thousand = _median(lambda: studies.seconds(pricing(10_000)), runs)
        grown = _peak_mib() - before
        loaded = load_scenario(WORK)
        simulated(loaded)
        alone = _median(lambda: _timed(lambda: simulated(loaded)), 9)
        # what starting a pool takes is not the study's: a study of one point has it, too
        begin = _median(lambda: studies.seconds(simulating(1), fresh=True, workers=1), runs)
        one = _median(lambda: studies.seconds(simulating(points), fresh=True, workers=1), runs)
        two = _median(lambda: studies.seconds(simulating(points), fresh=True, workers=2), runs)
        found = [
            Row("1,000 points priced on one simulated day", thousand, "s", 2.0),
            Row("10,000 points priced on one simulated day", ten_thousand, "s", 15.0),
            Row("peak memory, 10,000 points over 1,000", grown, "MiB", 32.0),
            Row(f"{points} simulations, two workers over one", one / two, "x", 1.85, at_least=True),
            Row(
                "a point beside its simulation",
                ((one - begin) / (points - 1) - alone) * 1e3,
                "ms",
                5.0,
                f"a simulation takes {alone * 1e3:.0f} ms",
            ),
        ]
        try:
            with _dask(2) as address:
                studies.seconds(simulating(2), fresh=True, dask=address)
                cluster = _median(lambda: studies.seconds(simulating(points), fresh=True, dask=address), runs)
        except StopIteration:  # there is no Dask here
            return found
        return [*found, Row("two Dask workers over two of the pool", cluster / two, "x", 1.1)]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
