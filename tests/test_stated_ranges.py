"""How sure results are where a scenario does not say: drawn within what sources state, and no width is made up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.profiles.catalog import Catalog
from sim.profiles.ranges import numbers_of, ranges_of, with_numbers
from sim.report.run import report
from sim.results.files import write
from sim.results.results import Results
from sim.results.stated import Stated, stated
from sim.running.run import run_loaded, run_of
from sim.study.uncertain.propagate import propagated
from sim.study.uncertain.scenario import UncertainScenario
from tests.small import small

GPU = "profiles.nvidia-a100-sxm-80gb"
FOUR = ("energy_kwh.facility", "carbon_kg.total", "water_l.total", "cost.energy")


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def known(results: Results) -> Stated:
    return stated(results.scenario, results.manifest["profiles_sha256"], Catalog())


@pytest.fixture(scope="module")
def drawn(results: Results, known: Stated) -> dict[str, Any]:
    few = {**known.uncertainty, "draws": 8}
    found = propagated(load_scenario({**results.scenario, "uncertainty": few}), run_of(results))
    return {"intervals": found.intervals, "about": found.about}


@pytest.mark.parametrize("name", [name for name in Catalog().paths() if ranges_of(Catalog().read(name))])
def test_numbers_at_their_own_values_leave_every_profile_as_it_is(name: str) -> None:
    profile = Catalog().read(name)
    ranges = ranges_of(profile)
    assert all(one.low < one.high and one.low <= one.value <= one.high for one in ranges)
    same = with_numbers(profile, {one.path: one.value for one in ranges})
    assert {path: one.value for path, one in numbers_of(same)} == {path: one.value for path, one in numbers_of(profile)}


def test_durations_have_ranges_as_other_numbers_have() -> None:
    """They are whole numbers of nanoseconds, and no counts."""
    stack = Catalog().stack("vllm-2025")
    assert {"iteration", "layer", "launch"} <= {one.path for one in ranges_of(stack)}
    drawn = with_numbers(stack, {"iteration": 1.9e6})
    assert drawn.iteration.value == 1_900_000
    assert drawn.iteration.value.text == "1900000 ns"


def test_a_profile_that_could_not_be_is_refused() -> None:
    gpu = Catalog().gpu("nvidia-a100-sxm-80gb")
    with pytest.raises(InputError, match="idle <= loaded"):
        with_numbers(gpu, {"power.idle": float(gpu.tdp.value)})


def test_every_draw_lies_within_what_the_sources_state() -> None:
    data = {**small(), "uncertainty": {"draws": 32, "seeds": 1, "over": {GPU: {"kind": "from-profiles"}}}}
    loaded = load_scenario(data)
    scenario = UncertainScenario(loaded)
    bounds = {one.path: one for one in ranges_of(Catalog().gpu("nvidia-a100-sxm-80gb"))}
    assert scenario.columns == tuple(f"{GPU}.{path}" for path in bounds)
    seen: dict[str, list[float]] = {path: [] for path in bounds}
    for scores in scenario.drawn()[0]:
        gpu = scenario.at(scores).catalog.gpu("nvidia-a100-sxm-80gb")
        for path, one in numbers_of(gpu):
            if path in bounds:
                assert bounds[path].low <= float(one.value) <= bounds[path].high
                seen[path].append(float(one.value))
    for path, values in seen.items():  # a triangle has its mean at a third of its corners' sum
        low, value, high = bounds[path][1:]
        assert np.mean(values) == pytest.approx((low + value + high) / 3, abs=0.1 * (high - low))


def test_more_idle_watts_are_more_energy(results: Results) -> None:
    """An idle GPU of this run draws its idle power alone, so that a profile at its bounds bounds the run's energy."""
    gpu = Catalog().gpu("nvidia-a100-sxm-80gb")
    idle = next(one for one in ranges_of(gpu) if one.path == "power.idle")
    loaded = load_scenario(small())
    ends = [
        loaded.with_catalog(loaded.catalog.with_profiles(with_numbers(gpu, {"power.idle": end})))
        for end in (idle.low, idle.high)
    ]
    low, high = (run_loaded(one).at("energy_kwh.it") for one in ends)
    assert low < results.at("energy_kwh.it") < high


def test_all_four_numbers_have_an_interval_around_them(results: Results, drawn: dict[str, Any]) -> None:
    page = report(results, drawn=drawn)
    assert page.count("(90 % interval over the ranges that sources state)") == len(FOUR)
    assert "no interval" not in page
    for path in FOUR:
        assert drawn["intervals"][path]["p05"] < drawn["intervals"][path]["p95"]
    said = page.partition("Not in them: ")[2].partition("</p>")[0]
    for own in ("site.grid.intensity", "site.grid.price", "site.facility.pue", "site.water.wue", "site.water.ewif"):
        assert own in said
    assert "numbers of profiles whose sources give no range" in said
    assert "chance (one seed)" in said


def test_without_them_every_number_says_what_it_needs(results: Results, known: Stated) -> None:
    page = report(results, folder="runs/a")
    for needed in ("site.facility.pue", "site.water.wue, site.water.ewif", "site.grid.price"):
        assert f"no interval: needs ranges of {needed} and numbers of 3 profiles; see below" in page
    assert "over the range of embodied carbon alone" in page
    assert "coldaisle report runs/a --intervals" in page
    told = re.search(r"<code>(uncertainty:.*?)</code>", page, re.DOTALL)
    assert told is not None
    written = YAML(typ="safe").load(told[1])
    assert written == {"uncertainty": known.uncertainty}
    assert sim.check({**small(), **written}) == ()  # the remedy is one


def test_a_number_that_the_scenario_ranges_is_not_told_to_lack_one(results: Results) -> None:
    over = {"site.facility.pue": {"kind": "uniform", "low": 1.2, "high": 1.3}}
    scenario = {**results.scenario, "uncertainty": {"draws": 8, "seeds": 1, "over": over}}
    found = stated(scenario, results.manifest["profiles_sha256"], Catalog())
    assert "site.facility.pue" not in found.own
    assert "site.grid.intensity" in found.own


@pytest.mark.parametrize(
    ("path", "law", "told"),
    [
        ("profiles.dgx-h100", {"kind": "from-profiles"}, "rests on no profile"),
        (GPU, {"kind": "normal", "cv": "5 %"}, "nothing but 'from-profiles' and 'calibration'"),
        ("site.grid.intensity", {"kind": "from-profiles"}, "not with site.grid.intensity"),
    ],
)
def test_ranges_of_what_is_not_there_are_refused(path: str, law: dict[str, Any], told: str) -> None:
    data = {**small(), "uncertainty": {"draws": 8, "seeds": 1, "over": {path: law}}}
    with pytest.raises(InputError, match=re.escape(told)):
        UncertainScenario(load_scenario(data))


def test_the_command_computes_them_on_request(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.results.stated.DRAWS", 8)
    write(results, tmp_path / "run")
    page = tmp_path / "report.html"
    asked = ["report", str(tmp_path / "run"), "--intervals", "--workers", "1", "--out", str(page)]
    assert CliRunner().invoke(app, asked, catch_exceptions=False).exit_code == 0
    assert "over the ranges that sources state" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="one run"):
        CliRunner().invoke(app, ["report", *[str(tmp_path / "run")] * 2, "--intervals"], catch_exceptions=False)


@pytest.mark.parametrize("kind", ["chat", "training", "cluster", "site"])
def test_starters_show_intervals(kind: str) -> None:
    shipped = Path(__file__).parent.parent / "scenarios" / "starters" / f"{kind}.yaml"
    data = YAML(typ="safe").load(shipped.read_text(encoding="utf-8"))
    over = data["uncertainty"]["over"]
    assert {law["kind"] for law in over.values()} == {"from-profiles"}  # no width is made up
    assert any(path.startswith("profiles.") for path in over)
