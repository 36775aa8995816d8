"""Rounds of federated training: who is asked, who is back in time, and what everybody drew, round by round.

Synchronous rounds ask for more clients than they wait for and drop the rest (Bonawitz et al. 2019, "Towards Federated
Learning at Scale", arXiv:1902.01046). Buffered rounds keep as many clients at work and make a round of every so many
updates (FedBuff: Nguyen et al. 2022, arXiv:2106.06639; Papaya: Huba et al. 2022, arXiv:2111.04877).

What staleness, drop-outs or cohorts do to the number of rounds is the user's to say (``sim.spec.federated``).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from sim.units import NS_PER_S, SECONDS_PER_NS
from sim.workload.fleet import round_end_s

if TYPE_CHECKING:
    from sim.workload.fleet import Fleet, Sessions


Floats = npt.NDArray[np.float64]

USES = ("active", "wasted")
"""Whether what was drawn led to an update that counted; states in the ledger."""
SOURCES = ("devices", "wan")
"""Who drew it; components in the ledger."""
DRAWN_AT_A_TIME = 4096
MOST_IN_VAIN = 100_000


@dataclass(frozen=True)
class Counts:
    """Clients by what became of them (asked, of updates that counted, dropped out, too late or not needed), and B."""

    asked: int = 0
    counted: int = 0
    lost: int = 0
    late: int = 0
    down_byte: float = 0.0
    up_byte: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, eq=False)
class Passed:
    """What has happened in a round, and J by class, source and use (classes, 2, 2)."""

    counts: Counts
    joules: Floats


class Round(Protocol):
    """A round before it has passed, from ``start_ns`` to ``end_ns`` of the run; a step forwards, if it ``counts``."""

    @property
    def start_ns(self) -> int: ...

    @property
    def end_ns(self) -> int: ...

    @property
    def counts(self) -> bool: ...

    @property
    def updates(self) -> int:
        """Of clients, that the server takes in."""

    def until(self, t_ns: int) -> Passed:
        """What has happened by ``t_ns``, ``end_ns`` at most."""


class Course(Protocol):
    """Rounds one after another."""

    def next(self, now_ns: int) -> Round:
        """The round that begins at ``now_ns``."""


class Aggregation(Protocol):
    """A way to make rounds: a value. ``waits_ns`` pass between two of them."""

    @property
    def waits_ns(self) -> int: ...

    def begun(self, fleet: Fleet, rng: np.random.Generator) -> Course:
        """From the first round on."""


@dataclass(frozen=True)
class Synchronous:
    """Rounds of ``wanted`` updates, for which ``asked`` clients are asked; one with fewer than ``least`` at its
    deadline is abandoned."""

    wanted: int
    asked: int
    least: int
    deadline_ns: int
    waits_ns: int

    def begun(self, fleet: Fleet, rng: np.random.Generator) -> Course:
        """From the first round on."""
        return _Synchronous(self, fleet, rng)


@dataclass(frozen=True)
class _Synchronous:
    rule: Synchronous
    fleet: Fleet
    rng: np.random.Generator

    def next(self, now_ns: int) -> Round:
        """Draws its clients."""
        sessions = self.fleet.sessions(self.rng, self.rule.asked)
        end_s = round_end_s(sessions, self.rule.wanted, self.rule.deadline_ns * SECONDS_PER_NS)
        return _Together(sessions, now_ns, end_s, self.rule)


class _Together:
    """One synchronous round."""

    def __init__(self, sessions: Sessions, start_ns: int, end_s: float, rule: Synchronous) -> None:
        self._sessions = sessions
        self.start_ns = start_ns
        self._back = ~sessions.lost & (sessions.end_s <= end_s)
        self.updates = int(self._back.sum())
        self.counts = self.updates >= rule.least
        self.end_ns = start_ns + max(1, round(end_s * NS_PER_S))

    def until(self, t_ns: int) -> Passed:
        """A round that is broken off has counted for nothing."""
        sessions = self._sessions
        whole = t_ns >= self.end_ns
        drawn = sessions.until((t_ns - self.start_ns) * SECONDS_PER_NS)
        used = self._back if whole and self.counts else np.zeros_like(self._back)
        joules = _by_class(sessions, np.stack([drawn.device_j, drawn.network_j], axis=1), used)
        counts = Counts(
            asked=len(sessions.of),
            counted=int(used.sum()),
            lost=int(sessions.lost.sum()),
            late=int((~sessions.lost & ~used).sum()),
            down_byte=float(drawn.down_byte.sum()),
            up_byte=float(drawn.up_byte.sum()),
        )
        return Passed(counts, joules)


def _by_class(sessions: Sessions, joules: Floats, used: npt.NDArray[np.bool_]) -> Floats:
    """(classes, sources, uses) of J (clients, sources)."""
    found = np.zeros((len(sessions.fleet.classes), 2, 2))
    np.add.at(found, (sessions.of[:, None], np.arange(2)[None, :], (~used).astype(np.int64)[:, None]), joules)
    return found


@dataclass(frozen=True)
class Buffered:
    """``at_once`` clients are at work all the time, each for ``deadline_ns`` at most; a round is ``buffer`` updates."""

    at_once: int
    buffer: int
    deadline_ns: int
    waits_ns: int = 0

    def begun(self, fleet: Fleet, rng: np.random.Generator) -> Course:
        """From the first round on."""
        return _Buffered(self, fleet, rng)


class NoUpdateError(Exception):
    """Of ``MOST_IN_VAIN`` clients in a row none has sent an update: the buffer would never be full."""


class _Clients:
    """Sessions one by one, drawn many at a time: s that each takes, whether it reports, its bytes, and its mean W by
    class, source and use."""

    def __init__(self, fleet: Fleet, rng: np.random.Generator, deadline_s: float) -> None:
        self._fleet = fleet
        self._rng = rng
        self._deadline_s = deadline_s
        self._at = DRAWN_AT_A_TIME

    def next(self) -> tuple[float, int, str, float, float, float, float]:
        """s, class, what becomes of it, mean W of the device and of networks, bytes down and up."""
        if self._at == DRAWN_AT_A_TIME:
            sessions = self._fleet.sessions(self._rng, DRAWN_AT_A_TIME)
            drawn = sessions.until(self._deadline_s)
            there_s = np.maximum(drawn.there_s, SECONDS_PER_NS)
            late = sessions.end_s > self._deadline_s
            fate = np.where(late, "late", np.where(sessions.lost, "lost", "counted"))
            columns = (there_s, sessions.of, fate, drawn.device_j / there_s, drawn.network_j / there_s)
            self._rows = list(zip(*(c.tolist() for c in (*columns, drawn.down_byte, drawn.up_byte)), strict=True))
            self._at = 0
        self._at += 1
        return self._rows[self._at - 1]


class _Buffered:
    """Clients at work, across rounds."""

    def __init__(self, rule: Buffered, fleet: Fleet, rng: np.random.Generator) -> None:
        self._rule = rule
        self._classes = len(fleet.classes)
        self._clients = _Clients(fleet, rng, rule.deadline_ns * SECONDS_PER_NS)
        self._heap: list[tuple[int, int, int, str, float, float, float, float]] = []
        self._count = 0
        self._watts = np.zeros((self._classes, 2, 2))
        self._now_ns = -1

    def next(self, now_ns: int) -> Round:
        """Lets clients come and go until the buffer is full; updates that came since the last round count."""
        if self._now_ns < 0:
            self._now_ns = now_ns
            for _ in range(self._rule.at_once):
                self._begin()
        pieces: list[tuple[int, Floats, Counts]] = []
        counted, start_ns, in_vain = 0, self._now_ns, 0
        while counted < self._rule.buffer:
            end_ns, _, kind, fate, device_w, network_w, down, up = heapq.heappop(self._heap)
            ended = Counts(1, int(fate == "counted"), int(fate == "lost"), int(fate == "late"), down, up)
            pieces.append((end_ns, self._watts.copy(), ended))
            use = 0 if fate == "counted" else 1
            self._watts[kind, :, use] = np.maximum(self._watts[kind, :, use] - (device_w, network_w), 0.0)  # rounding
            self._now_ns = end_ns
            counted += fate == "counted"
            in_vain = 0 if fate == "counted" else in_vain + 1
            if in_vain > MOST_IN_VAIN:
                raise NoUpdateError
            self._begin()
        return _InTurn(start_ns, pieces, counted)

    def _begin(self) -> None:
        seconds, kind, fate, device_w, network_w, down, up = self._clients.next()
        self._watts[kind, :, 0 if fate == "counted" else 1] += (device_w, network_w)
        self._count += 1
        end_ns = self._now_ns + max(1, round(seconds * NS_PER_S))
        heapq.heappush(self._heap, (end_ns, self._count, kind, fate, device_w, network_w, down, up))


class _InTurn:
    """One buffered round: constant power between the ends of sessions."""

    def __init__(self, start_ns: int, pieces: list[tuple[int, Floats, Counts]], updates: int) -> None:
        self.start_ns = start_ns
        self._pieces = pieces
        self.updates = updates
        self.counts = True
        self.end_ns = pieces[-1][0]

    def until(self, t_ns: int) -> Passed:
        """Sessions are counted, with their bytes, where they end; who is at work in the end has drawn for an update."""
        counts, joules, since_ns = Counts(), np.zeros_like(self._pieces[0][1]), self.start_ns
        for end_ns, watts, ended in self._pieces:
            joules += watts * ((min(end_ns, t_ns) - since_ns) * SECONDS_PER_NS)
            if end_ns > t_ns:
                break
            since_ns, counts = end_ns, counts + ended
        return Passed(counts, joules)


def rounds_of(at_large: float, critical: float, clients: int) -> int:
    """Rounds that reach the goal with ``clients`` in each: at_large (1 + critical / clients), rounded up.

    The form is that of steps over batch size in McCandlish et al. 2018, "An Empirical Model of Large-Batch Training",
    arXiv:1812.06162, equation 5.4; both constants are of the task.
    """
    return math.ceil(at_large * (1.0 + critical / clients) - 1e-9)
