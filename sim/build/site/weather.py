"""A weather source as written -> the weather of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.kinds import builder
from sim.later import later
from sim.reading import is_file
from sim.signals.csv_table import open_table
from sim.units import LEAP_YEAR_NS
from sim.weather.records import EXTRA, NEEDED

with later():
    from sim.signals.local_clock import hours_over
    from sim.signals.month_hours import read_month_hours
    from sim.weather.records import refuse_impossible
    from sim.weather.series import WeatherSeries


if TYPE_CHECKING:
    from sim.spec.weather import MonthHours, OpenMeteo, TypicalWeather, WeatherSource


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def weather_until_ns(duration_ns: int | None) -> int:
    """How far the weather of a run must reach: its end, or a year where that is not known beforehand."""
    return duration_ns if duration_ns is not None else LEAP_YEAR_NS


def weather_series(spec: WeatherSource, *, start_ns: int, end_ns: int) -> WeatherSeries:
    """The weather over ``[start_ns, end_ns)`` (since 1970), on the clock of a run that starts then.

    Raises ``InputError`` for a file that cannot be read, lacks values or does not cover the run. The same weather is
    read once and kept, with its wet bulbs, as long as its file does not change.
    """
    path = Path(getattr(spec, "file", ""))
    changed_ns = path.stat().st_mtime_ns if is_file(path) else 0
    return _read(spec, changed_ns, start_ns, end_ns)


@lru_cache(maxsize=32)
def _read(spec: WeatherSource, _changed_ns: int, start_ns: int, end_ns: int) -> WeatherSeries:
    made: WeatherSeries = builder(spec)(spec, start_ns, end_ns)
    return made


def typical(spec: TypicalWeather, start_ns: int, end_ns: int) -> WeatherSeries:
    """A typical year, laid on the run."""
    from sim.weather import lay
    from sim.weather.epw import read_epw
    from sim.weather.tmy3 import read_tmy3

    read = {"epw": read_epw, "tmy3": read_tmy3}[spec.kind]
    return lay.typical(spec.file, read(Path(spec.file)), spec.gaps, start_ns=start_ns, end_ns=end_ns)


def open_meteo(spec: OpenMeteo, start_ns: int, end_ns: int) -> WeatherSeries:
    """Hours that were, or the same of another year."""
    from sim.weather import lay
    from sim.weather.open_meteo import read_open_meteo

    hours, repeat = read_open_meteo(Path(spec.file)), spec.repeat is not None
    return lay.dated(spec.file, hours, spec.gaps, start_ns=start_ns, end_ns=end_ns, repeat=repeat)


def month_hours(spec: MonthHours, start_ns: int, end_ns: int) -> WeatherSeries:
    """Twelve typical days, each on every day of its month."""
    with open_table(Path(spec.file)) as table:
        extra = [name for name in EXTRA if name in table.names]
    tables = read_month_hours(Path(spec.file), (*NEEDED, "pressure_pa", *extra), local=spec.zone is not None)
    refuse_impossible(spec.file, {name: table.ravel() for name, table in tables.items()}, None)
    edges, month, hour = hours_over(start_ns, end_ns, spec.zone)
    columns = {name: table[month, hour] for name, table in tables.items()}
    return WeatherSeries(
        edges_ns=edges - start_ns,
        dry_bulb_c=columns["dry_bulb_c"],
        relative_humidity=columns["relative_humidity"],
        pressure_pa=columns["pressure_pa"],
        extra={name: columns[name] for name in extra},
        latitude_deg=spec.latitude,
        longitude_deg=spec.longitude,
        elevation_m=None,
        typical_days=True,
    )


@dataclass(frozen=True, eq=False)
class Sky:
    """What panels and turbines see of the weather: all of it is there."""

    edges_ns: Ints
    latitude_deg: float
    longitude_deg: float
    ghi_w_m2: Floats
    dni_w_m2: Floats
    dhi_w_m2: Floats
    dry_bulb_c: Floats
    wind_m_s: Floats


def sky(weather: WeatherSeries, until_ns: int) -> Sky:
    """Sun and wind of a site, for a run of ``until_ns`` at least.

    Raises ``InputError`` where its weather has none, or no place on earth.
    """
    lacking = [name for name in EXTRA if name not in weather.extra]
    if lacking or weather.latitude_deg is None or weather.longitude_deg is None:
        what = ", ".join(lacking) or "latitude and longitude"
        raise InputError.one("site.weather", f"has no {what}, which PV and wind need")
    unknown = np.flatnonzero(np.isnan([weather.extra[name] for name in EXTRA]).any(axis=0))
    if len(unknown) and weather.edges_ns[unknown[0]] < until_ns:
        message = (
            "has no radiation in the last hour of its file, where each is the mean of the hour before its time; "
            "fetch a day more, or write 'gaps: hold' or 'gaps: interpolate'"
        )
        raise InputError.one("site.weather", message)
    end = int(unknown[0]) if len(unknown) else len(weather.dry_bulb_c)
    return Sky(
        weather.edges_ns[: end + 1],
        weather.latitude_deg,
        weather.longitude_deg,
        weather.extra["ghi_w_m2"][:end],
        weather.extra["dni_w_m2"][:end],
        weather.extra["dhi_w_m2"][:end],
        weather.dry_bulb_c[:end],
        weather.extra["wind_m_s"][:end],
    )
