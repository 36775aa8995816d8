"""How far two columns go together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's; None where one of them does not vary."""
    spreads = float(one.std()), float(other.std())
    if min(spreads) <= 1e-12 * max(1.0, *spreads):
        return None
    return float(((one - one.mean()) * (other - other.mean())).mean() / (spreads[0] * spreads[1]))
