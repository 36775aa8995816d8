"""The compiled serving engine says what the plain one says, to the nanosecond and the nanojoule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.serving import feed, laying, plan, records
from sim.engine.serving.fast import FastPool
from sim.workload.routers import ROUTERS, Router
from tests.repeats import repeats
from tests.serving_worlds import ENGINES, World, build, chunk, linear_cost, observe, worlds

COLUMN = {name: i for i, name in enumerate(plan.ROW_COLUMNS)}


@given(worlds())
@settings(max_examples=150)
def test_the_engines_agree(world: World) -> None:
    """Over traces, limits, routers, prompts mixed or first or static, preemption by recompute and swap, prefix hits,
    sliding windows, drafts, hand-overs, deadlines, retries, closed loops; replicas dying, draining, capped anew."""
    assert observe(world, "fast") == observe(world, "reference")


@given(worlds(most_replicas=40, most_requests=120))
@settings(max_examples=40)
def test_the_engines_agree_on_who_is_asked_among_many(world: World) -> None:
    assert observe(world, "fast") == observe(world, "reference")


@given(worlds(most_replicas=20, most_requests=60))
@settings(max_examples=60)
def test_following_replicas_one_after_the_other_changes_nothing(world: World) -> None:
    """Nor does it where rows and instants are so many that their memory has to grow meanwhile."""
    together = observe(world, "fast", instants=True)
    with mock.patch.multiple(laying, FEWEST_APART=1, FIRST_ROWS=9):
        assert observe(world, "fast", instants=True) == together


@pytest.mark.parametrize("engine", ENGINES)
def test_who_is_lost_with_a_replica_is_sent_again_in_the_order_of_arrival(engine: str) -> None:
    """The first is done with when the fifth comes, which has its slot from then on, before that of the second."""
    arrivals_ms, outputs = [0, 0, 0, 1, 50], [1, 90, 90, 90, 90]
    came = chunk([ms * 1_000_000 for ms in arrivals_ms], [10] * 5, outputs)
    rules = plan.Settings(max_num_seqs=4, max_num_batched_tokens=100, router=ROUTERS.index("round-robin"), rows=True)
    pool = build(engine, rules, [came], roles=[plan.ANY] * 3)
    for index in range(3):
        pool.start(index)
    pool.advance(100_000_000)
    pool.kill(1)  # which has the second and the fifth
    pool.advance(10**10)
    told = {row[COLUMN["request"]]: row[COLUMN["replica"]] for row in pool.take_rows().tolist()}
    assert (told[1], told[4]) == (2, 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_read_before_a_cap_changed_stays_at_the_energy_of_then(engine: str) -> None:
    """Two sequences share all that their replica drew, 3 nJ a context token at first and 1 nJ under a cap, of which the
    one with the longer context has more; the compiled engine took all that was read at the price of the end."""
    costs = [linear_cost(joules=1e-6), linear_cost(joules=1e-6)]
    for cost, read_nj in zip(costs, (3, 1), strict=True):
        cost.slope[plan.ENERGY, plan.READ] = read_nj
    rules = plan.Settings(max_num_seqs=4, max_num_batched_tokens=1000, rows=True)
    pool = build(engine, rules, [chunk([0, 0], [10, 500], [81, 81])], costs=costs)
    pool.start(0)
    pool.advance(10**9 // 2)
    pool.set_cost(0, 1)
    pool.advance(10**10)
    rows = pool.take_rows()
    drawn_nj = rows[:, COLUMN["prefill_nj"]] + rows[:, COLUMN["decode_nj"]]
    assert len(rows) == 2
    assert abs(int(drawn_nj.sum()) - pool.take_energy(0)[1]) <= 1  # what does not divide by two
    longer, shorter = (
        rows[np.argmax(rows[:, COLUMN["prompt_tokens"]])],
        rows[np.argmin(rows[:, COLUMN["prompt_tokens"]])],
    )
    more_nj = int(longer[COLUMN["decode_nj"]] - shorter[COLUMN["decode_nj"]])
    capped, turns = divmod(3 * 80 * 490 - more_nj, 2 * 490)
    assert turns == 0
    assert 20 < capped < 60


@given(
    worlds(most_replicas=20, most_requests=120), st.sampled_from(list(laying.EARLY)), st.booleans(), st.integers(1, 40)
)
@settings(max_examples=100)
def test_following_them_from_the_first_arrival_on_changes_nothing(
    world: World, router: Router, split: bool, most_known: int
) -> None:
    """Where the router looks at no more of replicas than can be foreseen. Only part of what arrives may be known at a
    time."""
    blind = replace(
        world.settings,
        router=ROUTERS.index(router),
        rows=False,
        hash_blocks=0,
        timeout_ns=-1,
        queue_limit=-1,
        concurrency=0,
    )
    actions = world.actions if split else []
    world = replace(world, settings=blind, roles=[plan.ANY] * len(world.roles), actions=actions)
    together = observe(world, "fast", instants=True)
    assert observe(world, "fast") == observe(world, "reference")
    with mock.patch.multiple(laying, FEWEST_APART=1, FIRST_ROWS=9), mock.patch.object(feed, "MOST_KNOWN", most_known):
        assert observe(world, "fast", instants=True) == together


def test_who_comes_has_the_slot_of_one_that_has_left_its_replica() -> None:
    arrivals = [second * 10**9 for second in range(40)]
    rules = plan.Settings(max_num_seqs=4, max_num_batched_tokens=100, router=ROUTERS.index("join-shortest-queue"))
    with mock.patch.object(laying, "FEWEST_APART", 1):
        pool = build("fast", rules, [chunk(arrivals, [10] * 40, [3] * 40)], roles=[plan.ANY] * 2)
    assert isinstance(pool, FastPool)
    for index in range(2):
        pool.start(index)
    pool.advance(10**12)
    assert (pool.counts["completed"], pool.in_system) == (40, 0)
    assert pool._pool["n_slots"] == records.SLOTS_AT_ONCE  # all of them of the first replica


@pytest.mark.proof
@given(worlds(most_replicas=300, most_requests=600))
@settings(max_examples=100)
def test_the_engines_agree_with_hundreds_of_replicas(world: World) -> None:
    assert observe(world, "fast") == observe(world, "reference")


@pytest.mark.slow
@pytest.mark.parametrize("router", range(len(ROUTERS)), ids=ROUTERS)
@given(world=worlds(most_replicas=300, most_requests=300))
@settings(max_examples=6)
def test_the_engines_agree_with_hundreds_of_replicas_whatever_the_router(router: int, world: World) -> None:
    world = replace(world, settings=replace(world.settings, router=router))
    assert observe(world, "fast") == observe(world, "reference")


@pytest.mark.proof
@given(worlds())
@settings(max_examples=repeats(1000, nightly=30_000))
def test_the_engines_agree_on_many_more(world: World) -> None:
    assert observe(world, "fast") == observe(world, "reference")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("limit", "late"),
    [("slo_ttft_ns", [0, 2, 2]), ("slo_tpot_ns", [0, 0, 2]), ("slo_e2e_ns", [0, 0, 4]), ("nothing", [0, 0, 0])],
)
def test_who_is_under_way_and_has_missed_a_limit_is_late(engine: str, limit: str, late: list[int]) -> None:
    """Two of four are served at a time, ten tokens in some 0.1 s, and a fifth was done with long ago."""
    limits: dict[str, Any] = {"slo_ttft_ns": 30_000_000, "slo_tpot_ns": 8_000_000, "slo_e2e_ns": 60_000_000}
    arrivals = [0, *[50_000_000] * 4]
    came = chunk(arrivals, [10] * 5, [1, 10, 10, 10, 10])
    stated = {name: limit_ns for name, limit_ns in limits.items() if name == limit}
    rules = plan.Settings(max_num_seqs=2, max_num_batched_tokens=100, router=0, **stated)
    pool = build(engine, rules, [came])
    pool.start(0)
    found = []
    for ms in (60, 90, 140):
        pool.advance(ms * 1_000_000)
        found.append((pool.in_system, pool.late))
    assert [one[0] for one in found] == [4, 4, 4]
    assert [one[1] for one in found] == late
    pool.advance(10**10)
    assert (pool.in_system, pool.late) == (0, 0)
