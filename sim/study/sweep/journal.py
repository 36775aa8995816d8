"""What is done of a study, line by line: a kill at any moment costs at most the line being written.

Each line ends with a checksum of itself; one that was torn or edited is passed over and its point runs again. Lines are
handed to the system at once, so they outlive the process.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.plain import as_list, as_mapping, under
from sim.study.sweep.rows import DONE, Row

NOWHERE = -1
ROW_PARTS = 5
_encoded = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Spool:
    """Records in a file, found again by their offset: memory does not grow with what they hold."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        self._file.seek(0, 2)
        self.end = self._file.tell()

    def append(self, record: Any) -> int:
        """Where ``record``, plain data, now stands."""
        text = _encoded(record)
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        at = self.end
        self._file.write(line)
        self.end += len(line)
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
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # its checksum holds, and nobody here wrote it
        return None


def may_be_journal(path: Path) -> bool:
    """Whether a file begins as a journal does, which may have been cut anywhere."""
    with path.open("rb") as stream:
        return re.match(rb"[0-9a-f]{0,8}\Z|[0-9a-f]{8} ", stream.read(9)) is not None


class Journal:
    """The rows that are done, by the content hash of their point, so that they hold whatever else a study becomes.

    ``asked`` is what beside the point decides a row; a journal that was begun for another starts anew.
    """

    def __init__(self, path: Path, asked: str) -> None:
        self._done: dict[bytes, int] = {}
        self._shared: tuple[int, dict[str, Any]] = (NOWHERE, {})
        kept = path.is_file() and self._read(path, asked)
        if not kept:
            path.unlink(missing_ok=True)
        self._spool = Spool(path)
        self._opened_at = self._spool.end
        if not kept:
            try:
                self._spool.append({"asked": asked})
                self._spool.flush()
            except OSError:  # a full disk
                self._spool.close()
                raise

    def _read(self, path: Path, asked: str) -> bool:
        """Takes over what ``path`` holds, but for a line that was torn or edited, and rows that rest on such a one."""
        with path.open("rb") as lines:
            if under(parsed(lines.readline()), "asked") != asked:
                return False
            at = good = lines.tell()
            shared = {NOWHERE}
            for line in lines:
                found = parsed(line)
                row = as_list(found)
                if as_mapping(found) is not None:
                    shared.add(at)
                elif row is not None and len(row) == ROW_PARTS and row[1] in shared:
                    self._done.setdefault(bytes.fromhex(row[0]), at)
                at += len(line)
                if line.endswith(b"\n"):
                    good = at
        if good != at:  # what follows must not run on from a torn line
            with path.open("r+b") as torn:
                torn.truncate(good)
        return True

    def __contains__(self, mark: bytes) -> bool:
        return mark in self._done

    def __len__(self) -> int:
        return len(self._done)

    def marks(self) -> frozenset[bytes]:
        """The points with a row."""
        return frozenset(self._done)

    def is_new(self, mark: bytes) -> bool:
        """Whether the row of a point that is done came since this journal was opened."""
        return self._done[mark] >= self._opened_at

    def share(self, values: Mapping[str, Any]) -> int:
        """Takes down what the rows of one simulation have in common; where it stands."""
        return self._spool.append({"shared": dict(values)})

    def add(self, mark: bytes, row: Row, shared: int) -> None:
        """Takes a row down; one that is there already stays as it is. Rows that failed share nothing."""
        if mark in self._done:
            return
        at = shared if row.status == DONE else NOWHERE
        self._done[mark] = self._spool.append([mark.hex(), at, row.status, row.error, dict(row.values)])

    def flush(self) -> None:
        """Hands everything to the system."""
        self._spool.flush()

    def row(self, mark: bytes, index: int) -> tuple[Row, Mapping[str, Any]]:
        """The row of a point that is done, and what it shares: the same object for neighbours of one simulation."""
        _, at, status, error, values = self._spool.read(self._done[mark])
        if at != self._shared[0]:
            self._shared = (at, self._spool.read(at)["shared"] if at != NOWHERE else {})
        return Row(index, status, error, values), self._shared[1]

    def close(self) -> None:
        """Ends it."""
        self._spool.close()
