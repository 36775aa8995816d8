"""Opens the files that a scenario names, as signals and arrival times in nanoseconds from its start."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.signals import Signal, read_series
from sim.spec.market import PowerSeries
from sim.spec.site import IntensitySeries, PriceSeries
from sim.spec.workloads import IntervalLog, RateLog, RequestLog
from sim.workload.request_file import IntervalCounts, read_interval_counts, read_request_times

Ints = npt.NDArray[np.int64]


def intensity_signal(intensity: float | IntensitySeries, start_ns: int) -> Signal:
    """The grid's carbon intensity in g/J. Raises ``InputError`` for a file that cannot be read."""
    if not isinstance(intensity, IntensitySeries):
        return Signal.constant(float(intensity), "g/J")
    return _series(intensity, start_ns, "g/J")


def price_signal(price: float | PriceSeries, start_ns: int, currency: str) -> Signal:
    """The price in currency/J; negative prices are real. Raises ``InputError`` for a file that cannot be read."""
    unit = f"{currency}/J"
    return (
        _series(price, start_ns, unit, may_be_negative=True)
        if isinstance(price, PriceSeries)
        else Signal.constant(float(price), unit)
    )


def rate_signal(log: RateLog, start_ns: int) -> Signal:
    """The arrival rate in requests/s. Raises ``InputError`` for a file that cannot be read."""
    return _series(log, start_ns, "request/s")


def power_signal(series: PowerSeries, start_ns: int) -> Signal:
    """A supply in W. Raises ``InputError`` for a file that cannot be read."""
    return _series(series, start_ns, "W")


def _series(
    series: IntensitySeries | PriceSeries | PowerSeries | RateLog,
    start_ns: int,
    unit: str,
    *,
    may_be_negative: bool = False,
) -> Signal:
    path = Path(series.file)
    try:
        state = path.stat()
        stamp = (state.st_mtime_ns, state.st_size)
    except OSError:
        stamp = (0, 0)  # reading it says what is wrong
    columns = (series.time_column, series.column)
    return _read(path, stamp, columns, float(series.unit), unit, start_ns, may_be_negative)


@lru_cache(maxsize=64)
def _read(
    path: Path,
    _stamp: tuple[int, int],
    columns: tuple[str, str],
    si_per_value: float,
    unit: str,
    start_ns: int,
    may_be_negative: bool,
) -> Signal:
    """A study prices thousands of points on a few series: each is read once."""
    return read_series(
        path,
        time_column=columns[0],
        value_column=columns[1],
        si_per_value=si_per_value,
        unit=unit,
        origin_ns=start_ns,
        may_be_negative=may_be_negative,
    )


def interval_counts(log: IntervalLog, start_ns: int) -> IntervalCounts:
    """The counts with edges in ns from the start of the run. Raises ``InputError``."""
    read = read_interval_counts(Path(log.file))
    origin = start_ns if log.align == "clock" else int(read.edges_ns[0])
    return IntervalCounts(read.edges_ns - origin, read.counts)


def request_times(log: RequestLog, start_ns: int) -> Ints:
    """Arrivals in ns from the start of the run; those before it are negative. Raises ``InputError``."""
    read = read_request_times(Path(log.file))
    origin = start_ns if log.align == "clock" else int(read[0])
    return read - origin
