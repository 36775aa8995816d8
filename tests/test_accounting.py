"""The folds: what doubles, what balances, what is never multiplied by what, and that re-pricing equals running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.profiles import Catalog
from sim.results.results import Results
from sim.units import J_PER_KWH
from tests.small import small


@pytest.fixture(scope="module")
def base() -> Results:
    """The small scenario, run once."""
    return sim.run(small())


def _flat(value: Any, path: str = "") -> dict[str, float]:
    if isinstance(value, dict):
        return {p: v for key, item in value.items() for p, v in _flat(item, f"{path}.{key}").items()}
    return {path: value} if isinstance(value, int | float) else {}


def test_the_parts_sum_to_the_totals(base: Results) -> None:
    energy, carbon, water = (base.summary[name] for name in ("energy_kwh", "carbon_kg", "water_l"))
    for group in ("by_component", "by_workload", "by_state"):
        assert sum(energy[group].values()) == pytest.approx(energy["it"], rel=1e-12)
    assert energy["facility_overhead"] == pytest.approx(0.25 * energy["it"], rel=1e-12)
    for group in ("by_component", "by_workload"):
        assert sum(carbon[group].values()) == pytest.approx(carbon["total"], rel=1e-12)
    assert carbon["total"] == pytest.approx(carbon["operational_location"] + carbon["embodied"], rel=1e-15)
    assert sum(carbon["operational_by_state"].values()) == pytest.approx(carbon["operational_location"], rel=1e-12)
    assert water["total"] == pytest.approx(water["onsite"] + water["offsite"], rel=1e-15)


def test_the_summary_agrees_with_the_ledger_s_rows(base: Results) -> None:
    rows = base.ledger()
    assert rows.energy_j.sum() / J_PER_KWH == pytest.approx(base.at("energy_kwh.it"), rel=1e-12)
    by_owner = rows.groupby("owner", observed=True).energy_j.sum() / J_PER_KWH
    assert by_owner.to_dict() == pytest.approx(base.at("energy_kwh.by_workload"), rel=1e-12)
    # two nodes of eight slots, in each of eight components, over six hours
    assert int(rows.slot_ns.sum()) == 16 * 8 * 6 * 3600 * 10**9


def test_each_quantity_follows_its_own_energy(base: Results) -> None:
    it, facility = base.at("energy_kwh.it"), base.at("energy_kwh.facility")
    assert facility == pytest.approx(1.25 * it, rel=1e-12)
    assert base.at("carbon_kg.operational_location") == pytest.approx(0.4 * facility, rel=1e-12)
    assert base.at("water_l.onsite") == pytest.approx(1.8 * it, rel=1e-12)  # IT energy: never multiplied by PUE
    assert base.at("water_l.offsite") == pytest.approx(3.1 * facility, rel=1e-12)
    assert base.at("cost.energy") == pytest.approx(0.18 * facility, rel=1e-12)
    assert base.at("kpi.wue_source_l_per_kwh") == pytest.approx(1.8 + 1.25 * 3.1, rel=1e-12)
    assert base.at("kpi.cue_kg_per_kwh") == pytest.approx(0.4 * 1.25, rel=1e-12)


def test_embodied_is_time_held_over_lifetime_and_closes(base: Results) -> None:
    """16 GPUs and 2 servers for six hours of 5 and 6 years, whoever held them, and not a gram more for a worse PUE."""
    hours = 365.25 * 24
    catalog = Catalog()
    gpu_kg = catalog.gpu("nvidia-a100-sxm-80gb").embodied.central.value / 1000
    server_kg = catalog.node("dgx-a100").embodied.central.value / 1000
    expected = 16 * gpu_kg * 6 / (5 * hours) + 2 * server_kg * 6 / (6 * hours)
    assert base.at("carbon_kg.embodied") == pytest.approx(expected, rel=1e-12)
    assert set(base.at("carbon_kg.embodied_by_workload")) == {"api", "tune", "unallocated"}
    worse = sim.account(base, set={"site.facility.pue": 2})
    assert worse.at("carbon_kg.embodied") == base.at("carbon_kg.embodied")
    tune_share = 8 * 2 / (16 * 6)  # eight GPUs for two hours, of sixteen for six
    assert base.at("carbon_kg.embodied_by_workload.tune") == pytest.approx(tune_share * expected, rel=1e-9)


def test_expected_utilisation_charges_the_users_for_everyone_s_idle_time(base: Results) -> None:
    spread = sim.account(
        base, set={"accounting.embodied.amortization": {"kind": "expected-utilisation", "utilisation": 0.5}}
    )
    before, after = (r.at("carbon_kg.embodied_by_workload") for r in (base, spread))
    assert "unallocated" not in after
    assert after["tune"] == pytest.approx(2 * before["tune"], rel=1e-12)


@settings(max_examples=20)
@given(st.floats(0.1, 10), st.floats(1, 900))
def test_scaling_the_grid_scales_operational_carbon_alone(base: Results, factor: float, intensity: float) -> None:
    one = sim.account(base, set={"site.grid.intensity": f"{intensity!r} gCO2e/kWh"})
    many = sim.account(base, set={"site.grid.intensity": f"{factor * intensity!r} gCO2e/kWh"})
    for path, value in _flat(one.summary["carbon_kg"]["operational_by_state"]).items():
        scaled = _flat(many.summary["carbon_kg"]["operational_by_state"])[path]
        assert scaled == pytest.approx(factor * value, rel=1e-12)
    assert many.summary["energy_kwh"] == one.summary["energy_kwh"]
    assert many.at("carbon_kg.embodied") == one.at("carbon_kg.embodied")


def test_doubling_the_intensity_doubles_operational_carbon_exactly(base: Results) -> None:
    double = sim.account(base, set={"site.grid.intensity": "800 gCO2e/kWh"})
    assert double.at("carbon_kg.operational_location") == 2 * base.at("carbon_kg.operational_location")


def _series(path: Path, *, hours: int, step_minutes: int = 60) -> Path:
    times = np.datetime64("2022-07-03T22:00") + np.arange(0, hours * 60, step_minutes) * np.timedelta64(1, "m")
    values = 300 + 100 * np.sin(np.arange(len(times)))
    rows = [f"{t},{v!r}" for t, v in zip(times, values.tolist(), strict=True)]
    path.write_text("\n".join(["datetime_utc,carbon_intensity", *rows]) + "\n")
    return path


def test_an_hourly_series_prices_each_hour_at_its_own_intensity(base: Results, tmp_path: Path) -> None:
    series = {"kind": "series", "file": str(_series(tmp_path / "ci.csv", hours=12)), "unit": "1 gCO2e/kWh"}
    priced = sim.account(base, set={"site.grid.intensity": series})
    rows = base.ledger()
    hour = ((rows.start_ns // (3600 * 10**9)) + 2).astype(int)  # the series begins two hours before the run
    intensity = 300 + 100 * np.sin(np.arange(12))
    expected = float((rows.energy_j * intensity[hour]).sum()) * 1.25 / J_PER_KWH / 1000
    assert priced.at("carbon_kg.operational_location") == pytest.approx(expected, rel=1e-12)
    # the same by simulating under that grid: nothing in the run depends on it
    data = small()
    data["site"]["grid"]["intensity"] = series
    run = sim.run(data)
    assert run.summary == priced.summary


def test_a_series_finer_than_the_bins_is_refused_by_account_and_met_by_run(base: Results, tmp_path: Path) -> None:
    file = _series(tmp_path / "ci.csv", hours=12, step_minutes=15)
    series = {"kind": "series", "file": str(file), "unit": "1 gCO2e/kWh"}
    with pytest.raises(InputError, match="finer outputs"):
        sim.account(base, set={"site.grid.intensity": series})
    data = small()
    data["site"]["grid"]["intensity"] = series
    assert len(sim.run(data).energy.edges_ns) == 6 * 4 + 1


@pytest.mark.parametrize("step", ["1 min", "7 min", "1 h", "5 h", "1 d"])
def test_the_reporting_interval_changes_no_energy(base: Results, step: str) -> None:
    other = sim.run(small(), set={"outputs.bin": step})
    for path, value in _flat(base.summary["energy_kwh"]).items():
        assert _flat(other.summary["energy_kwh"])[path] == pytest.approx(value, rel=1e-12)


def test_the_start_of_the_run_needs_not_fall_on_the_hour(base: Results) -> None:
    shifted = sim.run(small(), set={"start": "2022-07-04T00:17:23Z"})
    assert shifted.energy.edges_ns[1] == (3600 - 17 * 60 - 23) * 10**9
    assert shifted.at("energy_kwh.it") == pytest.approx(base.at("energy_kwh.it"), rel=1e-12)


def test_account_refuses_what_decides_the_run(base: Results) -> None:
    for path in ("workloads.tune.gpus", "seed", "cluster.nodes.0.count", "duration", "outputs.bin", "start"):
        with pytest.raises(InputError, match="run again"):
            sim.account(base, set={path: 3})


def test_what_is_not_modelled_is_absent_and_named() -> None:
    data = small()
    del data["site"]["water"], data["site"]["grid"]["price"]
    summary = sim.run(data).summary
    assert set(summary["water_l"]) == {"embodied"}  # of GPU dies, by their profiles
    assert summary["cost"] == {}
    assert "wue_l_per_kwh" not in summary["kpi"]
    named = " ".join(summary["boundary"]["not_modelled"])
    assert "on-site water" in named
    assert "energy cost" in named
    del data["site"]["facility"]
    assert any(p.path == "site.facility" for p in sim.check(data))


def test_the_functional_unit_divides_everything(base: Results) -> None:
    unit = {"of": "api", "per": "request", "count": 1000}
    priced = sim.account(base, set={"accounting.functional_unit": unit})
    requests = base.at("serving.api.completed")
    grams = base.at("carbon_kg.total") * 1000
    assert priced.at("kpi.sci_g_per_unit") == pytest.approx(grams / (requests / 1000), rel=1e-12)
    assert priced.at("kpi.sci_unit") == "1000 requests of api"


def test_negative_prices_are_real(base: Results) -> None:
    assert sim.account(base, set={"site.grid.price": "-10 USD/MWh"}).at("cost.energy") < 0


def test_compare_tells_what_is_certain_from_what_is_not(base: Results) -> None:
    cleaner = sim.account(base, set={"site.grid.intensity": "100 gCO2e/kWh"})
    comparison = sim.compare(base, cleaner)
    (change,) = comparison.carbon_changes
    assert change.decided  # the same hardware: whatever its embodied carbon is, it is the same in both
    assert change.low == pytest.approx(change.high, rel=1e-12)
    rows = {row.path: row for row in comparison.differences[0]}
    assert rows["carbon_kg.embodied"].change == 0
    assert rows["carbon_kg.by_component.gpu"].relative == pytest.approx(-0.75, rel=1e-12)
    other_hardware = sim.run(small(), set={"cluster.nodes.0.profile": "dgx-h100"})
    (change,) = sim.compare(base, other_hardware).carbon_changes
    assert change.low < change.central < change.high


@pytest.mark.parametrize("step", ["1 min", "7 min", "1 d"])
def test_a_convention_shares_its_constants_whatever_the_reporting_interval(step: str) -> None:
    """27 + 64 kW over six hours, by GPU time: tune holds 8 GPUs for two hours of the 16 x 6 GPU-hours."""
    convention = {"kind": "luccioni-2023", "infrastructure": "27 kW", "idle": "64 kW"}
    energy = sim.run(small(), set={"outputs.bin": step, "accounting.convention": convention}).summary["energy_kwh"]
    assert energy["by_state"]["idle"] == pytest.approx(91 * 6, rel=1e-12)
    assert energy["by_workload"]["tune"] == pytest.approx(91 * 6 * 16 / 96 + 16 * 0.4, rel=1e-12)
    assert energy["by_workload"]["unallocated"] == pytest.approx(91 * 6 * (96 - 16 - 24) / 96, rel=1e-12)


def test_a_finished_run_needs_its_logs_no_more(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("interval_end_utc,requests\n" + "".join(f"2022-07-04T{h:02d}:00Z,9\n" for h in range(1, 8)))
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "interval-log", "file": str(log), "within": "even"}
    results = sim.run(data)
    log.unlink()
    again = sim.account(results, set={"site.facility.pue": 1.5})
    assert again.at("energy_kwh.facility") == pytest.approx(1.5 * results.at("energy_kwh.it"), rel=1e-12)
    assert again.manifest["inputs_sha256"] == results.manifest["inputs_sha256"]


@pytest.mark.parametrize(
    ("unit", "per_unit", "name"),
    [
        ({"per": "image", "images_per_request": 4}, lambda s: 4 * s["serving"]["api"]["completed"], "image of api"),
        ({"per": "user-hour", "users": 50}, lambda _: 50 * 6, "user-hour of api"),
    ],
)
def test_other_functional_units_divide_the_same_carbon(base: Results, unit: Any, per_unit: Any, name: str) -> None:
    priced = sim.account(base, set={"accounting.functional_unit": {"of": "api", **unit}})
    grams = priced.at("carbon_kg.total") * 1000
    assert priced.at("kpi.sci_g_per_unit") == pytest.approx(grams / per_unit(base.summary), rel=1e-12)
    assert priced.at("kpi.sci_unit") == name
    del unit[next(key for key in unit if key != "per")]
    with pytest.raises(InputError, match="needs '"):
        sim.account(base, set={"accounting.functional_unit": {"of": "api", **unit}})


def test_scarcity_weighs_water_where_it_is_taken(base: Results) -> None:
    priced = sim.account(base, set={"site.water.scarcity": {"site": 10, "grid": 0.5}})
    water = priced.at("water_l")
    assert water["scarcity_weighted"] == pytest.approx(10 * water["onsite"] + 0.5 * water["offsite"], rel=1e-12)
    assert water["total"] == base.at("water_l.total")


def test_a_run_that_did_not_finish_has_no_sci_per_run() -> None:
    data = small()
    data["accounting"]["functional_unit"] = {"of": "tune", "per": "run"}
    assert "sci_g_per_unit" in sim.run(data).summary["kpi"]
    data["duration"] = "1 h"
    assert "sci_g_per_unit" not in sim.run(data).summary["kpi"]


def test_a_log_without_requests_is_still_time(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("interval_end_utc,requests\n2022-07-04T01:00Z,0\n2022-07-04T02:00Z,0\n2022-07-04T03:00Z,0\n")
    data = small()
    del data["duration"], data["workloads"]["tune"]
    data["workloads"]["api"]["arrivals"] = {"kind": "interval-log", "file": str(log), "within": "even"}
    results = sim.run(data)
    assert results.at("simulated_s") == 3 * 3600
    assert results.at("serving.api.zero_load_energy_share") == pytest.approx(1.0)
