"""The command that writes pages. Like ``sim.cli.command`` it reads arguments, calls the package and prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.completion import run_folders
from sim.cli.options import suggest, tell
from sim.cli.progress import Run, running, showing
from sim.errors import InputError

if TYPE_CHECKING:
    from sim.results.results import Results


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(report)


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR ...", help="Folders of one to six finished runs, or of one study.", autocompletion=run_folders
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where to write the page.")] = Path(
        "report.html"
    ),
    with_tornado: Annotated[
        bool, typer.Option("--tornado", help="Say what would change the result most, one uncertain input at a time.")
    ] = False,
    outputs: Annotated[
        list[str] | None,
        typer.Option("--output", metavar="PATH", help="Of which results (carbon_kg.total), by path in summary.json."),
    ] = None,
    with_intervals: Annotated[
        bool,
        typer.Option("--intervals", help="Draw the ranges that the profiles' sources state, for intervals of a run."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes for points that decide the run (one a core)."),
    ] = None,
) -> None:
    """Write a run, two to six runs compared, or a study as a single HTML page, with charts and tables."""
    from sim.results.atomic import marked, refuse_unusable, write_text
    from sim.results.charts import GENERATOR
    from sim.results.files import read

    if outputs and not with_tornado:
        raise InputError.one("--output", "is of what would change a result; add --tornado")
    if workers is not None and not (with_tornado or with_intervals):
        raise InputError.one("--workers", "is of what is simulated for the page; add --tornado or --intervals")
    if with_intervals and (len(folders) > 1 or _is_study(folders[0])):
        raise InputError.one("--intervals", "is of one run; give the folder of one")
    ours = marked(GENERATOR)
    refuse_unusable(out, folder=False, ours=ours)
    if len(folders) > 1:
        with running() as watch:
            written = _comparison(folders, watch, tornado=with_tornado)
    elif _is_study(folders[0]):
        with running() as watch:
            written = _study(folders[0], watch, tornado=with_tornado)
    else:
        from sim.report.run import report as page

        with running():
            run = read(folders[0])
        drawn = _intervals(run, workers) if with_intervals else None
        over = _stated(run) if with_intervals else run.scenario.get("uncertainty")
        tornados = _tornados(run, over, outputs or ["carbon_kg.total"], workers) if with_tornado else {}
        with running() as watch:
            _drawing(watch)
            written = page(run, tornados, drawn=drawn, folder=str(folders[0]))
    write_text(written, out, ours=ours)
    tell(f"written to {out}")
    suggest(f"open {shlex.quote(str(out))} in a browser; it needs nothing else")


def _drawing(watch: Run | None) -> None:
    """Tells who looks that the page is made now."""
    if watch is not None:
        watch.stage("drawing the page")


def _comparison(folders: list[Path], watch: Run | None, *, tornado: bool) -> str:
    from sim.report.compare import MOST
    from sim.report.compare import report as page
    from sim.results.files import read

    if tornado:
        raise InputError.one("--tornado", "is of one run; give one folder")
    if len(folders) > MOST:
        told = f"compares up to {MOST} runs, and there are {len(folders)}; name fewer, or run a study (coldaisle sweep)"
        raise InputError.one("report", told)
    studies = [folder for folder in folders if _is_study(folder)]
    if studies:
        raise InputError.one(str(studies[0]), "holds a study, which has a page of its own; give it alone")
    runs = [read(folder) for folder in folders]
    _drawing(watch)
    return page(runs, folders=[*map(str, folders)])


def _is_study(folder: Path) -> bool:
    from sim.study.sweep.folder import STUDY

    return (folder / STUDY).is_file()


def _study(folder: Path, watch: Run | None, *, tornado: bool) -> str:
    from sim.report.study import report as page
    from sim.study.sweep.folder import manifest_of, points_of

    if tornado:
        raise InputError.one("--tornado", "is of one run; the page of a study says what moves its results in any case")
    study = manifest_of(folder)
    points = points_of(folder, study)
    _drawing(watch)
    return page(study, points, folder=str(folder))


def _tornados(
    results: Results, over: Mapping[str, Any] | None, outputs: list[str], workers: int | None
) -> dict[str, dict[str, Any]]:
    """What moves each of some results of a run, one at a time, by an uncertainty: its scenario's, or its sources'."""
    from sim.loading.scenario import load_scenario
    from sim.study.processes import machine_workers
    from sim.study.uncertain.effects import scenario_sensitivity

    if not over:
        message = (
            "the scenario of this run states no 'uncertainty'; give it ranges of its inputs, and run it again, or add "
            "--intervals for the ranges that the sources of its profiles state"
        )
        raise InputError.one("--tornado", message)
    loaded = load_scenario({**results.scenario, "uncertainty": over})
    found = {}
    for output in outputs:
        with showing("points") as shown:
            found[output] = scenario_sensitivity(
                loaded, "oat", output, samples=2, workers=workers or machine_workers(), watch=shown
            ).as_dict()
    return found


def _stated(results: Results) -> dict[str, Any]:
    """What the sources of a run's profiles state, as an uncertainty of its scenario."""
    from sim.profiles.catalog import Catalog
    from sim.results.stated import stated

    if results.summary.get("intervals"):
        told = "the scenario of this run states an 'uncertainty' of its own, whose intervals the page has without this"
        raise InputError.one("--intervals", told)
    known = stated(results.scenario, results.manifest["profiles_sha256"], Catalog())
    if not known.over:
        told = "no source of this run's profiles gives a range; give the scenario an 'uncertainty', and run it again"
        raise InputError.one("--intervals", told)
    return known.uncertainty


def _intervals(results: Results, workers: int | None) -> dict[str, Any]:
    """Intervals of a run over the ranges that the sources of its profiles state."""
    from sim.loading.scenario import load_scenario
    from sim.running.run import run_of
    from sim.study.processes import machine_workers
    from sim.study.uncertain.propagate import propagated

    loaded = load_scenario({**results.scenario, "uncertainty": _stated(results)})
    with showing("draws") as shown:
        found = propagated(loaded, run_of(results), workers or machine_workers(), shown)
    return {"intervals": found.intervals, "about": found.about}
