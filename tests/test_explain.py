"""``coldaisle explain``: every quantity has an origin, and what is said of a number recomputes to it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.errors import InputError
from sim.paths import joined
from sim.results.catalogue import QUANTITIES
from sim.results.catalogue.origins import ORIGINS
from sim.results.catalogue.quantity import NUMBER
from sim.results.explain.explanation import Explanation, explain, step_of
from sim.results.explain.formula import IN_BRACES, WORDS
from sim.results.explain.inputs import WEAKEST_FIRST, Inputs
from sim.results.explain.paths import asked_for, places
from sim.results.explain.run import Explained
from sim.results.explain.text import WIDTH, text_of
from sim.results.files import write
from sim.running.explain import explained, explanations

from .catalogued import leaves
from .commands import coldaisle

WORLDS: Mapping[str, Mapping[str, Any]] = {
    "bloom-training": {},
    "solar-and-battery": {"duration": "2 d", "workloads.pretrain.work.gpu_hours": 2000},
    "seattle": {},
    "flexible-training": {},
    "split-detector": {"duration": "10 min"},
    "t5-fine-tuning": {},
    "lora-one-node": {},
    "research-cluster": {"duration": "6 h", "outputs.requests": "all"},
    "chat-service": {"duration": "5 min", "outputs.requests": "all"},
    "african-water": {},
}
"""Small runs that have all that is explained: conventions, plants, batteries, sites, queues, steps, jobs, tokens."""


@pytest.fixture(scope="module", params=WORLDS)
def run(request: pytest.FixtureRequest) -> Explained:
    """A run, ready to be explained."""
    return explained(sim.run(request.param, set=dict(WORLDS[request.param])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was written."""
    path = tmp_path_factory.mktemp("explained") / "out"
    write(sim.run("seattle"), path)
    return path


def test_every_quantity_has_an_origin_and_nothing_else_has() -> None:
    assert {one.path for one in QUANTITIES} == ORIGINS.keys()
    assert all(origin.words for origin in ORIGINS.values())


def test_origins_name_what_is_there() -> None:
    """Each path in a formula is a quantity, each number beside the summary has words, and no formula is of itself."""
    known = {one.path for one in QUANTITIES}
    for path, origin in ORIGINS.items():
        for named in IN_BRACES.findall(origin.formula):
            if named.startswith("@"):
                assert named[1:].partition(".")[0] in WORDS, path
            else:
                pattern = named.removeprefix("sum ")
                assert any(fnmatchcase(one, pattern) for one in known - {path}), path


def test_everything_is_explained_and_recomputes(run: Explained) -> None:
    """Each number of the run; those that follow from others or from the ledger come out again, to rounding."""
    inputs, there = Inputs(run), places(run.summary)
    assert len(there) == sum(1 for _ in leaves(run.summary))
    again = 0
    for place in there.values():
        step = step_of(run, place, inputs)
        assert step.words
        origin = ORIGINS[place.quantity.path]
        if origin.formula or origin.columns:
            assert step.again == pytest.approx(place.value, rel=1e-9, abs=1e-9), place.path
            again += 1
    assert again >= 25


def test_the_numbers_that_are_shown_recompute_to_what_is_shown(run: Explained) -> None:
    """The formula with its numbers, as text, by nothing but arithmetic: to the digits that are shown."""
    inputs = Inputs(run)
    for place in places(run.summary).values():
        step = step_of(run, place, inputs)
        if step.numbers:
            plain = step.numbers.replace(",", "").replace(" x ", " * ")
            assert re.fullmatch(r"[-+*/() .0-9e]+", plain), step.numbers
            scale = max(map(float, re.findall(r"\d[\d.]*(?:e[-+]\d+)?", plain))) if step.additive else abs(place.value)
            assert eval(plain) == pytest.approx(place.value, rel=2e-6, abs=2e-6 * scale + 1e-12), place.path
        for term in step.terms:
            if " x " in term.product:
                numbers = re.findall(r"(?:^|[x/] )(-?[\d,.]+(?:e[-+]\d+)?)", term.product)
                value = 1.0
                for sign, number in zip("*" + "".join(re.findall(r" ([x/]) ", term.product)), numbers, strict=True):
                    found = float(number.replace(",", ""))
                    value = value / found if sign == "/" else value * found
                per_kg = 1000.0 if term.product.endswith("g/kWh") and not term.product.endswith("kg/kWh") else 1.0
                assert value / per_kg == pytest.approx(term.value, rel=2e-6), (place.path, term)


def test_distributions_are_those_of_their_rows(run: Explained) -> None:
    """Of jobs exactly; of requests as near as the sketch's buckets and its way of taking a percentile are."""
    inputs = Inputs(run)
    for place in places(run.summary).values():
        step = step_of(run, place, inputs)
        if step.distribution is not None and step.distribution.again is not None:
            assert step.distribution.least <= step.distribution.again <= step.distribution.most
            if place.keys[0] == "batch" or place.keys[-1] == "mean":
                assert step.distribution.again == pytest.approx(place.value, rel=1e-9), place.path


def test_shares_are_of_the_whole(run: Explained) -> None:
    """Whatever has inputs is known in some way, all of it, and by inputs that name their sources."""
    for path in ("energy_kwh.it", "energy_kwh.facility", "carbon_kg.operational_location", "carbon_kg.total"):
        found = explain(run, places(run.summary)[path])
        assert sum(found.shares.values()) == pytest.approx(1.0)
        assert set(found.shares) <= set(WEAKEST_FIRST)
        assert found.inputs
        assert all(one.source and one.confidence in WEAKEST_FIRST for one in found.inputs)


def test_a_total_leads_down_to_the_meters_and_up_again() -> None:
    found = _explained("seattle", "kpi.pue")
    steps = {step.path: step for step in found.steps}
    assert [*steps] == ["kpi.pue", "energy_kwh.facility", "energy_kwh.it", "energy_kwh.facility_overhead"]
    it, overhead = (
        sum(term.value for term in steps[f"energy_kwh.{name}"].terms) for name in ("it", "facility_overhead")
    )
    assert (it + overhead) / it == pytest.approx(found.place.value, rel=1e-12)


def test_a_grid_of_a_region_is_cited_and_a_stated_one_is_the_scenarios() -> None:
    of_region = {one.name: one for one in _explained("seattle", "carbon_kg.operational_location").inputs}
    assert of_region["us-states: US-WA.intensity"].confidence == "cited"
    of_number = {one.name: one for one in _explained("lora-one-node", "carbon_kg.operational_location").inputs}
    assert of_number["site.grid.intensity"].value == "380 gCO2e/kWh"
    assert of_number["site.grid.intensity"].confidence == "stated"


def test_only_numbers_that_decide_are_inputs() -> None:
    """A GPU at work in FP8 rests on no constant of FP64; one at rest on no energy of work."""
    names = {one.name for one in _explained("lora-one-node", "energy_kwh.by_component.gpu").inputs}
    assert "nvidia-h100-sxm-80gb: power.energy_per_flop.fp8" in names
    assert "nvidia-h100-sxm-80gb: power.energy_per_flop.fp64" not in names


def test_a_stated_load_is_no_constant_of_a_profile() -> None:
    found = explain_of("research-cluster", "energy_kwh.by_component.gpu")
    assert found.shares["stated"] > 0.5
    assert "workloads.research.load" in {one.name for one in found.inputs}


def explain_of(name: str, path: str) -> Explanation:
    """Of a run with its set overrides."""
    return explanations(sim.run(name, set=dict(WORLDS[name])), path)[0]


def _explained(name: str, path: str) -> Explanation:
    return explanations(sim.run(name), path)[0]


def test_it_fits_a_terminal(run: Explained) -> None:
    for path, place in places(run.summary).items():
        if len(path) <= 60 and place.quantity.kind is NUMBER:
            words = [line for line in text_of(explain(run, place)).splitlines() if len(line) > WIDTH]
            assert not [line for line in words if " " in line.strip() and "http" not in line], path


def test_wildcards_and_sites() -> None:
    summary = sim.run("african-water").summary
    site = next(iter(summary["sites"]))
    assert [place.path for place in asked_for(summary, f"sites.{site}.kpi.pue")] == [f"sites.{site}.kpi.pue"]
    assert len(asked_for(summary, "sites.*.kpi.pue")) == len(summary["sites"])
    with pytest.raises(InputError, match="stands for"):
        asked_for(summary, "*")


def test_an_unknown_path_names_the_nearest(folder: Path) -> None:
    for path, nearest in (
        ("carbon.total", "carbon_kg.total"),
        ("carbon_kg", "it holds carbon_kg.operational_location"),
        ("kpi.peu", "kpi.pue"),
        ("nonsense", "energy_kwh.*"),
        ("energy_kwh.by_component.*x", "nearest"),
    ):
        done = coldaisle("explain", str(folder), path, cwd=folder)
        assert done.returncode == 2
        assert nearest in done.stderr
        assert done.stdout == ""


def test_the_command_prints_and_gives_json(folder: Path) -> None:
    runner = CliRunner()
    text = runner.invoke(app, ["explain", str(folder), "carbon_kg.total"], catch_exceptions=False).stdout
    assert text.startswith("carbon_kg.total = ")
    assert "= carbon_kg.operational_location + carbon_kg.embodied" in text
    assert "How well it is known" in text
    told = json.loads(runner.invoke(app, ["explain", str(folder), "carbon_kg.total", "--json"]).stdout)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert told["value"] == summary["carbon_kg"]["total"]
    assert told["steps"][0]["again"] == pytest.approx(told["value"], rel=1e-12)
    several = json.loads(runner.invoke(app, ["explain", str(folder), "carbon_kg.by_component.*", "--json"]).stdout)
    assert {one["path"] for one in several} == {
        f"carbon_kg.by_component.{name}" for name in summary["carbon_kg"]["by_component"]
    }


def test_intervals_are_those_of_their_draws() -> None:
    uncertain = {"draws": 8, "seeds": 1, "over": {"site.facility.pue": {"kind": "uniform", "low": 1.1, "high": 1.3}}}
    results = sim.run("lora-one-node", set={"uncertainty": uncertain})
    run = explained(results)
    for end in ("p05", "p50", "p95"):
        place = places(results.summary)[joined(("intervals", "carbon_kg.total", end))]
        drawn = explain(run, place).steps[0].distribution
        assert drawn is not None
        assert drawn.again == pytest.approx(place.value, rel=1e-12)


@pytest.mark.parametrize("width", [60, WIDTH])
@pytest.mark.parametrize("path", ["carbon_kg.total", "kpi.pue", "energy_kwh.by_component.*"])
def test_lines_are_no_longer_than_the_terminal(
    folder: Path, path: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    done = coldaisle("explain", str(folder), path, cwd=folder)
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= width
