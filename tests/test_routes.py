"""Requests shared out among sites: each goes to one place, conversations stay, and cleaner is never dirtier."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.signals import Signal
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.requests import RequestChunk, plain_chunk
from sim.workload.routing import Lowest, Routed, Rule, Shares, tokens_by_bin
from tests.small import small

MINUTE_NS = 60 * NS_PER_S


class Told:
    """A stream in the chunks given."""

    block_tokens = 0

    def __init__(self, times_s: list[float], sessions: list[int], cut: int) -> None:
        times = np.sort(np.array(times_s) * NS_PER_S).astype(np.int64)
        n = len(times)
        whole = plain_chunk(times, np.arange(1, n + 1), np.full(n, 10, dtype=np.int64))
        whole = RequestChunk(
            whole.arrival_ns,
            whole.prompt_tokens,
            whole.output_tokens,
            np.array(sessions, dtype=np.int64),
            whole.priority,
            whole.prefix_start,
            whole.prefix_hashes,
        )
        parts = [np.arange(i, min(i + cut, n)) for i in range(0, n, cut)]
        self._chunks = [whole.take(rows) for rows in parts]

    def chunks(self) -> Any:
        """Of the stream."""
        yield from self._chunks


def hourly(*values: float) -> Signal:
    """A value an hour."""
    return Signal(np.arange(len(values) + 1, dtype=np.int64) * HOUR_NS, np.array(values, dtype=np.float64), "g/J")


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[float], list[int]]:
    """Arrivals within two hours, some of them in conversations."""
    times = draw(st.lists(st.floats(0.0, 7199.0), min_size=1, max_size=60))
    return times, draw(st.lists(st.integers(-1, 5), min_size=len(times), max_size=len(times)))


rules = st.sampled_from(
    [
        Lowest((hourly(1, 3), hourly(2, 1)), np.array([np.inf, np.inf]), 15 * MINUTE_NS),
        Lowest((hourly(1, 3), hourly(2, 1)), np.array([0.005, 0.003]), 15 * MINUTE_NS),
        Lowest((hourly(1, 1), hourly(1, 1)), np.array([0.002, np.inf]), MINUTE_NS),
        Shares(np.array([0.3, 0.7]), np.arange(2), lambda: np.random.default_rng(7)),
    ]
)


def rows(source: Told, rule: Rule, place: int, delay_ns: int = 0) -> list[tuple[int, int]]:
    """Arrival and prompt of each request that goes to a place; the prompt tells requests apart."""
    chunks = list(Routed(source, rule, place, delay_ns).chunks())
    return [(int(a), int(p)) for c in chunks for a, p in zip(c.arrival_ns, c.prompt_tokens, strict=True)]


@given(streams(), rules, st.integers(1, 60), st.integers(1, 60))
def test_every_request_goes_to_one_place_however_the_stream_is_cut(
    stream: tuple[list[float], list[int]], rule: Rule, cut: int, other_cut: int
) -> None:
    times, sessions = stream
    here, there = (rows(Told(times, sessions, cut), rule, place) for place in (0, 1))
    assert sorted(p for _, p in here + there) == list(range(1, len(times) + 1))
    assert rows(Told(times, sessions, other_cut), rule, 0) == here


@given(streams(), rules)
def test_a_conversation_stays_where_it_began(stream: tuple[list[float], list[int]], rule: Rule) -> None:
    times, sessions = stream
    seen: dict[int, set[int]] = {}
    for place in (0, 1):
        for chunk in Routed(Told(times, sessions, 7), rule, place, 0).chunks():
            for session in chunk.session.tolist():
                if session >= 0:
                    seen.setdefault(session, set()).add(place)
    assert all(len(places) == 1 for places in seen.values())


def test_the_cleaner_place_is_filled_first_and_the_rest_goes_on() -> None:
    times = [float(i) for i in range(0, 900, 10)]  # ninety requests in a quarter of an hour
    rule = Lowest((hourly(1, 3), hourly(2, 1)), np.array([0.04, 0.02]), 15 * MINUTE_NS)
    here, there = (rows(Told(times, [-1] * 90, 90), rule, place) for place in (0, 1))
    assert len(here) == 36 + 36  # its 36, and what neither had room for
    assert len(there) == 18
    assert max(p for _, p in here[:36]) < min(p for _, p in there)


@given(streams())
def test_by_carbon_is_never_dirtier_than_any_shares(stream: tuple[list[float], list[int]]) -> None:
    """With room for all and no conversations, request by request."""
    times, _ = stream
    alone = [-1] * len(times)
    signals = (hourly(5, 2), hourly(3, 4))

    def grams(rule: Rule) -> float:
        total = 0.0
        for place, signal in enumerate(signals):
            total += sum(signal.at(arrival) for arrival, _ in rows(Told(times, alone, 9), rule, place))
        return total

    lowest = Lowest(signals, np.array([np.inf, np.inf]), HOUR_NS)
    for share in (0.0, 0.3, 1.0):
        assert grams(lowest) <= grams(
            Shares(np.array([share, 1 - share]), np.arange(2), lambda: np.random.default_rng(1))
        )


def test_tokens_are_counted_in_the_bin_they_arrive_in() -> None:
    source = Told([10.0, 20.0, 4000.0], [-1, -1, -1], 2)
    edges = np.array([0, HOUR_NS, 2 * HOUR_NS], dtype=np.int64)
    assert tokens_by_bin(source, edges).tolist() == [(1 + 10) + (2 + 10), 3 + 10]


def world(**route: Any) -> dict[str, Any]:
    """Two sites of one server each, and a route between them."""
    scenario = small()
    here = scenario.pop("site")
    scenario |= {"duration": "20 min", "sites": {"north": here, "south": copy.deepcopy(here)}}
    scenario["sites"]["south"]["grid"]["intensity"] = "50 gCO2e/kWh"
    scenario["cluster"]["nodes"] = [
        {"profile": "dgx-h100", "count": 1, "name": "a", "site": "north"},
        {"profile": "dgx-h100", "count": 1, "name": "b", "site": "south"},
    ]
    service = {
        "kind": "serving",
        "model": "llama-3.1-8b",
        "stack": "vllm-2025",
        "precision": {"weights": "bf16"},
        "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 2048},
        "routing": "round-robin",
        "arrivals": {"kind": "routed", "route": "chat"},
        "slo": {"ttft": "200 ms"},
        "cpu_load": 0.1,
        "engine": "reference",
    }
    scenario["workloads"] = {
        "near": {**service, "replicas": {"count": 1, "pool": "a"}},
        "far": {**service, "replicas": {"count": 1, "pool": "b"}},
    }
    lengths = {"kind": "constant", "tokens": 40}
    scenario["routes"] = {
        "chat": {
            "arrivals": {"kind": "poisson", "rate": "1 /s"},
            "lengths": {"kind": "separate", "prompt": lengths, "output": lengths},
            "to": {"near": {"latency": "10 ms"}, "far": {"latency": "100 ms"}},
            "by": {"kind": "lowest", "signal": "carbon", "interval": "5 min"},
            "home": "near",
            "transfer": {"bytes_per_token": "8 B", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"},
            **route,
        }
    }
    return scenario


def test_a_route_through_a_run() -> None:
    far, near = sim.run(world()), sim.run(world(by={"kind": "nearest", "interval": "1 min"}))
    asked = near.at("routes.chat.requests.near")
    assert far.at("routes.chat.requests") == {"near": 0, "far": asked}  # the same requests, whoever serves them
    assert near.at("routes.chat.requests") == {"near": asked, "far": 0}
    gigabytes = asked * 80 * 8 / 1e9
    assert far.at("routes.chat.moved_gb") == pytest.approx(gigabytes, rel=1e-12)
    assert far.at("energy_kwh.network") == pytest.approx(gigabytes * 0.06, rel=1e-9)
    assert far.at("egress_cost.USD") == pytest.approx(gigabytes * 0.05, rel=1e-12)
    assert far.at("carbon_kg.by_component.wan") == pytest.approx(0.05 * gigabytes * 0.06, rel=1e-9)
    assert near.at("routes.chat.moved_share") == 0.0
    # cleaner, and slower: latency comes on top of what the site takes
    assert far.at("carbon_kg.operational_location") < near.at("carbon_kg.operational_location")
    assert far.at("routes.chat.ttft_s.far") == pytest.approx(far.at("serving.far.ttft_s.mean") + 0.1, rel=1e-9)
    assert far.at("routes.chat.ttft_mean_s") == far.at("routes.chat.ttft_s.far")  # all of them went there
    for group in ("by_component", "by_workload"):
        assert sum(far.at(f"carbon_kg.{group}").values()) == pytest.approx(far.at("carbon_kg.total"), rel=1e-12)
    priced = sim.account(far, set={"sites.south.grid.intensity": "900 gCO2e/kWh"})
    assert priced.at("routes") == far.at("routes")  # decided in the run
    assert priced.at("energy_kwh.network") == far.at("energy_kwh.network")


def test_the_slo_is_kept_as_users_see_it() -> None:
    """A first token takes some 10 ms at the site; with 199 ms of latency it does not reach its user within 200 ms."""
    assert sim.run(world()).at("serving.far.goodput_share") == 1.0
    slow = world(to={"near": {"latency": "10 ms"}, "far": {"latency": "199 ms"}})
    assert sim.run(slow).at("serving.far.goodput_share") < 0.1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s["routes"]["chat"]["to"].update(nowhere={"latency": "1 ms"}), "unknown workload 'nowhere'"),
        (
            lambda s: s["workloads"]["far"]["arrivals"].update(route="chatt"),
            "unknown route 'chatt'; did you mean 'chat'",
        ),
        (lambda s: s["routes"]["chat"]["to"].pop("far"), "List should have at least|at least 2"),
        (lambda s: s["routes"]["chat"].pop("home"), "give 'home' and 'transfer' together"),
        (lambda s: s["routes"]["chat"].update(home="elsewhere"), "is none of 'to'"),
        (lambda s: s["routes"]["chat"]["by"].update(signal="marginal"), "has no marginal"),
        (
            lambda s: s["routes"]["chat"].update(by={"kind": "shares", "shares": {"near": 0.5, "far": 0.4}}),
            "must sum to 1, and sum to 0.9",
        ),
        (lambda s: s["workloads"]["far"].update(lengths={"kind": "separate"}), "comes with the route"),
    ],
)
def test_a_route_that_does_not_hold_together_is_refused(change: Any, says: str) -> None:
    scenario = world()
    change(scenario)
    with pytest.raises(InputError, match=says):
        sim.run(scenario)
