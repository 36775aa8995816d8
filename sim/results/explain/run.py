"""A finished run as it is explained: its summary, its ledger, the footprint that was folded from it, and its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sim.accounting.footprint import OUTSIDE_PARTS, Footprint
from sim.accounting.ledger import Ledger
from sim.accounting.metrics import it_of
from sim.accounting.plan import AccountingPlan
from sim.accounting.site import SiteAccount
from sim.results.explain.formula import Filled, filled
from sim.results.explain.paths import Place, places, value_at
from sim.units import G_PER_KG, HOUR_NS, J_PER_KWH

if TYPE_CHECKING:
    import pyarrow as pa

    from sim.profiles.catalog import Catalog


@dataclass(frozen=True, eq=False)
class Explained:
    """All that an explanation reads. ``units`` is how many functional units were delivered; ``tables`` are by the
    names that origins give them; ``scenario`` is the resolved one."""

    summary: Mapping[str, Any]
    scenario: Mapping[str, Any]
    manifest: Mapping[str, Any]
    ledger: Ledger
    footprint: Footprint
    plan: AccountingPlan
    catalog: Catalog
    units: float | None
    tables: Mapping[str, pa.Table]

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """Every value of the summary by its path."""
        return places(self.summary)

    def of(self, site: str) -> Footprint:
        """The footprint of the run, or of one of its sites."""
        return self.footprint.at(site) if site else self.footprint

    def put_in(self, formula: str, place: Place) -> Filled:
        """A formula with the numbers of the run. Raises ``KeyError`` for what is not there."""
        within = ("sites", place.site) if place.site else ()

        def look_up(how: str, keys: tuple[str, ...]) -> float:
            if how == "@":
                return self._number(keys, place.site)
            if how == "sum":
                return sum(self._all((*within, *keys)))
            whole = keys if keys[0] == "simulated_s" else (*within, *keys)
            return float(value_at(self.summary, whole))

        return filled(formula, place.names, look_up)

    def _all(self, keys: tuple[str, ...]) -> list[float]:
        at = keys.index("*")
        table = value_at(self.summary, keys[:at])
        return [float(value_at(table, (name, *keys[at + 1 :]))) for name in table]

    def _number(self, keys: tuple[str, ...], site: str) -> float:
        name, *rest = keys
        whole = self.of(site)
        accounts = [*whole.accounts.values()]
        inside = whole.inside()
        match name:
            case "outside_kg":
                return sum(whole.total("operational_g", part=part) for part in OUTSIDE_PARTS) / G_PER_KG
            case "inside_operational_kg":
                return inside.total("operational_g") / G_PER_KG
            case "inside_onsite_l" | "inside_offsite_l":
                return inside.total(name.removeprefix("inside_"))
            case "renewable_kwh" | "carbon_free_kwh" | "reused_kwh":
                return _shared_j(accounts, name.replace("_kwh", "_j")) / J_PER_KWH
            case "supplied_kwh":
                stored = sum(account.stock.supplied_j for account in accounts if account.stock is not None)
                own = inside.total("energy_j", part="it") + inside.total("energy_j", part="building")
                return (own + stored) / J_PER_KWH
            case "units":
                return self.units or 0.0
            case "metered_kwh":
                return it_of(self.ledger, rest[0]).total_j() / J_PER_KWH
            case "held_gpu_hours":
                own_gpus = it_of(self.ledger, rest[0]).where(lambda key: key.component == "gpu")
                return float(own_gpus.total_slot_ns()) / HOUR_NS
        raise KeyError(name)

    @cached_property
    def sites(self) -> Mapping[str, Mapping[str, Any]]:
        """What is written of each place, by its name, and the path at which it is written."""
        if "sites" in self.scenario:
            return dict(self.scenario["sites"])
        site = self.scenario["site"]
        return dict.fromkeys(self.plan.sites, site)

    def written_at(self, site: str) -> str:
        """The path of a site in the scenario."""
        return f"sites.{site}" if "sites" in self.scenario else "site"


def _shared_j(accounts: list[SiteAccount], share: str) -> float:
    parts = sum(float(part.sum()) for account in accounts if (part := getattr(account, share)) is not None)
    stocks = [account.stock for account in accounts if account.stock is not None]
    return parts + sum(float(stock.taken[share].sum()) for stock in stocks if share in stock.taken)
