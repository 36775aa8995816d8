"""Units of one model differ: a fleet's mean and spread, and each unit's own factor, by partial pooling.

Two boards of the same model at the same work differ by several percent and go on differing (Sinha and others, "Not all
GPUs are created equal", SC 2022, doi 10.1109/SC41404.2022.00070). A unit's factor is estimated from its own phases and
drawn towards the fleet's as far as its noise is large beside the spread between units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fleet:
    """``units``: factor on the fleet's mean power by unit; ``spread``: standard deviation of the factors' logarithms
    between units, what a run draws its units from; ``noise``: that of one phase around its unit."""

    units: Mapping[str, float]
    spread: float
    noise: float


def pool(ratios: Mapping[str, Sequence[float]]) -> Fleet:
    """From measured over predicted power of each unit's phases.

    Variance between units by the method of moments of DerSimonian and Laird (1986, doi 10.1016/0197-2456(86)90046-2),
    zero where units do not differ beyond their noise. Raises ``ValueError`` for fewer than two units with two phases.
    """
    logs = {unit: np.log(np.asarray(values, dtype=np.float64)) for unit, values in ratios.items() if len(values) >= 2}
    if len(logs) < 2:
        raise ValueError("needs at least two units with two phases each")
    counts = np.array([len(values) for values in logs.values()], dtype=np.float64)
    means = np.array([values.mean() for values in logs.values()])
    within = float(sum(((values - values.mean()) ** 2).sum() for values in logs.values()) / (counts - 1).sum())
    error = np.maximum(within, 1e-12) / counts
    weight = 1.0 / error
    centre = float((weight * means).sum() / weight.sum())
    surplus = float((weight * (means - centre) ** 2).sum()) - (len(means) - 1)
    between = max(0.0, surplus / float(weight.sum() - (weight**2).sum() / weight.sum()))
    total = 1.0 / (between + error)
    centre = float((total * means).sum() / total.sum())
    shrunk = centre + between / (between + error) * (means - centre)
    units = {unit: float(np.exp(value - centre)) for unit, value in zip(logs, shrunk, strict=True)}
    return Fleet(units, float(np.sqrt(between)), float(np.sqrt(within)))
