"""What a point is: a resolved scenario with a content hash, and the key of its simulation.

Two points with one *simulation key* are given the same to simulate: the key is the hash of all that ``build`` makes of
a scenario, with the build of the package. They share a ledger, and what else they say only prices it. What a run sees
of its sites is in the key as far as something looked.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version
from types import NoneType
from typing import Any, NamedTuple

from sim.build.accounts.accounting import accounting_plan
from sim.build.seen import Question, Seen
from sim.content import UnseenError, content_hash, file_sha256
from sim.errors import InputError
from sim.kinds import plugins
from sim.loading.scenario import Loaded
from sim.memo import last_kept
from sim.profiles.catalog import Catalog
from sim.running.manifest import input_files
from sim.running.run import built_of
from sim.spec.scenario import Scenario
from sim.study.sources import own_digest
from sim.validation import Spec

Questions = tuple[Question[object], ...]
MOST_SECTIONS = 256
MOST_RUNS = 4096
"""Runs whose key is remembered."""


@lru_cache(maxsize=1)
def build_id() -> str:
    """The package's version with a hash of its own files, and of packages that add kinds: other code may simulate
    otherwise under the same version."""
    libraries = ",".join(f"{name} {version(name)}" for name in ("numpy", "numba", "scipy", "simpy"))
    added = "".join(f" {name} {known}" for name, known in plugins().items())
    return f"{version('coldaisle')}+{own_digest()} {libraries}{added}"


def canonical(value: Any) -> str:
    """Plain data as one text, whatever the order of its keys."""
    return _encoded(value)


_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode


def _with_content(value: Any, hashes: Mapping[str, str]) -> Any:
    """``value`` with every input file named by what is in it."""
    if isinstance(value, dict):
        return {
            key: hashes[item]
            if key == "file" and isinstance(item, str) and item in hashes
            else _with_content(item, hashes)
            for key, item in value.items()
        }
    return [_with_content(item, hashes) for item in value] if isinstance(value, list) else value


class Keys:
    """Keys of simulations, each worked out once for all scenarios that give a run the same.

    What a run is given of a scenario is known by its content, that of the files it names included, and of the sites
    what it asked of them the first time: others that answer alike simulate alike, and any will do where nothing was
    asked.
    """

    def __init__(self) -> None:
        # with its catalog, which is held so that no other takes over its id
        self._known: OrderedDict[tuple[Any, ...], tuple[Catalog, dict[Questions, dict[tuple[str, ...], str]]]]
        self._known = OrderedDict()

    def of(self, loaded: Loaded) -> str:
        """The key of a scenario that has passed its checks. Raises whatever keeps it from being built."""
        seen, catalog = Seen(accounting_plan(loaded.answers)), loaded.catalog
        files = tuple(file_sha256(file) for work in loaded.answers.parts.workloads.values() for _, file in work.files)
        given = (loaded.answers.given, loaded.scenario.seed, id(catalog), files)
        _, asked = self._known.setdefault(given, (catalog, {}))
        for questions, by_answers in asked.items():
            key = by_answers.get(seen.answers(questions))
            if key is not None:
                return key
        try:
            key = content_hash((built_of(loaded, seen), build_id()))
        except UnseenError as error:  # ours are held to it by the contract of kinds
            why = f"what a builder gives must be a frozen value or a function of a module, to tell runs apart: {error}"
            raise InputError.one(loaded.source, why) from error
        asked.setdefault(tuple(seen.notes), {})[tuple(seen.notes.values())] = key
        if len(self._known) > MOST_RUNS:
            self._known.popitem(last=False)
        return key


class _Section(NamedTuple):
    """A section of a scenario: its ``value``, which must not go, as another could take over its id; as plain data where
    that names files, and else None; and the hash of that data."""

    value: Any
    data: Any
    digest: bytes


class Hasher:
    """Hashes of the variants of one base: the sections that a variant leaves alone are written out once."""

    def __init__(self) -> None:
        self._sections: dict[tuple[Any, ...], _Section] = {}
        self._last: dict[str, _Section] = {}
        self.files: set[str] = set()
        """Every input file of the points so far."""
        self._keys = Keys()

    def _written(self, scenario: Scenario, name: str, value: Any) -> _Section:
        # equal texts and times are the same; an equal duration may be written otherwise, and only its own self is
        if type(value) in (str, int, datetime, NoneType):
            token: tuple[Any, ...] = (name, value)
        elif isinstance(value, dict):
            token = (name, *value, *map(id, value.values()))
        else:
            token = (name, id(value))
        known = self._sections.get(token)
        if known is not None:
            return known
        data: Any
        if isinstance(value, Spec):
            data = value.model_dump(mode="json", exclude_none=True)
        else:
            data = scenario.model_dump(mode="json", exclude_none=True, include={name}).get(name)
        text = canonical(data)
        if len(self._sections) > MOST_SECTIONS:
            self._sections.clear()
        found = _Section(value, data if '"file":' in text else None, _digest(name, text))
        self._sections[token] = found
        return found

    def hashes(self, loaded: Loaded) -> tuple[str, str]:
        """The point's content hash, and its simulation key. Raises ``InputError`` for a file that went away."""
        scenario, digests, files = loaded.scenario, [], None
        for name in Scenario.model_fields:
            value = getattr(scenario, name)
            section = self._last.get(name)
            if section is None or section.value is not value:
                section = self._last[name] = self._written(scenario, name, value)
            if section.data is None:
                digests.append(section.digest)
                continue
            if files is None:
                files = {file: file_sha256(file) for file in input_files(scenario)}
                self.files |= files.keys()
            digests.append(_digest(name, canonical(_with_content(section.data, files))))  # wherever they stand
        factors = scenario.accounting.embodied.factors
        if factors is not None:
            self.files.add(factors)
            digests.append(_digest("factors", file_sha256(factors)))
        whole = hashlib.sha256(f"{build_id()}\0{_profiles(loaded.catalog)}".encode())
        whole.update(b"".join(digests))
        mark = whole.hexdigest()
        try:
            return mark, self._keys.of(loaded)
        except Exception:  # whoever simulates it meets the same fault; if not, it stands for itself, and shares no run
            return mark, mark


def _digest(name: str, text: str) -> bytes:
    return hashlib.sha256(f"{name}\0{text}".encode()).digest()


@last_kept
def _profiles(catalog: Catalog) -> str:
    """The content of every profile that there is, as a hash."""
    return content_hash({name: file_sha256(str(path)) for name, path in catalog.paths().items()})
