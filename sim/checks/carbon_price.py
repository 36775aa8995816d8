"""What a price of carbon asks of a scenario: sites that are there, and contracts where it counts by them."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.validation import nearest

WHERE: KeyPath = ("accounting", "carbon_price")


def carbon_price_problems(resolved: Resolved) -> Iterator[tuple[KeyPath, str]]:
    """Every problem between the price of carbon and the sites; currencies are held together with other prices."""
    accounting = resolved.parts.accounting
    spec = accounting.carbon_price if accounting is not None else None
    if spec is None:
        return
    places = resolved.places
    for i, name in enumerate(spec.sites or ()):
        if places and name not in places:
            yield (*WHERE, "sites", i), f"unknown site '{name}'{nearest(name, places)}"
    if spec.base == "market" and places and all(place.grid.market is None for place in places.values()):
        message = "counts scope 2 by what was bought, and no site says what it did; give grid.market, or base: location"
        yield (*WHERE, "base"), message
