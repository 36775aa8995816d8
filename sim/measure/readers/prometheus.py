"""Prometheus: text scrapes of exporters, and range exports of the HTTP API (JSON).

A scrape as an exporter serves it has no times, and without times there is no power over time: such a file is refused.
The API's answer to ``/api/v1/query_range`` or to a range selector has them. Which metrics are read, and of which device
they are, says ``exporters``; how series of one device become one, ``meters``. Sources: the Prometheus exposition
formats and HTTP API documentation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sim.errors import InputError
from sim.measure.readers.exporters import METRICS, within
from sim.measure.readers.gathering import NS_PER_MS, Gathering
from sim.measure.readers.meters import Labels, Reading, gather_meters
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.plain import as_list, has, under
from sim.reading import parse_json
from sim.units import NS_PER_S

NAME = "Prometheus text scrapes or HTTP API JSON (DCGM, node_rapl, Kepler, Scaphandre)"

PREAMBLE = 400
"""Lines among which an exporter's comments or metrics are looked for."""

LEAST_MS = 1e11
"""A time below this is in seconds, as OpenMetrics writes it: as ms it would lie in 1973, as s in the year 5138."""

_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)\s*(\{.*\})?\s+(\S+)(?:\s+(-?[\d.eE+]+))?\s*(?:#.*)?$")
_LABEL = re.compile(r'(?<!\w)([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"')
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
    return _recording(readings, gathering, is_json=is_json)


def answered(source: str, series: Iterable[Any], warnings: Iterable[Any] = ()) -> Recording:
    """The recording in series that a server answered: ``{"metric": {...}, "values": [[time, "number"], ...]}`` each.

    Raises ``InputError`` where none of them is of a meter.
    """
    readings, gathering = _of_series(Gathering(Text(source, ())), series, warnings)
    return _recording(readings, gathering, is_json=True)


def _recording(readings: list[Reading], gathering: Gathering, *, is_json: bool) -> Recording:
    form = "Prometheus HTTP API" if is_json else "Prometheus text"
    origin: dict[str, Any] = {"format": form, "clock": f"since 1970, in steps of {NS_PER_MS / NS_PER_S:g} s"}
    rows = gather_meters(readings, gathering)
    # Series stand one after the other in JSON, which is no disorder; a scrape that is late in a text is.
    rows.sort(key=lambda row: row.time_ns if is_json else row.line)
    for row in rows:
        gathering.add(row.line, row.time_ns, row.device, row.measured)
    return gathering.recording(origin)


def _from_scrapes(text: Text) -> tuple[list[Reading], Gathering]:
    gathering = Gathering(text)
    readings: list[Reading] = []
    untimed: list[int] = []
    left_out: Counter[str] = Counter()
    for line, written in text.numbered():
        if written.lstrip().startswith("#"):
            continue
        match = _SAMPLE.match(written.strip())
        if match is None:
            gathering.fault(f"is no sample: {written[:80]!r}", line=line)
            continue
        metric, labels, value, moment = match.groups()
        if metric not in METRICS:
            left_out[metric] += within(metric) is not None
            continue
        if moment is None:
            untimed.append(line)
            continue
        try:
            time_ns = _moment_ns(moment)
            readings.append(Reading(line, time_ns, metric, _labels(labels or ""), _number(value)))
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
    _tell_within(left_out, gathering)
    return readings, gathering


def _moment_ns(written: str) -> int:
    """The time of a sample: ms as an integer, or seconds in OpenMetrics."""
    number = float(written)
    if abs(number) < LEAST_MS:
        return round(number * 1000) * NS_PER_MS  # to the ms: a double of seconds holds no more than µs
    return int(written) * NS_PER_MS if written.lstrip("-").isdecimal() else round(number) * NS_PER_MS


@lru_cache(maxsize=4096)
def _labels(written: str) -> Labels:
    unescape = {"n": "\n"}
    found = {
        name: _ESCAPED.sub(lambda match: unescape.get(match[1], match[1]), value)
        for name, value in _LABEL.findall(written)
    }
    return tuple(sorted(found.items()))


def _tell_within(left_out: Counter[str], gathering: Gathering) -> None:
    """Tells which metrics were left out since they would count something twice, and why."""
    for metric, count in left_out.items():
        if count:
            gathering.fault(f"left out: {count:,} of {metric}, which {within(metric)}")


def _number(written: str) -> float:
    """A sample's value; an infinite one says as little as NaN."""
    number = float(written)
    return number if math.isfinite(number) else math.nan


def _from_json(text: Text) -> tuple[list[Reading], Gathering]:
    whole = Text(
        text.file, (*text.lines, text.tail), zone=text.zone
    )  # JSON is whole if it can be parsed, with or without a last newline
    try:
        answer = parse_json("\n".join(whole.lines), text.file)
    except InputError as error:
        reason = "is JSON that is cut short or broken" if text.cut else "is not JSON"
        problem = error.problems[0]
        raise text.refuse(f"{reason} ({problem.message}); export it again", problem.line) from None
    if not has(answer, ["status"]):
        raise text.refuse("is JSON, but no answer of the Prometheus HTTP API: it has no 'status'")
    if answer["status"] != "success":
        kind, message = answer.get("errorType", "no type given"), answer.get("error", "no message given")
        raise text.refuse(f"is an error that Prometheus answered, not data: {kind}: {message}")
    kind, series = under(answer, "data", "resultType"), as_list(under(answer, "data", "result"))
    if kind != "matrix" or series is None:
        raise text.refuse(f"holds a result of type {kind!r}, not a 'matrix'; ask /api/v1/query_range")
    return _of_series(Gathering(whole), series, as_list(answer.get("warnings")) or ())


def _of_series(gathering: Gathering, series: Iterable[Any], warnings: Iterable[Any]) -> tuple[list[Reading], Gathering]:
    for warning in warnings:
        gathering.fault(f"Prometheus warned: {str(warning)[:200]}")
    readings: list[Reading] = []
    left_out: Counter[str] = Counter()
    for number, one in enumerate(series, 1):
        readings += _one_series(number, one, gathering, left_out)
    _tell_within(left_out, gathering)
    return readings, gathering


def _one_series(number: int, found: Any, gathering: Gathering, left_out: Counter[str]) -> list[Reading]:
    try:
        labels = {str(name): str(value) for name, value in found["metric"].items()}
        values = list(found["values"])
    except (KeyError, TypeError, AttributeError):
        gathering.fault(f"series {number} has no 'metric' with labels and 'values'")
        return []
    metric = labels.pop("__name__", "")
    if not metric:
        gathering.fault(f"series {number} has no __name__, as after rate() or sum(): export the metric itself")
    elif within(metric) is not None:
        left_out[metric] += 1
    elif metric not in METRICS:
        gathering.fault(f"series {number} is of {metric[:80]}, which is not read")
    own = tuple(sorted(labels.items()))
    readings: list[Reading] = []
    for pair in values if metric in METRICS else ():
        try:
            moment, value = pair
            readings.append(Reading(0, round(float(moment) * 1000) * NS_PER_MS, metric, own, _number(value)))
        except (ValueError, TypeError, OverflowError):
            gathering.fault(f'series {number} has a value that is no [time, "number"]: {str(pair)[:60]}')
    return readings
