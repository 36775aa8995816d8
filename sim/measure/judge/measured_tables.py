"""A measured table against a profile: each row predicted by the profile's own curve, and how far off that is.

A GPU's table by clock and cap is predicted from its rows at the highest clock without a cap, as ``calibrate`` does; a
socket's table by load is predicted from the profile alone, and a table of single units by each unit's factors, as far
as the profile knows the unit, and else by the fleet's mean. A profile calibrated on the very table validates nothing:
a remark says so where the profile names the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.measure.accuracy import errors
from sim.measure.fit.clock import predict
from sim.measure.fit.from_measured_table import is_table
from sim.measure.fit.measured_clocks import is_clock_table, read_clock_table
from sim.measure.fit.measured_loads import read_load_table
from sim.measure.fit.measured_units import is_unit_table, read_unit_table
from sim.measure.judge.recordings import Validation
from sim.profiles.catalog import read_cpu, read_gpu, read_units
from sim.profiles.machines.gpu import GPUProfile, clock_curve
from sim.profiles.machines.node import CPUProfile
from sim.profiles.machines.unit_factors import UnitFactors, UnitsProfile
from sim.profiles.power_laws.devices import cpu_power_w, load_rise

Floats = npt.NDArray[np.float64]

__all__ = ["against_table", "is_table"]


def against_table(path: Path, profile: str) -> Validation:
    """The table in ``path`` against the profile of that name (or file). Raises ``InputError``."""
    if is_clock_table(path):
        return _by_clock(path, read_gpu(profile))
    if is_unit_table(path):
        return _by_unit(path, read_units(profile))
    return _by_load(path, read_cpu(profile))


def _by_clock(path: Path, gpu: GPUProfile) -> Validation:
    table, curve = read_clock_table(path), clock_curve(gpu)
    if curve is None:
        message = f"'{gpu.name}' has no clock curve to be held against it; calibrate one from another table"
        raise InputError.one(str(path), message)
    rows = table.rows
    if not len(rows.watts):
        raise InputError.one(str(path), "has no row below the highest clock and cap")
    watts, seconds = predict(rows, curve, float(gpu.power.loaded.value))
    slower = errors(seconds, rows.seconds)
    labels = [
        f"{work} at {100 * clock:.0f} %, {cap:g} W"
        for work, clock, cap in zip(table.work, rows.clock, rows.cap_w, strict=True)
    ]
    time = f"Time: MAPE {100 * slower.mape:.1f} %, bias {100 * slower.bias:+.1f} %."
    return _validation(path, gpu, watts, rows.watts, labels, (time,))


def _by_load(path: Path, cpu: CPUProfile) -> Validation:
    table = read_load_table(path)
    ends = [
        (name, load, watts) for name, both in table.ends.items() for load, watts in zip((0.0, 1.0), both, strict=True)
    ]
    between = zip(table.machine.tolist(), table.load.tolist(), table.watts.tolist(), strict=True)
    points = sorted([*ends, *between])
    curve = {
        "idle_w": float(cpu.power.idle.value),
        "full_w": float(cpu.power.full.value),
        "exponent": float(cpu.power.exponent.value),
    }
    watts = np.array([cpu_power_w(load, **curve) for _, load, _ in points])
    measured = np.array([power for _, _, power in points])
    labels = [f"{name} at {100 * load:.0f} %" for name, load, _ in points]
    return _validation(path, cpu, watts, measured, labels, ())


def _by_unit(path: Path, profile: UnitsProfile) -> Validation:
    fit, readings = profile.fit, read_unit_table(path)
    if fit is None:
        raise InputError.one(str(path), f"'{profile.name}' says how units differ and not what they draw; calibrate one")
    names = [readings.names[unit] for unit in readings.unit]
    mean = UnitFactors(active=1.0, idle=1.0)
    own = [profile.units.get(name, mean) for name in names]
    rise = load_rise(readings.load, exponent=fit.exponent, cubic_share=0.0)
    active, idle = (np.array([getattr(unit, which) for unit in own]) for which in ("active", "idle"))
    watts = fit.idle_w * idle + (fit.full_w - fit.idle_w) * active * rise
    labels = [f"{name} at {100 * load:.0f} %" for name, load in zip(names, readings.load, strict=True)]
    unknown = len(set(names) - set(profile.units))
    remarks = (f"{unknown} units are not in the profile: the fleet's mean stands for them.",) if unknown else ()
    return _validation(path, profile, np.asarray(watts), readings.watts, labels, remarks)


def _validation(
    path: Path,
    profile: GPUProfile | CPUProfile | UnitsProfile,
    watts: Floats,
    measured: Floats,
    labels: list[str],
    remarks: tuple[str, ...],
) -> Validation:
    own = profile.sources.get("table")
    if own is not None and own.title.endswith(f": {path.name}"):
        remarks = (*remarks, "The profile was calibrated on a table of this name: this is no validation.")
    return Validation(
        file=str(path),
        against=f"profile {profile.name}",
        judged=f"{len(labels)} rows",
        labels=tuple(labels),
        predicted_w=watts,
        measured_w=measured,
        edges_s=None,
        errors=errors(watts, measured),
        remarks=remarks,
    )
