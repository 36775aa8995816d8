"""MLPerf power logs: SPEC PTDaemon's ``spl.txt`` (Inference) and the node logs of Training.

``spl.txt`` has a line a sample: ``Time,08-09-2021 13:14:36.532,Watts,22.950000,Volts,...,Amps,...,PF,...,Mark,NotSet``,
with month before day, in the local time of the director, without a zone. A meter of several channels writes their sum
first and each channel behind; only the sum is read. ``Mark`` becomes the phase. The director's ``Go`` sets a mark and
its ``Stop`` takes it away, so where a log has marks, samples without one lie outside the run and do not count; nor does
a ranging run (``..._ranging``, which only finds the meter's range) beside the one that is tested. Source:
mlcommons/power-dev, ptd_client_server/lib/server.py.

Training's ``node_0.txt`` (mlcommons/logging, examples/power) has ``:::MLLOG {...}`` lines with ``time_ms`` since 1970
and ``key``: ``power_reading`` in W, ``conversion_eff``, ``power_measurement_start`` and ``_stop``; some submissions'
last line has one colon less. A value may stand in an object: ``{"value": 2708.0}``. Readings count from ``run_start``
to ``run_stop``, and within the power log's own marks: the power before and after them is not the run's. The run's marks
stand in the result log: in this file, or where a submission has it (``power/NAME/node_0.txt`` belongs to ``NAME.txt``
beside ``power``, as mlperf_logging/result_summarizer looks for it). The efficiency is kept in the origin and not
applied, since submitters differ in what they read: at the plug or behind the power supply. Switches
(``interconnect_power_est``) are estimates and are left out. Tables that others have made of these logs, such as Parquet
with ``t`` and ``watts``, are nobody's format and are not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import InputError
from sim.measure.readers.gathering import NS_PER_MS, Gathering
from sim.measure.readers.text import Text, read_text
from sim.measure.recording import Recording
from sim.plain import as_mapping, spelled, under
from sim.reading import parse_json
from sim.units import MAX_NS

NAME = "MLPerf power log (PTDaemon spl.txt, Training node log)"

RANGING = "ranging"
"""In the mark of a run that only finds the meter's range (``ranging-...`` in the oldest client)."""

_SPL = re.compile(r"Time,(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\.\d{1,6}),Watts,([^,]*),.*?\bMark,([^,]*)")
_MLLOG = re.compile(r"^:{2,3}MLLOG (\{.*)$")
_UNMARKED = ("", "notset")
_RUN = ("run_start", "run_stop")
_MEASUREMENT = ("power_measurement_start", "power_measurement_stop")


def fits(text: Text) -> bool:
    """Whether the first line is a sample of PTDaemon, or an entry of an MLPerf log."""
    return (text.first.startswith("Time,") and ",Watts," in text.first) or _MLLOG.match(text.first) is not None


def read(text: Text) -> Recording:
    """The recording in a power log. Raises ``InputError``."""
    return _spl(text) if text.first.startswith("Time,") else _node(text)


class _Sample(NamedTuple):
    line: int
    time_ns: int
    device: str
    watts: float
    mark: str = ""


# PTDaemon


def _spl(text: Text) -> Recording:
    gathering = Gathering(text)
    samples: list[_Sample] = []
    for line, written in text.numbered():
        match = _SPL.match(written)
        moment, watts, mark = match.groups() if match else ("", "", "")
        try:
            time_ns = gathering.stamps.ns(datetime.strptime(moment, "%m-%d-%Y %H:%M:%S.%f"))
            power = float(watts)
        except ValueError:
            gathering.fault(f"is no sample: {written[:80]!r}", line=line)
            continue
        mark = mark.strip()
        samples.append(_Sample(line, time_ns, "node", power, "" if mark.lower() in _UNMARKED else mark))
    for sample in _marked(samples, gathering):
        power = sample.watts
        if not math.isfinite(power) or power == -1.0:  # as PTDaemon writes what its meter does not give
            gathering.fault(f"has no power: {power:g}", line=sample.line)
            power = math.nan
        device = gathering.device(sample.device, "node")
        gathering.add(sample.line, sample.time_ns, device, {"power_w": power}, sample.mark)
    return gathering.recording({"format": "PTDaemon", "clock": gathering.stamps.clock})


def _marked(samples: list[_Sample], gathering: Gathering) -> list[_Sample]:
    """The samples of the run: those that are marked, if any is, and not for ranging, unless all are."""
    marks = {sample.mark for sample in samples} - {""}
    if not marks:
        return samples
    tested = {mark for mark in marks if RANGING not in mark.lower()} or marks
    outside = [sample for sample in samples if not sample.mark]
    ranging = [sample for sample in samples if sample.mark and sample.mark not in tested]
    for left_out, what in ((outside, "outside the run, without a mark"), (ranging, "of a ranging run")):
        if left_out:
            reason = f"left out: {len(left_out):,} of {len(samples):,} samples, {what}"
            gathering.fault(reason, line=left_out[0].line)
    return [sample for sample in samples if sample.mark in tested]


# Training


class _Entry(NamedTuple):
    line: int
    time_ms: Any
    key: str
    value: Any
    metadata: Any


def _entries(text: Text, gathering: Gathering | None = None) -> Iterator[_Entry]:
    """The entries of a log; what is none is told to ``gathering``."""
    for line, written in text.numbered():
        match = _MLLOG.match(written)
        if match is None:
            continue  # such logs hold other output too
        try:
            entry = parse_json(match[1], text.file, line=line)
            yield _Entry(line, entry["time_ms"], str(entry["key"]), entry["value"], entry.get("metadata"))
        except (InputError, KeyError, TypeError):
            if gathering is not None:
                gathering.fault(f"is no entry of a log: {written[:80]!r}", line=line)


def _node(text: Text) -> Recording:
    gathering = Gathering(text)
    origin: dict[str, Any] = {"format": "MLPerf Training power log", "clock": "since 1970"}
    entries = list(_entries(text, gathering))
    readings: list[_Sample] = []
    switches = 0
    for entry in entries:
        switches += entry.key == "interconnect_power_est"
        if entry.key == "conversion_eff":
            origin["conversion_eff"] = _bare(entry.value)
        if entry.key == "power_reading":
            readings += _reading(gathering, entry)
    if switches:
        gathering.fault(f"{switches:,} estimates of a switch's power were left out")
    if origin.get("conversion_eff", 1.0) != 1.0:
        gathering.fault(f"the conversion efficiency {origin['conversion_eff']} is not applied")
    for reading in _of_the_run(readings, entries, origin, gathering):
        gathering.add(
            reading.line, reading.time_ns, gathering.device(reading.device, "node"), {"power_w": reading.watts}
        )
    return gathering.recording(origin)


def _bare(value: Any) -> Any:
    own = as_mapping(value)
    return value if own is None else own.get("value")


def _reading(gathering: Gathering, entry: _Entry) -> list[_Sample]:
    host = under(entry.metadata, "host")
    value = _bare(entry.value)
    try:
        time_ns = int(entry.time_ms) * NS_PER_MS
    except (ValueError, TypeError, OverflowError):
        time_ns = -1
    power = spelled(value)
    if math.isnan(power) or not 0 <= time_ns < MAX_NS:
        gathering.fault(f"has no power: {value!r:.60} W at {entry.time_ms!r:.60} ms", line=entry.line)
        return []
    return [_Sample(entry.line, time_ns, str(host) if host else "node", power)]


def _of_the_run(
    readings: list[_Sample], entries: list[_Entry], origin: dict[str, Any], gathering: Gathering
) -> list[_Sample]:
    """The readings within the marks of the run and of the measurement; how many lie outside is said."""
    kept = readings
    for names, what in ((_RUN, "the run"), (_MEASUREMENT, "the power measurement")):
        here = entries
        if names == _RUN and not any(entry.key in _RUN for entry in entries):
            beside = _result_log(Path(gathering.text.file))
            if beside is None:
                continue
            origin["result_log"], here = beside.name, list(_entries(read_text(beside)))
        spans = _spans(here, names, gathering)
        beyond = [one for one in kept if spans and not any(start <= one.time_ns <= stop for start, stop in spans)]
        if beyond:
            reason = f"left out: {len(beyond):,} of {len(readings):,} readings, outside {what} ({' to '.join(names)})"
            gathering.fault(reason, line=beyond[0].line)
            kept = [one for one in kept if any(start <= one.time_ns <= stop for start, stop in spans)]
    return kept


def _spans(entries: Iterable[_Entry], names: tuple[str, str], gathering: Gathering) -> list[tuple[int, int]]:
    """From each start mark to the next stop mark, in ns; one that is never stopped lasts to the end."""
    marks: list[tuple[int, str]] = []
    for entry in entries:
        if entry.key in names:
            try:
                marks.append((int(entry.time_ms) * NS_PER_MS, entry.key))
            except (ValueError, TypeError, OverflowError):
                gathering.fault(f"'{entry.key}' has no time: {entry.time_ms!r:.60}", line=entry.line)
    start, stop = names
    spans: list[tuple[int, int]] = []
    begun: int | None = None
    for time_ns, key in sorted(marks):
        if key == start and begun is None:
            begun = time_ns
        elif key == stop and time_ns == begun:
            gathering.fault(f"{stop} has the time of {start}: neither mark is used")
            begun = None
        elif key == stop:
            spans.append((0 if begun is None else begun, time_ns))
            begun = None
    if begun is not None:
        what = "run" if names == _RUN else "measurement"
        gathering.incomplete(f"the {what} was started and never stopped")
        spans.append((begun, MAX_NS))
    return spans


def _result_log(node_log: Path) -> Path | None:
    """Where a submission has the result log of ``power/NAME/node_0.txt``; None where there is none."""
    folder = node_log.absolute().parent
    beside = folder.parent.parent / f"{folder.name}.txt"
    return beside if folder.parent.name == "power" and beside.is_file() else None
