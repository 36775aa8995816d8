"""One scenario in many variants: read once, and of each variant only what changed is checked anew.

A variant is what ``load_scenario`` with the same overrides would give, problem for problem; a test holds them equal.
What a section was validated to be stands in every variant that leaves it alone, and a log of arrivals is opened again
only where something about it changed.
"""

from __future__ import annotations

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
from sim.loading.growth import grow, tops
from sim.loading.scenario import Loaded, assign, catalog_of, copied, is_hole, resolve_files
from sim.profiles.catalog import Catalog
from sim.spec.parts import Parts
from sim.spec.scenario import Scenario
from sim.validation import validate

_SCENARIO: TypeAdapter[Scenario] = TypeAdapter(Scenario)
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
        self._passed: OrderedDict[str, None] = OrderedDict()  # what a run was given that has passed its checks

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
        priced_only = whole and resolved.given in self._passed
        found += crosscheck(resolved, document, activity_files=not priced_only, priced_only=priced_only)
        problems += [problem for problem in found if not is_hole(problem.path, refused)]
        if problems or scenario is None:
            raise InputError(problems)
        if not priced_only:
            self._passed[resolved.given] = None
            if len(self._passed) > MOST_CHECKED:
                self._passed.popitem(last=False)
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
        for top in tops(data) - fresh:
            data[top] = copied(data[top])
            fresh.add(top)
        document = Document(data, where)
        grow(document, values, assign, problems)
        for top in fresh & data.keys():
            resolve_files(document, data[top], (top,), self._folders)
            _move(data[top], self._moved)
        return document, problems

    def _from_sections(self, data: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """``data`` with the sections that no override touches as they were validated before, defaults included."""
        touched = {*map(_top, values), *tops(data)}
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


def _move(data: Any, moved: Mapping[str, str]) -> None:
    """Names every file of ``moved``, and the folder of profiles, by where it stands now."""
    for holder, name, _ in named_files(data) if moved else ():
        holder[name] = moved.get(holder[name], holder[name])
