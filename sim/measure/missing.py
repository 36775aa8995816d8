"""What a recording lacks, in words: devices that begin late or end early, holes, and meters that disagree.

Nothing is put in the place of what is missing; whoever judges the recording leaves that time out, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sim.measure.known import Metered, disagreement, metered, usual_ns
from sim.measure.recording import Device, Fault, Recording
from sim.units import SECONDS_PER_NS

VANISHED_INTERVALS = 3.0
"""A device is said to begin late or to have vanished when it is silent for more than this many usual intervals."""


def told(recording: Recording, *, same_span: bool = True) -> Recording:
    """The recording with a fault for each thing that is missing, and not ``complete`` where time is.

    ``same_span``: all devices should last from the first sample to the last.
    """
    each = {device.name: samples for device, samples in of_each(recording)}
    others = usual_by_kind(recording.devices, each)
    found: list[Fault] = []
    if same_span:
        found += _outside(each)
    for device in recording.devices:
        if device.name in each:
            found += _holes(device.name, each[device.name], others[device.name])
    incomplete = bool(found)
    for device in recording.devices:
        apart = disagreement(each[device.name]) if device.name in each else None
        if apart is not None:
            judged = "counter" if metered(each[device.name]).column == "energy_j" else "power"
            found.append(Fault(f"{apart}; the {judged} is judged", device=device.name))
    known = set(recording.faults)
    faults = (*recording.faults, *(fault for fault in found if fault not in known))
    return replace(recording, faults=faults, complete=recording.complete and not incomplete)


def of_each(recording: Recording) -> list[tuple[Device, pd.DataFrame]]:
    """Every device that has samples, with them, in order of time."""
    groups = dict(list(recording.samples.groupby("device", sort=False)))
    return [(device, groups[device.name]) for device in recording.devices if device.name in groups]


def usual_by_kind(devices: Sequence[Device], each: dict[str, pd.DataFrame]) -> dict[str, float]:
    """Usual interval, ns, of each device, by those of its kind; NaN where none is usual."""
    found: dict[str, list[float]] = {}
    for device in devices:
        if device.name in each:
            own = usual_ns(np.unique(each[device.name]["time_ns"].to_numpy(np.int64)))
            found.setdefault(device.kind, []).append(own)
    medians = {
        kind: float(np.nanmedian(values)) if not np.isnan(values).all() else np.nan for kind, values in found.items()
    }
    return {device.name: medians[device.kind] for device in devices if device.name in each}


def _outside(each: dict[str, pd.DataFrame]) -> list[Fault]:
    times = {name: np.unique(samples["time_ns"].to_numpy(np.int64)) for name, samples in each.items()}
    steps = {name: float(np.median(np.diff(own))) for name, own in times.items() if len(own) > 1}
    if not steps:
        return []
    usual = float(np.median(list(steps.values())))
    first = min(int(own[0]) for own in times.values())
    last = max(int(own[-1]) for own in times.values())
    found = []
    for name, own in times.items():
        allowed = VANISHED_INTERVALS * max(steps.get(name, usual), usual)
        if int(own[0]) - first > allowed:
            late_s = float(int(own[0]) - first) * SECONDS_PER_NS
            reason = f"its first sample is {late_s:g} s after the start of the recording: before, nothing is known"
            found.append(Fault(reason, device=name, time_ns=int(own[0])))
        if last - int(own[-1]) > allowed:
            silent_s = float(last - int(own[-1])) * SECONDS_PER_NS
            reason = f"its last sample is {silent_s:g} s before the end of the recording: it vanished"
            found.append(Fault(reason, device=name, time_ns=int(own[-1])))
    return found


def _holes(name: str, samples: pd.DataFrame, others_ns: float) -> list[Fault]:
    try:
        meter: Metered = metered(samples, others_ns)
    except ValueError:
        return []
    found = []
    usual = usual_ns(meter.times_ns)
    every_s = (others_ns if np.isnan(usual) else usual) * SECONDS_PER_NS
    for at in np.flatnonzero(meter.hole):
        begin, end = int(meter.times_ns[at]), int(meter.times_ns[at + 1])
        what = "energy" if meter.column == "energy_j" else "power"
        reason = (
            f"has no {what} for {float(end - begin) * SECONDS_PER_NS:g} s, where it usually comes every {every_s:g} s"
        )
        if what == "energy":
            reason += f": its power there is not known, only that it used {meter.joules[at]:.6g} J"
        else:
            reason += ": nothing is known of that time"
        found.append(Fault(reason, device=name, time_ns=begin))
    return found
