"""How fast power may rise: the most that may be drawn now, given all that was drawn before.

Power is piecewise constant, so a rise is a jump, and no jump has a slope. The rule is therefore: over any span, power
rises by no more than the ramp over that span and one ``step`` of time more. P(t) <= P(s) + ramp (t - s + step) for all
s < t. Falls are free, and pull down what may be drawn next.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.units import SECONDS_PER_NS


@dataclass(frozen=True)
class Ramp:
    """``w_per_s`` and the time in which power may rise at once."""

    w_per_s: float
    step_ns: int

    @property
    def jump_w(self) -> float:
        """What may be added in an instant after a time of constant power."""
        return self.w_per_s * self.step_ns * SECONDS_PER_NS


class Rising:
    """What has been drawn, as far as it bears on what may be: the lower envelope of P(s) + ramp (t - s)."""

    def __init__(self, ramp: Ramp, watts: float, now_ns: int) -> None:
        self._ramp = ramp
        self._envelope_w = self._watts = watts
        self._since_ns = now_ns

    def ceiling_w(self, now_ns: int) -> float:
        """The most that may be drawn from ``now_ns`` on."""
        return self._envelope(now_ns) + self._ramp.jump_w

    def draw(self, watts: float, now_ns: int) -> None:
        """From ``now_ns`` on ``watts`` are drawn."""
        self._envelope_w = self._envelope(now_ns)
        self._watts = watts
        self._since_ns = now_ns

    def let(self, watts: float, now_ns: int) -> None:
        """So much is drawn from ``now_ns`` on, whatever the ramp says; what comes after rises from there."""
        self.draw(watts, now_ns)
        self._envelope_w = max(self._envelope_w, watts - self._ramp.jump_w)

    def _envelope(self, now_ns: int) -> float:
        if now_ns == self._since_ns:
            return self._envelope_w
        risen_w = self._ramp.w_per_s * (now_ns - self._since_ns) * SECONDS_PER_NS
        return min(self._envelope_w + risen_w, self._watts)
