"""One scenario in many variants: read once, and of each variant only what changed is checked anew.

A variant is what ``load_scenario`` with the same overrides would give, problem for problem; a test holds them equal.
What a section was validated to be stands in every variant that leaves it alone, and a log of arrivals is opened again
only where something about it changed.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sim.build.resolved import Resolved
from sim.checks.ledger_size import with_bin
from sim.checks.scenario import crosscheck
from sim.documents import Document, Place, from_mapping, key_path, named_files
from sim.errors import InputError, Problem
from sim.loading.scenario import Loaded, assign, catalog_of, copied, is_hole, resolve_files
from sim.plain import inside
from sim.profiles.catalog import Catalog
from sim.spec.parts import Parts
from sim.spec.scenario import Scenario
from sim.validation import validate

_SCENARIO: TypeAdapter[Scenario] = TypeAdapter(Scenario)
_PRICED = {"site", "sites", "accounting", "name", "description", "uncertainty", "seed"}
"""Sections that no check of the machines and of the work reads."""
_WITHOUT_LOGS = {*_PRICED, "outputs", "cluster"}
MOST_CHECKED = 4096


class Variants:
    """Variants of one document, whose files are named relative to ``folders`` by the file that names them.

    ``moved`` says where some of these files now stand, by the whole path they had.
    """

    def __init__(
        self, document: Document, name: str, folders: Mapping[str, Path], moved: Mapping[str, str] | None = None
    ) -> None:
        if document.problems:
            raise InputError(document.problems)
        data: Any = copied(document.data)
        self._moved = moved or {}
        resolve_files(document, data, (), folders)
        _move(data, self._moved)
        self._document = Document(data, document.places)
        self._name = name
        self._folders = folders
        self._problems: list[Problem] = []
        self._catalog = catalog_of(self._document, self._problems)
        self._sections: dict[str, Any] = {}
        self._logs = _Passed()
        self._runs = _Passed()

    @property
    def catalog(self) -> Catalog:
        """The base's profiles."""
        return self._catalog

    def base(self, path: str) -> Any:
        """The base's own value at a path, None where it has none."""
        return self._document.at(*key_path(path))

    def at(self, values: Mapping[str, Any], places: Mapping[str, Place]) -> Loaded:
        """The base with ``values`` by path, written at ``places``. Raises ``InputError`` with every problem."""
        document, problems = self._changed(values, places)
        refused = {problem.path for problem in problems}
        catalog = self._catalog if "profiles" not in values else catalog_of(document, problems)
        problems += self._problems if "profiles" not in values else []
        found: list[Problem] = []
        scenario = None
        if not problems:
            with suppress(ValidationError):
                scenario = _SCENARIO.validate_python(self._from_sections(document.data, values))
        if scenario is None:
            scenario = validate(Scenario, document, problems=found)
        whole = scenario is not None and not problems
        parts = Parts.of(scenario) if scenario is not None and whole else Parts.salvaged(document)
        resolved = Resolved(parts, catalog)
        runs = json.dumps({path: value for path, value in values.items() if _top(path) not in _PRICED}, default=str)
        logs = None
        if whole and runs in self._runs:
            found += crosscheck(resolved, document, activity_files=False, priced_only=True)
        else:
            logs = _what_logs_hold_for(document.data)
            found += crosscheck(resolved, document, activity_files=logs not in self._logs)
        problems += [problem for problem in found if not is_hole(problem.path, refused)]
        if problems or scenario is None:
            raise InputError(problems)
        self._runs.add(runs)
        if logs is not None:
            self._logs.add(logs)
        resolved, bin_chosen = with_bin(resolved)
        return Loaded(resolved, document, self._name, bin_chosen)

    def _changed(self, values: Mapping[str, Any], places: Mapping[str, Place]) -> tuple[Document, list[Problem]]:
        data = dict(self._document.data)
        where = dict(self._document.places)
        problems: list[Problem] = []
        fresh: set[str] = set()
        for path, value in values.items():
            keys = key_path(path)
            top = str(keys[0])
            if top not in fresh and top in data:
                data[top] = copied(data[top])
            fresh.add(top)
            place = places[path]
            single = from_mapping({"value": value}, place.file)
            problems += [Problem(place.file, place.line, path, problem.message) for problem in single.problems]
            fault = assign(data, keys, single.data["value"])
            if fault is not None:
                problems.append(Problem(place.file, place.line, path, fault))
                continue
            if isinstance(value, dict | list) or isinstance(self.base(path), dict | list):
                for old in [known for known in where if known[: len(keys)] == keys]:
                    del where[old]
            where[keys] = place
            for length in range(1, len(keys)):
                where.setdefault(keys[:length], place)
        document = Document(data, where)
        for top in fresh & data.keys():
            resolve_files(document, data[top], (top,), self._folders)
            _move(data[top], self._moved)
        return document, problems

    def _from_sections(self, data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """``data`` with the sections that no override touches as they were validated before, defaults included."""
        touched = set(map(_top, values))
        known = {name: section for name, section in self._untouched().items() if name not in touched}
        return {**data, **known}

    def _untouched(self) -> Mapping[str, Any]:
        if not self._sections:
            try:
                scenario = _SCENARIO.validate_python(self._document.data)
            except ValidationError:  # it may lack what the axes give
                return {}
            whole = {name: getattr(scenario, name) for name in Scenario.model_fields}
            self._sections = {name: section for name, section in whole.items() if section is not None}
        return self._sections


def _top(path: str) -> str:
    """The section that a path leads into."""
    return path.partition(".")[0]


class _Passed:
    """What has passed its checks, as text, so far back as is worth remembering."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, text: str) -> bool:
        return text in self._known

    def add(self, text: str) -> None:
        self._known[text] = None
        if len(self._known) > MOST_CHECKED:
            self._known.popitem(last=False)


def _what_logs_hold_for(data: Mapping[str, Any]) -> str:
    """What decides whether the logs of arrivals are right, as text."""
    read = {key: value for key, value in data.items() if key not in _WITHOUT_LOGS}
    names = ("kind", "arrivals", "lengths", "step_time", "priorities", "batching")
    read["workloads"] = {
        name: {part: value for part, value in inside(work) if part in names}
        for name, work in inside(read.pop("workloads", None))
    }
    return json.dumps(read, default=str)


def _move(data: Any, moved: Mapping[str, str]) -> None:
    """Names every file of ``moved``, and the folder of profiles, by where it stands now."""
    for holder, name, _ in named_files(data) if moved else ():
        holder[name] = moved.get(holder[name], holder[name])
