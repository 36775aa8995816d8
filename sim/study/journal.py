"""What is done of a study, line by line: a kill at any moment costs at most the line being written.

Each line ends with a checksum of itself; one that was torn or edited is passed over and its point runs again. Lines are
handed to the system at once, so they outlive the process.
"""

from __future__ import annotations

import json
import zlib
from array import array
from pathlib import Path
from typing import Any

from sim.study.work import Row

NONE = -1


class Spool:
    """Records in a file, found again by their offset: memory does not grow with what they hold."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0, 2)
        self._end = self._file.tell()

    def append(self, record: Any) -> int:
        """Where ``record``, plain data, now stands."""
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        at = self._end
        self._file.write(line)
        self._end += len(line)
        return at

    def flush(self) -> None:
        """Hands everything to the system."""
        self._file.flush()

    def read(self, at: int) -> Any:
        """The record at an offset."""
        self._file.flush()
        self._file.seek(at)
        return parsed(self._file.readline())

    def close(self) -> None:
        """Ends it."""
        self._file.close()


def parsed(line: bytes) -> Any:
    """The record in a line; None where it is not what was written."""
    said, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or said != f"{zlib.crc32(text):08x}".encode():
        return None
    return json.loads(text)


class Journal:
    """The rows of a study that are done. ``done[i]`` is where point ``i`` stands, or ``NONE``."""

    def __init__(self, path: Path, study: str, points: int) -> None:
        """Opens the journal at ``path`` and takes over what it holds of the same ``study``; starts anew otherwise."""
        self.done = array("q", [NONE]) * points
        self.count = 0
        kept = path.is_file() and self._read(path, study)
        if not kept:
            path.unlink(missing_ok=True)
        self._spool = Spool(path)
        if not kept:
            self._spool.append({"study": study})
            self._spool.flush()

    def _read(self, path: Path, study: str) -> bool:
        at = 0
        with path.open("rb") as lines:
            first = parsed(lines.readline())
            if not isinstance(first, dict) or first.get("study") != study:
                return False
            at = lines.tell()
            good = at
            for line in lines:
                row = parsed(line)
                if row is not None and 0 <= row[0] < len(self.done) and self.done[row[0]] == NONE:
                    self.done[row[0]] = at
                    self.count += 1
                at += len(line)
                if line.endswith(b"\n"):
                    good = at
        if good != at:  # a torn last line: what follows must not run on from it
            with path.open("r+b") as torn:
                torn.truncate(good)
        return True

    def add(self, rows: tuple[Row, ...]) -> None:
        """Takes rows down; one that is there already stays as it is."""
        for row in rows:
            if self.done[row.index] == NONE:
                at = self._spool.append([row.index, row.status, row.error, dict(row.values)])
                self.done[row.index] = at
                self.count += 1
        self._spool.flush()

    def row(self, index: int) -> Row:
        """The row of a point that is done."""
        found = self._spool.read(self.done[index])
        return Row(found[0], found[1], found[2], found[3])

    def close(self) -> None:
        """Ends it."""
        self._spool.close()


def study_of(path: Path) -> str | None:
    """Which study a journal belongs to; None where it is none."""
    try:
        with path.open("rb") as lines:
            first = parsed(lines.readline())
    except OSError:
        return None
    return first.get("study") if isinstance(first, dict) else None
