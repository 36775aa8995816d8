"""What meters said: samples of devices over time, what went wrong while they were taken, and where they come from.

One row is one device at one moment, and holds whatever that meter gives: power, a counter of energy, clocks. What a
meter does not give is NaN, never zero. Everything that records or reads other tools' files ends in a ``Recording``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.errors import InputError
from sim.measure.known import Metered, metered
from sim.reading import parse_json, read_parquet
from sim.units import SECONDS_PER_NS

Floats = npt.NDArray[np.float64]
Kind = Literal["gpu", "cpu-package", "dram", "node"]

MEASURED = (
    "power_w",  # mean since the meter's last update, or at the moment: as the meter has it
    "energy_j",  # counter, unwrapped: only differences mean anything
    "sm_clock_mhz",
    "memory_clock_mhz",
    "gpu_utilization",  # 0..1: time with a kernel resident, not work
    "memory_utilization",  # 0..1: time with memory busy
    "memory_used_bytes",
    "temperature_c",
    "throttle_reasons",  # NVML's bit mask
    "power_limit_w",
)
"""Columns of samples beside ``time_ns`` (since 1970, int64), ``device`` (str) and ``phase`` (str, '' if unknown)."""
COLUMNS = ("time_ns", "device", "phase", *MEASURED)


@dataclass(frozen=True)
class Device:
    """A metered thing: its name in the samples, what it is, the vendor's name for it, and its hashed serial.

    ``unit`` is given where several devices of a recording are one thing at different times, as runs one after the other
    are: all that have it are added up as one. ``machine`` is what it stands in, where the source says.
    """

    name: str
    kind: Kind
    model: str = ""
    identity: str = ""
    unit: str = ""
    machine: str = ""


@dataclass(frozen=True)
class Fault:
    """Something that was not read: the line of a file or the time of a sample, and the reason.

    ``more`` counts others alike that are not kept one by one.
    """

    reason: str
    line: int | None = None
    device: str = ""
    time_ns: int | None = None
    more: int = 0

    def __str__(self) -> str:
        place = [f"line {self.line}"] if self.line is not None else []
        place += [self.device] if self.device else []
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class Unknown(NamedTuple):
    """An energy that is not known: two readings of a device's counter between which it was reset."""

    device: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, eq=False)
class Recording:
    """``samples`` has ``COLUMNS``, sorted by time and then device. ``origin`` says how it came to be.

    ``complete`` is False where time is missing: a file cut short, a device that came late or vanished, a hole.
    ``unknown`` are the times over which counters were reset: they stand still there, which is not 0 W.
    """

    samples: pd.DataFrame
    devices: tuple[Device, ...]
    faults: tuple[Fault, ...] = ()
    complete: bool = True
    origin: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[Unknown, ...] = ()

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
        devices: Iterable[Device],
        *,
        faults: Iterable[Fault] = (),
        complete: bool = True,
        origin: Mapping[str, Any] | None = None,
    ) -> Recording:
        """From the columns that were read; the others become NaN. Samples are sorted."""
        count = len(columns["time_ns"])
        table = pd.DataFrame(
            {
                "time_ns": np.asarray(columns["time_ns"], dtype=np.int64),
                "device": pd.Series(list(columns["device"]), dtype=str),
                "phase": pd.Series(list(columns.get("phase", [""] * count)), dtype=str),
                **{
                    name: np.asarray(columns[name], dtype=np.float64) if name in columns else np.full(count, np.nan)
                    for name in MEASURED
                },
            }
        )
        table = table.sort_values(["time_ns", "device"], kind="stable", ignore_index=True)
        return cls(table, tuple(devices), tuple(faults), complete, dict(origin or {}))

    def of_device(self, name: str) -> pd.DataFrame:
        """The samples of one device, in time order."""
        return self.samples[self.samples["device"] == name].reset_index(drop=True)

    def metered(self, name: str, others_ns: float = float("nan")) -> Metered:
        """What is known of one device, and when. Raises ``ValueError`` where that is nothing."""
        unknown = [(span.from_ns, span.to_ns) for span in self.unknown if span.device == name]
        return metered(self.of_device(name), others_ns, unknown)

    def device(self, name: str) -> Device:
        """The device of that name."""
        return next(device for device in self.devices if device.name == name)

    @property
    def seconds(self) -> float:
        """From the first sample to the last, in s."""
        times = self.samples["time_ns"]
        return float(times.iloc[-1] - times.iloc[0]) * SECONDS_PER_NS if len(times) else 0.0


def energy_j(samples: pd.DataFrame) -> float:
    """J of one device from its first sample to its last: from its counter, or else the trapezoids of its power.

    Holes in power are left out (see ``known``). Raises ``ValueError`` where there is neither: a missing number is no
    zero.
    """
    return metered(samples).energy_j


def write(recording: Recording, path: Path) -> None:
    """Writes a recording as Parquet, whole or not at all; devices, faults and origin stand in its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from sim.results.atomic import parquet_of_ours, write_bytes

    about = {
        "devices": [asdict(device) for device in recording.devices],
        "faults": [asdict(fault) for fault in recording.faults],
        "complete": recording.complete,
        "origin": dict(recording.origin),
        "unknown": [list(span) for span in recording.unknown],
    }
    table = pa.Table.from_pandas(recording.samples, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"coldaisle": json.dumps(about).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(sink.getvalue().to_pybytes(), path, ours=parquet_of_ours)


def read(path: Path) -> Recording:
    """A recording written by ``write``. Raises ``InputError`` where it is none."""
    table = read_parquet(path)
    about = (table.schema.metadata or {}).get(b"coldaisle")
    if about is None or set(COLUMNS) - set(table.column_names):
        raise InputError.one(str(path), "is Parquet, but not a recording of coldaisle")
    try:
        described = parse_json(about.decode("utf-8"), str(path))
        return Recording(
            table.to_pandas()[list(COLUMNS)],
            tuple(Device(**device) for device in described["devices"]),
            tuple(Fault(**fault) for fault in described["faults"]),
            described["complete"],
            described["origin"],
            tuple(Unknown(*span) for span in described.get("unknown", ())),
        )
    except (KeyError, TypeError, UnicodeDecodeError):
        raise InputError.one(str(path), "is a recording whose description was damaged") from None
