"""What comes later moves nothing that was before: jobs, requests, clients, failures, hours of a grid, the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

import sim
from sim.errors import RunError
from sim.results.results import Results
from sim.units import parse_ns
from tests.any_scenario import scenarios
from tests.job_laws import POISSON, drawn, of_kind
from tests.repeats import repeats
from tests.test_laws_of_scenarios import ROUNDING

FITTED = {"kind": "fitted", "trace": "helios-2020"}
MIXED = {
    "kind": "mixture",
    "of": [
        {"share": 0.5, "run": {"kind": "lognormal", "median": "1 h", "sigma": 1}},
        {"share": 0.5, "run": {"kind": "weibull", "mean": "3 h", "shape": 0.7}},
    ],
}
JOBS = [
    of_kind(name="fitted", share=0.4, gpus=FITTED, run=FITTED)[0],
    of_kind(
        name="any",
        share=0.6,
        run=MIXED,
        gpus={"kind": "powers-of-two", "mean": 2, "most": 8},
        ends={"failed": 0.1, "cancelled": 0.2, "at": "any-instant"},
        spot=0.3,
        deadline={"share": 0.5, "low": 1, "high": 3},
        slack={"share": 0.5, "wait": "1 h"},
        elastic={"share": 0.5, "least": 0.5, "most": 2},
    )[0],
]
USERS = [{"name": "many", "share": 0.6, "users": 10, "zipf": 1}, {"name": "few", "share": 0.4, "users": 3, "zipf": 1}]


@pytest.mark.parametrize("limits", [{"kind": "none"}, {"kind": "exact"}, {"kind": "multiple", "most": 2}])
@pytest.mark.parametrize("gaps", [{}, {"kind": "gamma", "cv": 2}, {"kind": "weibull", "cv": 2}])
def test_jobs_of_a_longer_time_begin_with_those_of_a_shorter(gaps: dict[str, Any], limits: dict[str, Any]) -> None:
    """At a rate. A load that is asked for is kept by all jobs together, and so are shares of round limits."""
    pattern = {"trace": "nasa-ipsc-1993", "zone": "UTC"}
    some, more = (
        drawn(
            arrivals={**POISSON, **gaps, "until": until, "pattern": pattern}, jobs=JOBS, limits=limits, accounts=USERS
        )
        for until in ("3 d", "40 d")
    )
    columns = {name: column for name, column in vars(some).items() if isinstance(column, np.ndarray)}
    assert 1000 < 5 * len(some.submit_ns) < len(more.submit_ns)
    for name, column in columns.items():
        np.testing.assert_array_equal(column, getattr(more, name)[: len(column)], err_msg=name)


def moved_before(one: Results, other: Results, until_ns: int) -> list[Any]:
    """Rows of a ledger before an instant that say something else."""
    keys = ["start_ns", "end_ns", "site", "pool", "component", "owner", "state"]
    sums = []
    for results in (one, other):
        rows = results.ledger()
        sums.append(rows[rows["end_ns"] <= until_ns].groupby(keys)["energy_j"].sum())
    both = pd.concat(sums, axis=1, keys=["one", "other"]).fillna(0.0)
    assert len(both)
    return list(both.index[~np.isclose(both["one"], both["other"], rtol=ROUNDING, atol=1e-9)])


CUT = {  # when one of the two ends, and the bin
    "african-water": ("1 d", "1 h"),
    "campaign-beside-service": ("90 min", "15 min"),
    "disaggregated": ("30 min", "5 min"),
    "gb300-rack": ("12 min", "1 min"),
    "split-detector": ("20 s", "5 s"),
    "t5-answers": ("30 min", "5 min"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_run_that_ends_earlier_is_the_first_part_of_one_that_ends_later(name: str) -> None:
    until, bin_ = CUT[name]
    until_ns = parse_ns(until)
    some, more = (
        sim.run(name, set={"duration": f"{duration} ns", "outputs.bin": bin_}) for duration in (until_ns, 2 * until_ns)
    )
    assert moved_before(some, more, until_ns) == []


DRAWN_EVERY_NS = parse_ns("15 min")
"""What power supplies lose is that of the mean draw of a quarter of an hour, the last of which may be a part of one."""


def first_half_is_the_same(scenario: dict[str, Any]) -> None:
    """Of a scenario that ends twice as late, where it runs at all."""
    until_ns = 2 * DRAWN_EVERY_NS
    scenario = {**scenario, "duration": f"{until_ns} ns", "outputs": {"bin": "5 min"}}
    later = {**scenario, "duration": f"{2 * until_ns} ns"}
    if sim.check(scenario) or sim.check(later):
        return
    try:
        some, more = sim.run(scenario), sim.run(later)
    except RunError:
        return
    assert moved_before(some, more, until_ns) == []


def test_rounds_of_a_longer_time_begin_with_those_of_a_shorter() -> None:
    """But for the round under way at the end, which leads to nothing."""
    some, more = (sim.run("federated-fleet", set={"duration": f"{hours} h"}) for hours in (12, 24))
    assert moved_before(some, more, parse_ns("11 h")) == []


@settings(max_examples=6)
@given(scenarios(serving=False))
def test_what_comes_after_the_end_moves_nothing_in_any_scenario(scenario: dict[str, Any]) -> None:
    first_half_is_the_same(scenario)


@pytest.mark.proof
@settings(max_examples=repeats(12, nightly=100))
@given(scenarios(serving=True))
def test_what_comes_after_the_end_moves_nothing_served(scenario: dict[str, Any]) -> None:
    first_half_is_the_same(scenario)
