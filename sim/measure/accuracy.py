"""How wrong a prediction is: the measures that ``validate`` prints and that the README quotes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


ROUNDING = 1e-9
"""Relative; what varies less is constant."""


@dataclass(frozen=True)
class Errors:
    """Errors of predicted against measured values. Shares are of the measured; ``bias`` and ``energy`` have a sign.

    ``energy`` compares the sums (of a series of equal steps: energies). ``peak`` and ``p95`` compare the largest value
    and the 95th percentile. ``autocorrelation`` is the largest difference of the two series' autocorrelations over
    lags up to a quarter of them, and None where there is no order in time or nothing varies.
    """

    count: int
    bias: float
    mape: float
    median_ape: float
    rmse: float
    peak: float
    p95: float
    energy: float
    autocorrelation: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        """By name."""
        return asdict(self)


def errors(predicted: Floats, measured: Floats, *, series: bool = False) -> Errors:
    """Errors of ``predicted`` against ``measured`` (n,), all measured values above zero. ``series`` if in time order.

    A step of a series that was not measured is NaN and is left out. Raises ``ValueError`` for arrays that differ in
    length, hold no measurement, or hold what is no positive number.
    """
    if len(predicted) != len(measured) or np.isnan(measured).all():
        raise ValueError(f"has {len(predicted)} predictions for {len(measured)} measurements")
    whole_predicted, whole_measured = np.where(np.isnan(measured), np.nan, predicted), measured
    predicted, measured = predicted[~np.isnan(measured)], measured[~np.isnan(measured)]
    if not (np.isfinite(predicted).all() and np.isfinite(measured).all() and (measured > 0).all()):
        raise ValueError("needs finite predictions and measurements above zero")
    off = predicted - measured
    relative = np.abs(off) / measured
    return Errors(
        count=len(measured),
        bias=float(off.mean() / measured.mean()),
        mape=float(relative.mean()),
        median_ape=float(np.median(relative)),
        rmse=float(np.sqrt((off**2).mean())),
        peak=float(predicted.max() / measured.max() - 1.0),
        p95=float(np.percentile(predicted, 95) / np.percentile(measured, 95) - 1.0),
        energy=float(predicted.sum() / measured.sum() - 1.0),
        autocorrelation=_autocorrelation_gap(whole_predicted, whole_measured) if series else None,
    )


def _autocorrelation_gap(a: Floats, b: Floats) -> float | None:
    lags = len(a) // 4
    if lags < 2 or any(np.nanmax(each) - np.nanmin(each) <= ROUNDING * np.nanmax(each) for each in (a, b)):
        return None
    apart = np.abs(autocorrelation(a, lags) - autocorrelation(b, lags))
    return None if np.isnan(apart).all() else float(np.nanmax(apart))


def autocorrelation(series: Floats, lags: int) -> Floats:
    """Autocorrelation (lags,) at lags 1, 2, ... of a series that varies; where values are NaN, of the pairs there are.

    A lag without any pair is NaN.
    """
    known = ~np.isnan(series)
    centred = np.where(known, series - series[known].mean(), 0.0)
    power = float(centred @ centred)
    if known.all():
        return np.array([float(centred[:-lag] @ centred[lag:]) / power for lag in range(1, lags + 1)])
    result = np.full(lags, np.nan)
    for lag in range(1, lags + 1):
        pairs = int((known[:-lag] & known[lag:]).sum())
        if pairs:
            of_whole = (len(series) - lag) / pairs * known.sum() / len(series)
            result[lag - 1] = float(centred[:-lag] @ centred[lag:]) / power * of_whole
    return result
