"""Runs a study: checks every point, simulates what nobody has simulated, prices the rest, and writes one dataset.

DIR/study.json        what was asked, by which build, and what came of it: the same bytes for the same study
DIR/points/*.parquet  one row a point, in the order of the points
DIR/session.json      how it went the last time: workers, seconds, what was saved
DIR/.progress/        what is done, while a study is not finished
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim.documents import Document, from_mapping
from sim.errors import InputError, Problem
from sim.results.atomic import refuse_unusable, write_text
from sim.results.files import sha256, to_json
from sim.spec.loader import extended, read_scenario
from sim.spec.study import LoadedStudy, load_study
from sim.spec.variants import Variants
from sim.study.dataset import POINTS, Columns, Record, write_parts
from sim.study.design import points, replication_seed
from sim.study.journal import NONE, Journal, Spool, study_of
from sim.study.points import Hasher, build_id
from sim.study.pool import Here, LocalPool, machine_workers
from sim.study.store import Store, store_at
from sim.study.work import DONE, Base, Done, Limits, Row, Task, limits_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

STUDY, SESSION, PROGRESS = "study.json", "session.json", ".progress"
MOST_PROBLEMS = 100
MOST_PER_TASK = 250
FEW = 3_000
"""Points that are priced here before a pool would have started."""


class Pool(Protocol):
    """Who performs tasks, in any order."""

    workers: int

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]: ...
    def close(self) -> None: ...


@dataclass
class Progress:
    """How far a study is. ``saved`` counts simulations not made: ``found`` in the cache, or ``shared`` by points."""

    points: int
    done: int = 0
    began_with: int = 0
    failed: int = 0
    simulations: int = 0
    to_simulate: int = 0
    simulated: int = 0
    found: int = 0
    identical: int = 0
    seconds: float = 0.0
    workers: int = 1


@dataclass(frozen=True)
class StudyResults:
    """A finished study: its folder, its manifest (``study.json``), and how it went."""

    folder: Path
    study: dict[str, Any]
    progress: Progress
    _temporary: Any = field(default=None, repr=False)

    def table(self) -> pa.Table:
        """The dataset, one row a point."""
        import pyarrow.parquet as pq

        return pq.read_table(self.folder / POINTS)

    def frame(self) -> pd.DataFrame:
        """The dataset as a pandas frame."""
        frame: pd.DataFrame = self.table().to_pandas()
        return frame

    def as_dict(self) -> dict[str, Any]:
        """The manifest and how it went, for scripts."""
        return {**self.study, "session": _session(self.progress)}


class Interrupted(KeyboardInterrupt):
    """A study was stopped: what is done is kept."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        super().__init__()


@dataclass(frozen=True)
class Plan:
    """Every point of a study, checked. ``values`` of a point are read back from a file; only numbers are in memory."""

    study: LoadedStudy
    base: Base
    spool: Spool
    at: array[int]
    same_as: array[int]
    simulation: array[int]
    hashes: bytearray
    keys: tuple[str, ...]

    @property
    def name(self) -> str:
        """One hash for everything that decides the rows."""
        outputs = json.dumps([self.study.spec.outputs, self.study.spec.limits.model_dump(mode="json")])
        return hashlib.sha256(bytes(self.hashes) + outputs.encode()).hexdigest()

    def point(self, index: int) -> tuple[int, int, dict[str, Any]]:
        """Replication, seed, and values by path of a point."""
        replication, seed, values = self.spool.read(self.at[index])
        return replication, seed, values

    def sha256(self, index: int) -> str:
        """A point's content hash."""
        return self.hashes[32 * index : 32 * index + 32].hex()


def planned(study: LoadedStudy, spool: Spool) -> Plan:
    """Checks every point. Raises ``InputError`` with the problems of all of them, each at its place."""
    base = base_of(study)
    variants, hasher = Variants(base.document, base.name, base.folders), Hasher()
    found: dict[Problem, None] = {}
    at, same_as, simulation = array("q"), array("q"), array("q")
    first: dict[bytes, int] = {}
    hashes = bytearray()
    keys: dict[str, int] = {}
    fixed = study.spec.set
    seed = variants.base("seed") or 0
    for point in points(study, lambda path: fixed.get(path, variants.base(path))):
        values = {**fixed, **point.values}
        point_seed = values.get("seed", seed)
        if point.replication and isinstance(point_seed, int):
            point_seed = values["seed"] = replication_seed(point_seed, point.replication)
        try:
            whole, key = hasher.hashes(variants.at(values, base.places))
        except InputError as error:
            found.update(dict.fromkeys(error.problems))
            if len(found) > MOST_PROBLEMS:
                break
            continue
        mark = bytes.fromhex(whole)
        hashes += mark
        same_as.append(first.setdefault(mark, point.index))
        simulation.append(keys.setdefault(key, len(keys)))
        at.append(spool.append([point.replication, point_seed, values]))
    if found:
        raise InputError(list(found))
    spool.flush()
    return Plan(study, base, spool, at, same_as, simulation, hashes, tuple(keys))


def base_of(study: LoadedStudy) -> Base:
    """The scenario that a study varies. Raises ``InputError`` at the study's own line where there is none."""
    given = study.spec.base
    if isinstance(given, str):
        beside = study.folder / given
        document, name, folders = read_scenario(beside if beside.is_file() else given)
    else:
        data = study.document.data["base"]
        places = {path[1:]: place for path, place in study.document.places.items() if path[:1] == ("base",)}
        folders = {study.source: study.folder}
        document = extended(Document(from_mapping(data).data, places), study.folder, folders, ())
        name = study.source
    folders[study.source] = study.folder
    paths = [*study.spec.set, *(path for axis in study.axes for path in axis.paths), "seed"]
    where = {path: study.document.place(study.place_of(path)) for path in paths}
    return Base(document, name, folders, where, build_id())


def _tasks(plan: Plan, journal: Journal, found: set[int], store: Store, workers: int, *, here: bool) -> Iterator[Task]:
    """What is left to do: the points of each simulation together, what must be simulated first."""
    base, spec = plan.base.pickled(), plan.study.spec
    columns = tuple(spec.outputs) if spec.outputs is not None else None
    limits = limits_of(spec.limits.memory, spec.limits.time)
    members: dict[int, array[int]] = {}
    for index, number in enumerate(plan.simulation):
        if plan.same_as[index] == index and journal.done[index] == NONE:
            members.setdefault(number, array("q")).append(index)
    size = max(1, min(MOST_PER_TASK, -(-sum(map(len, members.values())) // (4 * workers))))
    if here:
        size = MOST_PER_TASK
    count = 0
    for number in sorted(members, key=lambda number: (number in found, number)):
        indexes = members[number]
        # whoever simulates prices all of its points: nobody else has the ledger yet
        step = size if number in found else max(1, len(indexes))
        for start in range(0, len(indexes), step):
            values = tuple((index, plan.point(index)[2]) for index in indexes[start : start + step])
            yield Task(count, plan.keys[number], base, values, columns, limits, store)
            count += 1


def sweep(
    source: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    workers: int | None = None,
    dask: str | None = None,
    resume: bool = False,
    cache: Store | None = None,
    keep: bool = True,
    watch: Callable[[Progress], None] | None = None,
) -> StudyResults:
    """Runs a study into the folder ``out``. ``cache`` is where simulations are looked for and kept (the user's own);
    without ``keep`` they are neither, beyond this study.

    Raises ``InputError`` naming every problem before anything runs; ``Interrupted`` where Ctrl-C stopped it.
    """
    began = time.perf_counter()
    study = load_study(source)
    folder = Path(out)
    _refuse(folder, resume=resume)
    progress_folder = folder / PROGRESS
    progress_folder.mkdir(parents=True, exist_ok=True)
    plan_file = progress_folder / "plan"
    plan_file.unlink(missing_ok=True)
    spool = Spool(plan_file)
    try:
        plan = planned(study, spool)
    except BaseException:
        spool.close()
        plan_file.unlink()
        _clear_if_empty(progress_folder)
        raise
    journal_file = progress_folder / "journal"
    told = study_of(journal_file)
    if resume and told is not None and told != plan.name:
        message = "holds another study, or one whose inputs or package changed since; choose another --out"
        raise InputError.one(str(folder), message)
    finished = _finished(folder, plan.name) if resume else None
    if finished is not None:
        spool.close()
        shutil.rmtree(progress_folder)
        return StudyResults(folder, finished, _as_finished(finished))
    journal = Journal(journal_file, plan.name, len(plan.at))
    store = Store(progress_folder / "simulations")
    if keep:
        store = cache if cache is not None else store_at(None)
    progress = _progress(plan, journal, watch)
    pool: Pool | None = None
    try:
        wanted = {plan.simulation[i] for i in _left(plan, journal)}
        found = {number for number in wanted if store.read(plan.keys[number]) is not None}
        progress.found, progress.to_simulate = len(found), len(wanted) - len(found)
        limits = limits_of(study.spec.limits.memory, study.spec.limits.time)
        pool = _pool(workers, dask, progress, limits)
        progress.workers = pool.workers
        tasks = _tasks(plan, journal, found, store, pool.workers, here=isinstance(pool, Here))
        for done in pool.run(tasks):
            journal.add(done.rows)
            if done.content is not None:
                store.keep(plan.keys[plan.simulation[done.rows[0].index]], done.content)
            progress.simulated += done.made
            progress.done += len(done.rows)
            progress.failed += sum(row.status != DONE for row in done.rows)
            progress.seconds = time.perf_counter() - began
            if watch is not None:
                watch(progress)
        pool.close()
        manifest = _write(plan, journal, folder)
        store.trim()
    except KeyboardInterrupt:
        raise Interrupted(progress) from None
    finally:
        if pool is not None:
            pool.close()
        journal.close()
        spool.close()
    progress.seconds = time.perf_counter() - began
    write_text(to_json(_session(progress)), folder / SESSION)
    shutil.rmtree(progress_folder)
    return StudyResults(folder, manifest, progress)


def swept_in_memory(
    source: str | Path | Mapping[str, Any], *, workers: int | None, dask: str | None, cache: Store | None
) -> StudyResults:
    """As ``sweep``, into a folder that goes away with what is returned."""
    import tempfile

    home = tempfile.TemporaryDirectory(prefix="coldaisle-study-")
    found = sweep(source, Path(home.name) / "study", workers=workers, dask=dask, cache=cache)
    return StudyResults(found.folder, found.study, found.progress, home)


def _left(plan: Plan, journal: Journal) -> Iterator[int]:
    return (i for i in range(len(plan.at)) if plan.same_as[i] == i and journal.done[i] == NONE)


def _pool(workers: int | None, dask: str | None, progress: Progress, limits: Limits) -> Pool:
    if dask is not None:
        from sim.study.cluster import DaskPool

        return DaskPool(dask)
    asked = workers if workers is not None else machine_workers()
    left = progress.points - progress.identical - progress.began_with
    if not limits.any and not progress.to_simulate and left <= FEW:
        return Here()
    tasks = progress.to_simulate or -(-left // 25)
    return LocalPool(max(1, min(asked, tasks)))


def _progress(plan: Plan, journal: Journal, watch: Callable[[Progress], None] | None) -> Progress:
    total = len(plan.at)
    identical = sum(plan.same_as[i] != i for i in range(total))
    progress = Progress(total, done=journal.count + identical, began_with=journal.count, identical=identical)
    progress.simulations = len(plan.keys)
    if journal.count:
        progress.failed = sum(journal.row(i).status != DONE for i in range(total) if journal.done[i] != NONE)
    if watch is not None:
        watch(progress)
    return progress


def _refuse(folder: Path, *, resume: bool) -> None:
    refuse_unusable(folder, folder=True)
    if not folder.is_dir():
        return
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in (STUDY, SESSION, PROGRESS, POINTS))
    strangers = [name for name in strangers if not name.endswith((".partial", ".replaced"))]
    if strangers:
        raise InputError.one(str(folder), f"holds '{strangers[0]}', which no study wrote; choose another --out")
    if not resume and (folder / PROGRESS / "journal").is_file():
        raise InputError.one(str(folder), "holds a study that is not finished: --resume goes on with it")


def _clear_if_empty(folder: Path) -> None:
    for here in (folder, folder.parent):
        try:
            here.rmdir()
        except OSError:
            return


def _finished(folder: Path, name: str) -> dict[str, Any] | None:
    """The manifest of a study that stands whole in ``folder``, if it is this one."""
    try:
        manifest: dict[str, Any] = json.loads((folder / STUDY).read_text(encoding="utf-8"))
        parts = manifest["parts_sha256"]
        whole = manifest["study_sha256"] == name and all(
            sha256(folder / POINTS / part) == recorded for part, recorded in parts.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if whole else None


def _records(plan: Plan, journal: Journal) -> Iterator[Record]:
    for index in range(len(plan.at)):
        replication, seed, values = plan.point(index)
        row = journal.row(plan.same_as[index])
        yield Record(Row(index, row.status, row.error, row.values), replication, seed, plan.sha256(index), values)


def _write(plan: Plan, journal: Journal, folder: Path) -> dict[str, Any]:
    """The dataset and the manifest. The manifest goes last: with it a study is finished."""
    study = plan.study
    columns = Columns(list(dict.fromkeys(path for axis in study.axes for path in axis.paths)))
    statuses: dict[str, int] = {}
    for record in _records(plan, journal):
        columns.see(record)
        statuses[record.row.status] = statuses.get(record.row.status, 0) + 1
    staging = folder / PROGRESS / POINTS
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    hashes = {path.name: sha256(path) for path in write_parts(_records(plan, journal), columns, staging)}
    manifest = {
        "name": study.name,
        "description": study.spec.description,
        "study": study.document.data,
        "study_sha256": plan.name,
        "build": build_id(),
        "points": len(plan.at),
        "simulations": len(plan.keys),
        "statuses": dict(sorted(statuses.items())),
        "axes": {axis.name: list(axis.paths) for axis in study.axes},
        "columns": {field.name: str(field.type) for field in columns.schema()},
        "parts_sha256": hashes,
    }
    (folder / STUDY).unlink(missing_ok=True)
    shutil.rmtree(folder / POINTS, ignore_errors=True)
    staging.rename(folder / POINTS)
    write_text(to_json(manifest), folder / STUDY)
    return manifest


def _session(progress: Progress) -> dict[str, Any]:
    return {
        "seconds": progress.seconds,
        "workers": progress.workers,
        "points": progress.points,
        "done_before": progress.began_with,
        "identical_points": progress.identical,
        "simulations_of_all_points": progress.simulations,
        "simulated": progress.simulated,
        "found_in_cache": progress.found,
    }


def _as_finished(manifest: Mapping[str, Any]) -> Progress:
    failed = sum(count for status, count in manifest["statuses"].items() if status != DONE)
    total = manifest["points"]
    return Progress(total, done=total, began_with=total, failed=failed, simulations=manifest["simulations"])
