"""The command that says how a number came about. Like ``sim.cli.command`` it reads arguments and prints."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.completion import path_words, run_folders
from sim.cli.options import JsonOption, say
from sim.errors import InputError

LEAST_WIDTH = 40
"""Columns: in fewer, numbers do not fit beside their names."""


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(explain)


def explain(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder of a finished run.", autocompletion=run_folders)
    ],
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A number of its summary.json; * for several.", autocompletion=path_words),
    ],
    as_json: JsonOption = False,
) -> None:
    """Say how a number came about: formula, inputs and their sources, and how well they are known.

    PATH is dotted: carbon_kg.total, kpi.pue, serving.chat.ttft_s.p99, 'energy_kwh.by_component.*'.
    """
    from sim.results.explain.text import WIDTH, text_of
    from sim.results.files import read, to_json
    from sim.running.explain import explanations

    if not folder.exists() and Path(path).is_dir():
        raise InputError.one(str(folder), f"is no folder; the folder comes first: coldaisle explain {path} {folder}")
    found = explanations(read(folder), path)
    if as_json:
        told = [one.as_dict() for one in found]
        sys.stdout.write(to_json(told[0] if len(told) == 1 and "*" not in path else told))
        return
    width = min(WIDTH, max(LEAST_WIDTH, shutil.get_terminal_size().columns))
    say("\n\n".join(text_of(one, width).rstrip("\n") for one in found))
