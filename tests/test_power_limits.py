"""Shared limits of power in a scenario: what is refused, and a run from its file to its summary."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from tests.small import small

ANSWERS = {
    "answers": [{"kind": "cap", "whom": "all", "floor": "40 %"}, {"kind": "shed", "whom": "all"}],
    "answer_time": "10 s",
    "release": {"below": "90 %", "after": "1 min"},
}


def limited(**domains: dict[str, Any]) -> dict[str, Any]:
    scenario = small()
    scenario["policies"] = [{"kind": "power-limits", "domains": copy.deepcopy(domains)}]
    return scenario


BREAKER = {
    "rating": "7 kW",
    "curve": {"kind": "electronic", "pickup": 1.05, "opens_at": 3, "after": "96 s", "at_once": 15},
    "reclose": "1 h",
}


@pytest.mark.parametrize(
    ("domains", "path", "why"),
    [
        ({"row": {"per": "row"}}, "domains.row", "does nothing"),
        ({"row": {"per": "row", "limit": "1 kW", **ANSWERS}}, "row.limit", "draw with nobody on them"),
        ({"row": {"per": "row", "limit": "3 kW", **ANSWERS}}, "row.release.below", "never be taken back"),
        ({"rack": {"per": "rack", "limit": "9 kW"}}, "rack.nodes", "rack_nodes"),
        ({"row": {"per": "row", "pools": ["dgx-a10"], "limit": "9 kW"}}, "row.pools", "did you mean 'dgx-a100'"),
        ({"gpu": {"per": "gpu", "limit": "900 W"}}, "gpu.limit", "TDP"),
        ({"gpu": {"per": "gpu", "limit": "300 W", **ANSWERS}}, "domains.gpu", "has only a 'limit'"),
        ({"row": {"per": "row", "limit": "9 kW", "answers": ANSWERS["answers"]}}, "domains.row", "'answer_time'"),
        ({"site": {"per": "site", "limit": "plant"}}, "site.limit", "fixed PUE"),
        ({"row": {"per": "row", "limit": "plant"}}, "domains.row", "only a whole 'site'"),
        (
            {"row": {"per": "row", "limit": "9 kW", "breaker": BREAKER}},
            "row.breaker.rating",
            "carries 7.35 kW",
        ),
    ],
)
def test_what_cannot_be_is_refused(domains: dict[str, Any], path: str, why: str) -> None:
    found = sim.check(limited(**domains))
    assert any(path in problem.path and why in problem.message for problem in found), found


def test_domains_that_cross_are_refused() -> None:
    scenario = limited(a={"per": "row", "nodes": 2, "limit": "9 kW"}, b={"per": "row", "nodes": 3, "limit": "9 kW"})
    scenario["cluster"]["nodes"][0]["count"] = 6
    assert any("must lie within the other" in problem.message for problem in sim.check(scenario))


def test_a_domain_of_services_alone_has_a_ladder() -> None:
    scenario = limited(row={"per": "row", "limit": "6 kW", **ANSWERS})
    assert not sim.check(scenario)
    del scenario["workloads"]["tune"]
    assert not sim.check(scenario)


@pytest.mark.parametrize(
    ("policy", "path", "why"),
    [
        ({"priorities": {"apy": 3}}, "priorities.apy", "did you mean 'api'"),
        ({"readings": "3 s"}, "readings", "no workload of kind 'serving'"),
    ],
)
def test_what_is_asked_of_nobody_is_refused(policy: dict[str, Any], path: str, why: str) -> None:
    scenario = limited(row={"per": "row", "limit": "6 kW", **ANSWERS})
    scenario["policies"][0] |= policy
    assert any(path in problem.path and why in problem.message for problem in sim.check(scenario))


def test_training_is_slowed_before_a_service_of_a_higher_priority() -> None:
    """At one priority both come down to one level; with a higher one the service is left alone while that is enough."""
    row = {"per": "row", "limit": "6.2 kW", **ANSWERS}
    together = limited(row=row)
    apart = limited(row=row)
    apart["policies"][0]["priorities"] = {"api": 10}
    alike, ranked = (sim.run(scenario).summary for scenario in (together, apart))
    assert alike["power_limits"]["workloads"].keys() == {"tune", "api"}
    assert ranked["power_limits"]["workloads"].keys() == {"tune"}
    assert ranked["serving"]["api"]["e2e_s"] == sim.run(small()).summary["serving"]["api"]["e2e_s"]
    assert alike["serving"]["api"]["e2e_s"]["mean"] > ranked["serving"]["api"]["e2e_s"]["mean"]
    assert alike["jobs"]["tune"]["makespan_s"] < ranked["jobs"]["tune"]["makespan_s"]


def test_a_training_job_is_slowed_so_that_the_row_keeps_its_limit() -> None:
    """Two nodes of 8 A100s: the job on one comes down so that the row keeps its limit, but for the answer time, and
    takes longer; the energy of the domain is that of all machines."""
    free = sim.run(small()).summary
    scenario = limited(row={"per": "row", "limit": "6.2 kW", **ANSWERS})
    scenario["policies"][0]["domains"]["row"]["answers"][0]["whom"] = "training"
    run = sim.run(scenario)
    row = run.summary["power_limits"]["domains"]["row"]
    assert row["most_w"] > 6200.0
    assert 0.0 < row["longest_over_s"] <= 10.0
    assert row["unmet"] == 0
    assert run.summary["power_limits"]["workloads"].keys() == {"tune"}
    assert run.summary["jobs"]["tune"]["makespan_s"] > free["jobs"]["tune"]["makespan_s"]
    assert row["mean_w"] * 6 * 3600.0 == pytest.approx(run.energy.energy_j.sum(), rel=1e-9)
