"""Numbers as people read them, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.plain import as_list, as_mapping
from sim.units import HOUR_NS, J_PER_KWH, MINUTE_NS, NS_PER_S

HOUR_S = HOUR_NS / NS_PER_S
MINUTE_S = MINUTE_NS / NS_PER_S
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


SMALL = 0.1
"""Of a unit: what is less is told in the next smaller one."""


def mass(kg: float) -> str:
    """kg below a tonne, t above; what is small in g or mg.

    >>> mass(50520.0), mass(0.1723), mass(0.0008328), mass(2e-5), mass(0.0)
    ('50.52 t', '0.1723 kg', '0.8328 g', '20.00 mg', '0 kg')
    """
    if abs(kg) >= 1000:
        return f"{number(kg / 1000)} t"
    if abs(kg) >= SMALL or kg == 0.0:
        return f"{number(kg)} kg"
    return f"{number(kg * 1000)} g" if abs(kg) * 1000 >= SMALL else f"{number(kg * 1e6)} mg"


def kilowatt_hours(kwh: float) -> str:
    """kWh, as tables have it down a column; what is small in Wh or J.

    >>> kilowatt_hours(689842.1), kilowatt_hours(0.4492), kilowatt_hours(0.009439), kilowatt_hours(2e-5)
    ('689,842 kWh', '0.4492 kWh', '9.439 Wh', '72.00 J')
    """
    if abs(kwh) >= SMALL or kwh == 0.0:
        return f"{number(kwh)} kWh"
    return f"{number(kwh * 1000)} Wh" if abs(kwh) * 1000 >= SMALL else f"{number(kwh * J_PER_KWH)} J"


def litres(value: float) -> str:
    """L, what is small in mL.

    >>> litres(181.6), litres(0.0021), litres(0.0)
    ('181.6 L', '2.1 mL', '0 L')
    """
    return f"{number(value)} L" if abs(value) >= SMALL or value == 0.0 else f"{number(value * 1000)} mL"


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
    """h from an hour on, min from two minutes on, else as ``seconds``.

    >>> hours(9000.0), hours(600.0), hours(90.0)
    ('2.5 h', '10 min', '90.00 s')
    """
    if value_s >= HOUR_S:
        return f"{number(value_s / HOUR_S)} h"
    return f"{value_s / MINUTE_S:.3g} min" if value_s >= 2 * MINUTE_S else seconds(value_s)


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


def flow(value: Any) -> str:
    """A part of a scenario on one line, as YAML's flow style has it.

    >>> flow({"kind": "average", "region": "DEU", "also": [1, "a"]})
    '{kind: average, region: DEU, also: [1, a]}'
    """
    mapping, items = as_mapping(value), as_list(value)
    if mapping is not None:
        return "{" + ", ".join(f"{name}: {flow(inner)}" for name, inner in mapping.items()) + "}"
    return "[" + ", ".join(map(flow, items)) + "]" if items is not None else str(value)
