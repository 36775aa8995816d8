"""Text files of measurements, plain or .gz, line by line: what is cut off at the end is told apart from what is whole.

A meter's log is often cut: the disk filled, the job was killed, the copy was made meanwhile. A last line without its
end may hold half a number, so it is left out and said; a .gz that ends early is read as far as it goes. A line with
bytes that are no text costs that line, unless there are many of them.
"""

from __future__ import annotations

import codecs
import zlib
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import IO

from sim.errors import InputError
from sim.measure.recording import Fault
from sim.reading import MOST_BYTES, open_regular, unpacked_limit, up_to

MOST_LINES = 8_000_000
"""A file of more is refused: they are held in memory. A second of eight GPUs is eight lines, a day 691,200."""

GZIP_MAGIC = b"\x1f\x8b"
MOST_DAMAGED = 0.05
"""Share of the lines that may hold bytes that are no text, before the file counts as none."""
_CHUNK = 1 << 20
_NO_TEXT = "\ufffd"
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Text:
    """A file's whole lines, without their ends; ``tail`` is a last line that has no end, and ``cut`` says so.

    Lines that are ``damaged`` are blank. ``zone`` is that of its local clock, where the user named one.
    """

    file: str
    lines: tuple[str, ...]
    tail: str = ""
    cut: Fault | None = None
    damaged: tuple[Fault, ...] = ()
    zone: tzinfo | None = None

    @property
    def first(self) -> str:
        """The first line that is not blank, be it whole or not; '' if there is none."""
        return next((line for line in (*self.lines, self.tail) if line.strip()), "")

    def numbered(self) -> list[tuple[int, str]]:
        """The whole lines that are not blank, with their numbers from 1."""
        return [(number, line) for number, line in enumerate(self.lines, 1) if line.strip()]

    def refuse(self, message: str, line: int | None = None) -> InputError:
        """The error that says why this file cannot be used."""
        return InputError.one(self.file, message, line=line)


def read_text(path: Path, zone: tzinfo | None = None) -> Text:
    """The file at ``path``, unpacked if it is gzip (by its first bytes). Raises ``InputError``."""
    file = str(path)
    content, packed_cut = _bytes(path)
    stripped = content.rstrip(b"\0")
    padded = len(stripped) < len(content) and content[:2] not in _WIDE  # some file systems pad with NUL after a crash
    text, torn = _decoded(stripped if padded else content)
    if text.count("\n") + text.count("\r") - text.count("\r\n") > MOST_LINES:
        raise InputError.one(file, f"holds more than {MOST_LINES:,} lines; split it")
    del content, stripped
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    tail = lines.pop()
    damaged = [number for number, line in enumerate(lines, 1) if torn and _NO_TEXT in line]
    opening = next((line for line in (*lines, tail) if line.strip()), "")
    if (torn and _NO_TEXT in opening) or len(damaged) > max(1.0, MOST_DAMAGED * len(lines)):
        raise InputError.one(file, "is not text: it holds bytes that are none", line=damaged[0] if damaged else None)
    for number in damaged:
        lines[number - 1] = ""
    fault = None
    if tail.strip():
        fault = Fault("the file ends in the middle of this line, which is left out", line=len(lines) + 1)
    elif packed_cut or padded:
        fault = Fault("the file is cut off after this line", line=len(lines))
    left_out = tuple(Fault("holds bytes that are no text, and is left out", line=number) for number in damaged)
    whole_tail = tail.strip() and not (torn and _NO_TEXT in tail)
    return Text(file, tuple(lines), tail if whole_tail else "", fault, left_out, zone)


def _bytes(path: Path) -> tuple[bytes, bool]:
    """What the file holds, and whether it is gzip that ends too early."""
    file = str(path)
    with open_regular(path, file) as stream:
        packed = stream.read(2) == GZIP_MAGIC
        stream.seek(0)
        try:
            if packed:
                return _unpacked(stream, file)
            return _within(up_to(stream, MOST_BYTES + 1), file, MOST_BYTES, MOST_BYTES), False
        except (OSError, zlib.error) as error:
            raise InputError.one(file, f"cannot be read: {error}") from None


def _within(content: bytes, file: str, left: int, most: int) -> bytes:
    if len(content) > left:
        raise InputError.one(file, f"holds more than {most:,} bytes; split it")
    return content


def _unpacked(stream: IO[bytes], file: str) -> tuple[bytes, bool]:
    """The part of a gzip file that can be unpacked, and whether its end is missing. Raises ``zlib.error``."""
    parts: list[bytes] = []
    left = most = unpacked_limit(stream, MOST_BYTES)
    member = zlib.decompressobj(wbits=31)
    begun, packed = False, b""
    while packed := packed or stream.read(_CHUNK):
        begun = True
        parts.append(_within(member.decompress(packed, left + 1), file, left, most))
        left -= len(parts[-1])
        packed = member.unconsumed_tail
        if member.eof:  # another member may follow, or zeros that fill a block
            packed = member.unused_data.lstrip(b"\0")
            member, begun = zlib.decompressobj(wbits=31), False
    return b"".join(parts), begun


def _decoded(content: bytes) -> tuple[str, bool]:
    """UTF-8, or UTF-16 where its mark stands first (as PowerShell writes); half a character at the end is left out.

    Whether anything is neither; that stands in it as U+FFFD, which a sound text may hold, too.
    """
    decoder = codecs.getincrementaldecoder(_WIDE.get(content[:2], "utf-8"))
    try:
        return decoder().decode(content).removeprefix("\ufeff"), False
    except UnicodeDecodeError:
        return decoder("replace").decode(content).removeprefix("\ufeff"), True
