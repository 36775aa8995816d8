"""The commands of studies. Like ``sim.cli.command`` they read arguments, call the package and print."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sim.cli.completion import study_names
from sim.cli.interrupts import stop_if_interrupted
from sim.cli.options import say, show_tables, suggest, tell
from sim.cli.progress import Shown, has_last_line, overwrite
from sim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.study.store import Store
    from sim.study.sweep.finished import Progress, StudyResults
    from sim.study.sweep.plan import Plan

CacheOption = Annotated[
    Path | None, typer.Option("--cache", metavar="DIR", help="Where simulations are kept (the user's own cache).")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Keep simulations only until this study is done.")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    app.command()(sweep)
    app.command()(cache)
    app.command()(pareto)


def sweep(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A YAML file, or the name of a shipped study.", autocompletion=study_names
        ),
    ],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Where the dataset goes; s3:// and others, too.")],
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Processes (one a core).", show_default=False)
    ] = None,
    dask: Annotated[
        str | None, typer.Option("--dask", metavar="ADDRESS", help="Send the work to this Dask scheduler.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study that was stopped.")] = False,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no tables.")] = False,
) -> None:
    """Run a study: many variants of one scenario, as one Parquet dataset."""
    from sim.results.files import to_json
    from sim.study.sweep.tables import study_tables

    if cache is not None and no_cache:
        raise InputError.one("sweep", "takes either --cache or --no-cache")
    if no_cache or resume or dask is not None or "://" in out:
        results = _run_study(study, out, workers, dask, cache, resume=resume, keep=not no_cache, quiet=quiet)
    else:
        from sim.study.sweep.again import Again

        again = Again(study, Path(out), _store(cache))
        told = again.told()
        if told is None:
            again.listen()
        results = told or _run_study(study, out, workers, None, cache, quiet=quiet, done=again.keep)
    if as_json:
        sys.stdout.write(to_json(results.as_dict()))
    elif not quiet:
        show_tables(study_tables(results))
        tell(f"written to {out}")
        suggest(f"coldaisle pareto {shlex.quote(out)} --over PATH --over PATH   (results, by their columns)")
    if results.progress.failed == results.progress.points:
        raise typer.Exit(1)


def _run_study(
    study: str,
    out: str,
    workers: int | None,
    dask: str | None,
    cache: Path | None,
    *,
    resume: bool = False,
    keep: bool = True,
    quiet: bool,
    done: Callable[[Plan, StudyResults], None] | None = None,
) -> StudyResults:
    """The study, run, with a line of progress; where it was stopped, how to go on with it is told."""
    from sim.study.sweep.run import Interrupted
    from sim.study.sweep.run import sweep as swept

    shown = Shown("points") if has_last_line() and not quiet else None

    def watch(how: Progress) -> None:
        stop_if_interrupted()
        if shown is not None and how.points:
            shown(how.done, how.points, how.failed)
        elif shown is not None:
            shown.counted(how.checked)

    try:
        results = swept(
            study,
            out,
            workers=workers,
            dask=dask,
            resume=resume,
            cache=_store(cache) if keep else None,
            keep=keep,
            watch=watch,
            done=done,
        )
    except Interrupted as stopped:
        overwrite(shown)
        how = stopped.progress
        words = ["coldaisle", "sweep", study, "--out", out, "--resume"]
        given = {"--workers": workers, "--dask": dask, "--cache": cache}
        words += [word for name, value in given.items() if value is not None for word in (name, str(value))]
        words += ["--no-cache"] if not keep else []
        are = "is" if how.done == 1 else "are"
        kept = f"{how.done:,} of {how.points:,} points {are} done and kept"
        if not how.points:
            were = "point was" if how.checked == 1 else "points were"
            kept = f"stopped after {how.checked:,} {were} checked"
        tell(f"{kept}; go on with\n  {shlex.join(words)}")
        raise
    overwrite(shown)
    return results


def pareto(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a finished study.")],
    over: Annotated[
        list[str] | None,
        typer.Option("--over", metavar="[min:|max:]PATH", help="A result, by its column; two or three of them."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the front as .csv or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")] = False,
) -> None:
    """Show the points of a study that no other beats in every result."""
    from sim.results.files import to_json
    from sim.study.sweep.folder import manifest_of
    from sim.study.sweep.front import Goal, front_of, refuse_bad_target
    from sim.study.sweep.tables import front_tables, unlike_carbon

    if out is not None:
        refuse_bad_target(out)
    front = front_of(folder, [Goal.read(text) for text in over or []])
    for line in unlike_carbon(manifest_of(folder)):
        tell(line)
    if out is not None:
        front.write(out)
        tell(f"written to {out}")
    if as_json:
        sys.stdout.write(to_json(front.as_dict()))
        return
    show_tables(front_tables(front))


def cache(
    action: Annotated[Literal["info", "clear", "verify"], typer.Argument(help="What to do.")] = "info",
    cache: CacheOption = None,
    limit: Annotated[
        str | None, typer.Option("--limit", metavar="SIZE", help="How large it may grow from now on, such as '20 GiB'.")
    ] = None,
) -> None:
    """Show, empty, check or limit the cache of simulations that studies share."""
    store = _store(cache)
    if limit is not None:
        store = store.limited(_bytes(limit))
        taken = store.trim()
        if taken:
            tell(f"{taken:,} simulations were past the limit and are gone")
    if action == "clear":
        say(f"{store.clear():,} simulations cleared from {store.folder}")
        return
    if action == "verify":
        good, bad = store.verify()
        gone = f"; {bad:,} were damaged and are gone" if bad else ""
        say(f"{good:,} simulations in {store.folder} are as they were written{gone}")
        return
    count, size, most = len(list(store.entries())), store.size() / 2**20, store.limit / 2**20
    say(f"{store.folder}\n{count:,} simulations, {size:,.1f} MiB; at most {most:,.1f} MiB")


def _bytes(text: str) -> int:
    from sim.units import parse

    try:
        size = int(parse(text, "bytes"))
    except InputError as error:
        raise InputError.one("--limit", error.problems[0].message) from None
    if size < 0:
        raise InputError.one("--limit", f"must not be below zero, and is {text}")
    return size


def _store(folder: Path | None) -> Store:
    from sim.study.store import store_at

    return store_at(folder)
