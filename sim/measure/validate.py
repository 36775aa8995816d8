"""A measurement against the simulator: measured power beside simulated power, and how far apart they are.

Two ways. A scenario that describes the measured work is run, and its power over the bins of its ledger is compared with
the recording's energy over the same bins. Or, for a recording of known work (the suite), a GPU profile's power model is
asked for each phase. Both say on what they judged: phases a calibration was fitted on are no validation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Ledger
from sim.errors import InputError
from sim.measure.accuracy import Errors, errors
from sim.measure.fit_gpu import Phase, phases, watts
from sim.measure.recording import Recording
from sim.profiles.hardware import GPUProfile
from sim.units import NS_PER_S, SECONDS_PER_NS

Floats = npt.NDArray[np.float64]

COMPONENTS = {"node": None, "gpu": ("gpu",), "cpu-package": ("cpu",), "dram": ("dram",)}
"""What of the ledger each kind of meter sees; a node's meter sees all."""
FEWEST_BINS = 4


@dataclass(frozen=True, eq=False)
class Validation:
    """Predicted and measured W, one for each of ``labels``: bins of a run (with their ``edges_s``), or phases."""

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
    """The recording against a run that began when the recording does, over the whole bins that both cover.

    Whole-node meters are compared with all IT power, else GPU meters with GPUs, else sockets and DRAM by RAPL with
    theirs: whichever the recording has, in this order. Raises ``InputError`` where less than four bins are common.
    """
    kinds = {device.kind for device in recording.devices}
    chosen = next((kinds_ for kinds_ in ({"node"}, {"gpu"}, {"cpu-package", "dram"}) if kinds_ & kinds), None)
    if chosen is None:
        raise InputError.one(file, "has no device whose power the simulator could be held against")
    used = [device.name for device in recording.devices if device.kind in chosen]
    wanted = {component for kind in chosen & kinds for component in COMPONENTS[kind] or ()}
    own = ledger.where(lambda key: not wanted or key.component in wanted)
    seconds, joules = _energy_curves(file, recording, used)
    edges_s: Floats = ledger.edges_ns.astype(np.float64) * SECONDS_PER_NS
    inside = np.flatnonzero(edges_s <= seconds[-1] + 1e-9)
    if len(inside) < FEWEST_BINS + 1:
        bins = len(edges_s) - 1
        message = f"covers {max(len(inside) - 1, 0)} of the run's {bins} bins; give the scenario a finer 'outputs.bin'"
        raise InputError.one(file, message)
    edges_s = edges_s[inside]
    measured = np.diff(np.interp(edges_s, seconds, joules)) / np.diff(edges_s)
    predicted = own.energy_j.sum(axis=0)[: len(edges_s) - 1] / np.diff(edges_s)
    what = "all IT power" if not wanted else f"power of {', '.join(sorted(wanted))}"
    return Validation(
        file=file,
        against=f"scenario {name}",
        judged=f"{what}, {len(used)} metered devices, {len(measured)} bins",
        labels=tuple(f"{edge:g} s" for edge in edges_s[:-1]),
        predicted_w=predicted,
        measured_w=measured,
        edges_s=edges_s,
        errors=_judged(file, predicted, measured, series=True),
        remarks=_remarks(recording),
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
    try:
        return errors(predicted, measured, series=series)
    except ValueError as error:
        raise InputError.one(file, str(error)) from None


def _remarks(recording: Recording) -> tuple[str, ...]:
    cut = [] if recording.complete else ["The recording is not complete."]
    return (*cut, *(str(fault) for fault in recording.faults[:5]))


def _energy_curves(file: str, recording: Recording, devices: Sequence[str]) -> tuple[Floats, Floats]:
    """s from the recording's first sample, and J of all devices together up to then.

    A device's energy is its counter where it has one, else the trapezoids of its power; between samples it is linear.
    The curves end with the device that ends first.
    """
    start_ns = int(recording.samples["time_ns"].iloc[0]) if len(recording.samples) else 0
    curves: list[tuple[Floats, Floats]] = []
    for name in devices:
        samples = recording.of_device(name)
        counter = samples["energy_j"].notna()
        column = "energy_j" if int(counter.sum()) >= 2 else "power_w"
        known = samples[samples[column].notna()]
        if len(known) < 2:
            why = next((f": {fault.reason}" for fault in recording.faults if fault.device == name), "")
            raise InputError.one(file, f"has fewer than two samples of power or energy of {name}{why}")
        seconds = (known["time_ns"].to_numpy(np.int64) - start_ns) / NS_PER_S
        values = known[column].to_numpy(np.float64)
        if column == "power_w":
            values = np.concatenate([[0.0], np.cumsum(np.diff(seconds) * (values[1:] + values[:-1]) / 2.0)])
        curves.append((seconds, values - values[0]))
    end_s = min(float(seconds[-1]) for seconds, _ in curves)
    moments = np.unique(np.concatenate([[0.0], *(seconds[seconds <= end_s] for seconds, _ in curves)]))
    return moments, np.asarray(sum(np.interp(moments, *curve) for curve in curves), dtype=np.float64)
