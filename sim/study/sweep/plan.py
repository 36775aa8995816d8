"""Every point of a study, checked before anything is simulated; and priced on the way where no simulation is needed."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.documents import Document, from_mapping
from sim.errors import InputError, Problem
from sim.loading.scenario import extended, read_scenario
from sim.plain import as_text, as_whole
from sim.reading import exists, is_file
from sim.spec.study import LoadedStudy
from sim.study.points import build_id
from sim.study.store import Store, default_folder
from sim.study.sweep.check_in_parallel import looked_at
from sim.study.sweep.check_points import Asked, Checker, Given
from sim.study.sweep.dataset import Columns
from sim.study.sweep.design import Lookup, idle_conditions, points, replication_seed
from sim.study.sweep.journal import NOWHERE, Journal, Spool
from sim.study.sweep.remote import fetched
from sim.study.sweep.tasks import Base

MOST_PROBLEMS = 100
NONE = -1
"""The simulation of a point that no scenario can be."""


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
    priced: frozenset[str]
    """Simulations that were at hand, and by which points were priced as they were checked."""
    columns: Columns
    """Of the dataset, by all that was seen so far of points and of rows."""

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
    study: LoadedStudy,
    asked: Asked,
    spool: Spool,
    journal: Journal,
    helpers: int = 0,
    watch: Callable[[int], None] = lambda _: None,
    work_ahead: Callable[[], None] = lambda: None,
) -> Plan:
    """Checks every point, with so many other processes beside this one, and takes down the rows of those priced on the
    way; ``watch`` hears how many are checked, and ``work_ahead`` is called for every point that is left to workers.

    Raises ``InputError`` with the problems of all points, or where bad ones may be rows, if all are bad.
    """
    checker = Checker(asked)
    variants = checker.variants
    found: dict[Problem, None] = {}
    bad: dict[Problem, None] = {}
    at, simulation = array("q"), array("q")
    marks = bytearray()
    keys: dict[str, int] = {}
    shares: dict[str, int] = {}
    files: set[str] = set()
    columns = Columns(asked.axes)

    def written(path: str) -> Any:
        return study.spec.set.get(path, variants.base(path))

    found.update(dict.fromkeys(idle_conditions(study, written)))
    everything = _given(study, written, variants.base("seed") or 0)
    for given, looked in looked_at(everything, asked, checker, helpers):
        found.update(dict.fromkeys(looked.problems))
        files |= looked.files
        for point, seen in zip(given, looked.seen, strict=True):
            if seen.key is None and study.spec.on_bad_points == "row":
                bad.update(dict.fromkeys(seen.problems[: MOST_PROBLEMS - len(bad)]))
            elif seen.key is None:
                found.update(dict.fromkeys(seen.problems))
                continue
            marks += seen.mark
            simulation.append(NONE if seen.key is None else keys.setdefault(seen.key, len(keys)))
            at.append(spool.append(point))
            columns.see_point(point.values)
            watch(len(at))
            if seen.row is None and seen.mark not in asked.done:
                work_ahead()
            if seen.row is None or found:
                continue
            if seen.key is not None and seen.key not in shares:
                shares[seen.key] = journal.share(looked.shared[seen.key])
            journal.add(seen.mark, seen.row, NOWHERE if seen.key is None else shares[seen.key])
            columns.see_row(seen.row, {} if seen.key is None else looked.shared[seen.key])
        if len(found) > MOST_PROBLEMS:
            break
    if found or not keys:
        raise InputError(list(found or bad))
    spool.flush()
    profiles = as_text(variants.base("profiles"))
    return Plan(
        study,
        asked.base,
        spool,
        at,
        simulation,
        marks,
        tuple(keys),
        frozenset(files),
        Path(profiles) if profiles is not None else None,
        frozenset(shares),
        columns,
    )


def _given(study: LoadedStudy, written: Lookup, base_seed: Any) -> Iterator[Given]:
    """Every point with all its values, in order."""
    inputs = default_folder() / "inputs"
    for point in points(study, written):
        values = fetched({**study.spec.set, **point.values}, inputs)
        seed = as_whole(values.get("seed", base_seed))
        if point.replication and seed is not None:
            seed = values["seed"] = replication_seed(seed, point.replication)
        yield Given(point.replication, base_seed if seed is None else seed, values)


def at_base(error: InputError, document: Document, given: str) -> InputError:
    """What is wrong with a base of which there is no file is wrong where it is named."""
    if [problem.file for problem in error.problems] != [given] or exists(Path(given)):
        return error
    return InputError([document.problem(("base",), f"'{given}': {error.problems[0].message}")])


def base_of(study: LoadedStudy) -> Base:
    """The scenario that a study varies. Raises ``InputError`` at the study's own line where there is none."""
    given = study.spec.base
    if isinstance(given, str):
        beside = study.folder / given
        try:
            document, name, folders = read_scenario(beside if is_file(beside) else given)
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


def asked_for(study: LoadedStudy, base: Base, journal: Journal, store: Store | None) -> Asked:
    """What whoever checks its points must know; without a ``store`` they price none."""
    axes = tuple(dict.fromkeys(path for axis in study.axes for path in axis.paths))
    bad_are_rows = study.spec.on_bad_points == "row"
    return Asked(base, axes, outputs_of(study), store, journal.marks(), bad_are_rows)


def outputs_of(study: LoadedStudy) -> tuple[str, ...] | None:
    """The columns that a study wants; None for all."""
    return tuple(study.spec.outputs) if study.spec.outputs is not None else None
