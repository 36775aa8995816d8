"""What a point is: a resolved scenario with a content hash, and the part of it that decides the simulation.

Two points with one *simulation key* simulate the same to the bit and share a ledger; what else they say only prices
it. The key leaves out what only accounting reads: lifetimes, conventions, and the site's grid, building and water. It
keeps all of them where anything that decides during the run might read them, and where a signal cuts the ledger's bins
elsewhere than the reporting interval does. When in doubt it keeps: a point too many is simulated, never one too few.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version
from operator import is_not
from pathlib import Path
from types import NoneType
from typing import Any

from sim.accounting.plan import AccountingPlan
from sim.build.accounting import accounting_plan
from sim.build.resolved import Resolved
from sim.errors import InputError
from sim.loading.scenario import Loaded
from sim.profiles.catalog import Catalog
from sim.results.files import sha256
from sim.running.run import input_files, profiles_used
from sim.spec.scenario import Scenario
from sim.units import MAX_NS
from sim.validation import Spec

PRICED_ONLY = {"name", "description", "accounting", "site", "sites", "profiles", "uncertainty"}
ENGINE_ONLY = {"seed", "start", "end", "duration", "cluster", "workloads", "outputs"}
"""Sections known to read nothing of the site, unless one of ``READS_SITE`` stands in them."""
PRICING_PROFILES = ("grids", "fuels")
"""Kinds of profiles that a site may read in passing: all of them count."""
CONSTANT = {"name", "grid", "facility", "water", "on_site"}
"""Parts of a place that are constant where they are single values."""
MOST_TEXTS = 256
READS_SITE = {"signal", "signals", "forecast", "place", "throttle", "route", "routes", "policy", "policies"}


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


@lru_cache(maxsize=4096)
def _hashed(path: str, _modified_ns: int, _size: int) -> str:
    return sha256(Path(path))


def file_sha256(path: str) -> str:
    """Hash of an input file, read again only after it changed. Raises ``InputError`` for one that cannot be read."""
    try:
        state = Path(path).stat()
        return _hashed(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError.one(path, f"cannot be read: {error.strerror or error}") from None


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


def reads_site(texts: Mapping[str, str]) -> bool:
    """Whether anything that decides during the run might read the site's signals.

    ``texts`` is a resolved scenario, each section as ``canonical`` text.
    """
    for name, text in texts.items():
        if name in ENGINE_ONLY or name in ("site", "sites"):
            if _names_a_reader(text):
                return True
        elif name not in PRICED_ONLY and text not in ("[]", "{}"):
            return True  # a section that this module knows nothing of
    return False


@lru_cache(maxsize=MOST_TEXTS)
def _names_a_reader(text: str) -> bool:
    return any(f'"{name}":' in text for name in READS_SITE)


def _cuts(plan: AccountingPlan, scenario: Scenario) -> str:
    """Where signals cut the ledger's bins beside the reporting interval, as a hash; empty where they do not."""
    step_ns, phase_ns = scenario.bin_ns, scenario.start_ns
    end_ns = scenario.duration_ns if scenario.duration_ns is not None else MAX_NS
    digest = hashlib.sha256()
    any_cut = False
    for site in plan.sites.values():
        for edges_ns in site.breakpoints(0, end_ns):
            odd = edges_ns[(edges_ns + phase_ns) % step_ns != 0]
            if len(odd):
                any_cut = True
                digest.update(odd.tobytes())
    return digest.hexdigest() if any_cut else ""


def _constant(place: Mapping[str, Any]) -> bool:
    """Whether nothing of a place can change during a run, by its looks; what is not known to be constant is not."""
    if place["facility"].get("kind") != "fixed-pue" or place.get("on_site") or not place.keys() <= CONSTANT:
        return False
    parts = [place["grid"], place.get("water", {})]
    return not any(isinstance(value, dict | list) for part in parts for value in part.values())


class Hasher:
    """Hashes of the variants of one base: the sections that a variant leaves alone are written out once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Any, ...], tuple[Any, Any, str]] = {}
        self._last: dict[str, tuple[Any, Any, str]] = {}
        self.files: set[str] = set()
        """Every input file of the points so far."""
        self._profiles_of: tuple[tuple[Any, ...], str] | None = None

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
        kept = {name for name in data if name not in PRICED_ONLY}
        if reads_site(texts):
            kept |= {"site", "sites"} & data.keys()
        key = hashlib.sha256(f"{build_id()}\0{profiles}\0{canonical(list(scenario.places))}".encode())
        for name in sorted(kept):
            key.update(f"\0{name}\0{texts[name]}".encode())
        places = [data["site"]] if "site" in data else list(data["sites"].values())
        if not all(_constant(place) for place in places):
            key.update(_cuts(accounting_plan(Resolved.of(scenario, catalog)), scenario).encode())
        return whole.hexdigest(), key.hexdigest()

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
