"""Prometheus: text scrapes of the DCGM and node exporters, and range exports of the HTTP API (JSON).

A scrape as an exporter serves it has no times, and without times there is no power over time: such a file is refused.
The API's answer to ``/api/v1/query_range`` or to a range selector has them. DCGM counts energy in mJ since the driver
was loaded; the node exporter passes RAPL's counters on in J, and the export does not tell where those start over: a
fall is taken for a wrap at one of the usual ranges where that gives a usual energy, and else for a reset. Sources:
NVIDIA's dcgm-exporter (default counters), the Prometheus exposition formats and HTTP API documentation.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.measure.readers.gathering import NS_PER_MS, Gathering
from sim.measure.readers.nvidia_smi import BYTES_PER_MIB
from sim.measure.readers.text import Text
from sim.measure.recording import Kind, Recording
from sim.units import NS_PER_S

NAME = "Prometheus text scrapes or HTTP API JSON (DCGM, node_rapl)"

METRICS: dict[str, tuple[Kind, str, float]] = {
    "DCGM_FI_DEV_POWER_USAGE": ("gpu", "power_w", 1.0),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("gpu", "energy_j", 1e-3),
    "DCGM_FI_DEV_SM_CLOCK": ("gpu", "sm_clock_mhz", 1.0),
    "DCGM_FI_DEV_MEM_CLOCK": ("gpu", "memory_clock_mhz", 1.0),
    "DCGM_FI_DEV_GPU_UTIL": ("gpu", "gpu_utilization", 0.01),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("gpu", "memory_utilization", 0.01),
    "DCGM_FI_DEV_FB_USED": ("gpu", "memory_used_bytes", BYTES_PER_MIB),
    "DCGM_FI_DEV_GPU_TEMP": ("gpu", "temperature_c", 1.0),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": ("gpu", "power_limit_w", 1.0),
    "node_rapl_package_joules_total": ("cpu-package", "energy_j", 1.0),
    "node_rapl_dram_joules_total": ("dram", "energy_j", 1.0),
}
"""Of each metric: which kind of device it is of, what it measures, and one of its unit in ours."""

RAPL_RANGES_J = (2**32 * 15.258e-6, 2**32 * 61.035e-6)
"""Where Linux lets RAPL's counters start over (``max_energy_range_uj``): 2^32 units of 2^-16 or 2^-14 J, cut to nJ."""

PREAMBLE = 400
"""Lines among which an exporter's comments or metrics are looked for."""

BLANK = 2.0**47
"""DCGM's value for what a GPU does not give (``DCGM_FP64_BLANK``); its other blanks are larger still."""

LEAST_MS = 1e11
"""A time below this is in seconds, as OpenMetrics writes it: as ms it would lie in 1973, as s in the year 5138."""

_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)\s*(\{.*\})?\s+(\S+)(?:\s+(-?[\d.eE+]+))?\s*(?:#.*)?$")
_LABEL = re.compile(r'([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


def fits(text: Text) -> bool:
    """Whether the file begins as JSON, or has the comments or the metrics of an exporter."""
    if text.first.lstrip().startswith("{"):
        return True
    lines = (line.strip() for line in (*text.lines, text.tail)[:PREAMBLE])
    return any(line.startswith("# HELP ") or re.split(r"[{\s]", line, maxsplit=1)[0] in METRICS for line in lines)


def read(text: Text) -> Recording:
    """The recording in scrapes or in an answer of the API. Raises ``InputError``."""
    is_json = text.first.lstrip().startswith("{")
    readings, gathering = _from_json(text) if is_json else _from_scrapes(text)
    return _recording(readings, gathering, "Prometheus HTTP API" if is_json else "Prometheus text")


@dataclass(frozen=True)
class _Reading:
    line: int
    time_ns: int
    metric: str
    labels: Mapping[str, str]
    value: float


def _from_scrapes(text: Text) -> tuple[list[_Reading], Gathering]:
    gathering = Gathering(text)
    readings: list[_Reading] = []
    untimed: list[int] = []
    for line, written in text.numbered():
        if written.lstrip().startswith("#"):
            continue
        match = _SAMPLE.match(written.strip())
        if match is None:
            gathering.fault(f"is no sample: {written[:80]!r}", line=line)
            continue
        metric, labels, value, moment = match.groups()
        if metric not in METRICS:
            continue
        if moment is None:
            untimed.append(line)
            continue
        try:
            time_ns = _moment_ns(moment)
            readings.append(_Reading(line, time_ns, metric, _labels(labels or ""), _number(value)))
        except (ValueError, OverflowError):
            gathering.fault(f"is no sample: {written[:80]!r}", line=line)
    if untimed and not readings:
        raise text.refuse(
            "is a scrape without times; export from Prometheus with /api/v1/query_range, or write the time in ms since"
            " 1970 behind every sample",
            untimed[0],
        )
    for line in untimed:
        gathering.fault("has no time", line=line)
    return readings, gathering


def _moment_ns(written: str) -> int:
    """The time of a sample: ms as an integer, or seconds in OpenMetrics."""
    number = float(written)
    if abs(number) < LEAST_MS:
        return round(number * 1000) * NS_PER_MS  # to the ms: a double of seconds holds no more than µs
    return int(written) * NS_PER_MS if written.lstrip("-").isdecimal() else round(number) * NS_PER_MS


def _labels(written: str) -> dict[str, str]:
    unescape = {"n": "\n"}
    return {
        name: _ESCAPED.sub(lambda match: unescape.get(match[1], match[1]), value)
        for name, value in _LABEL.findall(written)
    }


def _number(written: str) -> float:
    """A sample's value; an infinite one says as little as NaN."""
    number = float(written)
    return number if math.isfinite(number) else math.nan


def _from_json(text: Text) -> tuple[list[_Reading], Gathering]:
    whole = Text(
        text.file, (*text.lines, text.tail)
    )  # JSON is whole if it can be parsed, with or without a last newline
    try:
        answer = json.loads("\n".join(whole.lines))
    except (ValueError, RecursionError) as error:
        reason = "is JSON that is cut short or broken" if text.cut else "is not JSON"
        raise text.refuse(f"{reason} ({error}); export it again") from None
    if not isinstance(answer, dict) or "status" not in answer:
        raise text.refuse("is JSON, but no answer of the Prometheus HTTP API: it has no 'status'")
    if answer["status"] != "success":
        kind, message = answer.get("errorType", "no type given"), answer.get("error", "no message given")
        raise text.refuse(f"is an error that Prometheus answered, not data: {kind}: {message}")
    data = answer.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "matrix" or not isinstance(data.get("result"), list):
        found = data.get("resultType") if isinstance(data, dict) else None
        raise text.refuse(f"holds a result of type {found!r}, not a 'matrix'; ask /api/v1/query_range")
    gathering = Gathering(whole)
    for warning in answer.get("warnings") or ():
        gathering.fault(f"Prometheus warned: {warning}")
    readings: list[_Reading] = []
    for number, series in enumerate(data["result"], 1):
        readings += _series(number, series, gathering)
    return readings, gathering


def _series(number: int, series: Any, gathering: Gathering) -> list[_Reading]:
    try:
        labels = {str(name): str(value) for name, value in series["metric"].items()}
        values = list(series["values"])
    except (KeyError, TypeError, AttributeError):
        gathering.fault(f"series {number} has no 'metric' with labels and 'values'")
        return []
    metric = labels.pop("__name__", "")
    if not metric:
        gathering.fault(f"series {number} has no __name__, as after rate() or sum(): export the metric itself")
    elif metric not in METRICS:
        gathering.fault(f"series {number} is of {metric}, which is not read")
    readings: list[_Reading] = []
    for pair in values if metric in METRICS else ():
        try:
            moment, value = pair
            readings.append(_Reading(0, round(float(moment) * 1000) * NS_PER_MS, metric, labels, _number(value)))
        except (ValueError, TypeError, OverflowError):
            gathering.fault(f'series {number} has a value that is no [time, "number"]: {str(pair)[:60]}')
    return readings


def _host(labels: Mapping[str, str]) -> str:
    return labels.get("Hostname") or labels.get("hostname") or labels.get("node") or labels.get("instance") or ""


def _recording(readings: list[_Reading], gathering: Gathering, form: str) -> Recording:
    hosts = {_host(reading.labels) for reading in readings}
    rows: dict[tuple[str, int], dict[str, float]] = {}
    lines: dict[tuple[str, int], int] = {}
    for reading in readings:
        kind, measured, unit = METRICS[reading.metric]
        labels = reading.labels
        index = labels.get("gpu" if kind == "gpu" else "index", "")
        index = index or labels.get("UUID", "") or re.sub(r".*:", "", labels.get("path", ""))
        name = f"{kind}{index}" if len(hosts) == 1 else f"{_host(labels)}/{kind}{index}"
        gathering.device(name, kind, model=labels.get("modelName", ""), serial=labels.get("UUID", ""))
        if kind != "gpu":
            gathering.counter_ranges_j[name] = RAPL_RANGES_J
        key = (name, reading.time_ns)
        row = rows.setdefault(key, {})
        lines.setdefault(key, reading.line)
        value = math.nan if reading.value >= BLANK else reading.value * unit
        if measured in row and row[measured] != value and not (math.isnan(row[measured]) or math.isnan(value)):
            reason = f"{reading.metric} has two values at one time; the first was kept"
            gathering.fault(reason, line=reading.line or None, device=name, time_ns=reading.time_ns)
        elif math.isnan(row.get(measured, math.nan)):
            row[measured] = value
    # Series stand one after the other in JSON, which is no disorder; a scrape that is late in a text is.
    ordered = rows.items() if form == "Prometheus text" else sorted(rows.items(), key=lambda item: item[0][1])
    for (name, time_ns), row in ordered:
        gathering.add(lines[name, time_ns], time_ns, name, row)
    return gathering.recording({"format": form, "clock": f"since 1970, in steps of {NS_PER_MS / NS_PER_S:g} s"})
