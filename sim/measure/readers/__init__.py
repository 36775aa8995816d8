"""Recordings of other tools, one format a file, told by what is in them and never by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from sim.errors import InputError
from sim.measure import recording
from sim.measure.readers import (
    amd_smi,
    codecarbon,
    energibridge,
    mlperf,
    nvidia_smi,
    powerjoular,
    prometheus,
    rapl_text,
    scaphandre,
    zeus,
)
from sim.measure.readers.text import Text, read_text
from sim.measure.recording import Fault, Recording
from sim.reading import is_file

PARQUET_MAGIC = b"PAR1"


class Format(NamedTuple):
    """A format: what it is called, whether a text is in it, and how that is read."""

    name: str
    fits: Callable[[Text], bool]
    read: Callable[[Text], Recording]


FORMATS = tuple(
    Format(module.NAME, module.fits, module.read)
    for module in (
        nvidia_smi,
        amd_smi,
        scaphandre,  # these two before Prometheus, which takes any other JSON
        prometheus,
        zeus,
        codecarbon,
        mlperf,
        powerjoular,
        energibridge,
        rapl_text,
    )
)


def read_recording(path: Path, zone: tzinfo | None = None) -> Recording:
    """The recording in a file of any known format, plain or .gz. ``zone`` is that of local times without an offset.

    Raises ``InputError`` for a file that cannot be read, is in no known format, or holds no samples.
    """
    if _is_parquet(path):
        found = recording.read(path)
        unused = Fault(f"--zone {zone} is not used: its times do not depend on a zone")
        return replace(found, faults=(*found.faults, unused)) if zone is not None else found
    text = read_text(path, zone)
    if not text.first:
        raise text.refuse("is empty")
    for form in FORMATS:
        if form.fits(text):
            return form.read(text)
    known = "; ".join(["coldaisle's own Parquet", *(form.name for form in FORMATS)])
    raise InputError.one(text.file, f"is in no format that can be read; there are: {known}", line=1)


def _is_parquet(path: Path) -> bool:
    if not is_file(path):
        return False  # why it cannot be read, reading it as a text will say
    try:
        with path.open("rb") as stream:
            return stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
    except OSError:
        return False  # likewise
