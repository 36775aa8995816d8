"""MLPerf power logs: SPEC PTDaemon's ``spl.txt`` (Inference) and the node logs of Training.

``spl.txt`` has a line a sample: ``Time,08-09-2021 13:14:36.532,Watts,22.950000,Volts,...,Amps,...,PF,...,Mark,NotSet``,
with month before day, in the local time of the director, taken as UTC. A meter of several channels writes their sum
first and each channel behind; only the sum is read. ``Mark`` becomes the phase.

Training's ``node_0.txt`` (mlcommons/logging, examples/power) has ``:::MLLOG {...}`` lines with ``time_ms`` since 1970
and ``key``: ``power_reading`` in W, ``conversion_eff``, ``power_measurement_start`` and ``_stop``; some submissions'
last line has one colon less. The efficiency is kept in the origin and not applied, since submitters differ in what they
read: at the plug or behind the power supply. Switches (``interconnect_power_est``) are estimates and are left out.
Tables that others have made of these logs, such as Parquet with ``t`` and ``watts``, are nobody's format and are not
read.
"""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from typing import Any

from sim.instants import epoch_ns
from sim.measure.readers.gathering import NS_PER_MS, Gathering
from sim.measure.readers.text import Text
from sim.measure.recording import Recording
from sim.units import MAX_NS

NAME = "MLPerf power log (PTDaemon spl.txt, Training node log)"

_SPL = re.compile(r"Time,(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d\.\d{1,6}),Watts,([^,]*),.*?\bMark,([^,]*)")
_MLLOG = re.compile(r"^:{2,3}MLLOG (\{.*)$")


def fits(text: Text) -> bool:
    """Whether the first line is a sample of PTDaemon, or an entry of an MLPerf log."""
    return (text.first.startswith("Time,") and ",Watts," in text.first) or _MLLOG.match(text.first) is not None


def read(text: Text) -> Recording:
    """The recording in a power log. Raises ``InputError``."""
    return _spl(text) if text.first.startswith("Time,") else _node(text)


def _spl(text: Text) -> Recording:
    gathering = Gathering(text)
    device = gathering.device("node", "node")
    for line, written in text.numbered():
        match = _SPL.match(written)
        moment, watts, mark = match.groups() if match else ("", "", "")
        try:
            time_ns = epoch_ns(datetime.strptime(f"{moment} +0000", "%m-%d-%Y %H:%M:%S.%f %z"))
            power = float(watts)
        except ValueError:
            gathering.fault(f"is no sample: {written[:80]!r}", line=line)
            continue
        if not math.isfinite(power) or power == -1.0:  # as PTDaemon writes what its meter does not give
            gathering.fault(f"has no power: {watts}", line=line)
            power = math.nan
        phase = "" if mark.lower() == "notset" else mark
        gathering.add(line, time_ns, device, {"power_w": power}, phase)
    return gathering.recording({"format": "PTDaemon", "clock": "local time without a zone, taken as UTC"})


def _node(text: Text) -> Recording:
    gathering = Gathering(text)
    origin: dict[str, Any] = {"format": "MLPerf Training power log", "clock": "since 1970"}
    started = stopped = False
    switches = 0
    for line, written in text.numbered():
        match = _MLLOG.match(written)
        if match is None:
            continue  # such logs hold other output too
        try:
            entry = json.loads(match[1])
            key, value, time_ms = entry["key"], entry["value"], entry["time_ms"]
        except (ValueError, KeyError, TypeError, RecursionError):
            gathering.fault(f"is no entry of a log: {written[:80]!r}", line=line)
            continue
        started |= key == "power_measurement_start"
        stopped |= key == "power_measurement_stop"
        switches += key == "interconnect_power_est"
        if key == "conversion_eff":
            origin["conversion_eff"] = value
        if key == "power_reading":
            _reading(gathering, line, value, time_ms, entry.get("metadata"))
    if switches:
        gathering.fault(f"{switches:,} estimates of a switch's power were left out")
    if origin.get("conversion_eff", 1.0) != 1.0:
        gathering.fault(f"the conversion efficiency {origin['conversion_eff']} is not applied")
    if started and not stopped:
        gathering.incomplete("the measurement was started and never stopped")
    return gathering.recording(origin)


def _reading(gathering: Gathering, line: int, value: Any, time_ms: Any, metadata: Any) -> None:
    host = metadata.get("host") if isinstance(metadata, dict) else None
    try:
        time_ns, power = int(time_ms) * NS_PER_MS, float(value)
    except (ValueError, TypeError, OverflowError):
        time_ns, power = -1, math.nan
    if not math.isfinite(power) or not 0 <= time_ns < MAX_NS:
        gathering.fault(f"has no power: {value!r} W at {time_ms!r} ms", line=line)
        return
    gathering.add(line, time_ns, gathering.device(str(host) if host else "node", "node"), {"power_w": power})
