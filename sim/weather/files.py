"""Text of a weather file, plain or .gz; every failure to read it is an input error."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from sim.errors import InputError

LARGEST_BYTES = 1 << 28


def read_text(path: Path) -> str:
    """The whole file, unpacked if its name ends in .gz. Raises ``InputError``."""
    file = str(path)
    if "\0" in file:
        raise InputError.one(repr(file), "is no usable path: it has a NUL in it")
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as packed:
                content = packed.read(LARGEST_BYTES + 1)
        else:
            with path.open("rb") as plain:
                content = plain.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputError.one(file, "no such file") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None
    if len(content) > LARGEST_BYTES:
        raise InputError.one(file, f"is larger than {LARGEST_BYTES:,} bytes, more than any weather file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # place names in older files


def read_lines(path: Path) -> list[str]:
    """Its lines, without their ends."""
    return read_text(path).splitlines()
