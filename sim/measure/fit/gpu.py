"""A GPU's power model from a recording of known work: idle, loaded, energy per FLOP by precision and per byte.

A recording of the suite names its phases and says what each did (``origin["work"]``: FLOP, bytes, seconds, precision,
and whether it is held out). Phases at the power limit are left out of the fit: there the clock has fallen, and energy
per operation with it. Phases marked as held out are never fitted, only predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.measure.fit.least_squares import Bound, Fit, fit
from sim.measure.recording import Recording
from sim.units import NS_PER_S

Floats = npt.NDArray[np.float64]

SETTLE_NS = NS_PER_S
"""Left out at the start of a phase: boards report means over up to a second."""
AT_LIMIT = 0.96
"""Mean power over the limit beyond which a phase counts as capped."""
MOST_PER_FLOP, MOST_PER_BYTE = 100e-12, 2e-9
"""Bounds of the fit in J: an order of magnitude above any board in the catalog."""


@dataclass(frozen=True)
class Phase:
    """What one device drew in one phase, and the work it did: ``state`` idle, loaded or active."""

    device: str
    name: str
    state: str
    watts: float
    seconds: float
    flop_per_s: float
    byte_per_s: float
    precision: str | None
    capped: bool
    held_out: bool


def phases(recording: Recording) -> list[Phase]:
    """Every phase of every GPU that has work stated or is idle or loaded, in order of time.

    A phase too short to have two samples beyond ``SETTLE_NS`` is left out, and so are holes: what is fitted is the mean
    of the time in which power is known.
    """
    stated = {str(work["phase"]): work for work in recording.origin.get("work", ())}
    found = []
    for device in (d.name for d in recording.devices if d.kind == "gpu"):
        samples = recording.of_device(device)
        try:
            meter = recording.metered(device)
        except ValueError:
            continue  # of which the recording's faults tell
        for name, part in samples.groupby(_runs(samples), sort=False):
            phase = str(part["phase"].iloc[0])
            work = stated.get(phase)
            if work is None and phase not in ("idle", "loaded"):
                continue
            settled = part[part["time_ns"] >= part["time_ns"].iloc[0] + SETTLE_NS]
            if len(settled) < 2 or name is None:
                continue
            drawn = meter.within(int(settled["time_ns"].iloc[0]), int(settled["time_ns"].iloc[-1]))
            seconds, watts = drawn.seconds, drawn.watts
            if not seconds > 0:
                continue
            limit = float(settled["power_limit_w"].median())
            rate = 1.0 / float(work["seconds"]) if work is not None else 0.0
            found.append(
                Phase(
                    device=device,
                    name=phase,
                    state="active" if work is not None and (work["flop"] or work["byte"]) else phase_state(phase),
                    watts=watts,
                    seconds=seconds,
                    flop_per_s=float(work["flop"]) * rate if work is not None else 0.0,
                    byte_per_s=float(work["byte"]) * rate if work is not None else 0.0,
                    precision=work.get("precision") if work is not None else None,
                    capped=bool(np.isfinite(limit) and watts > AT_LIMIT * limit),
                    held_out=bool(work.get("held_out", False)) if work is not None else False,
                )
            )
    return found


def phase_state(name: str) -> str:
    """Idle and loaded phases by their names: 'idle', 'loaded', and those that begin so."""
    return "idle" if name.startswith("idle") else "loaded"


def _runs(samples: pd.DataFrame) -> npt.NDArray[np.int64]:
    """A number for each stretch of samples of one phase."""
    names = samples["phase"].to_numpy(dtype=object)
    return np.cumsum(np.concatenate([[0], names[1:] != names[:-1]])).astype(np.int64)


def fit_power(found: Sequence[Phase]) -> Fit:
    """``idle``, ``loaded``, ``flop/PRECISION`` and ``byte`` in W and J, from the phases that are not held out.

    ``idle <= loaded`` holds in the result. Raises ``ValueError`` where a state or all work is missing: what was not
    measured is not guessed.
    """
    known = [p for p in found if not p.held_out]
    states = {state: [p for p in known if p.state == state] for state in ("idle", "loaded", "active")}
    missing = [state for state, members in states.items() if not members]
    if missing:
        raise ValueError(
            f"has no phase of state {' and none of '.join(missing)} to fit on: a log of watts does not say what work "
            "was done; record with --suite, or give a table of work, clock_mhz, cap_w, power_w and time_s"
        )
    free = [p for p in states["active"] if not p.capped]
    if not free:
        raise ValueError("has only phases at the power limit, where energy per operation is not that of full clock")
    precisions = sorted({p.precision for p in free if p.precision is not None and p.flop_per_s > 0})
    highest_w = max(p.watts for p in known)
    idle_w = float(np.median([p.watts for p in states["idle"]]))
    bounds = {
        "idle": Bound(idle_w, 0.0, highest_w),
        "loaded": Bound(max(idle_w, float(np.median([p.watts for p in states["loaded"]]))), 0.0, highest_w),
        **{f"flop/{precision}": Bound(0.5e-12, 0.0, MOST_PER_FLOP) for precision in precisions},
    }
    if any(p.byte_per_s > 0 for p in free):
        bounds["byte"] = Bound(100e-12, 0.0, MOST_PER_BYTE)
    judged = [*states["idle"], *states["loaded"], *free]
    measured = np.array([p.watts for p in judged])

    def residuals(values: Mapping[str, float]) -> Floats:
        told = np.array([max(watts(p, values), 1e-6) for p in judged])
        return np.asarray(np.log(told / measured))

    found_fit = fit(residuals, bounds)
    if found_fit.values["idle"] > found_fit.values["loaded"]:
        raise ValueError("draws less with a model loaded than without: its idle phases were not idle")
    return found_fit


def watts(phase: Phase, values: Mapping[str, float]) -> float:
    """W that the constants say of a phase, without a cap. A precision that was not fitted counts as the costliest."""
    if phase.state != "active":
        return values[phase.state]
    known = [value for name, value in values.items() if name.startswith("flop/")]
    per_flop = values.get(f"flop/{phase.precision}", max(known, default=0.0))
    return values["loaded"] + phase.flop_per_s * per_flop + phase.byte_per_s * values.get("byte", 0.0)
