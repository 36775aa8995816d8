"""What a shell offers to complete: names and paths that are there, found as cheaply as they can be.

A completion that fails offers nothing: whoever presses the tab key did not ask for a message.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

MOST = 200
"""Words that are offered at once."""
Complete = Callable[[typer.Context, str], list[str]]


def _quietly(find: Callable[[typer.Context, str], Iterator[str]]) -> Complete:
    """The words that begin as what was typed; none where anything goes wrong."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        words: list[str] = []
        with suppress(Exception):
            for word in find(ctx, incomplete):
                if word.startswith(incomplete) and len(words) < MOST:
                    words.append(word)
        return words

    return complete


def _files(incomplete: str, *endings: str) -> Iterator[str]:
    """Files that end so, and folders to go on in, where the word so far leads."""
    head, slash, _ = incomplete.rpartition("/")
    for path in sorted(Path(f"{head}{slash}" or ".").iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield f"{head}{slash}{path.name}/"
        elif path.suffix in endings:
            yield f"{head}{slash}{path.name}"


def _shipped(folder: str) -> Iterator[str]:
    from sim.profiles.catalog import shipped_folder

    yield from (path.stem for path in sorted((shipped_folder("scenarios") / folder).glob("*.yaml")))


@_quietly
def scenario_names(_ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Shipped scenarios, and YAML files."""
    yield from _shipped("")
    yield from _files(incomplete, ".yaml", ".yml")


@_quietly
def study_names(_ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Shipped studies, and YAML files."""
    yield from _shipped("studies")
    yield from _files(incomplete, ".yaml", ".yml")


@_quietly
def record_names(_ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Published records, and YAML files."""
    yield from _shipped("published")
    yield from _files(incomplete, ".yaml", ".yml")


@_quietly
def profile_names(_ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """Profiles that ship."""
    from sim.profiles.catalog import Catalog

    yield from Catalog().paths()


@_quietly
def run_folders(_ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Folders with a finished run, and those that lead on."""
    head, slash, _ = incomplete.rpartition("/")
    for path in sorted(Path(f"{head}{slash}" or ".").iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            finished = (path / "manifest.json").is_file()
            yield f"{head}{slash}{path.name}{'' if finished else '/'}"


@_quietly
def format_names(_ctx: typer.Context, _incomplete: str) -> Iterator[str]:
    """Formats of exports."""
    from sim.exports.registry import FORMATS

    yield from FORMATS


@_quietly
def path_words(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Paths of the run's summary, as far as the next point."""
    summary = json.loads((Path(ctx.params["folder"]) / "summary.json").read_text(encoding="utf-8"))
    yield from _below(summary, incomplete)


@_quietly
def set_words(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Dotted paths of the scenario at hand, as far as the next point; ``=`` after the last name."""
    from sim.loading.scenario import read_scenario
    from sim.results.files import SCENARIO

    if "=" in incomplete:
        return
    given = ctx.params.get("scenario") or ctx.params.get("folder") or next(word for word in ctx.args if word[0] != "-")
    source: Any = Path(given) / SCENARIO if Path(given).is_dir() else given  # an option without its value hides words
    document, _, _ = read_scenario(source)
    yield from _below(document.data, incomplete, "=")


def _below(tree: Any, incomplete: str, end: str = "") -> Iterator[str]:
    """Names within the mapping or list to which all but the last name of a path leads."""
    from sim.paths import joined, keys_of, quoted

    *above, _ = keys_of(incomplete)
    head, point = joined(above), "." if above else ""
    for key in above:
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    for name, inner in items:
        own = inner.get("name") if isinstance(inner, Mapping) and isinstance(tree, list) and not end else None
        more = bool(inner) and isinstance(inner, Mapping | list)
        yield f"{head}{point}{quoted(own if isinstance(own, str) else str(name))}{'.' if more else end}"
