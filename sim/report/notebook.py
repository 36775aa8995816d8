"""What a notebook shows of charts, runs, studies and comparisons.

Runs and tables are plain HTML without a script, in the colours of whatever they stand in. A chart is a page of its own
in a frame, which may run its own scripts and do nothing else; where scripts do not run, it shows its table. Beside it
goes the chart as Vega-Lite, for notebooks that draw it themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.profiles.catalog import Catalog
from sim.profiles.intensity_bases import unlike_points
from sim.report.chart import Chart
from sim.report.headline import CARBON, COST, ENERGY, PER_UNIT, WATER, numbers, sentence
from sim.report.page import page, styles
from sim.report.parts import figure, note, table, text, text_of_prose, zoom_bar
from sim.results.atomic import marked, refuse_unusable, write_text
from sim.results.charts import GENERATOR
from sim.results.environment import component_grid
from sim.results.formats import number
from sim.results.results import Results

if TYPE_CHECKING:
    from sim.results.compare import Comparison
    from sim.study.sweep.finished import StudyResults

VEGA_LITE = "application/vnd.vegalite.v6+json"
WIDTH_PX, HEIGHT_PX, AROUND_PX = 700, 300, 230
"""Of a chart as Vega-Lite; of one that has no height of its own; and what its frame has beside the drawing."""
MOST_ROWS, MOST_COLUMNS = 10, 8
OURS = '"generator": "coldaisle"'
"""How a chart as Vega-Lite says whose it is: only such a file is written over."""
STYLE = (
    "<style>.coldaisle-shown{max-width:62rem;line-height:1.45}"
    ".coldaisle-shown .big{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.7rem 0}"
    ".coldaisle-shown dt{opacity:.75;font-weight:400}.coldaisle-shown dd{margin:0}"
    ".coldaisle-shown dd.value{font-size:1.4em;font-weight:600}.coldaisle-shown .note,.coldaisle-shown dd.note"
    "{opacity:.75;font-size:.9em}.coldaisle-shown .scroll{overflow-x:auto}"
    ".coldaisle-shown table{border-collapse:collapse;margin:.4rem 0}"
    ".coldaisle-shown td,.coldaisle-shown th{text-align:end;padding:.15rem .7rem;font-variant-numeric:tabular-nums;"
    "color:inherit;background:none}.coldaisle-shown th:first-child{text-align:start;font-weight:400}"
    ".coldaisle-shown tfoot td,.coldaisle-shown tfoot th{border-top:1px solid currentColor;font-weight:600}"
    ".coldaisle-shown thead th{border-bottom:1px solid currentColor;font-weight:600}</style>"
)
"""Nothing here names a colour: text is what the notebook writes in, by day and by night."""


# Charts.


def chart_page(chart: Chart) -> str:
    """A chart alone as a page: what ``coldaisle report`` shows of it, with its scripts and the table behind it."""
    params = {param["name"]: param.get("value") for param in chart.spec.get("params", ())}
    timed = bool(chart.spec.get("usermeta", {}).get("coldaisle", {}).get("time"))
    bar = zoom_bar(float(params["to"]), "") if timed else ""
    return page(chart.title, (), lead=bar + figure(chart, level=1), headed=False)


def chart_html(chart: Chart) -> str:
    """The page in a frame, high enough for its drawing."""
    height = chart.spec.get("height")
    high = int(height if isinstance(height, int | float) else HEIGHT_PX) + AROUND_PX
    return (
        f'<iframe title="{escape(chart.title)}" sandbox="allow-scripts" srcdoc="{escape(chart_page(chart))}" '
        f'style="width:100%;height:{high}px;border:0" loading="lazy"></iframe>'
    )


def chart_bundle(
    chart: Chart, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> dict[str, Any]:
    """A chart in every form that a notebook may choose from, or those that it asks for."""
    made: dict[str, Callable[[], Any]] = {
        "text/html": lambda: chart_html(chart),
        VEGA_LITE: lambda: vega_lite(chart),
        "text/plain": lambda: f"{chart.title}: {chart.alt}",
    }
    wanted = [kind for kind in made if (not include or kind in include) and kind not in (exclude or ())]
    return {kind: made[kind]() for kind in wanted}


def vega_lite(chart: Chart) -> dict[str, Any]:
    """The chart for who draws it elsewhere: colours as they are by day, and a width in pixels."""
    spec: dict[str, Any] = _coloured(chart.spec)
    width = spec.get("usermeta", {}).get("coldaisle", {}).get("least_width", WIDTH_PX)
    own = {"generator": "coldaisle", **spec.get("usermeta", {})}
    head = {"$schema": spec["$schema"], "usermeta": own, "title": chart.title, "description": chart.alt}
    return {**head, **{key: value for key, value in spec.items() if key not in head}, "width": width}


@cache
def _by_day() -> dict[str, str]:
    beginning = styles().partition("}")[0]
    return dict(re.findall(r"--([\w-]+):([^;{}]+)", beginning))


def _coloured(value: Any) -> Any:
    """Colours in place of the page's names of them; rows of data stay as they are, whatever they say."""
    if isinstance(value, dict):
        return {key: item if key == "values" else _coloured(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_coloured(item) for item in value]
    if isinstance(value, str) and value.startswith("var(--"):
        return _by_day()[value.removeprefix("var(--").removesuffix(")")]
    return value


def save(chart: Chart, path: Path) -> None:
    """Writes a chart as a page (``.html``) or as Vega-Lite (``.json``); see ``Chart.save``."""
    written = {".html": lambda: chart_page(chart), ".json": lambda: json.dumps(vega_lite(chart), indent=1) + "\n"}
    if path.suffix not in written:
        raise ValueError(f"a chart is saved as {' or '.join(written)}, and not as '{path.suffix}'")
    ours = marked(GENERATOR, OURS)
    refuse_unusable(path, folder=False, ours=ours)
    write_text(written[path.suffix](), path, ours=ours)


# Runs, comparisons, studies.


def _whole(title: str, *parts: str) -> str:
    return f'{STYLE}<div class="coldaisle-shown"><p><strong>{text(title)}</strong></p>{"".join(parts)}</div>'


def results_html(results: Results) -> str:
    """A run: what it came to in a sentence, the four numbers with their intervals, and what they are made of."""
    summary = results.summary
    by_component = summary["carbon_kg"]["by_component"]
    names = sorted(by_component, key=lambda name: -by_component[name])
    header, rows, total = component_grid(summary, names)
    left = note(f"and {len(rows) - MOST_ROWS} smaller ones, in the total") if len(rows) > MOST_ROWS else ""
    made_of = table(header, rows[:MOST_ROWS], total=total)
    said = f"<p>{text_of_prose(sentence(results))}</p>"
    return _whole(str(results.scenario["name"]), said, numbers(results), made_of, left)


def comparison_html(comparison: Comparison) -> str:
    """Each other run beside the first: the largest differences, and what can be said of carbon."""
    parts = [f"<p>{text_of_prose(f'Each against {comparison.names[0]}.')}</p>", note(comparison.unlike_carbon)]
    for name, differences, change, _ in comparison.others:
        told = sorted((one for one in differences if one.relative), key=lambda one: -abs(one.relative or 0.0))
        rows = [one.cells for one in told[:MOST_ROWS]]
        left = f"{len(told) - MOST_ROWS} smaller differences are left out." if len(told) > MOST_ROWS else ""
        shown = table(("", "first", "other", "change", "relative"), rows) if rows else note("They do not differ.")
        parts += [f"<p><strong>{text(name)}</strong></p>", shown, note(left), note(change.remark)]
    return _whole("Comparison", *parts)


OF_A_POINT = (ENERGY, CARBON, WATER, COST, PER_UNIT)


def study_html(study: StudyResults) -> str:
    """A study: how many points were done, and the best of them by carbon with what was varied."""
    points, axes = study.table(), [f"axis.{name}" for names in study.study["axes"].values() for name in names]
    statuses = ", ".join(f"{count:,} {status}" for status, count in study.study["statuses"].items())
    done = points.filter(points["status"].to_numpy(zero_copy_only=False) == "done")
    there = [name for name in OF_A_POINT if name in points.column_names]
    if CARBON in there:
        done = done.sort_by(CARBON)
    shown = ["point", *(name for name in axes if name in points.column_names), *there][: MOST_COLUMNS + 1]
    rows = [[_cell(row[name]) for name in shown] for row in done.slice(0, MOST_ROWS).select(shown).to_pylist()]
    said = f"{points.num_rows:,} point{'s' if points.num_rows != 1 else ''}: {statuses}."
    order = "" if CARBON not in there else "Least carbon first; all columns are in frame()."
    grid = table([name.removeprefix("axis.") for name in shown], rows) if rows else ""
    unlike = "; ".join(unlike_points(study.study["study"].get("axes") or {}, Catalog()))
    return _whole(str(study.study["name"]), f"<p>{text_of_prose(said)}</p>", grid, note(order), note(unlike))


def _cell(value: Any) -> str:
    return "-" if value is None else number(value) if isinstance(value, float) else str(value)
