"""What a price of carbon asks of a footprint, line by line: the price times the g of the scopes that it is of.

Scope 1 is what leaves the site (fuel, refrigerants), scope 2 electricity (by location or by market), scope 3 what was
made and what networks and users' devices outside the sites draw: the GHG Protocol's, as the summary tells them. So the
cost of all lines is the price times the sum of those scopes, to the rounding of floats.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.accounting.footprint import OUTSIDE_PARTS, Footprint, columns
from sim.accounting.ledger import Floats
from sim.accounting.plan import CarbonPrice


def due_at(price: CarbonPrice, site: str) -> bool:
    """Whether it is asked at a site."""
    return price.sites is None or site in price.sites


def of_energy(price: CarbonPrice, taken: Mapping[str, Floats]) -> Floats | None:
    """What it asks of what sites take, from amounts of carbon by quantity; None where it asks nothing of that."""
    asked: list[Floats] = []
    on_site = [taken[name] for name in ("scope1_g", "escaped_g") if name in taken]
    if 1 in price.scopes:
        asked += on_site
    if 2 in price.scopes and price.scope_2 in taken:
        asked += [taken[price.scope_2], *(-grams for grams in on_site)]
    return np.asarray(sum(asked) * price.per_g) if asked else None


def priced(footprint: Footprint, price: CarbonPrice | None) -> Footprint:
    """The footprint with the cost of its carbon."""
    if price is None or not len(footprint.values):
        return footprint
    values = footprint.values.copy()
    values[:, columns(["carbon_cost"])[0]] = sum(grams_due(footprint, price).values()) * price.per_g
    return Footprint(footprint.labels, values, footprint.accounts)


def grams_due(footprint: Footprint, price: CarbonPrice) -> dict[int, Floats]:
    """The g of every line (lines,) of which a price is asked, by scope: 0 where it is not due."""
    labels = footprint.labels
    outside = np.array([part in OUTSIDE_PARTS for part in labels.parts], dtype=np.bool_)
    due = np.array([due_at(price, key.site) for key in labels.keys], dtype=np.bool_)
    names = ("scope1_g", "escaped_g", price.scope_2, "embodied_g", "operational_g")
    burnt, escaped, bought, made, drawn = (footprint.column(name) for name in names)
    every = {
        1: np.where(outside, 0.0, burnt + escaped),
        2: np.where(outside, 0.0, bought - burnt - escaped),
        3: made + np.where(outside, drawn, 0.0),
    }
    return {scope: np.where(due, every[scope], 0.0) for scope in sorted(price.scopes)}
