"""The compiled serving engine says what the plain one says, to the nanosecond and the nanojoule."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given, settings

from sim.engine.serving import laying
from sim.workload.routers import ROUTERS
from tests.repeats import repeats
from tests.serving_worlds import World, observe, worlds


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


@pytest.mark.slow
@given(worlds(most_replicas=300, most_requests=600))
@settings(max_examples=100)
def test_the_engines_agree_with_hundreds_of_replicas(world: World) -> None:
    assert observe(world, "fast") == observe(world, "reference")


@pytest.mark.slow
@pytest.mark.parametrize("router", range(len(ROUTERS)), ids=ROUTERS)
@given(world=worlds(most_replicas=300, most_requests=300))
@settings(max_examples=12)
def test_the_engines_agree_with_hundreds_of_replicas_whatever_the_router(router: int, world: World) -> None:
    world = replace(world, settings=replace(world.settings, router=router))
    assert observe(world, "fast") == observe(world, "reference")


@pytest.mark.slow
@given(worlds())
@settings(max_examples=repeats(1000, nightly=30_000))
def test_the_engines_agree_on_many_more(world: World) -> None:
    assert observe(world, "fast") == observe(world, "reference")
