"""Pieces of a page as HTML. Whatever text they are given is data: it is escaped, and never markup or code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sim.report.chart import Chart
from sim.results.formats import turned

LONGEST = 80
"""Characters of a name that are shown at once; the rest is a click away."""
LONGEST_LABEL = 28
"""Characters of a name in a chart."""
MOST_COLUMNS = 9
"""Of a table; one with more is turned, a line for each of its columns, where that is less."""
MOST_ROWS = 1500
"""Of the table behind a chart."""


def text(words: str) -> str:
    """Words as they are, in a direction of their own; of very long ones the beginning, and all when it is opened."""
    if len(words) <= LONGEST:
        return f"<bdi>{escape(words)}</bdi>"
    short = escape(words[: LONGEST - 1])
    return f'<details class="long"><summary><bdi>{short}…</bdi></summary><bdi>{escape(words)}</bdi></details>'


def label(words: str) -> str:
    """A name as a chart has room for it.

    >>> label("a" * 40)
    'aaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    """
    words = " ".join(words.split())
    return words if len(words) <= LONGEST_LABEL else words[: LONGEST_LABEL - 1] + "…"


def labels(names: Sequence[str]) -> dict[str, str]:
    """Names as a chart has room for them, each another.

    >>> labels(["chat", "x" * 40, "x" * 41])
    {'chat': 'chat', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx': 'xxxxxxxxxxxxxxxxxxxxxxxxxxx…',\
 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx': 'xxxxxxxxxxxxxxxxxxxxxxxxxxx… (2)'}
    """
    shown: dict[str, str] = {}
    for name in names:
        short, again = label(name), 2
        while short in shown.values():
            short, again = f"{label(name)} ({again})", again + 1
        shown[name] = short
    return shown


def data_block(value: Any, *, name: str = "", **attributes: str) -> str:
    """Plain data in a page, which a browser neither shows nor runs."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for mark, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        written = written.replace(mark, code)
    words = "".join(f' {key.replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    own = f' id="{escape(name)}"' if name else ""
    return f'<script type="application/json"{own}{words}>{written}</script>'


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, total: Sequence[str] | None = None, caption: str = ""
) -> str:
    """A table whose first column says what a row is, in a box that scrolls by itself where it is too wide."""
    if len(header) > MOST_COLUMNS and total is None and len(rows) < len(header):
        header, rows = turned((header, [[*row] for row in rows]))
    head = "".join(f'<th scope="col">{text(cell)}</th>' for cell in header)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    foot = f"<tfoot><tr>{_cells(total)}</tr></tfoot>" if total is not None else ""
    named = caption or (header[0] if header and header[0] else "figures")
    said = f"<caption>{text(caption)}</caption>" if caption else ""
    aria = escape(label(named), quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {aria}">'
        f"<table>{said}{top}<tbody>{body}</tbody>{foot}</table></div>"
    )


def _cells(row: Sequence[str]) -> str:
    first, rest = row[:1], row[1:]
    return "".join(f'<th scope="row">{text(cell)}</th>' for cell in first) + "".join(
        f"<td>{text(cell)}</td>" for cell in rest
    )


def note(words: str) -> str:
    """A remark in small print; nothing for no words."""
    return f'<p class="note">{text_of_prose(words)}</p>' if words else ""


def text_of_prose(words: str) -> str:
    """A sentence, whole."""
    return f"<bdi>{escape(words)}</bdi>"


def items(lines: Sequence[str]) -> str:
    """A list of sentences; nothing for none."""
    return "<ul>" + "".join(f"<li>{text_of_prose(line)}</li>" for line in lines) + "</ul>" if lines else ""


def figure(chart: Chart, *, level: int = 3) -> str:
    """A chart under its title, what it shows in words, and its numbers as a table behind it."""
    rows = chart.rows[:MOST_ROWS]
    left = f" The first {MOST_ROWS:,} of {len(chart.rows):,} rows." if len(chart.rows) > MOST_ROWS else ""
    shown = table(chart.header, rows) + note(left.strip())
    name = escape(chart.name)
    return (
        f'<figure class="chart" id="{name}" aria-labelledby="{name}-title" aria-describedby="{name}-says">'
        f'<h{level} id="{name}-title">{text(chart.title)}</h{level}>'
        f'<p class="says" id="{name}-says">{text_of_prose(chart.alt)}</p>'
        f'<div class="drawing" data-chart="{name}"></div>'
        f'<p class="unscripted">This chart is drawn by a script, which did not run here; its numbers are below.</p>'
        f"{note(chart.note)}"
        '<details class="numbers"><summary>Numbers of this chart'
        f'<span class="unseen">: {escape(label(chart.title))}</span></summary>{shown}</details>'
        f"{data_block(chart.spec, data_spec=chart.name)}</figure>"
    )


def tabs(name: str, said: str, panels: Mapping[str, str]) -> str:
    """Panels of which one is shown at a time, all without a script and on paper; ``said`` is what they are of."""
    if len(panels) == 1:
        return next(iter(panels.values()))
    heads = "".join(
        f'<button type="button" role="tab" id="{name}-tab-{i}" aria-controls="{name}-panel-{i}">'
        f"{escape(title)}</button>"
        for i, title in enumerate(panels)
    )
    bodies = "".join(
        f'<div class="panel" id="{name}-panel-{i}">{body}</div>' for i, (title, body) in enumerate(panels.items())
    )
    row = f'<div class="heads" hidden aria-label="{escape(said)}">{heads}</div>'
    return f'<div class="tabs" id="{name}">{row}{bodies}</div>'


def exact(value: float, shown: str, path: str) -> str:
    """A number of the summary as people read it, that carries its exact value and where it stands."""
    return f'<data value="{value!r}" data-path="{escape(path)}" title="{value!r}">{escape(shown)}</data>'


def folded(title: str, body: str) -> str:
    """What is there for who opens it; nothing where there is nothing."""
    return f'<details class="numbers"><summary>{escape(title)}</summary>{body}</details>' if body else ""


def grids(found: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]]) -> str:
    """Tables one after the other."""
    return "".join(table(header, rows) for header, rows in found if rows)


def facts(pairs: Sequence[tuple[str, str, str]]) -> str:
    """Figures that are seen at once: what each is, its value as HTML, and a remark."""
    boxes = "".join(
        f'<div><dt>{escape(what)}</dt><dd class="value">{value}</dd>'
        + (f'<dd class="note">{text_of_prose(remark)}</dd>' if remark else "")
        + "</div>"
        for what, value, remark in pairs
    )
    return f'<dl class="big small">{boxes}</dl>' if boxes else ""


def zoom_bar(high: float, unit: str) -> str:
    """Buttons and keys that move all charts over time together."""
    acts = (("in", "Zoom in"), ("out", "Zoom out"), ("earlier", "Earlier"), ("later", "Later"), ("whole", "All"))
    buttons = "".join(f'<button type="button" data-act="{act}">{words}</button>' for act, words in acts)
    return (
        f'<div class="zoom" role="toolbar" aria-label="Zoom in time" data-lo="0" data-hi="{high!r}" data-unit="{unit}" '
        f'hidden>{buttons}<output aria-live="polite"></output></div>'
    )
