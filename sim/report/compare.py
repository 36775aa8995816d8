"""The page of two to six runs: what changed, what came of it, and where, on the same scales and in the same colours."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from html import escape

from sim.report.changed import changes
from sim.report.charts.compared import parts, spreads, wholes
from sim.report.charts.distributions import curves_chart, kept, objectives
from sim.report.charts.look import SERIES
from sim.report.charts.overlaid import over_time
from sim.report.charts.times import Axis
from sim.report.headline import CARBON, COST, COSTS, ENERGY, PER_UNIT, cost_path, outside, water_path
from sim.report.many import Many, Row, fitting, grid, said, signed, spread
from sim.report.page import Section, page
from sim.report.parts import figure, folded, items, note, table, tabs, text, text_of_prose, zoom_bar
from sim.report.work import Basis
from sim.results.catalogue import LATENCIES
from sim.results.catalogue.quantity import value_in
from sim.results.compare import without_rounding
from sim.results.formats import seconds
from sim.results.results import Results

FEWEST, MOST = 2, 6
"""Runs of a page; more lines in one chart than colours that people tell apart."""
MOST_CHANGES = 40
"""Rows that are seen at once of what changed in the scenario."""


def report(runs: Sequence[Results], *, folders: Sequence[str]) -> str:
    """Two to six runs as a page, the others against the first. ``folders`` are where they lie, for the commands that
    the page names."""
    many = Many.of(runs, folders)
    sections = [
        Section("changed", "What changed in the scenario", _changed(many)),
        Section("headline", "What came of it", _headline(many)),
        Section("where", "Where it goes", _where(many)),
        Section("when", "When", _when(many)),
        Section("served", "How well they served", _served(many)),
        Section("differences", "By component and workload", _differences(many)),
        Section("repeat", "How to repeat it", _repeat(many)),
    ]
    return page(
        " against ".join(many.names) if len(runs) == FEWEST else f"{len(runs)} runs compared",
        [section for section in sections if section.body],
        lead=_lead(many),
        data={f"summary-{at}": run.summary for at, run in enumerate(runs, 1)},
    )


def _lead(many: Many) -> str:
    chips = "".join(
        f'<li><i class="chip" style="background:{SERIES[at]}"></i>{text(name)}{_place(folder, name)}</li>'
        for at, (name, folder) in enumerate(zip(many.names, many.folders, strict=True))
    )
    told = "".join(f'<p class="lede">{text_of_prose(line)}</p>' for line in _sentences(many))
    if not many.basis.comparable:
        told = f'<div class="warn" role="note">{items([many.basis.says])}</div>'
    else:
        told += note(many.basis.says)
    unlike = many.comparison.unlike_carbon
    told += f'<div class="warn" role="note">{items([_sentence(unlike)])}</div>' if unlike else ""
    return f'<ul class="chips">{chips}</ul>{told}'


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _place(folder: str, name: str) -> str:
    return "" if name.endswith(f". {folder}") else f" <code>{escape(folder)}</code>"


def _sentences(many: Many) -> list[str]:
    """How each other run differs from the first, in a sentence."""
    if not many.basis.comparable:
        return []
    rows = {row.path: row for row in many.rows()}
    beside = many.scaled(many.of_each(lambda run: sum(outside(run.summary).values())))
    elsewhere = [*beside.values()] if any(beside.values()) else []
    told = []
    for at, name in enumerate(many.names[1:]):
        parts_of = []
        for path, verb, what in ((ENERGY, "uses", "energy"), (CARBON, "causes", "CO2e")):
            row = rows[path]
            one, drawn = row.differences()[at], row.drawn[at]
            if one is None or one.change is None:
                continue
            if one.change == 0.0:
                parts_of.append(
                    f"{verb} the same {what}{' in the data center' if path == ENERGY and elsewhere else ''}"
                )
                if path == ENERGY and elsewhere:
                    parts_of.append(_elsewhere(elsewhere, at))
                continue
            words = f"{verb} {said(abs(one.change), one.unit)} {'more' if one.change > 0.0 else 'less'} {what}"
            words += " in the data center" if path == ENERGY and elsewhere else ""
            inside = [one.percentage] if one.percentage else []
            if spread(drawn):
                inside.append(f"90 % interval {signed(drawn.p05, one.unit)} to {signed(drawn.p95, one.unit)}")
            parts_of.append(words + (f" ({'; '.join(inside)})" if inside else ""))
            if path == ENERGY and elsewhere:
                parts_of.append(_elsewhere(elsewhere, at))
        per = f", per {many.basis.per}" if many.per_unit else ""
        alike = all(" the same " in words for words in parts_of)
        listed = " and ".join([", ".join(parts_of[:-1]), parts_of[-1]] if len(parts_of) > 2 else parts_of)
        told.append(f"{name} {listed} {'as' if alike else 'than'} {many.names[0]}{per}.")
    return told


def _elsewhere(kwh: Sequence[float], at: int) -> str:
    """How another run's energy beyond the data center (networks, users' devices) differs from the first's."""
    change = kwh[at + 1] - kwh[0]
    if without_rounding(change, kwh[0], kwh[at + 1]) == 0.0:
        return "the same outside it"
    return f"{said(abs(change), 'kWh')} {'more' if change > 0.0 else 'less'} outside it"


def _changed(many: Many) -> str:
    found = changes(many.runs)
    if not found:
        return note("Nothing: the scenarios, files, profiles and versions of all are the same.")
    header = ("path", *many.names)
    seen, rest = found[:MOST_CHANGES], found[MOST_CHANGES:]
    told = note("As each scenario was resolved; what is the same in all is left out. — is not given.")
    more = folded(f"{len(rest)} more", f'<div class="words">{table(header, rest)}</div>') if rest else ""
    return f'{told}<div class="words">{table(header, seen)}</div>{more}'


def _headline(many: Many) -> str:
    """Energy, carbon, water and cost of every run, drawn and told, with their differences."""
    summaries = [run.summary for run in many.runs]
    waters = {water_path(summary) for summary in summaries}
    water = waters.pop() if len(waters) == 1 else None
    currencies = {str((summary.get("cost") or {}).get("currency", "")) for summary in summaries}
    currency = currencies.pop() if len(currencies) == 1 else ""
    asked = [
        ("energy", "Energy of the facility", ENERGY, "kWh"),
        ("carbon", "Carbon", CARBON, "kg"),
    ]
    asked += [("water", "Water", water, "L")] if water is not None else []
    priced = {cost_path(summary) for summary in summaries}
    cost = priced.pop() if len(priced) == 1 else COST  # of energy, where only some price carbon
    if currency and all(value_in(summary, (*cost.split("."),)) is not None for summary in summaries):
        asked.append(("cost", COSTS[cost], cost, currency))
    drawn = []
    for name, title, path, unit in asked:
        keys = (*path.split("."),)
        values = many.scaled(many.of_each(partial(_number, keys)))
        ends = {} if many.per_unit else _ends(many, path)
        per = f" per {many.basis.per}" if many.per_unit else ""
        size, word = fitting(unit, max(map(abs, values.values())))
        values = {run: value / size for run, value in values.items()}
        ends = {run: (low / size, high / size) for run, (low, high) in ends.items()}
        word = f"{word} CO2e" if name == "carbon" else word
        drawn.append(figure(wholes(f"whole-{name}", f"{title}{per}", values, ends, word)))
    rows = many.rows()
    wanted = ("energy_kwh.", "carbon_kg.", "water_l.", "cost.")
    whole = [row for row in rows if row.path.startswith(wanted) and "by_" not in row.path]
    if many.per_unit:  # stands below as the summaries have it
        whole = [row for row in whole if row.path != CARBON]
    whole = [*whole, *_of_units(many)]
    caption = f"Amounts per {many.basis.per}" if many.per_unit else "Amounts of whole runs"
    remarks = [_of_intervals(many)]
    if many.basis.whole:
        for name, _, change, _ in many.comparison.others:
            if without_rounding(change.high - change.low, change.low, change.high):
                remarks.append(f"{name}: {change.remark}")
        for name, models in zip(many.names[1:], many.comparison.model_changes, strict=True):
            remarks += [f"{name}: {one.remark}" for one in models]
    unlike = ""
    if many.per_unit:  # side by side: a difference of unlike work means nothing
        apart = replace(many, basis=Basis(False, "", (), ""))
        sums = [row for row in apart.rows() if row.path.startswith(wanted) and "by_" not in row.path]
        unlike = folded("Amounts of whole runs, which did unlike work", grid(many, sums, "Amounts of whole runs"))
    multiples = f'<div class="multiples">{"".join(drawn)}</div>'
    return f"{multiples}{grid(many, whole, caption)}{items([one for one in remarks if one])}{unlike}"


def _ends(many: Many, path: str) -> dict[str, tuple[float, float]]:
    """The 90 % interval of a result of each run that has one."""
    found = many.of_each(lambda run: (run.summary.get("intervals") or {}).get(path))
    return {name: (one["p05"], one["p95"]) for name, one in found.items() if one and one["p05"] != one["p95"]}


def _of_units(many: Many) -> list[Row]:
    """Carbon per functional unit, as the summaries state it."""
    if not many.basis.per:
        return []
    path = PER_UNIT
    values = tuple(float(run.summary["kpi"]["sci_g_per_unit"]) for run in many.runs)
    drawn = tuple(one.get(path) for one in many.comparison.intervals)
    return [Row(path, f"carbon per {many.basis.per} (SCI)", "g", values, drawn, comparable=True)]


def _of_intervals(many: Many) -> str:
    """Which differences have intervals, and why others have none."""
    if all(many.comparison.intervals):
        told = "Intervals of differences are over draws that both runs share, so that what both do not know cancels."
        return told + (" Amounts per unit of work have none but that of the SCI." if many.per_unit else "")
    if any(many.comparison.intervals):
        return "Only runs that drew alike have intervals of their difference."
    return "Differences have no intervals: give all scenarios the same 'uncertainty' and seed, so that they draw alike."


def _where(many: Many) -> str:
    panels: dict[str, str] = {}
    per = f" per {many.basis.per}" if many.per_unit else ""
    for title, part, by, unit, tail in (
        ("Carbon by component", "carbon_kg", "by_component", "kg", " CO2e"),
        ("Carbon by workload", "carbon_kg", "by_workload", "kg", " CO2e"),
        ("IT energy by component", "energy_kwh", "by_component", "kWh", ""),
        ("IT energy by workload", "energy_kwh", "by_workload", "kWh", ""),
        ("IT energy by state", "energy_kwh", "by_state", "kWh", ""),
    ):
        told = many.scaled(many.of_each(partial(_split, part, by)))
        most = max((abs(value) for one in told.values() for value in one.values()), default=0.0)
        size, word = fitting(unit, most)
        values = {
            run: {name.replace("_", " "): value / size for name, value in one.items()} for run, one in told.items()
        }
        chart = parts(title.lower().replace(" ", "-"), f"{title}{per}", values, f"{word}{tail}")
        if chart is not None:
            panels[title] = figure(chart)
    return tabs("made-of", "What carbon and energy are made of", panels) if panels else ""


def _when(many: Many) -> str:
    axis = Axis.of(max(run.energy.end_ns for run in many.runs))
    drawn = over_time(many.of_each(lambda run: run), axis)
    if not drawn:
        return ""
    how = (
        "Every run from its own start, on one axis that all charts share: zoom with the buttons, with + and -, or drag."
    )
    return f'{zoom_bar(axis.high, axis.unit)}<div class="howto">{note(how)}</div>{"".join(map(figure, drawn))}'


def _served(many: Many) -> str:
    """Latencies, and the figures of each service, training and workload of jobs that some runs share."""
    drawn = []
    services = many.of_each(lambda run: run.summary.get("serving") or {})
    known = many.of_each(kept)
    for at, name in enumerate(dict.fromkeys(name for one in services.values() for name in one)):
        own = {run: one[name] for run, one in services.items() if name in one}
        if len(own) < FEWEST:
            continue
        spread = spreads(f"latency-{at}", name, own)
        drawn += [spread] if spread is not None else []
        for key in ("ttft_s", "e2e_s"):
            curves = {run: one[name][key] for run, one in known.items() if key in one.get(name, {})}
            if len(curves) < FEWEST:
                continue
            limits = {objectives(run.scenario, name).get(key) for run in many.runs}
            limit_s = limits.pop() if len(limits) == 1 else None
            words = LATENCIES.get(key, key)
            told = f"Dashed: the objective of all, {seconds(limit_s)}." if limit_s is not None else ""
            anchor = f"{key.replace('_', '-')}-{at}"
            drawn.append(curves_chart(anchor, f"{words} of {name}", curves, words, limit_s=limit_s, note=told))
    rows = [row for row in many.rows() if row.path.partition(".")[0] in ("serving", "jobs", "batch", "split")]
    told = grid(many, rows, "Figures of workloads that runs share") if rows else ""
    return "".join(map(figure, drawn)) + told


def _differences(many: Many) -> str:
    """By component and workload, which are many rows."""
    rows = [row for row in many.rows() if "by_" in row.path]
    per = f", per {many.basis.per}" if many.per_unit else ""
    return grid(many, rows, f"By component and workload{per}") if rows else ""


def _repeat(many: Many) -> str:
    commands = [shlex.join(["coldaisle", "report", *many.folders])]
    commands += [
        shlex.join(["coldaisle", "report", folder, "--out", f"{at}.html"]) for at, folder in enumerate(many.folders, 1)
    ]
    hashes = [
        (
            name,
            str(run.manifest["scenario_sha256"])[:16],
            str(run.manifest["seed"]),
            str(run.manifest["versions"].get("coldaisle", "")),
        )
        for name, run in zip(many.names, many.runs, strict=True)
    ]
    told = "".join(f"<pre><code>{escape(command)}</code></pre>" for command in commands)
    return (
        note("This page, and the page of each run with its sources, assumptions and limits:")
        + told
        + f'<div class="words">{table(("run", "scenario (SHA-256)", "seed", "version"), hashes)}</div>'
    )


def _number(keys: tuple[str, ...], run: Results) -> float:
    return float(value_in(run.summary, keys))


def _split(part: str, by: str, run: Results) -> dict[str, float]:
    return dict(run.summary[part].get(by) or {})
