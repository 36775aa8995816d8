"""What a worker does, wherever it stands: simulate once, if nobody has, and price every point that shares the ledger.

A task and what comes back are plain data that pickle, so this machine's pool, a Dask worker and a process of its own
run the same ``perform``. A point always prices a ledger that went through ``packed``: whether it was just simulated or
found in a cache makes no difference to a bit of it.
"""

from __future__ import annotations

import hashlib
import pickle
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

from sim.documents import Document, Place
from sim.errors import ColdaisleError
from sim.kinds import at_fault
from sim.loading.scenario import Loaded
from sim.loading.variants import Variants
from sim.plain import as_whole
from sim.results.atomic import within_ours, write_bytes
from sim.running.run import environmental, simulated
from sim.running.simulation import Simulated
from sim.study.packed import packed, unpacked
from sim.study.points import build_id
from sim.study.store import Store, whole
from sim.study.sweep.rows import DONE, FAILED, OUT_OF_MEMORY, TIMED_OUT, Row
from sim.units import NS_PER_S


@dataclass(frozen=True)
class Base:
    """A study's base scenario as read, and where its axes are written: everything a worker needs to make a point."""

    document: Document
    name: str
    folders: Mapping[str, Path]
    places: Mapping[str, Place]
    build: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Input files that go with it, for a worker that has no such disk."""
    profiles: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    """The scenario's own folder of profiles, by where it stands: its files, by their names in it."""

    def pickled(self) -> bytes:
        """For tasks: the same bytes in each, which a worker reads once."""
        return pickle.dumps(self)


@dataclass(frozen=True)
class Limits:
    """What one task may take; None for no limit. ``memory`` is beside what the program itself takes."""

    seconds: float | None = None
    memory_bytes: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.seconds is not None or self.memory_bytes is not None


@dataclass(frozen=True)
class Task:
    """Points (index, values by path) of one simulation. It is read from ``store`` or ``content``, or else simulated.

    A simulation made goes to ``store``, or back to whoever asked where there is none.
    """

    number: int
    key: str
    base: bytes
    points: tuple[tuple[int, Mapping[str, Any]], ...]
    columns: tuple[str, ...] | None
    limits: Limits
    store: Store | None
    content: bytes | None = None


@dataclass(frozen=True)
class Done:
    """A task's rows, and what the summaries of those that are done have in common: what no price changes.

    ``made`` tells whether it simulated, ``content`` what, where the task names no store.
    """

    number: int
    rows: tuple[Row, ...]
    shared: Mapping[str, Any]
    made: bool
    content: bytes | None = None


class TimeIsUpError(Exception):
    """A point has used up its time."""


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Every single value of a summary by dotted path; lists and the boundary's texts are no columns."""
    found: dict[str, Any] = {}
    _flatten({name: value for name, value in summary.items() if name != "boundary"}, "", found)
    return found


def _flatten(summary: Mapping[str, Any], path: str, found: dict[str, Any]) -> None:
    for name, value in summary.items():
        if isinstance(value, dict):
            _flatten(value, f"{path}{name}.", found)
        elif isinstance(value, float | int | str):
            found[f"{path}{name}"] = value


class Pricer:
    """A ledger, ready to be priced again and again."""

    def __init__(self, run: Simulated, columns: Sequence[str] | None) -> None:
        self._run = run
        self._columns = set(columns) if columns is not None else None
        self.shared = self._wanted({**run.activity, "events": run.events})

    def price(self, loaded: Loaded) -> dict[str, Any]:
        """The summary under ``loaded``, flat, without what is ``shared``; with intervals where it is uncertain."""
        summary = environmental(self._run, loaded)
        if loaded.scenario.uncertainty is not None:
            from sim.study.uncertain.propagate import propagated

            found = propagated(loaded, self._run)
            about = {name: value for name, value in found.about.items() if as_whole(value) is not None}
            summary = {**summary, "intervals": found.intervals, "uncertainty": about}
        return self._wanted(summary)

    def _wanted(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        found = flat(summary)
        if self._columns is None:
            return found
        return {name: value for name, value in found.items() if self._is_wanted(name)}

    def _is_wanted(self, name: str) -> bool:
        """A result brings its interval."""
        assert self._columns is not None
        if name.startswith("intervals."):
            return name in self._columns or name.removeprefix("intervals.").rpartition(".")[0] in self._columns
        return name in self._columns


@lru_cache(maxsize=4)
def variants_of(base: bytes) -> tuple[Base, Variants]:
    """A base as read from a task. Raises ``RunError`` where it was made by another version of the package."""
    from sim.errors import RunError

    found: Base = pickle.loads(base)
    if found.build != build_id():
        raise RunError(f"this worker has coldaisle {build_id()}, and the study {found.build}")
    return found, Variants(
        found.document, found.name, found.folders, {**_laid_out(found.files), **_with_profiles(found.profiles)}
    )


def _laid_out(files: Mapping[str, bytes]) -> dict[str, str]:
    """Where the files that came along now stand, by where they stood; one that stands there as it was stays."""
    moved = {}
    for name, content in files.items():
        path = Path(name)
        if path.is_file() and path.read_bytes() == content:
            continue
        folder = Path(tempfile.gettempdir()) / f"coldaisle-inputs-{hashlib.sha256(content).hexdigest()[:32]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        write_bytes(content, folder / path.name, ours=within_ours)
        moved[name] = str(folder / path.name)
    return moved


def _with_profiles(folders: Mapping[str, Mapping[str, bytes]]) -> dict[str, str]:
    """Folders laid out anew as ``_laid_out`` does files, for those that are read whole."""
    moved = {}
    for name, files in folders.items():
        if files_of(Path(name)) == files:
            continue
        digest = hashlib.sha256(pickle.dumps(sorted(files.items()))).hexdigest()[:32]
        folder = Path(tempfile.gettempdir()) / f"coldaisle-profiles-{digest}"
        for inner, content in files.items():
            (folder / inner).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_bytes(content, folder / inner, ours=within_ours)
        moved[name] = str(folder)
    return moved


def files_of(folder: Path) -> dict[str, bytes]:
    """The profiles in a folder, at any depth, by their paths in it; none where there is no such folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.yaml"))}


def perform(task: Task) -> Done:
    """Everything of a task. A point that fails is a row; only a defect or a kill ends a worker."""
    base, variants = variants_of(task.base)
    content = task.content
    if content is None and task.store is not None:
        content = task.store.read(task.key)
    made = False
    first: Loaded | None = None
    pricer: Pricer | None = None
    fault = (FAILED, "")
    if content is not None and whole(content, task.key):
        pricer = Pricer(unpacked(content), task.columns)
    else:
        try:
            with limited(task.limits):
                first = variants.at(task.points[0][1], base.places)
                content = packed(simulated(first), task.key)
            pricer = Pricer(unpacked(content), task.columns)
            made = True
            if task.store is not None:
                task.store.keep(task.key, content)
        except Exception as error:  # a defect of ours, too, ends one point and not the study
            fault = described(error, task.limits)
    rows = []
    for index, values in task.points:
        if pricer is None:
            rows.append(Row(index, *fault, {}))
            continue
        try:
            with limited(task.limits):
                loaded = first if first is not None and not rows else variants.at(values, base.places)
                rows.append(Row(index, DONE, None, pricer.price(loaded)))
        except Exception as error:
            rows.append(Row(index, *described(error, task.limits), {}))
    shared = pricer.shared if pricer is not None else {}
    return Done(task.number, tuple(rows), shared, made, content if made and task.store is None else None)


def described(error: BaseException, limits: Limits) -> tuple[str, str]:
    """The status and the message of a point that failed."""
    if isinstance(error, TimeIsUpError):
        return TIMED_OUT, f"ended after its limit of {limits.seconds:g} s"
    if isinstance(error, MemoryError):
        known = f"of {limits.memory_bytes / 2**20:.0f} MiB" if limits.memory_bytes is not None else "of the machine"
        return OUT_OF_MEMORY, f"needs more memory than the limit {known}"
    if isinstance(error, ColdaisleError):
        return FAILED, str(error)
    blamed = at_fault(error)
    return FAILED, str(blamed) if blamed is not None else f"internal error: {type(error).__name__}: {error}"


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """Runs what follows within ``limits``: past them it is interrupted, or where it does not heed that, killed."""
    if not limits.any or threading.current_thread() is not threading.main_thread():
        yield
        return
    import pyarrow  # noqa: F401 (what the program itself takes must be there before a limit counts from it)

    before = _limit_memory(limits.memory_bytes)
    try:
        with _timed(limits.seconds):
            yield
    finally:
        _restore(before)


def _limit_memory(allowed: int | None) -> tuple[int, int] | None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    if allowed is None:
        return None
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = _address_space()
    if taken is None:
        return None
    resource.setrlimit(resource.RLIMIT_AS, (taken + allowed, before[1]))
    return before


def _restore(before: tuple[int, int] | None) -> None:
    if before is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, before)


def _address_space() -> int | None:
    """Bytes that this process has mapped; None where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    except OSError:
        return None
    import resource

    return int(pages) * resource.getpagesize()


@contextmanager
def _timed(seconds: float | None) -> Iterator[None]:
    """Interrupts after ``seconds``. Compiled code hears no interrupt: the kernel ends the process a little later."""
    if seconds is None or not hasattr(signal, "setitimer"):
        yield
        return
    import resource

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeIsUpError

    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = resource.getrlimit(resource.RLIMIT_CPU)
    hard_s = int(used.ru_utime + used.ru_stime + seconds * 1.5) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (hard_s if cpu[1] < 0 else min(hard_s, cpu[1]), cpu[1]))
    heard = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, heard)
        resource.setrlimit(resource.RLIMIT_CPU, cpu)


def limits_of(memory: float | None, time_ns: int | None) -> Limits:
    """Limits of a task as a study writes them."""
    return Limits(time_ns / NS_PER_S if time_ns is not None else None, int(memory) if memory is not None else None)
