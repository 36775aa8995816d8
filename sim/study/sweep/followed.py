"""What the rows of a study followed from, outside of its folder: files, lists of folders, and what names led to.

A process that runs a study *hears* every file it opens to read and every folder it lists. ``Followed`` holds each with
a hash of its content, and where each name that the study says would lead; later it tells whether all of that is as it
was. What is not known to be the same is taken to be another.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.results.files import sha256
from sim.study.sources import PACKAGE, SHIPPED

CODE = (".py", ".pyc", ".pyd", ".so", ".dylib", ".dll", ".pth", ".nbi", ".nbc")
SYSTEM = ("/proc/", "/sys/", "/dev/")
RACE_NS = 50_000_000
"""What changed so shortly before a study began may have changed while it was read: clocks of disks are coarse."""


class Hearing:
    """What this process opens to read, and lists, from when it was made."""

    def __init__(self) -> None:
        self.opened: set[str] = set()
        self.listed: set[str] = set()
        if not _hearing:
            sys.addaudithook(_hear)
        _hearing[:] = [self]

    def end(self) -> None:
        """Hears nothing from now on."""
        _hearing[:] = [None]


_hearing: list[Hearing | None] = []


def _hear(event: str, given: tuple[Any, ...]) -> None:
    if event not in ("open", "os.scandir"):
        return
    hearing = _hearing[0]
    if hearing is None or not isinstance(given[0], str | bytes):
        return
    path = os.path.abspath(os.fsdecode(given[0]))
    if event == "os.scandir":
        hearing.listed.add(path)
    elif not given[2] & os.O_ACCMODE:  # to read
        hearing.opened.add(path)


@dataclass(frozen=True)
class Followed:
    """``files`` by their content, ``folders`` by the names in them, ``names`` by where they lead (None: nowhere)."""

    files: Mapping[str, str]
    folders: Mapping[str, str]
    names: Mapping[str, str | None]

    @classmethod
    def of(cls, hearing: Hearing, names: Iterable[str], own: tuple[Path, ...], began_ns: int) -> Followed | None:
        """What was heard, but for code and what lies in ``own`` folders.

        None where something changed after ``began_ns``, or where a name leads into one of them or to what holds it.
        """
        home = tuple({_within(real(folder)) for folder in own for real in (os.path.abspath, os.path.realpath)})
        apart = (*SYSTEM, *home)
        opened = [path for path in sorted(hearing.opened) if not _is_code(path) and not path.startswith(apart)]
        listed = [
            path for path in sorted(hearing.listed) if not _is_package(path) and not _within(path).startswith(apart)
        ]
        led = {path: _leads_to(path) for path in sorted({*names, *opened, *listed})}
        files = [path for path in opened if os.path.isfile(path)]
        for path in names:
            if any(one.startswith(_within(path)) or _within(os.path.realpath(path)).startswith(one) for one in home):
                return None
        if any(os.stat(path).st_ctime_ns > began_ns - RACE_NS for path in (*files, *listed)):
            return None
        return cls(
            {path: sha256(Path(path)) for path in files},
            {path: _names_in(path) for path in listed},
            led,
        )

    def holds(self) -> bool:
        """Whether everything is as it was."""
        try:
            return (
                all(_leads_to(path) == before for path, before in self.names.items())
                and all(_names_in(path) == before for path, before in self.folders.items())
                and all(sha256(Path(path)) == before for path, before in self.files.items())
            )
        except (OSError, ValueError):
            return False


def _is_code(path: str) -> bool:
    return path.endswith(CODE) or ".dist-info/" in path or ".egg-info/" in path


def _is_package(path: str) -> bool:
    inside = _within(path).startswith(_within(str(PACKAGE)))
    return inside and not _within(path).startswith(_within(str(PACKAGE / SHIPPED)))


def _within(folder: str) -> str:
    """What the path of everything in ``folder``, and of itself with its own separator, begins with."""
    return os.path.join(folder, "")


def _leads_to(path: str) -> str | None:
    """What stands at a path, by its kind and by where it truly stands."""
    try:
        if not os.path.lexists(path):
            return None
        kind = "file" if os.path.isfile(path) else "folder" if os.path.isdir(path) else "other"
        return f"{kind} {os.path.realpath(path)}"
    except ValueError:  # a NUL
        return None


def _names_in(folder: str) -> str:
    return hashlib.sha256(json.dumps(sorted(os.listdir(folder))).encode()).hexdigest()


def meant(texts: Iterable[str], folders: Iterable[str]) -> Iterator[str]:
    """Every path that one of ``texts`` could mean where it is looked for in one of ``folders``."""
    places = {os.path.abspath(folder) for folder in folders}
    for text in texts:
        if text.strip("./") and "\n" not in text and "\0" not in text:
            yield from (os.path.abspath(os.path.join(place, text)) for place in places)
