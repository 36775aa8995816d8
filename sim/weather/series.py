"""Weather over a run: columns that are constant within each interval, on the run's own clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.errors import SignalRangeError
from sim.weather.psychrometrics import humidity_ratio, wet_bulb_c

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Air:
    """Outdoor air in each bin, arrays (n,): degC, degC, Pa, and kg of water per kg of dry air."""

    dry_bulb_c: Floats
    wet_bulb_c: Floats
    pressure_pa: Floats
    humidity_ratio: Floats


@dataclass(frozen=True, eq=False)
class WeatherSeries:
    """Weather in columns (n,) between ``edges_ns`` (n + 1,), in ns from the start of the run.

    ``extra`` holds what the file has of ``ghi_w_m2``, ``dni_w_m2``, ``dhi_w_m2`` (means, W/m2) and ``wind_m_s``;
    latitude and longitude in degrees are None where it names none. ``filled`` counts values that were missing. Of
    ``typical_days`` all of a month are alike, so that neither hot nor dry hours are among them.
    """

    edges_ns: Ints
    dry_bulb_c: Floats
    relative_humidity: Floats
    pressure_pa: Floats
    extra: Mapping[str, Floats]
    latitude_deg: float | None
    longitude_deg: float | None
    elevation_m: float | None
    filled: int = 0
    typical_days: bool = False

    @cached_property
    def wet_bulb_c(self) -> Floats:
        """Thermodynamic wet bulb (n,), degC; found once."""
        return wet_bulb_c(self.dry_bulb_c, self.relative_humidity, self.pressure_pa)

    @cached_property
    def humidity_ratio(self) -> Floats:
        """Water in the air (n,), kg per kg of dry air; found once."""
        return humidity_ratio(self.dry_bulb_c, self.relative_humidity, self.pressure_pa)

    def breakpoints(self, start_ns: int, end_ns: int) -> Ints:
        """Edges strictly inside ``(start_ns, end_ns)``."""
        return self.edges_ns[(self.edges_ns > start_ns) & (self.edges_ns < end_ns)]

    def covers(self, start_ns: int, end_ns: int) -> bool:
        """Whether there is weather at every instant of ``[start_ns, end_ns)``."""
        return int(self.edges_ns[0]) <= start_ns and end_ns <= int(self.edges_ns[-1])

    def on_bins(self, edges_ns: Ints) -> Air:
        """The air in each bin between ``edges_ns`` (m + 1,): that of the interval it begins in.

        Raises ``SignalRangeError`` where the bins leave the series.
        """
        if not self.covers(int(edges_ns[0]), int(edges_ns[-1])):
            raise SignalRangeError(f"the bins leave the weather, {self.edges_ns[0]}..{self.edges_ns[-1]} ns")
        if np.array_equal(edges_ns, self.edges_ns):
            return Air(self.dry_bulb_c, self.wet_bulb_c, self.pressure_pa, self.humidity_ratio)
        at = np.searchsorted(self.edges_ns, edges_ns[:-1], side="right") - 1
        return Air(self.dry_bulb_c[at], self.wet_bulb_c[at], self.pressure_pa[at], self.humidity_ratio[at])
