"""A building made of its parts: cooling, power chain, servers in warm air, heat reuse, and what it can carry.

From the racks outwards: warm air adds to the IT power; the critical chain (UPS, PDU) adds its losses; all of that is
heat; some of it is reused, the cooling takes out the rest; the chain from the grid feeds both, and loses on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.facility.building import BuildingBins, Exceeded
from sim.facility.cooling import Cooling, OutdoorAir
from sim.facility.electrical import Element, Passed, through
from sim.facility.reuse import HeatReuse
from sim.facility.servers import FANS, SILICON, WarmServers
from sim.weather.series import Air, WeatherSeries

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plant:
    """A building of cooling and power chain, under its weather.

    ``utility`` feeds everything, ``critical`` the IT alone, both listed from the grid on. ``other_w`` is constant.
    ``immersed`` servers have no fans. ``feed_w`` is what the site may draw, None without a limit.
    """

    weather: WeatherSeries
    cooling: Cooling
    utility: tuple[Element, ...]
    critical: tuple[Element, ...]
    other_w: float
    servers: WarmServers | None
    immersed: bool
    reuse: HeatReuse | None
    feed_w: float | None

    @property
    def models_water(self) -> bool:
        """True, even where the cooling takes none."""
        return True

    @property
    def misses_extremes(self) -> bool:
        """Whether its water hangs on hot and dry hours that its weather has not: air is wetted in no others."""
        return self.weather.typical_days and isinstance(self.cooling, OutdoorAir) and self.cooling.wets

    def breakpoints(self, start_ns: int, end_ns: int) -> Ints:
        """Instants within ``(start_ns, end_ns)`` at which the weather changes."""
        return self.weather.breakpoints(start_ns, end_ns)

    def evaluate(self, it_w: Mapping[str, Floats], edges_ns: Ints) -> BuildingBins:
        """Power, water and limits in each bin; see ``Building.evaluate``.

        Raises ``SignalRangeError`` where the weather ends before the bins do.
        """
        air = self.weather.on_bins(edges_ns)
        extra = self._extra(it_w)
        drawn = [*it_w.values(), *extra.values()]
        it = drawn[0].copy() if drawn else np.zeros(len(edges_ns) - 1)
        for watts in drawn[1:]:
            it += watts
        return self._around(it, extra, air)

    def it_limit_w(self, edges_ns: Ints) -> Floats:
        """IT power (n,) that cooling, chain and feed carry in each bin, W: bisected, since losses follow the load."""
        air = self.weather.on_bins(edges_ns)
        low = np.zeros(len(edges_ns) - 1)
        high = np.full_like(low, self.cooling.capacity_w)
        for _ in range(40):
            middle = 0.5 * (low + high)
            over = np.zeros(len(middle), dtype=np.bool_)
            for limit in self._around(middle, {}, air).exceeded:
                over[limit.bins] = True
            high = np.where(over, middle, high)
            low = np.where(over, low, middle)
        return low

    def _around(self, it: Floats, extra: dict[str, Floats], air: Air) -> BuildingBins:
        feeding_it, passed = through(self.critical, it)
        heat = feeding_it
        reused = None
        parts: dict[str, Floats] = {}
        if self.reuse is not None:
            taken, reused, parts["heat_pump"] = self.reuse.taken(heat)
            heat = heat - taken
        cooled = self.cooling.cool(heat, air)
        parts |= cooled.power_w
        if self.other_w:
            parts["other"] = np.full_like(it, self.other_w)
        feeding_all = feeding_it + self.other_w
        for watts in (*cooled.power_w.values(), *([parts["heat_pump"]] if "heat_pump" in parts else ())):
            feeding_all = feeding_all + watts
        drawn, upstream = through(self.utility, feeding_all)
        parts |= {f"{stage.element.name}_loss": stage.loss_w for stage in (*passed, *upstream)}
        return BuildingBins(
            components_w=parts,
            it_extra_w=extra,
            water_l_per_s=cooled.water_l_per_s,
            heat_reused_w=reused,
            heat_rejected_w=cooled.rejected_w,
            exceeded=self._exceeded(heat, drawn, (*passed, *upstream)),
        )

    def _extra(self, it_w: Mapping[str, Floats]) -> dict[str, Floats]:
        if self.immersed:
            return {FANS: -it_w[FANS]} if FANS in it_w else {}
        if self.servers is None:
            return {}
        inlet_c = self.cooling.supply_c
        extra = {}
        if FANS in it_w:
            extra[FANS] = it_w[FANS] * (self.servers.fan_factor(inlet_c) - 1.0)
        more = self.servers.leakage_factor(inlet_c) - 1.0
        extra |= {part: it_w[part] * more for part in SILICON if part in it_w}
        return {part: watts for part, watts in extra.items() if watts.any()}

    def _exceeded(self, heat: Floats, drawn: Floats, stages: Sequence[Passed]) -> tuple[Exceeded, ...]:
        """Every limit of which more was asked in some bin than it carries."""
        asked = [("cooling", heat, self.cooling.capacity_w)]
        asked += [(stage.element.name, stage.output_w, stage.element.capacity_w) for stage in stages]
        if self.feed_w is not None:
            asked.append(("feed", drawn, self.feed_w))
        found = []
        for name, demand, limit in asked:
            if float(demand.max(initial=0.0)) > limit:
                bins = np.nonzero(demand > limit)[0]
                found.append(Exceeded(name, bins, demand[bins], limit))
        return tuple(found)
