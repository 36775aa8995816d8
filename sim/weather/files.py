"""Text and rows of a weather file, plain or gzip; every failure to read it is an input error."""

from __future__ import annotations

import math
from pathlib import Path

from sim.errors import InputError
from sim.reading import parse_csv, read_bytes
from sim.weather.records import Place

LARGEST_BYTES = 1 << 28
"""More than any weather file holds, unpacked."""


def read_text(path: Path) -> str:
    """The text of a whole file. Raises ``InputError``."""
    content = read_bytes(path, most=LARGEST_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # place names in older files


def read_lines(path: Path) -> list[str]:
    """The lines of a file, without their ends. Raises ``InputError``."""
    return read_text(path).splitlines()


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a CSV file. Raises ``InputError``."""
    return parse_csv(read_text(path), str(path))


def place_on_earth(file: str, place: Place, *, line: int | None = None) -> Place:
    """``place`` itself, if it is one. Raises ``InputError`` for what lies nowhere and for clocks that nobody has."""
    bounds = (
        ("latitude", place.latitude_deg, 90.0),
        ("longitude", place.longitude_deg, 180.0),
        ("elevation", place.elevation_m, 9000.0),
        ("clock's offset in hours", place.ahead_h, 14.0),
    )
    for name, value, most in bounds:
        if value is not None and not (math.isfinite(value) and abs(value) <= most):
            raise InputError.one(file, f"its {name} is {value:g}, outside -{most:g} .. {most:g}", line=line)
    return place
