"""Units of a pool that draw otherwise: what is drawn, what is settled, and what calibrate tells of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.engine.metering.draws import Share, node_draws
from sim.engine.metering.unit_effects import KnownUnits, LognormalUnits, UnitEffect
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.measure.fit.from_measured_table import profile_from_table
from sim.measure.fit.unit_effects import Readings, fit_units, judged
from sim.measure.judge.measured_tables import against_table
from sim.profiles.catalog import Catalog
from sim.results.files import to_yaml
from sim.running.run import built_of
from sim.running.simulation import simulate
from tests.job_worlds import jobs_scenario
from tests.small import small
from tests.worlds import hardware

FACTORS = st.floats(0.3, 3.0)


def pool_with(effect: dict[str, Any] | None) -> dict[str, Any]:
    world = copy.deepcopy(small())
    if effect is not None:
        world["cluster"]["nodes"][0]["unit_effect"] = effect
    return world


def drawn_by(active: str, idle: str, of: str = "node", correlation: float = 0.0) -> dict[str, Any]:
    return {"kind": "lognormal", "of": of, "active": active, "idle": idle, "correlation": correlation}


@pytest.mark.parametrize("of", ["gpu", "node"])
def test_no_spread_changes_not_a_byte(of: str) -> None:
    plain, even = sim.run(pool_with(None)), sim.run(pool_with(drawn_by("0 %", "0 %", of)))
    assert even.summary == plain.summary
    assert even.energy.energy_j.tobytes() == plain.energy.energy_j.tobytes()


@given(active=FACTORS, idle=FACTORS, loads=st.lists(st.floats(50.0, 400.0), min_size=0, max_size=4))
def test_gpus_draw_their_factors_at_rest_and_above_it(active: float, idle: float, loads: list[float]) -> None:
    """Each GPU of 50 W idle that is asked for w draws 50 i + (w - 50) a; the rest of the node is untouched."""
    plain = hardware(supply=False)
    unit = UnitEffect("gpu", KnownUnits((active,) * 4, (idle,) * 4)).on(plain, np.random.default_rng(0), 0)
    shares = tuple(Share(f"w{i}", 1, "active", watts, 0.5) for i, watts in enumerate(loads))

    def watts(kind: Any, gpu: bool) -> float:
        return sum(d.watts for d in node_draws(kind, "on", shares) if (d.component == "gpu") == gpu)

    expected = sum(50.0 * idle + (w - 50.0) * active for w in loads) + (4 - len(loads)) * 50.0 * idle
    assert watts(unit, True) == pytest.approx(expected, rel=1e-12)
    assert watts(unit, False) == watts(plain, False)


@given(active=FACTORS, idle=FACTORS, load=st.floats(0.01, 1.0))
def test_a_node_as_a_whole_is_linear_in_its_factors(active: float, idle: float, load: float) -> None:
    """Without supplies all of its power is rest x idle + (power - rest) x active, whatever it does."""
    plain = hardware(supply=False)
    unit = UnitEffect("node", KnownUnits((active,), (idle,))).on(plain, np.random.default_rng(0), 0)
    shares = (Share("w", 3, "active", 300.0, load),)
    rest, working = (sum(d.watts for d in node_draws(plain, "on", held)) for held in ((), shares))
    found = sum(d.watts for d in node_draws(unit, "on", shares))
    assert found == pytest.approx(rest * idle + (working - rest) * active, rel=1e-12)
    assert sum(d.watts for d in node_draws(unit, "on", ())) == pytest.approx(rest * idle, rel=1e-12)


@pytest.mark.parametrize("of", ["gpu", "node"])
def test_the_log_and_meters_give_the_same_joules_of_units(of: str) -> None:
    """Pools of rows stay without meters, and are settled node by node with the same factors."""
    made = built_of(load_scenario(jobs_scenario()))
    effect = UnitEffect(of, LognormalUnits(0.2, 0.1, 0.5))  # type: ignore[arg-type]  # one of two words
    ledgers = [
        simulate(
            replace(made, pools=tuple(replace(pool, logged=logged, unit_effect=effect) for pool in made.pools))
        ).ledger
        for logged in (True, False)
    ]
    assert ledgers[0].keys == ledgers[1].keys
    np.testing.assert_allclose(ledgers[0].energy_j, ledgers[1].energy_j, rtol=1e-12, atol=0.0)
    assert ledgers[0].total_j() != pytest.approx(simulate(made).ledger.total_j(), rel=1e-6)


def test_pools_of_rows_with_units_have_no_meters() -> None:
    world = jobs_scenario()
    world["cluster"]["nodes"][0]["unit_effect"] = drawn_by("5 %", "5 %")
    built = built_of(load_scenario(world))
    assert all(pool.logged for pool in built.pools)
    assert built.pools[0].unit_effect == UnitEffect("node", LognormalUnits(0.05, 0.05, 0.0))


def test_units_of_another_model_are_told() -> None:
    """The world's GPUs are A100s, and the profile is of V100s; base stations do not say of which model they are."""
    [told] = load_scenario(pool_with({"kind": "profile", "profile": "v100-gemm-2022"})).remarks()
    assert told.startswith(
        "cluster.nodes.0.unit_effect: 'v100-gemm-2022' was measured on nvidia-v100, not on nvidia-a100"
    )
    assert load_scenario(pool_with({"kind": "profile", "profile": "base-stations-5g-2023"})).remarks() == []
    same = pool_with({"kind": "profile", "profile": "v100-gemm-2022"})
    same["cluster"]["nodes"][0] |= {"profile": "v100-pcie-server", "count": 8}
    del same["workloads"]["tune"]
    same["workloads"]["api"]["load"]["active"] = "200 W"
    assert load_scenario(same).remarks() == []


def test_seeds_draw_other_units_and_the_same_seed_the_same() -> None:
    def kwh(seed: int) -> float:
        return float(sim.run({**pool_with(drawn_by("20 %", "20 %")), "seed": seed}).at("energy_kwh.it"))

    assert kwh(1) == kwh(1) != kwh(2)


@settings(max_examples=20)
@given(cv=st.floats(0.01, 0.5), correlation=st.floats(-1.0, 1.0))
def test_factors_have_the_spread_that_was_asked_for(cv: float, correlation: float) -> None:
    """20,000 draws: the standard error of a coefficient of variation is some 1 % of it, wider for wide laws."""
    active, idle = LognormalUnits(cv, cv / 2, correlation).factors(np.random.default_rng(3), 0, 20_000)
    assert active.std() == pytest.approx(cv, rel=0.08)
    assert idle.std() == pytest.approx(cv / 2, rel=0.06)
    assert np.corrcoef(np.log(active), np.log(idle))[0, 1] == pytest.approx(correlation, abs=0.03)


def readings(units: int, each: int, law: LognormalUnits, noise: float, seed: int = 1) -> Readings:
    """Stations of 780 W and 564 W more, at loads drawn for each reading."""
    rng = np.random.default_rng(seed)
    active, idle = law.factors(rng, 0, units)
    unit, load = np.tile(np.arange(units), each), rng.random(units * each)
    watts = (780.0 * idle[unit] + 564.0 * active[unit] * load) * (1.0 + noise * rng.standard_normal(units * each))
    return Readings(unit.astype(np.int64), load, watts, tuple(f"bs-{i:03d}" for i in range(units)))


def test_the_law_is_recovered_from_its_units() -> None:
    """400 units of 12 readings: three standard errors of a spread are 3 / sqrt(800) = 11 % of it."""
    found = fit_units(readings(400, 12, LognormalUnits(0.15, 0.08, 0.6), 0.03))
    active, idle = np.sqrt(np.diag(found.covariance))
    assert active == pytest.approx(0.15, rel=0.15)
    assert idle == pytest.approx(0.08, rel=0.15)
    assert found.correlation == pytest.approx(0.6, abs=0.12)
    assert found.noise == pytest.approx(0.03, rel=0.05)
    assert found.idle_w == pytest.approx(780.0, rel=0.02)
    assert found.rise_w == pytest.approx(564.0, rel=0.04)


def test_noise_is_not_taken_for_units() -> None:
    """Equal units with 5 % of noise: what is left between them is far less than means of 12 readings differ by."""
    found = fit_units(readings(200, 12, LognormalUnits(0.0, 0.0, 0.0), 0.05))
    assert float(np.sqrt(found.covariance[1, 1])) < 0.006  # means of twelve would differ by 5 % / sqrt(12) = 1.4 %
    assert found.noise == pytest.approx(0.05, rel=0.05)
    assert np.abs(found.idle - 1.0).max() < 0.01


def test_units_are_drawn_towards_their_fleet_as_far_as_they_are_noisy() -> None:
    few, many = (fit_units(readings(100, each, LognormalUnits(0.1, 0.1, 0.0), 0.2)) for each in (3, 60))
    own = np.log(few.idle).std(), np.log(many.idle).std()
    assert own[0] < own[1] < 0.13


def test_knowing_the_unit_saves_what_a_published_fleet_says() -> None:
    """Chen et al. 2024 (arXiv:2406.16929): 12.75 % off without the station's identity, 4.98 % with it. The profile has
    its spreads from these two by the mean size of a normal error; here a fleet drawn by it is fitted by its earlier
    readings and predicted on its later ones, which has to give both back."""
    profile = Catalog().units("base-stations-5g-2023")
    assert profile.noise is not None
    law = LognormalUnits(float(profile.active.value), float(profile.idle.value), 1.0)
    errors = judged(readings(300, 24, law, float(profile.noise.value)), 0.3)
    assert errors is not None
    assert errors["own_unit"] == pytest.approx(0.0498, rel=0.12)
    assert errors["fleet"] == pytest.approx(0.1275, rel=0.12)


def table(path: Path, found: Readings) -> Path:
    rows = zip(found.unit.tolist(), found.load.tolist(), found.watts.tolist(), strict=True)
    path.write_text("unit,load,power_w\n" + "".join(f"{found.names[u]},{load!r},{w!r}\n" for u, load, w in rows))
    return path


def test_calibrate_writes_a_profile_that_a_pool_takes_and_validate_judges(tmp_path: Path) -> None:
    found = readings(40, 20, LognormalUnits(0.15, 0.08, 0.6), 0.03)
    csv = table(tmp_path / "stations.csv", found)
    profile, _ = profile_from_table(csv, "dgx-h100", Catalog(), "mine")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(to_yaml(profile))
    world = pool_with({"kind": "profile", "profile": "mine"})
    count = world["cluster"]["nodes"][0]["count"]
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(to_yaml({**world, "profiles": "own"}))
    by_law = sim.run(str(scenario))
    assert by_law.at("energy_kwh.it") != sim.run(small()).at("energy_kwh.it")
    assert "mine" in by_law.manifest["profiles_sha256"]
    named = [f"bs-{i:03d}" for i in range(count)]
    world["cluster"]["nodes"][0]["unit_effect"]["units"] = named
    scenario.write_text(to_yaml({**world, "profiles": "own"}))
    (pool,) = built_of(load_scenario(str(scenario))).pools
    assert pool.unit_effect is not None
    assert pool.unit_effect.law == KnownUnits(
        *(tuple(profile["units"][name][which] for name in named) for which in ("active", "idle"))
    )
    judged_by = against_table(csv, str(tmp_path / "own" / "mine.yaml"))
    assert judged_by.errors.mape < 0.03
    others = table(tmp_path / "others.csv", replace(found, names=tuple(f"x{n}" for n in found.names)))
    unknown = against_table(others, str(tmp_path / "own" / "mine.yaml"))
    assert "40 units are not in the profile" in unknown.remarks[0]
    assert unknown.errors.mape > 2 * judged_by.errors.mape


def test_one_load_gives_one_factor_for_both() -> None:
    drawn = readings(50, 10, LognormalUnits(0.1, 0.1, 1.0), 0.02)
    full = replace(drawn, load=np.ones(len(drawn.load)), watts=drawn.watts / (780.0 + 564.0 * drawn.load) * 1344.0)
    found = fit_units(full)
    assert np.array_equal(found.active, found.idle)
    assert found.covariance[0, 0] == found.covariance[0, 1] == found.covariance[1, 1]
    assert float(np.sqrt(found.covariance[0, 0])) == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        ({"kind": "profile", "profile": "nobody"}, "unknown profile 'nobody'"),
        ({"kind": "profile", "profile": "dgx-h100"}, "is a node profile where a units is needed"),
        ({"kind": "profile", "profile": "v100-gemm-2022", "units": ["a"]}, "knows no unit 'a'"),
        (drawn_by("120 %", "1 %"), "at most 1"),
        ({**drawn_by("1 %", "1 %"), "correlation": 2.0}, "less than or equal to 1|at most 1"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(effect: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        load_scenario(pool_with(effect))
    assert all(problem.path.startswith("cluster.nodes.0.unit_effect") for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("unit,load,power_w\na,0.5,100\na,0.6,110\n", "at least two units"),
        ("unit,load,power_w\na,1.5,100\n", "load is 1.5; it must be from 0 to 1"),
        ("unit,load,power_w\na,0,100\na,1,50\nb,0,100\nb,1,50\n", "no more at work than at rest"),
    ],
)
def test_a_table_that_tells_too_little_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "few.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        profile_from_table(tmp_path / "few.csv", "dgx-h100", Catalog(), "mine")


def test_tables_beside_a_trace_stand_beside_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read from another folder, a scenario means its own."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "jobs.csv").write_text("job_id,submit_s,run_s,gpus\na,0,3600,1\n")
    (tmp_path / "there" / "loads.csv").write_text("job_id,offset_s,gpu_w,cpu_load\na,0,300,0.1\n")
    world = {key: value for key, value in small().items() if key != "outputs"}
    source = {"kind": "trace", "file": "jobs.csv", "loads": "loads.csv"}
    world["workloads"] = {"rows": {"kind": "jobs", "source": source, "load": {"kind": "trace"}, "cpu_load": "trace"}}
    (tmp_path / "there" / "rows.yaml").write_text(to_yaml(world))
    monkeypatch.chdir(tmp_path)
    assert sim.check("there/rows.yaml") == ()
