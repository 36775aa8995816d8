"""A grid with two carbon intensities, one by day and one by night."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from sim.build.site.grid import Asked
from sim.quantities import CarbonIntensity
from sim.signals import Signal
from sim.signals.grid.series import GridSeries
from sim.spec.grid import IntensitySource
from sim.units import HOUR_NS


class DayAndNight(IntensitySource):
    """One intensity from 06:00 to 18:00 UTC, another from 18:00 to 06:00."""

    example: ClassVar[dict[str, Any]] = {"day": "100 gCO2e/kWh", "night": "500 gCO2e/kWh"}

    kind: Literal["day-and-night"]
    day: CarbonIntensity
    night: CarbonIntensity


def day_and_night(spec: DayAndNight, asked: Asked) -> GridSeries:
    """Over the time asked for, from the clock's half day in which it begins to that in which it ends."""
    half_ns = 12 * HOUR_NS
    offset_ns = asked.origin_ns - 6 * HOUR_NS  # since 06:00 of the first day of 1970
    first, last = (asked.start_ns + offset_ns) // half_ns, -(-(asked.end_ns + offset_ns) // half_ns)
    halves = np.arange(first, last + 1, dtype=np.int64)
    values = np.where(halves[:-1] % 2 == 0, float(spec.day), float(spec.night))
    return GridSeries(intensity=Signal(halves * half_ns - offset_ns, values, "g/J"), marginal=False)
