"""Intervals of a result, and how much of its variance the parameters and the simulation's chance contribute.

The design is crossed: every draw of the parameters under every seed, the same seeds for all draws (common random
numbers). With Y = f(theta, s), the law of total variance splits Var Y = Var_theta E[Y|theta] + E_theta Var[Y|theta]:
the first is what the parameters contribute, the second the simulation's chance, interactions included. The
estimators are those of the two-way layout with random effects (Searle, Casella, McCulloch 1992, *Variance Components*,
chapter 4)::

    from parameters   (MS_theta - MS_residual) / seeds      chance   mean over draws of the variance over seeds

Both are without bias; the first can come out below zero where it is small, and then counts as zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ENDS = (5.0, 50.0, 95.0)
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """Percentiles over draws and seeds; shares of variance, None where one seed or no variance leaves them unknown."""

    p05: float
    p50: float
    p95: float
    from_parameters: float | None
    from_chance: float | None

    def as_dict(self) -> dict[str, float]:
        """What is known of it."""
        values = {"p05": self.p05, "p50": self.p50, "p95": self.p95}
        shares = {"from_parameters": self.from_parameters, "from_chance": self.from_chance}
        return values | {name: share for name, share in shares.items() if share is not None}


def variances(outputs: Floats) -> tuple[float, float]:
    """Variance from parameters and from chance, of ``outputs`` (draws, seeds), at least two of each."""
    draws, seeds = outputs.shape
    rows, columns = outputs.mean(axis=1), outputs.mean(axis=0)
    ms_rows = seeds * float(rows.var(ddof=1))
    residual = outputs - rows[:, None] - columns[None, :] + outputs.mean()
    ms_residual = float((residual**2).sum()) / ((draws - 1) * (seeds - 1))
    return max(0.0, (ms_rows - ms_residual) / seeds), float(outputs.var(axis=1, ddof=1).mean())


def interval(outputs: Floats) -> Interval:
    """The interval of ``outputs`` (draws, seeds)."""
    p05, p50, p95 = (float(value) for value in np.percentile(outputs, ENDS))
    if outputs.shape[1] < 2:
        return Interval(p05, p50, p95, None, None)
    # rounding leaves equal numbers apart by their last digits, which is no variance
    least = (ROUNDING * float(np.abs(outputs).max())) ** 2
    parameters, chance = (variance if variance > least else 0.0 for variance in variances(outputs))
    total = parameters + chance
    if total == 0.0:
        return Interval(p05, p50, p95, None, None)
    return Interval(p05, p50, p95, parameters / total, chance / total)
