"""PowerJoular's CSV: the power of a machine's CPUs and GPUs, a row a second.

``Date,CPU Utilization,Total Power,CPU Power,GPU Power`` in W (src/csv_power.adb of 0.7 to 1.1); the total is CPU and
GPU, so it is left out. CPU power is RAPL's psys where the machine has it, else packages and DRAM; on single-board
computers it is a model. A GPU that was not found is 0 throughout: that is no device. The date is local without a zone:
``2025-02-14 14:30:00``, or since 2024 each number behind a blank and milliseconds as a whole number
(`` 2025- 2- 14  14: 30: 0. 7`` is 7 ms after, not 0.7 s). ``Date,CPU Utilization,CPU Power`` is either the machine, by
the first versions, or one process (``-p``): the file does not say which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from sim.measure.readers.gathering import Gathering
from sim.measure.readers.table import cells, number, rows
from sim.measure.readers.text import Text
from sim.measure.recording import Kind, Recording

NAME = "PowerJoular CSV"

HEADERS = (
    ["Date", "CPU Utilization", "Total Power", "CPU Power", "GPU Power"],
    ["Date", "CPU Utilization", "CPU Power"],
)
PARTS: dict[str, Kind] = {"CPU Power": "cpu-package", "GPU Power": "gpu"}
TOTAL_TOLERANCE = 0.02

_DATE = re.compile(r"\s*(\d{4})-\s*(\d{1,2})-\s*(\d{1,2})\s+(\d{1,2}):\s*(\d{1,2}):\s*(\d{1,2})(?:\.\s*(\d{1,4}))?")


def fits(text: Text) -> bool:
    """Whether the header is PowerJoular's."""
    return _is_header([cell.strip() for cell in text.first.split(",")])


def read(text: Text) -> Recording:
    """The recording in PowerJoular's CSV. Raises ``InputError``."""
    gathering = Gathering(text)
    if len(cells(text.first)) == len(HEADERS[1]):
        gathering.fault("may be of one process only: PowerJoular's header for -p is that of its first versions")
    found: list[tuple[int, int, dict[str, float]]] = []
    more = 0
    for line, row in rows(text, gathering, _is_header):
        try:
            time_ns = gathering.stamps.ns(_moment(row["Date"]))
            power = {part: number(row[part], "W") for part in PARTS if part in row}
            total = number(row.get("Total Power", ""), "W")
        except (ValueError, OverflowError) as error:
            gathering.fault(f"is no row of a time and powers in W: {str(error)[:80]}", line=line)
            continue
        more += total > (1 + TOTAL_TOLERANCE) * sum(power.values())
        found.append((line, time_ns, power))
    if more:
        gathering.fault(f"'Total Power' is more than CPU and GPU in {more:,} rows: it is not read")
    metered = [part for part in PARTS if any(power.get(part, 0.0) != 0.0 for _, _, power in found)]
    if found and "GPU Power" not in metered and "CPU Power" in metered and "GPU Power" in found[0][2]:
        gathering.fault("'GPU Power' is 0 throughout: no GPU was found")
    for line, time_ns, power in found:
        for part in metered or PARTS:
            if part in power:
                device = gathering.device(PARTS[part], PARTS[part])
                gathering.add(line, time_ns, device, {"power_w": power.get(part, math.nan)})
    return gathering.recording({"format": "PowerJoular", "clock": gathering.stamps.clock})


def _is_header(found: Sequence[str]) -> bool:
    return list(found) in HEADERS


def _moment(written: str) -> datetime:
    """A time as Ada's ``Image`` writes it, or as PowerJoular puts the numbers together. Raises ``ValueError``."""
    match = _DATE.fullmatch(written)
    if match is None:
        raise ValueError(f"{written[:60]!r} is no date")
    year, month, day, hour, minute, second = (int(found) for found in match.groups()[:6])
    milliseconds = int(match[7] or 0)
    if milliseconds > 1000:
        raise ValueError(f"{written[:60]!r} has {milliseconds} ms")
    return datetime(year, month, day, hour, minute, second) + timedelta(milliseconds=milliseconds)
