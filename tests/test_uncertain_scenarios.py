"""Uncertain scenarios: intervals that follow from the physics, common draws, effects, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

import sim
from sim.errors import InputError, RunError
from sim.loading.scenario import Loaded, load_scenario
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import Calibration
from sim.report.compare import report
from sim.results.files import read, write
from sim.running.run import run_loaded
from sim.study.uncertain.draws import of_each
from sim.study.uncertain.effects import scenario_sensitivity
from sim.study.uncertain.propagate import with_intervals
from sim.study.uncertain.scenario import UncertainScenario
from tests.small import small


@dataclass(frozen=True)
class Lognormal:
    """As Johnson, Kotz, Balakrishnan have it, by mean and coefficient of variation."""

    cv: float
    mean: float

    def at(self, z: float) -> float:
        sigma = np.sqrt(np.log1p(self.cv**2))
        return float(self.mean / np.sqrt(1.0 + self.cv**2) * np.exp(sigma * z))


INTENSITY, PUE = "site.grid.intensity", "site.facility.pue"


def uncertain(over: dict[str, Any], *, draws: int = 24, seeds: int = 2, **more: Any) -> dict[str, Any]:
    data = small()
    data["uncertainty"] = {"draws": draws, "seeds": seeds, "over": over, **more}
    return data


def test_an_uncertain_intensity_is_the_same_share_of_operational_carbon_and_no_chance() -> None:
    """Operational carbon is intensity times energy: under one seed its percentiles are those of the intensity."""
    run = sim.run(uncertain({INTENSITY: {"kind": "uniform", "low": "300 gCO2e/kWh", "high": "500 gCO2e/kWh"}}, seeds=1))
    kwh = run.at("energy_kwh.facility")
    drawn = [float(str(text).split()[0]) for text in run.draws()[f"input:{INTENSITY}"]]
    found = run.summary["intervals"]["carbon_kg.operational_location"]
    for end, percentile in (("p05", 5), ("p50", 50), ("p95", 95)):
        assert found[end] == pytest.approx(np.percentile(drawn, percentile) * kwh / 1000.0)
    assert "from_chance" not in found  # one seed cannot tell
    energy = run.summary["intervals"]["energy_kwh.facility"]
    assert energy["p05"] == energy["p95"] == kwh


def test_what_only_prices_is_simulated_once_a_seed_and_chance_is_told_apart() -> None:
    run = sim.run(uncertain({INTENSITY: {"kind": "lognormal", "cv": "20 %"}}, seeds=3))
    assert run.summary["uncertainty"]["simulations"] == 2  # the run itself is the first seed's
    intervals = run.summary["intervals"]
    assert intervals["energy_kwh.it"]["from_chance"] == 1.0
    assert intervals["carbon_kg.total"]["from_parameters"] > 0.9
    assert intervals["serving.api.e2e_s.p99"]["from_parameters"] == 0.0
    assert intervals["carbon_kg.total"]["from_parameters"] + intervals["carbon_kg.total"]["from_chance"] == (
        pytest.approx(1.0)
    )


def test_what_decides_the_run_is_simulated_for_every_draw() -> None:
    over = {"workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"}}
    run = sim.run(uncertain(over, draws=8, seeds=1))
    assert run.summary["uncertainty"]["simulations"] == 8
    frame = run.draws().assign(watts=lambda f: f["input:" + next(iter(over))].str.split().str[0].astype(float))
    slope, start = np.polyfit(frame["watts"], frame["energy_kwh.it"], 1)
    # 16 GPU-hours of the job: one watt more is 16 Wh more (and power supplies lose a little beside it)
    assert slope == pytest.approx(0.016, rel=0.15)
    assert start > 0


def test_processes_share_out_draws_and_change_nothing() -> None:
    over = {
        "workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"},
        INTENSITY: {"kind": "lognormal", "cv": "20 %"},
    }
    data = uncertain(over, draws=8, seeds=2)
    alone, shared = sim.run(data), sim.run(data, workers=2)
    assert shared.summary == alone.summary
    assert shared.draws().equals(alone.draws())


@pytest.mark.parametrize(("workers", "step"), [(1, 1), (2, 2)])  # a process does a draw under both seeds
def test_whoever_watches_hears_of_every_draw(workers: int, step: int) -> None:
    over = {"workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"}}
    loaded = load_scenario(uncertain(over, draws=8, seeds=2))
    heard: list[tuple[int, int]] = []
    with_intervals(loaded, run_loaded(loaded), workers, watch=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 16) for done in range(step, 17, step)]


def _process(_summary: object) -> int:
    return os.getpid()


def test_draws_that_share_a_simulation_go_to_one_process_and_others_to_any() -> None:
    over = {
        "workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"},
        INTENSITY: {"kind": "lognormal", "cv": "20 %"},
    }
    loaded = load_scenario(uncertain(over))
    scenario = UncertainScenario(loaded)
    loads, intensities = np.repeat(np.linspace(-1.0, 1.0, 6), 4), np.tile(np.linspace(-1.0, 1.0, 4), 6)
    order = [column == INTENSITY for column in scenario.columns]
    scores = np.stack([intensities if prices else loads for prices in order], axis=1)
    (processes,) = of_each(loaded, scenario, scores, [loaded.scenario.seed], _process, 2, None)
    assert os.getpid() not in processes
    assert all(len(set(processes[i : i + 4])) == 1 for i in range(0, 24, 4))


def _refused(_summary: object) -> None:
    raise InputError.one("s.yaml", "is wrong", line=3)


def test_bad_input_found_by_a_process_is_bad_input() -> None:
    over = {"workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"}}
    loaded = load_scenario(uncertain(over, draws=8, seeds=1))
    scenario = UncertainScenario(loaded)
    with pytest.raises(InputError, match=r"s\.yaml:3: is wrong"):
        of_each(loaded, scenario, scenario.drawn()[0], scenario.seeds(), _refused, 2, None)


@pytest.mark.parametrize("made", ["InputError.one('a', 'b', line=3)", "QuantityError('no unit')"])
def test_an_error_travels_between_processes(made: str) -> None:
    """In a process of its own: libraries that other tests load teach pickle how to send any exception."""
    code = (
        "import pickle\nfrom sim.errors import InputError, QuantityError\n"
        f"error = {made}\nagain = pickle.loads(pickle.dumps(error))\n"
        "assert type(again) is type(error) and str(again) == str(error) and again.problems == error.problems"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _killed(_summary: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_of_draws_is_an_error_that_says_so() -> None:
    over = {"workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"}}
    loaded = load_scenario(uncertain(over, draws=8, seeds=1))
    scenario = UncertainScenario(loaded)
    with pytest.raises(RunError, match="a process of work was killed"):
        of_each(loaded, scenario, scenario.drawn()[0], scenario.seeds(), _killed, 2, None)


def test_pricing_anew_prices_every_draw_anew_and_simulates_none() -> None:
    law = {"kind": "lognormal", "cv": "20 %"}
    run = sim.run(uncertain({INTENSITY: law}, seeds=1))
    elsewhere = sim.account(run, set={PUE: 1.6})
    afresh = sim.run(uncertain({INTENSITY: law}, seeds=1), set={PUE: 1.6})
    for path, found in afresh.summary["intervals"].items():
        assert elsewhere.summary["intervals"][path] == pytest.approx(found, rel=1e-12), path
    assert elsewhere.draws()[f"input:{INTENSITY}"].equals(run.draws()[f"input:{INTENSITY}"])
    assert "intervals_left_out" not in elsewhere.manifest
    twice = sim.account(sim.run(uncertain({INTENSITY: law}, seeds=2)), set={PUE: 1.6})
    assert twice.summary["intervals"] == {}
    assert "need 1 simulation" in twice.manifest["intervals_left_out"]


def test_embodied_carbon_stays_within_the_range_of_its_profiles() -> None:
    data = uncertain({"embodied": {"kind": "from-profiles"}}, seeds=1, draws=100)
    del data["workloads"]["api"]  # each draw of the profiles is simulated
    run = sim.run(data)
    bounds, drawn = run.at("carbon_kg.embodied_range"), run.draws()["carbon_kg.embodied"]
    assert bounds["low"] <= drawn.min() < bounds["central"] < drawn.max() <= bounds["high"]
    # comonotone triangular draws add up to the triangular of the sums' ends: mean (low + central + high) / 3
    assert drawn.mean() == pytest.approx(sum(bounds.values()) / 3, rel=0.01)


def test_impossible_draws_are_drawn_again_and_counted() -> None:
    run = sim.run(uncertain({PUE: {"kind": "normal", "mean": 1.0, "sd": 0.1}}, draws=40, seeds=1))
    assert run.summary["uncertainty"]["refused_draws"] >= 10  # half of the first forty lies below 1
    assert run.draws()[f"input:{PUE}"].astype(float).min() >= 1.0
    with pytest.raises(RunError, match=r"facility\.pue: of 200 draws none was valid"):
        sim.run(uncertain({PUE: {"kind": "uniform", "low": 0.1, "high": 0.2}}, draws=8, seeds=1))


def test_the_same_seed_gives_the_same_draws_and_a_new_input_leaves_them_alone(tmp_path: Path) -> None:
    law = {"kind": "lognormal", "cv": "20 %"}
    first, again = sim.run(uncertain({INTENSITY: law})), sim.run(uncertain({INTENSITY: law}))
    assert first.draws().equals(again.draws())
    more = sim.run(uncertain({PUE: {"kind": "triangular", "low": 1.1, "high": 1.5}, INTENSITY: law}))
    assert more.draws()[f"input:{INTENSITY}"].equals(first.draws()[f"input:{INTENSITY}"])
    write(first, tmp_path / "run")
    assert read(tmp_path / "run").draws().equals(first.draws())


def test_compared_runs_share_their_draws() -> None:
    """Twice the PUE's overhead costs carbon in every draw, though the intensity's interval is far wider than that."""
    data = uncertain({INTENSITY: {"kind": "lognormal", "cv": "30 %"}})
    first, other = sim.run(data), sim.run(data, set={PUE: 1.30})
    found = sim.compare(first, other).intervals[0]["carbon_kg.total"]
    interval = first.summary["intervals"]["carbon_kg.total"]
    assert found.first_below == 1.0
    assert found.p05 > 0.0
    assert found.p95 - found.p05 < 0.1 * (interval["p95"] - interval["p05"])
    assert not sim.compare(first, sim.run(small())).intervals[0]
    assert "intervals" in sim.compare(first, other).as_dict()["others"][0]
    folders = ("first", "other")
    assert "90 % interval +" in report([first, other], folders=folders)
    assert "90 % interval" not in report([first, sim.run(small())], folders=folders).partition("What came of it")[0]


def calibrated(covariance: list[list[float]], draws: int = 200) -> Loaded:
    name = Catalog().node("dgx-a100").gpus.profile  # type: ignore[union-attr]
    loaded = load_scenario(uncertain({}, draws=draws) | {"uncertainty": None})
    gpu = loaded.catalog.gpu(name)
    told = Calibration(
        recordings=["a"], stack="s", fitted=[], held_out=[], errors={}, residuals={},
        constants=["idle", "loaded"], covariance=covariance,
    )  # fmt: skip
    spec = {"draws": draws, "seeds": 1, "over": {f"profiles.{name}": {"kind": "calibration"}}}
    data = uncertain({}) | {"uncertainty": spec}
    return load_scenario(data, catalog=loaded.catalog.with_profiles(gpu.model_copy(update={"calibration": told})))


def test_a_calibration_draws_its_constants_with_their_covariance() -> None:
    loaded = calibrated([[4.0, 3.0], [3.0, 9.0]])
    scenario = UncertainScenario(loaded)
    scores, refused = scenario.drawn()
    assert refused == 0
    powers = []
    for row in scores:
        drawn = scenario.at(row)
        power = drawn.catalog.gpu(drawn.catalog.node("dgx-a100").gpus.profile).power  # type: ignore[union-attr]
        powers.append((float(power.idle.value), float(power.loaded.value)))
    found = np.cov(np.array(powers).T)
    # four standard errors of a variance, sqrt(2 / n)
    np.testing.assert_allclose(found, [[4.0, 3.0], [3.0, 9.0]], rtol=4 * np.sqrt(2 / len(powers)))
    # and another profile is another simulation, though the scenario's text is the same
    assert scenario.to_simulate(scores[:2], [loaded.scenario.seed]) == 2


def test_one_at_a_time_names_the_input_that_moves_the_carbon() -> None:
    data = uncertain(
        {
            PUE: {"kind": "uniform", "low": 1.24, "high": 1.26},
            INTENSITY: {"kind": "uniform", "low": "200 gCO2e/kWh", "high": "600 gCO2e/kWh"},
            "site.water.wue": {"kind": "uniform", "low": "1 L/kWh", "high": "3 L/kWh"},
        }
    )
    found = scenario_sensitivity(load_scenario(data), "oat", "carbon_kg.total", samples=2)
    assert [effect.input for effect in found.effects] == [INTENSITY, PUE, "site.water.wue"]
    assert found.effects[-1].size == 0.0  # water emits no carbon
    # 90 % of 400 g/kWh on the energy of the facility
    kwh = sim.run(small()).at("energy_kwh.facility")
    assert found.effects[0].size == pytest.approx(0.9 * 0.4 * kwh)
    with pytest.raises(InputError, match=r"carbon_kg\.nothing"):
        scenario_sensitivity(load_scenario(data), "oat", "carbon_kg.nothing", samples=2)


def test_processes_share_out_points_of_a_sensitivity_and_change_nothing() -> None:
    over = {
        "workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"},
        INTENSITY: {"kind": "lognormal", "cv": "20 %"},
    }
    loaded = load_scenario(uncertain(over))
    heard: list[tuple[int, int]] = []
    alone, shared = (
        scenario_sensitivity(
            loaded,
            "morris",
            "carbon_kg.total",
            samples=4,
            workers=workers,
            watch=lambda done, total: heard.append((done, total)),
        )
        for workers in (1, 2)
    )
    assert shared == alone
    total = alone.evaluations
    assert heard[:total] == [(done, total) for done in range(1, total + 1)]
    # with two, points that share a simulation come back together: the load has fewer levels than there are points
    assert heard[-1] == (total, total)
    assert len(heard) - total < total


def test_correlated_inputs_count_as_one() -> None:
    """Carbon is intensity x PUE x energy. One at a time, PUE goes to where it lies on average beside the intensity."""
    laws: dict[str, Any] = {
        INTENSITY: {"kind": "lognormal", "cv": 0.1},
        PUE: {"kind": "uniform", "low": 1.1, "high": 1.3},
    }
    group: dict[str, Any] = {"paths": [INTENSITY, PUE], "correlation": 0.5}
    data = uncertain(
        {**laws, "site.water.wue": {"kind": "uniform", "low": "1 L/kWh", "high": "3 L/kWh"}}, groups=[group]
    )
    output = "carbon_kg.operational_location"
    found = scenario_sensitivity(load_scenario(data), "oat", output, samples=2)
    assert [effect.input for effect in found.effects] == [f"{INTENSITY} & {PUE}", "site.water.wue"]
    ends = [float(norm.ppf(end)) for end in (0.05, 0.95)]
    pues = [1.1 + 0.2 * float(norm.cdf(0.5 * z)) for z in ends]
    grams = [Lognormal(0.1, 400.0).at(z) for z in ends]
    kwh = sim.run(small()).at("energy_kwh.it")
    swing = kwh * (pues[1] * grams[1] - pues[0] * grams[0]) / 1000.0
    assert found.effects[0].size == pytest.approx(swing, rel=1e-6)
    both = scenario_sensitivity(load_scenario(data), "sobol", output, samples=64)
    total = both.effects[0].values
    assert abs(total["total"] - 1.0) < 1.5 * total["total_95"] < 1.0  # nothing else moves it
    assert both.effects[1].values["total"] == pytest.approx(0.0, abs=1e-9)
    group["correlation"] = "comonotone"
    assert len(scenario_sensitivity(load_scenario(data), "oat", output, samples=2).effects) == 2


def test_effects_say_which_input_reaches_the_impossible() -> None:
    data = uncertain({PUE: {"kind": "normal", "mean": 1.05, "sd": 0.1}, INTENSITY: {"kind": "lognormal", "cv": 0.1}})
    with pytest.raises(RunError, match=r"1 of 5 points .*site\.facility\.pue \(1\).*limits"):
        scenario_sensitivity(load_scenario(data), "oat", "carbon_kg.total", samples=2)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"site.grid.intensiti": {"kind": "normal", "sd": "3 gCO2e/kWh"}}, "did you mean 'intensity'"),
        ({"site.grid.intensiti": {"kind": "uniform", "low": 1, "high": 2}}, "did you mean 'intensity'"),
        ({"site.grid.carbon_free": {"kind": "normal", "sd": 0.1}}, "has no number there"),
        ({INTENSITY: {"kind": "normal", "sd": "3 kgCO2e/kWh"}}, "own unit 'gCO2e/kWh'"),
        ({INTENSITY: {"kind": "normal"}}, "one of 'sd' and 'cv'"),
        ({INTENSITY: {"kind": "normall", "cv": 0.1}}, "did you mean 'normal'"),
        ({INTENSITY: {"kind": "triangular", "low": "1 gCO2e/kWh", "high": "2 kgCO2e/kWh"}}, "must have one unit"),
        ({INTENSITY: {"kind": "triangular", "low": "1 gCO2e/kWh", "high": "2 gCO2e/kWh"}}, "give a 'mode'"),
        ({INTENSITY: {"kind": "calibration"}}, "profiles.<gpu>"),
        ({"profiles.nvidia-a100-sxm-40gb": {"kind": "calibration"}}, "no pool has a GPU"),
        ({"site": {"kind": "normal", "cv": 0.1}}, "no single number"),
    ],
)
def test_a_distribution_that_does_not_fit_is_refused(over: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        sim.run(uncertain(over))


def test_a_correlation_that_is_none_is_refused_in_one_line() -> None:
    data = uncertain({INTENSITY: {"kind": "normal", "cv": 0.1}, "site.facility.pue": {"kind": "normal", "cv": 0.01}})
    data["uncertainty"]["groups"] = [{"paths": [INTENSITY, "site.facility.pue"], "correlation": 2}]
    (found,) = sim.check(data)
    assert (found.path, found.message[:35]) == (
        "uncertainty.groups.0.correlation",
        "must be a number from -1 to 1, or '",
    )
