"""Slots, parts of them, instances, CPUs and memory: whoever schedules and wherever it places, no more is held at any
instant than there is. The checker counts for itself, from who ran when and what each had asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.best_fit import BestFit
from sim.engine.fleet.placements.fgd import LeastFragmentation, TypicalTask
from sim.engine.fleet.placements.headroom import Headroom
from sim.engine.fleet.placements.least_power import LeastPower
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.placements.spread import Spread
from sim.engine.fleet.placements.topology import Topology
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.conservative import Conservative
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.priority import Priority
from sim.engine.fleet.schedulers.shortest import Shortest
from sim.engine.fleet.scheduling import Decision, Placement, Scheduler, View
from sim.engine.fleet.shape import PoolShape
from sim.profiles.catalog import Catalog
from sim.profiles.shared_gpu.interference import Instances
from sim.profiles.shared_gpu.tenants import SharedGPU
from tests.fleets import Job, Played, overbooked, partial_gangs
from tests.repeats import repeats

S = 1_000_000_000
TYPICAL = (TypicalTask(0.5, 0, 500, 4000, 1000), TypicalTask(0.5, 2, 0, 8000, 8000))
PLACEMENTS: tuple[Placement, ...] = (
    Anywhere(),
    Packed(),
    Spread(),
    Topology(),
    BestFit(),
    LeastFragmentation(TYPICAL),
    LeastPower(("b", "a")),
    Headroom(450.0),
)
GEOMETRY = Catalog().slices("nvidia-mig-a100-80gb").geometry
CUT = SharedGPU(
    Instances(GEOMETRY, {name: kind.compute / GEOMETRY.compute for name, kind in GEOMETRY.kinds.items()}),
    50.0,
    90.0,
    400.0,
)


def scheduled(placement: Placement) -> tuple[Scheduler, ...]:
    """By those that start, promise and preempt in different ways."""
    return (
        Shortest("greedy", placement),
        Easy("first-come", placement),
        Conservative(20, placement),
        Priority("lower", 0.0, "greedy", placement),
    )


@st.composite
def queues(draw: st.DrawFn) -> list[Job]:
    """Jobs that each fit into the first pool: whole slots, equal parts on nodes, parts of a slot, or CPUs alone."""
    found = []
    for _ in range(draw(st.integers(2, 16))):
        beside = {
            "cpu_milli": draw(st.sampled_from([0, 1000, 5000, 16_000])),
            "memory_mib": draw(st.sampled_from([0, 7_000, 20_000, 32_000])),
        }
        slots = 0
        match draw(st.sampled_from(["whole", "equal", "part", "part", "part", "cpus"])):
            case "whole":
                slots = draw(st.integers(1, 8))
            case "equal":
                slots, beside["nodes"] = draw(st.sampled_from([2, 4])), 2
            case "part":
                beside["milli"] = draw(st.sampled_from([100, 142, 280, 400, 400]) | st.integers(1, 999))
            case _:
                beside["cpu_milli"] = draw(st.integers(1, 16_000))
        run_s = draw(st.integers(1, 30))
        more: dict[str, Any] = {**beside, "priority": draw(st.integers(0, 2))}
        found.append(
            Job(draw(st.integers(0, 20)) * S, run_s * S, slots, run_s * S * draw(st.integers(1, 3)), more=more)
        )
    return found


def pools(*, cut: bool) -> list[PoolShape]:
    """Two racks of nodes whose CPUs and memory run out before their slots do, and one node more."""
    sharing = CUT if cut else None
    return [
        PoolShape("a", 3, 4, 16_000, 32_000, True, (0, 0, 1), sharing=sharing),
        PoolShape("b", 1, 2, 4000, None, True, sharing=sharing),
    ]


def holds_what_there_is(placement: Placement, cut: bool, examples: int) -> None:
    """So many queues, each under one of the schedulers."""

    @settings(max_examples=examples)
    @given(queues(), st.integers(0, 3))
    def check(queue: list[Job], which: int) -> None:
        shapes = pools(cut=cut)
        played = Played(shapes, scheduled(placement)[which], queue)
        can = [i for i, job in enumerate(queue) if _ever(played, job)]
        queue = [queue[i] for i in can]
        played = Played(shapes, scheduled(placement)[which], queue).run()
        assert not overbooked(played)
        assert not partial_gangs(played)
        assert sorted(played.completed) == list(range(len(queue)))
        assert played.fleet.machines.free_slots == [12, 2]
        assert played.fleet.machines.cpu_free[:4].tolist() == [16_000] * 3 + [4000]
        assert played.fleet.machines.memory_free[:3].tolist() == [32_000] * 3
        if cut:
            assert not _slices_beyond_the_gpu(played)

    check()


@pytest.mark.parametrize("cut", [False, True], ids=["parts", "instances"])
@pytest.mark.parametrize("placement", PLACEMENTS, ids=lambda one: type(one).__name__)
def test_no_more_is_held_than_there_is(placement: Placement, cut: bool) -> None:
    """And all of a job or nothing, and all is free when all that can ever run have run."""
    holds_what_there_is(placement, cut, 25)


@pytest.mark.proof
@pytest.mark.parametrize("cut", [False, True], ids=["parts", "instances"])
@pytest.mark.parametrize("placement", PLACEMENTS, ids=lambda one: type(one).__name__)
def test_no_more_is_held_than_there_is_by_many_queues(placement: Placement, cut: bool) -> None:
    holds_what_there_is(placement, cut, repeats(120, nightly=2000))


@dataclass(frozen=True)
class Watched:
    """Asks another scheduler, and notes of each head without room when it would have some if nobody else started: once
    those that run have given back what they hold, one after the other, at their limits."""

    inner: Scheduler
    placement: Placement
    latest_ns: dict[int, list[int]] = field(default_factory=dict)

    def next(self, view: View) -> Decision | None:
        """What the other says."""
        head = view.waiting[0] if view.waiting else None
        if head is not None and self.placement.places(head, view.machines) is None:
            machines = view.machines.copy()
            for one in sorted(view.running, key=lambda one: one.due_ns or 0):
                machines.imagine_given(one, one.places)
                if self.placement.places(head, machines) is not None:
                    self.latest_ns.setdefault(head.row, []).append(one.due_ns or 0)
                    break
            else:
                raise AssertionError("it never fits")
        return self.inner.next(view)

    def ask_again_ns(self, view: View) -> int | None:
        """What the other says."""
        return self.inner.ask_again_ns(view)


def delays_no_head(placement: Placement, cut: bool, examples: int) -> None:
    """In so many queues."""

    @settings(max_examples=examples)
    @given(queues())
    def check(queue: list[Job]) -> None:
        shapes = pools(cut=cut)
        played = Played(shapes, FirstCome(placement), queue)
        queue = [job for job in queue if _ever(played, job)]
        watched = Watched(Easy("first-come", placement), placement)
        played = Played(shapes, watched, queue).run()
        for i, latest in watched.latest_ns.items():
            assert played.start_ns(i) <= min(latest)

    check()


@pytest.mark.parametrize("cut", [False, True], ids=["parts", "instances"])
@pytest.mark.parametrize("placement", PLACEMENTS, ids=lambda one: type(one).__name__)
def test_backfill_never_delays_the_head_whatever_it_asks_for(placement: Placement, cut: bool) -> None:
    """With parts of GPUs, CPUs, memory and several pools, under any placement: no head starts later than if nobody else
    had been started, where nobody runs longer than was asked for."""
    delays_no_head(placement, cut, 25)


@pytest.mark.proof
@pytest.mark.parametrize("cut", [False, True], ids=["parts", "instances"])
@pytest.mark.parametrize("placement", PLACEMENTS, ids=lambda one: type(one).__name__)
def test_backfill_never_delays_the_head_of_many_queues(placement: Placement, cut: bool) -> None:
    delays_no_head(placement, cut, repeats(120, nightly=2000))


def _ever(played: Played, job: Job) -> bool:
    return played.fleet.can_ever_hold(Request("j", 0, (0, 1), job.slots, 0, job.limit_ns, **job.more))


def _slices_beyond_the_gpu(played: Played) -> list[str]:
    """Where those on one GPU need more slices than it has, each on the smallest instance that has its part."""
    wrong = []
    for at_ns in sorted({stint.start_ns for stint in played.stints}):
        memory: Counter[tuple[int, int]] = Counter()
        for stint in played.stints:
            if stint.start_ns <= at_ns < stint.end_ns:
                milli = played.requests[stint.job].milli
                for place in stint.places:
                    if place.milli:
                        kinds = [kind for kind in GEOMETRY.kinds.values() if 1000 * kind.compute >= 7 * milli]
                        memory[place.node, place.slot] += min(kind.memory for kind in kinds)
        wrong += [f"GPU {gpu} at {at_ns}" for gpu, held in memory.items() if held > 8]
    return wrong
