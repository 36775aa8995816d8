"""Runs a study: checks every point, simulates what nobody has simulated, prices the rest, and writes one dataset::

    DIR/study.json        what was asked, by which build, and what came of it: the same bytes for the same study
    DIR/points/*.parquet  one row a point, in the order of the points
    DIR/session.json      how it went the last time: workers, seconds, what was saved
    DIR/.progress/        what is done, while a study is not finished

A study that was interrupted goes on from there, and ends with the same bytes.
"""

from __future__ import annotations

import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sim.errors import RunError
from sim.results.atomic import within_ours, write_text
from sim.results.files import sha256, to_json
from sim.spec.study import LoadedStudy, load_study
from sim.study.points import build_id
from sim.study.processes import get_ready, machine_workers
from sim.study.store import Store, default_folder, store_at
from sim.study.sweep.dataset import Record, write_parts
from sim.study.sweep.finished import Progress, StudyResults, session_of
from sim.study.sweep.folder import (
    JOURNAL,
    NAME,
    PLAN,
    PROGRESS,
    SESSION,
    SIMULATIONS,
    STUDY,
    clear,
    finished_study,
    fresh_points,
    held_alone,
    put,
    refuse_another,
    refuse_strangers,
    refuse_unfinished,
)
from sim.study.sweep.journal import Journal, Spool
from sim.study.sweep.plan import NONE, Plan, asked_for, asked_of, base_of, outputs_of, planned
from sim.study.sweep.pool import LocalPool
from sim.study.sweep.remote import deliver, is_url, staging_of
from sim.study.sweep.rows import DONE, REFUSED
from sim.study.sweep.tasks import Base, Done, Task, files_of, limits_of

MOST_PER_TASK = 250
MOST_SENT_BYTES = 8 * 2**20
TRIM_EVERY = 64
"""Simulations between two looks at the size of the cache."""


class Pool(Protocol):
    """A pool of workers that perform tasks, in any order."""

    @property
    def workers(self) -> int: ...
    def refuse_absent(self, files: Sequence[str]) -> None: ...
    def run(self, tasks: Iterable[Task]) -> Iterator[Done]: ...
    def close(self) -> None: ...


class Interrupted(KeyboardInterrupt):
    """A study was stopped: what is done is kept."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        super().__init__()


def _with_files(base: Base, files: frozenset[str], profiles: Path | None) -> tuple[Base, list[str]]:
    """For workers elsewhere: small files and profiles go along; large files (the second) must stand at every worker."""
    large = [path for path in sorted(files) if Path(path).stat().st_size > MOST_SENT_BYTES]
    small = {path: Path(path).read_bytes() for path in sorted(files - set(large))}
    folders = {str(profiles): files_of(profiles)} if profiles is not None else {}
    return replace(base, files=small, profiles=folders), large


def _tasks(plan: Plan, journal: Journal, base: Base, found: set[int], store: Store, workers: int) -> Iterator[Task]:
    """What is left to do, the points of each simulation together: first those that only need pricing."""
    pickled, spec = base.pickled(), plan.study.spec
    limits = limits_of(spec.limits.memory, spec.limits.time)
    members = _left(plan, journal)
    size = max(1, min(MOST_PER_TASK, -(-sum(map(len, members.values())) // (4 * workers))))
    count = 0
    for number in sorted(members, key=lambda number: (number not in found, number)):
        indexes = members[number]
        # whoever simulates prices all of its points: nobody else has the ledger yet
        step = size if number in found else len(indexes)
        for start in range(0, len(indexes), step):
            values = tuple((index, plan.point(index)[2]) for index in indexes[start : start + step])
            yield Task(count, plan.keys[number], pickled, values, outputs_of(plan.study), limits, store)
            count += 1


def _left(plan: Plan, journal: Journal) -> dict[int, array[int]]:
    """The points without a row, by the simulation they need; of identical points the first."""
    members: dict[int, array[int]] = {}
    taken: set[bytes] = set()
    for index, number in enumerate(plan.simulation):
        mark = plan.mark(index)
        if mark not in journal and mark not in taken:
            taken.add(mark)
            members.setdefault(number, array("q")).append(index)
    return members


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
    done: Callable[[Plan, StudyResults], None] | None = None,
) -> StudyResults:
    """Runs a study into the folder ``out``. ``cache`` is where simulations are looked for and kept (the user's own);
    without ``keep`` they are neither, beyond this study. ``done`` is told of a study that was not finished before.

    An ``out`` of an object store (``s3://...``) is worked on in a folder of this machine, and delivered at the end.

    Raises ``InputError`` naming every problem before anything is simulated; ``Interrupted`` where Ctrl-C stopped it.
    """
    how = _How(workers, dask, cache, resume, keep, watch or (lambda _: None), done or (lambda _, __: None))
    if is_url(out):
        folder = staging_of(str(out), default_folder() / "studies")
        found = _swept(source, folder, how)
        deliver(folder, str(out), last=STUDY)
        return found
    return _swept(source, Path(out), how)


@dataclass(frozen=True)
class _How:
    """How a study is run: see ``sweep``."""

    workers: int | None
    dask: str | None
    cache: Store | None
    resume: bool
    keep: bool
    watch: Callable[[Progress], None]
    done: Callable[[Plan, StudyResults], None]


def _swept(source: str | Path | Mapping[str, Any], folder: Path, how: _How) -> StudyResults:
    began = time.perf_counter()
    study = load_study(source)
    base = base_of(study)
    refuse_strangers(folder)
    refuse_another(folder, study.name)
    try:
        with held_alone(folder / PROGRESS):
            if not how.resume:
                refuse_unfinished(folder)
            return _at_work(study, base, folder, how, began)
    except OSError as error:  # a write that fails names no file
        where = error.filename if error.filename is not None else folder
        raise RunError(f"cannot write {where}: {error.strerror or error}; what was done before is kept") from None


def _at_work(study: LoadedStudy, base: Base, folder: Path, how: _How, began: float) -> StudyResults:
    at_work = folder / PROGRESS
    fresh = not (at_work / JOURNAL).is_file()
    (at_work / PLAN).unlink(missing_ok=True)
    (at_work / NAME).write_text(study.name, encoding="utf-8")
    limits = limits_of(study.spec.limits.memory, study.spec.limits.time)
    store = Store(at_work / SIMULATIONS)
    if how.keep:
        store = how.cache if how.cache is not None else store_at(None)
    spool = Spool(at_work / PLAN)
    try:
        journal = Journal(at_work / JOURNAL, asked_of(study))
    except OSError:  # a full disk
        spool.close()
        raise
    progress = Progress(0, began_with=len(journal))
    pool: Pool | None = None
    try:
        asked = asked_for(study, base, journal, None if limits.any else store)

        def checked(count: int) -> None:
            progress.checked = count
            how.watch(progress)

        at_hand = how.workers if how.workers is not None else machine_workers()
        plan = planned(study, asked, spool, journal, max(0, at_hand - 1), checked, _once(get_ready))
        finished = finished_study(folder, plan.name) if how.resume else None
        if finished is None:
            found = _count(progress, plan, journal, store)
            how.watch(progress)
            if progress.done < progress.points:
                pool = _pool(how, progress)
                sent = base
                if how.dask is not None:
                    sent, large = _with_files(base, plan.files, plan.profiles)
                    pool.refuse_absent(large)
                tasks = _tasks(plan, journal, sent, found, store, pool.workers)
                for done in pool.run(tasks):
                    _take(done, plan, journal, store, progress)
                    progress.seconds = time.perf_counter() - began
                    how.watch(progress)
                pool.close()
            manifest = _write(plan, journal, folder)
            progress.failed = _failed(manifest)
            store.trim()
        else:
            manifest, progress = finished, _as_finished(finished)
    except KeyboardInterrupt:
        raise Interrupted(progress) from None
    except Exception:
        if fresh and not progress.seconds:  # no worker has done anything yet: there is nothing to go on with
            clear(at_work)
            with suppress(OSError):
                folder.rmdir()
        raise
    finally:
        if pool is not None:
            pool.close()
        journal.close()
        spool.close()
    progress.seconds = time.perf_counter() - began
    if finished is None:
        write_text(to_json(session_of(progress)), folder / SESSION, ours=within_ours)
    clear(at_work)
    results = StudyResults(folder, manifest, progress)
    if finished is None:
        how.done(plan, results)
    return results


def _once(start: Callable[[], None]) -> Callable[[], None]:
    """``start``, which does nothing but the first time."""
    left = [start]
    return lambda: left.pop()() if left else None


def _take(done: Done, plan: Plan, journal: Journal, store: Store, progress: Progress) -> None:
    """Takes down what a worker did."""
    shared = journal.share(done.shared)
    for row in done.rows:
        journal.add(plan.mark(row.index), row, shared)
        plan.columns.see_row(row, done.shared)
    journal.flush()
    if done.content is not None:
        store.keep(plan.keys[plan.simulation[done.rows[0].index]], done.content)
    progress.simulated += done.made
    if done.made and progress.simulated % TRIM_EVERY == 0:
        store.trim()
    progress.done += len(done.rows)
    progress.failed += sum(row.status != DONE for row in done.rows)


def _count(progress: Progress, plan: Plan, journal: Journal, store: Store) -> set[int]:
    """How far the study is once every point is checked; the simulations still needed that are at hand."""
    progress.points, progress.simulations = len(plan.at), len(plan.keys)
    progress.refused = plan.simulation.count(NONE)
    progress.failed = progress.refused
    able = [index for index, number in enumerate(plan.simulation) if number != NONE]
    progress.identical = len(able) - len({plan.mark(index) for index in able})
    left = _left(plan, journal)
    progress.done = progress.points - sum(map(len, left.values()))
    kept = {number for number in left if store.path(plan.keys[number]).is_file()}
    progress.found = len(plan.priced | {plan.keys[number] for number in kept})
    progress.to_simulate = len(left) - len(kept)
    return kept


def _pool(how: _How, progress: Progress) -> Pool:
    if how.dask is not None:
        from sim.study.sweep.cluster import DaskPool

        return DaskPool(how.dask)
    asked = how.workers if how.workers is not None else machine_workers()
    progress.workers = max(1, min(asked, progress.points - progress.done))
    return LocalPool(progress.workers)


def swept_in_memory(
    source: str | Path | Mapping[str, Any], *, workers: int | None, dask: str | None, cache: Store | None
) -> StudyResults:
    """Runs a study as ``sweep`` does, into a folder that goes away with what is returned."""
    import shutil
    import tempfile
    from weakref import finalize

    home = tempfile.mkdtemp(prefix="coldaisle-study-")
    try:
        found = sweep(source, Path(home) / "study", workers=workers, dask=dask, cache=cache)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    finalize(found, shutil.rmtree, home, ignore_errors=True)  # the folder goes when the results do
    return found


def _records(plan: Plan, journal: Journal, statuses: Counter[str]) -> Iterator[Record]:
    """The record of every point, which are counted by their status."""
    for index in range(len(plan.at)):
        replication, seed, values = plan.point(index)
        mark = plan.mark(index)
        row, shared = journal.row(mark, index)
        statuses[row.status] += 1
        yield Record(row, shared, replication, seed, mark.hex(), values)


def _write(plan: Plan, journal: Journal, folder: Path) -> dict[str, Any]:
    """The dataset and the manifest. The manifest goes last: with it a study is finished."""
    study, columns = plan.study, plan.columns
    for index in range(len(plan.at)):
        if not journal.is_new(plan.mark(index)):
            columns.see_row(*journal.row(plan.mark(index), index))
    statuses: Counter[str] = Counter()
    staging = fresh_points(folder)
    hashes = {path.name: sha256(path) for path in write_parts(_records(plan, journal, statuses), columns, staging)}
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
    put(manifest, folder)
    return manifest


def _as_finished(manifest: Mapping[str, Any]) -> Progress:
    total = manifest["points"]
    failed, refused = _failed(manifest), manifest["statuses"].get(REFUSED, 0)
    return Progress(
        total, done=total, began_with=total, failed=failed, refused=refused, simulations=manifest["simulations"]
    )


def _failed(manifest: Mapping[str, Any]) -> int:
    return sum(count for status, count in manifest["statuses"].items() if status != DONE)
