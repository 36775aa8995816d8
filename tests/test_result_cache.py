"""Memos of results: hits are counted exactly, and follow from what is asked again and what is remembered."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.rng import Streams
from sim.units import J_PER_KWH
from sim.workload.requests import plain_chunk
from sim.workload.result_cache import Memo, Repeated, Zipf, che_hit_rate, zipf_weights
from tests.relay_worlds import alone, memo

FREE = {"time": "0 s", "energy": "0 J"}


def hits(keys: list[int], capacity: int) -> int:
    """Of a memo that is told each result before the next is asked for."""
    found, remembered = 0, Memo(capacity)
    for now, key in enumerate(keys):
        if remembered.has(key, now):
            found += 1
        else:
            remembered.put(key, now - 1 if now else -1)
    return found


def test_hits_of_che_and_of_a_long_draw_agree() -> None:
    """Che's approximation is known to be within a per cent or so (Fricker, Robert, Roberts 2012, arXiv:1202.3974)."""
    zeros = np.zeros(200_000, dtype=np.int64)
    for exponent, capacity in ((0.6, 100), (0.8, 200), (1.1, 50)):
        law = Zipf(2000, exponent, Streams(3).named(f"{exponent}"))
        keys = law.begun()(plain_chunk(zeros, zeros + 1, zeros + 1)).tolist()
        expected = che_hit_rate(zipf_weights(2000, exponent), capacity)
        assert hits(keys, capacity) / len(keys) == pytest.approx(expected, abs=0.01)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=200), st.integers(1, 10))
def test_the_least_recently_used_is_forgotten(keys: list[int], capacity: int) -> None:
    """Against a plain list in order of use."""
    used: OrderedDict[int, None] = OrderedDict()
    found = 0
    for key in keys:
        found += key in used
        used[key] = None
        used.move_to_end(key)
        if len(used) > capacity:
            used.popitem(last=False)
    assert hits(keys, capacity) == found


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 20))
def test_more_room_is_never_fewer_hits(keys: list[int], capacity: int) -> None:
    """LRU is a stack algorithm (Mattson and others 1970, doi 10.1147/sj.92.0078)."""
    assert hits(keys, capacity) <= hits(keys, capacity + 1) <= hits(keys, 1000)
    assert hits(keys, 1000) == len(keys) - len(set(keys))


def test_a_result_is_known_only_once_it_is_complete() -> None:
    remembered = Memo(2)
    remembered.put(1, 100)
    assert [remembered.has(1, at) for at in (99, 100, 101)] == [False, False, True]


def test_che_at_its_ends() -> None:
    even = np.ones(1000)
    assert che_hit_rate(even, 250) == pytest.approx(0.25, rel=1e-6)  # all as popular: the share that has room
    assert che_hit_rate(even, 1000) == 1.0
    assert che_hit_rate(zipf_weights(10, 1.0), 10) == 1.0


def test_repeated_samples_come_in_passes() -> None:
    zeros = np.zeros(10, dtype=np.int64)
    keys = Repeated(2, 2).begun()(plain_chunk(zeros, zeros + 1, zeros + 1))
    assert keys.tolist() == [0, 1, 0, 1, 2, 3, 2, 3, 4, 5]


def served(**changes: Any) -> dict[str, Any]:
    """What a service with a memo counts: 2,000 requests, one a second, of half a second each."""
    service: dict[str, Any] = {"cache": memo(of_route=False, lookup=FREE, **changes)}
    found: dict[str, Any] = sim.run(alone(**service)).at("serving.api")
    return found


def test_each_sample_asked_twice_is_a_hit_of_every_second() -> None:
    """Exactly, but for the pass that the end of the run cuts off and for what is asked again before it is answered."""
    found = served(keys={"kind": "repeated", "samples": 50, "times": 2}, capacity=50)
    cache = found["cache"]
    assert cache["lookups"] == found["requests"] + cache["hits"]
    assert abs(cache["hits"] - cache["lookups"] / 2) <= 50
    ten = served(keys={"kind": "repeated", "samples": 50, "times": 10}, capacity=50)["cache"]
    assert abs(ten["hits"] - 0.9 * ten["lookups"]) <= 50


def test_a_memo_smaller_than_what_comes_round_finds_nothing() -> None:
    """LRU forgets each sample just before it comes again."""
    assert served(keys={"kind": "repeated", "samples": 50, "times": 10}, capacity=40)["cache"]["hits"] == 0


def test_what_never_comes_again_is_never_found() -> None:
    found = served(keys={"kind": "zipf", "catalogue": 10_000_000, "exponent": 0.0}, capacity=1000)["cache"]
    assert found["hit_rate"] < 0.002  # two in 10 million: 1,000 x 2,000 / 10,000,000 expected
    assert found["evictions"] > 900


def test_hits_save_the_work_and_cost_a_look() -> None:
    """The GPU works 0.5 s x 200 W less for each hit; each look costs the CPU 2 J, and whoever asks 10 ms."""
    plain = sim.run(alone())
    looked = sim.run(alone(cache=memo(of_route=False, lookup={"time": "10 ms", "energy": "2 J"})))
    cache = looked.at("serving.api.cache")
    assert cache["lookups"] == plain.at("serving.api.requests")
    fewer = plain.at("serving.api.completed") - looked.at("serving.api.completed")
    assert fewer == cache["hits"]
    gpu_j, cpu_j = (
        (looked.at(f"energy_kwh.by_component.{part}") - plain.at(f"energy_kwh.by_component.{part}")) * J_PER_KWH
        for part in ("gpu", "cpu")
    )
    assert gpu_j == pytest.approx(-0.5 * 200.0 * fewer, rel=1e-6)
    idle = sim.run(alone(cache=memo(of_route=False, lookup={"time": "10 ms", "energy": "0 J"})))
    looks_j = (looked.at("energy_kwh.by_component.cpu") - idle.at("energy_kwh.by_component.cpu")) * J_PER_KWH
    assert looks_j == pytest.approx(2.0 * cache["lookups"])
    assert cpu_j < looks_j  # the hosts work less as well


def test_whoever_asks_waits_for_the_look_and_for_what_has_to_be_computed() -> None:
    """A hit takes the look; what misses, the look before its place in the queue and its 0.5 s. Means follow."""
    found = sim.run(alone(cache=memo(of_route=False, lookup={"time": "30 ms", "energy": "0 J"}))).at("serving.api")
    cache, hits, computed = found["cache"], found["cache"]["hits"], found["completed"]
    whole_s = hits * 0.03 + computed * (0.03 + found["e2e_s"]["mean"])
    assert cache["answer_s"]["mean"] == pytest.approx(whole_s / (hits + computed), rel=1e-9)
    assert cache["answer_s"]["p99"] >= 0.53 > found["e2e_s"]["p50"]


def test_a_memo_without_room_is_a_look_for_nothing() -> None:
    """The end of a sweep over its size: what it finds is none, and what users get is what they get without it."""
    plain = sim.run(alone()).at("serving.api")
    found = sim.run(alone(cache=memo(of_route=False, capacity=0, lookup={"time": "0 s", "energy": "0 J"})))
    cache = found.at("serving.api.cache")
    assert (cache["hits"], cache["remembered"], cache["evictions"]) == (0, 0, 0)
    assert found.at("serving.api.e2e_s") == plain["e2e_s"]
    assert cache["answer_s"]["mean"] == pytest.approx(plain["e2e_s"]["mean"])
