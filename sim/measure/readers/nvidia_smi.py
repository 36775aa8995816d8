"""``nvidia-smi --query-gpu=timestamp,... --format=csv[,nounits] -l[ms]``: any columns, in any order.

The header always names the unit (``power.draw [W]``); with ``nounits`` the values are bare. ``[N/A]`` and its like are
NaN, and told where they stand for power. Support is per device: of several columns each device is read from the best
one that it answers, by the order in ``COLUMNS``. For power that is ``power.draw.instant``, the draw at the moment; then
``power.draw``, on Ampere and newer a mean over the last second and before that the draw at the moment; then
``power.draw.average``, always that mean, which Ampere (except GA100) and newer have. Source: ``nvidia-smi
--help-query-gpu``, driver 530 and later. On A100 and H100 the sensor sees a quarter of the time only (Yang, Adamek and
Armour, Part-time Power Measurements: nvidia-smi's Lack of Attention, SC24, arXiv:2312.02741), whatever the column.

Times are local to the machine and carry no zone. Where a file has no column that tells the GPUs
apart, they are told by the gaps between sweeps (``smi_sweeps``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import islice

from sim.measure.readers.choosing import best_answered, named
from sim.measure.readers.gathering import Gathering, hashed
from sim.measure.readers.smi_sweeps import sweep_positions
from sim.measure.readers.stamps import Stamps
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.units import MAX_NS

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

POWER = COLUMNS["power_w"][0]

INDEX = ("index",)
UUID = ("uuid", "gpu_uuid")
SERIAL = (*UUID, "pci.bus_id", "gpu_bus_id", "serial", "gpu_serial")
MODEL = ("name", "gpu_name")

LONGEST_HEADER = 20_000
"""Characters; a line that is longer, as an export in JSON is, is no header."""

MOST_CELLS_TOLD = 3

PREAMBLE = 20
"""Lines among which the header is looked for: drivers warn before they answer."""


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
    origin: dict[str, object] = {"format": "nvidia-smi", "clock": gathering.stamps.clock}
    owners = _owners(text, rows, gathering, origin)
    groups: dict[tuple[str, int], list[_Row]] = {}
    for row, device in zip(rows, owners, strict=True):
        if device is not None:
            groups.setdefault((device, row.header), []).append(row)
    chosen = {group: _chosen(own) for group, own in groups.items()}
    for (device, _), own in groups.items():
        _tell_power(device, own, chosen[device, own[0].header].get("power_w"), gathering)
    _tell_order(
        {device: columns["power_w"] for (device, _), columns in chosen.items() if "power_w" in columns}, rows, gathering
    )
    origin["columns"] = _said(chosen)
    for row, device in zip(rows, owners, strict=True):
        if device is not None:
            columns = chosen[device, row.header].items()
            measured = {name: row.values.get(column, math.nan) * COLUMNS[name][2] for name, column in columns}
            gathering.add(row.line, row.time_ns, device, measured)
    return gathering.recording(origin)


def _owners(text: Text, rows: list[_Row], gathering: Gathering, origin: dict[str, object]) -> list[str | None]:
    """The device that each row is of: by its index or serial, else by its place in the sweep; None where unknown."""
    if any(row.index or row.serial for row in rows):
        for row in rows:
            if not (row.index or row.serial):
                gathering.fault("the GPU is not named in this row", line=row.line)
        return [_device(gathering, row) if row.index or row.serial else None for row in rows]
    origin["devices"] = "told apart by the gaps between sweeps"
    places = sweep_positions(text, rows, gathering)
    return [
        gathering.device(f"gpu{at}", "gpu", model=row.model) if at >= 0 else None
        for row, at in zip(rows, places, strict=True)
    ]


class _Row:
    """One line: its cells by the name of their column, and the line of the header that names them."""

    __slots__ = ("cells", "has_uuid", "header", "index", "line", "model", "opens", "serial", "time_ns", "values")

    def __init__(self, line: int, time_ns: int, cells: dict[str, str], *, header: int, opens: bool) -> None:
        self.line, self.time_ns, self.cells, self.header, self.opens = line, time_ns, cells, header, opens
        self.index, self.serial = cells.get(_first(INDEX, cells), ""), cells.get(_first(SERIAL, cells), "")
        self.has_uuid = _first(UUID, cells) != "" and self.serial.lower() not in UNKNOWN
        self.model = cells.get(_first(MODEL, cells), "")
        self.values: dict[str, float] = {}


def _header(text: Text) -> tuple[int, str]:
    """The first line that names a quantity, and its number; '' where none of the first lines does."""
    known = {name for columns, _, _ in COLUMNS.values() for name in columns}
    lines = ((i, line) for i, line in enumerate((*text.lines, text.tail), 1) if line.strip())
    first = (pair for pair in islice(lines, PREAMBLE) if len(pair[1]) <= LONGEST_HEADER)
    return next(((i, line) for i, line in first if known & {*_names(line), *_names(line.replace(";", ","))}), (1, ""))


def _cells(line: str) -> list[str]:
    """Cells of a line as nvidia-smi writes them, or in the quotes that other programs put around them."""
    return [cell.strip().strip('"').strip() for cell in line.split(",")]


def _names(header: str) -> list[str]:
    return [cell.partition(" [")[0].strip() for cell in _cells(header)]


def _first(wanted: Sequence[str], names: Sequence[str] | dict[str, str]) -> str:
    return next((name for name in wanted if name in names), "")


def _rows(text: Text, gathering: Gathering) -> list[_Row]:
    names: list[str] = []
    header = 0
    rows: list[_Row] = []
    opens = True
    for line, written in text.numbered():
        cells = _cells(written)
        if "timestamp" in _names(written):
            names, header = _names(written), line  # of this file, or of one that was appended to it
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
            time_ns = _instant(by_name["timestamp"], gathering.stamps)
        except (ValueError, OverflowError):
            time_ns = -1
        if not 0 <= time_ns < MAX_NS:
            gathering.fault(f"'timestamp' is no time: {by_name['timestamp']!r}", line=line)
            continue
        row = _Row(line, time_ns, by_name, header=header, opens=opens)
        _read_values(row, gathering)
        rows.append(row)
        opens = False
    return rows


def _instant(written: str, stamps: Stamps) -> int:
    """A time as nvidia-smi writes it, with slashes, or in ISO 8601. Anything but digits after the point is refused."""
    if written[4:5] == "/":
        day, _, fraction = written.partition(".")
        if fraction and not (fraction.isdecimal() and len(fraction) <= 9):
            raise ValueError(written)
        return stamps.ns(_second(day)) + int(fraction.ljust(9, "0"))
    return stamps.iso_ns(written)


@lru_cache(maxsize=1024)
def _second(written: str) -> datetime:
    return datetime.strptime(written, "%Y/%m/%d %H:%M:%S")


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


def _chosen(rows: Sequence[_Row]) -> dict[str, str]:
    """The column from which these rows are read, by quantity: all are of one device, under one header."""
    answers = {
        measured: {column: sum(not math.isnan(row.values.get(column, math.nan)) for row in rows) for column in columns}
        for measured, (columns, _, _) in COLUMNS.items()
    }
    best = {measured: best_answered(COLUMNS[measured][0], counts) for measured, counts in answers.items()}
    return {measured: column for measured, column in best.items() if column is not None}


def _said(chosen: Mapping[tuple[str, int], Mapping[str, str]]) -> dict[str, object]:
    """Which column each quantity was read from; by device, where that differs."""
    by_device: dict[str, dict[str, str]] = {}
    for (device, _), columns in chosen.items():
        for measured, column in columns.items():
            by_device.setdefault(measured, {})[device] = column
    return {
        measured: next(iter(own.values())) if len(set(own.values())) == 1 else own
        for measured, own in by_device.items()
    }


def _tell_power(device: str, rows: Sequence[_Row], column: str | None, gathering: Gathering) -> None:
    """Says why a device has no power, or how often its meter did not answer."""
    if column is not None:
        silent = [row for row in rows if row.cells[column].lower() in UNKNOWN]
        if silent:
            reason = f"'{column}' is {_counted(silent, column)}, of {len(rows):,} rows"
            gathering.fault(reason, line=silent[0].line, device=device, time_ns=silent[0].time_ns)
        return
    asked = [name for name in POWER if name in rows[0].cells]
    why = "; ".join(f"'{name}' is {_counted(rows, name)}" for name in asked)
    reason = f"has no power: {why or 'no column for it; add power.draw to --query-gpu'}"
    gathering.fault(reason, line=rows[0].line, device=device)


def _counted(rows: Sequence[_Row], column: str) -> str:
    """What stands in a column, the commonest first, and how often."""
    cells = Counter(row.cells[column] for row in rows).most_common(MOST_CELLS_TOLD)
    return ", ".join(f"{cell[:30] or 'empty'} ({count:,} times)" for cell, count in cells)


def _tell_order(used: Mapping[str, str], rows: Sequence[_Row], gathering: Gathering) -> None:
    """Where the file has several columns of power, which one each device is read from, and by which order."""
    if not used or max(sum(name in row.cells for name in POWER) for row in rows) < 2:
        return
    devices = {column: [device for device, own in used.items() if own == column] for column in POWER}
    told = ", ".join(f"{column} ({named(own) or 'none'})" for column, own in devices.items())
    gathering.fault(f"each device's power is the first of these that it answers: {told}")


def _device(gathering: Gathering, row: _Row) -> str:
    """By UUID, else by index, else by what serial there is, in the order of their first rows.

    One UUID is one GPU, whatever its index is after a restart; one index with another serial is another GPU. A board's
    serial number or a place on the bus is not enough against an index: GPUs share them, or have '[N/A]'.
    """
    identity = hashed(row.serial)
    if row.has_uuid or not row.index:
        known = next((own.name for own in gathering.devices.values() if own.identity == identity), None)
        if known is not None:
            return known
    name = f"gpu{row.index or len(gathering.devices)}"
    if name in gathering.devices and gathering.devices[name].identity != identity:
        name = f"{name}-{identity[:6]}"
    return gathering.device(name, "gpu", model=row.model, serial=row.serial)
