"""The page of one run: the questions people ask of it, in the order in which they ask."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sim.loading.scenario import shipped_scenarios
from sim.profiles.catalog import Catalog
from sim.report.assumptions import limits, rests_on
from sim.report.chart import Chart
from sim.report.charts.cluster import cluster_charts, waits
from sim.report.charts.distributions import latency
from sim.report.charts.gantt import gantt
from sim.report.charts.parts import carbon_parts, training
from sim.report.charts.power import power
from sim.report.charts.sankey import sankey
from sim.report.charts.site import site_charts, sites_of, throughout
from sim.report.charts.times import Axis
from sim.report.charts.tornado import tornado
from sim.report.charts.trace import power_within_steps
from sim.report.headline import numbers, sentence
from sim.report.page import Section, page
from sim.report.parts import facts, figure, folded, grids, items, note, table, tabs, text_of_prose, zoom_bar
from sim.results.attribution import attribution_grids
from sim.results.batches import batch_grids, batch_remarks
from sim.results.conventions import convention_grid, convention_remarks
from sim.results.environment import account_rows, component_grid, site_grids, workload_grid
from sim.results.files import to_yaml
from sim.results.formats import hours, number, percent, seconds
from sim.results.intervals import interval_grid, interval_remark
from sim.results.jobs import campaign_grids, federated_grids, job_grids
from sim.results.methods import method_grids, method_remarks
from sim.results.power_limits import power_grids, power_remarks
from sim.results.project import project_grids
from sim.results.results import Results
from sim.results.services import service_grids, service_remarks, split_grids
from sim.results.stated import stated

Tornados = Mapping[str, Mapping[str, Any]]
"""One-at-a-time analyses as plain data, by the dotted path of the result that each is of."""


def report(
    results: Results,
    tornados: Tornados | None = None,
    *,
    drawn: Mapping[str, Any] | None = None,
    folder: str = "DIR",
) -> str:
    """One run as a page. ``tornados``, and intervals ``drawn`` from what sources state (as ``Sure`` has them), are
    shown where they were asked for; ``folder`` is where the run lies, for the commands that the page names."""
    sections = [
        Section("where", "Where it goes", where(results)),
        Section("when", "When", when(results)),
        Section("served", "How well it served", served(results)),
        Section("change", "What would change it most", change(results, tornados or {}, folder)),
        Section("rests", "What it rests on", rests_on(results)),
        Section("repeat", "How to repeat it", repeat(results, folder)),
    ]
    return page(
        str(results.scenario["name"]),
        [section for section in sections if section.body],
        lead=lead(results, drawn, folder),
        data={"summary": results.summary},
    )


def lead(results: Results, drawn: Mapping[str, Any] | None = None, folder: str = "DIR") -> str:
    """The headline: what it is of, a sentence, four numbers, and what was exceeded."""
    description = str(results.scenario.get("description") or "").strip()
    about = f'<p class="note">{text_of_prose(description)}</p>' if description else ""
    told = [line for line in limits(results) if "exceeded" in line or "throttled" in line]
    warned = f'<div class="warn" role="note">{items(told)}</div>' if told else ""
    return f'<p class="lede">{text_of_prose(sentence(results))}</p>{numbers(results, drawn, folder)}{warned}{about}'


def where(results: Results) -> str:
    """From the grid to what it was useful for, and what carbon and energy are made of."""
    summary = results.summary
    flow = sankey(results)
    parts = [figure(flow) if flow is not None else note("This run used no energy that flows could be drawn of.")]
    panels = {title: figure(chart) for title, chart in carbon_parts(summary).items()}
    if panels:
        parts.append(tabs("made-of", "What carbon and energy are made of", panels))
    names = sorted(summary["carbon_kg"]["by_component"], key=lambda name: -summary["carbon_kg"]["by_component"][name])
    header, rows, total = component_grid(summary, names)
    accounts = [[*row] for row in account_rows(summary)]
    parts += [
        folded("Carbon and energy by component, as a table", table(header, rows, total=total)),
        folded("All accounts side by side", table(("account", "amount"), accounts) + grids(site_grids(summary))),
        folded("Who it is for", grids([workload_grid(summary), *project_grids(summary)])),
    ]
    told = convention_grid(summary)
    if told is not None:
        parts += ["<h3>The convention beside the meters</h3>", grids([told]), items([*convention_remarks(summary)])]
    return "".join(parts)


def when(results: Results) -> str:
    """Power, PUE, intensity, water and the queue on one axis of time."""
    drawn = [chart for chart in (power(results),) if chart is not None]
    sites = sites_of(results)
    remarks = [sites] if isinstance(sites, str) else throughout(sites)
    drawn += [] if isinstance(sites, str) else site_charts(sites)
    drawn += [chart for chart in cluster_charts(results) if chart.name != "slots-held"]
    drawn += power_within_steps(results)
    if not drawn:
        return note("Nothing of this run happened over time.")
    axis = Axis.of(results.energy.end_ns)
    how = (
        "All charts over time share one axis. Zoom with the buttons, with + and - while one of them has the focus, "
        "with Ctrl or Shift and the wheel, or drag; a double click shows all."
    )
    told = f'<div class="howto">{note(how)}</div>'
    return f"{zoom_bar(axis.high, axis.unit)}{told}{figures(drawn)}{items(remarks)}"


def figures(charts: Sequence[Chart]) -> str:
    """Charts one below the other."""
    return "".join(figure(chart) for chart in charts)


def served(results: Results) -> str:
    """Latencies against objectives, goodput, utilisation, jobs on nodes, the scheduler's queue; all tables of them."""
    summary = results.summary
    parts = [facts(_facts(summary)), figures(latency(results))]
    timed = [chart for chart in cluster_charts(results) if chart.name == "slots-held"]
    jobs = gantt(results)
    timed += [jobs] if jobs is not None else []
    if timed:
        axis = Axis.of(results.energy.end_ns)
        parts += [zoom_bar(axis.high, axis.unit), figures(timed)]
    waited = waits(results)
    parts += [figure(waited)] if waited is not None else []
    parts.append(figures(training(results)))
    parts += [folded(title, body) for title, body in _tables(summary)]
    body = "".join(parts)
    return body or note("This run served nothing and trained nothing: it has no latencies, jobs or queue to show.")


def _facts(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What each workload came to, in the figures that people ask for first."""
    found: list[tuple[str, str, str]] = []

    def add(name: str, what: str, value: str, remark: str = "") -> None:
        found.append((what, escape(value), f"{name}{': ' if remark else ''}{remark}"))

    for name, one in (summary.get("serving") or {}).items():
        if "goodput_share" in one:
            add(name, "Goodput", percent(one["goodput_share"]), "of requests within their objectives")
        if "throughput_tok_per_s" in one:
            add(
                name,
                "Output",
                f"{number(one['throughput_tok_per_s'])} tokens/s",
                f"{one['completed']:,} requests completed",
            )
        if "utilisation" in one:
            add(name, "Utilisation", percent(one["utilisation"]), "of its replicas' time")
        if "zero_load_energy_share" in one:
            add(name, "Energy at zero load", percent(one["zero_load_energy_share"]), "drawn as if no request had come")
    for name, one in (summary.get("batch") or {}).items():
        add(name, "Utilisation", percent(one["utilisation"]), "of all GPU-hours held by jobs")
        add(
            name,
            "Wait, p50 and p90",
            f"{hours(one['wait_s']['p50'])} and {hours(one['wait_s']['p90'])}",
            "in the queue",
        )
        add(name, "Jobs completed", f"{one['completed']:,} of {one['jobs']:,}")
    for name, one in list((summary.get("jobs") or {}).items())[:MOST_JOBS]:
        if one.get("goodput") is not None:
            add(name, "Goodput of the job", percent(one["goodput"]), f"{number(one['gpu_hours'])} GPU-hours")
        if "mfu" in one.get("step", {}):
            step = one["step"]
            add(
                name,
                "MFU",
                percent(step["mfu"]),
                f"{seconds(step['step_s'])} a step, {number(step['throughput_tok_per_s'])} tokens/s",
            )
    return found


MOST_JOBS = 4
"""Trainings whose figures stand above the tables, which have all."""


def _tables(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    def told(remarks: Sequence[str]) -> str:
        return "".join(note(remark) for remark in remarks)

    found = []
    if summary.get("serving"):
        services = summary["serving"]
        found.append(("All figures of services", grids(service_grids(services)) + told(service_remarks(services))))
    if summary.get("batch"):
        shown = [*attribution_grids(summary), *batch_grids(summary)]
        found.append(("All figures of the cluster and its jobs", grids(shown) + told(batch_remarks(summary))))
    if summary.get("jobs"):
        found.append(("All figures of trainings", grids(job_grids(summary))))
    if summary.get("power_limits"):
        found.append(("Shared power", grids(power_grids(summary)) + told(power_remarks(summary))))
    if summary.get("methods"):
        found.append(("Methods", grids(method_grids(summary)) + told(method_remarks(summary))))
    if summary.get("campaigns"):
        found.append(("Campaigns", grids(campaign_grids(summary))))
    if summary.get("federated"):
        found.append(("Federated training", grids(federated_grids(summary))))
    if summary.get("split"):
        found.append(("In stages on devices and machines", grids(split_grids(summary["split"]))))
    return found


def change(results: Results, tornados: Tornados, folder: str) -> str:
    """Tornados where they were asked for, intervals where the scenario is uncertain, and how to get what is missing."""
    intervals = interval_grid(results.summary)
    parts = [figure(tornado(output, found, at)) for at, (output, found) in enumerate(tornados.items())]
    own = bool(results.scenario.get("uncertainty"))
    if tornados and not own:
        parts.append(note(f"Over the ranges that the sources of its profiles state. {GIVE_RANGES}, and run it again."))
    elif not (own or tornados or stated(results.scenario, results.manifest["profiles_sha256"], Catalog()).over):
        parts.append(note(f"No source of its profiles states a range. {GIVE_RANGES}, run it again, and ask for:"))
        parts.append(_command("coldaisle", "report", folder, "--tornado"))
    elif not tornados:
        over = "the range that the scenario states" if own else "the ranges that the sources of its profiles state"
        parts.append(note(f"Computed on request, one input at a time over {over}:"))
        parts.append(_command("coldaisle", "report", folder, "--tornado", *([] if own else ["--intervals"])))
        parts += [] if own else [note(f"{GIVE_RANGES}, run it again, and leave out --intervals.")]
    if intervals is not None:
        parts += ["<h3>Intervals</h3>", grids([intervals]), note(interval_remark(results.summary))]
    return "".join(parts)


GIVE_RANGES = (
    "Of its own numbers the scenario states no ranges: give it an 'uncertainty' with one for each input that matters"
)


def _command(*words: str) -> str:
    return f"<pre><code>{escape(shlex.join(words))}</code></pre>"


def _named(source: str) -> str:
    """A scenario as a command names it anywhere: one that ships by its name, wherever this installation lies."""
    return next((name for name, path in shipped_scenarios().items() if str(path) == source), source)


def repeat(results: Results, folder: str) -> str:
    """The commands, the scenario, versions, hashes and seed."""
    manifest = results.manifest
    hashes = [
        ["scenario, resolved", manifest["scenario_sha256"]],
        *([f"profile {name}", digest] for name, digest in manifest["profiles_sha256"].items()),
        *([f"convention {name}", digest] for name, digest in manifest.get("convention_sha256", {}).items()),
        *([f"file {name}", digest] for name, digest in manifest.get("inputs_sha256", {}).items()),
    ]
    versions = [[name, str(version)] for name, version in manifest["versions"].items()]
    seed = manifest["seed"]
    origin = manifest.get("repriced_from")
    return "".join(
        [
            note("The same scenario, seed and versions give the same bytes of summary.json."),
            _command("coldaisle", "run", _named(str(manifest["scenario"])), "--seed", str(seed), "--out", folder),
            note(
                "That file as it was then, with everything that was set on the command line, is below and in the run's "
                "own folder, where another price or grid needs no new simulation:"
            ),
            _command("coldaisle", "account", folder, "--set", "site.grid.intensity=100 gCO2e/kWh"),
            note(f"Priced anew from a run of the scenario {origin}.") if origin else "",
            f"<p>Seed <b>{seed}</b>. Version <b>{escape(str(manifest['versions'].get('coldaisle', '')))}</b>.</p>",
            folded("Hashes (SHA-256)", f'<div class="words">{table(("of", "SHA-256"), hashes)}</div>'),
            folded("Versions", f'<div class="words">{table(("package", "version"), versions)}</div>'),
            folded(
                "The scenario, resolved", f'<pre tabindex="0"><code>{escape(to_yaml(results.scenario))}</code></pre>'
            ),
        ]
    )
