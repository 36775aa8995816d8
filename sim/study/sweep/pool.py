"""This machine's workers: a pool of processes that outlives the death of any of them.

A pool in which a process died is replaced, and each task it had in hand runs once more in a process of its own: the one
that kills its worker is found out and recorded, the others are done. Workers end when whoever started them is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from sim.study.processes import Processes
from sim.study.sweep.task_process import perform_alone
from sim.study.sweep.tasks import Done, Task, perform

AHEAD = 2
"""Tasks a worker has waiting, so that it need not wait for the next."""


class LocalPool:
    """``workers`` processes. ``run`` yields what is done, in any order; ``close`` ends them at once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._processes: Processes | None = None

    def refuse_absent(self, files: Sequence[str]) -> None:
        """Its processes see what this one sees."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """Performs ``tasks``, of which only a few are taken ahead of what is done."""
        waiting = iter(tasks)
        in_hand: dict[Future[Done], Task] = {}
        while True:
            while len(in_hand) < AHEAD * self.workers:
                task = next(waiting, None)
                if task is None:
                    break
                try:
                    in_hand[self._started().submit(perform, task)] = task
                except BrokenProcessPool:
                    yield from self._one_by_one([task, *in_hand.values()])
                    in_hand.clear()
            if not in_hand:
                return
            ended, _ = wait(in_hand, return_when=FIRST_COMPLETED)
            lost = []
            for future in ended:
                task = in_hand.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(task)
            if lost:
                lost += in_hand.values()
                in_hand.clear()
                yield from self._one_by_one(lost)

    def _started(self) -> Processes:
        if self._processes is None:
            self._processes = Processes(self.workers)
        return self._processes

    def _one_by_one(self, tasks: list[Task]) -> Iterator[Done]:
        self.close()
        for task in sorted(tasks, key=lambda task: task.number):
            yield perform_alone(task)

    def close(self) -> None:
        """Ends the workers, whatever they are doing."""
        if self._processes is not None:
            self._processes.close()
            self._processes = None
