"""When a breaker opens under overload: inverse-time curves, each told by the points of a standard or a data sheet.

Two laws. A *thermal-magnetic* breaker bends a bimetal: its heat follows the square of the current with one time
constant, as IEC 60255-149 (thermal relays) writes it, and a magnet opens it at once from some multiple on. An
*electronic* trip unit counts I²t above its pickup. ``heat`` is what has gathered, 0 where there is none and 1 where it
opens. Between changes of current heat has a closed form, so that a trip under piecewise constant current is exact.

Currents are multiples of the rating. Ambient temperature, phases that are not balanced and the spread between units
(for one rating the standards allow a factor of ten in time) are left out: whoever must be sure gives the earliest point
of the curve, whoever sizes a cable the latest.

Points of standards (they are written in a scenario; nothing here is fitted to them):

- IEC 60898-1: holds 1.13 and opens 1.45 within 1 h (2 h above 63 A), opens 2.55 after 1 s to 60 s (120 s above 32 A);
  at once from 3..5 (B), 5..10 (C), 10..20 (D).
- IEC 60947-2: holds 1.05 and opens 1.30 within 1 h (2 h above 63 A).
- UL 489: holds 1.00, opens 1.35 within 1 h (to 50 A) and 2.00 within 2 min (to 30 A).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

NEVER_S = math.inf


class TripCurve(Protocol):
    """How heat gathers under a constant current (a multiple of the rating), and when it opens the breaker."""

    def heat_after(self, heat: float, multiple: float, span_s: float) -> float:
        """Heat after so many s."""

    def trips_in_s(self, heat: float, multiple: float) -> float:
        """How long it carries the current from now on; ``inf`` where it does for ever."""

    def settled(self, multiple: float) -> float:
        """Heat after a long time under a current that it carries for ever."""


@dataclass(frozen=True)
class ThermalMagnetic:
    """``holds`` is the most that it carries for ever, ``instant`` the least that opens it at once.

    Heat is (I / holds)² in the long run, reached with ``time_constant_s``, and opens the breaker at 1: from cold,
    t = tau ln(I² / (I² - holds²)).
    """

    holds: float
    time_constant_s: float
    instant: float

    @classmethod
    def through(cls, holds: float, at: float, after_s: float, instant: float) -> ThermalMagnetic:
        """The curve that opens after ``after_s`` at ``at`` times the rating, from cold."""
        return cls(holds, after_s / math.log(at**2 / (at**2 - holds**2)), instant)

    def heat_after(self, heat: float, multiple: float, span_s: float) -> float:
        """See ``TripCurve``."""
        goal = self.settled(multiple)
        return goal + (heat - goal) * math.exp(-span_s / self.time_constant_s)

    def trips_in_s(self, heat: float, multiple: float) -> float:
        """See ``TripCurve``."""
        if multiple >= self.instant or heat >= 1.0:
            return 0.0
        goal = self.settled(multiple)
        return self.time_constant_s * math.log((goal - heat) / (goal - 1.0)) if goal > 1.0 else NEVER_S

    def settled(self, multiple: float) -> float:
        """See ``TripCurve``."""
        return (multiple / self.holds) ** 2


@dataclass(frozen=True)
class Electronic:
    """Above ``pickup`` it counts I²t up to ``let_through_s`` (in s of the rated current); below, it counts down as
    fast as it counts up at the pickup. It opens at once from ``instant`` on."""

    pickup: float
    let_through_s: float
    instant: float

    @classmethod
    def through(cls, pickup: float, at: float, after_s: float, instant: float) -> Electronic:
        """The curve that opens after ``after_s`` at ``at`` times the rating, from cold."""
        return cls(pickup, at**2 * after_s, instant)

    def heat_after(self, heat: float, multiple: float, span_s: float) -> float:
        """See ``TripCurve``."""
        return max(0.0, heat + self._per_s(multiple) * span_s)

    def trips_in_s(self, heat: float, multiple: float) -> float:
        """See ``TripCurve``."""
        if multiple >= self.instant or heat >= 1.0:
            return 0.0
        per_s = self._per_s(multiple)
        return (1.0 - heat) / per_s if per_s > 0.0 else NEVER_S

    def settled(self, _multiple: float) -> float:
        """See ``TripCurve``."""
        return 0.0

    def _per_s(self, multiple: float) -> float:
        counted = multiple if multiple > self.pickup else self.pickup
        return (1.0 if multiple > self.pickup else -1.0) * counted**2 / self.let_through_s


@dataclass(frozen=True)
class Breaker:
    """A breaker that carries ``rating_w``, the W that its rated current brings at the voltage and power factor of its
    load (taken to be constant, so that a multiple of one is a multiple of the other)."""

    rating_w: float
    curve: TripCurve

    def heat_after(self, heat: float, watts: float, span_s: float) -> float:
        """Heat after it carried ``watts`` for so many s."""
        return self.curve.heat_after(heat, watts / self.rating_w, span_s)

    def trips_in_s(self, heat: float, watts: float) -> float:
        """How long it carries ``watts`` from now on."""
        return self.curve.trips_in_s(heat, watts / self.rating_w)

    def settled(self, watts: float) -> float:
        """Heat after it carried ``watts`` for long; none where it would have opened: it has just been closed."""
        multiple = watts / self.rating_w
        return self.curve.settled(multiple) if self.curve.trips_in_s(0.0, multiple) == NEVER_S else 0.0
