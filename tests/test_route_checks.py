"""Mistakes in routes: told once, where they are written, before the run, and with what would mend them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.errors import InputError, Problem
from sim.units import NS_PER_S
from sim.workload.routing import Lowest, Routed, room
from tests.test_routes import Told, hourly, rows, world

TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:00:{second:02d}.0000000,50,20\n" for second in range(40)
)


def refused(scenario: dict[str, Any]) -> list[Problem]:
    """What loading it complains of."""
    with pytest.raises(InputError) as error:
        sim.load(scenario)
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (lambda s: s["routes"]["chat"].pop("lengths"), "routes.chat.lengths", "required: {kind: separate"),
        (lambda s: s.pop("duration"), "routes.chat.arrivals", "never end; give the scenario a 'duration'"),
        (
            lambda s: s["routes"]["chat"].update(arrivals={"kind": "trace", "file": "/no/trace.csv"}, lengths=None),
            "routes.chat.arrivals.file",
            "no such file",
        ),
        (
            lambda s: s["routes"]["chat"]["to"]["far"].update(latency="200 ms"),
            "workloads.far.slo.ttft",
            "within the latency of route 'chat' (200 ms)",
        ),
        (
            lambda s: s["routes"]["chat"]["to"]["far"].update(most="0.003 /s"),
            "routes.chat.to.far.most",
            "less than a request in an interval of 5 min",
        ),
    ],
)
def test_a_mistake_of_a_route_is_told_once_and_where_it_stands(change: Any, path: str, says: str) -> None:
    """Both workloads have the route's requests; neither may be blamed for them, nor both."""
    scenario = world()
    change(scenario)
    problems = refused(scenario)
    assert [problem.path for problem in problems] == [path]
    assert says in problems[0].message


def test_shares_keep_no_limit_so_that_rules_can_be_compared_by_changing_the_rule_alone() -> None:
    scenario = world()
    scenario["routes"]["chat"]["to"]["far"]["most"] = "0.01 /s"
    limited = sim.run(scenario).at("routes.chat.requests")
    assert limited["far"] == 12  # three in each of four intervals of five minutes
    shared = sim.run(scenario, set={"routes.chat.by": {"kind": "shares", "shares": {"near": 0.5, "far": 0.5}}})
    requests = shared.at("routes.chat.requests")
    assert sum(requests.values()) == sum(limited.values())
    assert requests["far"] > 12


def test_a_workload_serves_one_route() -> None:
    scenario = world()
    scenario["routes"]["talk"] = copy.deepcopy(scenario["routes"]["chat"])
    problems = refused(scenario)
    assert {problem.path for problem in problems} == {"routes.talk.to.near", "routes.talk.to.far"}
    assert all("serves route 'chat' already" in problem.message for problem in problems)


def test_routed_requests_need_a_route() -> None:
    scenario = world()
    del scenario["routes"]
    assert {problem.path for problem in refused(scenario)} == {
        f"workloads.{name}.arrivals.route" for name in ("near", "far")
    }
    assert all("there are no routes" in problem.message for problem in refused(scenario))


@pytest.mark.parametrize("nonsense", [5, None, [], ["chat"], {"chat": 5}, {"chat": {"to": []}}, {5: {}}, "chat"])
@pytest.mark.parametrize("place", ["routes", "route", "by"])
def test_nonsense_is_refused_and_not_a_crash(nonsense: Any, place: str) -> None:
    scenario = world()
    if place == "routes":
        scenario["routes"] = nonsense
    elif place == "route":
        scenario["workloads"]["far"]["arrivals"]["route"] = nonsense
    else:
        scenario["routes"]["chat"]["by"] = {"kind": "shares", "shares": nonsense}
    if place == "route" and nonsense == "chat":
        assert sim.load(scenario).scenario.routes
    else:
        assert refused(scenario)


def test_a_signal_that_a_site_lacks_is_told_by_the_check_with_its_line(
    tmp_path: Path,
) -> None:
    scenario = world(by={"kind": "lowest", "signal": "marginal", "interval": "5 min"})
    file = tmp_path / "scenario.yaml"
    with file.open("w", encoding="utf-8") as out:
        YAML().dump(scenario, out)
    line = 1 + [text.strip() for text in file.read_text(encoding="utf-8").splitlines()].index("signal: marginal")
    error = CliRunner().invoke(app, ["check", str(file)]).exception
    assert isinstance(error, InputError)  # which is exit 2
    told = [problem for problem in error.problems if "'south'" in problem.message]
    assert [(problem.line, problem.path) for problem in told] == [(line, "routes.chat.by.signal")]
    assert "has no marginal; give it, or go by what it has  (carbon, price)" in told[0].message


def test_the_files_of_a_route_are_in_the_manifest(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(TRACE, encoding="utf-8")
    scenario = world(arrivals={"kind": "trace", "file": str(file), "format": "azure"})
    del scenario["routes"]["chat"]["lengths"]
    results = sim.run(scenario)
    assert results.at("routes.chat.requests") == {"near": 0, "far": 40}
    assert str(file) in results.manifest["inputs_sha256"]
    file.unlink()  # pricing needs none of it
    again = sim.account(results, set={"sites.south.grid.intensity": "900 gCO2e/kWh"})
    assert again.at("routes") == results.at("routes")
    assert again.manifest["inputs_sha256"] == results.manifest["inputs_sha256"]


@given(st.integers(1, 500), st.integers(1, 5000))
def test_a_limit_written_as_requests_an_interval_lets_these_through(requests: int, seconds: int) -> None:
    assert room(requests / seconds, seconds * NS_PER_S) == requests


@given(
    st.lists(st.floats(0.0, 7199.0), min_size=1, max_size=80),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_no_place_takes_more_than_its_limit_while_the_other_has_room(times: list[float], here: int, there: int) -> None:
    """In each interval of ten minutes: the best takes its limit before the next takes one, and keeps what is left."""
    interval_ns = 600 * NS_PER_S
    signals = (hourly(1, 3), hourly(2, 1))
    rule = Lowest(signals, np.array([here, there]) / 600.0, interval_ns)
    taken = np.zeros((2, 12), dtype=int)
    for place in (0, 1):
        for arrival, _ in rows(Told(times, [-1] * len(times), 7), rule, place):
            taken[place, arrival // interval_ns] += 1
    for i in range(12):
        best, next_best = (0, 1) if i < 6 else (1, 0)
        room_of = {0: here, 1: there}
        asked = int(taken[:, i].sum())
        spilled = min(max(asked - room_of[best], 0), room_of[next_best])
        assert (taken[best, i], taken[next_best, i]) == (asked - spilled, spilled)


def test_a_delay_shifts_arrivals_and_nothing_else() -> None:
    source = Told([1.0, 2.0, 3.0], [-1, -1, -1], 2)
    rule = Lowest((hourly(1, 1), hourly(2, 2)), np.array([np.inf, np.inf]), NS_PER_S)
    at_once = list(Routed(source, rule, 0, 0).chunks())
    later = list(Routed(source, rule, 0, 7).chunks())
    for first, second in zip(at_once, later, strict=True):
        assert (second.arrival_ns - first.arrival_ns).tolist() == [7] * len(first)
        assert second.prompt_tokens.tolist() == first.prompt_tokens.tolist()
