"""Books what parts of one workload draw under the workload's name, and remembers what each of them drew."""

from __future__ import annotations

from collections.abc import Sequence

from sim.engine.meter import Draw, Recorder
from sim.units import SECONDS_PER_NS

MOST_KEPT = 4096


class Tally:
    """A recorder before another one, which is told of workloads alone: a campaign of a thousand trials has its rows,
    not a thousand times as many."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._workload_of: dict[str, str] = {}
        self._joules: dict[str, float] = {}
        self._split: dict[tuple[Draw, ...], tuple[tuple[Draw, ...], tuple[tuple[str, float], ...]]] = {}

    def open(self, owner: str, workload: str) -> None:
        """From now on what ``owner`` draws is booked to ``workload``."""
        self._workload_of[owner] = workload
        self._joules[owner] = 0.0

    def joules(self, owner: str) -> float:
        """Energy of all that ``owner`` held, J; 0 where it never held anything."""
        return self._joules.get(owner, 0.0)

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``."""
        told, own = self._by_workload(tuple(draws))
        seconds = (end_ns - start_ns) * SECONDS_PER_NS
        for owner, watts in own:
            self._joules[owner] += watts * seconds
        self._recorder.record(pool, told, start_ns, end_ns)

    def _by_workload(self, draws: tuple[Draw, ...]) -> tuple[tuple[Draw, ...], tuple[tuple[str, float], ...]]:
        known = self._split.get(draws)
        if known is None:
            owner = self._workload_of
            told = tuple(draw._replace(owner=owner.get(draw.owner, draw.owner)) for draw in draws)
            own = tuple((draw.owner, draw.watts) for draw in draws if draw.owner in owner)
            if len(self._split) > MOST_KEPT:
                self._split.clear()
            known = self._split[draws] = (told, own)
        return known
