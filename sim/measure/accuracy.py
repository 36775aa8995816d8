"""How wrong a prediction is: the measures that ``validate`` prints and that the README quotes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Of predicted against measured values. Shares are of the measured; ``bias`` and ``energy`` have a sign.

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

    Raises ``ValueError`` for arrays that differ in length, are empty, or hold what is no positive number.
    """
    if len(predicted) != len(measured) or not len(measured):
        raise ValueError(f"has {len(predicted)} predictions for {len(measured)} measurements")
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
        autocorrelation=_autocorrelation_gap(predicted, measured) if series else None,
    )


def _autocorrelation_gap(a: Floats, b: Floats) -> float | None:
    lags = len(a) // 4
    if lags < 2 or np.ptp(a) <= 0.0 or np.ptp(b) <= 0.0:
        return None
    return float(np.max(np.abs(autocorrelation(a, lags) - autocorrelation(b, lags))))


def autocorrelation(series: Floats, lags: int) -> Floats:
    """Autocorrelation (lags,) at lags 1, 2, ... of a series that varies."""
    centred = series - series.mean()
    power = float(centred @ centred)
    return np.array([float(centred[:-lag] @ centred[lag:]) / power for lag in range(1, lags + 1)])
