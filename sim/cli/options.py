"""Options that several commands take, and how a command prints: names that others chose do nothing to the terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.completion import set_words

if TYPE_CHECKING:
    from rich.console import RenderableType

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a value, e.g. site.grid.intensity='57 gCO2e/kWh'.",
        autocompletion=set_words,
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print no tables.")]


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""All that moves the cursor, colours, rings or turns the direction of writing, but the tab and the end of a line."""


def inert(text: str) -> str:
    """Text as it may go to a terminal: each control character is shown and not obeyed."""
    return _CONTROL.sub("\ufffd", text)


def tell(text: str) -> None:
    """Writes a line to standard error."""
    sys.stderr.write(f"{inert(text)}\n")


def say(text: str) -> None:
    """Writes a line to standard output."""
    sys.stdout.write(f"{inert(text)}\n")


def suggest(*commands: str) -> None:
    """Says what to do next, to somebody at a terminal: a script that reads the output, or keeps it, is told nothing."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return
    for before, command in zip(("next:", *[""] * len(commands)), commands, strict=False):
        tell(f"{before:<5} {command}")


def show_tables(renderable: RenderableType) -> None:
    """Prints a table or several, as wide as the terminal; of a line that needs more, all of it."""
    from rich.console import Console
    from rich.segment import Segment, Segments

    console = Console(soft_wrap=False, highlight=False)
    drawn = console.render(renderable)
    console.print(Segments(Segment(inert(part.text), part.style, part.control) for part in drawn), end="", crop=False)
