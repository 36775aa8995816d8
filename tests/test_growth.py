"""Growth: closed forms of the years passed, and a scenario that is another year's to the last number."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.documents import Place, from_mapping
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.loading.variants import Variants
from sim.workload.growth import Compound, Law, Logistic, Reached, Table
from tests.small import small

YEARS = st.floats(1990.0, 2100.0)
LAWS = st.one_of(
    st.builds(Compound, st.floats(0.5, 3.0), st.floats(0.5, 10.0)),
    st.builds(Reached, st.floats(0.1, 100.0), st.sampled_from([1980.0, 2150.0])),
    st.builds(Logistic, st.floats(0.01, 0.99), st.floats(0.5, 10.0)),
)


@given(LAWS, YEARS)
def test_every_law_is_one_where_it_begins(law: Law, since: float) -> None:
    assert law.level(since, since) == pytest.approx(1.0)


@given(st.floats(0.5, 3.0), st.floats(0.5, 10.0), YEARS, st.floats(0.0, 20.0), st.floats(0.0, 20.0))
def test_compound_growth_has_no_memory(factor: float, years: float, since: float, a: float, b: float) -> None:
    """(1 + r)^(a + b) = (1 + r)^a (1 + r)^b: it does not matter which year it is counted from."""
    law = Compound(factor, years)
    whole = law.level(since, since + a + b)
    assert whole == pytest.approx(law.level(since, since + a) * law.level(since + a, since + a + b), rel=1e-6)


def test_published_figures_of_compound_growth() -> None:
    """24.4 times in six years is 70 % a year; doubling every three years is four times in six (closed forms)."""
    assert Reached(24.4, 2030).level(2024, 2030) == pytest.approx(24.4)
    assert Reached(24.4, 2030).level(2024, 2025) == pytest.approx(math.exp(math.log(24.4) / 6))
    assert Compound(2.0, 3.0).level(2024, 2030) == pytest.approx(4.0)
    assert Table({2024: 445, 2027: 400, 2030: 357}).level(2024, 2028.5) == pytest.approx((400 + 357) / 2 / 445)


@given(st.floats(0.001, 0.05), st.floats(0.5, 5.0), st.floats(0.0, 1.0))
def test_a_logistic_curve_begins_as_its_doubling_and_ends_at_its_ceiling(
    share: float, doubling: float, t: float
) -> None:
    law = Logistic(share, doubling)
    early = law.level(2020.0, 2020.0 + t * doubling)
    assert 2.0**t * (1.0 - 2.0 * share) <= early <= 2.0**t * (1.0 + 1e-9)
    assert law.level(2020.0, 2020.0 + 60 * doubling) == pytest.approx(1.0 / share, rel=1e-6)


def grown(year: float = 2030, **numbers: Any) -> dict[str, Any]:
    data = small()
    known: dict[str, Any] = {
        "rate": {"path": "workloads.api.arrivals.rate", "now": "0.1 /s", "times": ["adoption"]},
        "grid": {"path": "site.grid.intensity", "now": "445 gCO2e/kWh", "times": ["grid"]},
        "machines": {
            "path": "cluster.nodes.0.count",
            "now": 2,
            "times": ["adoption"],
            "over": ["chips"],
            "whole": "up",
        },
    }
    laws = {
        "adoption": {"kind": "reaches", "times": 4, "by": 2030},
        "chips": {"kind": "doubles", "every": 3},
        "grid": {"kind": "table", "values": {2024: 445, 2030: 357}},
    }
    data["growth"] = {"since": 2024, "year": year, "laws": laws, "numbers": {**known, **numbers}}
    return data


def test_numbers_are_those_of_the_year() -> None:
    loaded = sim.load(grown())
    assert loaded.scenario.workloads["api"].arrivals.rate == pytest.approx(0.4)  # type: ignore[attr-defined]
    assert loaded.resolved()["site"]["grid"]["intensity"] == "357 gCO2e/kWh"
    assert loaded.resolved()["cluster"]["nodes"][0]["count"] == 2  # 2 x 4 / 4
    assert sim.load(grown(2027)).resolved()["cluster"]["nodes"][0]["count"] == 2  # 2 x 2 / 2
    assert sim.load(grown(2025)).resolved()["workloads"]["api"]["arrivals"]["rate"] == f"{0.1 * 4 ** (1 / 6):.12g} /s"


def test_the_year_written_for_changes_nothing() -> None:
    """A scenario in the year it is written for is the scenario without growth."""
    plain, now = small(), grown(2024)
    plain["workloads"]["api"]["arrivals"]["rate"] = "0.1 /s"
    plain["site"]["grid"]["intensity"] = "445 gCO2e/kWh"
    found = {name: part for name, part in sim.run(now).summary.items() if name != "growth"}
    assert found == sim.run(plain).summary


def test_a_resolved_scenario_of_a_year_loads_back() -> None:
    first = sim.load(grown())
    assert sim.load(first.resolved()).resolved() == first.resolved()


def test_variants_grow_as_loading_does() -> None:
    """A study's points are what ``--set`` gives, whichever section changed."""
    for change in ({"growth.year": 2026}, {"workloads.api.replicas": 1}, {"growth.laws.adoption.times": 8}):
        variants = Variants(from_mapping(grown()), "<mapping>", {})
        places = dict.fromkeys(change, Place("--set", None))
        assert variants.at(change, places).resolved() == load_scenario(grown(), change).resolved()


def test_what_growth_decides_cannot_be_set_beside_it() -> None:
    told = [str(one) for one in sim.check(grown(), set={"site.grid.intensity": "57 gCO2e/kWh"})]
    decided = "is decided by growth in this scenario: change 'now' of growth.numbers.grid, or its laws"
    assert told == [f"--set: site.grid.intensity: {decided}"]
    assert not sim.check(grown(), set={"growth.numbers.grid.now": "57 gCO2e/kWh"})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"growth.year": 2031}, "tells of 2024 to 2030, and not of 2031"),
        ({"growth.numbers.rate.times": ["adopton"]}, "names the law 'adopton'"),
        ({"growth.numbers.rate.path": "site.grid.intensity"}, "is given by two numbers"),
        ({"growth.numbers.rate.path": "growth.year"}, "growth cannot change itself"),
        ({"growth.numbers.rate.path": "workloads.api.arrivals"}, "is no single number"),
        ({"growth.laws.adoption.by": 2024}, "in the year it begins"),
        ({"growth.numbers.rate.now": "soon"}, "must be a number or a quantity"),
    ],
)
def test_growth_that_cannot_be_is_refused(change: dict[str, Any], says: str) -> None:
    assert says in " ".join(str(one) for one in sim.check(grown(), set=change))


def test_electricity_grows_as_demand_over_efficiency() -> None:
    """With machines in proportion to demand, so is energy: four times as much of both."""
    flat = {"path": "cluster.nodes.0.count", "now": 2, "times": ["adoption"]}
    replicas = {"path": "workloads.api.replicas", "now": 2, "times": ["adoption"]}
    now = sim.run(grown(2024, machines={**flat, "whole": "up"}, replicas={**replicas, "whole": "up"})).summary
    then = sim.run(grown(2030, machines={**flat, "whole": "up"}, replicas={**replicas, "whole": "up"})).summary
    assert then["growth"]["laws"] == {
        "adoption": pytest.approx(4),
        "chips": pytest.approx(4),
        "grid": pytest.approx(357 / 445),
    }
    assert then["energy_kwh"]["by_workload"]["api"] / now["energy_kwh"]["by_workload"]["api"] == pytest.approx(
        4, rel=0.01
    )


@pytest.mark.parametrize(
    "law",
    [
        {"kind": "doubles", "every": 0.005},
        {"kind": "yearly", "rate": 100},
        {"kind": "yearly", "rate": -0.999999},
        {"kind": "reaches", "times": 1e12, "by": 2024.0001},
        {"kind": "reaches", "times": 1e-12, "by": 2024.0001},
    ],
)
def test_growth_beyond_all_growth_is_refused_where_it_is_written(law: dict[str, Any]) -> None:
    growth = {
        "since": 2024,
        "year": 2040,
        "laws": {"h": law},
        "numbers": {"pue": {"path": "site.facility.pue", "now": 1.2, "over": ["h"]}},
    }
    with pytest.raises(InputError, match="beyond all growth") as refused:
        load_scenario({**small(), "growth": growth})
    assert any(problem.path == "growth.laws.h" for problem in refused.value.problems)


def test_a_logistic_curve_saturates_however_fast_it_is() -> None:
    assert Logistic(0.1, 0.005).level(2024.0, 2040.0) == pytest.approx(10.0)
    assert Logistic(0.1, 0.005).level(2040.0, 2024.0) == 0.0
