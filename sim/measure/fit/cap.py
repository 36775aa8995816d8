"""What a power cap does to a whole job of which only its uncapped power and time are known.

A job is phases: kernels that draw more than its mean and gaps that draw less. The cap clips the phases, so under a
binding cap the mean stays below it (``cap_share``); and how much of its time follows the clock shows in how hard it
works the board (``core_share``, linear in mean power over TDP). The clock itself follows ``profiles.clock``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.measure.fit.least_squares import Bound, Fit, fit
from sim.profiles.clock import ClockCurve, clock_under_cap, power_w, slowdown

Floats = npt.NDArray[np.float64]

CONSTANTS = {
    "floor": Bound(0.6, 0.3, 0.95),
    "slope": Bound(1.0, 0.4, 2.5),
    "memory_share": Bound(0.1, 0.0, 0.5),
    "loaded_share": Bound(0.15, 0.05, 0.3),
    "cap_share": Bound(0.95, 0.8, 1.0),
    "core_share": Bound(0.5, 0.05, 1.0),
    "core_share_rise": Bound(0.5, 0.0, 1.5),
}
MIDDLE = 0.7
"""Mean power over TDP at which ``core_share`` is stated."""


@dataclass(frozen=True)
class CappedJobs:
    """Measured jobs under caps (n,): the cap in W, mean W and seconds, the same uncapped, and the board's TDP."""

    cap_w: Floats
    watts: Floats
    seconds: Floats
    full_w: Floats
    full_s: Floats
    tdp_w: Floats

    def where(self, mask: npt.NDArray[np.bool_]) -> CappedJobs:
        """Some of them."""
        return CappedJobs(**{name: getattr(self, name)[mask] for name in self.__dataclass_fields__})


def predict(jobs: CappedJobs, constants: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Mean W and seconds of each job under its cap, from its uncapped point."""
    curve = ClockCurve(constants["floor"], constants["slope"], constants["memory_share"])
    worked = jobs.full_w / jobs.tdp_w
    core = np.clip(constants["core_share"] + constants["core_share_rise"] * (worked - MIDDLE), 0.02, 1.0)
    loaded_w = np.minimum(constants["loaded_share"] * jobs.tdp_w, 0.9 * jobs.full_w)
    at_most_w = np.maximum(constants["cap_share"] * jobs.cap_w, 1.05 * loaded_w)
    clock = clock_under_cap(at_most_w, loaded_w=loaded_w, full_w=jobs.full_w, core_share=core, curve=curve)
    watts = power_w(clock, loaded_w=loaded_w, full_w=jobs.full_w, core_share=core, curve=curve)
    return watts, jobs.full_s * slowdown(clock, core)


def fit_jobs(jobs: CappedJobs) -> Fit:
    """The constants that fit seconds and joules of ``jobs``."""

    def residuals(constants: Mapping[str, float]) -> Floats:
        watts, seconds = predict(jobs, constants)
        joules = np.log(watts * seconds / (jobs.watts * jobs.seconds))
        return np.concatenate([np.log(seconds / jobs.seconds), joules])

    return fit(residuals, CONSTANTS)
