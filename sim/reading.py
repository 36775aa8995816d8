"""Reads files that are not trusted: one guarded way for bytes, text, CSV, JSON and Parquet, used by every reader.

Only regular files are opened: a pipe would block, a device never ends. What is packed (gzip, or zip of one file, told
by its first bytes) is unpacked up to a stated limit, and to ``MOST_UNPACKED`` times its size where that is less, so
that a small file can neither fill the memory nor take minutes to be refused. JSON may nest ``DEEPEST`` levels and hold
numbers that are finite and no longer than ``LONGEST_NUMBER`` digits. A table may hold ``LONGEST_LINE`` characters a
line and, of Parquet, ``MOST_CELLS`` cells and ``MOST_BYTES`` of text. Every failure is an ``InputError`` with the file,
and the line where there is one.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from sim.errors import InputError
from sim.mistaken import beside

if TYPE_CHECKING:
    import pyarrow as pa

MOST_BYTES = 512 << 20
"""A file that is larger, unpacked, is refused by readers that hold all of it."""
DEEPEST = 100
LONGEST_NUMBER = 400
MOST_STREAMED = 8 << 30
"""As ``MOST_BYTES``, for readers that go through a file line by line."""
UNPACKED_AT_LEAST, MOST_UNPACKED = 64 << 20, 100
"""What is packed may unpack to the first, or to so many times its size: logs and tables shrink 5 to 40 times, and what
shrinks more holds one thing over and over."""
LONGEST_LINE = 1 << 17
MOST_CELLS = 1 << 29
LARGEST_LISTING = 1 << 20
"""Bytes of what a zip file says of its contents, which is held whole."""
_GZIP_MAGIC, _ZIP_MAGIC, _ZIP_END = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_ZIP_TAIL, _ZIP_LISTING = 22 + 65_535, slice(12, 16)
_PIECE = 1 << 20


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
        raise InputError.one(name, f"no such file{beside(path)}") from None
    except OSError as error:
        raise InputError.one(name, f"cannot be read: {error.strerror or error}") from None
    with stream:
        try:
            yield stream
        except OSError as error:
            if error.filename is not None:  # of another file
                raise
            raise InputError.one(name, f"cannot be read: {error.strerror or error}") from None


def unpacked_limit(stream: IO[bytes], most: int) -> int:
    """How many bytes an open packed file may unpack to where a reader takes ``most``."""
    return min(most, max(UNPACKED_AT_LEAST, MOST_UNPACKED * os.fstat(stream.fileno()).st_size))


def up_to(stream: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    """Up to ``most`` bytes, piece by piece: ``read(most)`` would set all of that aside, whatever the stream holds."""
    content = io.BytesIO()
    while piece := stream.read(min(_PIECE, most - content.tell())):
        content.write(piece)
    return content.getvalue()


@contextmanager
def _unpacked(stream: IO[bytes], file: str, most: int) -> Iterator[tuple[Any, int, bool]]:
    """What an open file holds, unpacked if it is packed, how much of it may be read, and whether it was packed."""
    magic = stream.read(len(_ZIP_MAGIC))
    stream.seek(0)
    try:
        if magic.startswith(_GZIP_MAGIC):
            yield gzip.GzipFile(fileobj=stream), unpacked_limit(stream, most), True
        elif magic == _ZIP_MAGIC:
            with _only_member(stream, file) as member:
                yield member, unpacked_limit(stream, most), True
        else:
            yield stream, most, False
    except EOFError:
        packed = "zip" if magic == _ZIP_MAGIC else "gzip"
        raise InputError.one(file, f"is {packed} that ends too early: it was cut off") from None
    except zipfile.BadZipFile as error:
        raise InputError.one(file, f"is zip that cannot be read, or was cut off: {error}") from None
    except (OSError, zlib.error) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None


@contextmanager
def _only_member(stream: IO[bytes], file: str) -> Iterator[IO[bytes]]:
    """The one file in a zip file."""
    stream.seek(max(0, os.fstat(stream.fileno()).st_size - _ZIP_TAIL))
    _, found, end = stream.read().rpartition(_ZIP_END)
    if not found:
        raise InputError.one(file, "is zip that ends too early: it was cut off")
    if int.from_bytes((found + end)[_ZIP_LISTING], "little") > LARGEST_LISTING:
        raise InputError.one(file, "is zip of more than can be read; unpack it")
    try:
        packed = zipfile.ZipFile(stream)
        held = [one for one in packed.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
        if len(held) != 1:
            raise InputError.one(file, f"is zip of {len(held):,} files, and one is read; unpack the one that is meant")
        if held[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError.one(file, "is zip packed in another way than by deflate; unpack it")
        member = packed.open(held[0])
    except (NotImplementedError, RuntimeError, ValueError) as error:  # of another version, with a password, or damaged
        raise InputError.one(file, f"is zip that cannot be unpacked: {error}") from None
    with packed, member:
        yield member


def read_bytes(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> bytes:
    """All of the file at ``path``, unpacked if it is packed, up to ``most`` bytes. Raises ``InputError``."""
    name = str(path) if file is None else file
    with open_regular(path, name) as stream, _unpacked(stream, name, most) as (unpacked, limit, packed):
        content = up_to(unpacked, limit + 1)
    if len(content) > limit:
        raise InputError.one(name, f"{'unpacks to' if packed else 'holds'} more than {limit:,} bytes; split it")
    return content


def read_text(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> str:
    """The UTF-8 text in ``path``, plain or packed. Raises ``InputError``."""
    name = str(path) if file is None else file
    return decoded(read_bytes(path, name, most=most), name)


def decoded(content: bytes, file: str) -> str:
    """UTF-8 as text, without a mark that stands first. Raises ``InputError`` with the line of what is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError.one(file, _no_text(content[:LONGEST_SIGN], error), line=line) from None


_SIGNS = {
    b"PAR1": "is Parquet where text is read: write it as CSV",
    b"\xff\xfe": "is UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "is UTF-16 text: save it as UTF-8",
}
LONGEST_SIGN = 4


def _no_text(begins: bytes, error: UnicodeDecodeError) -> str:
    """What a file is that is no UTF-8, where its first bytes tell."""
    known = next((words for sign, words in _SIGNS.items() if begins.startswith(sign)), None)
    return known if known is not None else f"is not UTF-8 text ({error.reason})"


def _line_that_is_no_text(path: Path, file: str, most: int) -> tuple[int | None, bytes]:
    """The first line of a file that is not UTF-8, and how the file begins. The text before it is gone when it is met,
    so the file is read again: that takes nothing of those that are whole."""
    decoder, line, begins = codecs.getincrementaldecoder("utf-8")(), 1, b""
    with open_regular(path, file) as stream, _unpacked(stream, file, most) as (unpacked, _, _):
        while True:
            piece = unpacked.read(_PIECE)
            begins = begins or piece[:LONGEST_SIGN]
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                return line + error.object.count(b"\n", 0, error.start), begins
            if not piece:
                return None, begins  # somebody has changed it meanwhile
            line += piece.count(b"\n")


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than ``most`` bytes."""

    def __init__(self, stream: IO[bytes], file: str, most: int) -> None:
        self._stream, self._file, self._most, self._left = stream, file, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given = self._stream.read(min(len(buffer), self._left + 1))
        self._left -= len(given)
        if self._left < 0:
            raise InputError.one(self._file, f"unpacks to more than {self._most:,} bytes; split it")
        buffer[: len(given)] = given
        return len(given)


@contextmanager
def open_text(path: Path, file: str | None = None, *, most: int = MOST_STREAMED) -> Iterator[IO[str]]:
    """The UTF-8 text in ``path``, plain or packed, to be read bit by bit. Raises ``InputError``, then too."""
    name = str(path) if file is None else file
    with open_regular(path, name) as stream, _unpacked(stream, name, most) as (unpacked, limit, _):
        try:
            limited = io.BufferedReader(_Limited(unpacked, name, limit))
            yield io.TextIOWrapper(limited, encoding="utf-8-sig", newline="")
        except UnicodeDecodeError as error:
            line, begins = _line_that_is_no_text(path, name, most)
            raise InputError.one(name, _no_text(begins, error), line=line) from None
        except csv.Error as error:
            raise InputError.one(name, f"is not a CSV table: {error}") from None


def lines_of(text: IO[str], file: str, *, longest: int = LONGEST_LINE) -> Iterator[str]:
    """Line by line with its end, so that a file without an end of line is refused and not held in memory."""
    number = 0
    while line := text.readline(longest):
        number += 1
        if len(line) >= longest:
            raise InputError.one(file, f"has a line of more than {longest:,} characters", line=number)
        yield line


def csv_rows(lines: Iterable[str], file: str) -> Iterator[tuple[int, list[str]]]:
    """Each row of CSV with the line it ends on. Raises ``InputError`` where it is none, such as for a NUL in it."""
    rows = csv.reader(lines)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError.one(file, f"is not a CSV table: {error}", line=rows.line_num) from None
        if row is None:
            return
        yield rows.line_num, row


def parse_csv(text: str, file: str) -> list[list[str]]:
    """All rows of CSV, as by ``csv_rows``."""
    return [row for _, row in csv_rows(lines_of(io.StringIO(text, newline=""), file), file)]


def read_parquet(
    path: Path, file: str | None = None, *, columns: Sequence[str] | None = None, named_by: Sequence[str] = ()
) -> pa.Table:
    """The Parquet table in ``path``, or these of its columns. Raises ``InputError``.

    ``named_by`` are the fields of the scenario that name the columns.

    A small file can stand for a huge table, since it may name one long text a million times: texts are first read by
    reference, and written out only where all of them fit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    name = str(path) if file is None else file
    with open_regular(path, name) as stream:
        try:
            with pq.ParquetFile(stream) as told:
                schema, rows = told.schema_arrow, told.metadata.num_rows
            wanted = list(columns) if columns is not None else schema.names
            absent = [column for column in wanted if column not in schema.names]
            if absent:
                remedy = f"; '{named_by[wanted.index(absent[0])]}:' says which to take" if named_by else ""
                known = ", ".join(schema.names)
                raise InputError.one(name, f"has no column '{absent[0]}'; its columns are: {known}{remedy}")
            if rows * max(1, len(wanted)) > MOST_CELLS:
                raise InputError.one(name, f"holds {rows:,} rows of {len(wanted)} columns, more than can be read")
            texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
            stream.seek(0)
            table = pq.ParquetFile(stream, read_dictionary=texts).read(columns=wanted)
            left = MOST_BYTES
            for at, column in enumerate(table.column_names):
                kept = table.column(column)
                if column not in texts or not pa.types.is_dictionary(kept.type):
                    continue
                for chunk in kept.chunks:
                    lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
                    left -= pc.sum(lengths).as_py() or 0
                if left < 0:
                    raise InputError.one(name, f"holds more than {MOST_BYTES:,} bytes of text; split it")
                table = table.set_column(at, schema.field(column), kept.cast(schema.field(column).type))
            table.validate(full=True)
        except InputError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError.one(name, f"cannot be read as Parquet: {said}") from None
    return table


def read_json(path: Path, file: str | None = None, *, most: int = MOST_BYTES) -> Any:
    """The JSON value in ``path``, plain or packed. Raises ``InputError``."""
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
    level: list[Any] = [[value]]
    for _ in range(most + 1):
        children = (child for one in level for child in (one.values() if isinstance(one, dict) else one))
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True
