"""The constants of ``profiles.power_laws.capped_job`` from measured jobs under caps, beside kernels by clock and cap.

Jobs tell how they are made of phases and gaps, and their boards' curves of voltage only together with that; kernels of
one board tell the curve. Fitted together, a third board is predicted from its data sheet (``Board``) alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from sim.measure.fit.clock import ClockRows
from sim.measure.fit.clock import predict as predict_kernels
from sim.measure.fit.least_squares import Bound, Fit, fit
from sim.profiles.power_laws.capped_job import Board, JobLaw, job_under_cap
from sim.profiles.power_laws.clock import ClockCurve

Floats = npt.NDArray[np.float64]

CONSTANTS = {"floor": Bound(0.72, 0.5, 0.95), "slope": Bound(1.4, 0.4, 2.5), "contrast": Bound(0.4, 0.0, 1.0)}
"""``JobLaw.waiting`` and ``traffic`` are judged: these data do not tell them apart from the contrast."""


@dataclass(frozen=True)
class CappedJobs:
    """Measured jobs under caps (n,): the cap in W, mean W and seconds, the same uncapped; and of the board its limit, W
    still, W of its memory at full bandwidth, and its lowest and base clock as shares of the highest."""

    cap_w: Floats
    watts: Floats
    seconds: Floats
    full_w: Floats
    full_s: Floats
    limit_w: Floats
    still_w: Floats
    memory_w: Floats
    lowest: Floats
    base: Floats

    def where(self, mask: npt.NDArray[np.bool_]) -> CappedJobs:
        """Some of them."""
        return CappedJobs(**{field.name: getattr(self, field.name)[mask] for field in fields(self)})


@dataclass(frozen=True)
class Kernels:
    """Rows of a board by clock and cap, what it draws loaded, and its curve but for the voltages to be fitted."""

    rows: ClockRows
    loaded_w: float
    curve: ClockCurve


def predict(jobs: CappedJobs, constants: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Mean W and seconds of each job under its cap, from its uncapped point."""
    curve = ClockCurve(constants["floor"], constants["slope"], 1.0, lowest=jobs.lowest)
    board = Board(jobs.limit_w, jobs.still_w, jobs.memory_w, curve, jobs.base)
    watts, slower = job_under_cap(jobs.cap_w, jobs.full_w, board, JobLaw(contrast=constants["contrast"]))
    return watts, jobs.full_s * slower


def fit_jobs(jobs: CappedJobs, kernels: Kernels | None = None) -> Fit:
    """The constants that fit seconds and joules of ``jobs``, and watts and seconds of ``kernels``."""

    def residuals(constants: Mapping[str, float]) -> Floats:
        watts, seconds = predict(jobs, constants)
        joules = np.log(watts * seconds / (jobs.watts * jobs.seconds))
        found = [np.log(seconds / jobs.seconds), joules]
        if kernels is not None:
            curve = replace(kernels.curve, floor=constants["floor"], slope=constants["slope"])
            w, s = predict_kernels(kernels.rows, curve, kernels.loaded_w)
            found += [np.log(w / kernels.rows.watts), np.log(s / kernels.rows.seconds)]
        return np.concatenate(found)

    return fit(residuals, CONSTANTS)
