"""Studies: pricing a day-long run over and over, two workers against one, and what a point costs beside its simulation.

Figures are ratios or seconds of this machine; the cluster figure needs the ``dask`` extra and starts two local workers.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import table
from benchmarks.slices import Prepared, timed
from sim.loading.scenario import Loaded
from sim.running.peak_memory import peak_bytes
from sim.running.run import simulated
from sim.running.simulation import Simulated
from sim.study.store import Store
from sim.study.sweep.run import _take, sweep
from sim.study.sweep.tasks import Done, Task, perform

DAY: dict[str, Any] = {
    "extends": "chat-service",
    "workloads": {"chat": {"arrivals": {"kind": "diurnal", "rate": "0.2 request/s"}}},
}
"""A day of the chat service at a tenth of its load: the ledger has the same rows and bins."""
WORK: dict[str, Any] = {
    "extends": "chat-service",
    "duration": "4 h",
    "workloads": {"chat": {"arrivals": {"kind": "gamma", "rate": "2 request/s", "cv": 1.0}}},
}
"""About a second of a core. A worker's first simulation takes as much again, to load what it needs."""
LOOPS, ROUNDS = 40, 15_000_000
"""So many loops of so many rounds: half a minute of one core."""


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
    return peak_bytes() / 2**20


@contextmanager
def _dask(workers: int, folder: Path) -> Iterator[str]:
    """Address of a scheduler with so many workers of one thread, set as ``docs/studies.md`` says, without nannies."""
    known = folder / "scheduler.json"
    quiet = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s"}
    with ExitStack() as stack:

        def started(*arguments: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", str(known), "--no-dashboard"]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, **quiet})
            stack.callback(process.kill)
            return process

        scheduler = started("scheduler", "--host", "127.0.0.1", "--port", "0")
        for _ in range(workers):
            started("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        while not known.is_file() or not known.read_text(encoding="utf-8").strip():
            assert scheduler.poll() is None, "the scheduler did not start"
            time.sleep(0.05)
        yield json.loads(known.read_text(encoding="utf-8"))["address"]


@contextmanager
def _simulations(folder: Path, points: int, *, workers: int | None, dask: int = 0) -> Iterator[Callable[[], float]]:
    """A study of so many simulations on workers that have loaded what they need; ``dask`` of them elsewhere."""
    folder.mkdir()
    studies = _Studies(folder)
    with _dask(dask, folder) if dask else nullcontext() as address:
        studies.seconds(simulating(2 * max(workers or 0, dask)), fresh=True, workers=workers, dask=address)
        yield lambda: studies.seconds(simulating(points), fresh=True, workers=workers, dask=address)


@contextmanager
def _loops(processes: int) -> Iterator[Callable[[], object]]:
    """Loops that share nothing: cores that slow one another down do so for them, too."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_loop, [1] * processes))  # all have started
        yield lambda: list(pool.map(_loop, [ROUNDS] * LOOPS))


def _loop(rounds: int) -> int:
    total = 0
    for i in range(rounds):
        total += i
    return total


def rows(*, quick: bool) -> list[table.Row]:
    """Every figure that studies must reach."""
    runs, points = (1, 100) if quick else (3, 200)
    with tempfile.TemporaryDirectory(prefix="coldaisle-bench-") as folder:
        studies = _Studies(Path(folder))
        studies.seconds(pricing(20))  # simulates the day, and loads what a first study loads
        thousand = _median(lambda: studies.seconds(pricing(1_000)), runs)
        before = _peak_mib()
        ten_thousand = _median(lambda: studies.seconds(pricing(10_000)), runs)
        grown = _peak_mib() - before
        beside = _beside(studies, points)
        home = Path(folder)
        ways: dict[str, Prepared] = {
            "one": partial(_simulations, home / "one", points, workers=1),
            "two": partial(_simulations, home / "two", points, workers=2),
        }
        if find_spec("distributed") is not None:
            ways["cluster"] = partial(_simulations, home / "cluster", points, workers=None, dask=2)
        ways |= {"one loop": partial(_loops, 1), "two loops": partial(_loops, 2)}
        seconds = timed(ways, {"one": 2.0, "one loop": 2.0})
        found = [
            table.Row("1,000 points priced on one simulated day", thousand, "s", 2.0),
            table.Row("10,000 points priced on one simulated day", ten_thousand, "s", 15.0),
            table.Row("peak memory, 10,000 points over 1,000", grown, "MiB", 32.0),
            table.Row(
                f"{points} simulations, two workers over one", seconds["one"] / seconds["two"], "x", 1.85, at_least=True
            ),
            table.Row(
                "two bare loops over one: what the machine gives", seconds["one loop"] / seconds["two loops"], "x"
            ),
            table.Row(
                "a point beside its simulation",
                (beside.command_s + beside.worker_s) * 1e3,
                "ms",
                5.0,
                f"of processors, {beside.command_s * 1e3:.1f} ms of it the command's, beside "
                f"{beside.simulation_s * 1e3:.0f} ms",
            ),
        ]
        if "cluster" in ways:
            dask_s = seconds["cluster"] / seconds["two"]
            found.append(table.Row("two Dask workers over two of the pool", dask_s, "x", 1.1))
        return found


@dataclass(frozen=True)
class _Timed(Done):
    """What a worker did, and processor seconds of it: inside of simulations so far, and in all so far."""

    inside_s: float = 0.0
    so_far_s: float = 0.0


_inside: list[float] = []
"""In a worker: processor seconds of each of its simulations."""


def _perform_timed(task: Task) -> _Timed:
    """In a worker: ``perform``, by the processor's clock."""
    _timing()
    done = perform(task)
    whole = {item.name: getattr(done, item.name) for item in fields(done)}
    return _Timed(**whole, inside_s=sum(_inside), so_far_s=time.process_time())


@cache
def _timing() -> None:
    """Once in a worker: to patch anew for each task would be part of what is measured."""
    patch("sim.study.sweep.tasks.simulated", _simulated_timed).start()


def _simulated_timed(loaded: Loaded) -> Simulated:
    began = time.process_time()
    run = simulated(loaded)
    _inside.append(time.process_time() - began)
    return run


@dataclass(frozen=True)
class _Beside:
    """Processor seconds of a point: in the command, in its worker outside of the simulation, and inside of it."""

    command_s: float
    worker_s: float
    simulation_s: float


def _beside(studies: _Studies, points: int) -> _Beside:
    """Of one study with one worker, by the processor's clock: what others do on the machine, or a simulation that
    takes longer this time, is not taken for a point's. What a study of one point takes is no point's."""
    seen: list[_Timed] = []

    def taken(done: Done, *more: Any) -> None:
        assert isinstance(done, _Timed)
        seen.append(done)
        _take(done, *more)

    def command(count: int) -> float:
        seen.clear()
        began = time.process_time()
        studies.seconds(simulating(count), fresh=True, workers=1)
        return time.process_time() - began

    with patch("sim.study.sweep.pool.perform", _perform_timed), patch("sim.study.sweep.run._take", taken):
        command(1)
        alone = statistics.median(command(1) for _ in range(3))
        command_s = (command(points) - alone) / (points - 1)
    simulation_s = (seen[-1].inside_s - seen[0].inside_s) / (points - 1)  # the first bears what a worker loads
    outside_s = [done.so_far_s - done.inside_s for done in seen]
    # the median, since time that a host takes away counts as the processor's
    return _Beside(command_s, statistics.median(after - before for before, after in pairwise(outside_s)), simulation_s)
