"""What a weather file says before it is laid on a run: hours, typical or dated, and what is missing in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.complaints import Complaints
from sim.possible import WEATHER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Gaps = Literal["refuse", "hold", "interpolate"]

NEEDED = ("dry_bulb_c", "relative_humidity")
EXTRA = ("ghi_w_m2", "dni_w_m2", "dhi_w_m2", "wind_m_s")
WORDS = {
    "dry_bulb_c": "dry-bulb temperature",
    "relative_humidity": "relative humidity",
    "pressure_pa": "pressure",
    "ghi_w_m2": "global radiation",
    "dni_w_m2": "direct radiation",
    "dhi_w_m2": "diffuse radiation",
    "wind_m_s": "wind speed",
}
"""Columns as messages call them."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a weather file is of: degrees north and east, m above the sea, and hours that its clock is ahead of UTC."""

    latitude_deg: float | None
    longitude_deg: float | None
    elevation_m: float | None
    ahead_h: float


@dataclass(frozen=True, eq=False)
class TypicalYear:
    """A made-up year in local standard time, in its order: ``columns`` (n,), NaN where missing, and their lines.

    ``slots`` (n,) increase and say where in any year each record of ``step_ns`` belongs (see ``calendar_year``);
    ``step`` says in words how that length is known.
    """

    place: Place
    step_ns: int
    slots: Ints
    columns: Mapping[str, Floats]
    lines: Ints
    step: str = ""


@dataclass(frozen=True, eq=False)
class DatedHours:
    """Records of hours that were: ``start_ns`` (n,) since 1970, each ``step_ns`` long, NaN where missing.

    ``before`` has what the file says of the step before its first: these columns come as means of the step before
    their time, so the last value of each is not known. ``lines`` are None in a file without any, which has ``keys``.
    """

    place: Place
    start_ns: Ints
    step_ns: int
    columns: Mapping[str, Floats]
    lines: Ints | None
    before: Mapping[str, float]
    keys: Mapping[str, str]


def refuse_impossible(
    file: str, columns: Mapping[str, Floats], lines: Ints | None, keys: Mapping[str, str] | None = None
) -> None:
    """Raises ``InputError`` naming values that the air cannot have: marks for missing ones, slips."""
    complaints = Complaints(file)
    for name, values in columns.items():
        possible = WEATHER[name]
        wrong = np.flatnonzero((values < possible.low) | (values > possible.high))  # NaN is missing, and neither
        for i in wrong.tolist():
            message = f"the {_words(name)} is {values[wrong[0]]:g}, and {possible.fault(float(values[wrong[0]]))}"
            complaints.add(int(lines[i]) if lines is not None else None, message, _key(keys, name, i))
    complaints.raise_if_any()


def _key(keys: Mapping[str, str] | None, name: str, i: int) -> str:
    return f"{keys[name]}[{i}]" if keys and name in keys else ""


def _words(name: str) -> str:
    return WORDS[name]


def without_gaps(
    file: str, columns: Mapping[str, Floats], lines: Ints | None, policy: Gaps, keys: Mapping[str, str] | None = None
) -> tuple[dict[str, Floats], int]:
    """The columns with missing values treated by ``policy``, and how many there were.

    A column that is missing throughout is left out. ``hold`` repeats the value before (the first one after, at the
    start), ``interpolate`` draws a line between neighbours. Raises ``InputError`` naming lines under ``refuse``.
    """
    whole: dict[str, Floats] = {}
    complaints = Complaints(file)
    filled = 0
    for name, values in columns.items():
        missing = np.isnan(values)
        if missing.all():
            if name in NEEDED:
                complaints.add(None, f"has no {_words(name)} at all")
            continue
        if missing.any() and policy == "refuse":
            for i in np.nonzero(missing)[0].tolist():
                message = f"the {_words(name)} is missing; mend the file, or write 'gaps: hold' or 'gaps: interpolate'"
                complaints.add(int(lines[i]) if lines is not None else None, message, _key(keys, name, i))
            continue
        filled += int(missing.sum())
        known = np.nonzero(~missing)[0]
        at = np.arange(len(values))
        if policy == "interpolate":
            whole[name] = np.interp(at, known, values[known])
        else:
            before = np.maximum(np.searchsorted(known, at, side="right") - 1, 0)
            whole[name] = values[known[before]]
    complaints.raise_if_any()
    return whole, filled


def number(text: str, *, missing: float | None = None) -> float:
    """The number in a cell; NaN for an empty one, for what is no number, and from ``missing`` on (a format's mark)."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    if not math.isfinite(value) or (missing is not None and value >= missing):
        return math.nan
    return value
