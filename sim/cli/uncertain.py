"""The commands of sensitivity and search. Like ``sim.cli.command`` they read arguments, call the package and print."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from sim.cli.completion import scenario_names, set_words
from sim.cli.interrupts import stop_if_interrupted
from sim.cli.options import JsonOption, show_tables, tell
from sim.cli.progress import Shown, has_last_line, overwrite, showing
from sim.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(sensitivity)
    app.command()(optimize)


def sensitivity(
    scenario: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO",
            help="A YAML file with an 'uncertainty', or the name of one.",
            autocompletion=scenario_names,
        ),
    ],
    method: Annotated[
        Literal["sobol", "morris", "oat"],
        typer.Option("--method", help="Shares of variance, elementary effects, or one input at a time."),
    ] = "oat",
    output: Annotated[
        str, typer.Option("--output", metavar="PATH", help="A result, by its path in summary.json.")
    ] = "carbon_kg.total",
    samples: Annotated[
        int | None,
        typer.Option("--samples", metavar="N", min=2, help="Base sample of Sobol, trajectories of Morris (256, 32)."),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Override a value.", autocompletion=set_words),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes for points that decide the run (one a core)."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.html", help="Write a page with a chart.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which uncertain input moves a result."""
    from sim.loading.scenario import load_scenario, parse_assignments
    from sim.results.atomic import marked, refuse_unusable, write_text
    from sim.results.charts import GENERATOR
    from sim.results.files import to_json
    from sim.results.tornado import tornado_page, tornado_tables
    from sim.study.processes import machine_workers
    from sim.study.uncertain.effects import scenario_sensitivity

    wanted = samples if samples is not None else {"sobol": 256, "morris": 32, "oat": 2}[method]
    if method == "sobol" and wanted & (wanted - 1):
        raise InputError.one("--samples", f"must be a power of 2 for Sobol, and is {wanted}")
    ours = marked(GENERATOR)
    if out is not None:
        refuse_unusable(out, folder=False, ours=ours)
    loaded = load_scenario(scenario, parse_assignments(assignments or []))
    with showing("points") as shown:
        found = scenario_sensitivity(
            loaded, method, output, samples=wanted, workers=workers or machine_workers(), watch=shown
        ).as_dict()
    if out is not None:
        write_text(tornado_page(loaded.scenario.name, output, found), out, ours=ours)
        if not as_json:
            tell(f"written to {out}")
    if as_json:
        sys.stdout.write(to_json({"output": output, **found}))
        return
    show_tables(tornado_tables(loaded.scenario.name, output, found))


def optimize(
    search: Annotated[str, typer.Argument(metavar="SEARCH", help="A YAML file with 'base' and 'optimize'.")],
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Keep every trial here, to go on later.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the trials of the journal.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search for the least of a result within limits."""
    from sim.profiles.catalog import Catalog
    from sim.profiles.intensity_bases import unlike_points
    from sim.results.files import to_json
    from sim.results.searched import search_tables
    from sim.spec.search import load_search
    from sim.study.search.optimize import optimize as optimized

    if resume and journal is None:
        raise InputError.one("--resume", "needs the --journal to go on with")
    asked = load_search(search)
    shown = Shown("trials") if has_last_line() else None
    done = 0

    def watch(number: int, total: int) -> None:
        nonlocal done
        stop_if_interrupted()
        done = number
        if shown is not None:
            shown(number, total)

    try:
        found = optimized(asked, journal=journal, resume=resume, watch=watch).as_dict()
    except KeyboardInterrupt:
        overwrite(shown)
        kept = f"{done:,} of {asked.spec.optimize.trials:,} trials are done"
        if journal is None:
            tell(f"{kept} and not kept; --journal FILE keeps them")
        else:
            words = ["coldaisle", "optimize", search, "--journal", str(journal), "--resume"]
            tell(f"{kept} and kept; go on with\n  {shlex.join(words)}")
        raise
    overwrite(shown)
    for line in unlike_points(asked.spec.optimize.over, Catalog()):
        tell(line)
    if as_json:
        sys.stdout.write(to_json(found))
    else:
        name = asked.spec.name or Path(search).stem
        show_tables(search_tables(name, found))
    if not found["feasible"]:
        raise typer.Exit(1)
