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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import table
from sim.runner import Simulated, environmental, simulated
from sim.spec.loader import Loaded, load_scenario
from sim.spec.study import load_study
from sim.study.plan import base_of
from sim.study.pool import worker_context
from sim.study.store import Store
from sim.study.sweep import sweep
from sim.study.work import DONE, Done, Limits, Row, Task, flat, perform

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


def rows(*, quick: bool) -> list[table.Row]:
    """Every figure that studies must reach."""
    runs, points = (1, 40) if quick else (3, 200)
    with tempfile.TemporaryDirectory(prefix="coldaisle-bench-") as folder:
        studies = _Studies(Path(folder))
        studies.seconds(pricing(20))  # simulates the day, and loads what a first study loads
        thousand = _median(lambda: studies.seconds(pricing(1_000)), runs)
        before = _peak_mib()
        ten_thousand = _median(lambda: studies.seconds(pricing(10_000)), runs)
        grown = _peak_mib() - before
        beside, alone = _beside(studies, points)
        trip = _round_trip()
        # side by side, run by run: a machine that slows down slows down both
        ones, twos, clusters = [], [], []
        with ExitStack() as stack:
            address = _address(stack)
            if address is not None:
                studies.seconds(simulating(2), fresh=True, dask=address)  # workers load what the first task needs
            for _ in range(runs):
                ones.append(studies.seconds(simulating(points), fresh=True, workers=1))
                twos.append(studies.seconds(simulating(points), fresh=True, workers=2))
                if address is not None:
                    clusters.append(studies.seconds(simulating(points), fresh=True, dask=address))
        found = [
            table.Row("1,000 points priced on one simulated day", thousand, "s", 2.0),
            table.Row("10,000 points priced on one simulated day", ten_thousand, "s", 15.0),
            table.Row("peak memory, 10,000 points over 1,000", grown, "MiB", 32.0),
            table.Row(f"{points} simulations, two workers over one", _ratio(ones, twos), "x", 1.85, at_least=True),
            table.Row(
                "a point beside its simulation",
                (beside + trip) * 1e3,
                "ms",
                5.0,
                f"{trip * 1e3:.1f} ms of it to a worker and back; a simulation takes {alone * 1e3:.0f} ms",
            ),
        ]
        if clusters:
            found.append(table.Row("two Dask workers over two of the pool", _ratio(clusters, twos), "x", 1.1))
        return found


def _ratio(seconds: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(seconds, others, strict=True))


def _address(stack: ExitStack) -> str | None:
    """Of a Dask scheduler with two workers, until the stack ends; None where there is no Dask."""
    try:
        return stack.enter_context(_dask(2))
    except StopIteration:
        return None


class _Here:
    """A pool that works in this process, where the time inside of simulations can be taken."""

    workers = 1

    def refuse_absent(self, files: Sequence[str]) -> None:
        pass

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        return map(perform, tasks)

    def close(self) -> None:
        pass


def _beside(studies: _Studies, points: int) -> tuple[float, float]:
    """Seconds of a point outside of its simulation, and inside, of one study: so that noise of the one is not taken
    for the other. What a study of one point takes outside is no point's."""
    inside: list[float] = []

    def timed(loaded: Loaded) -> Simulated:
        began = time.perf_counter()
        run = simulated(loaded)
        inside.append(time.perf_counter() - began)
        return run

    def outside(count: int) -> float:
        inside.clear()
        seconds = studies.seconds(simulating(count), fresh=True)
        assert len(inside) == count
        return seconds - sum(inside)

    with patch("sim.study.work.simulated", timed), patch("sim.study.sweep._pool", lambda *_: _Here()):
        outside(1)
        first = outside(1)
        return (outside(points) - first) / (points - 1), statistics.median(inside)


def _round_trip() -> float:
    """Seconds that a task and what came of it take to a worker and back, beside the work."""
    study = load_study(simulating(1))
    limits = Limits()
    loaded = load_scenario(WORK)
    row = Row(0, DONE, None, dict(flat(environmental(simulated(loaded), loaded))))
    task = Task(0, "0" * 64, base_of(study).pickled(), ((0, {"seed": 1}),), None, limits, None)
    done = Done(0, (row,), {}, made=True)
    with ProcessPoolExecutor(1, worker_context(["sim.study.work"])) as pool:
        pool.submit(_echo, task, done).result()
        return _median(lambda: _timed(lambda: pool.submit(_echo, task, done).result()), 99)


def _echo(_task: Task, done: Done) -> Done:
    return done


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
