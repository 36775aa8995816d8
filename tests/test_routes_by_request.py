"""One stream to different models: by shares, by the prompt's tokens or by difficulty; each request goes to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

import sim
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.study.points import Hasher
from sim.workload.routing import Limits, Routed
from sim.workload.traces import read_trace
from tests.test_routes import Told, rows, streams, world

BY_SIZE = {"kind": "prompt-tokens", "up_to": {"near": 100}, "beyond": "far"}


def one_site(**route: Any) -> dict[str, Any]:
    """A small and a large model on the two servers of one site; nothing is moved, and nobody is far."""
    scenario = world()
    scenario["site"] = scenario.pop("sites")["north"]
    for pool in scenario["cluster"]["nodes"]:
        del pool["site"]
    for name in ("transfer", "home"):
        del scenario["routes"]["chat"][name]
    scenario["routes"]["chat"] |= {
        "to": {"near": {}, "far": {}},
        "by": {"kind": "shares", "shares": {"near": 0.75, "far": 0.25}},
        **route,
    }
    scenario["workloads"]["far"] |= {"model": "llama-3.1-70b", "slo": {"ttft": "2 s"}}
    scenario["workloads"]["far"]["replicas"] = {"count": 1, "pool": "b", "tensor_parallel": 4}
    return scenario


def uniform_prompts() -> dict[str, Any]:
    """Prompts of 1 to 200 tokens, equally likely."""
    output = {"kind": "constant", "tokens": 5}
    return {"kind": "separate", "prompt": {"kind": "uniform", "low": 1, "high": 200}, "output": output}


def test_a_small_and_a_large_model_share_a_stream_at_one_site() -> None:
    results = sim.run(one_site())
    requests = results.at("routes.chat.requests")
    arrived = sum(requests.values())
    assert arrived == results.at("serving.near.requests") + results.at("serving.far.requests")
    # binomial: 1,200 requests of which a quarter; 4.5 standard deviations
    assert abs(requests["far"] / arrived - 0.25) < 4.5 * (0.25 * 0.75 / arrived) ** 0.5
    assert "moved_gb" not in results.summary["routes"]["chat"]
    assert "egress_cost" not in results.summary
    assert "network" not in results.summary["energy_kwh"]
    assert results.at("routes.chat.ttft_s.near") == pytest.approx(results.at("serving.near.ttft_s.mean"), rel=1e-9)
    assert sim.account(results, set={"site.grid.price": "0.2 USD/kWh"}).at("routes") == results.at("routes")


def test_a_transfer_moves_only_what_leaves_the_site() -> None:
    transfer = {"bytes_per_token": "8 B", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"}
    results = sim.run(one_site(home="near", transfer=transfer))
    assert results.at("routes.chat.requests.far") > 0
    assert results.at("routes.chat.moved_gb") == 0.0
    assert results.at("routes.chat.moved_share") == 0.0
    assert results.at("egress_cost.USD") == 0.0


def test_sites_apart_need_no_transfer_either() -> None:
    scenario = world(by={"kind": "shares", "shares": {"near": 0.5, "far": 0.5}})
    for name in ("transfer", "home"):
        del scenario["routes"]["chat"][name]
    requests = sim.run(scenario).at("routes.chat.requests")
    assert min(requests.values()) > 0


@given(streams(), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_by_size_is_exact_however_the_stream_is_cut(
    stream: tuple[list[float], list[int]], limit: int, cut: int, other: int, stay: bool
) -> None:
    """The stream's prompts are 1, 2, 3 and so on, so a limit of n sends n to the first place."""
    times, sessions = stream
    rule = Limits(np.array([float(limit)]), np.array([1, 0]), "prompt-tokens", stay)
    large, small = (rows(Told(times, sessions, cut), rule, place) for place in (0, 1))
    assert sorted(prompt for _, prompt in large + small) == list(range(1, len(times) + 1))
    assert rows(Told(times, sessions, other), rule, 0) == large
    if not stay:
        assert sorted(prompt for _, prompt in small) == list(range(1, min(limit, len(times)) + 1))
        return
    places: dict[int, set[int]] = {}
    for place in (0, 1):
        for chunk in Routed(Told(times, sessions, cut), rule, place, 0).chunks():
            for session in chunk.session[chunk.session >= 0].tolist():
                places.setdefault(session, set()).add(place)
    assert all(len(where) == 1 for where in places.values())


def test_by_size_through_a_run() -> None:
    results = sim.run(one_site(by=BY_SIZE, lengths=uniform_prompts()), set={"outputs.requests": "all"})
    table = results.requests()
    small, large = (table[table["workload"] == name]["prompt_tokens"] for name in ("near", "far"))
    assert small.max() <= 100 < large.min()
    assert results.at("routes.chat.requests.near") == results.at("serving.near.requests")


def test_three_limits_send_each_size_to_its_own_place() -> None:
    rule = Limits(np.array([10.0, 20.0]), np.array([2, 0, 1]), "prompt-tokens", False)
    by_place = [
        [prompt for _, prompt in rows(Told([float(i) for i in range(30)], [-1] * 30, 7), rule, place)]
        for place in range(3)
    ]
    assert by_place == [list(range(11, 21)), list(range(21, 31)), list(range(1, 11))]


def test_difficulties_drawn_split_as_their_distribution_says() -> None:
    """The share that a limit holds is the distribution's there: Beta(2, 5) up to 0.3, and a uniform's 0.3."""
    for law, share in (
        ({"kind": "beta", "alpha": 2, "beta": 5}, float(beta.cdf(0.3, 2, 5))),
        ({"kind": "uniform"}, 0.3),
    ):
        by = {"kind": "difficulty", "of": law, "up_to": {"near": 0.3}, "beyond": "far"}
        requests = sim.run(one_site(by=by)).at("routes.chat.requests")
        total = sum(requests.values())
        assert abs(requests["near"] / total - share) < 4.5 * (share * (1 - share) / total) ** 0.5


def test_another_limit_draws_the_same_difficulties() -> None:
    """What a smaller limit sends to the small model, a larger one does too."""
    numbers = [float(i) for i in range(50)]

    def small(limit: float) -> set[int]:
        rule = Limits(np.array([limit]), np.array([0, 1]), "drawn", False, lambda: np.random.default_rng(3).random)
        return {prompt for _, prompt in rows(Told(numbers, [-1] * 50, 11), rule, 0)}

    assert small(0.2) < small(0.5) < small(0.9)


CSV = "timestamp_utc,prompt_tokens,output_tokens,hard\n" + "".join(
    f"2025-01-01T00:00:{second:02d}Z,{10 + second},5,{second % 3}\n" for second in range(60)
)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_column_of_a_trace_says_how_hard_each_request_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"trace.{kind}"
    if kind == "csv":
        file.write_text(CSV)
    else:
        records = [
            {"timestamp": 1000 * i, "input_length": 10 + i, "output_length": 5, "hard": i % 3} for i in range(60)
        ]
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert read_trace(file, difficulty="hard").requests.difficulty.tolist() == [i % 3 for i in range(60)]  # type: ignore[union-attr]
    of = {"kind": "column", "column": "hard"}
    scenario = one_site(
        arrivals={"kind": "trace", "file": str(file)},
        by={"kind": "difficulty", "of": of, "up_to": {"near": 1}, "beyond": "far"},
    )
    del scenario["routes"]["chat"]["lengths"]
    assert sim.run(scenario).at("routes.chat.requests") == {"near": 40, "far": 20}
    of["column"] = "hardd"
    with pytest.raises(InputError, match="no column 'hardd' of difficulties; did you mean 'hard'") as error:
        sim.load(scenario)
    assert [problem.path for problem in error.value.problems] == ["routes.chat.by.of.column"]


def test_a_difficulty_that_is_no_number_is_a_bad_row(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(CSV.replace(",5,2\n", ",5,\n", 1))
    with pytest.raises(InputError, match="a difficulty that is no number"):
        read_trace(file, difficulty="hard")
    assert len(read_trace(file, difficulty="hard", skip=True).requests) == 59
    assert len(read_trace(file).requests) == 60  # nobody asked


@pytest.mark.parametrize(
    ("by", "path", "says"),
    [
        ({**BY_SIZE, "beyond": "nearr"}, "routes.chat.by.beyond", "is none of 'to'; did you mean 'near'"),
        ({**BY_SIZE, "up_to": {"nearr": 9}}, "routes.chat.by.up_to.nearr", "is none of 'to'; did you mean 'near'"),
        ({**BY_SIZE, "up_to": {"nearr": 9}}, "routes.chat.by.up_to", "needs a limit for 'near'"),
        ({**BY_SIZE, "up_to": {"near": 9, "far": 99}}, "routes.chat.by", "has a limit in 'up_to' already"),
        ({**BY_SIZE, "up_to": {"near": 9, "x": 9}}, "routes.chat.by", "two workloads have the same limit"),
        ({**BY_SIZE, "up_to": {}}, "routes.chat.by.up_to", "must not be empty"),
        (
            {"kind": "difficulty", "of": {"kind": "uniform"}, "up_to": {"near": 1.5}, "beyond": "far"},
            "routes.chat.by",
            "between 0 and 1",
        ),
        (
            {"kind": "difficulty", "of": {"kind": "column", "column": "x"}, "up_to": {"near": 1}, "beyond": "far"},
            "routes.chat",
            "needs arrivals: {kind: trace",
        ),
        ({"kind": "nearest", "interval": "1 min"}, "routes.chat", "latency is missing for near, far"),
    ],
)
def test_a_rule_that_does_not_hold_together_is_told_where_it_stands(by: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        sim.load(one_site(by=by))
    assert any(problem.path.startswith(path) and says in problem.message for problem in error.value.problems), [
        str(problem) for problem in error.value.problems
    ]


def test_sites_apart_need_their_latencies() -> None:
    scenario = world(by={"kind": "shares", "shares": {"near": 0.5, "far": 0.5}}, to={"near": {}, "far": {}})
    with pytest.raises(InputError, match="they stand at several sites  \\(north, south\\)"):
        sim.load(scenario)
    scenario["routes"]["chat"]["to"]["far"] = {"latency": "9 ms"}
    with pytest.raises(InputError, match="latency is missing for near: give it for all or none"):
        sim.load(scenario)


def test_an_axis_of_a_study_through_a_route_is_another_simulation() -> None:
    hasher = Hasher()
    keys = [
        hasher.hashes(load_scenario(one_site(by=BY_SIZE), {"routes.chat.by.up_to.near": limit}))[1]
        for limit in (100, 150, 100)
    ]
    assert keys[0] == keys[2] != keys[1]
