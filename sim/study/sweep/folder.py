"""A study's folder: what may stand there, who may work in it, and whether what stands there is whole."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sim.errors import InputError
from sim.plain import as_list, as_mapping, as_text
from sim.reading import read_json, read_parquet, read_text
from sim.results.atomic import is_staged, refuse_unusable, staged, take_away, within_ours, write_text
from sim.results.files import CRATE, SUMMARY, is_crate, sha256, to_json
from sim.study.store import LIMIT, is_kept
from sim.study.sweep.journal import may_be_journal
from sim.study.sweep.parts import POINTS, is_part

if TYPE_CHECKING:
    import pyarrow as pa

STUDY, SESSION, PROGRESS = "study.json", "session.json", ".progress"
LOCK, NAME, PLAN, JOURNAL, SIMULATIONS = "lock", "name", "plan", "journal", "simulations"
"""Within the folder of progress."""


def refuse_strangers(folder: Path) -> None:
    """Raises ``InputError`` where something else than a study stands in ``folder``: it would be lost."""
    refuse_unusable(folder, folder=True)
    stranger = next(_strangers(folder), None) if folder.is_dir() else None
    if stranger is not None:
        raise InputError.one(str(folder), f"holds '{stranger}', which no study wrote; choose another --out")


def _strangers(folder: Path) -> Iterator[str]:
    """Names in ``folder`` that stand for nothing a study wrote."""
    manifest = _object(folder / STUDY)
    parts = as_mapping(manifest.get("parts_sha256")) if manifest.keys() >= _MANIFEST else None
    unfinished = (folder / PROGRESS).is_dir()
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            yield path.name
        elif path.name == PROGRESS or (is_staged(path.name) and path.is_dir()):
            yield from (f"{path.name}/{name}" for name in _unknown(path, _is_of_progress))
            journal = path / JOURNAL
            yield from [f"{path.name}/{JOURNAL}"] if journal.is_file() and not may_be_journal(journal) else []
        elif path.name == POINTS:
            known = parts if parts is not None else () if unfinished else None
            yield from [] if known is not None else [POINTS]
            mine = is_part if unfinished or known is None else known.__contains__
            yield from (f"{POINTS}/{name}" for name in _unknown(path, mine))
        elif path.name == STUDY:
            yield from [] if parts is not None else [STUDY]
        elif path.name == SESSION:
            yield from [] if _object(path).keys() >= _SESSION else [SESSION]
        elif path.name == CRATE:
            yield from [] if path.is_file() and is_crate(path) else [CRATE]
        elif not (is_staged(path.name) and path.is_file()):
            yield path.name


_MANIFEST = {"study_sha256", "parts_sha256", "build"}
_SESSION = {"seconds", "workers", "points", "simulated"}


def _object(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; an empty one where there is none."""
    try:
        return as_mapping(read_json(path)) or {}
    except InputError:
        return {}


def _unknown(folder: Path, known: Callable[[str], bool]) -> Iterator[str]:
    """Paths within ``folder`` of what is no regular file that is ``known``."""
    if not folder.is_dir():
        yield ""
    for root, folders, names in os.walk(folder):
        for path in (Path(root, name) for name in sorted([*folders, *names])):
            name = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or (path.is_file() and known(name))):
                yield name


def _is_of_progress(name: str) -> bool:
    """Whether a study that is at work gives a file that name, within its folder of progress."""
    outer, _, inner = name.partition("/")
    if not inner:
        return outer in (LOCK, NAME, PLAN, JOURNAL)
    if outer == POINTS:
        return is_part(inner)
    return outer == SIMULATIONS and (inner == LIMIT or is_kept(inner) or is_staged(inner.rpartition("/")[2]))


def refuse_another(folder: Path, name: str) -> None:
    """Raises ``InputError`` where a study of another name stands in ``folder``: what it has done would be lost."""
    there = _name_of_unfinished(folder) or _name_of_finished(folder)
    if there is not None and there != name:
        raise InputError.one(str(folder), f"holds the study '{there}', and this is '{name}'; choose another --out")


def _name_of_unfinished(folder: Path) -> str | None:
    try:
        return read_text(folder / PROGRESS / NAME) or None
    except InputError:
        return None


def _name_of_finished(folder: Path) -> str | None:
    name = _object(folder / STUDY).get("name")
    return None if name is None else str(name)


def refuse_unfinished(folder: Path) -> None:
    """Raises ``InputError`` where a study stands in ``folder`` that is to be gone on with."""
    if (folder / PROGRESS / JOURNAL).is_file():
        raise InputError.one(str(folder), "holds a study that is not finished: --resume goes on with it")


@contextmanager
def held_alone(at_work: Path) -> Iterator[None]:
    """Makes ``at_work`` and keeps others from working there meanwhile. The lock is the kernel's and dies with whoever
    holds it.

    Raises ``InputError`` where another process holds it. Windows has no such lock, nor have some shared disks: there
    it goes without.
    """
    try:
        import fcntl
    except ImportError:
        at_work.mkdir(parents=True, exist_ok=True)
        yield
        return
    path = at_work / LOCK
    while True:
        at_work.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+")
        except FileNotFoundError:  # who worked here has finished just now, and cleared up
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                who = f"another coldaisle ({file.read().strip() or 'process unknown'})"
                message = f"{who} is at work on this study; wait for it, or choose another --out"
                raise InputError.one(str(at_work.parent), message) from None
            except OSError:
                pass
            if not _is(file, path):  # locked, and cleared up before: of no use
                continue
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}")
            file.flush()
            yield
            return


def _is(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def clear(at_work: Path) -> None:
    """Takes ``at_work`` away at once, lock and all: nobody else finds half of it, or loses what is new there."""
    gone = staged(at_work)
    at_work.rename(gone)
    for left in (gone, *(path for path in at_work.parent.iterdir() if path.is_dir() and is_staged(path.name))):
        take_away(left, _is_of_progress)


def fresh_points(folder: Path) -> Path:
    """An empty folder for the rows of the study at work in ``folder``, until they are ``put``."""
    staging = folder / PROGRESS / POINTS
    take_away(staging, is_part)
    staging.mkdir()
    return staging


def put(manifest: Mapping[str, Any], folder: Path) -> None:
    """Puts rows and manifest in their place. The manifest goes last: with it a study is finished."""
    for name in (STUDY, CRATE):
        (folder / name).unlink(missing_ok=True)
    take_away(folder / POINTS, is_part)
    (folder / PROGRESS / POINTS).rename(folder / POINTS)
    write_text(to_json(manifest), folder / STUDY, ours=within_ours)


def manifest_of(folder: Path) -> Mapping[str, Any]:
    """What ``study.json`` says. Raises ``InputError`` where ``folder`` holds no finished study."""
    if not (folder / STUDY).is_file() and (folder / SUMMARY).is_file():
        raise InputError.one(str(folder), "holds a run, and this asks for a study; coldaisle sweep writes one")
    found = _object(folder / STUDY)
    axes, parts, columns = (as_mapping(found.get(name)) for name in ("axes", "parts_sha256", "columns"))
    whole = axes is not None and all(as_list(paths) is not None for paths in axes.values())
    known = parts is not None and all(map(is_part, parts)) and columns is not None
    if not whole or not known or as_text(found.get("name")) is None:
        raise InputError.one(str(folder), "holds no finished study; coldaisle sweep writes one")
    return found


def points_of(folder: Path, study: Mapping[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
    """The dataset of a finished study, or these of its columns. Raises ``InputError`` if it was changed."""
    import pyarrow as pa

    parts = []
    for part, recorded in sorted(study["parts_sha256"].items()):
        path = folder / POINTS / part
        table = read_parquet(path, columns=columns)
        if sha256(path) != recorded:
            raise InputError.one(str(path), "is not what this study wrote; run it again")
        parts.append(table)
    try:
        return pa.concat_tables(parts)
    except (pa.ArrowException, ValueError) as error:
        raise InputError.one(str(folder), f"holds parts of several datasets: {error}") from None


def finished_study(folder: Path, name: str) -> dict[str, Any] | None:
    """The manifest of a study that stands whole in ``folder``, if it is this one."""
    try:
        manifest: dict[str, Any] = read_json(folder / STUDY)
        parts = manifest["parts_sha256"]
        whole = manifest["study_sha256"] == name and all(
            sha256(folder / POINTS / part) == recorded for part, recorded in parts.items()
        )
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None
