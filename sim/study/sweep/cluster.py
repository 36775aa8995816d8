"""Workers of a Dask scheduler: the same tasks as this machine's pool performs, sent where more of them can be done.

The package must stand on every worker in the very build of the study's own. Profiles and input files that are not
large travel with the tasks, so workers need share no disk; larger ones must stand where every worker can read them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem, RunError
from sim.study.points import build_id
from sim.study.sweep.rows import FAILED, Row
from sim.study.sweep.task_process import perform_alone
from sim.study.sweep.tasks import Done, Task, perform

AHEAD = 2
CONNECT_S = 20


def performed(task: Task, base: bytes) -> Done:
    """On a worker: a task with limits in a process of its own, since threads of a worker cannot be limited."""
    whole = replace(task, base=base)
    return perform_alone(whole) if task.limits.any else perform(whole)


def held(base: bytes) -> bytes:
    """The base of a study, which the scheduler can make again when the worker that held it is gone."""
    return base


def absent(files: list[str]) -> list[str]:
    """Which files a worker does not have."""
    return [file for file in files if not Path(file).is_file()]


class DaskPool:
    """The workers that a scheduler at ``address`` has, now or later."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
            from distributed.comm.addressing import get_address_host_port
        except ImportError:
            raise InputError.one("--dask", "needs the 'dask' extra: pip install 'coldaisle[dask]'") from None
        self._address = address
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it says of a lost scheduler, we say
        try:
            well_formed: Any = get_address_host_port
            if not address.startswith("inproc:"):
                well_formed(address)  # a client of an address that is none lingers until a timeout
            client: Any = distributed.Client
            self._client: Any = client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            message = f"no scheduler answers at '{address}': {error}; `dask scheduler` prints its own"
            raise InputError.one("--dask", message) from None
        try:
            self._refuse_others()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """Threads of all workers there are now; 1 while there are none."""
        threads: int = sum(self._client.nthreads().values())
        return max(1, threads)

    def _refuse_others(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise RunError(
                f"no worker has joined the scheduler within {CONNECT_S} s; start one: dask worker {self._address}"
            ) from None
        try:
            builds = self._client.run(build_id)
        except Exception as error:  # whatever a machine without the package makes of it
            raise RunError(
                f"a worker cannot tell which coldaisle it has: {error}; install 'coldaisle[dask]' on every worker"
            ) from None
        others = sorted({f"{worker} has {build}" for worker, build in builds.items() if build != build_id()})
        if others:
            raise RunError(
                f"workers with another build of coldaisle than {build_id()}: {'; '.join(others[:3])}; "
                "install the same on all of them"
            )

    def refuse_absent(self, files: Sequence[str]) -> None:
        """Raises ``InputError`` for input files too large to send along that some worker does not have."""
        if not files:
            return
        found = self._client.run(absent, list(files))
        problems = {
            file: f"is too large to travel, and not where worker {worker} stands; put it on a disk that all workers "
            "share at this path, or name it by URL (s3://...)"
            for worker, missing in found.items()
            for file in missing
        }
        if problems:
            raise InputError([Problem(file, None, "", message) for file, message in sorted(problems.items())])

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """Performs ``tasks``, in any order. A task that took several workers with it is recorded, not sent again."""
        import distributed
        from distributed.comm.core import CommClosedError

        waiting = iter(tasks)
        in_hand: dict[Any, Task] = {}
        as_completed: Any = distributed.as_completed
        completed = as_completed(loop=self._client.loop)

        bases: dict[bytes, Any] = {}

        def send() -> None:
            task = next(waiting, None)
            if task is None:
                return
            if task.base not in bases:
                bases[task.base] = self._client.submit(held, task.base, pure=False)
            content = task.store.read(task.key) if task.store is not None else None
            sent = replace(task, base=b"", store=None, content=content)
            future = self._client.submit(performed, sent, bases[task.base], pure=False)
            in_hand[future] = task
            completed.add(future)

        for _ in range(AHEAD * self.workers):
            send()
        while in_hand:
            future = next(completed)
            task = in_hand.pop(future)
            error = future.exception()
            if error is None:
                yield future.result()
            elif isinstance(error, distributed.KilledWorker):
                lost = "took several workers with it; they may have run out of memory"
                yield Done(task.number, tuple(Row(index, FAILED, lost, {}) for index, _ in task.points), {}, made=False)
            elif isinstance(error, distributed.CancelledError | CommClosedError):
                raise RunError(f"the scheduler at {self._address} is gone; what is done is kept: --resume goes on")
            else:
                raise error
            future.release()
            send()

    def close(self) -> None:
        """Leaves the scheduler; what it was still asked for is dropped."""
        self._client.close()
