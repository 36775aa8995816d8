"""The command that holds a scenario beside its real site. Like ``sim.cli.command`` it reads arguments and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.completion import scenario_names
from sim.cli.options import JsonOption, SetOption, say, show_tables, tell
from sim.cli.progress import running
from sim.errors import ColdaisleError, InputError

if TYPE_CHECKING:
    from sim.follow.rounds import Following

DRIFTED = 3
"""The exit status where a tolerance was passed: neither a failure (1) nor wrong input (2)."""


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(follow)


def _option(name: str, metavar: str, words: str) -> Any:
    return typer.Option(name, metavar=metavar, help=words)


def follow(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="A YAML file, or the name of a shipped scenario.", autocompletion=scenario_names
        ),
    ] = None,
    prometheus: Annotated[str | None, _option("--prometheus", "URL", "The Prometheus server of the site.")] = None,
    start: Annotated[str | None, _option("--start", "TIME", "The window: from, e.g. 2026-03-01T08:00:00Z.")] = None,
    end: Annotated[str | None, _option("--end", "TIME", "The window: to.")] = None,
    once: Annotated[bool, typer.Option("--once", help="One window that ends now.")] = False,
    every: Annotated[str | None, _option("--every", "TIME", "A window that ends now, again and again: '60 s'.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", metavar="N", min=1, help="With --every: how many.")] = None,
    window: Annotated[
        str | None, _option("--window", "TIME", "Length of windows that end now; else the scenario's duration.")
    ] = None,
    lead: Annotated[
        str | None, _option("--lead", "TIME", "Begin the twin so long before the window, for work under way.")
    ] = None,
    requests: Annotated[
        Path | None, _option("--requests", "FILE", "Requests of the window, in any format that traces are read in.")
    ] = None,
    jobs: Annotated[Path | None, _option("--jobs", "FILE", "Jobs of the window: sacct, SWF, or a cluster's.")] = None,
    workload: Annotated[
        str | None, _option("--workload", "NAME", "The workload that takes them, where several could.")
    ] = None,
    zone: Annotated[
        str | None, _option("--zone", "NAME", "The zone of local times in --jobs, e.g. Europe/Berlin.")
    ] = None,
    pool: Annotated[
        list[str] | None,
        _option("--pool", "POOL=PATTERN", "Which machines stand in a pool: h100='gpu-*'; needed for several pools."),
    ] = None,
    match: Annotated[str, _option("--match", "LABELS", "Only series with these labels: 'cluster=\"a\"'.")] = "",
    step: Annotated[
        str | None, _option("--step", "TIME", "One sample a step, for large windows; else every sample is read.")
    ] = None,
    bin_: Annotated[
        str | None, _option("--bin", "TIME", "Bins in which power is compared; else about sixty a window.")
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        _option("--tolerance", "PERCENT", "Exit 3 past it: 10% of a pool's energy; or mape=15, bias, peak, p95."),
    ] = None,
    metrics: Annotated[
        str | None, _option("--metrics", "PORT|FILE", "Export metrics: at a port of loopback, or to a .prom file.")
    ] = None,
    token_file: Annotated[
        Path | None,
        _option("--token-file", "FILE", "A bearer token for the server; else COLDAISLE_PROMETHEUS_TOKEN."),
    ] = None,
    assignments: SetOption = None,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Print a Grafana dashboard of the metrics.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a scenario beside its real site: power from Prometheus, the twin over the same window, and the drift.

    Read are DCGM (dcgm-exporter), RAPL (node_exporter), Kepler and Scaphandre. Exit status: 0 within tolerance, 3 past
    it, 1 where the server or the run failed, 2 where the input is wrong.
    """
    if dashboard:
        from sim.follow.dashboard import dashboard as grafana
        from sim.results.files import to_json

        sys.stdout.write(to_json(grafana()))
        return
    from sim.follow.rounds import Times, following
    from sim.follow.server import server_at
    from sim.follow.twin import Asked
    from sim.loading.scenario import parse_assignments

    if scenario is None or prometheus is None:
        raise InputError.one("follow", "needs a SCENARIO and --prometheus URL")
    asked = following(
        server_at(prometheus, token_file),
        Asked(scenario, parse_assignments(assignments or []), requests, jobs, workload, zone),
        Times(start, end, once, every, window, bin_, step, lead, rounds),
        pools=pool or [],
        match=match,
        tolerances=tolerance or [],
    )
    if _rounds(asked, metrics, again=every is not None, as_json=as_json):
        raise typer.Exit(DRIFTED)


def _rounds(asked: Following, metrics: str | None, *, again: bool, as_json: bool) -> bool:
    """Runs, tells and exports each round; whether any was past a tolerance. Those that come ``again`` and again go on
    after one that failed, unless none ever worked."""
    from sim.exports.run import one_line
    from sim.follow.metrics import State, exporter_at
    from sim.follow.text import as_dict, drift_table
    from sim.results.files import to_json

    drifted = False
    with exporter_at(metrics, lasts=again) as exporter:
        if exporter.address:
            tell(f"metrics are at {exporter.address}")
        state = State(one_line(asked.name))
        for start_ns, end_ns in asked.windows():
            try:
                with running() as watch:
                    found = asked.round(start_ns, end_ns, watch)
                past = found.past(asked.tolerances)
            except ColdaisleError as error:
                state = State(state.scenario, state.drift, state.past, state.rounds + 1, state.failed + 1)
                exporter.show(state)
                if not again or state.failed == state.rounds:
                    raise
                tell(f"coldaisle: {error}; trying again")
                continue
            judged = bool(past) if asked.tolerances else None
            state = State(state.scenario, found, judged, state.rounds + 1, state.failed)
            exporter.show(state)
            drifted = drifted or bool(past)
            if as_json:
                told = as_dict(found, past)
                sys.stdout.write(f"{json.dumps(told)}\n" if again else to_json(told))  # of several, one a line
                sys.stdout.flush()
            else:
                show_tables(drift_table(found))
                for one in past:
                    say(f"past tolerance: {one}")
    return drifted
