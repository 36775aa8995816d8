"""Recordings of other tools, one format a file, told by what is in them and never by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from sim.errors import InputError
from sim.kinds import named
from sim.measure import recording
from sim.measure.readers.text import Text, read_text
from sim.measure.recording import Fault, Recording
from sim.reading import is_file
from sim.shipped_kinds import SHIPPED_NAMES

PARQUET_MAGIC = b"PAR1"


class Format(Protocol):
    """A format of recordings; each of ours is a module.

    ``NAME`` is what it is called, ``fits`` tells whether a text is in it, and ``read`` reads that.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 (a constant of a module)
    @property
    def fits(self) -> Callable[[Text], bool]: ...
    @property
    def read(self) -> Callable[[Text], Recording]: ...


def formats() -> tuple[Format, ...]:
    """Every format; those of other packages first, since some of ours take anything of their kind."""
    shipped, known = SHIPPED_NAMES["recording"], named("recording")
    return (*(form for name, form in known.items() if name not in shipped), *(known[name] for name in shipped))


def read_recording(path: Path, zone: tzinfo | None = None, *, besides: Sequence[str] = ()) -> Recording:
    """The recording in a file of any known format, plain or .gz. ``zone`` is that of local times without an offset.
    ``besides`` are other formats that the caller reads, to be named where the file is in none.

    Raises ``InputError`` for a file that cannot be read, is in no known format, or holds no samples.
    """
    if _is_parquet(path):
        found = recording.read(path)
        unused = Fault(f"--zone {zone} is not used: its times do not depend on a zone")
        return replace(found, faults=(*found.faults, unused)) if zone is not None else found
    text = read_text(path, zone)
    if not text.first:
        raise text.refuse("is empty")
    known = formats()
    for form in known:
        if form.fits(text):
            return form.read(text)
    names = "; ".join(["coldaisle's own Parquet", *(form.NAME for form in known), *besides])
    raise InputError.one(
        text.file, f"begins with {text.first[:80]!r}, as no format that can be read; there are: {names}", line=1
    )


def _is_parquet(path: Path) -> bool:
    if not is_file(path):
        return False  # why it cannot be read, reading it as a text will say
    try:
        with path.open("rb") as stream:
            return stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except OSError:
        return False  # likewise
