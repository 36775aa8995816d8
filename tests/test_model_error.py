"""The models' own error in the headline: figures of the page on accuracy, laws of errors that add, and who has none."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from benchmarks.accuracy.ranges import FILE, errors, normal_shares
from benchmarks.accuracy.within import apart, least_chance, reach, shares_within
from sim.profiles.catalog import Catalog
from sim.report.headline import numbers
from sim.results import model_error as module
from sim.results.files import sha256
from sim.results.model_change import reach_of_change
from sim.results.model_error import (
    NODE_POWER,
    STEP_RATE,
    STEP_RATE_FSDP,
    TOKEN_ENERGY,
    TOKEN_ENERGY_ELSEWHERE,
    HeldOut,
    ModelError,
    Reach,
    Term,
    model_error,
    widened,
)
from sim.results.results import Results
from tests.small import small

ACCURACY = Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
AMOUNTS = st.floats(0.0, 1e6)


@pytest.fixture(scope="module")
def judged() -> Results:
    """A small run whose training is told to be that of a model, as a stack that was judged would train it."""
    found = sim.run(small())
    scenario = copy.deepcopy(found.scenario)
    scenario["workloads"]["tune"]["work"] = {"kind": "model", "stack": "megatron-2026"}
    return replace(found, scenario=scenario)


def held_out() -> list[HeldOut]:
    return [one for one in vars(module).values() if isinstance(one, HeldOut)]


def cells() -> list[list[str]]:
    """Rows of the tables of the page on accuracy."""
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in ACCURACY.read_text().splitlines()]


def test_every_figure_is_that_of_the_page_on_accuracy() -> None:
    before = ""
    told = {}
    for row in (row for row in cells() if len(row) == 4):
        before = before if row[0] == "the same" else row[0]
        told[before, row[1]] = row[2]
    assert len(held_out()) >= 4
    for one in held_out():
        figure = told[one.row, one.held_out].replace(";", ",").split(",")[one.column]
        assert float(figure.split("%")[0]) / 100.0 == pytest.approx(one.error)


def test_every_range_is_what_held_out_readings_tell_and_stands_on_the_page() -> None:
    told = {row[0]: row[1:] for row in cells() if len(row) == 7}
    for one in held_out():
        off, families = errors()[one.ranges]
        assert one.within == pytest.approx(reach(off, families), abs=5e-4)
        assert one.chance == pytest.approx(least_chance(families), abs=5e-3)
        count, of, low_high, held, least, normal = told[one.ranges]
        assert (count, of) == (str(len(off)), str(len({*families})))
        assert low_high == f"{100 * math.expm1(-one.within):.0f} to {100 * math.expm1(one.within):+.0f} %"
        shares = shares_within(off, families)
        assert held == f"{100 * sum(shares.values()) / len(shares):.0f} %"
        assert least.startswith(f"{100 * min(shares.values()):.0f} %, {min(shares, key=lambda name: shares[name])}")
        alike = normal_shares(off, families, one.error)
        assert normal == f"{100 * sum(alike.values()) / len(alike):.0f} %; {100 * min(alike.values()):.0f} %"


def test_what_one_source_tells_of_megatron_holds_of_the_other() -> None:
    table = pd.read_csv(FILE, comment="#")
    table = table[table["of"] == STEP_RATE.ranges]
    for source, own in table.groupby("source"):
        others = table[table["source"] != source]
        far = reach(own["log_error"].to_numpy(np.float64), own["family"].to_numpy(dtype=np.str_))
        assert (others["log_error"].abs() <= far).mean() >= 0.9, f"{source} tells too little of others"


def test_two_runs_of_a_family_are_no_nearer_to_their_ratio_than_either_to_its_own() -> None:
    """Why a change of batch or layout errs as unlike work does, though the family is one."""
    for one in (TOKEN_ENERGY, TOKEN_ENERGY_ELSEWHERE, STEP_RATE, STEP_RATE_FSDP):
        off, families = errors()[one.ranges]
        assert apart(off, families) > reach(off, families)


@given(st.lists(st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=6), min_size=2, max_size=12))
def test_a_family_not_seen_lies_within_as_often_as_promised(families: list[list[float]]) -> None:
    """Whatever readings are: of K + 1 families that might each have been the unseen one (a fact of ranks)."""
    off = np.concatenate([np.array(own) for own in families])
    names = np.concatenate([np.full(len(own), f"{at}") for at, own in enumerate(families)])
    shares = shares_within(off, names)
    known = len(families) - 1
    assert sum(shares.values()) / len(shares) >= min(0.9, known / (known + 1)) - 1e-9
    assert reach(-off, names) == reach(off, names) <= np.abs(off).max()


def test_a_range_is_of_families_not_of_how_many_readings_each_has() -> None:
    off, names = np.array([0.1, 0.2, 0.4]), np.array(["a", "a", "b"])
    assert reach(np.repeat(off, 5), np.repeat(names, 5)) == reach(off, names) == 0.4
    many = np.array([f"{at}" for at in range(19)])
    assert reach(np.arange(1.0, 20.0), many) == 18.0  # the 18th of 20, one of which is not seen
    assert apart(np.array([0.5, 0.6]), np.array(["a", "a"])) == pytest.approx(0.1)  # what both share cancels


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_independent_errors_add_as_squares(value: float, below: float, above: float, less: float, more: float) -> None:
    low, high = widened(value, value - below, value + above, Reach(less, more))
    assert (value - low) ** 2 == pytest.approx(below**2 + less**2, rel=1e-6, abs=1e-3)
    assert (high - value) ** 2 == pytest.approx(above**2 + more**2, rel=1e-6, abs=1e-3)
    assert widened(value, value, value, Reach(0.0, 0.0)) == (value, value)


def term(name: str, stack: str, kwh: float = 50.0) -> Term:
    return Term(name, stack, kwh, (HeldOut(0.1, math.log(2.0), 0.9, "", "", "", ""),), {"job": name})


def test_one_stack_errs_alike_and_two_independently() -> None:
    one, other, elsewhere = term("a", "x"), term("b", "x"), term("c", "y")
    assert ModelError((one,), ()).reach(1.0) == pytest.approx((25.0, 50.0))  # half as much, or twice
    assert ModelError((one, other), ()).reach(1.0) == pytest.approx((50.0, 100.0))
    assert ModelError((one, elsewhere), ()).reach(2.0) == pytest.approx((50.0 * 2**0.5, 100.0 * 2**0.5))
    assert ModelError((), ("a",)).reach(1.0) == (0.0, 0.0)


def test_of_a_change_the_same_work_errs_once_and_other_work_twice() -> None:
    first, less, other = (ModelError((one,), ()) for one in (term("a", "x"), term("a", "x", 40.0), term("b", "x")))
    assert reach_of_change(first, first, 1.0, 1.0) == (0.0, 0.0)
    assert reach_of_change(first, less, 1.0, 1.0) == pytest.approx((10.0, 5.0))  # 10 kWh less: at most 20 less
    assert reach_of_change(first, first, 1.0, 2.0) == pytest.approx((25.0, 50.0))  # a dirtier grid, 50 kg more
    assert reach_of_change(first, other, 1.0, 1.0) == pytest.approx((math.hypot(25.0, 50.0),) * 2)
    assert reach_of_change(first, ModelError((), ()), 1.0, 1.0) == pytest.approx((50.0, 25.0))


def test_work_that_stands_twice_in_a_run_is_one_sum() -> None:
    """Two of three equal trainings are given up: their error is that of the two, whichever they are called."""
    three, one = (ModelError(tuple(term("a", "x") for _ in range(count)), ()) for count in (3, 1))
    assert reach_of_change(three, three, 1.0, 1.0) == (0.0, 0.0)
    assert reach_of_change(three, one, 1.0, 1.0) == pytest.approx((100.0, 50.0))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), AMOUNTS), max_size=6))
def test_a_run_beside_nothing_changes_by_all_that_it_may_be_off(parts: list[tuple[str, str, float]]) -> None:
    terms = ModelError(tuple(term(name + stack, stack, kwh) for name, stack, kwh in parts), ())
    nothing = ModelError((), ())
    less, more = terms.reach(2.0)
    assert reach_of_change(nothing, terms, 1.0, 2.0) == pytest.approx((less, more))
    assert reach_of_change(terms, nothing, 2.0, 1.0) == pytest.approx((more, less))


def test_a_cap_of_the_pool_is_other_work_though_the_job_says_the_same(judged: Results) -> None:
    """A cap outside of the job's block changes what its boards do, so the model errs anew."""
    capped = copy.deepcopy(judged.scenario)
    when = {"kind": "daily", "since": "00:00", "until": "23:59"}
    capped["policies"] = [{"kind": "power-cap", "target": "dgx-a100", "cap": "250 W", "when": when}]
    less = copy.deepcopy(judged.summary)
    less["energy_kwh"]["facility"] *= 0.9
    (energy,) = sim.compare(judged, replace(judged, scenario=capped, summary=less)).model_changes[0]
    assert not energy.survives


def test_a_comparison_says_what_survives(judged: Results) -> None:
    cleaner = copy.deepcopy(judged.summary)
    cleaner["carbon_kg"]["total"] *= 0.5
    (carbon,) = sim.compare(judged, replace(judged, summary=cleaner)).model_changes[0]
    assert (carbon.path, carbon.survives) == ("carbon_kg.total", True)
    batch = copy.deepcopy(judged.scenario)
    batch["workloads"]["tune"]["work"]["micro_batch"] = 2
    slower = copy.deepcopy(judged.summary)
    slower["energy_kwh"]["facility"] *= 1.0001
    compared = sim.compare(judged, replace(judged, scenario=batch, summary=slower))
    (energy,) = compared.model_changes[0]
    assert not energy.survives
    assert energy.remark.endswith("their error alone can make this difference.")
    told = compared.as_dict()["others"][0]["with_models_error"]["energy_kwh.facility"]
    assert told["low"] < 0.0 < told["high"]


def test_it_is_of_what_the_model_decides_and_names_who_was_not_judged(judged: Results) -> None:
    found = model_error(judged)
    (term,) = found.terms
    active = judged.energy.by_owner_and_state["tune", "active"].sum() / 3.6e6
    assert (term.workload, found.unjudged) == ("tune", ("api",))
    assert term.it_kwh == pytest.approx(active)
    assert term.within == pytest.approx(math.hypot(STEP_RATE.within, NODE_POWER.within))
    jobs = {**judged.summary["jobs"], "tune": {**judged.summary["jobs"]["tune"], "unfinished": 1}}
    (cut,) = model_error(replace(judged, summary={**judged.summary, "jobs": jobs})).terms
    assert cut.errors == (NODE_POWER,)  # of a window that ends first, the rate moves no energy


def test_constants_of_ones_own_were_not_judged_whatever_they_are_called(judged: Results) -> None:
    shipped = sha256(Catalog().path("megatron-2026"))
    for told, terms in ((shipped, 1), ("another", 0)):
        hashes = {**judged.manifest["profiles_sha256"], "megatron-2026": told}
        found = model_error(replace(judged, manifest={**judged.manifest, "profiles_sha256": hashes}))
        assert len(found.terms) == terms
        assert ("tune" in found.unjudged) is (terms == 0)


def test_a_board_of_ones_own_is_another_board(judged: Results) -> None:
    """Served on what is called as the board that was judged, and says something else."""
    scenario = copy.deepcopy(judged.scenario)
    scenario["workloads"]["tune"] = {"kind": "serving", "stack": "vllm-2025"}
    board = "nvidia-h100-sxm-80gb"
    keys = tuple(key._replace(hardware=board) if key.component == "gpu" else key for key in judged.energy.keys)
    for told, error in ((sha256(Catalog().path(board)), TOKEN_ENERGY), ("another", TOKEN_ENERGY_ELSEWHERE)):
        manifest = {**judged.manifest, "profiles_sha256": {board: told}}
        run = replace(judged, scenario=scenario, manifest=manifest, energy=replace(judged.energy, keys=keys))
        assert model_error(run).terms[0].errors == (error,)


def test_the_page_has_the_range_beside_the_interval_and_says_of_what(judged: Results) -> None:
    shown = numbers(judged)
    less, more = model_error(judged).reach(1.25)  # the PUE
    facility = judged.summary["energy_kwh"]["facility"]
    told = f"{facility - less:.2f} kWh to {facility + more:.2f} kWh with the models' error (90 %)"
    assert told in shown.replace("&#x27;", "'")
    assert shown.count("with the models") == 4
    assert "by tokens/s (the model held out of the fit; 14.1 % on average)" in shown
    assert "None was judged for api." in shown
    assert "with the models" not in numbers(sim.run(small()))
