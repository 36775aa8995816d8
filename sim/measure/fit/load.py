"""The shape of power over load that machines share, so that two points of one machine tell the rest of its curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.measure.fit.least_squares import Bound, Fit, fit
from sim.profiles.power_laws.devices import load_rise

Floats = npt.NDArray[np.float64]

SHAPE = {"exponent": Bound(0.6, 0.1, 1.0), "cubic_share": Bound(0.2, 0.0, 0.9)}


@dataclass(frozen=True)
class LoadCurves:
    """``watts`` (machines, loads) at ``loads`` (loads,), rising from 0 to 1."""

    loads: Floats
    watts: Floats

    def where(self, mask: npt.NDArray[np.bool_]) -> LoadCurves:
        """Some of the machines."""
        return LoadCurves(self.loads, self.watts[mask])


def predict(curves: LoadCurves, known: tuple[float, float], shape: Mapping[str, float]) -> Floats:
    """W (machines, loads) from each machine's own watts at the two ``known`` loads, the first of them idle."""
    idle, anchor = (int(np.argmin(np.abs(curves.loads - load))) for load in known)
    rise = load_rise(curves.loads, **shape) / load_rise(np.array([known[1]]), **shape)
    idle_w = curves.watts[:, [idle]]
    return np.asarray(idle_w + (curves.watts[:, [anchor]] - idle_w) * rise, dtype=np.float64)


def fit_shape(curves: LoadCurves, known: tuple[float, float]) -> Fit:
    """The shape that best tells the other loads of all machines from their two known ones."""
    other = ~np.isin(curves.loads, known)

    def residuals(shape: Mapping[str, float]) -> Floats:
        return np.asarray(np.log(predict(curves, known, shape)[:, other] / curves.watts[:, other]).ravel())

    return fit(residuals, SHAPE)
