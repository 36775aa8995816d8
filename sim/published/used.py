"""Which profiles the runs of a record use, and where their numbers come from: constants that no scenario file shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sim.documents import KeyPath, read_document
from sim.loading.scenario import load_scenario
from sim.paths import joined
from sim.plain import as_mapping, as_number, as_text, inside, nested
from sim.published.records import NO_CONSTANTS, Record


@dataclass(frozen=True)
class Used:
    """A profile: ``sources`` by the keys that its numbers name them by, and its ``numbers`` by path with such a key."""

    name: str
    kind: str
    sources: Mapping[str, Mapping[str, Any]]
    numbers: Mapping[str, tuple[float, str]]

    @property
    def titles(self) -> list[str]:
        """Of its sources."""
        return [as_text(source.get("title")) or key for key, source in self.sources.items()]

    def from_paper(self, paper: str) -> Mapping[str, float]:
        """Its numbers that come from a paper that ``paper`` names by its number at arXiv."""
        named = set(re.findall(r"\d{4}\.\d{4,5}", paper))
        keys = {key for key, source in self.sources.items() if str(source.get("arxiv", "")) in named}
        return {where: value for where, (value, key) in self.numbers.items() if key in keys}


def profiles_used(record: Record) -> list[Used]:
    """Every profile that a run of the record names, and what those name in turn, in alphabetical order. A run's own
    folder of profiles is among those that are looked through."""
    found: dict[str, Used] = {}
    for run in record.runs.values():
        loaded = load_scenario(run.source, run.overrides)
        paths = loaded.catalog.paths()
        sections = loaded.document.data.items()
        left = {text for section, value in sections if section not in NO_CONSTANTS for text in _texts(value)}
        while left:
            name = left.pop()
            if name in found or name not in paths:
                continue
            data = read_document(paths[name]).data
            sources = {key: as_mapping(source) or {} for key, source in (as_mapping(data.get("sources")) or {}).items()}
            found[name] = Used(name, str(data.get("kind")), sources, dict(_numbers(data, ())))
            left |= set(_texts({key: value for key, value in data.items() if key not in ("name", "sources")}))
    return [found[name] for name in sorted(found)]


def _texts(value: Any) -> Iterator[str]:
    if nested(value):
        for _, part in inside(value):
            yield from _texts(part)
    elif (text := as_text(value)) is not None:
        yield text


def _numbers(value: Any, path: KeyPath) -> Iterator[tuple[str, tuple[float, str]]]:
    """Numbers that name their source, in the unit that they are written in."""
    mapping = as_mapping(value)
    if mapping is not None and "value" in mapping and "source" in mapping:
        written = as_number(mapping["value"])
        found = re.match(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", as_text(mapping["value"]) or "")
        number = float(written) if written is not None else float(found[0]) if found is not None else None
        if number is not None:
            yield joined(path), (number, str(mapping["source"]))
    elif nested(value):
        for key, part in inside(value):
            yield from _numbers(part, (*path, key))


def sources_dict(record: Record) -> dict[str, Any]:
    """Where a record's numbers come from, as plain data: its constants, and its profiles with their sources and with
    what of them is of the paper itself."""
    profiles = {
        used.name: {"kind": used.kind, "sources": used.titles, "of_the_paper": used.from_paper(record.published.paper)}
        for used in profiles_used(record)
    }
    constants = {where: constant.model_dump() for where, constant in record.published.constants.items()}
    return {"id": record.id, "constants": constants, "profiles": profiles}
