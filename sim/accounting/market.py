"""Market-based scope 2: contracts first, hour by hour or over the whole run, and the residual mix for what is left.

A contract matched hourly covers in each bin no more than the load there. One matched annually covers any load of the
run, up to what it delivers in all, spread over what the hourly ones left. What no contract covers is charged at the
residual mix, never at the location-based average: the contracted energy is already taken out of that mix.

Sources: GHG Protocol, "Scope 2 Guidance", 2015, chapter 6 (contracts, then residual mix) and table 6.3 (order);
Google, "24/7 Carbon-Free Energy: Methodologies and Metrics", 2021 (hourly matching, and the grid's share of the rest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.signals import Signal

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contract:
    """Power bought: ``supply`` in W over time, ``intensity`` in g/J; ``hourly`` matched bin by bin, else over the run.

    ``by_the_hour`` says whether it is known when the supply is generated; a certificate does not tell, and counts
    nothing towards energy that is carbon-free in its very hour.
    """

    supply: Signal
    intensity_g_per_j: float
    carbon_free: bool
    renewable: bool
    hourly: bool
    by_the_hour: bool


@dataclass(frozen=True)
class Market:
    """What a site has bought: contracts in the order in which they are used, and the residual mix in g/J."""

    contracts: tuple[Contract, ...]
    residual: Signal


@dataclass(frozen=True, eq=False)
class Matched:
    """What contracts come to in each bin, as arrays (n,).

    ``carbon_g`` is market-based; ``carbon_free_j`` is contracted for the hour, ``renewable_j`` claimed.
    """

    carbon_g: Floats
    carbon_free_j: Floats
    renewable_j: Floats


def match(market: Market, load_j: Floats, edges_ns: Ints, seconds: Floats) -> Matched:
    """Covers ``load_j`` (n,), the energy drawn from the grid in each bin between ``edges_ns`` (n + 1,), by contracts.

    Raises ``SignalRangeError`` where a series does not cover the bins.
    """
    left = load_j.copy()
    carbon = np.zeros_like(load_j)
    renewable = np.zeros_like(load_j)
    in_the_hour = np.zeros_like(load_j)
    hourly_first = sorted(market.contracts, key=lambda contract: not contract.hourly)
    for contract in hourly_first:
        supply_j = contract.supply.on_bins(edges_ns) * seconds
        if contract.hourly:
            used = np.minimum(left, supply_j)
        else:
            total = float(left.sum())
            used = left * min(1.0, float(supply_j.sum()) / total) if total > 0.0 else np.zeros_like(left)
        left -= used
        carbon += used * contract.intensity_g_per_j
        if contract.renewable:
            renewable += used
        if contract.carbon_free and contract.by_the_hour:
            in_the_hour += supply_j
    carbon += left * market.residual.on_bins(edges_ns)
    return Matched(carbon, np.minimum(in_the_hour, load_j), renewable)
