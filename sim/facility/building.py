"""What every building answers: given the IT power over time, what it adds, the water it takes, what it cannot carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.facility.pue import overhead

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exceeded:
    """A limit exceeded in some ``bins`` (k,), by index: W asked of it there (k,), and W that it carries."""

    limit: str
    bins: Ints
    demand_w: Floats
    limit_w: float


@dataclass(frozen=True, eq=False)
class BuildingBins:
    """Arrays (n,) over bins: W beyond the IT load by component, W that warm air adds to the servers, water in L/s."""

    components_w: Mapping[str, Floats]
    it_extra_w: Mapping[str, Floats] = field(default_factory=dict)
    water_l_per_s: Mapping[str, Floats] = field(default_factory=dict)
    heat_reused_w: Floats | None = None
    heat_rejected_w: Floats | None = None
    exceeded: tuple[Exceeded, ...] = ()


class Building(Protocol):
    """A building. ``models_water`` tells whether its water is known."""

    @property
    def models_water(self) -> bool: ...

    def breakpoints(self, start_ns: int, end_ns: int) -> Ints:
        """Where it changes within ``(start_ns, end_ns)``: the bins need edges there."""

    def evaluate(self, it_w: Mapping[str, Floats], edges_ns: Ints) -> BuildingBins:
        """The bins between ``edges_ns`` (n + 1,) under ``it_w``, mean W by IT component (n,)."""


@dataclass(frozen=True)
class FixedPUE:
    """The same share of the IT load at every load and in any weather, as one component called 'facility'."""

    pue: float

    @property
    def models_water(self) -> bool:
        """It does not."""
        return False

    def breakpoints(self, _start_ns: int, _end_ns: int) -> Ints:
        """None: it is the same in any weather."""
        return np.empty(0, dtype=np.int64)

    def evaluate(self, it_w: Mapping[str, Floats], edges_ns: Ints) -> BuildingBins:
        """IT x (PUE - 1)."""
        total = np.zeros(len(edges_ns) - 1)
        for watts in it_w.values():
            total += watts
        return BuildingBins({"facility": overhead(total, self.pue)})
