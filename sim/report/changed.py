"""What differs between resolved scenarios, by path; what is the same in all is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.results.results import Results

ABSENT = "—"
NAMING = ("name", "description")


def changes(runs: Sequence[Results]) -> list[tuple[str, ...]]:
    """A row for each path at which some runs differ: the path, and what each says, in the order of the scenario. A
    section that some lack is one row. Names come last; then files, profiles and versions that are not the same."""
    rows = [*_differ([run.scenario for run in runs], "")]
    rows.sort(key=lambda row: row[0] in NAMING)
    for words, part in (("file", "inputs_sha256"), ("profile", "profiles_sha256"), ("version", "versions")):
        told = [run.manifest.get(part) or {} for run in runs]
        for name in dict.fromkeys(name for one in told for name in one):
            found = [one.get(name) for one in told]
            if None not in found and len(set(found)) > 1:  # one that is not there in all is named in the scenario
                of = "" if part == "versions" else "content of "
                rows.append((f"{of}{words} {name}", *(str(one)[:16] for one in found)))
    return rows


def _differ(values: Sequence[Any], path: str) -> Iterator[tuple[str, ...]]:
    there = [value for value in values if value is not None]
    if all(value == there[0] for value in there) and len(there) == len(values):
        return
    branches = [dict(_branches(value)) for value in there if isinstance(value, Mapping | list)]
    if len(there) < len(values) or len(branches) < len(there):
        yield (path, *(_told(value) for value in values))
        return
    for key in dict.fromkeys(key for branch in branches for key in branch):
        yield from _differ([branch.get(key) for branch in branches], f"{path}.{key}" if path else key)


def _branches(value: Mapping[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    return iter(value.items()) if isinstance(value, Mapping) else ((str(i), one) for i, one in enumerate(value))


def _told(value: Any) -> str:
    """A value in a cell: as it is, or as much of a section as fits there."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key}: {_told(one)}" for key, one in value.items() if one is not None)
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_told, value))}]"
    return str(value)
