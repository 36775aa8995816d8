"""A study's folder: what may stand there, who may work in it, and whether what stands there is whole."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sim.errors import InputError
from sim.results.atomic import refuse_unusable
from sim.results.files import sha256
from sim.study.dataset import POINTS

STUDY, SESSION, PROGRESS, LOCK, NAME = "study.json", "session.json", ".progress", "lock", "name"


def refuse_strangers(folder: Path) -> None:
    """Raises ``InputError`` where something else than a study stands in ``folder``."""
    refuse_unusable(folder, folder=True)
    if not folder.is_dir():
        return
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in (STUDY, SESSION, PROGRESS, POINTS))
    strangers = [name for name in strangers if not name.endswith((".partial", ".replaced"))]
    if strangers:
        raise InputError.one(str(folder), f"holds '{strangers[0]}', which no study wrote; choose another --out")


def refuse_another(folder: Path, name: str) -> None:
    """Raises ``InputError`` where a study of another name stands in ``folder``: what it has done would be lost."""
    there = _name_of_unfinished(folder) or _name_of_finished(folder)
    if there is not None and there != name:
        raise InputError.one(str(folder), f"holds the study '{there}', and this is '{name}'; choose another --out")


def _name_of_unfinished(folder: Path) -> str | None:
    try:
        return (folder / PROGRESS / NAME).read_text(encoding="utf-8") or None
    except (OSError, ValueError):
        return None


def _name_of_finished(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / STUDY).read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refuse_unfinished(folder: Path) -> None:
    """Raises ``InputError`` where a study stands in ``folder`` that is to be gone on with."""
    if (folder / PROGRESS / "journal").is_file():
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
    gone = at_work.with_name(f"{at_work.name}.partial")
    shutil.rmtree(gone, ignore_errors=True)
    at_work.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def finished_study(folder: Path, name: str) -> dict[str, Any] | None:
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
