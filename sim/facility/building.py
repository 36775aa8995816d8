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
    """A limit of the building that more was asked of than it carries.

    ``bins`` (k,) are the bins in which it was, by index; ``demand_w`` (k,) is what was asked there, ``limit_w`` what it
    carries.
    """

    limit: str
    bins: Ints
    demand_w: Floats
    limit_w: float


@dataclass(frozen=True, eq=False)
class BuildingBins:
    """What a building adds to its IT load in each bin, as arrays (n,).

    ``components_w`` are W beyond the IT load by component, ``it_extra_w`` W that warm air adds to the servers,
    ``water_l_per_s`` L/s by use.
    """

    components_w: Mapping[str, Floats]
    it_extra_w: Mapping[str, Floats] = field(default_factory=dict)
    water_l_per_s: Mapping[str, Floats] = field(default_factory=dict)
    heat_reused_w: Floats | None = None
    heat_rejected_w: Floats | None = None
    exceeded: tuple[Exceeded, ...] = ()


class Building(Protocol):
    """What a site's machines stand in: answers what it adds to their power, and what it cannot carry.

    ``models_water`` tells whether its water is known, ``misses_extremes`` whether it hangs on hours that the weather
    given has not.
    """

    @property
    def models_water(self) -> bool: ...
    @property
    def misses_extremes(self) -> bool: ...

    def breakpoints(self, start_ns: int, end_ns: int) -> Ints:
        """Instants at which the building changes within ``(start_ns, end_ns)``: the bins need edges there."""

    def evaluate(self, it_w: Mapping[str, Floats], edges_ns: Ints) -> BuildingBins:
        """Power and water in the bins between ``edges_ns`` (n + 1,) under ``it_w``, mean W by IT component (n,)."""


@dataclass(frozen=True)
class FixedPUE:
    """A building that adds the same share of the IT load always, as one component called 'facility'.

    ``pue`` is at least 1; neither load nor weather changes it (see ``pue.overhead`` for the source).
    """

    pue: float

    @property
    def models_water(self) -> bool:
        """False: one number says nothing of water."""
        return False

    @property
    def misses_extremes(self) -> bool:
        """False: it has no weather."""
        return False

    def breakpoints(self, _start_ns: int, _end_ns: int) -> Ints:
        """No instants: it is the same in any weather."""
        return np.empty(0, dtype=np.int64)

    def evaluate(self, it_w: Mapping[str, Floats], edges_ns: Ints) -> BuildingBins:
        """Power beyond the IT load in each bin: IT x (PUE - 1)."""
        total = np.zeros(len(edges_ns) - 1)
        for watts in it_w.values():
            total += watts
        return BuildingBins({"facility": overhead(total, self.pue)})
