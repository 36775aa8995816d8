"""Open-Meteo's historical weather, as JSON or CSV: hours that were.

Times are on a clock a *fixed* offset from UTC (``utc_offset_seconds``), whatever time zone the file names beside it: no
hour is skipped or doubled in spring and autumn. Temperature, humidity, pressure and wind are of the instant and are
taken to hold for the hour after it; radiation is the mean of the hour *before* its time (Open-Meteo, Historical Weather
API).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.instants import parse_instant
from sim.units import NS_PER_S, PA_PER_MBAR, PERCENT, SECONDS_PER_HOUR
from sim.weather.files import read_lines, read_text
from sim.weather.records import DatedHours, Place, number

NAMES = {
    "dry_bulb_c": ("temperature_2m",),
    "relative_humidity": ("relative_humidity_2m", "relativehumidity_2m"),
    "pressure_pa": ("surface_pressure",),
    "ghi_w_m2": ("shortwave_radiation",),
    "dni_w_m2": ("direct_normal_irradiance",),
    "dhi_w_m2": ("diffuse_radiation",),
    "wind_m_s": ("wind_speed_10m", "windspeed_10m"),
}
FACTORS = {
    "dry_bulb_c": {"°C": 1.0},
    "relative_humidity": {"%": 1.0 / PERCENT},
    "pressure_pa": {"hPa": PA_PER_MBAR},
    "wind_m_s": {"km/h": 1000.0 / SECONDS_PER_HOUR, "m/s": 1.0, "ms": 1.0},
}
"""What one of the file's units is in ours. Radiation is in W/m2."""
OF_THE_HOUR_BEFORE = ("ghi_w_m2", "dni_w_m2", "dhi_w_m2")
CSV_HEAD = 3


def read_open_meteo(path: Path) -> DatedHours:
    """JSON, or CSV as Open-Meteo writes it. Raises ``InputError``."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return _of_csv(path) if suffixes and suffixes[-1] == ".csv" else _of_json(path)


def _of_json(path: Path) -> DatedHours:
    file = str(path)
    try:
        data: Any = json.loads(read_text(path))
        hourly, units = data["hourly"], data.get("hourly_units", {})
        place = Place(
            float(data["latitude"]),
            float(data["longitude"]),
            float(data["elevation"]) if "elevation" in data else None,
            float(data["utc_offset_seconds"]) / SECONDS_PER_HOUR,
        )
        times = [str(time) for time in hourly["time"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.one(file, f"is no hourly answer of Open-Meteo ({type(error).__name__}: {error})") from None
    columns = {
        name: [math.nan if v is None else number(str(v)) for v in hourly[name]] for name in hourly if name != "time"
    }
    return _dated(file, place, times, columns, units, np.arange(len(times)) + 1)


def _of_csv(path: Path) -> DatedHours:
    file = str(path)
    rows = list(csv.reader(read_lines(path)))
    try:
        head = dict(zip(rows[0], rows[1], strict=False))
        place = Place(
            float(head["latitude"]),
            float(head["longitude"]),
            float(head["elevation"]) if head.get("elevation") else None,
            float(head["utc_offset_seconds"]) / SECONDS_PER_HOUR,
        )
        header = rows[CSV_HEAD]
        assert header[0] == "time", header[0]
    except (ValueError, KeyError, IndexError, AssertionError) as error:
        raise InputError.one(file, f"is no CSV of Open-Meteo ({type(error).__name__}: {error})", line=1) from None
    names = [name.split(" (")[0] for name in header]
    units = {name: full.partition(" (")[2].rstrip(")") for name, full in zip(names, header, strict=True)}
    body = [(i, row) for i, row in enumerate(rows[CSV_HEAD + 1 :], start=CSV_HEAD + 2) if row]
    columns = {
        name: [number(row[k]) if k < len(row) else math.nan for _, row in body] for k, name in enumerate(names) if k
    }
    return _dated(file, place, [row[0] for _, row in body], columns, units, np.array([i for i, _ in body]))


def _dated(
    file: str,
    place: Place,
    times: Sequence[str],
    found: Mapping[str, Sequence[float]],
    units: Mapping[str, str],
    lines: npt.NDArray[np.int64],
) -> DatedHours:
    if len(times) < 2:
        raise InputError.one(file, f"needs at least two hours; it has {len(times)}")
    offset_ns = round(place.ahead_h * SECONDS_PER_HOUR) * NS_PER_S
    starts = []
    for line, time in zip(lines.tolist(), times, strict=True):
        try:
            starts.append(parse_instant(time, UTC) - offset_ns)
        except ValueError:
            raise InputError.one(file, f"is no time: {time!r}", line=line) from None
    start_ns = np.array(starts, dtype=np.int64)
    steps = np.diff(start_ns)
    wrong = np.nonzero(steps != steps[0])[0]
    if steps[0] <= 0 or len(wrong):
        at = int(lines[int(wrong[0]) + 1]) if len(wrong) else int(lines[1])
        raise InputError.one(file, "its hours do not follow one another evenly", line=at)
    columns = {}
    for name, spellings in NAMES.items():
        spelt = next((s for s in spellings if s in found), None)
        values = np.array(found[spelt] if spelt is not None else [math.nan] * len(times), dtype=np.float64)
        if spelt is not None and name in FACTORS:
            unit = units.get(spelt, next(iter(FACTORS[name])))
            if unit not in FACTORS[name]:
                raise InputError.one(file, f"'{spelt}' is in {unit!r}; ask Open-Meteo for {' or '.join(FACTORS[name])}")
            values = values * FACTORS[name][unit]
        if name in OF_THE_HOUR_BEFORE and spelt is not None:
            values = np.append(values[1:], values[-1:])
        columns[name] = values
    return DatedHours(place, start_ns, int(steps[0]), columns, lines)
