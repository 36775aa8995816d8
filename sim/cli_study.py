"""The commands of studies. Like ``sim.cli`` they read arguments, call the package and print."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sim.errors import InputError

if TYPE_CHECKING:
    from sim.study.store import Store
    from sim.study.sweep import Progress

EVERY_S = 0.2

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
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A YAML file, or the name of a shipped study.")],
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
    from sim.study.sweep import Interrupted
    from sim.study.sweep import sweep as swept
    from sim.study.tables import study_tables

    if cache is not None and no_cache:
        raise InputError.one("sweep", "takes either --cache or --no-cache")
    shown = _Shown() if sys.stderr.isatty() and not quiet else None
    try:
        results = swept(
            study,
            out,
            workers=workers,
            dask=dask,
            resume=resume,
            cache=None if no_cache else _store(cache),
            keep=not no_cache,
            watch=shown,
        )
    except Interrupted as stopped:
        _overwrite(shown)
        how = stopped.progress
        words = ["coldaisle", "sweep", study, "--out", out, "--resume"]
        sys.stderr.write(
            f"{how.done:,} of {how.points:,} points are done and kept; go on with\n  {shlex.join(words)}\n"
        )
        raise
    _overwrite(shown)
    if as_json:
        sys.stdout.write(to_json(results.as_dict()))
    elif not quiet:
        from rich.console import Console

        Console(soft_wrap=False, highlight=False).print(study_tables(results))
        sys.stderr.write(f"written to {out}\n")


def pareto(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a finished study.")],
    over: Annotated[
        list[str],
        typer.Option("--over", metavar="[min:|max:]PATH", help="A result, by its column; two or three of them."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the front as .csv or .parquet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")] = False,
) -> None:
    """Show the points of a study that no other beats in every result."""
    from sim.results.files import to_json
    from sim.study.front import Goal, front_of
    from sim.study.tables import front_tables

    if out is not None and out.suffix not in (".csv", ".parquet"):
        raise InputError.one("--out", f"'{out}' must end in .csv or .parquet")
    front = front_of(folder, [Goal.read(text) for text in over])
    if out is not None:
        front.write(out)
        sys.stderr.write(f"written to {out}\n")
    if as_json:
        sys.stdout.write(to_json(front.as_dict()))
        return
    from rich.console import Console

    Console(soft_wrap=False, highlight=False).print(front_tables(front))


def cache(
    action: Annotated[Literal["info", "clear", "verify"], typer.Argument(help="What to do.")] = "info",
    cache: CacheOption = None,
) -> None:
    """Show, empty or check the cache of simulations that studies share."""
    store = _store(cache)
    if action == "clear":
        sys.stdout.write(f"{store.clear():,} simulations cleared from {store.folder}\n")
        return
    if action == "verify":
        good, bad = store.verify()
        gone = f"; {bad:,} were damaged and are gone" if bad else ""
        sys.stdout.write(f"{good:,} simulations in {store.folder} are as they were written{gone}\n")
        return
    count, size = len(list(store.entries())), store.size()
    sys.stdout.write(
        f"{store.folder}\n{count:,} simulations, {size / 2**20:,.1f} MiB; at most {store.limit / 2**20:,.0f} MiB\n"
    )


def _store(folder: Path | None) -> Store:
    from sim.study.store import store_at

    return store_at(folder)


class _Shown:
    """Progress as the terminal's last line: rate and time left over what this session has done."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._last = 0.0
        self._first: int | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = progress.done, now
        if now - self._last < EVERY_S:
            return
        self._last = now
        done, seconds = progress.done - self._first, now - self._began
        line = f"{progress.done:,} of {progress.points:,} points"
        if progress.failed:
            line += f", {progress.failed:,} failed"
        if done and seconds:
            rate = done / seconds
            line += f", {rate:,.1f}/s, {_span((progress.points - progress.done) / rate)} left"
        sys.stderr.write(f"\r\x1b[K{line[:78]}")
        sys.stderr.flush()


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _overwrite(shown: _Shown | None) -> None:
    if shown is not None:
        sys.stderr.write("\r\x1b[K")
