"""Opens the files that a scenario names, as signals and arrival times in nanoseconds from its start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.later import later
from sim.memo import kept_while_unchanged
from sim.signals import Signal, read_series
from sim.signals.labels import Labels

with later():
    from sim.workload.request_file import IntervalCounts, read_interval_counts, read_request_times


if TYPE_CHECKING:
    from sim.spec.inference import IntervalLog, RateLog, RequestLog
    from sim.spec.market import PowerSeries
    from sim.spec.onsite import OutputSeries


Ints = npt.NDArray[np.int64]
_read_series = kept_while_unchanged(most=16)(read_series)


def rate_signal(log: RateLog, start_ns: int) -> Signal:
    """The arrival rate in requests/s. Raises ``InputError`` for a file that cannot be read."""
    return _series(log, start_ns, "request/s")


def power_signal(series: PowerSeries, start_ns: int) -> Signal:
    """A supply in W. Raises ``InputError`` for a file that cannot be read."""
    return _series(series, start_ns, "W")


def output_signal(series: OutputSeries, start_ns: int) -> Signal:
    """A plant's output in W per W installed. Raises ``InputError`` for a file that cannot be read."""
    return _series(series, start_ns, "W/W")


def _series(series: OutputSeries | PowerSeries | RateLog, start_ns: int, unit: str) -> Signal:
    return _read_series(
        Path(series.file),
        time_column=series.time_column,
        value_column=series.column,
        si_per_value=float(series.unit),
        unit=unit,
        origin_ns=start_ns,
        may_be_negative=False,
        labels=Labels(series.zone, series.stamps),
    )


def interval_counts(log: IntervalLog, start_ns: int) -> IntervalCounts:
    """The counts with edges in ns from the start of the run. Raises ``InputError``."""
    read = read_interval_counts(Path(log.file))
    origin = start_ns if log.align == "clock" else int(read.edges_ns[0])
    return IntervalCounts(read.edges_ns - origin, read.counts)


def request_times(log: RequestLog, start_ns: int) -> Ints:
    """Arrivals (n,) in ns from the start of the run; those before it are negative. Raises ``InputError``."""
    read = read_request_times(Path(log.file))
    origin = start_ns if log.align == "clock" else int(read[0])
    return read - origin
