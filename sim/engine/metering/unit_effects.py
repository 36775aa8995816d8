"""Units of one model draw otherwise: a factor on what a GPU, or a whole node, draws at rest, and one on what it adds.

Two boards of the same model at the same work differ by several percent and go on differing (Sinha and others, "Not all
GPUs are created equal", SC 2022, arXiv:2208.11035, doi:10.1109/SC41404.2022.00070), and so do base stations (Chen and
others, "Modelling the 5G Energy Consumption using Real-world Data: Energy Fingerprint is All You Need", 2024,
arXiv:2406.16929). A unit has its factors for the whole run. Under a power cap boards are held at their nominal watts
times their factor: that a thirsty unit is slower there instead is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from sim.engine.metering.draws import NodeHardware, Rest

Floats = npt.NDArray[np.float64]


class UnitLaw(Protocol):
    """The factors of the units of a fleet."""

    def __hash__(self) -> int: ...

    def factors(self, rng: np.random.Generator, first: int, count: int) -> tuple[Floats, Floats]:
        """Of ``count`` units from the ``first`` of the fleet on, each (count,): on power above rest, and at rest."""
        ...


@dataclass(frozen=True)
class LognormalUnits:
    """Factors of mean 1 by their coefficients of variation; ``correlation`` is that of the two logarithms of a unit."""

    active_cv: float
    idle_cv: float
    correlation: float

    def factors(self, rng: np.random.Generator, first: int, count: int) -> tuple[Floats, Floats]:
        """Drawn; ``first`` makes no difference, as each node has a stream of its own."""
        del first
        normal = rng.standard_normal((count, 2))
        other = self.correlation * normal[:, 0] + np.sqrt(1.0 - self.correlation**2) * normal[:, 1]
        return _lognormal(normal[:, 0], self.active_cv), _lognormal(other, self.idle_cv)


@dataclass(frozen=True)
class KnownUnits:
    """The factors of units that were measured, in the order in which they stand in the pool."""

    active: tuple[float, ...]
    idle: tuple[float, ...]

    def factors(self, rng: np.random.Generator, first: int, count: int) -> tuple[Floats, Floats]:
        """Theirs; nothing is drawn."""
        del rng
        return np.array(self.active[first : first + count]), np.array(self.idle[first : first + count])


def _lognormal(normal: Floats, cv: float) -> Floats:
    """Factors of mean 1 from standard normal numbers: exp(s z - s**2 / 2) with s**2 = ln(1 + cv**2)."""
    variance = np.log1p(cv * cv)
    return np.asarray(np.exp(np.sqrt(variance) * normal - variance / 2.0))


@dataclass(frozen=True)
class UnitEffect:
    """Of what the factors are: each GPU, or each node as a whole, host and GPUs together."""

    of: Literal["gpu", "node"]
    law: UnitLaw

    def drawn(self, slots: int, rng: np.random.Generator, i: int) -> tuple[Floats, Floats]:
        """Factors of the units of node ``i``: its GPUs', or its own alone."""
        count = slots if self.of == "gpu" else 1
        return self.law.factors(rng, i * count, count)

    def on(self, hardware: NodeHardware, rng: np.random.Generator, i: int) -> NodeHardware:
        """The hardware of node ``i``. Which of its GPUs a holder has is not known, so that they draw their mean."""
        active, idle = (float(values.mean()) for values in self.drawn(hardware.slots, rng, i))
        made = hardware
        if hardware.gpu is not None:
            made = replace(made, gpu_scale=active, gpu_offset_w=(idle - active) * hardware.gpu_idle_w)
        return made if self.of == "gpu" else _host(made, active, idle)


def _host(hardware: NodeHardware, active: float, idle: float) -> NodeHardware:
    """The rest of a node: all at rest by ``idle``, booting and standing by included, what work adds by ``active``."""
    if active == idle == 1.0:
        return hardware

    def worked(idle_w: float, active_w: float) -> float:
        return idle_w * idle + (active_w - idle_w) * active

    return replace(
        hardware,
        cpu_idle_w=hardware.cpu_idle_w * idle,
        cpu_full_w=worked(hardware.cpu_idle_w, hardware.cpu_full_w),
        parts=tuple(
            Rest(part.component, part.idle_w * idle, worked(part.idle_w, part.active_w)) for part in hardware.parts
        ),
        standby_w=hardware.standby_w * idle,
        boot_w=hardware.boot_w * idle,
        shutdown_w=hardware.shutdown_w * idle,
    )
