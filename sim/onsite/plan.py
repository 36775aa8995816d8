"""Everything on one site as a run's accounting needs it: signals on the run's clock, and the units they drive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from sim.onsite.battery import life_used
from sim.onsite.diesel import SCOPE_1_G_PER_L, fuel_l, seconds_on_test
from sim.onsite.dispatch import NOTHING_THERE, Dispatch, SiteUnits, dispatch
from sim.onsite.lifecycle import CarbonLine, PerCapacity, PerEnergy, Range
from sim.onsite.thresholds import Follow, Rule
from sim.signals import Signal
from sim.units import SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


Source = Literal["pv", "wind", "other"]
"""By what the summary tells plants apart."""


@dataclass(frozen=True)
class Plant:
    """PV, wind, or another source that burns nothing: ``output`` is its power as a share of ``capacity_w``."""

    source: Source
    name: str
    capacity_w: float
    output: Signal
    lifecycle: PerEnergy | PerCapacity

    def power_w(self, edges_ns: Ints) -> Floats:
        """Mean power in each bin between ``edges_ns`` (n + 1,), W (n,)."""
        return self.capacity_w * self.output.on_bins(edges_ns)


@dataclass(frozen=True)
class TestPlan:
    """When generators run on test, at what power, and whether the site uses it (else a load bank burns it)."""

    __test__ = False  # not one of pytest's

    first_ns: int
    every_ns: int
    duration_ns: int
    power_w: float
    into_facility: bool


@dataclass(frozen=True)
class OnsitePlan:
    """All units of one site, and the rule that tells its battery what to do.

    ``outages_ns`` (n, 2) are start and end of each outage. ``stock`` is what each joule from the grid took that charged
    the battery before the run, by quantity of the account; None where that counts as a joule of the run's own grid.
    ``battery_lifecycle`` is g of CO2e per joule of capacity; ``fuel_upstream_g_per_l`` is None where not counted.
    """

    plants: tuple[Plant, ...] = ()
    units: SiteUnits = NOTHING_THERE
    rule: Rule = field(default_factory=Follow)
    outages_ns: Ints = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    tests: TestPlan | None = None
    battery_lifecycle: Range | None = None
    fuel_upstream_g_per_l: float | None = None
    stock: Mapping[str, float] | None = None

    def of(self, source: Source) -> tuple[Plant, ...]:
        """The plants of one source."""
        return tuple(plant for plant in self.plants if plant.source == source)

    def breakpoints(self, start_ns: int, end_ns: int) -> list[Ints]:
        """Instants within ``(start_ns, end_ns)`` at which anything here changes: bins need edges at all of them.

        The price and the intensity that the battery looks at are among what changes.
        """
        signals = [plant.output for plant in self._in_order()]
        flat = self.outages_ns.ravel()
        cuts = flat[(flat > start_ns) & (flat < end_ns)]
        return [signal.breakpoints(start_ns, end_ns) for signal in signals] + [np.unique(cuts)]

    def dispatch(self, load_w: Floats, edges_ns: Ints, price: Signal | None, intensity: Signal) -> Dispatch:
        """Serves the facility's ``load_w`` (bins,) in the bins between ``edges_ns``, which hold all breakpoints.

        Raises ``RunError`` where a battery goes by a price that is not there, ``ValueError`` where anything changes
        within a bin. Tests may begin inside a bin; their power is averaged over it.
        """
        dt_s = np.diff(edges_ns) * SECONDS_PER_NS
        on_test: Floats = np.zeros_like(load_w)
        if self.tests is not None and self.tests.into_facility:
            on_test = self._test_s(edges_ns) * self.tests.power_w / dt_s
        return dispatch(
            load_w,
            dt_s,
            self.units,
            pv_w=self._power_w("pv", edges_ns),
            wind_w=self._power_w("wind", edges_ns),
            other_w=self._power_w("other", edges_ns),
            wants=self.rule.told(price, intensity).on_bins(edges_ns).astype(np.int8),
            grid_up=self._grid_up(edges_ns),
            on_test_w=on_test,
        )

    def fuel_l(self, served: Dispatch, edges_ns: Ints) -> Floats:
        """Litres of diesel burned in each bin, for backup and on test (into a load bank, too)."""
        diesel = self.units.diesel
        if diesel is None:
            return np.zeros_like(served.dt_s)
        running_s = np.where(served.backup_w > 0.0, served.dt_s, 0.0)
        burned = fuel_l(diesel, served.backup_w * served.dt_s, running_s)
        if self.tests is not None:
            test_s = self._test_s(edges_ns)
            burned = burned + fuel_l(diesel, self.tests.power_w * test_s, test_s)
        return burned

    def carbon(self, served: Dispatch, edges_ns: Ints) -> tuple[CarbonLine, ...]:
        """Scope 1 and scope 3 of everything on site over the bins; what is bought from the grid is not in it."""
        elapsed_s = float(served.dt_s.sum())
        lines = []
        for plant in self._in_order():
            made_j = float(plant.power_w(edges_ns) @ served.dt_s)
            lines.append(CarbonLine(plant.name, 3, plant.lifecycle.carbon(made_j, plant.capacity_w, elapsed_s)))
        if self.units.battery is not None and self.battery_lifecycle is not None:
            battery = self.units.battery
            used = float(life_used(battery, float(served.cycles[-1]), elapsed_s))
            lines.append(CarbonLine("battery", 3, self.battery_lifecycle.times(battery.energy_j * used)))
        if self.units.diesel is not None:
            litres = float(self.fuel_l(served, edges_ns).sum())
            burned = SCOPE_1_G_PER_L * litres
            lines.append(CarbonLine("diesel", 1, Range(burned, burned, burned, "40 CFR 98 C-1, C-2")))
            if self.fuel_upstream_g_per_l is not None:
                made = self.fuel_upstream_g_per_l * litres
                lines.append(CarbonLine("diesel", 3, Range(made, made, made, "the scenario")))
        return tuple(lines)

    def _in_order(self) -> Iterator[Plant]:
        for source in get_args(Source):
            yield from self.of(source)

    def _power_w(self, source: Source, edges_ns: Ints) -> Floats:
        return sum((plant.power_w(edges_ns) for plant in self.of(source)), start=np.zeros(len(edges_ns) - 1))

    def _test_s(self, edges_ns: Ints) -> Floats:
        if self.tests is None:
            return np.zeros(len(edges_ns) - 1)
        tests = self.tests
        return seconds_on_test(
            edges_ns, first_ns=tests.first_ns, every_ns=tests.every_ns, duration_ns=tests.duration_ns
        )

    def _grid_up(self, edges_ns: Ints) -> npt.NDArray[np.bool_]:
        first_ns, last_ns = edges_ns[0], edges_ns[-1]
        cuts = self.outages_ns[(self.outages_ns > first_ns) & (self.outages_ns < last_ns)]
        if not bool(np.isin(cuts, edges_ns).all()):
            raise ValueError("the bins do not contain the beginning and end of every outage")
        up = np.ones(len(edges_ns) - 1, dtype=np.bool_)
        for start, end in self.outages_ns.tolist():
            up &= (edges_ns[1:] <= start) | (edges_ns[:-1] >= end)
        return up
