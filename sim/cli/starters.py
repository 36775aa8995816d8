"""The command that writes a first scenario, from the commented ones that ship beside the scenarios."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.options import say, suggest, tell
from sim.errors import InputError

KINDS = {
    "chat": "a service that answers chats with a language model",
    "training": "a model that is trained on some servers",
    "cluster": "a cluster that groups share by a queue",
    "site": "a hall whose PUE and water follow from its plant and the weather",
}
"""What there is to begin with."""
WEATHER = "WEATHER.csv"
"""Stands in a starter for the name of the weather file that is written beside it."""
WEATHER_OF_STARTERS = "dallas.csv"


def register(app: typer.Typer) -> None:
    """Adds the command of this module."""
    app.command()(init)


def _kinds(begun: str) -> list[tuple[str, str]]:
    return [(kind, about) for kind, about in KINDS.items() if kind.startswith(begun)]


def init(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{'|'.join(KINDS)}]", help="What to begin with; listed if absent.", autocompletion=_kinds
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it (KIND.yaml).", show_default=False)
    ] = None,
) -> None:
    """Write a complete scenario to begin with, its numbers explained; nothing is written over."""
    from sim.validation import nearest

    if kind is None:
        kind = _asked()
    if kind is None:
        for name, about in KINDS.items():
            say(f"{name:<10}{about}")
        suggest(f"coldaisle init {next(iter(KINDS))}")
        return
    if kind not in KINDS:
        raise InputError.one("init", f"knows no '{kind}'{nearest(kind, KINDS)}  ({', '.join(KINDS)})")
    target = out if out is not None else Path(f"{kind}.yaml")
    files = texts(kind, target)
    for path in files:
        if path.exists() or path.is_symlink():
            raise InputError.one(str(path), "is there already, and nothing is written over; name another with --out")
    for path, text in files.items():
        _write_new(path, text)
        tell(f"written to {path}")
    named = shlex.quote(str(target))
    suggest(f"coldaisle check {named}", f"coldaisle run {named} --out {shlex.quote(target.stem)}")


def texts(kind: str, target: Path) -> dict[Path, str]:
    """What is written for a kind, by its file: the scenario, after what it reads."""
    from sim.profiles.catalog import shipped_folder

    folder = shipped_folder("scenarios")
    text = (folder / "starters" / f"{kind}.yaml").read_text(encoding="utf-8")
    files: dict[Path, str] = {}
    if WEATHER in text:
        weather = target.with_name(f"{target.stem}-weather.csv")
        files[weather] = (folder / "data" / WEATHER_OF_STARTERS).read_text(encoding="utf-8")
        text = text.replace(WEATHER, json.dumps(weather.name))  # which YAML reads as text, too
    named = shlex.quote(str(target))
    return {**files, target: text.replace("FILE", named) if named.isprintable() else text}


def _write_new(path: Path, text: str) -> None:
    """Writes a file that was not there, and its folder; one that came meanwhile stays as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.one(str(path.parent), f"cannot be made: {error.strerror or error}") from None
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError.one(str(path), "is there already; name another with --out") from None
    except OSError as error:
        raise InputError.one(str(path), f"cannot be made: {error.strerror or error}") from None


def _asked() -> str | None:
    """The kind that is chosen at a terminal; None where nobody sits there."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    for number, (name, about) in enumerate(KINDS.items(), 1):
        say(f"{number}  {name:<10}{about}")
    answer = str(typer.prompt("Which one")).strip()
    return [*KINDS][int(answer) - 1] if answer.isdigit() and 1 <= int(answer) <= len(KINDS) else answer
