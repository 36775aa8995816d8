"""Reads files that are not trusted: one guarded way for bytes, text and JSON, used by every reader.

Only regular files are opened: a pipe would block, a device never ends. What is packed (gzip, told by its first bytes)
is unpacked up to a stated limit, so that a small file cannot fill the memory. JSON may nest ``DEEPEST`` levels and hold
numbers that are finite and no longer than ``LONGEST_NUMBER`` digits. Every failure is an ``InputError`` with the file,
and the line where there is one.
"""

from __future__ import annotations

import gzip
import json
import math
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

from sim.errors import InputError

MOST_BYTES = 512 << 20
"""A file that is larger, unpacked, is refused by readers that hold all of it."""
DEEPEST = 100
LONGEST_NUMBER = 400
_GZIP_MAGIC = b"\x1f\x8b"


def exists(path: Path) -> bool:
    """Whether there is anything at ``path``; nothing is at one that the system could not hold (too long, a NUL)."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a regular file at ``path``, likewise."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def open_regular(path: Path, file: str | None = None) -> Iterator[IO[bytes]]:
    """The regular file at ``path``, open to be read, called ``file`` in messages. Raises ``InputError``."""
    name = str(path) if file is None else file
    if "\0" in str(path):
        raise InputError.one(repr(name), "is no usable path: it has a NUL in it")
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = (
                "a folder"
                if stat.S_ISDIR(mode)
                else "a pipe or a device, which may never end; write it to a file first"
            )
            raise InputError.one(name, f"is no file to read but {what}")
        stream = path.open("rb")
    except FileNotFoundError:
        raise InputError.one(name, "no such file") from None
    except OSError as error:
        raise InputError.one(name, f"cannot be read: {error.strerror or error}") from None
    with stream:
        yield stream


def read_bytes(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> bytes:
    """All of the file at ``path``, unpacked if it is gzip, up to ``most`` bytes. Raises ``InputError``."""
    name = str(path) if file is None else file
    with open_regular(path, name) as stream:
        try:
            packed = stream.read(2) == _GZIP_MAGIC
            stream.seek(0)
            content = (gzip.GzipFile(fileobj=stream) if packed else stream).read(most + 1)
        except EOFError:
            raise InputError.one(name, "is gzip that ends too early: it was cut off") from None
        except (OSError, zlib.error) as error:
            raise InputError.one(name, f"cannot be read: {error}") from None
    if len(content) > most:
        raise InputError.one(name, f"{'unpacks to' if packed else 'holds'} more than {most:,} bytes; split it")
    return content


def read_text(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> str:
    """The UTF-8 text in ``path``, plain or gzip. Raises ``InputError``."""
    name = str(path) if file is None else file
    try:
        return read_bytes(path, name, most=most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.one(name, f"is not UTF-8 text ({error.reason} at byte {error.start:,})") from None


def read_json(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> Any:
    """The JSON value in ``path``, plain or gzip. Raises ``InputError``."""
    name = str(path) if file is None else file
    return parse_json(read_text(path, name, most=most), name)


def parse_json(text: str, file: str, *, line: int | None = None) -> Any:
    """The JSON value that ``text`` is; ``line`` is where it stands, if one line of ``file``. Raises ``InputError``."""

    def no_number(written: str) -> NoReturn:
        raise ValueError(f"{written[:20]} is not a finite number")

    def whole(written: str) -> int:
        if len(written) > LONGEST_NUMBER:
            raise ValueError(f"a number of {len(written):,} digits is refused")
        return int(written)

    def real(written: str) -> float:
        value = float(written)
        return value if math.isfinite(value) else no_number(written)

    try:
        value = json.loads(text, parse_constant=no_number, parse_int=whole, parse_float=real)
    except json.JSONDecodeError as error:
        where = error.lineno if line is None else line
        raise InputError.one(file, f"is not valid JSON: {error.msg}", line=where) from None
    except RecursionError:
        raise InputError.one(file, f"is JSON nested deeper than {DEEPEST} levels", line=line) from None
    except ValueError as error:
        raise InputError.one(file, f"is JSON with a value that is none: {error}", line=line) from None
    if _deeper(value, DEEPEST):
        raise InputError.one(file, f"is JSON nested deeper than {DEEPEST} levels", line=line)
    return value


def _deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        inner = (
            child
            for one in level
            if isinstance(one, dict | list)
            for child in (one.values() if isinstance(one, dict) else one)
            if isinstance(child, dict | list)
        )
        level = list(inner)
        if not level:
            return False
    return True
