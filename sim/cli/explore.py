"""The command that serves the what-if page. Like ``sim.cli.command`` it reads arguments and calls the package."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.completion import run_folders
from sim.cli.options import say, tell
from sim.errors import InputError


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command(name="open")(open_folder)


def open_folder(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A folder of runs and studies, or one run.", autocompletion=run_folders),
    ],
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Move numbers of finished runs on a page of this machine, and see the answer beside the run; until Ctrl-C."""
    try:
        from sim.explore.server import server_of
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        remedy = "needs Starlette and uvicorn: pip install 'coldaisle[open]'"
        raise InputError.one("coldaisle open", remedy) from None
    server = server_of(folder, port)
    say(server.address)
    sys.stdout.flush()
    tell(f"{folder} is open at this address, which holds its key; Ctrl-C ends it")
    if not no_browser:
        webbrowser.open(server.address)
    server.serve()
