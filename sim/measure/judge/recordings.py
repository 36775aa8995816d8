"""A measurement against the simulator: measured power beside simulated power, and how far apart they are.

Two ways. A scenario that describes the measured work is run, and its power over the bins of its ledger is compared with
the recording's energy over the same bins. Or, for a recording of known work (the suite), a GPU profile's power model is
asked for each phase. Both say on what they judged: phases a calibration was fitted on are no validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Ledger
from sim.errors import InputError, Problem
from sim.measure.accuracy import Errors, errors
from sim.measure.alike_faults import lines
from sim.measure.fit.gpu import Phase, phases, watts
from sim.measure.known import Metered
from sim.measure.missing import of_each, told, usual_by_kind
from sim.measure.recording import Device, Recording
from sim.profiles.machines.gpu import GPUProfile
from sim.units import SECONDS_PER_NS

Floats = npt.NDArray[np.float64]

COMPONENTS = {"node": None, "gpu": ("gpu",), "cpu-package": ("cpu",), "dram": ("dram",)}
"""What of the ledger each kind of meter sees; a node's meter sees all."""
FEWEST_BINS = 4
MOST_TOLD = 4
"""Devices or stretches of time that are named before the rest are counted."""
MOST_PROBLEMS = 20
COARSE = 1.5
"""A meter read at longer intervals than so many bins does not tell the power of each."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Predicted and measured W, one for each of ``labels``: bins of a run (with their ``edges_s``), or phases.

    A bin that was not measured has NaN for its measured W, and is not in the ``errors``.
    """

    file: str
    against: str
    judged: str
    labels: tuple[str, ...]
    predicted_w: Floats
    measured_w: Floats
    edges_s: Floats | None
    errors: Errors
    remarks: tuple[str, ...] = ()


def against_run(file: str, recording: Recording, ledger: Ledger, name: str) -> Validation:
    """The recording against a run that began when the recording does, over the bins in which every device is known.

    The recording's first sample, of any device, is laid at the start of the run; what the clocks said plays no part.
    A device is known between its first sample and its last but for holes (see ``known``); elsewhere it is not at 0 W,
    and bins there are not judged.

    Whole-node meters are compared with all IT power, else GPU meters with GPUs, else sockets and DRAM by RAPL with
    theirs: whichever the recording has, in this order. Raises ``InputError`` where less than four bins are left.
    """
    kinds = {device.kind for device in recording.devices}
    chosen = next((kinds_ for kinds_ in ({"node"}, {"gpu"}, {"cpu-package", "dram"}) if kinds_ & kinds), None)
    if chosen is None:
        raise InputError.one(file, "has no device whose power the simulator could be held against")
    used = [device for device in recording.devices if device.kind in chosen]
    wanted = {component for kind in chosen & kinds for component in COMPONENTS[kind] or ()}
    own = ledger.where(lambda key: not wanted or key.component in wanted)
    units = _units(file, recording, used)
    edges_s: Floats = ledger.edges_ns.astype(np.float64) * SECONDS_PER_NS
    watts_of = {unit: bin_watts(parts, start_ns(recording), ledger.edges_ns) for unit, parts in units.items()}
    measured = np.asarray(sum(watts_of.values()), dtype=np.float64)  # NaN where any of them is not known
    bins = len(measured)
    known = np.flatnonzero(~np.isnan(measured))
    if len(known) < FEWEST_BINS:
        raise InputError.one(file, _too_few(len(known), bins, watts_of, edges_s))
    some = np.any([~np.isnan(power) for power in watts_of.values()], axis=0)
    count = int(np.flatnonzero(some)[-1]) + 1  # the run may last longer than the recording
    edges_s, measured = edges_s[: count + 1], measured[:count]
    predicted = own.energy_j.sum(axis=0)[:count] / np.diff(edges_s)
    what = "all IT power" if not wanted else f"power of {', '.join(sorted(wanted))}"
    slowest_s = max(part.interval_ns for parts in units.values() for part in parts) * SECONDS_PER_NS
    coarse = slowest_s > COARSE * float(np.median(np.diff(edges_s)))
    devices = "metered device" if len(units) == 1 else "metered devices"
    remarks = list(_remarks(recording if any(device.unit for device in used) else told(recording)))
    if len(known) < count:
        remarks.insert(0, _not_judged(count - len(known), count, watts_of, edges_s))
    if coarse:
        remarks.append(
            f"A meter is read every {slowest_s:g} s, which is longer than a bin: within that time its power is a mean,"
            " so no autocorrelation is given."
        )
    return Validation(
        file=file,
        against=f"scenario {name}",
        judged=f"{what}, {len(units)} {devices}, {len(known)}{f' of {bins}' if len(known) < bins else ''} bins",
        labels=tuple(f"{edge:g} s" for edge in edges_s[:-1]),
        predicted_w=predicted,
        measured_w=measured,
        edges_s=edges_s,
        errors=_judged(file, predicted, measured, series=not coarse),
        remarks=tuple(remarks),
    )


def against_profile(file: str, recording: Recording, gpu: GPUProfile) -> Validation:
    """The phases of a recording of known work against a GPU profile.

    Where the recording says what was held out, only that is judged; else all phases, and a remark says so.
    """
    found = phases(recording)
    active = [phase for phase in found if phase.state == "active"]
    if not active:
        message = "says of no phase what work it did; record with --suite, or validate against a --scenario"
        raise InputError.one(file, message)
    held = [phase for phase in active if phase.held_out]
    judged = held or [*active, *(phase for phase in found if phase.state != "active")]
    remarks = [*_remarks(recording)]
    known = set(gpu.calibration.fitted) if gpu.calibration is not None else set()
    if not held:
        remarks.append("No phase of it was held out: if the profile was calibrated on it, this is no validation.")
    elif known & {phase.name for phase in held}:
        remarks.append("The profile was calibrated on phases of these names.")
    values = {
        "idle": float(gpu.power.idle.value),
        "loaded": float(gpu.power.loaded.value),
        "byte": float(gpu.power.energy_per_byte.value),
        **{f"flop/{name}": float(energy.value) for name, energy in gpu.power.energy_per_flop.items()},
    }
    predicted = np.array([min(watts(phase, values), float(gpu.tdp.value)) for phase in judged])
    measured = np.array([phase.watts for phase in judged])
    return Validation(
        file=file,
        against=f"profile {gpu.name}",
        judged=f"{len(judged)} phases{', held out' if held else ''}",
        labels=tuple(_label(phase) for phase in judged),
        predicted_w=predicted,
        measured_w=measured,
        edges_s=None,
        errors=_judged(file, predicted, measured, series=False),
        remarks=tuple(remarks),
    )


def _label(phase: Phase) -> str:
    return f"{phase.device} {phase.name}"


def _judged(file: str, predicted: Floats, measured: Floats, *, series: bool) -> Errors:
    """Errors against the values that were measured; NaN is none."""
    try:
        return errors(predicted, measured, series=series)
    except ValueError as error:
        raise InputError.one(file, str(error)) from None


def _remarks(recording: Recording) -> tuple[str, ...]:
    cut = [] if recording.complete else ["The recording is not complete."]
    return (*cut, *lines(recording.faults))


def start_ns(recording: Recording) -> int:
    """The first sample of any device: where a run that is held against the recording begins."""
    return int(recording.samples["time_ns"].iloc[0]) if len(recording.samples) else 0


def _units(file: str, recording: Recording, devices: Sequence[Device]) -> dict[str, list[Metered]]:
    """What is added up: each device, or the devices that are one thing at different times, by its meters."""
    each = {device.name: samples for device, samples in of_each(recording)}
    others = usual_by_kind(recording.devices, each)
    units: dict[str, list[Metered]] = {}
    without: dict[str, list[str]] = {}
    # Of many faults alike the first are kept by name, and the others counted.
    unnamed = next((f": {fault.reason}" for fault in recording.faults if fault.device and fault.more), "")
    for device in devices:
        try:
            units.setdefault(device.unit or device.name, []).append(
                recording.metered(device.name, others.get(device.name, np.nan))
            )
        except ValueError:
            why = next((f": {fault.reason}" for fault in recording.faults if fault.device == device.name), unnamed)
            without.setdefault(why, []).append(device.name)
    if without:
        what = "has fewer than two samples of power or energy of"
        problems = [Problem(file, None, "", f"{what} {_named(names)}{why}") for why, names in without.items()]
        raise InputError(problems[:MOST_PROBLEMS])
    return {unit: _outermost(parts) for unit, parts in units.items()}


def _outermost(parts: list[Metered]) -> list[Metered]:
    """Without those that lie within another of the same thing: they are measured twice and count once."""
    kept: list[Metered] = []
    for part in sorted(parts, key=lambda part: part.times_ns[0] - part.times_ns[-1]):
        if not any(one.times_ns[0] <= part.times_ns[0] and part.times_ns[-1] <= one.times_ns[-1] for one in kept):
            kept.append(part)
    return kept


def bin_watts(parts: Sequence[Metered], first_ns: int, edges_ns: npt.NDArray[np.int64]) -> Floats:
    """Mean W of a unit over each bin of a run that begins at ``first_ns``; NaN where it is not known in enough of it.

    Enough is all but one usual interval, half of the bin at least, and one reading unless bins are shorter than its
    intervals.
    """
    joules, known_s = np.zeros(len(edges_ns) - 1), np.zeros(len(edges_ns) - 1)
    for part in parts:
        own = Metered(part.column, part.times_ns - first_ns, part.joules, part.hole)
        until_j, until_s = own.until(edges_ns.astype(np.float64))
        joules += np.diff(until_j)
        known_s += np.diff(until_s)
    lengths_s = np.diff(edges_ns) * SECONDS_PER_NS
    known_s = np.minimum(known_s, lengths_s)
    interval_s = max(part.interval_ns for part in parts) * SECONDS_PER_NS
    enough = lengths_s - known_s <= np.minimum(interval_s, lengths_s / 2) + 1e-9
    read = np.sort(np.concatenate([part.times_ns - first_ns for part in parts]))
    readings = np.searchsorted(read, edges_ns[1:], side="right") - np.searchsorted(read, edges_ns[:-1])
    enough &= (readings > 0) | (lengths_s < COARSE * interval_s)  # of short bins not each can have one
    return np.where(enough, joules / np.where(enough, known_s, 1.0), np.nan)


def _too_few(known: int, bins: int, watts_of: Mapping[str, Floats], edges_s: Floats) -> str:
    if known or len(watts_of) == 1 or all(np.isnan(power).all() for power in watts_of.values()):
        return f"covers {known} of the run's {bins} bins; give the scenario a finer 'outputs.bin'"
    spans = "; ".join(
        f"{unit} {_when(~np.isnan(watts), edges_s)}" for unit, watts in list(watts_of.items())[:MOST_TOLD]
    )
    return f"has no {FEWEST_BINS} bins in which all its devices are known at once: {spans}"


def _not_judged(left_out: int, count: int, watts_of: Mapping[str, Floats], edges_s: Floats) -> str:
    """How many bins are left out, and which devices are not known when."""
    absent: dict[str, list[str]] = {}
    for unit, power in watts_of.items():
        unknown = np.isnan(power[:count])
        if unknown.any():
            absent.setdefault(_when(unknown, edges_s), []).append(unit)
    who = "; ".join(f"{_named(units)} {when}" for when, units in list(absent.items())[:MOST_TOLD])
    are = "is" if left_out == 1 else "are"
    return f"{left_out} of {count} bins {are} not judged, since not every device is known there. Not known: {who}."


def _named(units: Sequence[str]) -> str:
    return ", ".join(units) if len(units) <= MOST_TOLD else f"{units[0]} and {len(units) - 1} more"


def _when(flags: npt.NDArray[np.bool_], edges_s: Floats) -> str:
    """The stretches of bins that are set, in s from the start."""
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    stretches = [f"{edges_s[a]:g} to {edges_s[b]:g} s" for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    more = f" and {len(stretches) - MOST_TOLD} times more" if len(stretches) > MOST_TOLD else ""
    return ", ".join(stretches[:MOST_TOLD]) + more if stretches else "never"
