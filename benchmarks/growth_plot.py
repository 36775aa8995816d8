"""A log-log plot as SVG, without a library: seconds of CPU over size, a panel for each case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TypeAlias

Points: TypeAlias = Mapping[str, Sequence[tuple[int, float, float]]]
WIDTH, HEIGHT, COLUMNS = 300, 220, 3
LEFT, RIGHT, TOP, BOTTOM = 46, 22, 30, 34
COLOURS = {"before": "#c2410c", "now": "#1d4ed8"}


def drawn(now: Points, before: Points) -> str:
    """The plot: solid what was measured now, dashed what it was before, and a grey line that is linear."""
    names = [name for name in now if now[name]]
    rows = math.ceil(len(names) / COLUMNS)
    size = f'viewBox="0 0 {COLUMNS * WIDTH} {rows * HEIGHT}"'
    style = "text{font:11px sans-serif;fill:#1f2937}.axis{stroke:#9ca3af;fill:none}.linear{stroke:#d1d5db;fill:none}"
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">', f"<style>{style}</style>"]
    parts += ["<title>Seconds of CPU over size: solid now, dashed before, grey linear</title>"]
    parts += ['<rect width="100%" height="100%" fill="#fff"/>']
    for i, name in enumerate(names):
        x, y = i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">')
        parts += _panel(name, {"before": before.get(name, ()), "now": now[name]})
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(name: str, series: Points) -> Iterator[str]:
    every = [point for own in series.values() for point in own]
    x_low, x_high = _decades([size for size, *_ in every])
    y_low, y_high = _decades([cpu_s for _, cpu_s, _ in every])

    def at(size: float, cpu_s: float) -> tuple[float, float]:
        across = (math.log10(size) - x_low) / (x_high - x_low)
        up = (math.log10(cpu_s) - y_low) / (y_high - y_low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in points))

    yield f'<text x="{LEFT}" y="18" font-weight="bold">{escape(name)}</text>'
    corners = [(10**x_low, 10**y_high), (10**x_low, 10**y_low), (10**x_high, 10**y_low)]
    yield f'<polyline class="axis" points="{line(corners)}"/>'
    for power in range(x_low, x_high + 1):
        x, y = at(10**power, 10**y_low)
        yield f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{10**power:,}</text>'
    for power in range(y_low, y_high + 1):
        x, y = at(10**x_low, 10**power)
        yield f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>'
    decades = min(x_high - x_low, y_high - y_low)
    linear = line([(10**x_low, 10**y_low), (10 ** (x_low + decades), 10 ** (y_low + decades))])
    yield f'<polyline class="linear" points="{linear}"/>'
    for label, own in series.items():
        points = [(float(size), cpu_s) for size, cpu_s, _ in own]
        dashes = ' stroke-dasharray="4 3"' if label == "before" else ""
        yield f'<polyline fill="none" stroke="{COLOURS[label]}" stroke-width="1.6"{dashes} points="{line(points)}"/>'
        for point in points:
            x, y = at(*point)
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{COLOURS[label]}"/>'


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """Powers of ten that have all of ``values`` between them."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)
