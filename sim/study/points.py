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
from operator import is_not
from pathlib import Path
from types import NoneType
from typing import Any

from sim.build.accounting import accounting_plan
from sim.build.seen import Question, Seen
from sim.build.world import build
from sim.content import content_hash, file_sha256
from sim.loading.scenario import Loaded
from sim.profiles.catalog import Catalog
from sim.running.run import input_files, profiles_used
from sim.spec.scenario import Scenario
from sim.validation import Spec

PRICING_PROFILES = ("grids", "fuels")
"""Kinds of profiles that a site may read in passing: all of them count."""
MOST_TEXTS = 256
MOST_RUNS = 4096
"""Runs whose key is remembered."""


@lru_cache(maxsize=1)
def build_id() -> str:
    """The package's version with a hash of its own files: other code may simulate otherwise under the same version."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".csv", ".yaml", ".json") and not {"__pycache__", "_shipped"} & set(path.parts):
            digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    libraries = ",".join(f"{name} {version(name)}" for name in ("numpy", "numba", "scipy", "simpy"))
    return f"{version('coldaisle')}+{digest.hexdigest()[:16]} {libraries}"


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


class _Keys:
    """Keys of simulations, worked out once for all scenarios that give a run the same.

    What a run is given of a scenario is known by its content, and of the sites what it asked of them the first time:
    others that answer alike simulate alike, and any will do where nothing was asked.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int], dict[tuple[Question[object], ...], dict[tuple[str, ...], str]]] = (
            OrderedDict()
        )
        self._catalogs: dict[int, Catalog] = {}  # held, so that no other takes over an id

    def key(self, loaded: Loaded) -> str:
        """Of the simulation of a scenario that has passed its checks, its signals included."""
        resolved, seen = loaded.answers.of_run, Seen(accounting_plan(loaded.answers))
        given = (content_hash(resolved.parts), id(resolved.catalog))
        asked = self._known.get(given, {})
        for questions, by_answers in asked.items():
            key = by_answers.get(seen.answers(questions))
            if key is not None:
                return key
        key = content_hash((build(resolved, seen), build_id()))
        self._catalogs[id(resolved.catalog)] = resolved.catalog
        asked.setdefault(tuple(seen.notes), {})[tuple(seen.notes.values())] = key
        self._known[given] = asked
        if len(self._known) > MOST_RUNS:
            self._known.popitem(last=False)
        return key


class Hasher:
    """Hashes of the variants of one base: the sections that a variant leaves alone are written out once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Any, ...], tuple[Any, Any, str]] = {}
        self._last: dict[str, tuple[Any, Any, str]] = {}
        self.files: set[str] = set()
        """Every input file of the points so far."""
        self._profiles_of: tuple[tuple[Any, ...], str] | None = None
        self._keys = _Keys()

    def _section(self, scenario: Scenario, name: str) -> tuple[Any, str]:
        """A section as plain data, and that as text."""
        value = getattr(scenario, name)
        last = self._last.get(name)
        if last is not None and last[0] is value:
            return last[1], last[2]
        known = self._last[name] = self._written(scenario, name, value)
        return known[1], known[2]

    def _written(self, scenario: Scenario, name: str, value: Any) -> tuple[Any, Any, str]:
        """With the value first, which must not go: another could take over its id."""
        # equal texts and times are the same; an equal duration may be written otherwise, and only its own self is
        if type(value) in (str, int, datetime, NoneType):
            token: tuple[Any, ...] = (name, value)
        elif isinstance(value, dict):
            token = (name, *value, *map(id, value.values()))
        else:
            token = (name, id(value))
        known = self._texts.get(token)
        if known is not None:
            return known
        data: Any
        if isinstance(value, Spec):
            data = value.model_dump(mode="json", exclude_none=True)
        else:
            data = scenario.model_dump(mode="json", exclude_none=True, include={name}).get(name)
        text = canonical(data)
        if len(self._texts) > MOST_TEXTS:
            self._texts.clear()
        self._texts[token] = (value, data, text)
        return self._texts[token]

    def hashes(self, loaded: Loaded) -> tuple[str, str]:
        """The point's content hash, and its simulation key. Raises ``InputError`` for a file that went away."""
        scenario, catalog = loaded.scenario, loaded.catalog
        sections = {name: self._section(scenario, name) for name in type(scenario).model_fields}
        data = {name: section for name, (section, _) in sections.items() if section is not None}
        texts = {name: sections[name][1] for name in data}
        named = any('"file":' in text for text in texts.values())
        files = {file: file_sha256(file) for file in input_files(scenario)} if named else {}
        self.files |= files.keys()
        profiles = self._profiles(scenario, catalog)
        whole = hashlib.sha256(f"{build_id()}\0{profiles}".encode())
        for name, text in list(texts.items()):
            if '"file":' in text:  # by its content, wherever it stands
                texts[name] = canonical(_with_content(data[name], files))
            whole.update(f"\0{name}\0{texts[name]}".encode())
        return whole.hexdigest(), self._keys.key(loaded)

    def _profiles(self, scenario: Scenario, catalog: Catalog) -> str:
        """The content of every profile that the scenario rests on."""
        asked = (catalog, scenario.cluster, *scenario.workloads.values())
        known = self._profiles_of
        if known is None or len(known[0]) != len(asked) or any(map(is_not, known[0], asked)):
            used = [catalog.path(name) for name in profiles_used(scenario, catalog)]
            used += [path for path in catalog.paths().values() if path.parent.name in PRICING_PROFILES]
            named = {path.stem: file_sha256(str(path)) for path in used}
            known = self._profiles_of = (asked, canonical(named))
        return known[1]
