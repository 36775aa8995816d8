"""A step function of time that refuses to guess: constant between its edges, and undefined outside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.errors import SignalRangeError
from sim.units import MAX_NS, SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Signal:
    """``values[i]`` holds on ``[edges_ns[i], edges_ns[i + 1])``, in ``unit`` (SI, e.g. ``g/J``).

    ``edges_ns`` (n + 1,) are nanoseconds from the start of the run, strictly increasing; ``values`` (n,) are finite.
    """

    edges_ns: Ints
    values: Floats
    unit: str

    def __post_init__(self) -> None:
        if len(self.edges_ns) != len(self.values) + 1 or not len(self.values):
            raise ValueError("a signal needs one more edge than it has values, and at least one value")
        if not bool((self.edges_ns[1:] > self.edges_ns[:-1]).all()):
            raise ValueError("the edges of a signal must be strictly increasing")
        if not bool(np.isfinite(self.values).all()):
            raise ValueError("the values of a signal must be finite")

    @classmethod
    def constant(cls, value: float, unit: str) -> Signal:
        """The same value for as long as the simulated clock can run."""
        return cls(np.array([-MAX_NS, MAX_NS], dtype=np.int64), np.array([value], dtype=np.float64), unit)

    @property
    def first_ns(self) -> int:
        """First instant covered."""
        return int(self.edges_ns[0])

    @property
    def last_ns(self) -> int:
        """First instant no longer covered."""
        return int(self.edges_ns[-1])

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Whether every instant of ``[start_ns, end_ns)`` has a value."""
        return self.first_ns <= start_ns and end_ns <= self.last_ns

    def at(self, t_ns: int) -> float:
        """Value at one instant. Raises ``SignalRangeError`` outside the signal."""
        if not self.first_ns <= t_ns < self.last_ns:
            raise SignalRangeError(f"asked for {self.unit} at {t_ns} ns, outside {self.first_ns}..{self.last_ns} ns")
        return float(self.values[int(np.searchsorted(self.edges_ns, t_ns, side="right")) - 1])

    def breakpoints(self, start_ns: int, end_ns: int) -> Ints:
        """Edges strictly inside ``(start_ns, end_ns)``: where the value may change."""
        if len(self.values) == 1 and self.covers(start_ns, end_ns):
            return self.edges_ns[:0]
        inside = (self.edges_ns > start_ns) & (self.edges_ns < end_ns)
        return self.edges_ns[inside]

    def integral(self, start_ns: int, end_ns: int) -> float:
        """Exact integral over ``[start_ns, end_ns)`` in ``unit`` x seconds. Raises ``SignalRangeError``."""
        if not self.covers(start_ns, end_ns):
            raise SignalRangeError(f"integral of {self.unit} over {start_ns}..{end_ns} ns leaves the signal")
        inside = np.clip(self.edges_ns, start_ns, end_ns)
        return float((np.diff(inside) * SECONDS_PER_NS) @ self.values)

    def on_bins(self, edges_ns: Ints) -> Floats:
        """The value in each bin between ``edges_ns`` (m + 1,) -> (m,).

        A bin across a change of value has no single one: the signal's own breakpoints must be among the edges, else
        ``ValueError`` (an accounting on such bins would silently assume constant power inside them). Raises
        ``SignalRangeError`` where the bins leave the signal.
        """
        start, end = int(edges_ns[0]), int(edges_ns[-1])
        if not self.covers(start, end):
            raise SignalRangeError(f"the bins {start}..{end} ns leave the signal {self.first_ns}..{self.last_ns} ns")
        if len(self.values) == 1:
            return np.full(len(edges_ns) - 1, self.values[0])
        first, last = np.searchsorted(self.edges_ns, (start, end), side="right")
        inside = self.edges_ns[first:last]  # the end of the bins is among them, or lies before the next edge
        if np.array_equal(inside, edges_ns[1:]):  # the bins are the signal's own intervals: nothing to look up
            return self.values[first - 1 : last - 1]
        if not np.array_equal(edges_ns[np.searchsorted(edges_ns, inside)], inside):
            raise ValueError("the bins do not contain every change of the signal")
        return self.values[np.searchsorted(self.edges_ns, edges_ns[:-1], side="right") - 1]
