"""Which input moves a result, as a tornado: the largest effect first, in the terminal and as an SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sim.results import charts
from sim.results.formats import Grid, number
from sim.results.tables import grid_table

BAR = 20
MOST_INPUT = 26
SHOWN = {
    "sobol": (("first", "first-order"), ("total", "total"), ("total_95", "± 95 %")),
    "morris": (("mu_star", "mu*"), ("mu_star_95", "± 95 %"), ("sigma", "sigma")),
    "oat": (("at_p05", "at p05"), ("at_p95", "at p95")),
}
SIZE = {"sobol": "total", "morris": "mu_star", "oat": "swing"}
MEANING = {
    "sobol": "Shares of the variance: by itself (first-order), and with all it interacts in (total).",
    "morris": "Mean absolute elementary effect over the whole range of an input (p0.5 to p99.5), and its spread.",
    "oat": "One input at its p05 and p95, all others at their median.",
}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:900px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd;padding-bottom:.2rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eee;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}tr.total td{font-weight:600;border-top:1px solid #999}
.note{color:#555;font-size:.9rem}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#444}.grid{stroke:#e4e4e4}
figure{margin:1.2rem 0;break-inside:avoid}
@media (prefers-color-scheme:dark){body{background:#15181b;color:#e4e4e4}h2,th,td{border-color:#333}
.note{color:#aaa}svg text{fill:#bbb}.grid{stroke:#333}svg rect[fill="#fff"]{fill:none}}
@media print{body{max-width:none;margin:0}svg,i{break-inside:avoid;print-color-adjust:exact}}
"""


def _short(name: str) -> str:
    """The end of a path says what it is."""
    return name if len(name) <= MOST_INPUT else f"…{name[1 - MOST_INPUT :]}"


def tornado_grid(method: str, effects: Mapping[str, Mapping[str, float]]) -> Grid:
    """A row an input, the largest first, with a bar."""
    largest = max((values[SIZE[method]] for values in effects.values()), default=0.0)
    columns = [(key, label) for key, label in SHOWN[method] if all(key in values for values in effects.values())]
    rows = [
        [
            _short(name),
            *(number(values[key]) for key, _ in columns),
            "█" * round(BAR * values[SIZE[method]] / largest) if largest > 0 else "",
        ]
        for name, values in effects.items()
    ]
    return ("input", *(label for _, label in columns), ""), rows


def tornado_tables(title: str, output: str, found: Mapping[str, Any]) -> RenderableType:
    """For a terminal of 80 columns."""
    table = grid_table(tornado_grid(found["method"], found["effects"]))
    table.columns[-1].justify = "left"
    note = f"{MEANING[found['method']]} {found['evaluations']} evaluations."
    return Group(Text(f"{title}: what moves {output}", style="bold"), table, Text(note, style="dim"))


def tornado_svg(method: str, effects: Mapping[str, Mapping[str, float]], unit: str) -> str:
    """Bars from the result at the low end of an input to that at its high end; for indices, bars from zero."""
    rows = [(name, *_ends(method, values)) for name, values in effects.items()]
    low = min((start for _, start, _ in rows), default=0.0)
    high = max((end for _, _, end in rows), default=0.0)
    middle = next(iter(effects.values()))["at_median"] if method == "oat" and effects else 0.0
    low, high = min(low, middle), max(high, middle)
    span = (high - low) or 1.0
    label_w, bar, gap = 280.0, 22, 10
    height = charts.TOP + len(rows) * (bar + gap) + charts.BOTTOM
    plot_w = charts.WIDTH - label_w - charts.RIGHT - 12

    def x(value: float) -> float:
        return label_w + plot_w * (value - low) / span

    parts: list[str] = []
    foot = height - charts.BOTTOM
    for i, (name, start, end) in enumerate(rows):
        top = charts.TOP + i * (bar + gap) + gap / 2
        title = f"<title>{escape(name)}: {start:,.4g} to {end:,.4g} {escape(unit)}</title>"
        parts.append(
            f'<text x="{label_w - 8:.0f}" y="{top + bar * 0.68:.1f}" text-anchor="end">{escape(name[-42:])}</text>'
            f'<rect x="{x(start):.1f}" y="{top:.1f}" width="{max(x(end) - x(start), 0.5):.1f}" height="{bar}" '
            f'fill="{charts.colour(0)}">{title}</rect>'
        )
    parts.append(f'<line x1="{x(middle):.1f}" x2="{x(middle):.1f}" y1="0" y2="{foot}" stroke="#444"/>')
    for value, anchor in ((low, "start"), (high, "end")):
        parts.append(f'<text x="{x(value):.1f}" y="{height - 8}" text-anchor="{anchor}">{value:,.4g}</text>')
    parts.append(f'<text x="4" y="{height - 8}">{escape(unit)}</text>')
    return f'<svg viewBox="0 0 {charts.WIDTH} {height}" role="img">{"".join(parts)}</svg>'


def _ends(method: str, values: Mapping[str, float]) -> tuple[float, float]:
    if method == "oat":
        return min(values["at_p05"], values["at_p95"]), max(values["at_p05"], values["at_p95"])
    size = values[SIZE[method]]
    return min(0.0, size), max(0.0, size)


def tornado_page(title: str, output: str, found: Mapping[str, Any]) -> str:
    """A single page that needs nothing else."""
    method = found["method"]
    header, rows = tornado_grid(method, found["effects"])
    unit = output if method != "sobol" else f"share of the variance of {output}"

    def line(cells: Sequence[str], tag: str = "td") -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    table = "".join(f"<tr>{line(row[:-1])}</tr>" for row in rows)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"{charts.GENERATOR}"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}: what moves {escape(output)}</h1>{tornado_svg(method, found['effects'], unit)}"
        f"<table><tr>{line(header[:-1], 'th')}</tr>{table}</table>"
        f'<p class="note">{escape(MEANING[method])} {found["evaluations"]} evaluations.</p></body></html>\n'
    )
