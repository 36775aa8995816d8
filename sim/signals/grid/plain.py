"""One column of any CSV or Parquet file with the starts of its intervals in another, under a stated gap policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError
from sim.signals.csv_table import open_table
from sim.signals.gaps import GapReport, Policy, Rows
from sim.signals.grid.cells import Collected, number
from sim.signals.grid.series import read_signal
from sim.signals.signal import Signal


def read_plain(
    path: Path,
    *,
    time_column: str,
    column: str,
    si_per_value: float,
    unit: str,
    policy: Policy,
    origin_ns: int,
    may_be_negative: bool,
) -> tuple[Signal, GapReport]:
    """The series as a signal in ``unit``, each value times ``si_per_value``. Raises ``InputError`` with every fault.

    The "line" of a row in a Parquet file is its number, from 1.
    """
    rows = (
        _parquet_rows(path, time_column, column)
        if path.suffix.lower() in (".parquet", ".pq")
        else _csv_rows(path, time_column, column)
    )
    return read_signal(
        rows,
        policy=policy,
        si_per_value=si_per_value,
        unit=unit,
        origin_ns=origin_ns,
        may_be_negative=may_be_negative,
    )


def _csv_rows(path: Path, time_column: str, column: str) -> Rows:
    with open_table(path) as table:
        at_time, at_value = table.column(time_column), table.column(column)
        collected = Collected(table)
        for line, row in table.rows():
            collected.add(line, table.instant(line, row, at_time), [number(table, line, row, at_value)])
        return collected.rows()


def _parquet_rows(path: Path, time_column: str, column: str) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = str(path)
    try:
        known = pq.read_schema(path).names
        missing = [name for name in (time_column, column) if name not in known]
        if missing:
            raise InputError.one(file, f"has no column '{missing[0]}'; its columns are: {', '.join(known)}")
        table: Any = pq.read_table(path, columns=[time_column, column])
        times, values = table[time_column], table[column]
        if not pa.types.is_timestamp(times.type):
            raise InputError.one(file, f"'{time_column}' is not a column of timestamps, but of {times.type}")
        if times.null_count:
            line = int(np.flatnonzero(pc.is_null(times).to_numpy(zero_copy_only=False))[0]) + 1
            raise InputError.one(file, f"'{time_column}' is blank", line=line)
        starts = pc.cast(times, pa.timestamp("ns", tz=times.type.tz)).to_numpy().astype("datetime64[ns]")
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    except FileNotFoundError:
        raise InputError.one(file, "no such file") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None
    if bool(np.isinf(numbers).any()):
        raise InputError.one(file, f"'{column}' is not finite", line=int(np.flatnonzero(np.isinf(numbers))[0]) + 1)
    if not len(numbers):
        raise InputError.one(file, "has no rows")
    return Rows(file, starts.astype(np.int64), numbers[:, np.newaxis], range(1, len(numbers) + 1))
