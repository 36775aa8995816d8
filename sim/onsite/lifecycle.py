"""The carbon of energy made on site: the plant's own life cycle (scope 3), and fuel burned (scope 1).

Self-generated power has no scope 2, and is not free: panels, turbines and cells were made. Life-cycle carbon is a
range, on a stated basis: per energy generated over the plant's life (curtailed energy included: the plant was built for
it too), per rated power over a lifetime, or by the wear of a battery. A low and a high end are of each source alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.units import G_PER_KG, J_PER_KWH, NS_PER_S


@dataclass(frozen=True)
class Range:
    """A range: low, central and high, in one SI unit, with where they come from."""

    low: float
    central: float
    high: float
    source: str

    def times(self, amount: float) -> Range:
        """The range times a non-negative amount."""
        return Range(self.low * amount, self.central * amount, self.high * amount, self.source)


def _per_kwh(low: float, central: float, high: float, source: str) -> Range:
    return Range(low / J_PER_KWH, central / J_PER_KWH, high / J_PER_KWH, source)


_AR5 = "IPCC AR5 WG III (2014), Annex III, table A.III.2, minimum, median and maximum"

PUBLISHED: dict[str, Range] = {
    "ipcc-ar5-pv-utility": _per_kwh(18.0, 48.0, 180.0, f"{_AR5}: solar PV, utility scale"),
    "ipcc-ar5-pv-rooftop": _per_kwh(26.0, 41.0, 60.0, f"{_AR5}: solar PV, rooftop"),
    "ipcc-ar5-wind-onshore": _per_kwh(7.0, 11.0, 56.0, f"{_AR5}: wind onshore"),
    "ipcc-ar5-wind-offshore": _per_kwh(8.0, 12.0, 35.0, f"{_AR5}: wind offshore"),
    # The study gives a range and no centre; ours is its middle.
    "ivl-2019-lithium-ion": _per_kwh(
        61.0 * G_PER_KG,
        83.5 * G_PER_KG,
        106.0 * G_PER_KG,
        "E. Emilsson and L. Dahllöf, Lithium-Ion Vehicle Battery Production, IVL report C 444, 2019: NMC",
    ),
}
"""Life-cycle carbon by name: g of CO2e per joule generated, and per joule of capacity for a battery."""


@dataclass(frozen=True)
class PerEnergy:
    """Life-cycle carbon of a plant per energy: g of CO2e per joule generated."""

    g_per_j: Range

    def carbon(self, generated_j: float, _capacity_w: float, _elapsed_s: float) -> Range:
        """Life-cycle carbon, g, that a plant's generation over some time answers for."""
        return self.g_per_j.times(generated_j)


@dataclass(frozen=True)
class PerCapacity:
    """Life-cycle carbon of a plant per rating: g of CO2e per watt installed, spread evenly over a lifetime."""

    g_per_w: Range
    lifetime_ns: int

    def carbon(self, _generated_j: float, capacity_w: float, elapsed_s: float) -> Range:
        """Life-cycle carbon, g, that a plant's capacity over some time answers for."""
        return self.g_per_w.times(capacity_w * elapsed_s * NS_PER_S / self.lifetime_ns)


@dataclass(frozen=True)
class CarbonLine:
    """Carbon of one unit on site, g: ``scope`` 1 (burned) or 3 (life cycle)."""

    unit: str
    scope: int
    carbon_g: Range


def total(lines: tuple[CarbonLine, ...], scope: int) -> Range:
    """Carbon of all lines of one scope together.

    Low and high add up as if all sources erred the same way, which is the widest range.
    """
    ends = np.array([(x.carbon_g.low, x.carbon_g.central, x.carbon_g.high) for x in lines if x.scope == scope])
    low, central, high = ends.sum(axis=0) if len(ends) else (0.0, 0.0, 0.0)
    return Range(float(low), float(central), float(high), "sum of the lines")
