"""A changed scenario simulated in a process of its own, which says how far it is and can be stopped at any time."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, Literal

from sim.errors import ColdaisleError, RunError
from sim.results.results import Results
from sim.study.processes import PRELOAD, Processes, worker_context

EVERY_S = 0.15
"""Between two words of how far a simulation is."""
State = Literal["running", "done", "cancelled", "failed"]


class Simulation:
    """One simulation in another process. Made by ``Simulation(scenario, changes)``, it has begun."""

    def __init__(self, scenario: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        self.name = secrets.token_hex(8)
        self.state: State = "running"
        self.stage, self.share = "starting", 0.0
        self.problem: ColdaisleError | None = None
        self.results: Results | None = None
        self._folder = Path(mkdtemp(prefix="coldaisle-open-"))
        self._lock = threading.Lock()
        self._said, tell = worker_context(PRELOAD).Pipe(duplex=False)
        self._processes = Processes(1, _begin, (tell,))
        self._run: Future[None] = self._processes.submit(_simulate, dict(scenario), dict(changes), str(self._folder))
        tell.close()

    def look(self) -> State:
        """How it stands now; its results are read when it is done."""
        with self._lock:
            if self.state != "running":
                return self.state
            with suppress(EOFError, OSError):
                while self._said.poll():
                    self.stage, self.share = self._said.recv()
            if self._run.done():
                self._end()
            return self.state

    def cancel(self) -> None:
        """Stops it, whatever it is doing; what it did is gone."""
        with self._lock:
            if self.state == "running":
                self.state = "cancelled"
                self._clear()

    def _end(self) -> None:
        from sim.results.files import read

        try:
            self._run.result()
            self.results = read(self._folder / "run")
            self.state, self.share = "done", 1.0
        except ColdaisleError as error:
            self.state, self.problem = "failed", error
        except (BrokenProcessPool, MemoryError):
            self.state, self.problem = "failed", RunError("the process of the simulation ended: not enough memory?")
        except Exception as error:  # a defect of ours: say so
            self.state, self.problem = "failed", RunError(f"internal error: {type(error).__name__}: {error}")
        finally:
            self._clear()

    def _clear(self) -> None:
        self._processes.close()
        self._said.close()
        rmtree(self._folder, ignore_errors=True)


_tell: list[Connection] = []
"""In a process of work: whom to tell how far it is."""


def _begin(tell: Connection) -> None:
    _tell[:] = [tell]


class _Told:
    """Says over a pipe how far a run is; a thread reads the simulated time now and then."""

    def __init__(self, tell: Connection) -> None:
        self._tell = tell
        self._over = threading.Event()

    def stage(self, doing: str) -> None:
        """What is done from now on."""
        self._over.set()
        self._say(doing, 1.0 if doing in ("accounting", "intervals") else 0.0)

    def simulating(self, now_ns: Callable[[], int], end_ns: int | None) -> None:
        """The simulation begins."""
        self._over = over = threading.Event()

        def watch() -> None:
            while not over.wait(EVERY_S):
                self._say("simulating", min(1.0, now_ns() / end_ns) if end_ns else 0.0)

        threading.Thread(target=watch, daemon=True).start()

    def _say(self, stage: str, share: float) -> None:
        with suppress(OSError, ValueError):  # nobody listens any more
            self._tell.send((stage, share))


def _simulate(scenario: dict[str, Any], changes: dict[str, Any], folder: str) -> None:
    """Runs in the other process: the run lies in ``folder/run`` when it returns."""
    from sim.loading.scenario import load_scenario
    from sim.results.files import write
    from sim.running.run import run_loaded

    told = _Told(_tell[0])
    told.stage("reading")
    loaded = load_scenario(scenario, changes)
    results = run_loaded(loaded, told)
    if loaded.scenario.uncertainty is not None:
        from sim.study.uncertain.propagate import repriced_intervals

        told.stage("intervals")  # none where each draw would be a simulation of its own
        results = repriced_intervals(results)
    write(results, Path(folder) / "run")
