"""What is known of a device and when: the energy between its readings, and the holes between them.

Absence is no reading. Between two readings a counter tells the energy and two powers tell their trapezoid, as long as
they are no further apart than usual. An interval of more than ``HOLE_INTERVALS`` usual ones (and of more than
``SHORTEST_HOLE_NS``) is a hole: of power nothing is known there, and nothing is put in its place; a counter still
tells the energy of a hole, but not its power over time. Before its first reading and after its last a device is not
known either: it is not at 0 W.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.units import NS_PER_S, SECONDS_PER_NS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HOLE_INTERVALS = 5.0
"""Readings further apart than so many usual intervals have a hole between them."""

SHORTEST_HOLE_NS = 2 * NS_PER_S
"""Shorter ones hide little: boards report means over up to a second, and nvidia-smi stalls for one now and then."""

NEARBY = 9
"""Intervals around one that tell, too, what is usual: a meter read more slowly from some time on has no holes."""

FEWEST_INTERVALS = 3
"""Of fewer none is usual."""

LEAST_SHARE = 0.95
"""A counter that covers less than this share of the time its device's power is known is not what is judged."""

LEAST_COMPARED_S = 5.0
"""In less time two meters of one device are not compared: each is updated only every tenth of a second or so."""

METERS_DIFFER = 0.10
"""Beyond this share the energies of two meters of one device differ more than either may be wrong (5 % of NVML's power,
NVIDIA's nvml.h; a few percent of sampling)."""


def usual_ns(times_ns: Ints) -> float:
    """The usual interval between readings at sorted, different times: the (lower) median. NaN where there are few."""
    gaps = np.diff(times_ns)
    return float(np.quantile(gaps, 0.5, method="lower")) if len(gaps) >= FEWEST_INTERVALS else float("nan")


def holes(times_ns: Ints, others_ns: float = float("nan")) -> Flags:
    """(n - 1,) of sorted, different times: which intervals are holes; ``others_ns`` is usual where there are few."""
    gaps = np.diff(times_ns).astype(np.float64)
    usual = usual_ns(times_ns)
    if np.isnan(usual):
        limit = np.full(len(gaps), others_ns)
    else:
        near = pd.Series(gaps).rolling(NEARBY, center=True, min_periods=1).quantile(0.5, interpolation="lower")
        limit = np.maximum(usual, near.to_numpy())
    return np.asarray((gaps > HOLE_INTERVALS * limit) & (gaps > SHORTEST_HOLE_NS), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Metered:
    """One device by one of its meters: ``times_ns`` (n,), J of each interval (n - 1,), and which of them are holes.

    The J of a hole are those of a counter, or NaN of power.
    """

    column: str
    times_ns: Ints
    joules: Floats
    hole: Flags

    @property
    def interval_ns(self) -> float:
        """What is usual between its readings, or the mean where they are few."""
        usual = usual_ns(self.times_ns)
        return float(np.diff(self.times_ns).mean()) if np.isnan(usual) else usual

    @property
    def energy_j(self) -> float:
        """From the first reading to the last: of a counter with what it counted in holes, of power without holes."""
        return float(np.nansum(self.joules))

    @property
    def seconds(self) -> float:
        """The time in which power is known."""
        return float(np.diff(self.times_ns)[~self.hole].sum()) * SECONDS_PER_NS

    @property
    def watts(self) -> float:
        """Mean power where it is known; NaN where it never is."""
        return float(self.joules[~self.hole].sum()) / self.seconds if self.seconds > 0 else float("nan")

    def within(self, first_ns: int, last_ns: int) -> Metered:
        """Its intervals that lie between two moments."""
        lower, upper = np.searchsorted(self.times_ns, [first_ns, last_ns + 1])
        inner = slice(lower, max(upper - 1, lower))
        return Metered(self.column, self.times_ns[lower:upper], self.joules[inner], self.hole[inner])

    def until(self, moments_ns: Floats) -> tuple[Floats, Floats]:
        """J and s known from the first reading up to each moment, holes left out; linear between readings."""
        known_j = np.concatenate([[0.0], np.cumsum(np.where(self.hole, 0.0, self.joules))])
        known_s = np.concatenate([[0.0], np.cumsum(np.where(self.hole, 0, np.diff(self.times_ns)))]) * SECONDS_PER_NS
        start_ns = self.times_ns[0]
        at, own = moments_ns - start_ns, (self.times_ns - start_ns).astype(np.float64)
        return np.interp(at, own, known_j), np.interp(at, own, known_s)


def by(samples: pd.DataFrame, column: str, others_ns: float = float("nan")) -> Metered | None:
    """One device's samples by its counter (``energy_j``) or its power (``power_w``); None for fewer than two."""
    known = samples[samples[column].notna()].drop_duplicates("time_ns", keep="last")
    if len(known) < 2:
        return None
    times = known["time_ns"].to_numpy(np.int64)
    values = known[column].to_numpy(np.float64)
    hole = holes(times, others_ns)
    if column == "energy_j":
        return Metered(column, times, np.diff(values), hole)
    trapezoids = np.diff(times).astype(np.float64) * SECONDS_PER_NS * (values[1:] + values[:-1]) / 2.0
    return Metered(column, times, np.where(hole, np.nan, trapezoids), hole)


def metered(samples: pd.DataFrame, others_ns: float = float("nan"), unknown: Iterable[tuple[int, int]] = ()) -> Metered:
    """One device by the meter that is judged: its counter, or its power where the counter covers clearly less of it.

    Times over which the counter is ``unknown`` (from one of its readings to the next) are holes in it. Raises
    ``ValueError`` where there is neither: a missing number is no zero.
    """
    counter, power = (by(samples, column, others_ns) for column in ("energy_j", "power_w"))
    if counter is not None:
        for from_ns, to_ns in unknown:
            counter.hole[(counter.times_ns[:-1] >= from_ns) & (counter.times_ns[1:] <= to_ns)] = True
    if counter is not None and (power is None or counter.seconds >= LEAST_SHARE * power.seconds):
        return counter
    if power is None:
        raise ValueError("has fewer than two samples of power or of energy")
    return power


@dataclass(frozen=True)
class Disagreement:
    """J that the counter and the power of one device give for the same seconds."""

    counter_j: float
    power_j: float
    seconds: float

    def __str__(self) -> str:
        more = 100.0 * (self.counter_j / self.power_j - 1.0) if self.power_j > 0 else float("inf")
        return (
            f"its energy counter says {self.counter_j:.6g} J and its power {self.power_j:.6g} J over the same"
            f" {self.seconds:.6g} s ({more:+.3g} %): one of them is wrong"
        )


def disagreement(samples: pd.DataFrame) -> Disagreement | None:
    """Where a device's counter and power differ by more than ``METERS_DIFFER`` (and an interval's energy) in common."""
    counter, power = by(samples, "energy_j"), by(samples, "power_w")
    if counter is None or power is None:
        return None
    edges = np.union1d(counter.times_ns, power.times_ns)
    edges_ns = edges.astype(np.float64) - edges[0]
    lengths_s = np.diff(edges_ns) * SECONDS_PER_NS

    def parts(meter: Metered) -> tuple[Floats, Flags]:
        # From the first edge, so that ns stay exact as floats.
        own = Metered(meter.column, meter.times_ns - edges[0], meter.joules, meter.hole)
        joules, seconds = own.until(edges_ns)
        return np.diff(joules), np.asarray(np.diff(seconds) > 0.5 * lengths_s, dtype=np.bool_)

    (counted, has_counter), (integrated, has_power) = parts(counter), parts(power)
    common = has_counter & has_power
    seconds = float(lengths_s[common].sum())
    if seconds < LEAST_COMPARED_S:
        return None
    counter_j, power_j = float(counted[common].sum()), float(integrated[common].sum())
    most = max(counter_j, power_j)
    slack_s = max(counter.interval_ns, power.interval_ns) * SECONDS_PER_NS  # an update more or less at the ends
    if abs(counter_j - power_j) <= METERS_DIFFER * most + most / seconds * min(slack_s, seconds / 4):
        return None
    return Disagreement(counter_j, power_j, seconds)
