"""Open-Meteo's weather, as JSON or CSV, hourly or every 15 minutes: hours that were.

Times are on a clock a *fixed* offset from UTC (``utc_offset_seconds``), whatever time zone the file names beside it: no
hour is skipped or doubled in spring and autumn. Times written in seconds since 1970 (``timeformat=unixtime``), or with
an offset of their own, are instants by themselves. Temperature, humidity, pressure and wind are of the instant and are
taken to hold until the next; radiation is the mean of the hour (or quarter of an hour) *before* its time, so the last
one of a file is not known. Units are those the file says (Open-Meteo, Historical Weather API).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.instants import epoch_ns, parse_moment
from sim.plain import as_text
from sim.reading import parse_json
from sim.units import (
    FAHRENHEIT_AT_0_C,
    FAHRENHEIT_PER_KELVIN,
    M_PER_KM,
    M_PER_S_PER_KNOT,
    M_PER_S_PER_MPH,
    NS_PER_S,
    PA_PER_MBAR,
    PERCENT,
    SECONDS_PER_HOUR,
)
from sim.weather.files import place_on_earth, read_rows, read_text
from sim.weather.records import DatedHours, Place, number

Ints = npt.NDArray[np.int64]

NAMES = {
    "dry_bulb_c": ("temperature_2m",),
    "relative_humidity": ("relative_humidity_2m", "relativehumidity_2m"),
    "pressure_pa": ("surface_pressure",),
    "ghi_w_m2": ("shortwave_radiation",),
    "dni_w_m2": ("direct_normal_irradiance",),
    "dhi_w_m2": ("diffuse_radiation",),
    "wind_m_s": ("wind_speed_10m", "windspeed_10m"),
}
_RADIATION = {"W/m²": (0.0, 1.0), "W/m2": (0.0, 1.0), "W/m^2": (0.0, 1.0)}
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "dry_bulb_c": {"°C": (0.0, 1.0), "°F": (FAHRENHEIT_AT_0_C, 1.0 / FAHRENHEIT_PER_KELVIN)},
    "relative_humidity": {"%": (0.0, 1.0 / PERCENT)},
    "pressure_pa": {"hPa": (0.0, PA_PER_MBAR)},
    "ghi_w_m2": _RADIATION,
    "dni_w_m2": _RADIATION,
    "dhi_w_m2": _RADIATION,
    "wind_m_s": {
        "km/h": (0.0, M_PER_KM / SECONDS_PER_HOUR),
        "m/s": (0.0, 1.0),
        "ms": (0.0, 1.0),
        "mp/h": (0.0, M_PER_S_PER_MPH),
        "mph": (0.0, M_PER_S_PER_MPH),
        "kn": (0.0, M_PER_S_PER_KNOT),
    },
}
"""For each unit the file may name: what is taken from a value, and what the rest is in ours. The first of each is what
Open-Meteo answers in where nothing else was asked for."""
OF_THE_STEP_BEFORE = ("ghi_w_m2", "dni_w_m2", "dhi_w_m2")
BLOCKS = ("hourly", "minutely_15")
UNIX_TIME = "unixtime"
CSV_HEAD = 3


def read_open_meteo(path: Path) -> DatedHours:
    """The hours in a file of Open-Meteo, JSON or CSV as it writes it. Raises ``InputError``."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return _of_csv(path) if suffixes and suffixes[-1] == ".csv" else _of_json(path)


def _of_json(path: Path) -> DatedHours:
    file = str(path)
    data = parse_json(read_text(path), file)
    try:
        block = next((name for name in BLOCKS if name in data), BLOCKS[0])
        records, named = data[block], data.get(f"{block}_units") or {}
        units = {name: unit for name, unit in named.items() if as_text(unit) is not None}
        place = _place(data)
        times = [str(time) for time in records["time"]]
        columns = {
            name: [math.nan if v is None else number(str(v)) for v in records[name]]
            for name in records
            if name != "time"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.one(file, f"is no hourly answer of Open-Meteo ({type(error).__name__}: {error})") from None
    short = next((name for name, values in columns.items() if len(values) != len(times)), None)
    if short is not None:
        message = f"has {len(columns[short]):,} values for {len(times):,} times"
        raise InputError.one(file, message, path=f"{block}.{short}")
    return _dated(file, place_on_earth(file, place), times, columns, units, None, block)


def _of_csv(path: Path) -> DatedHours:
    file = str(path)
    rows = read_rows(path)
    try:
        place = _place(dict(zip(rows[0], rows[1], strict=False)))
        header = rows[CSV_HEAD]
        named = header[0]
    except (ValueError, KeyError, IndexError) as error:
        raise InputError.one(file, f"is no CSV of Open-Meteo ({type(error).__name__}: {error})", line=1) from None
    if named != "time":
        raise InputError.one(file, f"is no CSV of Open-Meteo: its first column is {named!r}", line=CSV_HEAD + 1)
    names = [name.split(" (")[0] for name in header]
    units = {name: full.partition(" (")[2].rstrip(")") for name, full in zip(names, header, strict=True)}
    body = [(i, row) for i, row in enumerate(rows[CSV_HEAD + 1 :], start=CSV_HEAD + 2) if row]
    columns = {
        name: [number(row[k]) if k < len(row) else math.nan for _, row in body] for k, name in enumerate(names) if k
    }
    if all(row[0].isdigit() for _, row in body):
        units["time"] = UNIX_TIME  # a CSV does not say so
    lines = np.array([i for i, _ in body], dtype=np.int64)
    return _dated(file, place_on_earth(file, place), [row[0] for _, row in body], columns, units, lines, "")


def _place(head: Mapping[str, Any]) -> Place:
    """The place that a file's head names. Raises ``KeyError`` or ``ValueError`` for one without a place or a clock."""
    return Place(
        float(str(head["latitude"])),
        float(str(head["longitude"])),
        float(str(head["elevation"])) if head.get("elevation") not in (None, "") else None,
        float(str(head["utc_offset_seconds"])) / SECONDS_PER_HOUR,
    )


def _dated(
    file: str,
    place: Place,
    times: Sequence[str],
    found: Mapping[str, Sequence[float]],
    units: Mapping[str, str],
    lines: Ints | None,
    block: str,
) -> DatedHours:
    if len(times) < 2:
        raise InputError.one(file, f"needs at least two hours; it has {len(times)}")

    def at(i: int) -> dict[str, Any]:
        return {"line": int(lines[i])} if lines is not None else {"path": f"{block}.time[{i}]"}

    starts = []
    for i, time in enumerate(times):
        try:
            starts.append(_instant_ns(time, units.get("time"), place))
        except (ValueError, OverflowError, OSError):
            raise InputError.one(file, f"is no time: {time[:40]!r}", **at(i)) from None
    start_ns = np.array(starts, dtype=np.int64)
    steps = np.diff(start_ns)
    wrong = np.flatnonzero((steps != steps[0]) | (steps <= 0))
    if len(wrong):
        i = int(wrong[0]) + 1
        again = "is a second row for one time" if steps[i - 1] == 0 else "its hours do not follow one another evenly"
        raise InputError.one(file, f"{again}: {times[i - 1][:40]}, then {times[i][:40]}", **at(i))
    columns: dict[str, npt.NDArray[np.float64]] = {}
    before: dict[str, float] = {}
    keys: dict[str, str] = {}
    for name, spellings in NAMES.items():
        spelt = next((s for s in spellings if s in found), None)
        if spelt is None:
            columns[name] = np.full(len(times), math.nan)
            continue
        known = UNITS[name]
        unit = units.get(spelt) or next(iter(known))
        if unit not in known:
            raise InputError.one(file, f"'{spelt}' is in {unit!r}; ask Open-Meteo for {' or '.join(known)}")
        zero, scale = known[unit]
        values = (np.array(found[spelt], dtype=np.float64) - zero) * scale
        if name in OF_THE_STEP_BEFORE:
            before[name] = float(values[0])
            values = np.append(values[1:], math.nan)
        columns[name] = values
        if lines is None:
            keys[name] = f"{block}.{spelt}"
    return DatedHours(place, start_ns, int(steps[0]), columns, lines, before, keys)


def _instant_ns(time: str, form: str | None, place: Place) -> int:
    """The instant of a time in the file, ns since 1970.

    Raises ``ValueError`` for no time, ``OverflowError`` for one out of reach.
    """
    moment = parse_moment(datetime.fromtimestamp(int(time), UTC).isoformat() if form == UNIX_TIME else time)
    if moment.tzinfo is not None:
        return epoch_ns(moment)
    return epoch_ns(moment.replace(tzinfo=UTC)) - round(place.ahead_h * SECONDS_PER_HOUR) * NS_PER_S
