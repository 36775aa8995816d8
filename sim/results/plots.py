"""Pictures of a cluster as SVG text: steps over time, shares by row and time as shades, curves over a log axis.

Like ``sim.results.charts`` these are pure functions from numbers to text. Lines and text take their colours from the
page, shades are one colour more or less opaque, so that a page may be light, dark or on paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from sim.results.charts import WIDTH, colour, tick_label, ticks
from sim.units import DAY_NS, HOUR_NS, NS_PER_S

Floats = npt.NDArray[np.float64]

LEFT, RIGHT, TOP, BOTTOM = 84, 26, 20, 36
HEIGHT = 240
SHADES = 10
"""Steps between nothing and everything."""
WITHIN, BEYOND = "#0072B2", "#D55E00"
"""Shades of what is within what there may be, and what is beyond; the latter also draws the most there was."""
LEAST_LABEL = 11
"""Pixels between two labels of rows, at least."""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Time:
    """An axis of time: its ends and where people count from, in the unit that suits its length."""

    edges: Floats
    unit: str

    @classmethod
    def of(cls, edges_ns: npt.NDArray[np.int64]) -> Time:
        """Days from three on, else hours, minutes or seconds."""
        span_ns = int(edges_ns[-1] - edges_ns[0])
        units = (("days", DAY_NS, 3), ("hours", HOUR_NS, 2), ("minutes", HOUR_NS // 60, 2))
        unit, each_ns = next(((unit, ns) for unit, ns, least in units if span_ns >= least * ns), ("seconds", NS_PER_S))
        return cls(np.asarray(edges_ns / each_ns, dtype=np.float64), unit)


def _x_of(time: Time) -> Scale:
    first, span = float(time.edges[0]), float(time.edges[-1] - time.edges[0]) or 1.0
    return lambda value: LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / span


def _y_of(high: float, height: int) -> Scale:
    return lambda value: TOP + (height - TOP - BOTTOM) * (1.0 - value / high)


def svg(height: int, parts: Sequence[str], alt: str) -> str:
    """A picture with the words of those who do not see it."""
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(alt)}">{"".join(parts)}</svg>'


def time_axis(time: Time, height: int) -> str:
    """Round marks of time below a picture, and their unit."""
    x, first, last = _x_of(time), float(time.edges[0]), float(time.edges[-1])
    marks = [first + mark for mark in ticks(last - first or 1.0, about=8) if first + mark <= last * (1 + 1e-9)]
    base = height - BOTTOM
    texts = [
        f'<line x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{base}" y2="{base + 4}" class="grid"/>'
        f'<text x="{x(mark):.1f}" y="{base + 16}" text-anchor="middle">{tick_label(mark)}</text>'
        for mark in marks
    ]
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    words = f'<text x="{middle:.0f}" y="{height - 5}" text-anchor="middle">{time.unit} from the start</text>'
    return "".join(texts) + words


def _value_axis(high: float, height: int, unit: str) -> tuple[str, Scale]:
    marks = ticks(high)
    y = _y_of(marks[-1], height)
    lines = [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}" class="grid"/>'
        f'<text x="{LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{tick_label(mark)}</text>'
        for mark in marks
    ]
    return "".join(lines) + f'<text x="4" y="{TOP - 8}">{escape(unit)}</text>', y


def _corners(edges: Sequence[float], values: Sequence[float], x: Scale, y: Scale) -> str:
    points = []
    for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
        points += [f"{x(left):.1f},{y(value):.1f}", f"{x(right):.1f},{y(value):.1f}"]
    return " ".join(points)


def _line(edges: Sequence[float], values: Sequence[float], x: Scale, y: Scale, style: str) -> str:
    """A stepped line, broken where a value is not finite."""
    parts, begin = [], None
    for i, value in enumerate([*values, math.nan]):
        if math.isfinite(value):
            begin = i if begin is None else begin
        elif begin is not None:
            corners = _corners(edges[begin : i + 1], values[begin:i], x, y)
            parts.append(f'<polyline points="{corners}" fill="none" {style}/>')
            begin = None
    return "".join(parts)


def areas(
    time: Time, stacked: Mapping[str, Floats], most: Floats | None, limit: Floats | None, unit: str, alt: str
) -> str:
    """Means stacked over time; the most there was as a thin line and what there may be as a dashed one."""
    edges = time.edges.tolist()
    roof = np.sum([*stacked.values()], axis=0)
    tops = [roof, *([most] if most is not None else []), *([limit[np.isfinite(limit)]] if limit is not None else [])]
    high = max(float(values.max(initial=0.0)) for values in tops) or 1.0
    axis, y = _value_axis(high, HEIGHT, unit)
    x, parts, floor = _x_of(time), [axis], np.zeros(len(roof))
    for i, values in enumerate(stacked.values()):
        top = floor + values
        outline = _corners(edges, top.tolist(), x, y)
        below = " ".join(_corners(edges, floor.tolist(), x, y).split()[::-1])
        parts.append(f'<polygon points="{outline} {below}" fill="{colour(i)}" fill-opacity="0.75"/>')
        floor = top
    if most is not None:
        parts.append(_line(edges, most.tolist(), x, y, f'stroke="{BEYOND}" stroke-width="1"'))
    if limit is not None:
        style = 'stroke="currentColor" stroke-width="1.2" stroke-dasharray="5 3"'
        parts.append(_line(edges, limit.tolist(), x, y, style))
    return svg(HEIGHT, [*parts, time_axis(time, HEIGHT)], alt)


def shades(
    time: Time, rows: Sequence[str], mean: Floats, most: Floats, alt: str, *, unit: str, height: int = 420
) -> str:
    """Shares (rows, bins) of what there is as shades, a row each: above what it was in the mean, below it the most.

    What is more than there is, or may be, stands out in another colour.
    """
    tall = max(3.0, min(20.0, (height - TOP - BOTTOM) / len(rows)))
    whole = math.ceil(TOP + tall * len(rows) + BOTTOM)
    every = math.ceil(LEAST_LABEL / tall)
    labels = [
        f'<text x="{LEFT - 6}" y="{TOP + tall * (i + 0.5) + 4:.1f}" text-anchor="end">{escape(_short(row))}</text>'
        for i, row in enumerate(rows)
        if i % every == 0
    ]
    upper = tall * 0.7
    parts = [
        f'<text x="4" y="{TOP - 8}">{escape(unit)}</text>',
        *labels,
        *_shaded(time, mean, upper, tall, 0.0),
        *_shaded(time, most, tall - upper, tall, upper),
    ]
    return svg(whole, [*parts, time_axis(time, whole)], alt)


def _shaded(time: Time, shares: Floats, height: float, pitch: float, offset: float) -> list[str]:
    """One path a shade: runs of cells of the same shade are one rectangle."""
    x = _x_of(time)
    levels = np.ceil(np.clip(shares, 0.0, 1.0) * SHADES - 1e-9).astype(np.int64)
    levels[shares > 1.0 + 1e-9] = SHADES + 1
    paths: dict[int, list[str]] = {}
    for row, line in enumerate(levels):
        cuts = np.flatnonzero(np.diff(line)) + 1
        begins, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(line)]
        for begin, end in zip(begins, ends, strict=True):
            level = int(line[begin])
            if level:
                left, right = x(float(time.edges[begin])), x(float(time.edges[end]))
                top = TOP + pitch * row + offset
                wide = right - left
                paths.setdefault(level, []).append(f"M{left:.1f} {top:.1f}h{wide:.1f}v{height:.1f}h-{wide:.1f}z")
    fills = {level: (WITHIN, level / SHADES) if level <= SHADES else (BEYOND, 1.0) for level in paths}
    return [
        f'<path d="{"".join(paths[level])}" fill="{fill}" fill-opacity="{opacity:g}"/>'
        for level, (fill, opacity) in sorted(fills.items())
    ]


def _short(label: str, most: int = 13) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def distribution_curves(curves: Mapping[str, tuple[Floats, Floats]], low: float, high: float, alt: str) -> str:
    """Shares of jobs that waited no longer than so many s: each curve is its seconds and its shares, both rising."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    first, last = decades[0], max(decades[-1], decades[0] + 1)
    axis, y = _value_axis(100.0, HEIGHT, "% of jobs")

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(max(seconds, low)) - first) / (last - first)

    parts, base = [axis], HEIGHT - BOTTOM
    for decade in range(first, last + 1):
        at = x(10.0**decade)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{base}" class="grid"/>'
            f'<text x="{at:.1f}" y="{base + 16}" text-anchor="{"end" if decade == last else "middle"}">'
            f"{tick_label(10.0**decade)}</text>"
        )
    for i, (seconds, shares) in enumerate(curves.values()):
        points, before = [], 0.0
        for second, part in zip(seconds.tolist(), (100.0 * shares).tolist(), strict=True):
            points += [f"{x(second):.1f},{y(before):.1f}", f"{x(second):.1f},{y(part):.1f}"]
            before = part
        points.append(f"{x(10.0**last):.1f},{y(before):.1f}")
        dashes = ' stroke-dasharray="6 3"' if i % 2 else ""
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour(i)}" stroke-width="1.8"{dashes}/>'
        )
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 5}" text-anchor="middle">waited, s (log)</text>')
    return svg(HEIGHT, parts, alt)


@dataclass(frozen=True)
class Bar:
    """What one job held on one node, in px of its row: from ``top`` (0..1) over ``share`` of it, between two times."""

    row: int
    begin: float
    end: float
    top: float
    share: float
    colour: str
    words: str


def bars(time: Time, rows: Sequence[str], boxes: Sequence[Bar], alt: str) -> str:
    """Each job on each node that it held, a row a node."""
    tall = max(9.0, min(34.0, 420.0 / len(rows)))
    whole = math.ceil(TOP + tall * len(rows) + BOTTOM)
    x, every = _x_of(time), math.ceil(LEAST_LABEL / tall)
    parts = [f'<text x="4" y="{TOP - 8}">node</text>']
    for i, row in enumerate(rows):
        top = TOP + tall * i
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{top:.1f}" y2="{top:.1f}" class="grid"/>')
        if i % every == 0:
            where = f'x="{LEFT - 6}" y="{top + tall / 2 + 4:.1f}"'
            parts.append(f'<text {where} text-anchor="end">{escape(_short(row))}</text>')
    for box in boxes:
        left, top = x(box.begin), TOP + tall * box.row + 1 + (tall - 2) * box.top
        size = f'width="{max(x(box.end) - left, 0.4):.1f}" height="{(tall - 2) * box.share:.1f}"'
        parts.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" {size} fill="{box.colour}" class="job">'
            f"<title>{escape(box.words)}</title></rect>"
        )
    return svg(whole, [*parts, time_axis(time, whole)], alt)
