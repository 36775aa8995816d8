"""Zeus (ml-energy): the power CSV of its monitor and the log of measured windows.

Two files, as Zeus's source writes them. ``zeus.monitor.power.PowerMonitor(power_csv_path=...)``, before it kept its
samples in memory, writes rows of seconds since 1970 and one GPU's power in W after the other, without a header; with
one it is ``time,power0,power1,...`` (its own names for the columns) or ``time,gpu0,...``.
``zeus.monitor.energy.ZeusMonitor (log_file=...)`` writes ``start_time,window_name,elapsed_time,gpu0_energy,...`` in s
and J, a row for each window; windows may overlap, so each is a recording of devices of its own; those
of one GPU are of one meter, so that a window within another does not count twice. Zeus holds empty
readings where there is no GPU: such a file is refused, not read as 0 W.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace

from sim.measure.readers.gathering import Gathering
from sim.measure.readers.table import LAST_S, seconds_ns
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.units import NS_PER_S

NAME = "Zeus power CSV or window log"

_POWER = re.compile(r"(?:gpu|power)_?(\d+)(?:_power)?")
_ENERGY = re.compile(r"gpu(\d+)_energy")
FIRST_S = 1e9
"""A first cell from this to ``LAST_S`` is a time since 1970, so that a file without a header can be told."""


def fits(text: Text) -> bool:
    """Whether the first line is a header of Zeus, or a time since 1970 and powers."""
    cells = _cells(text.first)
    return cells[:3] == ["start_time", "window_name", "elapsed_time"] or _is_power_header(cells) or _is_bare(cells)


def read(text: Text) -> Recording:
    """The recording in a file of Zeus. Raises ``InputError``."""
    cells = _cells(text.first)
    return _windows(text, cells) if cells[0] == "start_time" else _power(text, cells)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _is_power_header(cells: list[str]) -> bool:
    return len(cells) > 1 and cells[0] == "time" and all(_POWER.fullmatch(cell) for cell in cells[1:])


def _is_bare(cells: list[str]) -> bool:
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    return len(numbers) > 1 and FIRST_S < numbers[0] < LAST_S


def _watts(written: str) -> float:
    return float(written) if written else math.nan


def _power(text: Text, header: list[str]) -> Recording:
    gathering = Gathering(text)
    indices = [_POWER.fullmatch(cell) for cell in header[1:]]
    names = [f"gpu{match[1] if match else at}" for at, match in enumerate(indices)]
    for name in names:
        gathering.device(name, "gpu")
    for line, written in text.numbered():
        cells = _cells(written)
        if _is_power_header(cells):
            if cells != header:
                raise text.refuse("has another header in the middle; split it there", line)
            continue
        try:
            time_ns = seconds_ns(cells[0])
            powers = [_watts(cell) for cell in cells[1:]]
        except ValueError:
            gathering.fault(f"is no time in s and powers in W: {written[:80]!r}", line=line)
            continue
        if len(powers) != len(names):
            gathering.fault(f"has {len(powers)} powers for {len(names)} GPUs", line=line)
            continue
        for name, power in zip(names, powers, strict=True):
            gathering.add(line, time_ns, name, {"power_w": power})
    return gathering.recording({"format": "Zeus power CSV", "clock": "since 1970"})


def _windows(text: Text, header: list[str]) -> Recording:
    gathering = Gathering(text)
    matches = [_ENERGY.fullmatch(cell) for cell in header[3:]]
    gpus = [f"gpu{match[1]}" for match in matches if match]
    if not gpus or len(gpus) < len(matches):
        raise text.refuse(f"needs columns gpu0_energy, gpu1_energy, ...; it has: {', '.join(header)}", 1)
    seen: Counter[str] = Counter()
    for line, written in text.numbered():
        cells = _cells(written)
        if cells == header:
            continue
        start, *rest = written.split(",")
        window = ",".join(rest[: -len(gpus) - 1])  # Zeus does not quote, so a name may hold commas
        try:
            start_ns = seconds_ns(start.strip())
            elapsed_s, *joules = (float(cell) for cell in rest[-len(gpus) - 1 :])
        except ValueError:
            joules = []
        if len(joules) != len(gpus) or not (math.isfinite(elapsed_s) and elapsed_s > 0):
            gathering.fault(f"is no window: {written[:80]!r}", line=line)
            continue
        seen[window] += 1
        for gpu, energy in zip(gpus, joules, strict=True):
            device = gathering.device(f"{window}#{seen[window]}/{gpu}", "gpu")
            gathering.devices[device] = replace(gathering.devices[device], unit=gpu)
            if math.isnan(energy) or energy < 0:
                gathering.fault(f"has no energy: {energy}", line=line, device=device)
                continue
            gathering.add(line, start_ns, device, {"energy_j": 0.0}, window)
            gathering.add(line, start_ns + round(elapsed_s * NS_PER_S), device, {"energy_j": energy}, window)
    return gathering.recording({"format": "Zeus window log", "clock": "since 1970"}, same_span=False)
