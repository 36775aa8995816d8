"""Books what parts of one workload draw under the workload's name, and remembers what each of them drew."""

from __future__ import annotations

from collections.abc import Sequence

from sim.engine.metering.meter import Draw, Recorder
from sim.units import SECONDS_PER_NS


class Tally:
    """A recorder before another one, which is told of workloads alone: a campaign of a thousand trials has its rows,
    not a thousand times as many."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._workload_of: dict[str, str] = {}
        self._joules: dict[str, float] = {}

    def follow(self, owner: str, workload: str) -> None:
        """From now on what ``owner`` draws is booked to ``workload``."""
        self._workload_of[owner] = workload
        self._joules[owner] = 0.0

    def joules(self, owner: str) -> float:
        """Energy of all that ``owner`` held, J; 0 where it never held anything."""
        return self._joules.get(owner, 0.0)

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike."""
        seconds = (end_ns - start_ns) * SECONDS_PER_NS
        told: dict[tuple[str, str, str, str], tuple[float, int, int]] = {}
        for hardware, component, owner, state, watts, slots, milli in draws:
            workload = self._workload_of.get(owner)
            if workload is not None:
                for _ in range(count):
                    self._joules[owner] += watts * seconds
            key = (hardware, component, workload if workload is not None else owner, state)
            before = told.get(key)
            parts = (watts, slots, milli)
            told[key] = parts if before is None else (before[0] + watts, before[1] + slots, before[2] + milli)
        self._recorder.record(pool, [Draw(*key, *sums) for key, sums in told.items()], start_ns, end_ns, count)
