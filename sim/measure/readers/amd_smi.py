"""AMD's GPUs: ``amd-smi metric`` and ``monitor`` with ``--watch``, and ``rocm-smi``, each as CSV or JSON.

``amd-smi`` writes ``timestamp`` (whole s since 1970), ``gpu`` and what was asked for (amdsmi_cli/amdsmi_logger.py of
ROCm 6 and 7): power in W as ``socket_power`` (``metric -p``) or ``power_usage`` (``monitor -p``), energy in J as
``total_energy_consumption`` (``metric -E``), ``N/A`` for what a device does not give. CSV has bare numbers; JSON has
``{"value": 288, "unit": "W"}``, an array a poll, since ROCm 7 within ``gpu_data``. Without ``--watch`` there is no
time. Partitions of a GPU (``xcp``) have their package's meter, so the first one counts.

``rocm-smi --showpower`` (python_smi_tools/rocm_smi.py) writes ``device`` and ``Current Socket`` or ``Average Graphics
Package Power (W)``, as JSON under ``card0``, and never a time: it is read where a column (or key) ``timestamp`` was
added, in s since 1970 or as ISO 8601 with an offset.

The first die of an MI250X has the power of both (rocm-smi: ``N/A (Secondary die)``); the other is no meter of its own
and is left out.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sim.measure.readers.choosing import best_answered, named
from sim.measure.readers.gathering import Gathering
from sim.measure.readers.json_stream import MOST_TOLD_BY, PREAMBLE, opening, values
from sim.measure.readers.stamps import Stamps
from sim.measure.readers.table import number, rows, seconds_ns
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.plain import as_list, as_mapping, as_number, as_text, under

NAME = "amd-smi or rocm-smi, CSV or JSON"

COLUMNS: dict[str, tuple[tuple[str, ...], str, float]] = {
    "power_w": (
        (
            "socket_power",
            "current_socket_power",
            "power_usage",
            "average_socket_power",
            "Current Socket Graphics Package Power (W)",
            "Average Graphics Package Power (W)",
        ),
        "W",
        1.0,
    ),
    "energy_j": (("total_energy_consumption",), "J", 1.0),
    "gpu_utilization": (("gfx_activity", "gfx", "GPU use (%)"), "%", 0.01),
    "temperature_c": (("hotspot", "hotspot_temperature", "Temperature (Sensor junction) (C)"), "C", 1.0),
}
"""What each quantity is called, the preferred name first, its unit, and what one of that is."""
POWER = COLUMNS["power_w"][0]

SECONDARY = "secondary die"
SINCE_1970 = "since 1970, in whole seconds by amd-smi"
NO_TIME = (
    "has no times: run amd-smi with --watch, or add a column 'timestamp' (s since 1970, or ISO 8601 with an offset)"
    " to what rocm-smi prints"
)

_AMD_JSON = re.compile(r'"gpu"\s*:\s*\d')
_ROCM_JSON = re.compile(r'[\s\[]*\{\s*("timestamp"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"card\d+"\s*:')
_CARD = re.compile(r"(?:card|gpu)?(\d+)")


class _Row(NamedTuple):
    line: int
    time_ns: int
    gpu: int
    cells: Mapping[str, str]


def fits(text: Text) -> bool:
    """Whether the file has amd-smi's or rocm-smi's header, or begins with an answer of theirs."""
    begin = opening(text)
    return _has_header(text) or _ROCM_JSON.match(begin) is not None or _AMD_JSON.search(begin) is not None


def read(text: Text) -> Recording:
    """The recording in the polls of a tool. Raises ``InputError`` where they have no times."""
    is_json = not _has_header(text)
    cut = None if is_json and text.tail else text.cut  # where JSON ends, its brackets say
    gathering = Gathering(Text(text.file, text.lines, cut=cut, damaged=text.damaged, zone=text.zone))
    untimed: list[int] = []
    polled = list(_polled(text, gathering, untimed, is_json=is_json))
    if untimed and not polled:
        raise text.refuse(NO_TIME, untimed[0])
    if untimed:
        gathering.fault(f"{len(untimed):,} rows have no time, the first here", line=untimed[0])
    _gather(_of_whole_gpus(polled, gathering), gathering)
    form = "rocm-smi" if any("(W)" in name for row in polled[:1] for name in row.cells) else "amd-smi"
    return gathering.recording(
        {"format": form, "clock": gathering.stamps.clock if gathering.stamps.local else SINCE_1970}
    )


def _has_header(text: Text) -> bool:
    """Whether a header is among the first lines: tools warn before they answer."""
    first = (*text.lines[:PREAMBLE], text.tail)
    return any(_is_header([cell.strip().strip('"') for cell in line[:MOST_TOLD_BY].split(",")]) for line in first)


def _is_header(found: Sequence[str]) -> bool:
    device = "gpu" in found or "device" in found
    return device and any(name in found for name in (*POWER, *COLUMNS["energy_j"][0]))


# Polls


def _polled(text: Text, gathering: Gathering, untimed: list[int], *, is_json: bool) -> Iterator[_Row]:
    for line, cells in _json_rows(text, gathering) if is_json else rows(text, gathering, _is_header):
        device = cells.get("gpu", cells.get("device", ""))
        match = _CARD.fullmatch(device)
        if match is None or len(match[1]) > 4:
            gathering.fault(f"names no GPU: {device[:40]!r}", line=line)
        elif not cells.get("timestamp"):
            untimed.append(line)
        else:
            try:
                yield _Row(line, _time_ns(cells["timestamp"], gathering.stamps), int(match[1]), cells)
            except (ValueError, OverflowError) as error:
                gathering.fault(f"'timestamp' is no time: {str(error)[:120]}", line=line)


def _time_ns(written: str, stamps: Stamps) -> int:
    return seconds_ns(written) if re.fullmatch(r"[\d.]+", written) else stamps.iso_ns(written)


def _json_rows(text: Text, gathering: Gathering) -> Iterator[tuple[int, dict[str, str]]]:
    """Each GPU's answer, its cells as a CSV has them."""
    for line, value in values(text, gathering):
        for found in _answers(value):
            answer = as_mapping(found)
            if answer is None:
                gathering.fault(f"is no answer about a GPU: {str(found)[:60]!r}", line=line)
                continue
            cards = {key: own for key, own in answer.items() if re.fullmatch(r"card\d+", key)}
            if not cards:
                yield line, _flat(answer)
            for card, own in cards.items():
                moment = {"timestamp": _written(answer["timestamp"])} if "timestamp" in answer else {}
                yield line, {**moment, **_flat(as_mapping(own) or {}), "device": card}


def _answers(value: Any) -> list[Any]:
    """One by one; also of an object that wraps them, with its time where they have none."""
    several = as_list(value)
    if several is not None:
        return [answer for one in several for answer in _answers(one)]
    inner = as_list(under(value, "gpu_data"))
    if inner is None:
        return [value]
    moment = {"timestamp": value["timestamp"]} if "timestamp" in value else {}
    return [one if as_mapping(one) is None else {**moment, **one} for one in inner]


def _flat(found: Mapping[str, Any]) -> dict[str, str]:
    """An answer's values by their own names, whatever group they stand in; with their units behind them."""
    flat: dict[str, str] = {}
    for name, value in found.items():
        group = as_mapping(value)
        if group is None:
            flat.setdefault(name, _written(value))
        elif "value" in group:
            flat.setdefault(name, f"{_written(group['value'])} {group.get('unit', '')}".strip())
        else:
            flat |= {**_flat(group), **flat}
    return flat


def _written(value: Any) -> str:
    return "N/A" if as_text(value) is None and as_number(value) is None else str(value)


# Devices


def _of_whole_gpus(polled: Iterable[_Row], gathering: Gathering) -> list[_Row]:
    """Without the partitions of a GPU beside its first."""
    kept: list[_Row] = []
    partitions = 0
    for row in polled:
        if row.cells.get("xcp", "0") in ("", "0", "N/A"):
            kept.append(row)
        else:
            partitions += 1
    if partitions:
        gathering.fault(f"left out: {partitions:,} rows of partitions (xcp), which have their package's meter")
    return kept


def _gather(polled: Sequence[_Row], gathering: Gathering) -> None:
    own: dict[int, list[_Row]] = {}
    for row in polled:
        own.setdefault(row.gpu, []).append(row)
    chosen = {gpu: _chosen(those) for gpu, those in own.items()}
    second = _second_dies(own, chosen)
    if second:
        told = named([f"gpu{gpu}" for gpu in sorted(second)])
        reason = f"{told} gave no power, as the second die of an MI250X, whose first has the power of both: left out"
        gathering.fault(reason)
    for gpu, those in own.items():
        if gpu not in second and not {"power_w", "energy_j"} & chosen[gpu].keys():
            cells = Counter(cell for row in those for name, cell in row.cells.items() if name in POWER).most_common(2)
            told = ", ".join(f"{cell[:30] or 'empty'} ({count:,} times)" for cell, count in cells)
            gathering.fault(f"has no power: {told or 'no column for it'}", line=those[0].line, device=f"gpu{gpu}")
    for row in polled:
        if row.gpu not in second:
            columns = chosen[row.gpu].items()
            measured = {quantity: _value(row, quantity, column, gathering) for quantity, column in columns}
            gathering.add(row.line, row.time_ns, gathering.device(f"gpu{row.gpu}", "gpu"), measured)


def _chosen(those: Sequence[_Row]) -> dict[str, str]:
    """The column from which a GPU is read, by quantity."""
    best = {
        quantity: best_answered(names, {name: sum(_answers_in(row, name) for row in those) for name in names})
        for quantity, (names, _, _) in COLUMNS.items()
    }
    return {quantity: column for quantity, column in best.items() if column is not None}


def _answers_in(row: _Row, name: str) -> bool:
    try:
        return not math.isnan(number(row.cells.get(name, "").partition(" ")[0]))
    except ValueError:
        return True  # it is something, and reading it says what is wrong with it


def _second_dies(own: Mapping[int, Sequence[_Row]], chosen: Mapping[int, Mapping[str, str]]) -> set[int]:
    """The GPUs that are the other die of the one before them: by what they say, or where every odd one gives none."""
    said = {gpu for gpu, rows_ in own.items() if any(SECONDARY in cell.lower() for cell in _power_cells(rows_))}
    if said:
        return said
    silent = {gpu for gpu in own if "power_w" not in chosen[gpu] or not _draws(own[gpu], chosen[gpu]["power_w"])}
    odd = {gpu for gpu in own if gpu % 2}
    return odd if odd and silent == odd and {gpu - 1 for gpu in odd} <= own.keys() else set()


def _power_cells(those: Sequence[_Row]) -> Iterator[str]:
    return (row.cells[name] for row in those for name in POWER if name in row.cells)


def _draws(those: Sequence[_Row], column: str) -> bool:
    return any(row.cells.get(column, "").partition(" ")[0].strip("0.") not in ("", "N/A") for row in those)


def _value(row: _Row, quantity: str, column: str, gathering: Gathering) -> float:
    _, unit, one = COLUMNS[quantity]
    try:
        return number(row.cells.get(column, ""), unit) * one
    except ValueError:
        reason = f"'{column}' is no number in {unit}: {row.cells[column][:40]!r}"
        gathering.fault(reason, line=row.line, device=f"gpu{row.gpu}")
        return math.nan
