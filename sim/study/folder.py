"""A study's folder: what may stand there, who may work in it, and whether what stands there is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.results.atomic import refuse_unusable
from sim.results.files import sha256
from sim.study.dataset import POINTS

STUDY, SESSION, PROGRESS = "study.json", "session.json", ".progress"


def refuse_strangers(folder: Path, *, resume: bool) -> None:
    """Raises ``InputError`` where something else stands in ``folder``, or a study that is to be gone on with."""
    refuse_unusable(folder, folder=True)
    if not folder.is_dir():
        return
    strangers = sorted(path.name for path in folder.iterdir() if path.name not in (STUDY, SESSION, PROGRESS, POINTS))
    strangers = [name for name in strangers if not name.endswith((".partial", ".replaced"))]
    if strangers:
        raise InputError.one(str(folder), f"holds '{strangers[0]}', which no study wrote; choose another --out")
    if not resume and (folder / PROGRESS / "journal").is_file():
        raise InputError.one(str(folder), "holds a study that is not finished: --resume goes on with it")


@contextmanager
def held_alone(at_work: Path) -> Iterator[None]:
    """Keeps others from working on a study meanwhile. The lock is the kernel's and dies with whoever holds it.

    Raises ``InputError`` where another process holds it. Windows has no such lock, and goes without.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (at_work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "another coldaisle is at work on this study; wait for it, or choose another --out"
            raise InputError.one(str(at_work.parent), message) from None
        yield


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
