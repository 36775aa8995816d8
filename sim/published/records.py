"""Which records there are, and reading one: a scenario that carries what was published of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.documents import KeyPath, key_path, named_files
from sim.errors import InputError, Problem
from sim.loading.scenario import Loaded, load_scenario, published_scenarios, scenario_path, shipped_scenarios
from sim.paths import joined
from sim.plain import as_number, as_text, inside, nested
from sim.spec.published import PublishedRecord
from sim.validation import nearest

NO_CONSTANTS = frozenset(
    {"name", "description", "seed", "start", "end", "duration", "outputs", "profiles", "uncertainty", "published"}
)
"""Sections of a scenario whose numbers need no source: they decide no result, or only its time and its draws."""


@dataclass(frozen=True)
class RunAsked:
    """A run that a record asks for: a scenario, and overrides of it."""

    source: str
    overrides: Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A published record that holds together, and the runs that it asks for."""

    id: str
    loaded: Loaded
    runs: Mapping[str, RunAsked]

    @property
    def published(self) -> PublishedRecord:
        """What it says."""
        found = self.loaded.scenario.published
        assert found is not None
        return found


def read_records(names: Sequence[str]) -> list[Record]:
    """The records of these names (all that ship, if none is given), or scenario files that carry one.

    Raises ``InputError`` naming every problem of all of them.
    """
    shipped = published_scenarios()
    problems: list[Problem] = []
    records: list[Record] = []
    for name in dict.fromkeys(names or shipped):
        try:
            records.append(read_record(name, shipped))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return records


def read_record(name: str, shipped: Mapping[str, Path]) -> Record:
    """One of them. Raises ``InputError`` naming every problem."""
    if name not in shipped and "/" not in name and not Path(name).exists() and not name.endswith((".yaml", ".yml")):
        there = name in shipped_scenarios()
        what = "is a scenario that ships and carries no published record"
        none = f"no published record of that name{nearest(name, shipped)}"
        raise InputError.one(name, f"{what if there else none}; `coldaisle reproduce --list` names them")
    path = shipped.get(name) or scenario_path(name)
    loaded = load_scenario(path)
    published = loaded.scenario.published
    if published is None:
        raise InputError.one(str(path), "has no 'published': there is nothing to hold its run against")
    problems: list[Problem] = []
    runs: dict[str, RunAsked] = {}
    numbers: dict[KeyPath, list[str]] = {} if published.runs else {path: [] for path in _of(loaded.document.data)}
    for run, asked in published.runs.items():
        at = ("published", "runs", run)
        overrides = {where: _absolute(where, value, path.parent) for where, value in asked.set.items()}
        source = str(path) if asked.scenario is None else _other(asked.scenario, path.parent)
        runs[run] = RunAsked(source, overrides)
        try:
            for number in _of(load_scenario(source, overrides).document.data):
                numbers.setdefault(number, []).append(run)
        except InputError as error:
            named = f"'{asked.scenario}' " if asked.scenario is not None else ""
            problems += [loaded.document.problem(at, f"{named}cannot be run: {_told(one)}") for one in error.problems]
    whole = not problems
    problems += _without_source(loaded, numbers, published.constants)
    if whole:  # a run that cannot be read hides its numbers
        problems += _without_number(loaded, numbers, published.constants)
    if problems:
        raise InputError(problems)
    return Record(path.stem, loaded, runs or {"this": RunAsked(str(path), {})})


def unsourced(data: Mapping[str, Any], constants: Iterable[str]) -> list[str]:
    """The dotted paths of numbers of a scenario that lie under none of the paths in ``constants``."""
    covered = [key_path(where) for where in constants]
    return sorted(joined(path) for path in _of(data) if not any(path[: len(c)] == c for c in covered))


def _of(data: Mapping[str, Any]) -> list[KeyPath]:
    """Where a scenario has numbers that need a source."""
    return [path for section in data.keys() - NO_CONSTANTS for path in _numbers(data[section], (section,))]


def _numbers(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if nested(value):
        for key, part in inside(value):
            yield from _numbers(part, (*path, key))
    elif path[-1] == "file" or as_number(value) is not None or re.match(r"[+-]?\d", as_text(value) or ""):
        yield path  # a file holds numbers, too


def _without_source(
    loaded: Loaded, numbers: Mapping[KeyPath, Sequence[str]], constants: Iterable[str]
) -> Iterator[Problem]:
    """Numbers, each with the runs that have it, of which no constant says where they come from."""
    covered = [key_path(where) for where in constants]
    for path, runs in numbers.items():
        if not any(path[: len(c)] == c for c in covered):
            named = f" ({'runs' if len(runs) > 1 else 'run'} {', '.join(runs)})" if runs else ""
            message = f"does not say where '{joined(path)}'{named} comes from, nor anything above it"
            yield loaded.document.problem(("published", "constants"), message)


def _without_number(loaded: Loaded, numbers: Iterable[KeyPath], constants: Iterable[str]) -> Iterator[Problem]:
    """Constants below which no run has a number."""
    there = {path[:length] for path in numbers for length in range(1, len(path) + 1)}
    for where in constants:
        if key_path(where) not in there:
            message = f"there is no number at '{where}', nor below it{nearest(where, map(joined, there))}"
            yield loaded.document.problem(("published", "constants", where), message)


def _other(named: str, folder: Path) -> str:
    """Another scenario: a file beside the record, or one that ships."""
    beside = folder / named
    return str(beside) if beside.is_file() else named


def _absolute(where: str, value: Any, folder: Path) -> Any:
    """Overrides mean files beside the record, wherever it is read from."""
    *parent, last = key_path(where)
    means_file = any(named_files({last: value}, tuple(parent))) if isinstance(value, str) else False
    return str((folder / value).resolve()) if means_file else value


def _told(problem: Problem) -> str:
    return f"{problem.path}: {problem.message}" if problem.path else problem.message
