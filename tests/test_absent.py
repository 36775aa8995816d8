"""What a run has not is told with what to give: every quantity that may be absent, and one that is only misspelt."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.results.catalogue import QUANTITIES, TABLES
from sim.results.catalogue.needs import NEEDS
from sim.results.explain.absent import needs, why_absent
from sim.results.results import Results
from sim.running.explain import explanations
from tests.commands import coldaisle
from tests.small import small
from tests.test_known_totals import BARE, priced

ALWAYS = {one.path for table in TABLES if not table.optional for one in table.quantities if one.always}


@pytest.fixture(scope="module")
def bare() -> Results:
    """A run that states as little as it can."""
    scenario = small()
    del scenario["site"]["grid"]["price"], scenario["site"]["water"]
    return sim.run(scenario)


def test_every_quantity_that_may_be_absent_says_what_it_needs() -> None:
    used = set()
    for one in QUANTITIES:
        if one.path not in ALWAYS:
            words = needs(one)
            assert words, one.path
            used.add(words)
    assert used == {*NEEDS.values()}  # and no line is for nothing


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("cost.energy", "give site.grid.price"),
        ("cost", "give site.grid.price"),
        ("cost.carbon", "give accounting.carbon_price"),
        ("cost.total", "give both site.grid.price and accounting.carbon_price"),
        ("carbon_kg.total_market", "give site.grid.market"),
        ("carbon_kg.scopes.scope_2_market", "give site.grid.market"),
        ("carbon_kg.marginal_effect", "give site.grid.marginal"),
        ("water_l.onsite", "give site.water.wue (or a plant as site.facility)"),
        ("water_l.offsite", "give site.water.ewif"),
        ("kpi.sci_g_per_unit", "give accounting.functional_unit"),
        ("kpi.ref", "give site.grid.market or site.on_site"),
        ("energy_kwh.on_site_pv", "give site.on_site"),
        ("stored_energy.grid_kwh", "give site.on_site a battery"),
        ("serving.api.goodput_share", "give workloads.NAME.slo"),
        ("project.carbon_kg", "give accounting.phases"),
        ("break_even.machines.use_s", "give accounting.break_even: true"),
        ('intervals."carbon_kg.total".p95', "give uncertainty"),
        ("jobs.tune.step.mfu", "work of kind: model"),
        ("convention.counted.total_kg", "give accounting.convention of kind: profile"),
    ],
)
def test_explain_says_which_field_to_give(path: str, says: str, bare: Results) -> None:
    with pytest.raises(InputError) as refused:
        explanations(bare, path)
    (problem,) = refused.value.problems
    assert problem.message.startswith("is not in this run: ")
    assert says in problem.message


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("cost.energy", {"site.grid.price": "0.1 USD/kWh"}),
        ("water_l.onsite", {"site.water.wue": "1.8 L/kWh"}),
        ("water_l.offsite", {"site.water.ewif": "3.1 L/kWh"}),
        ("carbon_kg.total_market", {"site.grid.market": {"residual_mix": "500 gCO2e/kWh"}}),
        ("carbon_kg.marginal_effect", {"site.grid.marginal": "600 gCO2e/kWh"}),
        ("kpi.sci_g_per_unit", {"accounting.functional_unit": {"of": "api", "per": "request"}}),
        ("cost.carbon", {"accounting.carbon_price": {"price": "50 EUR/t", "scopes": [3]}}),
        ("project.carbon_kg", {"accounting.phases": {"all": ["tune", "api"]}}),
        ("break_even.machines.use_s", {"accounting.break_even": True}),
    ],
)
def test_what_it_says_is_what_is_missing(path: str, given: dict[str, Any], bare: Results) -> None:
    """With the field that is named, the number is there."""
    words = why_absent(path, bare.summary)
    assert words is not None
    assert all(field in words for field in given)
    assert explanations(sim.account(bare, set=given), path)


def test_a_name_that_is_wrong_is_told_by_the_nearest_and_not_as_absent(bare: Results) -> None:
    for path, nearest in (("serving.apy.e2e_s.p99", "serving.api.e2e_s.p99"), ("carbon_kg.totl", "carbon_kg.total")):
        with pytest.raises(InputError, match=f"nearest: .*{nearest}"):
            explanations(bare, path)


def test_of_one_of_several_sites_it_is_that_sites_field() -> None:
    results = sim.run(priced(south=BARE))
    with pytest.raises(InputError, match=r"give sites\.south\.grid\.price"):
        explanations(results, "sites.south.cost.energy")
    with pytest.raises(InputError, match=r"south needs it, so give sites\.south\.grid\.price"):
        explanations(results, "cost.energy")
    assert explanations(results, "sites.north.cost.energy")


def test_the_command_exits_with_2_and_names_it(bare: Results, tmp_path: Any) -> None:
    from sim.results.files import write

    write(bare, tmp_path / "run")
    done = coldaisle("explain", str(tmp_path / "run"), "cost.energy", cwd=tmp_path)
    assert done.returncode == 2
    assert "give site.grid.price" in done.stderr
