"""Who has parts of one GPU: whether another has room beside them, how fast each goes, and who answers for its rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sim.profiles.shared_gpu.interference import Demand, Instances, Sharing, shared
from sim.profiles.shared_gpu.slices import Placed

MILLI = 1000
UNCUT = -1
"""Where the part begins of one whose GPU is not cut."""
MOST_KNOWN = 100_000
"""Companies of tenants whose terms are kept."""


class Part(NamedTuple):
    """Thousandths of a GPU that ``holder`` has; on a GPU that is cut, its instance begins at slice ``start``."""

    holder: int
    milli: int
    start: int = UNCUT


class Tenant(NamedTuple):
    """Who has a part of a GPU. While it is at work it adds ``work_w`` to the GPU's rest power, if nobody slows it."""

    milli: int
    work_w: float
    at_work: bool


class Terms(NamedTuple):
    """What a tenant gets: its rate, relative to that on its part of a GPU alone, and the W of rest power that are its,
    for a whole GPU (times its part)."""

    rate: float
    rest_w: float


@dataclass(frozen=True)
class SharedGPU:
    """One GPU and the way in which it is shared. ``idle_w`` is its power with nobody on it, ``rest_w`` with somebody
    who does not work, ``limit_w`` the most that it takes.

    All that is known of a tenant is its part of the GPU: it takes so much of the multiprocessors' time and no more, and
    its run time is that on such a part alone.
    """

    sharing: Sharing
    idle_w: float
    rest_w: float
    limit_w: float

    @cached_property
    def _starts(self) -> dict[tuple[tuple[tuple[int, int], ...], int], int | None]:
        return {}  # no field: what has been asked is none of what it is

    @cached_property
    def _terms(self) -> dict[tuple[Tenant, ...], tuple[Terms, ...]]:
        return {}

    def start(self, there: Sequence[Part], milli: int) -> int | None:
        """Where another part begins beside those that are there (``UNCUT``, if that is nowhere in particular); None
        where it does not fit."""
        key = (tuple(sorted((part.milli, part.start) for part in there)), milli)
        if key not in self._starts:
            self._starts[key] = self._start(*key)
        return self._starts[key]

    def _start(self, there: tuple[tuple[int, int], ...], milli: int) -> int | None:
        if not isinstance(self.sharing, Instances):
            return UNCUT if self.sharing.fits([self._asked(one) for one, _ in (*there, (milli, UNCUT))]) else None
        kinds = self.sharing.kinds([self._asked(one) for one, _ in (*there, (milli, UNCUT))])
        assert None not in kinds, "more than a whole GPU"
        taken = [Placed(str(kind), start) for kind, (_, start) in zip(kinds, there, strict=False)]
        placed = self.sharing.geometry.place(taken, str(kinds[-1]))
        return placed.start if placed is not None else None

    def terms(self, tenants: tuple[Tenant, ...]) -> tuple[Terms, ...]:
        """Of each. The free part of the GPU draws no more than its part of idle power: what it rests at beyond that,
        because somebody is there, is theirs by their shares of rest power."""
        if tenants not in self._terms:
            if len(self._terms) >= MOST_KNOWN:
                self._terms.clear()
            self._terms[tenants] = self._settled(tenants)
        return self._terms[tenants]

    def _settled(self, tenants: tuple[Tenant, ...]) -> tuple[Terms, ...]:
        alone = [self.sharing.slowdowns([self._asked(one.milli)])[0] for one in tenants]
        demands = [
            self._asked(one.milli, one.work_w * slower) if one.at_work else Demand(0.0, 0.0, 0.0, one.milli / MILLI)
            for one, slower in zip(tenants, alone, strict=True)
        ]
        found = shared(self.sharing, demands, rest_w=self.rest_w, limit_w=self.limit_w)
        shares = self.sharing.rest_shares(demands)
        free = 1.0 - sum(one.milli for one in tenants) / MILLI
        theirs_w = self.rest_w - self.idle_w * free
        return tuple(
            Terms(min(1.0, rate * slower), theirs_w * share / sum(shares) * MILLI / one.milli)
            for one, rate, slower, share in zip(tenants, found.rates, alone, shares, strict=True)
        )

    def _asked(self, milli: int, work_w: float = 0.0) -> Demand:
        return self.sharing.asked(milli / MILLI, work_w)
