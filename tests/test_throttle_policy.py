"""A site that throttles: what its building carries becomes what its machines draw, and the excess is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sim
from sim.weather.records import EXTRA
from tests.plants import plant_spec
from tests.small import small
from tests.test_policies import SERVING

UPS = {
    "kind": "ups",
    "capacity": "20 kW",
    "redundancy": "N",
    "efficiency": [{"load": 0.25, "value": 0.94}, {"load": 0.5, "value": 0.96}, {"load": 1.0, "value": 0.955}],
}


def site(tmp_path: Path, design_it: str, **chain: Any) -> dict[str, Any]:
    """A small plant under a mild and steady sky."""
    steady = {"dry_bulb_c": 20, "relative_humidity": 0.5, "pressure_pa": 101325} | dict.fromkeys(EXTRA, 0)
    rows = [",".join(map(str, (month, hour, *steady.values()))) for month in range(1, 13) for hour in range(24)]
    path = tmp_path / "sky.csv"
    path.write_text("\n".join([",".join(["month", "hour_utc", *steady]), *rows]), encoding="utf-8")
    plant = plant_spec(
        "water-cooled-chiller", design_it=design_it, other="0 W", power_chain={"critical": [UPS], **chain}
    )
    weather = {"kind": "month-hours", "file": str(path), "latitude": 50.0, "longitude": 8.0}
    return {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": plant, "weather": weather}


def scenario(place: dict[str, Any], *policies: dict[str, Any]) -> dict[str, Any]:
    """Two machines, of which a job drives one."""
    data = small()
    data["workloads"].pop("api")
    return {**data, "site": place, "policies": list(policies), "outputs": {"bin": "15 min"}}


@pytest.mark.parametrize(
    ("design_it", "chain"), [("4.6 kW", {}), ("20 kW", {"feed": "6 kW"})], ids=["the cooling", "the feed"]
)
def test_a_site_that_throttles_no_longer_exceeds_what_it_carries(
    tmp_path: Path, design_it: str, chain: dict[str, Any]
) -> None:
    place = site(tmp_path, design_it, **chain)
    free = sim.run(scenario(place)).summary
    held = sim.run(scenario(place, {"kind": "throttle"})).summary
    assert free["limits_exceeded"]
    assert "throttling" not in free
    assert "limits_exceeded" not in held
    (record,) = held["throttling"]
    assert 0.0 < record["least_share"] < 1.0
    assert record["most_exceeded_w"] == 0.0
    assert record["most_wanted_w"] > record["limit_w"]
    assert held["jobs"]["tune"]["completed"] == 1
    assert held["jobs"]["tune"]["makespan_s"] > free["jobs"]["tune"]["makespan_s"]
    assert record["duration_s"] == pytest.approx(held["jobs"]["tune"]["makespan_s"], rel=1e-9)


def test_a_limit_as_written_is_what_the_machines_draw() -> None:
    data = scenario(small()["site"], {"kind": "throttle", "limit": "4.4 kW"})
    results = sim.run(data)
    (record,) = results.summary["throttling"]
    rows = results.ledger()
    first = rows[rows.end_ns == rows.end_ns.min()]
    drawn_w = first.energy_j.sum() / ((first.end_ns - first.start_ns).iloc[0] * 1e-9)
    assert record["limit_w"] == 4400.0
    assert drawn_w == pytest.approx(4400.0, abs=0.5)
    assert drawn_w <= 4400.0


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        ([{"kind": "throttle"}], "fixed PUE"),
        ([{"kind": "throttle", "limit": "5 kW", "site": "elsewhere"}], "unknown site"),
        ([{"kind": "throttle", "limit": "5 kW"}, {"kind": "throttle", "limit": "4 kW"}], "throttled twice"),
    ],
)
def test_what_cannot_be_throttled_is_refused(policies: list[dict[str, Any]], says: str) -> None:
    assert any(says in problem.message for problem in sim.check(scenario(small()["site"], *policies)))


def test_serving_is_not_throttled() -> None:
    data = scenario(small()["site"], {"kind": "throttle", "limit": "5 kW"})
    data["workloads"]["chat"] = SERVING
    assert any("give it a power cap" in problem.message for problem in sim.check(data))
