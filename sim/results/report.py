"""One or more runs as a single HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.accounting.ledger import OUTSIDE, Ledger
from sim.results import charts
from sim.results.attribution import attribution_grids
from sim.results.batches import batch_grids, batch_remarks
from sim.results.catalogue import columns_of
from sim.results.catalogue.accounts import HEADLINE
from sim.results.cluster_report import cluster_pictures
from sim.results.compare import COMMON_DRAWS, COMPARED_HEADER, Comparison
from sim.results.conventions import convention_grid, convention_remarks
from sim.results.environment import account_rows, component_grid, limit_remarks, site_grids, workload_grid
from sim.results.formats import mass, number, turned
from sim.results.intervals import difference_grid, interval_grid, interval_remark
from sim.results.jobs import (
    ACTIVITY_WORDS,
    PHASE_WORDS,
    campaign_grids,
    federated_grids,
    job_grids,
    step_splits,
    throttle_remarks,
    unproductive,
)
from sim.results.methods import method_grids, method_remarks
from sim.results.power_limits import power_grids, power_remarks
from sim.results.project import project_grids
from sim.results.results import Results
from sim.results.services import service_grids, service_remarks, split_grids
from sim.units import HOUR_NS, SECONDS_PER_NS

if TYPE_CHECKING:
    import pandas as pd

MOST_SAMPLES = 1500
"""Samples drawn of a job's power within steps, of which there may be millions."""
MOST_STEPS = 400
"""Bins drawn in a power chart; a longer run is drawn by the mean power of equal groups of bins."""

MOST_COLUMNS = 11
"""Of a table; one with more is turned, a line for each of its columns, where that is less."""

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;max-width:900px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd;padding-bottom:.2rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eee;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}tr.total td{font-weight:600;border-top:1px solid #999}
.headline{display:flex;flex-wrap:wrap;gap:.8rem}
.headline div{background:#f4f6f8;border-radius:6px;padding:.6rem 1rem;flex:1 1 9rem}
.headline b{display:block;font-size:1.35rem}.note{color:#555;font-size:.9rem}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#444}.grid{stroke:#e4e4e4}
figure{margin:1.2rem 0;break-inside:avoid}h3{font-size:1rem}h4{font-size:.9rem;margin:.4rem 0 0;font-weight:500}
.job{stroke:#fff;stroke-width:.4}
.legend span{margin-right:1rem;white-space:nowrap}
.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.35em}
@media (prefers-color-scheme:dark){body{background:#15181b;color:#e4e4e4}h2,th,td{border-color:#333}
.headline div{background:#22272c}.note{color:#aaa}svg text{fill:#bbb}.grid{stroke:#333}svg rect[fill="#fff"]{fill:none}
.job{stroke:#15181b}}
@media print{body{max-width:none;margin:0}svg,i,.headline div{break-inside:avoid;print-color-adjust:exact}}
"""


def report(runs: Sequence[Results]) -> str:
    """The page: each run in turn, and before them how the others differ from the first, if there are several."""
    names = [str(run.scenario["name"]) for run in runs]
    body = [_comparison(runs)] if len(runs) > 1 else []
    body += [_run(run) for run in runs]
    title = escape(names[0] if len(runs) == 1 else " and ".join(names))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"{charts.GENERATOR}"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, total: Sequence[str] | None = None) -> str:
    def line(cells: Sequence[str], tag: str = "td") -> str:
        return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)

    if len(header) > MOST_COLUMNS and total is None and len(rows) < len(header):
        header, rows = turned((header, [[*row] for row in rows]))
    body = "".join(f"<tr>{line(row)}</tr>" for row in rows)
    last = f'<tr class="total">{line(total)}</tr>' if total is not None else ""
    return f"<table><tr>{line(header, 'th')}</tr>{body}{last}</table>"


def _run(run: Results) -> str:
    summary = run.summary
    parts = [f"<h1>{escape(str(run.scenario['name']))}</h1>"]
    if run.scenario.get("description"):
        parts.append(f"<p>{escape(str(run.scenario['description']))}</p>")
    parts += [_headline(summary), _carbon(summary), _accounts(summary), _power(run.energy)]
    parts.append("<h2>Who it is for</h2>" + _table(*workload_grid(summary)))
    parts += [_table(*grid) for grid in project_grids(summary)]
    if summary.get("jobs"):
        parts.append(_jobs(summary))
    if summary.get("batch") or run.cluster_table is not None:
        parts.append(_cluster(run))
    if summary.get("power_limits"):
        grids = "".join(_table(header, rows) for header, rows in power_grids(summary))
        remarks = "".join(f'<p class="note">{escape(remark)}</p>' for remark in power_remarks(summary))
        parts.append(f"<h2>Shared power</h2>{grids}{remarks}")
    if run.trace_table is not None:
        parts.append(_traces(run.power_trace()))
    if summary.get("methods"):
        notes = "".join(f'<p class="note">{escape(remark)}</p>' for remark in method_remarks(summary))
        parts.append("<h2>Methods</h2>" + "".join(_table(*grid) for grid in method_grids(summary)) + notes)
    if summary.get("campaigns"):
        grids = "".join(_table(header, rows) for header, rows in campaign_grids(summary))
        parts.append(f"<h2>Campaigns</h2>{grids}")
    if summary.get("federated"):
        parts.append("<h2>Federated training</h2>" + "".join(_table(*grid) for grid in federated_grids(summary)))
    if summary.get("split"):
        grids = "".join(_table(header, rows) for header, rows in split_grids(summary["split"]))
        parts.append(f"<h2>In stages on devices and machines</h2>{grids}")
    if summary.get("serving"):
        parts.append(_services(summary["serving"]))
    intervals = interval_grid(summary)
    if intervals is not None:
        remark = f'<p class="note">{escape(interval_remark(summary))}</p>'
        parts += ["<h2>Intervals</h2>", _table(*intervals), remark]
    parts += [_convention(summary), _boundary(summary["boundary"]), _provenance(run.manifest)]
    return "".join(parts)


def _headline(summary: Mapping[str, Any]) -> str:
    energy, carbon = summary["energy_kwh"], summary["carbon_kg"]
    bounds = carbon["embodied_range"]
    low, high = (carbon["operational_location"] + bounds[end] for end in ("low", "high"))
    spread = f", {mass(low)} to {mass(high)} over the range of embodied carbon" if low != high else ""
    figures = [
        ("total carbon", mass(carbon["total"]), f"operational location-based + embodied{spread}"),
        ("facility energy", f"{number(energy['facility'])} kWh", f"IT {number(energy['it'])} kWh"),
    ]
    water = summary.get("water_l", {})
    if water:
        parts = ((name, one.text(summary)) for name, one in columns_of(HEADLINE))
        text = ", ".join(f"{name} {litres}" for name, litres in parts if litres)
        figures.append(("water", f"{number(water.get('total', next(iter(water.values()))))} L", text))
    if summary.get("cost"):
        figures.append(("energy cost", f"{number(summary['cost']['energy'])} {summary['cost']['currency']}", ""))
    boxes = (f"<div>{escape(a)}<b>{escape(b)}</b><span class='note'>{escape(c)}</span></div>" for a, b, c in figures)
    return f'<div class="headline">{"".join(boxes)}</div>'


def _carbon(summary: Mapping[str, Any]) -> str:
    carbon = summary["carbon_kg"]["by_component"]
    names = sorted(carbon, key=lambda name: -carbon[name])
    labels = [name.replace("_", " ") for name in names]
    chart = ""
    if all(kg >= 0 for kg in carbon.values()) and summary["carbon_kg"]["total"] > 0:
        chart = charts.legend(labels) + _carbon_bars({"carbon": carbon}, names)
    header, rows, total = component_grid(summary, names)
    return f"<h2>Carbon and energy by component</h2>{chart}{_table(header, rows, total=total)}"


def _accounts(summary: Mapping[str, Any]) -> str:
    """The accounts side by side, the building part by part, each site, and limits that were met."""
    parts = ["<h2>The accounts, side by side</h2>", _table(["", ""], [list(row) for row in account_rows(summary)])]
    parts += [_table(*grid) for grid in site_grids(summary)]
    parts += [f"<p><b>{escape(remark)}</b></p>" for remark in limit_remarks(summary)]
    return "".join(parts)


def _carbon_bars(runs: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> str:
    """Carbon in kg by component, one bar a run, in t where it comes to tonnes."""
    kg_per_unit, unit = (
        (1000.0, "t CO2e") if max(sum(kg.values()) for kg in runs.values()) >= 1000 else (1.0, "kg CO2e")
    )
    bars = {
        run: {name.replace("_", " "): carbon.get(name, 0.0) / kg_per_unit for name in names}
        for run, carbon in runs.items()
    }
    return charts.stacked_bars(bars, [name.replace("_", " ") for name in names], unit)


def _power(ledger: Ledger) -> str:
    """Metered IT power by state over time; networks and users' devices are not on these meters."""
    ledger = ledger.where(lambda key: key.component not in OUTSIDE)
    states = sorted({key.state for key in ledger.keys})
    groups = np.unique(np.linspace(0, len(ledger.edges_ns) - 1, MOST_STEPS + 1).astype(np.int64))
    edges = ledger.edges_ns[groups]
    kilowatts = {}
    for state in states:
        joules = ledger.where(lambda key, state=state: key.state == state).energy_j.sum(axis=0)  # type: ignore[misc]
        grouped = np.add.reduceat(joules, groups[:-1])
        kilowatts[state] = (grouped / ((edges[1:] - edges[:-1]) * SECONDS_PER_NS) / 1000).tolist()
    chart = charts.stacked_steps((edges / HOUR_NS).tolist(), kilowatts, "kW", "hours from the start")
    note = "" if len(groups) == len(ledger.edges_ns) else f" Mean over groups of bins, {len(groups) - 1} in all."
    return (
        f"<h2>Metered IT power by state</h2>{charts.legend(states)}{chart}"
        f'<p class="note">What the simulated meters read, before any accounting convention.{note}</p>'
    )


def _jobs(summary: Mapping[str, Any]) -> str:
    grids = "".join(_table(header, rows) for header, rows in job_grids(summary))
    remarks = "".join(f"<p><b>{escape(remark)}</b></p>" for remark in throttle_remarks(summary))
    return f"<h2>Jobs</h2>{grids}{_steps(step_splits(summary))}{_faults(unproductive(summary))}{remarks}"


def _cluster(run: Results) -> str:
    """Jobs as rows with their figures, and what there is to draw of the cluster over time."""
    grids = remarks = pictures = ""
    if run.summary.get("batch"):
        shown = [*attribution_grids(run.summary), *batch_grids(run.summary)]
        grids = "".join(_table(header, rows) for header, rows in shown)
        remarks = "".join(f'<p class="note">{escape(remark)}</p>' for remark in batch_remarks(run.summary))
    if run.cluster_table is not None:
        pictures = cluster_pictures(run.stint_table, run.cluster_table, run.job_table)
    return f"<h2>The cluster and its jobs</h2>{grids}{remarks}{pictures}"


def _steps(splits: Mapping[str, Mapping[str, float]]) -> str:
    """Where the time of each job's steps goes, one bar a job."""
    if not splits:
        return ""
    there = [words for words in PHASE_WORDS.values() if any(words in split for split in splits.values())]
    return f"<h3>A step of training</h3>{charts.legend(there)}{charts.stacked_bars(splits, there, 's')}"


def _faults(splits: Mapping[str, Mapping[str, float]]) -> str:
    """What faults cost each job that recovers from them, and how it is spread, one bar a job."""
    if not any(kwh for split in splits.values() for kwh in split.values()):
        return ""
    there = [word for word in ACTIVITY_WORDS.values() if any(split[word] for split in splits.values())]
    return f"<h3>Energy beside productive work</h3>{charts.legend(there)}{charts.stacked_bars(splits, there, 'kWh')}"


def _traces(samples: pd.DataFrame) -> str:
    """Power over time of jobs that keep it: all of their GPUs, within steps."""
    drawn = []
    for name, own in samples.groupby("workload", observed=True):
        begins_s, watts = own["start_ns"].to_numpy() * SECONDS_PER_NS, own["gpus_w"].to_numpy() / 1000.0
        spacing_s = begins_s[1] - begins_s[0] if len(begins_s) > 1 else 1.0
        edges_s = np.append(begins_s, begins_s[-1] + spacing_s)
        groups = np.unique(np.linspace(0, len(watts), MOST_SAMPLES + 1).astype(np.int64))
        if len(groups) - 1 == len(watts):
            series = {"GPUs": watts.tolist()}
        else:
            ends = {"most": np.maximum, "least": np.minimum}
            series = {word: end.reduceat(watts, groups[:-1]).tolist() for word, end in ends.items()}
        chart = charts.lines(edges_s[groups].tolist(), series, "kW", "seconds from the start")
        drawn.append(f"<h3>{escape(str(name))}</h3>{chart}")
    note = f"Of more than {MOST_SAMPLES} samples, the most and the least of each group of them."
    return f'<h2>Power within steps</h2>{"".join(drawn)}<p class="note">All GPUs of the job. {note}</p>'


def _services(services: Mapping[str, Any]) -> str:
    grids = "".join(_table(header, rows) for header, rows in service_grids(services))
    remarks = "".join(f'<p class="note">{escape(remark)}</p>' for remark in service_remarks(services))
    return f"<h2>Services</h2>{grids}{remarks}"


def _convention(summary: Mapping[str, Any]) -> str:
    grid = convention_grid(summary)
    if grid is None:
        return ""
    terms = "".join(f"<li>{escape(remark)}</li>" for remark in convention_remarks(summary))
    return f"<h2>The convention beside the meters</h2>{_table(*grid)}<ul>{terms}</ul>"


def _boundary(boundary: Mapping[str, Any]) -> str:
    items = [f"Accounting convention: {boundary['convention']}."]
    left_out = boundary.get("metered_but_not_counted_kwh")
    if left_out:
        named = ", ".join(f"{name.replace('_', ' ')} {number(kwh)} kWh" for name, kwh in left_out.items())
        items.append(f"Metered ({number(boundary['metered_it_kwh'])} kWh in all) but not counted: {named}.")
    items += [f"Of what is stored, {rule}." for rule in boundary.get("stored_energy", [])]
    for node, reasons in boundary.get("not_metered", {}).items():
        items += [f"Not metered in {node}: {part}, because {why}." for part, why in reasons.items()]
    items.append(f"Not modelled: {', '.join(boundary['not_modelled'])}.")
    return "<h2>What is inside, and what is not</h2><ul>" + "".join(f"<li>{escape(i)}</li>" for i in items) + "</ul>"


def _provenance(manifest: Mapping[str, Any]) -> str:
    profiles = ", ".join(manifest["profiles_sha256"])
    versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
    return (
        f'<h2>Where it comes from</h2><p class="note">Seed {manifest["seed"]}. Profiles: {escape(profiles)} (the '
        f"source of every number: <code>coldaisle profiles NAME</code>). {escape(versions)}. Scenario "
        f"<code>{escape(manifest['scenario_sha256'][:16])}</code>.</p>"
    )


def _comparison(runs: Sequence[Results]) -> str:
    comparison = Comparison.of(runs[0], runs[1:])
    names = sorted({name for run in runs for name in run.summary["carbon_kg"]["by_component"]})
    labels = [name.replace("_", " ") for name in names]
    bars = {f"{i + 1}. {run.scenario['name']}": run.summary["carbon_kg"]["by_component"] for i, run in enumerate(runs)}
    parts = ["<h1>Comparison</h1>"]
    if all(kg >= 0 for carbon in bars.values() for kg in carbon.values()):  # a credit has no bar
        parts += [charts.legend(labels), _carbon_bars(bars, names)]
    for name, differences, change, drawn in comparison.others:
        parts += [
            f"<h2>{escape(name)} against {escape(comparison.names[0])}</h2>",
            _table(COMPARED_HEADER, [row.cells for row in differences]),
            f'<p class="note">{change.remark}</p>',
        ]
        intervals = difference_grid(drawn)
        if intervals is not None:
            note = f'<p class="note">{COMMON_DRAWS}</p>'
            parts += ["<h3>Intervals of the difference</h3>", _table(*intervals), note]
    return "".join(parts)
