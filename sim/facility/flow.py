"""Fans and pumps: power with the cube of flow, down to the slowest that a drive runs.

Source: the affinity laws (ASHRAE Handbook, HVAC Systems and Equipment, 2020, chapters 21 and 44). Ducts and pipes
with a fixed static pressure follow a lower power than the cube, so that this is the best a drive can do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def cubic_power_w(load_w: Floats, *, design_load_w: float, design_share: float, slowest: float) -> Floats:
    """Electric W of fans or pumps that move ``load_w`` of heat (n,), at a temperature rise that stays the same.

    At ``design_load_w`` they take ``design_share`` of it; below, flow follows the load down to the share ``slowest`` of
    the design flow (0..1) and power its cube. Never below ``slowest`` cubed: they run as long as the room is cooled.
    """
    flow = np.maximum(load_w / design_load_w, slowest)
    return np.asarray(design_share * design_load_w * flow * flow * flow)
