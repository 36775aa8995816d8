"""``nvidia-smi dmon -o DT``: a row a GPU and second of whole watts, on the machine's local clock.

``#Date Time gpu pwr gtemp mtemp sm mem ... mclk pclk`` names the columns, of those that ``-s`` asked for, and
``#YYYYMMDD HH:MM:SS Idx W C C % % ... MHz MHz`` their units; both come again every screenful. ``-`` is what a GPU does
not give (drivers of 2021 to 2024; nvidia-smi(1), "Device Monitoring"). Without ``-o DT`` there is no time. ``pwr`` is
``power.draw`` cut to a watt, so what ``--query-gpu`` writes is better where both were recorded.
"""

from __future__ import annotations

import math
from datetime import datetime

from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text
from sim.measure.recording import Recording

NAME = "nvidia-smi dmon -o DT"

COLUMNS = {
    "pwr": ("power_w", "W", 1.0),
    "gtemp": ("temperature_c", "C", 1.0),
    "sm": ("gpu_utilization", "%", 0.01),
    "mem": ("memory_utilization", "%", 0.01),
    "pclk": ("sm_clock_mhz", "MHz", 1.0),
    "mclk": ("memory_clock_mhz", "MHz", 1.0),
}
"""By dmon's name: ours, its unit, and what one of that is."""
WHEN = ("Date", "Time")
REMEDY = "record with nvidia-smi dmon -s pu -o DT"


def fits(text: Text) -> bool:
    """Whether the first line names dmon's columns."""
    names = _names(text.first)
    return "gpu" in names[:3] and set(names[: names.index("gpu")]) <= set(WHEN) and bool(COLUMNS.keys() & set(names))


def read(text: Text) -> Recording:
    """The recording in what dmon wrote. Raises ``InputError``."""
    gathering = Gathering(text)
    names = _names(text.first)
    lacking = [name for name in (*WHEN, "pwr") if name not in names]
    if lacking:
        raise text.refuse(f"has no column {' and '.join(lacking)}: {REMEDY}", line=1)
    for line, written in text.numbered():
        if written.lstrip().startswith("#"):
            again = _names(written)
            if "gpu" in again:
                names = again
            elif (wrong := _other_units(names, again)) is not None:
                raise text.refuse(wrong, line=line)
            continue
        cells = written.split()
        if len(cells) != len(names):
            gathering.fault(f"has {len(cells)} cells, not {len(names)}", line=line)
            continue
        row = dict(zip(names, cells, strict=True))
        try:
            time_ns = gathering.stamps.ns(datetime.strptime(f"{row['Date']} {row['Time']}", "%Y%m%d %H:%M:%S"))
            index = int(row["gpu"])
            measured = {COLUMNS[name][0]: _number(row[name]) * COLUMNS[name][2] for name in COLUMNS if name in row}
        except (KeyError, ValueError, OverflowError) as error:
            gathering.fault(f"is no row of a time, a GPU and its numbers: {str(error)[:80]}", line=line)
            continue
        gathering.add(line, time_ns, gathering.device(f"gpu{index}", "gpu"), measured)
    return gathering.recording({"format": "nvidia-smi dmon", "clock": gathering.stamps.clock})


def _names(line: str) -> list[str]:
    """The names in a line of dmon's heading; none in any other."""
    written = line.strip()
    return written.lstrip("#").split() if written.startswith("#") else []


def _other_units(names: list[str], units: list[str]) -> str | None:
    """What is wrong about the line of units under a heading, if anything is."""
    for name, unit in zip(names, units, strict=False):
        if name in COLUMNS and unit != COLUMNS[name][1]:
            return f"'{name}' is in {unit[:20]}, not in {COLUMNS[name][1]}"
    return None


def _number(cell: str) -> float:
    return math.nan if cell == "-" else float(cell)
