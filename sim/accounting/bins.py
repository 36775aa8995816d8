"""Time bins of a ledger: a regular reporting interval, cut further at every breakpoint of every signal.

The interval is aligned to the clock (UTC), not to the start of the run, so that hourly bins fit hourly grid data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.units import HOUR_NS

Ints = npt.NDArray[np.int64]
LOOK_NS = HOUR_NS // 4


class Bins:
    """Bin edges that grow with the run: ``edges`` starts at 0 and always reaches past the last time asked for."""

    def __init__(self, step_ns: int, breakpoints: Sequence[Ints] = (), start_ns: int = 0) -> None:
        self.step_ns = step_ns
        self._phase_ns = start_ns % step_ns  # how far into an interval of the clock the run starts
        self._look_phase_ns = start_ns % LOOK_NS
        inside = np.concatenate([*breakpoints, np.empty(0, dtype=np.int64)])
        self._breakpoints = np.unique(inside[inside > 0])
        self.edges: list[int] = [0]

    def reach(self, t_ns: int) -> None:
        """Makes the last edge at least ``t_ns``."""
        last = self.edges[-1]
        if t_ns <= last:
            return
        # In chunks that double the bins, so that a run of unknown length costs amortised constant time a bin.
        chunk = max(64, len(self.edges))
        first = (last + self._phase_ns) // self.step_ns + 1
        upto = max(first + chunk, -(-(t_ns + self._phase_ns) // self.step_ns))
        regular = np.arange(first, upto + 1, dtype=np.int64) * self.step_ns - self._phase_ns
        end = int(regular[-1])
        cut = self._breakpoints[(self._breakpoints > last) & (self._breakpoints <= end)]
        self.edges += np.union1d(regular, cut).tolist()

    def next_look(self, t_ns: int) -> int:
        """The first quarter of an hour by the clock after ``t_ns``, whatever the bins.

        Whoever is asked at these instants what it drew sums up the same spans under every reporting interval.
        """
        return ((t_ns + self._look_phase_ns) // LOOK_NS + 1) * LOOK_NS - self._look_phase_ns

    def next_edge(self, t_ns: int) -> int:
        """The first edge after ``t_ns``."""
        self.reach(t_ns + 1)
        return int(self.edges[bisect_right(self.edges, t_ns)])

    def index(self, t_ns: int) -> int:
        """Index of the bin that holds ``t_ns``; it must have been reached."""
        return bisect_right(self.edges, t_ns) - 1
