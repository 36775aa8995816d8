"""Numbers as people read them, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from sim.units import HOUR_NS, NS_PER_S

HOUR_S = HOUR_NS / NS_PER_S
Grid = tuple[Sequence[str], list[list[str]]]
"""A header and rows of text, which the terminal and the page draw alike."""


def number(value: float) -> str:
    """Four significant figures or all digits before the point, with thousands separated."""
    magnitude = abs(value)
    if magnitude >= 1000:
        return f"{value:,.0f}"
    if magnitude >= 100:
        return f"{value:.1f}"
    if magnitude >= 10:
        return f"{value:.2f}"
    return f"{value:.4g}"


def mass(kg: float) -> str:
    """kg below a tonne, t above."""
    return f"{number(kg / 1000)} t" if abs(kg) >= 1000 else f"{number(kg)} kg"


def gram_mass(grams: float) -> str:
    """g below a kilogram, then as ``mass``.

    >>> gram_mass(935.2), gram_mass(-1.443e6)
    ('935.2 g', '-1.443 t')
    """
    return mass(grams / 1000) if abs(grams) >= 1000 else f"{number(grams)} g"


def ratio(value: float) -> str:
    """Three significant figures."""
    return f"{value:.3g}"


def count(value: int) -> str:
    """A whole number, with thousands separated."""
    return f"{value:,}"


def seconds(value: float) -> str:
    """ms below a second, else s."""
    return f"{number(value * 1000)} ms" if abs(value) < 1 else f"{number(value)} s"


def hours(value_s: float) -> str:
    """h from an hour on, else as ``seconds``."""
    return f"{number(value_s / HOUR_S)} h" if value_s >= HOUR_S else seconds(value_s)


def share(part: float, whole: float) -> str:
    """A percentage, or nothing of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def percent(value: float | None) -> str:
    """A share as a percentage, or nothing where there is none."""
    return f"{100 * value:.1f} %" if value is not None else ""


def turned(grid: Grid) -> Grid:
    """Its columns as rows."""
    header, rows = grid
    return [header[0], *(row[0] for row in rows)], [list(line) for line in zip(header, *rows, strict=True)][1:]
