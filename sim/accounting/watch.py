"""What some owners' equipment drew in a window of a run, kept piece by piece on its way into the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sim.accounting.recorder import Drawing
from sim.units import SECONDS_PER_NS

AT_WORK = "active"


class Books(Protocol):
    """What books draws."""

    def record(self, pool: str, draws: Sequence[Drawing], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw, held from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike."""


@dataclass(frozen=True)
class Watch:
    """Whose power is kept: from ``start_ns`` to ``end_ns``, of an owner."""

    owner: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, order=True)
class Piece:
    """So long some of an owner's slots drew alike: W of their GPUs together, and of all else that is booked to them."""

    start_ns: int
    end_ns: int
    at_work: bool
    slots: int
    gpus_w: float
    others_w: float


@dataclass
class Watched:
    """What was kept of one owner: the pieces within its window, and before it the slot-seconds at work by W a slot."""

    watch: Watch
    pieces: list[Piece] = field(default_factory=list)
    worked_before: dict[float, float] = field(default_factory=dict)

    def keep(self, draws: Sequence[Drawing], start_ns: int, end_ns: int) -> None:
        """Takes what is its owner's, state by state."""
        states = dict.fromkeys(draw.state for draw in draws if draw.owner == self.watch.owner)
        for state in states:
            own = [draw for draw in draws if draw.owner == self.watch.owner and draw.state == state]
            gpus = [draw for draw in own if draw.component == "gpu"]
            if gpus:
                gpus_w, slots = sum(draw.watts for draw in gpus), sum(draw.slots for draw in gpus)
                others_w = sum(draw.watts for draw in own) - gpus_w
                self._keep(state == AT_WORK, slots, gpus_w, others_w, start_ns, end_ns)

    def _keep(self, at_work: bool, slots: int, gpus_w: float, others_w: float, start_ns: int, end_ns: int) -> None:
        before_s = (min(end_ns, self.watch.start_ns) - start_ns) * SECONDS_PER_NS
        if at_work and before_s > 0.0:
            each_w = gpus_w / slots
            self.worked_before[each_w] = self.worked_before.get(each_w, 0.0) + slots * before_s
        begin_ns, until_ns = max(start_ns, self.watch.start_ns), min(end_ns, self.watch.end_ns)
        if until_ns > begin_ns:
            self.pieces.append(Piece(begin_ns, until_ns, at_work, slots, gpus_w, others_w))


class WatchingRecorder:
    """Books what it is told with another recorder, and keeps what is watched."""

    def __init__(self, books: Books, watches: Sequence[Watch]) -> None:
        self._books = books
        self.watched: Mapping[str, Watched] = {watch.owner: Watched(watch) for watch in watches}

    def record(self, pool: str, draws: Sequence[Drawing], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike."""
        self._books.record(pool, draws, start_ns, end_ns, count)
        for watched in self.watched.values():
            if start_ns < watched.watch.end_ns and any(draw.owner == watched.watch.owner for draw in draws):
                for _ in range(count):
                    watched.keep(draws, start_ns, end_ns)
