"""The page of a study: which points no other beats, what moves them, and each point with how to run it by itself."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.charts.points import effects, heat, means, parallel, pareto
from sim.report.page import Section, page
from sim.report.parts import figure, folded, items, note, table, tabs, text_of_prose
from sim.report.points import MOST_POINTS, Floats, Parameter, Points, Result
from sim.results.files import to_yaml
from sim.results.formats import number
from sim.study.sweep.tables import unlike_carbon
from sim.study.sweep.tradeoffs import pareto_front

if TYPE_CHECKING:
    import pyarrow as pa

MOST_REASONS = 20
MOST_EFFECTS = 4
"""Results whose tornado is drawn."""
MOST_IN_FRONT = 200
"""Points of the front in the table that needs no script."""
SCRIPT = "assets/study.js"


def report(study: Mapping[str, Any], dataset: pa.Table, *, folder: str) -> str:
    """A finished study as a page, from its ``study.json`` and its dataset. ``folder`` is where it lies, for the
    commands that the page names."""
    points = Points.of(study, dataset)
    goals = points.goals()
    two = len(goals) > 1
    front = front_of(goals)
    done = len(points.numbers)
    points, front = fewer(points, front)
    goals = [one for goal in goals for one in points.results if one.path == goal.path]
    sections = [
        Section("tradeoff", "The trade-off", _tradeoff(points, goals, front) if two else _none(points)),
        Section("moves", "What moves it", _moves(points, goals)),
        Section("together", "Two parameters together", _together(points, goals)),
        Section("all", "All at once", figure(parallel(points, goals, front)) if _lines(points, goals) else ""),
        Section("points", "All points", _table(points, goals, front)),
        Section("repeat", "How to repeat it", _repeat(points, goals, folder)),
    ]
    return page(
        str(study["name"]),
        [section for section in sections if section.body],
        lead=_lead(points, goals, done),
        data={"points-data": _data(points, goals, _command(study))},
        more=(SCRIPT,),
    )


def front_of(goals: Sequence[Result]) -> Any:
    """Which points (points,) no other beats in all of some results; none of fewer than two."""
    return (
        pareto_front(np.stack([one.costs for one in goals], axis=1)) if len(goals) > 1 else np.zeros(0, dtype=np.bool_)
    )


def fewer(points: Points, front: Any) -> tuple[Points, Any]:
    """As many points as a page carries: those on the front, and evenly chosen others."""
    if len(front) != len(points.numbers):
        front = np.zeros(len(points.numbers), dtype=np.bool_)
    if len(front) <= MOST_POINTS:
        return points, front
    on, off = np.flatnonzero(front)[:MOST_POINTS], np.flatnonzero(~front)
    chosen = off[np.unique(np.linspace(0, len(off) - 1, MOST_POINTS - len(on)).astype(np.int64))]
    rows = np.sort(np.concatenate([on, chosen]))
    return points.take(rows), front[rows]


def _lines(points: Points, goals: Sequence[Result]) -> bool:
    return len(points.varying) + len(goals) > 1 and len(points.numbers) > 0


def _lead(points: Points, goals: Sequence[Result], done: int) -> str:
    varied = points.varying
    told = f"{points.total:,} points over {len(varied)} parameter{'' if len(varied) == 1 else 's'}"
    told += f" ({', '.join(f'{one.name}: {len(one.levels)}' for one in varied)})" if varied else ""
    failed = points.total - done
    told += f"; {failed:,} failed" if failed else ""
    best = ""
    if goals and len(points.numbers):
        goal = goals[0]
        at = int(np.nanargmin(goal.costs))
        shown = number(float(goal.values[at]))
        best = f" {'Most' if goal.larger else 'Least'} {goal.label}: {shown}, with {points.told(at) or 'all alike'}."
    description = str(points.study.get("description") or "").strip()
    left = ""
    if done > len(points.numbers):
        left = note(
            f"The page carries {len(points.numbers):,} of {done:,} points: those on the front and evenly chosen others."
        )
    unlike = [f"{words[0].upper()}{words[1:]}." for words in unlike_carbon(points.study)]
    warned = f'<div class="warn" role="note">{items(unlike)}</div>' if unlike else ""
    return f'<p class="lede">{text_of_prose(f"{told}.{best}")}</p>{warned}{left}{note(description)}'


CONTROLS = '<div id="controls" class="controls" hidden></div>'
PANEL = '<section id="point" class="picked" aria-label="The chosen point" aria-live="polite" hidden></section>'


def _none(points: Points) -> str:
    if not len(points.numbers):
        return note("No point is done: see below why.")
    told = note("There is no trade-off: fewer than two results vary, or all that vary are as good as one another.")
    return f"{told}{CONTROLS}{PANEL}"


def _tradeoff(points: Points, goals: Sequence[Result], front: Any) -> str:
    howto = (
        "Click a point to see it. With the focus in the chart, arrows go from point to point; so do the buttons of the "
        "table of all points."
    )
    chart = figure(pareto(points, goals[0], goals[1], front))
    return f'{CONTROLS}{chart}<div class="howto">{note(howto)}</div>{PANEL}'


def _drawn(points: Points, goals: Sequence[Result]) -> list[Result]:
    """Results of which there are tornados and heat maps, those of the trade-off first."""
    others = [one for one in points.results if all(one.path != goal.path for goal in goals)]
    return [*goals, *others][:MOST_EFFECTS]


def _moves(points: Points, goals: Sequence[Result]) -> str:
    found = [(one, effects(points, one, at)) for at, one in enumerate(_drawn(points, goals))]
    panels = {one.label: figure(chart) for one, chart in found if chart is not None}
    return tabs("effects", "What moves each result", panels) if panels else ""


def widest(points: Points, result: Result) -> list[Parameter]:
    """Parameters in the order of how far they move a result."""

    def swing(one: Parameter) -> float:
        told = [mean for _, mean, _ in means(one, result)]
        return max(told) - min(told) if told else 0.0

    return sorted(points.varying, key=swing, reverse=True)


def _together(points: Points, goals: Sequence[Result]) -> str:
    """Heat maps over the two parameters that move a result most."""
    if len(points.varying) < 2 or not len(points.numbers):
        return ""
    panels = {}
    for at, result in enumerate(_drawn(points, goals)):
        if np.isfinite(result.values).any():
            across, up = sorted(widest(points, result)[:2], key=lambda one: -len(one.levels))
            panels[result.label] = figure(heat(points, result, across, up, at))
    return tabs("heats", "Each result over two parameters", panels) if panels else ""


def _table(points: Points, goals: Sequence[Result], front: Any) -> str:
    """A place for the table of all points, and the front as a table that needs no script."""
    named = [one.name for one in points.varying]
    rows = [
        (
            str(points.numbers[at]),
            *(one.levels[one.at[at]] for one in points.varying),
            *(number(float(one.values[at])) for one in goals),
        )
        for at in np.flatnonzero(front)[:MOST_IN_FRONT].tolist()
    ]
    told = table(("point", *named, *(one.label for one in goals)), rows, caption="Points on the front") if rows else ""
    return f'<div id="all-points"></div><div class="unscripted">{told}</div>'


def _command(study: Mapping[str, Any]) -> str:
    """How to run what all points share; empty where the base stands in the study itself."""
    asked = study["study"]
    if not isinstance(asked.get("base"), str):
        return ""
    words = ["coldaisle", "run", asked["base"]]
    for path, value in (asked.get("set") or {}).items():
        words += ["--set", f"{path}={_flow(value)}"]
    return shlex.join(words)


def _flow(value: Any) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _repeat(points: Points, goals: Sequence[Result], folder: str) -> str:
    study = points.study
    over = [word for one in goals for word in ("--over", f"{'max:' if one.larger else ''}{one.path}")]
    commands = [["coldaisle", "sweep", "study.yaml", "--out", folder]]
    commands += [["coldaisle", "pareto", folder, *over, "--out", "front.csv"]] if len(goals) > 1 else []
    shown = "".join(f"<pre><code>{escape(shlex.join(words))}</code></pre>" for words in commands)
    why = [f"{count:,} x {reason}" for reason, count in [*points.failed.items()][:MOST_REASONS]]
    failed = f"<h3>Why points failed</h3>{items(why)}" if why else ""
    facts = [("study (SHA-256)", str(study["study_sha256"])), ("build", str(study["build"]))]
    return (
        f"{failed}{note('With what is below as study.yaml; the dataset of all points lies in the folder as Parquet.')}"
        f'{shown}<div class="words">{table(("of", "is"), facts)}</div>'
        + folded("The study", f'<pre tabindex="0"><code>{escape(to_yaml(study["study"]))}</code></pre>')
    )


def _data(points: Points, goals: Sequence[Result], command: str) -> dict[str, Any]:
    """What the page's script needs: all numbers as the dataset has them."""

    def plain(values: Floats) -> list[float | None]:
        return [value if np.isfinite(value) else None for value in values.tolist()]

    return {
        "points": points.numbers.tolist(),
        "seeds": points.seeds.tolist(),
        "replications": points.replications.tolist(),
        "parameters": [
            {
                "name": one.name,
                "paths": one.paths,
                "levels": one.levels,
                "values": [[None if value is None else _flow(value) for value in level] for level in one.values],
                "numbers": one.numbers,
                "unit": one.unit,
                "at": one.at.tolist(),
            }
            for one in points.parameters
        ],
        "results": [
            {"path": one.path, "label": one.label, "larger": one.larger, "values": plain(one.values)}
            for one in points.results
        ],
        "goals": [next(at for at, one in enumerate(points.results) if one.path == goal.path) for goal in goals],
        "command": command,
    }
