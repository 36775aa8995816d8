"""What warm inlet air costs servers: fans that speed up, and silicon that leaks more.

The run's meters hold power at a reference inlet temperature; this adds what a warmer one takes, and takes away what a
bath needs no more. Source of the shapes: ASHRAE TC 9.9, "Thermal Guidelines for Data Processing Environments" and its
white paper of 2011 (server power by inlet temperature: flat, then rising with the cube of fan speed, and leakage).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class WarmServers:
    """How servers answer to inlet air warmer than ``reference_c``.

    Fan speed rises by ``ramp_per_k`` of itself a kelvin, silicon's power by ``leakage_per_k``.
    """

    reference_c: float
    ramp_per_k: float
    leakage_per_k: float

    def fan_factor(self, inlet_c: float) -> float:
        """Power of the fans at ``inlet_c``, relative to the reference: the cube of their speed, never below 1."""
        return float((1.0 + self.ramp_per_k * max(inlet_c - self.reference_c, 0.0)) ** 3)

    def leakage_factor(self, inlet_c: float) -> float:
        """Power of the silicon at ``inlet_c``, relative to the reference; never below 1."""
        return 1.0 + self.leakage_per_k * max(inlet_c - self.reference_c, 0.0)


FANS = "fans"
SILICON = ("gpu", "cpu")
