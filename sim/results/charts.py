"""Charts as SVG text: pure functions from numbers to pictures, with nothing to load and no script in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from itertools import groupby

PALETTE = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"),
    *("#8C6D31", "#666666", "#B8A9E0", "#1B4F3A", "#A50F15", "#BDBDBD", "#3B1E6D"),
)
"""Okabe and Ito's colours, told apart by most colour-blind readers (Color Universal Design, 2008), and seven more."""

GENERATOR = '<meta name="generator" content="coldaisle">'
DRAWN = "<!-- drawn by coldaisle -->"
"""How a page, and a picture by itself, say whose they are: only such are written over."""

Axis = Callable[[float], float]
"""Where a value is drawn."""

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 64, 12, 10, 34


def colour(index: int) -> str:
    """The colour of the series at ``index``."""
    return PALETTE[index % len(PALETTE)]


def ticks(high: float, about: int = 5) -> list[float]:
    """Round values from 0 to at least ``high`` (above 0), 1, 2 or 5 times a power of ten apart.

    >>> ticks(4.2)
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    raw = high / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= raw * 0.999)
    return [i * step for i in range(math.ceil(high / step - 1e-9) + 1)]


def tick_label(value: float) -> str:
    """A round value as people write it.

    >>> tick_label(20000.0), tick_label(0.5)
    ('20,000', '0.5')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def lines(edges: Sequence[float], series: Mapping[str, Sequence[float]], unit: str, x_label: str) -> str:
    """Series (each one value a bin, none negative) as stepped lines of their own, an SVG that stands alone.

    A value that is NaN is not drawn: the line is broken there.
    """
    height = 280
    marks = ticks(max([1e-12, *(value for values in series.values() for value in values if not math.isnan(value))]))
    plot_w, plot_h = WIDTH - LEFT - RIGHT, height - TOP - BOTTOM
    first, span = edges[0], (edges[-1] - edges[0]) or 1.0

    def x(value: float) -> float:
        return LEFT + plot_w * (value - first) / span

    def y(value: float) -> float:
        return TOP + plot_h * (1.0 - value / marks[-1])

    parts = [_axis_y(marks, y, unit)]
    for i, (name, values) in enumerate(series.items()):
        for begin, end in _stretches(values):
            corners = _steps(edges[begin : end + 1], values[begin:end], x, y)
            points = " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour(i)}" stroke-width="1.5"/>')
        key_x = LEFT + 14 + 110 * i
        parts.append(
            f'<rect x="{key_x}" y="{TOP}" width="10" height="10" fill="{colour(i)}"/>'
            f'<text x="{key_x + 15}" y="{TOP + 9}">{escape(name)}</text>'
        )
    parts.append(
        f'<text x="{LEFT + plot_w / 2:.0f}" y="{height - 6}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text x="{LEFT}" y="{height - 18}" text-anchor="middle">{edges[0]:,.4g}</text>'
        f'<text x="{LEFT + plot_w}" y="{height - 18}" text-anchor="end">{edges[-1]:,.4g}</text>'
    )
    style = "<style>text{font:12px system-ui,sans-serif;fill:#444}.grid{stroke:#e4e4e4}</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f'{DRAWN}{style}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>'
    )


def _steps(edges: Sequence[float], values: Sequence[float], x: Axis, y: Axis) -> list[tuple[float, float]]:
    corners = []
    for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
        corners += [(x(left), y(value)), (x(right), y(value))]
    return corners


def _stretches(values: Sequence[float]) -> list[tuple[int, int]]:
    """Begin and end of each stretch of values without NaN."""
    stretches = []
    for unknown, members in groupby(range(len(values)), key=lambda i: math.isnan(values[i])):
        if not unknown:
            indices = list(members)
            stretches.append((indices[0], indices[-1] + 1))
    return stretches


def _axis_y(marks: Sequence[float], y: Axis, unit: str) -> str:
    lines = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" class="grid"/>'
        f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{tick_label(mark)}</text>'
        for mark in marks
    ]
    return "".join(lines) + f'<text x="4" y="{TOP + 4}">{escape(unit)}</text>'
