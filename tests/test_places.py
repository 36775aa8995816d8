"""A job that chooses its region: the cleanest by forecast, the transfer it pays for, and nothing lost on the way."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from sim.errors import InputError
from tests.small import small

TRANSFER = {"data": "36 TB", "bandwidth": "10 GB/s", "energy": "0.02 kWh/GB", "cost": "0.05 USD/GB"}


def regions(
    north: str = "400 gCO2e/kWh", south: str = "100 gCO2e/kWh", home: str = "a", **place: Any
) -> dict[str, Any]:
    """A job of two hours whose data lies in the north."""
    scenario = small()
    del scenario["workloads"]["api"], scenario["duration"]
    here = scenario.pop("site")
    scenario["sites"] = {"north": here, "south": copy.deepcopy(here)}
    scenario["sites"]["north"]["grid"]["intensity"] = north
    scenario["sites"]["south"]["grid"]["intensity"] = south
    scenario["cluster"]["nodes"] = [
        {"profile": "dgx-a100", "count": 1, "name": "a", "site": "north"},
        {"profile": "dgx-a100", "count": 1, "name": "b", "site": "south"},
    ]
    scenario["workloads"]["tune"]["place"] = {
        "kind": "lowest",
        "signal": "carbon",
        "pools": ["a", "b"],
        "home": home,
        "transfer": TRANSFER,
        "forecast": {"kind": "perfect"},
        **place,
    }
    return scenario


def test_a_job_goes_where_its_forecast_is_lowest_and_pays_for_the_way() -> None:
    results = sim.run(regions())
    moved = results.at("placements.tune")
    assert moved["pool"] == "b"
    assert moved["forecast_mean_per_kwh"] == pytest.approx({"a": 400.0, "b": 100.0})
    assert moved["transfer_s"] == pytest.approx(3600.0)  # 36 TB at 10 GB/s
    assert moved["network_kwh"] == pytest.approx(36_000 * 0.02)
    assert results.at("egress_cost.USD") == pytest.approx(36_000 * 0.05)
    assert results.at("jobs.tune.makespan_s") == pytest.approx(2 * 3600.0)  # counted from when its data is there
    assert results.at("energy_kwh.network") == pytest.approx(720.0, rel=1e-12)
    # the network is no site's IT and no site's building
    assert results.at("kpi.pue") == pytest.approx(1.25, rel=1e-12)
    assert results.at("energy_kwh.facility") == pytest.approx(1.25 * results.at("energy_kwh.it"), rel=1e-12)
    assert results.at("carbon_kg.by_component.wan") == pytest.approx(0.1 * 720.0, rel=1e-12)
    for group in ("by_component", "by_workload"):
        assert sum(results.at(f"carbon_kg.{group}").values()) == pytest.approx(results.at("carbon_kg.total"), rel=1e-12)
    assert sum(site["carbon_kg"]["total"] for site in results.summary["sites"].values()) == pytest.approx(
        results.at("carbon_kg.total"), rel=1e-12
    )


def test_at_home_nothing_is_moved_and_re_pricing_moves_nothing() -> None:
    stays = sim.run(regions(home="b"))
    assert stays.at("placements.tune.pool") == "b"
    assert stays.at("placements.tune.moved_gb") == 0.0
    assert "network" not in stays.summary["energy_kwh"]
    dirtier = sim.account(stays, set={"sites.south.grid.intensity": "900 gCO2e/kWh"})
    assert dirtier.at("placements.tune.pool") == "b"  # decided in the run
    assert dirtier.at("energy_kwh.it") == stays.at("energy_kwh.it")
    assert sim.run(regions("100 gCO2e/kWh", "100 gCO2e/kWh")).at("placements.tune.pool") == "a"  # of equals, the first


def test_the_same_work_is_done_wherever_it_is() -> None:
    here, there = sim.run(regions("50 gCO2e/kWh")), sim.run(regions())
    assert here.at("placements.tune.pool") == "a"
    for quantity in ("progress", "gpu_hours", "goodput"):
        assert here.at(f"jobs.tune.{quantity}") == there.at(f"jobs.tune.{quantity}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"home": "c"}, "is none of its 'pools'"),
        ({"pools": ["a", "bb"]}, "no pool with GPUs is called 'bb'; did you mean 'b'"),
        ({"signal": "marginal"}, "the grid of 'north' has no marginal"),
        ({"transfer": {**TRANSFER, "cost": "0.05 USD"}}, "not a data price"),
    ],
)
def test_a_place_that_cannot_be_chosen_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sim.run(regions(**change))


def test_a_job_has_a_pool_or_a_choice() -> None:
    scenario = regions()
    scenario["workloads"]["tune"]["pool"] = "a"
    with pytest.raises(InputError, match="give 'pool' or 'place', not both"):
        sim.load(scenario)
