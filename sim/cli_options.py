"""Options that several commands take, and how a command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout and nothing else.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. site.grid.intensity='57 gCO2e/kWh'."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Print no tables.")]


def show_tables(renderable: RenderableType) -> None:
    """Prints a table or several, as wide as the terminal."""
    from rich.console import Console

    Console(soft_wrap=False, highlight=False).print(renderable)
