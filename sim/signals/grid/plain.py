"""One column of any CSV or Parquet file with the times of its intervals in another, under a stated gap policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.complaints import Complaints
from sim.errors import InputError
from sim.instants import EPOCH, LocalClock, named_zone
from sim.reading import read_parquet
from sim.signals.csv_table import open_table
from sim.signals.gaps import GapReport, Rows
from sim.signals.grid.cells import MOST_ROWS, collect
from sim.signals.grid.series import Terms, read_signal
from sim.signals.labels import NO_OFFSET, Labels, says_utc
from sim.signals.signal import Signal
from sim.signals.units_in_names import refuse_other_unit

Ints = npt.NDArray[np.int64]


def read_plain(
    path: Path,
    terms: Terms,
    *,
    time_column: str,
    column: str,
    si_per_value: float,
    unit: str,
    may_be_negative: bool,
) -> tuple[Signal, GapReport]:
    """The series as a signal in ``unit``, each value times ``si_per_value``. Raises ``InputError`` with every fault.

    Times label the starts of intervals unless ``labels`` says otherwise. The "line" of a row in a Parquet file is its
    number, from 1.
    """
    terms.labels.refuse_ends(str(path), time_column)
    refuse_other_unit(str(path), column, si_per_value, unit)
    rows = (
        _parquet_rows(path, time_column, column, terms.labels)
        if path.suffix.lower() in (".parquet", ".pq")
        else _csv_rows(path, time_column, column, terms.labels)
    )
    return read_signal(
        rows,
        terms,
        si_per_value=si_per_value,
        unit=unit,
        may_be_negative=may_be_negative,
    )


def _csv_rows(path: Path, time_column: str, column: str, labels: Labels) -> Rows:
    with open_table(path) as table:
        times = table.times(table.column(time_column, "time_column"), labels)
        return collect(table, times, [table.column(column, "column")]).rows(at_end=labels.at_end())


def _parquet_rows(path: Path, time_column: str, column: str, labels: Labels) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc

    file = str(path)
    table: Any = read_parquet(path, columns=[time_column, column], named_by=("time_column", "column"))
    if len(table) > MOST_ROWS:
        raise InputError.one(file, f"has more than {MOST_ROWS:,} rows; give fewer, coarser ones")
    try:
        times, values = table[time_column], table[column]
        if not pa.types.is_timestamp(times.type):
            raise InputError.one(file, f"'{time_column}' is not a column of timestamps, but of {times.type}")
        if times.null_count:
            line = int(np.flatnonzero(pc.is_null(times).to_numpy(zero_copy_only=False))[0]) + 1
            raise InputError.one(file, f"'{time_column}' is blank", line=line)
        starts = pc.cast(times, pa.timestamp("ns", tz=times.type.tz)).to_numpy().astype("datetime64[ns]")
        if not _may_be_numbers(values.type):
            raise InputError.one(file, f"'{column}' is not a column of numbers, but of {values.type}")
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except (ValueError, pa.ArrowException) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None
    if bool(np.isinf(numbers).any()):
        raise InputError.one(file, f"'{column}' is not finite", line=int(np.flatnonzero(np.isinf(numbers))[0]) + 1)
    if not len(numbers):
        raise InputError.one(file, "has no rows")
    starts_ns = starts.astype(np.int64)
    if times.type.tz is None:
        starts_ns = _of_local(file, time_column, starts_ns, labels)
    return Rows(file, starts_ns, numbers[:, np.newaxis], range(1, len(numbers) + 1), at_end=labels.at_end())


def _may_be_numbers(kind: Any) -> bool:
    """Whether a column of such values is numbers, or text that may spell them; truth, times and lists are none."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = ("integer", "floating", "decimal", "string", "large_string", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _of_local(file: str, name: str, naive_ns: Ints, labels: Labels) -> Ints:
    """Instants of times without an offset, which Parquet gives as if they were UTC."""
    if says_utc(name):
        labels.refuse_zone(file, f"'{name}' is in UTC by its name")
        return naive_ns
    if labels.zone is None:
        raise InputError.one(file, f"'{name}' {NO_OFFSET}")
    clock, complaints, instants = LocalClock(named_zone(labels.zone)), Complaints(file), []
    for i, ns in enumerate(naive_ns.tolist()):
        try:
            instants.append(clock.ns((EPOCH + timedelta(microseconds=ns // 1000)).replace(tzinfo=None)))
        except (ValueError, OverflowError) as error:
            complaints.add(i + 1, str(error))
    complaints.raise_if_any()
    return np.array(instants, dtype=np.int64)
