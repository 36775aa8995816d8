"""A GPU profile with measured power: the numbers a recording tells replace those of a base profile, with their source.

The base gives what no meter tells (peaks, memory, link, embodied carbon). Every measured number carries two standard
errors as its range; the profile keeps what was fitted on, what was held out and how wrong it is there, the covariance
for uncertainty runs, and the software the recording was made with.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from sim.documents import read_document
from sim.errors import InputError
from sim.measure.accuracy import Errors, errors
from sim.measure.fit.fleet import Fleet, pool
from sim.measure.fit.gpu import Phase, fit_power, phases, watts
from sim.measure.fit.least_squares import Fit
from sim.measure.fit.measured_clocks import ClockCalibration
from sim.measure.fit.measured_loads import LoadCalibration
from sim.measure.recording import Recording
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile

SIGMAS = 2.0
PICO = 1e-12
PACKAGES = ("torch", "vllm")


@dataclass(frozen=True)
class Calibrated:
    """A profile as plain data for YAML, the fit behind it, and its errors on the phases fitted and held out."""

    profile: dict[str, Any]
    fit: Fit
    fitted: Errors
    held_out: Errors | None
    fleet: Fleet | None


def base_for(recordings: Sequence[Recording], catalog: Catalog, name: str | None) -> tuple[str, Path]:
    """The profile to start from: the one named, or the one whose name is nearest to the recorded boards' model.

    Raises ``InputError`` where the boards differ, none is recorded, or no single profile is meant.
    """
    models = {device.model for recording in recordings for device in recording.devices if device.kind == "gpu"}
    if len(models) != 1:
        what = f"boards of several models: {', '.join(sorted(models))}" if models else "no GPU"
        raise InputError.one("<recordings>", f"hold {what}; calibrate one model at a time")
    if name is not None:
        return name, catalog.path(name, "gpu")
    model = models.pop()
    if not model:
        raise InputError.one("<recordings>", "do not say which model the GPU is; name its profile with --base NAME")
    words = _words(model)
    shared = {
        candidate: len(words & _words(candidate))
        for candidate, path in catalog.paths().items()
        if path.parent.name == "gpus" and (BY_CARD in words or BY_CARD not in _words(candidate))
    }
    most = max(shared.values(), default=0)
    best = [candidate for candidate, count in shared.items() if count == most]
    if most < LEAST_SHARED or len(best) != 1:
        raise InputError.one("<recordings>", f"no single profile is meant by '{model}'; name one with --base NAME")
    return best[0], catalog.path(best[0], "gpu")


LEAST_SHARED = 2
"""Words that a board's model and a profile's name must share: the maker and the chip."""

BY_CARD = "pcie"
"""A board for a slot says so in the name that its driver gives; those on a baseboard say it in many ways, or none."""


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", name.lower()) if word}


def calibrate(
    recordings: Mapping[str, Recording], base: Path, *, name: str, stack: str | None, today: datetime | None = None
) -> Calibrated:
    """The profile ``name`` from recordings by their file names. Raises ``InputError`` where they do not tell enough."""
    found = [phase for recording in recordings.values() for phase in phases(recording)]
    label = ", ".join(recordings)
    try:
        told = fit_power(found)
    except ValueError as error:
        raise InputError.one(label, str(error)) from None
    free = [p for p in found if not p.capped]
    fitted, held = ([p for p in free if p.held_out is wanted] for wanted in (False, True))
    fleet = _fleet(free, told)
    profile = _copy_of(base, name, "calibrated")
    made = today if today is not None else datetime.now(UTC)
    software = _software(next(iter(recordings.values())))
    profile["sources"] = {
        "recording": {
            "title": f"Power recorded by coldaisle: {label}",
            "author": "the owner of the recording",
            "year": made.year,
            "locator": software or "software not stated",
        },
        **profile["sources"],
    }
    _measured(profile["power"], told)
    if fleet is not None:
        profile["power"]["unit_spread"] = {
            "value": f"{100 * fleet.spread:.3g} %",
            "source": "recording",
            "confidence": "measured",
            "note": f"Between {len(fleet.units)} units by partial pooling; phases differ by {100 * fleet.noise:.2g} %.",
        }
    fitted_errors, held_errors = _errors(fitted, told), _errors(held, told) if held else None
    profile["calibration"] = {
        "recordings": list(recordings),
        "stack": stack or software or "not stated",
        "fitted": sorted({p.name for p in fitted}),
        "held_out": sorted({p.name for p in held}),
        "errors": {"fitted": fitted_errors.mape, **({"held_out": held_errors.mape} if held_errors else {})},
        "residuals": _residuals([*fitted, *held], told),
        "constants": list(told.values),
        "covariance": told.covariance.tolist(),
    }
    _check(profile, name)
    return Calibrated(profile, told, fitted_errors, held_errors, fleet)


def _software(recording: Recording) -> str:
    """What a recording was made with, as far as it says: the driver, and the packages that did the work."""
    meter = recording.origin.get("sources", {}).get("nvml", {})
    packages = recording.origin.get("machine", {}).get("packages", {})
    parts = [
        f"{label} {meter[key]}" for key, label in (("driver", "driver"), ("cuda_driver", "CUDA")) if meter.get(key)
    ]
    return ", ".join([*parts, *(f"{name} {packages[name]}" for name in PACKAGES if packages.get(name))])


def _measured(power: dict[str, Any], told: Fit) -> None:
    """Puts the fitted numbers into the profile's ``power``; a precision that was not measured keeps its old number."""
    spread = told.spread

    def entry(key: str, unit: str, scale: float) -> dict[str, Any]:
        value, error = told.values[key] / scale, SIGMAS * spread[key] / scale
        return {
            "value": f"{value:.6g} {unit}",
            "source": "recording",
            "confidence": "measured",
            "low": f"{max(0.0, value - error):.6g} {unit}",
            "high": f"{value + error:.6g} {unit}",
            "note": "Robust least squares; the range is two standard errors.",
        }

    power["idle"], power["loaded"] = entry("idle", "W", 1.0), entry("loaded", "W", 1.0)
    for key in told.values:
        if key.startswith("flop/"):
            power["energy_per_flop"][key.removeprefix("flop/")] = entry(key, "pJ/FLOP", PICO)
    if "byte" in told.values:
        power["energy_per_byte"] = entry("byte", "pJ/B", PICO)


def _errors(judged: Sequence[Phase], told: Fit) -> Errors:
    return errors(np.array([watts(p, told.values) for p in judged]), np.array([p.watts for p in judged]))


def _residuals(judged: Sequence[Phase], told: Fit) -> dict[str, float]:
    by_phase: dict[str, list[float]] = {}
    for phase in judged:
        by_phase.setdefault(phase.name, []).append(watts(phase, told.values) / phase.watts - 1.0)
    return {name: float(np.mean(values)) for name, values in sorted(by_phase.items())}


def with_clock(
    base: Path, table: ClockCalibration, *, name: str, file: str, today: datetime | None = None
) -> dict[str, Any]:
    """The profile ``base`` as ``name``, its clock curve the one calibrated from the table in ``file``."""
    profile = _copy_of(base, name, "clock calibrated")
    _cite_table(profile, f"Power and time by clock and cap: {file}", today)
    note = "Robust least squares."
    if table.power is not None and table.time is not None:
        note += f" Each work held out in turn: power {table.power.mape:.1%} off, time {table.time.mape:.1%}."
    limits = {"floor": (0.0, 1.0), "slope": (0.0, 5.0), "memory_share": (0.0, 1.0)}

    def entry(key: str) -> dict[str, Any]:
        value, error = table.fit.values[key], SIGMAS * table.fit.spread[key]
        low, high = max(limits[key][0], value - error), min(limits[key][1], value + error)
        known: dict[str, Any] = {"source": "table", "confidence": "measured", "note": note}
        rounded = round(value, 4)
        known |= {"low": min(rounded, round(low, 4))} if low > 0.0 else {}
        return {"value": rounded, **known, "high": max(rounded, round(high, 4))}

    profile["power"]["clock"] = {**profile["power"].get("clock", {}), **{key: entry(key) for key in limits}}
    profile.pop("calibration", None)
    _check(profile, name)
    return profile


def with_load_curve(
    base: Path, table: LoadCalibration, *, name: str, file: str, today: datetime | None = None
) -> dict[str, Any]:
    """The CPU profile ``base`` as ``name``, its power by load the one calibrated from the table in ``file``."""
    profile = _copy_of(base, name, "load curve calibrated")
    _cite_table(profile, f"Power by load: {file}", today)
    note = "Robust least squares; idle and full are means of the machines."
    if table.held_out is not None:
        note += f" Each machine held out in turn: {table.held_out.mape:.1%} off."
    known = {"source": "table", "confidence": "measured", "note": note}
    exponent, error = table.fit.values["exponent"], SIGMAS * table.fit.spread["exponent"]
    profile["power"] = {
        "idle": {"value": f"{table.idle_w:.6g} W", **known},
        "full": {"value": f"{table.full_w:.6g} W", **known},
        "exponent": {
            "value": round(exponent, 4),
            **known,
            "low": round(max(0.01, exponent - error), 4),
            "high": round(min(1.0, exponent + error), 4),
        },
    }
    _check(profile, name)
    return profile


def _cite_table(profile: dict[str, Any], title: str, today: datetime | None) -> None:
    year = (today if today is not None else datetime.now(UTC)).year
    source = {"title": title, "author": "the owner of the table", "year": year}
    profile["sources"] = {"table": source, **profile["sources"]}


def _copy_of(base: Path, name: str, remark: str) -> dict[str, Any]:
    document = read_document(base)
    if document.problems:
        raise InputError(list(document.problems))
    profile: dict[str, Any] = copy.deepcopy(document.data)
    return profile | {"name": name, "title": f"{profile['title']}, {remark}"}


def _fleet(judged: Sequence[Phase], told: Fit) -> Fleet | None:
    """The spread between units, where there are several at work."""
    ratios: dict[str, list[float]] = {}
    for phase in judged:
        if phase.state == "active" and not phase.held_out:
            ratios.setdefault(phase.device, []).append(phase.watts / watts(phase, told.values))
    try:
        return pool(ratios)
    except ValueError:
        return None


def _check(profile: Mapping[str, Any], name: str) -> None:
    """What is written must read back as a profile."""
    from pydantic import ValidationError

    try:
        (GPUProfile if profile["kind"] == "gpu" else CPUProfile).model_validate(dict(profile))
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError.one(name, f"would be no profile: {reasons}") from None
