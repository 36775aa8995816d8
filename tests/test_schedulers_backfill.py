"""Backfill: nobody is over-allocated, the head of the queue is never delayed, and promises are kept. The checkers count
for themselves, from who came, who ran and how long."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers import remembered
from sim.engine.fleet.schedulers.conservative import Conservative
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.shortest import Shortest
from sim.engine.fleet.scheduling import Decision, Placement, Reserve, Scheduler, View
from sim.engine.fleet.shape import PoolShape
from tests.fleets import Job, Played, overbooked, partial_gangs

S = 1_000_000_000
SHAPES = [PoolShape("a", 3, 4)]
SLOTS = 12


@st.composite
def jobs(draw: st.DrawFn, over: int = 1) -> list[Job]:
    """Jobs that fit, with limits of up to so many times what they take."""
    found = []
    for _ in range(draw(st.integers(2, 14))):
        run_s = draw(st.integers(1, 20))
        limit_s = run_s * draw(st.integers(1, over))
        found.append(Job(draw(st.integers(0, 15)) * S, run_s * S, draw(st.integers(1, SLOTS)), limit_s * S))
    return found


@dataclass(frozen=True)
class Watched:
    """Asks another scheduler, and notes of each head without room when it would have some if nobody else started."""

    inner: Scheduler
    placement: Placement
    latest_ns: dict[int, list[int]] = field(default_factory=dict)

    def next(self, view: View) -> Decision | None:
        """What the other says."""
        if view.waiting and self.placement.places(view.waiting[0], view.machines) is None:
            head = view.waiting[0]
            self.latest_ns.setdefault(head.row, []).append(alone_ns(head, view, self.placement))
        return self.inner.next(view)

    def ask_again_ns(self, view: View) -> int | None:
        """What the other says."""
        return self.inner.ask_again_ns(view)


def alone_ns(head: Request, view: View, placement: Placement) -> int:
    """When a head starts if nobody else does, by giving back one after the other what runs until its limit."""
    machines = view.machines.copy()
    running = sorted(view.running, key=lambda one: one.due_ns or 0)
    for one in running:
        machines.imagine_given(one, one.places)
        if isinstance(placement, Anywhere):
            room = sum(machines.free.tolist()) >= head.slots
        else:
            free = machines.free.tolist()
            whole, rest = divmod(head.slots, 4)
            full = sum(slots == 4 for slots in free)
            room = full > whole or (full == whole and (not rest or any(rest <= slots < 4 for slots in free)))
        if room:
            assert one.due_ns is not None
            return one.due_ns
    raise AssertionError("it never fits")


@pytest.mark.parametrize("placement", [Anywhere(), Packed()])
@pytest.mark.parametrize("candidates", ["first-come", "shortest"])
def test_backfill_never_delays_the_head_of_the_queue(candidates: str, placement: Placement) -> None:
    """Where nobody runs longer than was asked for, no head starts later than it would, had nobody else been started."""

    @given(jobs(over=3))
    def check(queue: list[Job]) -> None:
        watched = Watched(Easy(candidates, placement), placement)  # type: ignore[arg-type]  # drawn from both words
        played = Played(SHAPES, watched, queue).run()
        for i, latest in watched.latest_ns.items():
            assert played.start_ns(i) <= min(latest)
        assert len(played.completed) == len(queue)
        assert not overbooked(played)
        assert not partial_gangs(played)

    check()


@given(jobs(over=1))
def test_the_first_of_a_full_queue_starts_under_easy_as_under_first_come(queue: list[Job]) -> None:
    """All come at once and end as they said: the first that waits starts just when it does without backfill."""
    for job in queue:
        job.submit_ns = 0
    plain = Played(SHAPES, FirstCome(), queue).run()
    easy = Played(SHAPES, Easy("first-come"), queue).run()
    first = next((i for i in range(len(queue)) if plain.start_ns(i) > 0), None)
    if first is not None:
        assert easy.start_ns(first) == plain.start_ns(first)


def test_a_short_one_passes_and_a_long_one_does_not() -> None:
    """8 of 12 are held for 10 s and the head wants all: 4 s pass, 20 s do not. If it wants 8, 20 s leave it those."""
    held = Job(0, 10 * S, 8, 10 * S)
    short, long = Job(2 * S, 4 * S, 4, 4 * S), Job(2 * S, 20 * S, 4, 20 * S)
    head = Job(S, S, 12, S)
    assert Played(SHAPES, Easy("first-come"), [held, head, short]).run().start_ns(2) == 2 * S
    assert Played(SHAPES, Easy("first-come"), [held, head, long]).run().start_ns(2) == 11 * S
    assert Played(SHAPES, Easy("first-come"), [held, Job(S, S, 8, S), long]).run().start_ns(2) == 2 * S


def test_shortest_candidates_are_tried_first() -> None:
    held, head = Job(0, 10 * S, 8, 10 * S), Job(S, S, 12, S)
    queue = [held, head, Job(2 * S, 8 * S, 4, 8 * S), Job(2 * S, 3 * S, 4, 3 * S)]
    assert Played(SHAPES, Easy("first-come"), queue).run().start_ns(2) == 2 * S
    assert Played(SHAPES, Easy("shortest"), queue).run().start_ns(3) == 2 * S


def test_who_is_late_holds_up_the_head_and_lets_nobody_long_pass() -> None:
    """A job that asked for 5 s runs 30: from then on it may end at any time, and only what leaves the head its room
    passes."""
    held, head = Job(0, 30 * S, 8, 5 * S), Job(S, S, 10, S)
    played = Played(SHAPES, Easy("first-come"), [held, head, Job(10 * S, S, 4, S), Job(10 * S, S, 2, S)]).run()
    assert played.start_ns(3) == 10 * S  # 2 beside 10
    assert played.start_ns(1) == 30 * S
    assert played.start_ns(2) == 31 * S


def test_without_limits_only_what_the_head_never_needs_is_given_away() -> None:
    """Nobody is known to end: 4 of 12 are free, the head wants 8 and gets those of the first that ends."""
    queue = [Job(0, 10 * S, 8), Job(S, S, 8), Job(2 * S, 50 * S, 4), Job(2 * S, 50 * S, 4)]
    played = Played(SHAPES, Easy("first-come"), queue).run()
    assert [played.start_ns(i) for i in range(4)] == [0, 10 * S, 2 * S, 11 * S]


@dataclass(frozen=True)
class Promising:
    """Asks another scheduler, and notes its first promise to each."""

    inner: Scheduler
    first_ns: dict[int, int] = field(default_factory=dict)

    def next(self, view: View) -> Decision | None:
        """What the other says."""
        decision = self.inner.next(view)
        if isinstance(decision, Reserve):
            for request, at_ns, _ in decision.promises:
                self.first_ns.setdefault(request.row, at_ns)
        return decision

    def ask_again_ns(self, view: View) -> int | None:
        """What the other says."""
        return self.inner.ask_again_ns(view)


@pytest.mark.parametrize("placement", [Anywhere(), Packed()])
def test_nobody_starts_later_than_conservative_backfill_first_promised(placement: Placement) -> None:
    @given(jobs(over=4))
    def check(queue: list[Job]) -> None:
        promising = Promising(Conservative(1000, placement))
        played = Played(SHAPES, promising, queue).run()
        assert len(played.completed) == len(queue)
        for i in range(len(queue)):
            assert played.start_ns(i) <= promising.first_ns[i]
        assert not overbooked(played)
        assert not partial_gangs(played)

    check()


@dataclass(frozen=True)
class Forgetting:
    """Asks conservative backfill, which has to try everything each time."""

    inner: Conservative

    def next(self, view: View) -> Decision | None:
        """What it says."""
        remembered._OF_VIEWS.clear()
        return self.inner.next(view)

    def ask_again_ns(self, view: View) -> int | None:
        """What it says."""
        return self.inner.ask_again_ns(view)


@pytest.mark.parametrize("placement", [Anywhere(), Packed()])
@pytest.mark.parametrize("depth", [3, 1000])
def test_what_conservative_backfill_remembers_changes_nothing(placement: Placement, depth: int) -> None:
    """Limits that are too long and too short, and jobs without any: every start and place is the same."""

    @settings(max_examples=150, deadline=None)
    @given(jobs(over=4), st.data())
    def check(queue: list[Job], data: st.DataObject) -> None:
        for job in queue:
            job.run_ns *= data.draw(st.sampled_from([1, 1, 1, 5]))
        conservative = Conservative(depth, placement)
        fast, slow = (Played(SHAPES, scheduler, queue).run() for scheduler in (conservative, Forgetting(conservative)))
        assert [astuple(stint) for stint in fast.stints] == [astuple(stint) for stint in slow.stints]

    check()


@given(jobs(over=1))
def test_with_right_limits_promises_hold_to_the_ns(queue: list[Job]) -> None:
    """Nothing ends early, so nothing can be moved."""
    promising = Promising(Conservative(1000))
    played = Played(SHAPES, promising, queue).run()
    assert {i: played.start_ns(i) for i in range(len(queue))} == promising.first_ns


@given(jobs(over=3), st.data())
def test_late_jobs_and_broken_promises_end_too(queue: list[Job], data: st.DataObject) -> None:
    """Limits that are too short: promises are made anew, and all get done."""
    for job in queue:
        job.run_ns *= data.draw(st.integers(1, 5))
    for scheduler in (Conservative(1000, Packed()), Conservative(2), Easy("shortest", Packed()), Shortest("easy")):
        played = Played(SHAPES, scheduler, queue).run()
        assert len(played.completed) == len(queue)
        assert not overbooked(played)


def test_conservative_lets_nobody_past_whom_easy_would_let_past() -> None:
    """EASY promises the head alone: a job that delays the second in the queue passes there, not here."""
    queue = [
        Job(0, 10 * S, 8, 10 * S),
        Job(S, 10 * S, 8, 10 * S),
        Job(S, 10 * S, 12, 10 * S),
        Job(2 * S, 30 * S, 4, 30 * S),
    ]
    easy = Played(SHAPES, Easy("first-come"), queue).run()
    conservative = Played(SHAPES, Conservative(1000), queue).run()
    assert easy.start_ns(3) == 2 * S
    assert easy.start_ns(2) == 32 * S
    assert conservative.start_ns(2) == 20 * S
    assert conservative.start_ns(3) == 30 * S
