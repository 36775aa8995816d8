"""Reads a scenario: a file with what it ``extends:``, then ``--set`` overrides, checked together, every problem placed.

Merging: mappings merge key by key, anything else replaces; ``null`` takes an inherited value away; and a mapping whose
``kind`` differs from the inherited one replaces it whole, since the fields of one kind mean nothing to another. A
``file:`` is relative to the file that names it (or, from ``--set`` and Python, to the working directory).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from sim.build.resolved import Resolved
from sim.checks import above_tdp, methods, serving, unit_effects, without_effect
from sim.checks.ledger_size import with_bin
from sim.checks.scenario import crosscheck
from sim.checks.unusual import remarks
from sim.documents import Document, KeyPath, Place, from_mapping, key_path, named_files, parse_value, read_document
from sim.errors import InputError, Problem
from sim.loading.growth import grow
from sim.mistaken import no_scenario
from sim.paths import assigned, joined, written_over
from sim.profiles.catalog import Catalog, listed, shipped_folder
from sim.spec.parts import Parts
from sim.spec.scenario import Scenario
from sim.validation import nearest, validate

SET = "--set"
DEEPEST_EXTENDS = 16


@dataclass(frozen=True)
class Loaded:
    """A scenario that holds together, with the ``answers`` to what is asked of it, and the document it came from.

    ``bin_chosen`` says why its reporting interval is not the usual one, where it was not written.
    """

    answers: Resolved
    document: Document
    source: str
    bin_chosen: str | None = None

    @property
    def scenario(self) -> Scenario:
        """What was written, every default and override made visible."""
        return self.answers.scenario

    @property
    def catalog(self) -> Catalog:
        """The profiles that it rests on."""
        return self.answers.catalog

    def with_catalog(self, catalog: Catalog) -> Loaded:
        """The same scenario on other profiles."""
        return replace(self, answers=replace(self.answers, catalog=catalog))

    def anew(self) -> Loaded:
        """The same with every question asked again, of files as they are now."""
        return replace(self, answers=replace(self.answers))

    def remarks(self) -> list[str]:
        """What is possible and unusual about it, a line each."""
        return [
            *remarks(self.scenario),
            *serving.remarks(self.answers),
            *methods.remarks(self.answers),
            *unit_effects.remarks(self.answers),
            *above_tdp.remarks(self.answers),
            *without_effect.remarks(self.answers),
        ]

    def resolved(self) -> dict[str, Any]:
        """The scenario as plain data with every default and override made visible; loads back to an equal one."""
        return self.scenario.model_dump(mode="json", exclude_none=True)


def load_scenario(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    catalog: Catalog | None = None,
    *,
    activity_files: bool = True,
) -> Loaded:
    """The scenario at a path, by the name of a shipped one, or from a plain mapping.

    ``overrides`` maps dotted paths to values (text is read as YAML). Without ``activity_files`` the logs of arrivals
    are not opened, nor tables of kernels: a finished run no longer needs them. The catalog is the one given, or else
    the scenario's own profiles before the shipped ones. Raises ``InputError`` naming every problem.
    """
    document, name, folders = read_scenario(source)
    problems = list(document.problems)
    document = _override(document, overrides or {}, problems)
    grow(document, overrides or {}, assign, problems)
    resolve_files(document, document.data, (), folders)
    refused = {problem.path for problem in problems}
    found: list[Problem] = []
    scenario = validate(Scenario, document, problems=found)
    whole = scenario is not None and not problems
    parts = Parts.of(scenario) if scenario is not None and whole else Parts.salvaged(document)
    if catalog is None:
        catalog = catalog_of(document, problems)
    resolved = Resolved(parts, catalog)
    found += crosscheck(resolved, document, activity_files=activity_files)
    # what was refused while reading left a hole, and the hole is not a second mistake
    problems += [problem for problem in found if not is_hole(problem.path, refused)]
    if problems or scenario is None:
        raise InputError(problems)
    resolved, bin_chosen = with_bin(resolved)
    return Loaded(resolved, document, name, bin_chosen)


def parts_of(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any]) -> Parts:
    """The parts of a scenario under ``overrides``, as far as they parse; nothing else is checked."""
    document, _, folders = read_scenario(source)
    document = _override(document, overrides, [])
    grow(document, overrides, assign, [])
    resolve_files(document, document.data, (), folders)
    return Parts.salvaged(document)


def read_scenario(source: str | Path | Mapping[str, Any]) -> tuple[Document, str, dict[str, Path]]:
    """A scenario with what it extends, not yet checked; its name; and the folder of each file it was read from.

    Raises ``InputError`` for what cannot be read at all.
    """
    folders: dict[str, Path] = {SET: Path.cwd(), "<mapping>": Path.cwd()}
    if isinstance(source, Mapping):
        return extended(from_mapping(source), Path.cwd(), folders, ()), "<mapping>", folders
    path = scenario_path(source)
    document = extended(read_document(path), path.parent, folders, (path.resolve(),))
    folders[str(path)] = path.parent
    return document, str(path), folders


def catalog_of(document: Document, problems: list[Problem]) -> Catalog:
    """With the scenario's own folder of profiles first, if it names one."""
    folder = document.text("profiles")
    if folder is None:
        return Catalog()
    if not _usable(Path(folder)) or not Path(folder).is_dir():
        problems.append(document.problem(("profiles",), f"'{folder}' is no folder"))
        return Catalog()
    return Catalog((Path(folder), *Catalog().folders))


def is_hole(path: str, refused: Collection[str]) -> bool:
    """Whether ``path`` is, or lies within, one where a value was refused while reading."""
    ends = [*(at for at, letter in enumerate(path) if letter == "."), len(path)]
    return any(path[:end] in refused for end in ends if end)


def shipped_scenarios() -> dict[str, Path]:
    """Every scenario that comes with the package, by name."""
    return {path.stem: path for path in listed(shipped_folder("scenarios"))[0]}


def published_scenarios() -> dict[str, Path]:
    """Every scenario that comes with a published record, by name."""
    return {path.stem: path for path in listed(shipped_folder("scenarios") / "published")[0]}


def scenario_path(source: str | Path) -> Path:
    """A file as given, or the shipped scenario of that name. Raises ``InputError`` where there is neither."""
    path = Path(source)
    shipped = shipped_scenarios()
    if not _usable(path):
        raise InputError.one(repr(str(source)[:80]), "is no usable path")
    published = published_scenarios()
    if not path.exists() and str(source).removeprefix("published/") in published:
        return published[str(source).removeprefix("published/")]
    if path.exists() or path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if path.suffix == "" and not path.exists():
            raise InputError.one(str(source), "no such file")
        mistaken = no_scenario(path)
        if mistaken is not None:
            raise InputError.one(str(source), mistaken)
        return path
    if str(source) in shipped:
        return shipped[str(source)]
    if (shipped_folder("scenarios") / "studies" / f"{source}.yaml").is_file():
        raise InputError.one(str(source), f"is a study that comes with the package: coldaisle sweep {source} --out DIR")
    raise InputError.one(
        str(source), f"no such file, and no scenario of that name{nearest(source, shipped)}  ({', '.join(shipped)})"
    )


def _usable(path: Path) -> bool:
    """Whether the system could hold a file of that name at all."""
    if "\0" in str(path):
        return False
    try:
        path.exists()
        path.resolve()
    except (OSError, RuntimeError, ValueError):  # too long a name; links that go round in a circle; a NUL
        return False
    return True


def extended(document: Document, folder: Path, folders: dict[str, Path], chain: tuple[Path, ...]) -> Document:
    """``document`` merged onto what it extends, and that onto what it extends in turn."""
    if "extends" not in document.data:
        return document
    data = dict(document.data)
    base_name = data.pop("extends")
    at = document.place(("extends",))
    if not isinstance(base_name, str):
        raise InputError([document.problem(("extends",), "must be the path of one scenario file")])
    base_path = folder / base_name
    if not _usable(base_path):
        raise InputError.one(at.file, "is no usable path", line=at.line, path="extends")
    if not base_path.is_file():
        base_path = shipped_scenarios().get(base_name, base_path)
    if base_path.resolve() in chain or len(chain) > DEEPEST_EXTENDS:
        raise InputError([document.problem(("extends",), f"'{base_name}' extends this file in turn")])
    if not base_path.is_file():
        hint = f"is no file, and no shipped scenario{nearest(base_name, shipped_scenarios())}"
        raise InputError.one(at.file, f"'{base_name}' {hint}", line=at.line, path="extends")
    base = read_document(base_path)
    folders[str(base_path)] = base_path.parent
    base = extended(base, base_path.parent, folders, (*chain, base_path.resolve()))
    base = _without_record(base)
    replaced: set[KeyPath] = set()
    merged = _merge(base.data, data, (), replaced)
    places = {path: place for path, place in base.places.items() if not _within(path, replaced)}
    places.update(document.places)
    return Document(merged, places, [*base.problems, *document.problems])


def _without_record(document: Document) -> Document:
    """What was published of a scenario was not published of one that extends it."""
    if "published" not in document.data:
        return document
    data = {key: value for key, value in document.data.items() if key != "published"}
    places = {path: place for path, place in document.places.items() if path[:1] != ("published",)}
    return Document(data, places, document.problems)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], path: KeyPath, replaced: set[KeyPath]) -> dict[str, Any]:
    """``over`` laid over ``base``; the paths whose inherited value is gone are added to ``replaced``."""
    merged = dict(base)
    for key, value in over.items():
        before = base.get(key)
        alike = (
            isinstance(before, dict)
            and isinstance(value, dict)
            and ("kind" not in value or value["kind"] == before.get("kind"))
        )
        if alike:
            merged[key] = _merge(base[key], value, (*path, key), replaced)
            continue
        replaced.add((*path, key))
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _within(path: KeyPath, roots: Collection[KeyPath]) -> bool:
    return any(path[:length] in roots for length in range(1, len(path) + 1))


def parse_assignments(assignments: list[str]) -> dict[str, str]:
    """``['a.b=1', ...]`` as the command gets them -> ``{'a.b': '1'}``. Raises ``InputError`` for one without '='."""
    problems = [
        Problem(SET, None, text, "write PATH=VALUE, e.g. site.grid.intensity='57 gCO2e/kWh'")
        for text in assignments
        if not assigned(text)[0]
    ]
    if problems:
        raise InputError(problems)
    pairs = [(path.strip(), value) for path, value in map(assigned, assignments)]
    twice = [path for path, count in Counter(path for path, _ in pairs).items() if count > 1]
    if twice:
        raise InputError([Problem(SET, None, path, "is set more than once") for path in twice])
    return dict(pairs)


def _override(document: Document, overrides: Mapping[str, Any], problems: list[Problem]) -> Document:
    data: Any = copied(document.data)
    places = dict(document.places)
    problems += [
        Problem(SET, None, outer, f"takes away what '{inner}' sets; write it before that")
        for inner, outer in written_over([str(written) for written in overrides])
    ]
    for written, given in overrides.items():
        path_text = str(written)
        path = key_path(path_text)
        try:
            if isinstance(given, str):
                value = parse_value(given, SET) if given.strip() else ""
            else:
                single = from_mapping({"value": given}, SET)
                problems += [Problem(SET, None, path_text, problem.message) for problem in single.problems]
                value = single.data["value"]
        except InputError as error:
            problems += [Problem(SET, None, path_text, problem.message) for problem in error.problems]
            continue
        fault = assign(data, path, value)
        if fault is not None:
            problems.append(Problem(SET, None, path_text, fault))
            continue
        for old in [p for p in places if p[: len(path)] == path]:
            del places[old]
        for length in range(1, len(path) + 1):
            places.setdefault(path[:length], Place(SET, None))
    return Document(data, places, document.problems)


def copied(value: Any) -> Any:
    """Plain data that shares nothing mutable with ``value``."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def assign(data: Any, path: KeyPath, value: Any) -> str | None:
    """Sets ``path`` in ``data``; what is wrong with the path, if it leads nowhere."""
    for part, following in pairwise(path):
        if isinstance(data, dict):
            data = data.setdefault(str(part), [] if isinstance(following, int) else {})
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return f"nothing has a '{part}' there"
    last = path[-1]
    if isinstance(data, dict):
        if value is None:
            data.pop(str(last), None)
        else:
            data[str(last)] = value
        return None
    if isinstance(data, list):
        if not isinstance(last, int) or last >= len(data):
            return f"is a list of {len(data)}; name an item by its number from 0"
        data[last] = value
        return None
    return f"'{dotted_parent(path)}' is a single value, with nothing inside it to set"


def dotted_parent(path: KeyPath) -> str:
    """Everything but the last part of a path, dotted."""
    return joined(path[:-1])


def resolve_files(document: Document, data: Any, path: KeyPath, folders: Mapping[str, Path]) -> None:
    """Makes every ``file:`` and the folder of ``profiles:`` absolute: a resolved scenario means the same anywhere."""
    for holder, name, at in named_files(data, path):
        file = folders.get(document.place(at).file, Path.cwd()) / holder[name]
        if _usable(file):
            holder[name] = str(file.resolve())
