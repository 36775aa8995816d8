"""How fast a job works and what each of its GPUs draws: under the caps of all who may set one, and beside slow GPUs."""

from __future__ import annotations

from collections.abc import Callable

FULL_RATE = 1 << 60
"""Rates are counted in integers, so that progress under any changes of rate adds up."""

UnderCap = Callable[[float], tuple[float, float]]
"""From a cap in W to the rate of work (0..1) and the W at work."""


class Pace:
    """The pace of one job, and what caps and slow GPUs have cost it so far. W are of one GPU."""

    def __init__(self, active_w: float, loaded_w: float, waiting_w: float, under_cap: UnderCap | None) -> None:
        self.rate = self._capped_rate = FULL_RATE
        self.active_w = self._capped_w = active_w
        self.changes = 0
        self.slowed_ns = 0
        self.straggling_ns = self.straddling_ns = 0
        self.worked_ns: dict[float | None, int] = {}  # by the cap in W
        self._full_w = active_w
        self._loaded_w = loaded_w
        self._waiting_w = waiting_w
        self._under_cap = under_cap
        self._caps_w: dict[str, float] = {}
        self._slowest = self._linked = 1.0

    @property
    def full_w(self) -> float:
        """W at work without any cap."""
        return self._full_w

    @property
    def cappable(self) -> bool:
        """Whether a cap changes what the job draws."""
        return self._under_cap is not None

    def cap(self, source: str, cap_w: float | None) -> bool:
        """From now on ``source`` allows each GPU no more than ``cap_w``; None lifts it. The lowest cap counts.

        Says whether that changes anything.
        """
        if cap_w is None:
            self._caps_w.pop(source, None)
        else:
            self._caps_w[source] = cap_w
        rate, active_w = self.under(min(self._caps_w.values())) if self._caps_w else (1.0, self._full_w)
        if (round(rate * FULL_RATE), active_w) == (self._capped_rate, self._capped_w):
            return False
        self._capped_rate, self._capped_w = round(rate * FULL_RATE), active_w
        self.changes += 1
        self._settle()
        return True

    def slow_to(self, slowest: float) -> bool:
        """All go at the rate (0..1) of the slowest GPU, the others waiting for it; says whether that is a change."""
        if slowest == self._slowest:
            return False
        self._slowest = slowest
        self._settle()
        return True

    def link_to(self, rate: float) -> bool:
        """All go at this rate (0..1), since they wait for a slower link; says whether that is a change."""
        if rate == self._linked:
            return False
        self._linked = rate
        self._settle()
        return True

    def _settle(self) -> None:
        self.rate, self.active_w = self._capped_rate, self._capped_w
        works = self._slowest * self._linked
        if works < 1.0:
            waiting_w = min(self._waiting_w, self._capped_w)
            self.rate = round(self._capped_rate * works)
            self.active_w = works * self._capped_w + (1.0 - works) * waiting_w

    def under(self, cap_w: float) -> tuple[float, float]:
        """The rate of work and the W at work under a cap; at or below loaded power nothing is done."""
        assert self._under_cap is not None, "a job that takes no caps is not capped"
        return self._under_cap(cap_w) if cap_w > self._loaded_w else (0.0, self._loaded_w)

    def without(self, source: str) -> float:
        """W at work if ``source`` did not cap it."""
        others_w = [cap_w for name, cap_w in self._caps_w.items() if name != source]
        return self.under(min(others_w))[1] if others_w else self._full_w

    def capped_by(self, source: str, cap_w: float) -> float:
        """W at work if ``source`` capped it at ``cap_w``: gaps of the work may leave it below that."""
        return self.under(min([cap_w, *(own for name, own in self._caps_w.items() if name != source)]))[1]

    def takes_ns(self, work_ns: int) -> int:
        """How long ``work_ns`` takes at the present rate; all but for ever where there is none."""
        return -(-work_ns * FULL_RATE // max(1, self.rate))

    def done_ns(self, elapsed_ns: int, most_ns: int) -> int:
        """Work done in a time at this pace, at most ``most_ns``; what slowed it is counted."""
        done_ns = min((elapsed_ns * self.rate) // FULL_RATE, most_ns)
        own_ns = elapsed_ns
        works = self._slowest * self._linked
        if works < 1.0:
            own_ns = max(done_ns, (elapsed_ns * round(works * FULL_RATE)) // FULL_RATE)
            straddling_ns = min(
                elapsed_ns - own_ns, elapsed_ns - (elapsed_ns * round(self._linked * FULL_RATE)) // FULL_RATE
            )
            self.straddling_ns += straddling_ns
            self.straggling_ns += elapsed_ns - own_ns - straddling_ns
        self.slowed_ns += own_ns - done_ns
        bears = (self._capped_rate, self._capped_w) != (FULL_RATE, self._full_w)
        cap_w = min(self._caps_w.values()) if bears else None
        self.worked_ns[cap_w] = self.worked_ns.get(cap_w, 0) + own_ns
        return done_ns
