"""The folder that a page shows: its runs and studies, and that nothing outside of it is read or written."""

from __future__ import annotations

import csv
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from sim.errors import InputError
from sim.mistaken import no_folder_of_runs
from sim.reading import read_json
from sim.results.files import MANIFEST, SUMMARY, read
from sim.results.results import Results
from sim.study.sweep.folder import STUDY

DEEPEST = 3
"""Folders within folders that are looked into."""
MOST = 500
"""Runs and studies that are listed."""
MOST_LOADED = 8
"""Runs that stay in memory."""
SERIES_COLUMNS = {"datetime_utc", "carbon_intensity"}
"""What the header of a CSV file has that can be taken as a grid's intensity as it is."""


@dataclass(frozen=True)
class Entry:
    """One run or study: its path within the folder (``.`` is the folder itself), and what it is called.

    A damaged one has an empty summary.
    """

    at: str
    name: str
    study: bool
    summary: dict[str, Any] | None = None


class Shelf:
    """A folder, and the runs of it that were opened."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError.one(str(root), no_folder_of_runs(root))
        self.root = root.resolve()
        self._loaded: OrderedDict[tuple[str, int], Results] = OrderedDict()
        self._lock = Lock()

    def inside(self, at: str) -> Path:
        """The path of something in the folder. Raises ``InputError`` where it would lead out of it, also by a link."""
        try:
            path = (self.root / at).resolve()
            fits = "\0" not in at and path.is_relative_to(self.root)
        except (OSError, ValueError, RuntimeError):
            fits = False
        if not fits:
            raise InputError.one(repr(at[:200]), "is outside of the folder that is open; choose a path within it")
        return path

    def entries(self) -> list[Entry]:
        """Every run and study, in the order of their paths."""
        found: list[Entry] = []
        for folder in self._folders(self.root, DEEPEST):
            if len(found) >= MOST:
                break
            at = folder.relative_to(self.root).as_posix()
            try:
                if (folder / MANIFEST).is_file() and (folder / SUMMARY).is_file():
                    summary = read_json(folder / SUMMARY)
                    found.append(Entry(at, at if at != "." else folder.name, study=False, summary=summary))
                elif (folder / STUDY).is_file():
                    found.append(Entry(at, at if at != "." else folder.name, study=True))
            except InputError:  # a damaged one is told of when it is opened
                found.append(Entry(at, at if at != "." else folder.name, study=False, summary={}))
        return found

    def _folders(self, folder: Path, deep: int) -> Iterator[Path]:
        yield folder
        if deep and not (folder / MANIFEST).is_file() and not (folder / STUDY).is_file():
            try:
                inner = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            except OSError:
                return
            for path in inner:
                if path.is_dir() and not path.is_symlink():
                    yield from self._folders(path, deep - 1)

    def run(self, at: str) -> Results:
        """A run, which stays in memory as long as its files are the same. Raises ``InputError`` where there is none."""
        folder = self.inside(at)
        manifest = folder / MANIFEST
        written_ns = manifest.stat().st_mtime_ns if manifest.is_file() else 0
        key = (str(folder), written_ns)
        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        results = read(folder)
        with self._lock:
            self._loaded[key] = results
            while len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return results

    def series(self) -> list[str]:
        """CSV files of the folder that a grid's intensity can be read from, as whole paths."""
        found: list[str] = []
        for folder in self._folders(self.root, DEEPEST):
            files = [path for path in sorted(folder.glob("*.csv")) if path.is_file() and not path.is_symlink()]
            found += [str(path) for path in files if _header(path) >= SERIES_COLUMNS]
        return found[:MOST]


def _header(path: Path) -> set[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return {*next(csv.reader([stream.readline(10_000)]), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
