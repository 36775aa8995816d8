"""Energy settled exactly when power changes; nothing here polls or samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Draw(NamedTuple):
    """What one component of one node draws for one owner in one state, until something changes.

    ``slots`` counts accelerators (or sockets, in a node without them) held by the owner, and ``milli`` thousandths of
    one beyond them; over all draws of a component they add up to the node's. ``hardware`` is the profile that the watts
    and the embodied carbon belong to.
    """

    hardware: str
    component: str
    owner: str
    state: str
    watts: float
    slots: int
    milli: int = 0

    def of(self, owner: str) -> Draw:
        """The same, for another."""
        return self._replace(owner=owner)


class Recorder(Protocol):
    """What books draws: all that the engine knows of a ledger."""

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw, held from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike: as if each had
        been booked, one after the other."""


class Looks(Protocol):
    """When whoever knows afterwards what it drew is asked."""

    def next_look(self, t_ns: int) -> int:
        """The instant after ``t_ns`` at which a span ends that is worked out as one; no output option moves it."""

    def next_edge(self, t_ns: int) -> int:
        """The next edge of the recorder's bins: what was drawn until then is noted, so that bins can be told apart."""


class BinnedRecorder(Recorder, Protocol):
    """One that also takes what was integrated elsewhere, bin by bin: a million draws at once."""

    def edges_ns(self, end_ns: int) -> Ints:
        """Edges of its bins up to ``end_ns``, which is the last of them."""

    def add(self, pool: str, draw: Draw, energy_j: Floats, slot_ns: Ints, milli_ns: Ints) -> None:
        """Books J, slots times ns, and thousandths of slots times ns beyond them, in each bin of ``edges_ns``.

        Of ``draw`` only its names count.
        """


class Meter:
    """The meter of one node. Its segments tile the run: each ends where the next begins."""

    def __init__(self, recorder: Recorder, pool: str, now_ns: int) -> None:
        self._recorder = recorder
        self._pool = pool
        self.since_ns = now_ns

    def settle(self, draws: Sequence[Draw], now_ns: int) -> None:
        """Books ``draws``, held since the last change."""
        if now_ns > self.since_ns:
            self._recorder.record(self._pool, draws, self.since_ns, now_ns)
            self.since_ns = now_ns
