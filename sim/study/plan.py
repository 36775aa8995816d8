"""Every point of a study, checked before anything is simulated; and priced on the way where no simulation is needed."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.documents import Document, from_mapping
from sim.errors import ColdaisleError, InputError, Problem
from sim.runner import unseen_signals
from sim.spec.loader import Loaded, extended, read_scenario
from sim.spec.study import LoadedStudy
from sim.spec.variants import Variants
from sim.study.design import idle_conditions, points, replication_seed
from sim.study.journal import NOWHERE, Journal, Spool
from sim.study.points import Hasher, build_id
from sim.study.remote import fetched
from sim.study.store import Store, default_folder, unpacked
from sim.study.uncertain import UncertainScenario
from sim.study.work import DONE, REFUSED, Base, Limits, Pricer, Row, described
from sim.study.written import stands_by_itself

MOST_PROBLEMS = 100
NONE = -1
"""The simulation of a point that no scenario can be."""
MOST_HELD = 8
"""Ledgers held in memory at a time, to price points as they are checked."""


@dataclass(frozen=True)
class Plan:
    """Every point of a study, checked. ``values`` of a point are read back from a file; only numbers are in memory."""

    study: LoadedStudy
    base: Base
    spool: Spool
    at: array[int]
    simulation: array[int]
    marks: bytearray
    keys: tuple[str, ...]
    files: frozenset[str]
    profiles: Path | None
    """The base's own folder of profiles."""

    @property
    def name(self) -> str:
        """One hash for everything that decides the dataset."""
        return hashlib.sha256(bytes(self.marks) + asked_of(self.study).encode()).hexdigest()

    def point(self, index: int) -> tuple[int, int, dict[str, Any]]:
        """Replication, seed, and values by path of a point."""
        replication, seed, values = self.spool.read(self.at[index])
        return replication, seed, values

    def mark(self, index: int) -> bytes:
        """A point's content hash."""
        return bytes(self.marks[32 * index : 32 * index + 32])


def asked_of(study: LoadedStudy) -> str:
    """What beside a point decides its row."""
    return json.dumps([study.spec.outputs, study.spec.limits.model_dump(mode="json")])


def planned(
    study: LoadedStudy, base: Base, spool: Spool, early: Early, watch: Callable[[int], None] | None = None
) -> Plan:
    """Checks every point, and prices at once what ``early`` can; ``watch`` hears how many are checked.

    Raises ``InputError`` with the problems of all points, or where bad ones may be rows, if all are bad.
    """
    variants, hasher = Variants(base.document, base.name, base.folders), Hasher()
    found: dict[Problem, None] = {}
    bad: dict[Problem, None] = {}
    at, simulation = array("q"), array("q")
    marks = bytearray()
    keys: dict[str, int] = {}
    fixed = study.spec.set
    inputs = default_folder() / "inputs"
    seed = variants.base("seed") or 0

    def written(path: str) -> Any:
        return fixed.get(path, variants.base(path))

    found.update(dict.fromkeys(idle_conditions(study, written)))
    for point in points(study, written):
        values = fetched({**fixed, **point.values}, inputs)
        point_seed = values.get("seed", seed)
        if point.replication and isinstance(point_seed, int):
            point_seed = values["seed"] = replication_seed(point_seed, point.replication)
        try:
            loaded = variants.at(values, base.places)
            if loaded.scenario.uncertainty is not None and not keys:
                UncertainScenario(loaded)  # what is wrong with a distribution is wrong at every point
                found.update(dict.fromkeys(_drowned(study, base, loaded)))
            found.update(dict.fromkeys(unseen_signals(loaded)))
            whole, key = hasher.hashes(loaded)
        except InputError as error:
            if study.spec.on_bad_points == "row":
                if len(bad) < MOST_PROBLEMS:
                    bad.update(dict.fromkeys(error.problems))
                mark = _mark_of_bad(values)
                marks += mark
                simulation.append(NONE)
                at.append(
                    spool.append([point.replication, point_seed if isinstance(point_seed, int) else seed, values])
                )
                early.refused(mark, error)
                continue
            found.update(dict.fromkeys(error.problems))
            if len(found) > MOST_PROBLEMS:
                break
            continue
        mark = bytes.fromhex(whole)
        marks += mark
        simulation.append(keys.setdefault(key, len(keys)))
        at.append(spool.append([point.replication, point_seed, values]))
        if not found:
            early.price(mark, key, loaded)
        if watch is not None:
            watch(len(at))
    if found or not keys:
        raise InputError(list(found or bad))
    spool.flush()
    named = variants.base("profiles")
    profiles = Path(named) if isinstance(named, str) else None
    return Plan(study, base, spool, at, simulation, marks, tuple(keys), frozenset(hasher.files), profiles)


def _mark_of_bad(values: Mapping[str, Any]) -> bytes:
    """A point that no scenario can be has no content; what its axes say stands for it."""
    said = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(f"{build_id()}\0bad\0{said}".encode()).digest()


def _drowned(study: LoadedStudy, base: Base, loaded: Loaded) -> Iterator[Problem]:
    """Axes that a distribution with numbers of its own would make invisible in every interval."""
    uncertain = loaded.scenario.uncertainty
    for path in dict.fromkeys(path for axis in study.axes for path in axis.paths):
        law = uncertain.over.get(path) if uncertain is not None else None
        if law is not None and stands_by_itself(law):
            message = "is uncertain by numbers of its own, which no axis moves: give it a normal or lognormal 'cv'"
            place = base.places[path]
            yield Problem(place.file, place.line, path, message)


class Early:
    """Prices a point while it is checked, where its simulation is at hand: that takes less than asking a worker."""

    def __init__(self, store: Store, journal: Journal, columns: tuple[str, ...] | None, limits: Limits) -> None:
        self._store, self._journal, self._columns = store, journal, columns
        self._able = not limits.any
        self._pricers: OrderedDict[str, tuple[Pricer, int]] = OrderedDict()
        self._absent: set[str] = set()
        self.found: set[str] = set()

    def refused(self, mark: bytes, error: InputError) -> None:
        """Takes down a point that no scenario can be."""
        said = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
        self._journal.add(mark, Row(0, REFUSED, said, {}), NOWHERE)

    def price(self, mark: bytes, key: str, loaded: Loaded) -> None:
        """Takes the point down in the journal, if it can be priced here."""
        if mark in self._journal or not self._able or key in self._absent:
            return
        if loaded.scenario.uncertainty is not None:
            return  # hundreds of prices, and perhaps simulations: for workers
        held = self._pricers.get(key)
        if held is None:
            content = self._store.read(key)
            if content is None:
                self._absent.add(key)
                return
            pricer = Pricer(unpacked(content), self._columns)
            held = self._pricers[key] = (pricer, self._journal.share(pricer.shared))
            self.found.add(key)
            if len(self._pricers) > MOST_HELD:
                self._pricers.popitem(last=False)
        self._pricers.move_to_end(key)
        pricer, shared = held
        try:
            row = Row(0, DONE, None, pricer.price(loaded))
        except ColdaisleError as error:
            row = Row(0, *described(error, Limits()), {})
        self._journal.add(mark, row, shared)


def at_base(error: InputError, document: Document, given: str) -> InputError:
    """What is wrong with a base of which there is no file is wrong where it is named."""
    if [problem.file for problem in error.problems] != [given] or Path(given).exists():
        return error
    return InputError([document.problem(("base",), f"'{given}': {error.problems[0].message}")])


def base_of(study: LoadedStudy) -> Base:
    """The scenario that a study varies. Raises ``InputError`` at the study's own line where there is none."""
    given = study.spec.base
    if isinstance(given, str):
        beside = study.folder / given
        try:
            document, name, folders = read_scenario(beside if beside.is_file() else given)
        except InputError as error:
            raise at_base(error, study.document, given) from None
    else:
        data = study.document.data["base"]
        places = {path[1:]: place for path, place in study.document.places.items() if path[:1] == ("base",)}
        folders = {study.source: study.folder}
        document = extended(Document(from_mapping(data).data, places), study.folder, folders, ())
        name = study.source
    folders[study.source] = study.folder
    document = replace(document, data=fetched(document.data, default_folder() / "inputs"))
    paths = [*study.spec.set, *(path for axis in study.axes for path in axis.paths), "seed"]
    where = {path: study.document.place(study.place_of(path)) for path in paths}
    return Base(document, name, folders, where, build_id())


def outputs_of(study: LoadedStudy) -> tuple[str, ...] | None:
    """The columns that a study wants; None for all."""
    return tuple(study.spec.outputs) if study.spec.outputs is not None else None
