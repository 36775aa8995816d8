"""The facility as one number: everything beyond the IT load is PUE - 1 of it, at every load."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def overhead(it: Floats, pue: float) -> Floats:
    """Power (or energy) of cooling, power distribution and the rest: IT x (PUE - 1).

    ``it`` has any shape and unit, and the result the same; ``pue`` is at least 1. Source: The Green Grid, White Paper
    49, "PUE: A comprehensive examination of the metric", 2012 (ISO/IEC 30134-2). A fixed PUE knows neither weather nor
    part load.
    """
    return it * (pue - 1.0)
