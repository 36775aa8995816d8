"""The models' own error in the headline: figures of the page on accuracy, laws of errors that add, and who has none."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.report.headline import numbers
from sim.results import model_error as module
from sim.results.model_error import HeldOut, ModelError, Term, model_error, widened
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


def test_every_figure_is_that_of_the_page_on_accuracy() -> None:
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in ACCURACY.read_text().splitlines()]
    before = ""
    told = {}
    for row in (row for row in rows if len(row) == 4):
        before = before if row[0] == "the same" else row[0]
        told[before, row[1]] = row[2]
    assert len(held_out()) >= 4
    for one in held_out():
        figure = told[one.row, one.held_out].replace(";", ",").split(",")[one.column]
        assert float(figure.split("%")[0]) / 100.0 == pytest.approx(one.error)


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS)
def test_independent_errors_add_as_squares(value: float, below: float, above: float, half: float) -> None:
    low, high = widened(value, value - below, value + above, half)
    assert (value - low) ** 2 == pytest.approx(below**2 + half**2, rel=1e-6, abs=1e-3)
    assert (high - value) ** 2 == pytest.approx(above**2 + half**2, rel=1e-6, abs=1e-3)
    assert widened(value, value, value, 0.0) == (value, value)


def test_one_stack_errs_alike_and_two_independently() -> None:
    error = HeldOut(0.1, "", "", "")
    one, other, elsewhere = (Term(name, stack, 50.0, (error,)) for name, stack in (("a", "x"), ("b", "x"), ("c", "y")))
    alone = ModelError((one,), ()).half_it_kwh
    assert alone == pytest.approx(1.6448536 * math.sqrt(math.pi / 2) * 5.0)
    assert ModelError((one, other), ()).half_it_kwh == pytest.approx(2 * alone)
    assert ModelError((one, elsewhere), ()).half_it_kwh == pytest.approx(math.sqrt(2) * alone)
    assert ModelError((), ("a",)).half_it_kwh == 0.0


def test_it_is_of_what_the_model_decides_and_names_who_was_not_judged(judged: Results) -> None:
    found = model_error(judged)
    (term,) = found.terms
    active = judged.energy.by_owner_and_state["tune", "active"].sum() / 3.6e6
    assert (term.workload, found.unjudged) == ("tune", ("api",))
    assert term.it_kwh == pytest.approx(active)
    assert term.share == pytest.approx(math.hypot(0.141, 0.023))
    jobs = {**judged.summary["jobs"], "tune": {**judged.summary["jobs"]["tune"], "unfinished": 1}}
    (cut,) = model_error(replace(judged, summary={**judged.summary, "jobs": jobs})).terms
    assert cut.share == 0.023  # of a window that ends first, the rate moves no energy


def test_the_page_has_the_range_beside_the_interval_and_says_of_what(judged: Results) -> None:
    shown = numbers(judged)
    half = model_error(judged).half_it_kwh * 1.25  # the PUE
    facility = judged.summary["energy_kwh"]["facility"]
    assert f"{facility - half:.2f} kWh to {facility + half:.2f} kWh with the models' error (90 %)" in shown.replace(
        "&#x27;", "'"
    )
    assert shown.count("with the models") == 4
    assert "14.1 % of tokens/s (the model held out of the fit)" in shown
    assert "None was judged for api." in shown
    assert "with the models" not in numbers(sim.run(small()))
