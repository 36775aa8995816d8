"""The command that writes finished runs and studies as files of other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.completion import format_names, run_folders
from sim.cli.options import show_tables, tell
from sim.cli.progress import running
from sim.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(export)


def export(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The folder of a finished run, or of a study.", autocompletion=run_folders),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="FORMAT", help="Which format; see --list.", autocompletion=format_names),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; its end chooses the form.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the formats, and who reads them.")] = False,
) -> None:
    """Write a finished run as a file that other tools read, to standard output or to FILE."""
    from sim.exports.registry import export_to, exported, listing

    if listed:
        show_tables(listing())
        return
    if folder is None or name is None:
        raise InputError.one(
            "export", "needs the folder of a run and --as FORMAT; 'coldaisle export --list' has them all"
        )
    if out is None:
        with running():
            written = exported(folder, name)
        sys.stdout.write(written)
        return
    with running():
        export_to(folder, name, out)
    tell(f"written to {out}")
