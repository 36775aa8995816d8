"""Networks between sites stand apart: they add to the carbon, and to no site's IT, building or indicators."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from sim.accounting.ledger import WAN
from sim.report.charts.power import power
from tests.test_places import regions
from tests.test_routes import world


def heavy(**route: Any) -> dict[str, Any]:
    """A route whose network draws as much as its machines: what counts it wrongly is far off."""
    scenario = world(**route)
    scenario["routes"]["chat"]["transfer"]["bytes_per_token"] = "50 kB"
    return scenario


def test_indicators_are_of_the_data_center() -> None:
    """CUE = CI x PUE and WUE_source = WUE + EWIF x PUE under constant signals, whatever networks draw elsewhere."""
    results = sim.run(heavy())
    assert results.at("energy_kwh.network") > 0.1 * results.at("energy_kwh.it")
    for site, kg_per_kwh in (("north", 0.4), ("south", 0.05)):
        kpi = results.at(f"sites.{site}.kpi")
        assert kpi["cue_kg_per_kwh"] == pytest.approx(kg_per_kwh * 1.25, rel=1e-12)
        assert kpi["wue_source_l_per_kwh"] == pytest.approx(1.8 + 3.1 * 1.25, rel=1e-12)
    # and the carbon of the network is in the total all the same
    network_kg = results.at("energy_kwh.network") * 0.05
    south = results.at("sites.south")
    building_kg = 0.05 * south["energy_kwh"]["facility"]
    assert south["carbon_kg"]["operational_location"] == pytest.approx(building_kg + network_kg, rel=1e-12)


def test_the_energy_of_a_service_is_that_of_its_machines() -> None:
    """What is moved, and at how many joules a byte, changes no joule a token."""
    light, dear = sim.run(world()), sim.run(heavy())
    for name in ("power_w_mean", "energy_j_per_output_token", "energy_split_kwh", "energy_of_requests_kwh"):
        assert light.at("serving.far")[name] == dear.at("serving.far")[name]
    for results in (light, dear):
        split = sum(results.at("serving.far.energy_split_kwh").values())
        assert split == pytest.approx(results.at("energy_kwh.by_workload.far"), rel=1e-12)


def test_the_chart_of_it_power_has_no_network_in_it() -> None:
    """A job's 36 TB draw 720 kWh on the way: as IT they would be ten times what its node draws."""
    moved = sim.run(regions())
    assert any(key.component == WAN for key in moved.energy.keys)
    without = copy.copy(moved)
    object.__setattr__(without, "energy", moved.energy.where(lambda key: key.component != WAN))
    assert power(moved) == power(without)


def test_carriers_emit_in_scope_3() -> None:
    """Scope 2 is of electricity that a site buys (GHG Protocol Scope 2 Guidance, 2015): here PUE x IT x intensity."""
    results = sim.run(heavy())
    network_kg = results.at("energy_kwh.network") * 0.05
    bought_kg = sum(
        kg_per_kwh * results.at(f"sites.{site}.energy_kwh.facility")
        for site, kg_per_kwh in (("north", 0.4), ("south", 0.05))
    )
    scopes = results.at("carbon_kg.scopes")
    assert scopes["scope_2_location"] == pytest.approx(bought_kg, rel=1e-12)
    assert scopes["scope_3"] == pytest.approx(results.at("carbon_kg.embodied") + network_kg, rel=1e-12)
    assert sum(scopes.values()) == pytest.approx(results.at("carbon_kg.total"), rel=1e-12)
