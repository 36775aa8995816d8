"""RAPL as text: ``turbostat`` and ``perf stat -I``.

turbostat prints, every interval, a row of sums over the machine (``-`` for core and CPU) and a row a CPU, of which the
first of each package holds ``PkgWatt`` and ``RAMWatt``; its times need ``--enable Time_Of_Day_Seconds``. With
``--Joules`` it gives energies of the interval. The packages are read, and the sums only where there is nothing else.

``perf stat -I 1000 -e power/energy-pkg/,power/energy-ram/`` gives J per interval, as text, with ``-x,`` (or
``-x\\;``) as CSV, or with ``-j`` as an object a line (perf 6.1 and 7.2), for the machine or (``--per-socket``, ``-A``)
for each socket. Its times run from the start of perf; ``# started on``, which it writes into a file of its own
(``-o``), gives the day, in local time without a zone. Without it times count from 1970-01-01.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sim.errors import InputError
from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text
from sim.measure.recording import Kind, Recording
from sim.plain import as_mapping, as_number, as_text
from sim.reading import parse_json
from sim.units import NS_PER_S, SECONDS_PER_NS

NAME = "turbostat text or perf stat -I (power/energy-pkg/)"

PREAMBLE = 400
"""Lines before the first of interest: turbostat describes the machine unless it is told to be quiet."""

CLOSEST_NS = NS_PER_S // 100
"""Intervals are longer than this; rows closer together are of one interval."""

_TURBOSTAT = {"PkgWatt", "Pkg_J"}
_CLOCK = "Time_Of_Day_Seconds"
_PARTS: tuple[tuple[Kind, str, str], ...] = (("cpu-package", "PkgWatt", "Pkg_J"), ("dram", "RAMWatt", "RAM_J"))

_EVENT = re.compile(r"energy-(pkg|ram)\b")
_KINDS: dict[str, Kind] = {"pkg": "cpu-package", "ram": "dram"}
_STARTED = re.compile(r"#\s*started on (\w{3} \w{3} +\d+ \d\d:\d\d:\d\d \d{4})")
_TEXT_LINE = re.compile(
    r"\s*(?P<time>\d+[.,]\d+)\s+(?:(?P<place>(?:S\d+|CPU\d+)\S*)\s+(?:\d+\s+)?)?"
    r"(?P<value><not supported>|<not counted>|[\d.,]+)\s+Joules\s+(?P<event>\S*energy-\S+)"
)
_PLACE = re.compile(r"(S|CPU)(\d+)")


def fits(text: Text) -> bool:
    """Whether a header of turbostat or an event of RAPL that perf counted is among the first lines."""
    return any(_is_header(line.split()) or _is_perf(line) for line in _first(text))


def read(text: Text) -> Recording:
    """The recording in turbostat's or perf's output. Raises ``InputError``."""
    if any(_is_header(line.split()) for line in _first(text)):
        return _turbostat(text)
    return _perf(text)


def _first(text: Text) -> Iterable[str]:
    return (*text.lines, text.tail)[:PREAMBLE]


def _is_header(words: list[str]) -> bool:
    return bool(_TURBOSTAT & set(words))


def _is_perf(line: str) -> bool:
    return _TEXT_LINE.match(line) is not None or _split(line) is not None


# turbostat


def _turbostat(text: Text) -> Recording:
    gathering = Gathering(text)
    names: list[str] = []
    sums: list[tuple[int, int, str, dict[str, float]]] = []
    packages: list[tuple[int, int, str, dict[str, float]]] = []
    unnamed = 0
    for line, written in text.numbered():
        words = written.split()
        if _is_header(words):
            names, unnamed = words, 0
            if _CLOCK not in names:
                message = f"has no times; run turbostat with --enable {_CLOCK}"
                raise text.refuse(message, line)
            continue
        if not names or len(words) > len(names):
            if names:
                gathering.fault(f"has {len(words)} cells, more than the header's {len(names)}", line=line)
            continue
        row = dict(zip(names, words, strict=False))  # what a row does not give is left out at its end
        try:
            time_ns = _time_ns(row[_CLOCK])
            measured = {name: _number(row[name]) for _, *pair in _PARTS for name in pair if name in row}
            if "PkgTmp" in row and measured:
                measured["PkgTmp"] = float(row["PkgTmp"])
        except (ValueError, KeyError):
            gathering.fault(f"is no row of numbers: {written[:80]!r}", line=line)
            continue
        is_sum = row.get("CPU", row.get("Core", row.get("Package", "-"))) == "-"
        if is_sum:
            sums.append((line, time_ns, "", measured))
            unnamed = 0
        elif measured:
            packages.append((line, time_ns, row.get("Package", str(unnamed)), measured))
            unnamed += 1
    if not {"CPU", "Core", "Package"} & set(names) and any(
        after[1] - before[1] < CLOSEST_NS for before, after in pairwise(sums)
    ):
        raise text.refuse("has packages and their sum in rows that look alike; show CPU too, or run with --Summary")
    chosen = packages or sums
    energies: dict[str, float] = {}
    for line, time_ns, package, measured in chosen:
        for kind, watts, joules in _PARTS:
            found: dict[str, float] = {}
            device = f"{kind}{package}"
            if watts in measured:
                found["power_w"] = measured[watts]
            elif joules in measured:
                energies[device] = found["energy_j"] = energies.get(device, 0.0) + measured[joules]
            if found and kind == "cpu-package" and "PkgTmp" in measured:
                found["temperature_c"] = measured["PkgTmp"]
            if found:
                gathering.add(line, time_ns, gathering.device(device, kind), found)
    scope = "each package" if packages else "all packages together"
    return gathering.recording({"format": "turbostat", "clock": "since 1970", "scope": scope})


def _time_ns(written: str) -> int:
    whole, _, fraction = written.partition(".")
    if not (whole.isdecimal() and len(whole) <= 10 and fraction.isdecimal()):
        raise ValueError(written)
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, "0"))


# perf


@dataclass(frozen=True)
class _Count:
    time_ns: int
    place: str
    written: str
    kind: Kind


def _split(line: str) -> tuple[str, str, str, str] | None:
    return _json_line(line) or _csv_line(line)


def _csv_line(line: str) -> tuple[str, str, str, str] | None:
    """Time, place, value and event of a line of ``perf stat -x``; None where it is none."""
    for separator in (";", ",", "|", "\t"):
        cells = [cell.strip() for cell in line.split(separator)]
        if "Joules" not in cells[2:5] or not re.fullmatch(r"\d+[.,]\d+", cells[0]):
            continue
        unit = cells.index("Joules")
        if unit + 1 < len(cells) and "energy-" in cells[unit + 1]:
            return cells[0], cells[1] if unit > 2 else "", cells[unit - 1], cells[unit + 1]
    return None


def _json_line(line: str) -> tuple[str, str, str, str] | None:
    """The same of a line of ``perf stat -j``; None where it is none."""
    if not line.lstrip().startswith("{") or "energy-" not in line:
        return None
    try:
        said = as_mapping(parse_json(line, NAME)) or {}
    except InputError:
        return None
    time, socket, cpu = said.get("interval"), as_text(said.get("socket")), as_text(said.get("cpu"))
    value, event = as_text(said.get("counter-value")), as_text(said.get("event"))
    if as_number(time) is None or value is None or event is None or said.get("unit") not in ("Joules", ""):
        return None
    return f"{time:.9f}", socket or (f"CPU{cpu}" if cpu is not None else ""), value, event


def _number(written: str) -> float:
    """A number with a point or a comma before its decimals, and perhaps marks between its thousands."""
    if re.fullmatch(r"\d{1,3}(,\d{3})*\.\d+|\d+(\.\d+)?", written):
        return float(written.replace(",", ""))
    if re.fullmatch(r"\d{1,3}(\.\d{3})*,\d+|\d+,\d+", written):
        return float(written.replace(".", "").replace(",", "."))
    raise ValueError(written)


def _count(line: str) -> _Count | None:
    """What a line counts; None for a line about something else. Raises ``ValueError`` where it is damaged."""
    match = _TEXT_LINE.match(line)
    cells = (match["time"], match["place"] or "", match["value"], match["event"]) if match else _split(line)
    if cells is None:
        if "energy-" in line and "#" not in line:
            raise ValueError(line)
        return None
    event = _EVENT.search(cells[3])
    if event is None:
        return None
    place = _PLACE.match(cells[1])
    return _Count(_time_ns(cells[0].replace(",", ".")), place[2] if place else "", cells[2], _KINDS[event[1]])


def _perf(text: Text) -> Recording:
    gathering = Gathering(text)
    start_ns = 0
    clock = "counts from the start of perf, whose time the file does not give"
    last: dict[str, int] = {}
    energies: dict[str, float] = {}
    counts: list[tuple[int, _Count]] = []
    previous_ns = -1
    for line, written in text.numbered():
        started = _STARTED.match(written)
        if started:
            start_ns = gathering.stamps.ns(datetime.strptime(started[1], "%a %b %d %H:%M:%S %Y"))
            clock = gathering.stamps.clock
        try:
            count = _count(written)
        except ValueError:
            gathering.fault(f"is no count: {written[:80]!r}", line=line)
            continue
        if count is not None:
            if count.time_ns < previous_ns:
                gathering.fault("is earlier than the line before it; lines were sorted by time", line=line)
            previous_ns = count.time_ns
            counts.append((line, count))
    counts.sort(key=lambda pair: pair[1].time_ns)
    for line, count in counts:
        if count.written.startswith("<"):
            reason = (
                f"{count.kind}{count.place} was {count.written.strip('<>')}; the energy of this interval is unknown"
            )
            gathering.fault(reason, line=line, time_ns=start_ns + count.time_ns)
            last[f"{count.kind}{count.place}"] = count.time_ns
            continue
        device = gathering.device(f"{count.kind}{count.place}", count.kind)
        try:
            energy = _number(count.written)
        except ValueError:
            gathering.fault(f"is no energy: {count.written!r}", line=line, device=device)
            continue
        if device not in energies:
            energies[device] = 0.0
            gathering.add(line, start_ns + last.get(device, 0), device, {"energy_j": 0.0})
        begin = last.get(device, 0)
        seconds = (count.time_ns - begin) * SECONDS_PER_NS
        energies[device] += energy
        power = energy / seconds if seconds > 0 else math.nan
        gathering.add(line, start_ns + count.time_ns, device, {"energy_j": energies[device], "power_w": power})
        last[device] = count.time_ns
    return gathering.recording({"format": "perf stat", "clock": clock})
