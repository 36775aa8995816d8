"""How units of one model differ: random coefficients of power over load, by restricted maximum likelihood.

A unit's power is its own factor times the fleet's at rest, and another times what load adds. Factors vary between
units, readings vary around their unit; the two are told apart by the linear mixed model of Laird and Ware (1982,
"Random-effects models for longitudinal data", Biometrics 38, doi:10.2307/2529876), fitted by its EM algorithm with the
correction of REML. A unit's own factors are its best linear predictors: drawn towards the fleet's as far as its
readings are few or noisy. Errors of readings are relative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from sim.profiles.power_laws.devices import load_rise

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHAPES = (0.3, 2.0)
"""Bounds of the exponent of power over load."""
MOST_STEPS = 5000
CLOSE = 1e-8
LEAST_FACTOR = 0.01


@dataclass(frozen=True, eq=False)
class Readings:
    """Of single units, each (n,): the code of the unit, its load 0..1, and W. ``names`` are those of the units."""

    unit: Ints
    load: Floats
    watts: Floats
    names: tuple[str, ...]

    def where(self, mask: npt.NDArray[np.bool_]) -> Readings:
        """Some of the readings; units keep their codes."""
        return Readings(self.unit[mask], self.load[mask], self.watts[mask], self.names)


@dataclass(frozen=True, eq=False)
class UnitEffects:
    """The fleet's mean W at load 0 and what full load adds, the exponent between; (units,) factors of each unit on
    the two, ``covariance`` (2, 2) of the factors between units (above rest first), and the relative ``noise`` of a
    reading."""

    idle_w: float
    rise_w: float
    exponent: float
    active: Floats
    idle: Floats
    covariance: Floats
    noise: float

    @property
    def correlation(self) -> float:
        """Of the logarithms of a unit's two factors, were these lognormal."""
        (a, c), (_, i) = self.covariance.tolist()
        if a <= 0.0 or i <= 0.0:
            return 0.0
        return float(np.clip(np.log1p(max(c, -0.99)) / np.sqrt(np.log1p(a) * np.log1p(i)), -1.0, 1.0))

    def watts(self, unit: Ints, load: Floats, *, own: bool) -> Floats:
        """W of units at loads, (n,): by their ``own`` factors, or by the fleet's mean."""
        rise = load_rise(load, exponent=self.exponent, cubic_share=0.0)
        active, idle = (self.active[unit], self.idle[unit]) if own else (1.0, 1.0)
        return np.asarray(self.idle_w * idle + self.rise_w * active * rise)


def fit_units(readings: Readings) -> UnitEffects:
    """The fleet and its units. Where all readings are at one load, a unit has one factor for both.

    Raises ``ValueError`` for fewer than two units with two readings each, or power that does not rise with load.
    """
    counts = np.bincount(readings.unit, minlength=len(readings.names))
    if (counts >= 2).sum() < 2:
        raise ValueError("needs at least two units with two readings each")
    if np.ptp(readings.load) == 0.0:
        return _of_one_load(readings)
    exponent = _exponent(readings)
    rise = load_rise(readings.load, exponent=exponent, cubic_share=0.0)
    idle_w, rise_w = _pooled(rise, readings.watts)
    if not (idle_w > 0.0 and rise_w > 0.0):
        raise ValueError("draws no more at work than at rest, or nothing at rest: its loads are none")
    mean_w = idle_w + rise_w * rise
    columns = np.stack([rise_w * rise, np.full(len(rise), idle_w)], axis=1) / mean_w[:, None]
    beta, each, covariance, noise = _mixed(columns, readings.watts / mean_w, readings.unit, len(readings.names))
    factors = np.maximum(1.0 + each / beta, LEAST_FACTOR)
    return UnitEffects(
        idle_w=idle_w * float(beta[1]),
        rise_w=rise_w * float(beta[0]),
        exponent=exponent,
        active=factors[:, 0],
        idle=factors[:, 1],
        covariance=covariance / np.outer(beta, beta),
        noise=noise,
    )


def _of_one_load(readings: Readings) -> UnitEffects:
    mean_w = float(readings.watts.mean())
    ones = np.ones((len(readings.watts), 1))
    beta, each, covariance, noise = _mixed(ones, readings.watts / mean_w, readings.unit, len(readings.names))
    factor = np.maximum(1.0 + each[:, 0] / beta[0], LEAST_FACTOR)
    spread = float(covariance[0, 0]) / float(beta[0]) ** 2
    return UnitEffects(mean_w * float(beta[0]), 0.0, 1.0, factor, factor, np.full((2, 2), spread), noise)


def _pooled(rise: Floats, watts: Floats) -> tuple[float, float]:
    """W at rest and what full load adds, by least squares of relative errors over all readings."""
    design = np.stack([np.ones(len(rise)), rise], axis=1) / watts[:, None]
    found = np.linalg.lstsq(design, np.ones(len(rise)), rcond=None)[0]
    return float(found[0]), float(found[1])


def _exponent(readings: Readings) -> float:
    """The shape that leaves least over once every unit has a level and a rise of its own; 1 where loads are but two."""
    if len(np.unique(readings.load)) < 3:
        return 1.0

    def left(exponent: float) -> float:
        rise = load_rise(readings.load, exponent=exponent, cubic_share=0.0)
        over = 0.0
        for i in range(len(readings.names)):
            own = readings.unit == i
            if own.sum() > 2:
                idle_w, rise_w = _pooled(rise[own], readings.watts[own])
                over += float((((idle_w + rise_w * rise[own]) / readings.watts[own] - 1.0) ** 2).sum())
        return over

    found = minimize_scalar(left, bounds=SHAPES, method="bounded", options={"xatol": 1e-4})
    return float(found.x)


def _mixed(columns: Floats, measured: Floats, unit: Ints, units: int) -> tuple[Floats, Floats, Floats, float]:
    """Common coefficients (p,), each unit's departure from them (units, p), the departures' covariance (p, p), and the
    standard deviation of a reading, from ``columns`` (n, p) of ``measured`` (n,)."""
    p, n = columns.shape[1], len(measured)
    gram, moment, square = np.zeros((units, p, p)), np.zeros((units, p)), np.zeros(units)
    np.add.at(gram, unit, columns[:, :, None] * columns[:, None, :])
    np.add.at(moment, unit, columns * measured[:, None])
    np.add.at(square, unit, measured**2)
    eye = np.eye(p)
    beta = np.linalg.solve(gram.sum(axis=0), moment.sum(axis=0))
    variance = float(max((square.sum() - 2 * beta @ moment.sum(axis=0) + beta @ gram.sum(axis=0) @ beta) / n, 1e-12))
    between, noise = eye * variance, variance
    each = np.zeros((units, p))
    for _ in range(MOST_STEPS):
        before = np.concatenate([between.ravel(), [noise]])
        own = gram / noise
        kept = (
            np.linalg.inv(eye + np.einsum("pq,uqr->upr", between, own)) @ between
        )  # of a departure, given its readings
        seen = own - own @ kept @ own
        told = (moment - np.einsum("upq,uq->up", own @ kept, moment)) / noise
        of_beta = np.linalg.inv(seen.sum(axis=0))
        beta = of_beta @ told.sum(axis=0)
        each = np.einsum("upq,uq->up", kept, (moment - gram @ beta) / noise)
        shares = eye - kept @ own
        spread = kept + kept @ own @ of_beta @ np.swapaxes(kept @ own, 1, 2)
        between = (np.einsum("up,uq->pq", each, each) + spread.sum(axis=0)) / units
        coefficients = beta + each
        over = square - 2 * np.einsum("up,up->u", coefficients, moment)
        over += np.einsum("up,upq,uq->u", coefficients, gram, coefficients)
        unsure = kept + shares @ of_beta @ np.swapaxes(shares, 1, 2)
        noise = float(max((over.sum() + np.einsum("upq,uqp->", gram, unsure)) / n, 1e-14))
        now = np.concatenate([between.ravel(), [noise]])
        if np.abs(now - before).max() <= CLOSE * np.abs(now).max():
            break
    return np.asarray(beta), np.asarray(each), np.asarray(between), float(np.sqrt(noise))


def later(readings: Readings, share: float) -> npt.NDArray[np.bool_]:
    """Which readings are the last ``share`` of their unit's, in the order given; none of one with fewer than three."""
    last = np.zeros(len(readings.unit), dtype=np.bool_)
    for i in range(len(readings.names)):
        own = np.flatnonzero(readings.unit == i)
        if len(own) >= 3:
            last[own[len(own) - max(1, round(share * len(own))) :]] = True
    return last


def judged(readings: Readings, share: float) -> Mapping[str, float] | None:
    """Mean absolute relative errors of each unit's later readings, predicted by what was read before: by the unit's own
    factors, and by the fleet's mean alone. None where too little is read before."""
    last = later(readings, share)
    known = readings.where(~last)
    if not last.any() or (np.bincount(known.unit, minlength=len(readings.names)) >= 2).sum() < 2:
        return None
    fitted, then = fit_units(known), readings.where(last)
    return {
        name: float(np.abs(fitted.watts(then.unit, then.load, own=own) / then.watts - 1.0).mean())
        for name, own in (("own_unit", True), ("fleet", False))
    }
