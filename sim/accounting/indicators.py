"""The indicators of a data center (ISO/IEC 30134 and The Green Grid's), and the limits it ran into.

PUE = facility / IT (30134-2); REF = renewable / facility (30134-3); ERF = reused / facility (30134-6); CUE =
operational carbon / IT (30134-8); WUE = on-site water / IT (30134-9). ERE = (facility - reused) / IT (The Green Grid,
White Paper 29, 2010). WUE_source adds the water of the power stations. CFE 24/7 counts energy that was carbon-free in
its very hour. Where a battery stands, REF and CFE are shares of the energy supplied: what the site consumed, and what
the battery lost of the grid's energy, with what refilling it takes and without what is left in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.accounting.site import SiteAccount
from sim.accounting.stock import ROUNDING
from sim.units import J_PER_KWH, SECONDS_PER_NS, W_PER_KW


def indicators(
    energy: Mapping[str, Any], carbon: Mapping[str, Any], water: Mapping[str, Any], accounts: Sequence[SiteAccount]
) -> dict[str, float]:
    """Indicators of the sites of ``accounts`` together; empty where no IT energy was counted.

    kWh, kg and L in, as summarised. An indicator of something that one of the sites
    consumed energy for and does not model is absent.
    """
    it_kwh, facility_kwh = energy["it"], energy["facility"]
    if it_kwh == 0.0:
        return {}
    found = {"pue": facility_kwh / it_kwh, "cue_kg_per_kwh": carbon["operational_location"] / it_kwh}
    if "onsite" in water:
        found["wue_l_per_kwh"] = water["onsite"] / it_kwh
    if "total" in water:
        found["wue_source_l_per_kwh"] = water["total"] / it_kwh
    stocks = [account.stock for account in accounts if account.stock is not None]
    supplied_kwh = facility_kwh + sum(stock.supplied_j for stock in stocks) / J_PER_KWH
    for name, share, of_kwh in (
        ("erf", "reused_j", facility_kwh),
        ("ref", "renewable_j", supplied_kwh),
        ("cfe_24_7", "carbon_free_j", supplied_kwh),
    ):
        parts = [
            getattr(account, share) for account in accounts if account.stock is not None or account.facility_j.any()
        ]
        if all(part is not None for part in parts) and of_kwh > ROUNDING * facility_kwh:
            stored_j = sum(float(stock.taken[share].sum()) for stock in stocks if share in stock.taken)
            whole_j = float(sum(float(part.sum()) for part in parts)) + stored_j
            found[name] = whole_j / J_PER_KWH / of_kwh
    if "erf" in found:
        found["ere"] = facility_kwh * (1.0 - found["erf"]) / it_kwh
    return found


def exceeded_limits(site: str, account: SiteAccount, edges_ns: npt.NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Each limit that the site exceeded: first when, for how long in all, and by how much at most."""
    for exceeded in account.exceeded:
        worst = int(exceeded.demand_w.argmax())
        yield {
            "site": site,
            "limit": exceeded.limit,
            "first_s": float(edges_ns[exceeded.bins[0]]) * SECONDS_PER_NS,
            "seconds": float(account.seconds[exceeded.bins].sum()),
            "worst_s": float(edges_ns[exceeded.bins[worst]]) * SECONDS_PER_NS,
            "demand_kw": float(exceeded.demand_w[worst]) / W_PER_KW,
            "limit_kw": exceeded.limit_w / W_PER_KW,
        }
