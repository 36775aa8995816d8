"""Numbers as people read them, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence

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


def seconds(value: float) -> str:
    """ms below a second, else s."""
    return f"{number(value * 1000)} ms" if abs(value) < 1 else f"{number(value)} s"


def share(part: float, whole: float) -> str:
    """A percentage, or nothing of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def percent(value: float | None) -> str:
    """A share as a percentage, or nothing where there is none."""
    return f"{100 * value:.1f} %" if value is not None else ""
