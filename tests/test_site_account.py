"""A site with sources of its own and a building that was made, through the whole fold: what balances, who answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

import sim
from sim.errors import InputError
from tests.plants import plant_spec
from tests.small import small

CONNECTION = {"kind": "connection", "export_limit": "0 W"}
BATTERY = {
    "kind": "battery",
    "energy": "20 kWh",
    "power": "10 kW",
    "round_trip": 0.88,
    "start": "50 %",
    "self_discharge": "0 %",
    "life": {"end_of_life": 0.7, "cycles": 6000, "calendar": "15 years"},
    "lifecycle": "ivl-2019-lithium-ion",
    "dispatch": {"kind": "self-consumption"},
}


def _site(tmp_path: Any, *units: dict[str, Any], sun: str = "0.5") -> dict[str, Any]:
    """The small scenario with own sources; the PV gives ``sun`` of its capacity in the second half of its six hours."""
    hours = "\n".join(f"2022-07-04T{h:02d}:00:00Z,{sun if h >= 3 else '0'}" for h in range(6))
    (tmp_path / "pv.csv").write_text(f"datetime_utc,share\n{hours}\n")
    scenario = small()
    output = {"file": str(tmp_path / "pv.csv"), "column": "share", "unit": "1"}
    pv = {"kind": "pv-series", "capacity": "8 kW", "output": output, "lifecycle": "ipcc-ar5-pv-utility"}
    scenario["site"]["on_site"] = [pv, CONNECTION, *units]
    return scenario


def test_what_the_sun_gives_is_not_drawn_from_the_grid(tmp_path: Any) -> None:
    plain, sunny = sim.run(small()), sim.run(_site(tmp_path, sun="0.3"))
    energy = sunny.summary["energy_kwh"]
    assert energy["facility"] == plain.at("energy_kwh.facility")
    made_kwh = 8 * 0.3 * 3  # all of it used: the load is above 2.4 kW
    assert energy["on_site_pv"] == pytest.approx(made_kwh, rel=1e-12)
    assert energy["grid_import"] == pytest.approx(energy["facility"] - energy["on_site_consumed"], rel=1e-12)
    assert sunny.at("carbon_kg.operational_location") == pytest.approx(0.4 * energy["grid_import"], rel=1e-12)
    assert sunny.at("cost.energy") == pytest.approx(0.18 * energy["grid_import"], rel=1e-12)
    made_kg = 0.048 * made_kwh  # IPCC's median for utility PV, kg/kWh: the panels are not free
    assert sunny.at("carbon_kg.embodied") - plain.at("carbon_kg.embodied") == pytest.approx(made_kg, rel=1e-9)
    for group in ("by_component", "by_workload"):
        assert sum(sunny.at(f"carbon_kg.{group}").values()) == pytest.approx(sunny.at("carbon_kg.total"), rel=1e-12)
    assert sunny.at("kpi.ref") == pytest.approx(made_kwh / energy["facility"], rel=1e-9)


def test_a_battery_balances_in_the_summary(tmp_path: Any) -> None:
    results = sim.run(_site(tmp_path, BATTERY, sun="1"))
    energy = results.summary["energy_kwh"]
    given = energy["on_site_pv"] + energy["grid_import"]
    taken = energy["facility"] + energy["battery_losses"] + energy.get("curtailed", 0.0)
    assert -10.0 <= given - taken <= 10.0  # what is in it changed by no more than it held, or had room for
    assert energy["battery_discharged"] > 0.0
    assert energy["grid_import"] < sim.run(_site(tmp_path, sun="1")).at("energy_kwh.grid_import")


def test_an_outage_without_a_generator_is_told(tmp_path: Any) -> None:
    scenario = _site(tmp_path, sun="0")
    scenario["site"]["on_site"][1] = {**CONNECTION, "outages": [{"after": "1 h", "duration": "30 min"}]}
    results = sim.run(scenario)
    (limit,) = results.at("limits_exceeded")
    assert (limit["limit"], limit["first_s"], limit["seconds"], limit["limit_kw"]) == ("supply", 3600.0, 1800.0, 0.0)
    assert results.at("energy_kwh.unserved") > 0.0
    backup = {
        "kind": "diesel",
        "capacity": "50 kW",
        "minimum_load": 0,
        "fuel": {"full": "0.27 L/kWh", "half": "0.3 L/kWh"},
    }
    scenario["site"]["on_site"].append(backup)
    backed = sim.run(scenario)
    assert "limits_exceeded" not in backed.summary
    scopes = backed.at("carbon_kg.scopes")
    assert scopes["scope_1"] > 0.0
    assert backed.at("carbon_kg.operational_location") == pytest.approx(
        scopes["scope_1"] + scopes["scope_2_location"], rel=1e-12
    )


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ({"facility": plant_spec("immersion")}, "site.weather *required by a plant"),
        (
            {
                "on_site": [
                    {
                        "kind": "pv",
                        "capacity": "1 MW",
                        "tilt": "30 deg",
                        "azimuth": "180 deg",
                        "lifecycle": "ipcc-ar5-pv-utility",
                    },
                    CONNECTION,
                ]
            },
            "pv needs the site's 'weather'",
        ),
    ],
)
def test_what_needs_weather_says_so(place: dict[str, Any], says: str) -> None:
    scenario = small()
    scenario["site"] |= place
    with pytest.raises(InputError) as refused:
        sim.load(scenario)
    assert re.search(says, "\n".join(f"{p.path} {p.message}" for p in refused.value.problems))


def test_a_building_is_spread_over_its_life_and_shared_by_energy() -> None:
    scenario = small()
    plain = sim.run(scenario)
    building = {"kind": "per-power", "carbon": "1000 kgCO2e/kW", "capacity": "20 kW", "lifetime": "50 years"}
    built = sim.account(plain, set={"accounting.embodied.building": building})
    expected = 20_000 * 6 / (50 * 365.25 * 24)
    assert built.at("carbon_kg.embodied") - plain.at("carbon_kg.embodied") == pytest.approx(expected, rel=1e-9)
    assert built.at("carbon_kg.by_component.embodied_building") == pytest.approx(expected, rel=1e-9)
    worse = sim.account(built, set={"site.facility.pue": 2})
    assert worse.at("carbon_kg.embodied") == pytest.approx(built.at("carbon_kg.embodied"), rel=1e-12)


def test_a_second_life_and_an_end_change_what_this_one_answers_for() -> None:
    base = sim.run(small())
    halved = sim.account(base, set={"accounting.embodied.second_life": {"kind": "share", "share": 0.5}})
    assert halved.at("carbon_kg.embodied") == pytest.approx(base.at("carbon_kg.embodied") / 2, rel=1e-12)
    ended = sim.account(base, set={"accounting.embodied.end_of_life": {"mass": "130 kg", "distance": "500 km"}})
    assert ended.at("carbon_kg.by_component.embodied_end_of_life") > 0.0
    end = {"mass": "130 kg", "distance": "500 km", "credit": "200 kgCO2e"}
    credited = sim.account(base, set={"accounting.embodied.end_of_life": end})
    spared = 2 * 200 * 6 / (6 * 365.25 * 24)  # two servers, six hours of six years
    assert credited.at("carbon_kg.recycling_credit_not_deducted") == pytest.approx(spared, rel=1e-9)
    assert credited.at("carbon_kg.total") == ended.at("carbon_kg.total")  # shown, never deducted
    used = sim.account(base, set={"accounting.embodied.amortization": {"kind": "use", "active_lifetime": "20000 h"}})
    assert set(used.at("carbon_kg.embodied_by_workload")) == {"api", "tune"}  # idle time is free


def test_a_bill_of_materials_takes_the_place_of_the_profile_s_range() -> None:
    base = sim.run(small())
    billed = sim.account(base, set={"accounting.embodied.nodes": "bill-of-materials"})
    low, central, high = (billed.at(f"carbon_kg.embodied_range.{end}") for end in ("low", "central", "high"))
    assert 0.0 < low < central < high
    assert central != base.at("carbon_kg.embodied")
