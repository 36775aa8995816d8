"""``nvidia-smi --query-gpu=timestamp,... --format=csv[,nounits] -l[ms]``: any columns, in any order.

The header always names the unit (``power.draw [W]``); with ``nounits`` the values are bare. ``[N/A]`` and its like are
NaN. Times are local to the machine and carry no zone: they are taken as UTC. nvidia-smi answers for one GPU after the
other, in the order of their indices, then sleeps: where a file has no column that tells the GPUs apart, they are told
by the gaps between such sweeps. A sweep of another length than the usual one cannot be assigned and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby, islice
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.instants import epoch_ns, parse_instant
from sim.measure.readers.gathering import Gathering, Ints, hashed
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.units import MAX_NS, NS_PER_S

NAME = "nvidia-smi CSV (--query-gpu=timestamp,...)"

BYTES_PER_MIB = 2.0**20

COLUMNS: dict[str, tuple[tuple[str, ...], str, float]] = {
    "power_w": (("power.draw.instant", "power.draw", "power.draw.average"), "W", 1.0),
    "sm_clock_mhz": (("clocks.sm", "clocks.current.sm"), "MHz", 1.0),
    "memory_clock_mhz": (("clocks.mem", "clocks.current.memory"), "MHz", 1.0),
    "gpu_utilization": (("utilization.gpu",), "%", 0.01),
    "memory_utilization": (("utilization.memory",), "%", 0.01),
    "memory_used_bytes": (("memory.used",), "MiB", BYTES_PER_MIB),
    "temperature_c": (("temperature.gpu",), "", 1.0),
    "throttle_reasons": (("clocks_event_reasons.active", "clocks_throttle_reasons.active"), "", 1.0),
    "power_limit_w": (("enforced.power.limit", "power.limit"), "W", 1.0),
}
"""What each quantity is called, the best column first, in which unit, and what one of that is."""

UNKNOWN = {"[n/a]", "n/a", "[not supported]", "not supported", "[unknown error]", "err!", "[insufficient permissions]"}
UNKNOWN |= {"[gpu requires reset]", "[gpu is lost]", "[requested functionality has been deprecated]", "[not found]"}

INDEX = ("index",)
SERIAL = ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial", "gpu_serial")
MODEL = ("name", "gpu_name")

SLOWEST_WITHIN_SWEEP_NS = NS_PER_S // 100
"""Rows of one sweep are usually closer together than this, and loops are not run faster."""


PREAMBLE = 20
"""Lines among which the header is looked for: drivers warn before they answer."""

MOST_STALLS_ALIKE = 4
"""A driver's stalls come at odd places; so many sweeps in a row that fall apart in the same way are no stalls."""


def fits(text: Text) -> bool:
    """Whether nvidia-smi's header is among the first lines, with warnings before it or not."""
    return bool(_header(text)[1])


def read(text: Text) -> Recording:
    """The recording in a log. Raises ``InputError`` where there is no time, or no telling the GPUs apart."""
    number, header = _header(text)
    if ";" in header and "," not in header:
        message = "is separated by semicolons, as a spreadsheet writes it; give nvidia-smi's own file"
        raise text.refuse(message, line=number)
    if "timestamp" not in _names(header):
        raise text.refuse("has no column 'timestamp'; add it to --query-gpu and record again", line=number)
    gathering = Gathering(text)
    rows = _rows(text, gathering)
    if not rows:
        raise text.refuse("has a header but no rows")
    best = {measured: _best(columns, rows) for measured, (columns, _, _) in COLUMNS.items()}
    used = {measured: column for measured, column in best.items() if column is not None}
    origin: dict[str, object] = {
        "format": "nvidia-smi",
        "clock": "local time without a zone, taken as UTC",
        "columns": used,
    }
    if any(row.index or row.serial for row in rows):
        for row in rows:
            if row.index or row.serial:
                _add(gathering, row, _device(gathering, row), used)
            else:
                gathering.fault("the GPU is not named in this row", line=row.line)
    else:
        origin["devices"] = "told apart by the gaps between sweeps"
        for row, at in zip(rows, _sweep_positions(text, rows, gathering), strict=True):
            if at >= 0:
                name = gathering.device(f"gpu{at}", "gpu", model=row.model)
                _add(gathering, row, name, used)
    return gathering.recording(origin)


class _Row:
    """One line: its cells by the name of their column."""

    __slots__ = ("cells", "index", "line", "model", "opens", "serial", "time_ns", "values")

    def __init__(self, line: int, time_ns: int, cells: dict[str, str], *, opens: bool) -> None:
        self.line, self.time_ns, self.cells, self.opens = line, time_ns, cells, opens
        self.index, self.serial = cells.get(_first(INDEX, cells), ""), cells.get(_first(SERIAL, cells), "")
        self.model = cells.get(_first(MODEL, cells), "")
        self.values: dict[str, float] = {}


def _header(text: Text) -> tuple[int, str]:
    """The first line that names a quantity, and its number; '' where none of the first lines does."""
    known = {name for columns, _, _ in COLUMNS.values() for name in columns}
    first = islice(((i, line) for i, line in enumerate((*text.lines, text.tail), 1) if line.strip()), PREAMBLE)
    return next(((i, line) for i, line in first if known & {*_names(line), *_names(line.replace(";", ","))}), (1, ""))


def _cells(line: str) -> list[str]:
    """As nvidia-smi writes them, or in the quotes that other programs put around them."""
    return [cell.strip().strip('"').strip() for cell in line.split(",")]


def _names(header: str) -> list[str]:
    return [cell.partition(" [")[0].strip() for cell in _cells(header)]


def _first(wanted: Sequence[str], names: Sequence[str] | dict[str, str]) -> str:
    return next((name for name in wanted if name in names), "")


def _rows(text: Text, gathering: Gathering) -> list[_Row]:
    names: list[str] = []
    rows: list[_Row] = []
    opens = True
    for line, written in text.numbered():
        cells = _cells(written)
        if "timestamp" in _names(written):
            names = _names(written)  # of this file, or of one that was appended to it
            opens = True
            continue
        if not names:
            gathering.fault(f"stands before the header, and is left out: {written[:60]!r}", line=line)
            continue
        if len(cells) != len(names):
            gathering.fault(f"has {len(cells)} cells, not {len(names)}", line=line)
            continue
        by_name = dict(zip(names, cells, strict=True))
        try:
            time_ns = _instant(by_name["timestamp"])
        except (ValueError, OverflowError):
            time_ns = -1
        if not 0 <= time_ns < MAX_NS:
            gathering.fault(f"'timestamp' is no time: {by_name['timestamp']!r}", line=line)
            continue
        row = _Row(line, time_ns, by_name, opens=opens)
        _read_values(row, gathering)
        rows.append(row)
        opens = False
    return rows


def _instant(written: str) -> int:
    """Both as nvidia-smi writes it, with slashes, and in ISO 8601. Anything but digits after the point is refused."""
    if written[4:5] == "/":
        day, _, fraction = written.partition(".")
        if fraction and not (fraction.isdecimal() and len(fraction) <= 9):
            raise ValueError(written)
        return _second_ns(day) + int(fraction.ljust(9, "0"))
    return parse_instant(written, UTC)


@lru_cache(maxsize=1024)
def _second_ns(written: str) -> int:
    return epoch_ns(datetime.strptime(f"{written} +0000", "%Y/%m/%d %H:%M:%S %z"))


def _read_values(row: _Row, gathering: Gathering) -> None:
    for columns, unit, _ in COLUMNS.values():
        for column in columns:
            if column in row.cells:
                try:
                    row.values[column] = _value(row.cells[column], unit)
                except ValueError:
                    gathering.fault(
                        f"'{column}' is no number in {unit or 'its unit'}: {row.cells[column]!r}", line=row.line
                    )


def _value(written: str, unit: str) -> float:
    if written.lower() in UNKNOWN:
        return math.nan
    if written.lower().startswith("0x"):
        return float(int(written, 16))
    number, _, found = written.partition(" ")
    if found and found != unit:
        raise ValueError(written)
    return float(number)


def _best(columns: Sequence[str], rows: Sequence[_Row]) -> str | None:
    """The best of the columns that says anything in any row."""
    for column in columns:
        if any(not math.isnan(row.values.get(column, math.nan)) for row in rows):
            return column
    return None


def _add(gathering: Gathering, row: _Row, device: str, used: dict[str, str]) -> None:
    measured = {name: row.values.get(column, math.nan) * COLUMNS[name][2] for name, column in used.items()}
    gathering.add(row.line, row.time_ns, device, measured)


def _device(gathering: Gathering, row: _Row) -> str:
    """By index, or else in the order of their first rows; one index with another serial is another GPU."""
    identity = hashed(row.serial)
    if row.index:
        name = f"gpu{row.index}"
        if name in gathering.devices and gathering.devices[name].identity != identity:
            name = f"gpu{row.index}-{identity[:6]}"
    else:
        same = (device.name for device in gathering.devices.values() if device.identity == identity)
        name = next(same, f"gpu{len(gathering.devices)}")
    return gathering.device(name, "gpu", model=row.model, serial=row.serial)


def _sweep_positions(text: Text, rows: Sequence[_Row], gathering: Gathering) -> list[int]:
    """Which GPU each row is of, counted from 0; -1 where that cannot be told."""
    times = np.array([row.time_ns for row in rows], dtype=np.int64)
    opens = np.array([row.opens for row in rows])
    gaps = np.diff(times)
    inner = gaps[~opens[1:] & (gaps >= 0)]
    threshold = two_level_threshold(inner)
    ends = np.flatnonzero(opens[1:] | (gaps < 0) | (gaps > threshold))  # the last row of each run of close rows
    bounds = np.concatenate([[0], ends + 1, [len(rows)]])
    opening = np.concatenate([opens[bounds[:-1]], [True]])
    count = _device_count(text, np.diff(bounds), inner, threshold)
    positions = np.full(len(rows), -1)
    for sweep in _sweeps(np.diff(bounds), opening[1:], count):
        first, length = rows[sweep.start], sum(sweep.runs)
        if sweep.kind == "whole":  # perhaps with a stall in it, or several without a gap between them
            positions[sweep.start : sweep.start + length] = np.arange(length) % count
        elif sweep.kind == "begun":
            positions[sweep.start : sweep.start + length] = np.arange(length)
            tell = gathering.incomplete if sweep.start + length == len(rows) else gathering.fault
            tell(
                f"the log ends after {length} of the {count} GPUs of a sweep", line=rows[sweep.start + length - 1].line
            )
        else:
            reason = (
                f"a sweep of {length} rows where there are {count} GPUs: left out, as no column says whose they are"
            )
            gathering.fault(reason, line=first.line, time_ns=first.time_ns)
    told = np.flatnonzero(positions >= 0)
    if len(told) and told[-1] + 1 < len(rows):
        first = rows[int(told[-1]) + 1]
        gathering.incomplete("every row from here on is left out: a GPU may have vanished", line=first.line)
    return [int(position) for position in positions]


class _Sweep(NamedTuple):
    """Rows from ``start`` on, in runs of rows that are close together, and what is to be made of them."""

    start: int
    runs: tuple[int, ...]
    kind: Literal["whole", "begun", "unknown"]


def _sweeps(runs: Ints, closes: npt.NDArray[np.bool_], count: int) -> list[_Sweep]:
    """Puts runs of close rows together to sweeps of ``count`` rows. ``closes``: whether a log ends with the run."""
    sweeps: list[_Sweep] = []
    start = 0
    waiting: tuple[int, ...] = ()
    for length, last in zip(runs.tolist(), closes.tolist(), strict=True):
        if waiting and sum(waiting) + length > count and (sum(waiting) + length) % count:
            sweeps.append(_Sweep(start, waiting, "unknown"))  # what waits does not fill up to a sweep
            start, waiting = start + sum(waiting), ()
        waiting = (*waiting, length)
        total = sum(waiting)
        if total % count == 0:
            sweeps.append(_Sweep(start, waiting, "whole"))
        elif last and total < count:
            sweeps.append(_Sweep(start, waiting, "begun"))  # nvidia-smi keeps to the order of the GPUs
        elif last or total > count:
            sweeps.append(_Sweep(start, waiting, "unknown"))
        else:
            continue  # the rest of the sweep may follow after a stall
        start, waiting = start + total, ()
    return _doubted(sweeps)


def _doubted(sweeps: list[_Sweep]) -> list[_Sweep]:
    """Sweeps that fall apart alike many times in a row did not stall: there are fewer GPUs by then, as there may be
    where the log ends after a sweep that is not known."""
    result: list[_Sweep] = []
    for (runs, kind), alike in groupby(sweeps, key=lambda sweep: (sweep.runs, sweep.kind)):
        same = list(alike)
        regular = len(runs) > 1 and len(same) >= MOST_STALLS_ALIKE
        orphan = kind == "begun" and bool(result) and result[-1].kind == "unknown"
        result += [sweep._replace(kind="unknown") for sweep in same] if regular or orphan else same
    return result


def two_level_threshold(gaps: Ints) -> float:
    """The gap that best parts short gaps from long ones, in ns, by Otsu's method on their logarithms.

    Source: N. Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 9 (1979), 62-66.
    """
    if not len(gaps):
        return math.inf
    logs = np.sort(np.log(np.maximum(gaps, NS_PER_S // 1000)))  # nvidia-smi writes whole ms
    below = np.arange(1, len(logs))
    sums = np.cumsum(logs)
    if not len(below) or logs[0] == logs[-1]:
        return math.inf
    above = len(logs) - below
    apart: npt.NDArray[np.float64] = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    at = int(np.argmax(apart))
    return float(np.exp((logs[at] + logs[at + 1]) / 2))


def _device_count(text: Text, runs: Ints, gaps: Ints, threshold: float) -> int:
    """How many rows make a sweep. Raises ``InputError`` where the times do not show it."""
    if not len(gaps):
        return 1
    usual = float(np.median(gaps))
    short, long = gaps[gaps <= threshold], gaps[gaps > threshold]
    if len(short) and len(long) and np.median(long) >= 3 * max(float(np.median(short)), NS_PER_S / 1000):
        lengths, times_seen = np.unique(runs, return_counts=True)
        best = int(np.argmax(lengths * times_seen))
        count, seen = int(lengths[best]), int(times_seen[best])
        share = count * seen / int(runs.sum())
        close = float(np.median(short)) < SLOWEST_WITHIN_SWEEP_NS
        if count >= 2 and ((close and share >= 0.5) or (seen >= 3 and share >= 0.8)):
            return count
    if usual >= SLOWEST_WITHIN_SWEEP_NS:
        return 1
    raise _no_telling(text)


def _no_telling(text: Text) -> InputError:
    return text.refuse(
        "has neither 'index' nor 'uuid', and its times do not show how many GPUs take turns;"
        " record again with --query-gpu=timestamp,index,..."
    )
