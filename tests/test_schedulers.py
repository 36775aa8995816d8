"""Orders, shares, quotas, deadlines and sizes: what each scheduler promises, on a fleet with nothing around it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.schedulers.carbon_aware import WaitWithinSlack
from sim.engine.fleet.schedulers.conservative import Conservative
from sim.engine.fleet.schedulers.deadline import Deadline
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.elastic import Elastic, best_sizes
from sim.engine.fleet.schedulers.fair_share import FairShare
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.priority import Priority
from sim.engine.fleet.schedulers.quotas import Quota, Quotas
from sim.engine.fleet.schedulers.shortest import Shortest
from sim.engine.fleet.schedulers.spot import Spot
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.signals import Signal
from sim.units import HOUR_NS
from tests.fleets import Job, Played, overbooked, partial_gangs

S = 1_000_000_000
NODE = [PoolShape("a", 1, 8)]
TWO = [PoolShape("a", 2, 4)]


def starts(played: Played) -> list[int]:
    """When each first started, in s."""
    return [played.start_ns(i) // S for i in range(len(played.jobs))]


EVERY: dict[str, Scheduler] = {
    "fifo": FirstCome(Packed()),
    "shortest": Shortest("greedy"),
    "easy": Easy("shortest", Packed()),
    "conservative": Conservative(5, Packed()),
    "deadline": Deadline("slack", "last", "easy"),
    "fair share": FairShare("user", HOUR_NS, (("a", 2.0),), 1.0, "greedy"),
    "priority": Priority("lower", 0.5, "greedy"),
    "spot": Spot(Easy("first-come", Packed()), Packed()),
    "spot, conservative": Spot(Conservative(20, Packed()), Packed()),
    "quotas": Quotas((Quota("x", 3, 5, ""), Quota("y", 3, 5, "")), Quota("", 2, 6, ""), "any", "passing"),
    "elastic": Elastic(10 * S),
    "waits": WaitWithinSlack("carbon", Easy("first-come")),
}


@st.composite
def any_jobs(draw: st.DrawFn) -> list[Job]:
    """Jobs of all sorts, that fit on 2 nodes of 4."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        run_s = draw(st.integers(1, 30))
        limit = draw(st.sampled_from([None, run_s * S, 3 * run_s * S, max(1, run_s // 2) * S]))
        slots = draw(st.sampled_from([1, 1, 2, 3, 4, 8]))
        more: dict[str, Any] = {
            "user": draw(st.sampled_from("ab")),
            "queue": draw(st.sampled_from("xyz")),
            "priority": draw(st.integers(0, 2)),
            "spot": draw(st.booleans()),
            "deadline_ns": draw(st.none() | st.integers(1, 100 * S)),
            "slack_ns": draw(st.sampled_from([0, 20 * S])),
        }
        if draw(st.booleans()):
            more |= {"least": max(1, slots // 2), "most": min(8, 2 * slots), "speed_up": half_power}
        saves = draw(st.sampled_from([0, 2 * S]))
        found.append(Job(draw(st.integers(0, 30)) * S, run_s * S, slots, limit, saves, more))
    return found


def half_power(held: int, asked: int) -> float:
    """A concave curve."""
    return math.sqrt(held / asked)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_given_twice_and_each_job_is_done_once(name: str) -> None:
    """Held at any instant: no more than there is, gangs whole; each job completes once, and no stint is left open.
    Played twice, all is the same."""
    step = Signal(np.array([0, 40 * S, 80 * S, HOUR_NS]), np.array([2.0, 1.0, 3.0]), "g/J")

    @given(any_jobs())
    def check(queue: list[Job]) -> None:
        played = Played(TWO, EVERY[name], queue, carbon=step).run()
        assert not overbooked(played)
        assert not partial_gangs(played)
        assert sorted(played.completed) == list(range(len(queue)))
        assert Counter(stint.job for stint in played.stints if stint.how == "completed") == Counter(range(len(queue)))
        assert all(stint.end_ns >= stint.start_ns for stint in played.stints)
        assert played.fleet.machines.free_slots == [8]
        again = Played(TWO, EVERY[name], queue, carbon=step).run()
        assert [(one.job, one.start_ns, one.places) for one in again.stints] == [
            (one.job, one.start_ns, one.places) for one in played.stints
        ]

    check()


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_jobs_in_the_file_counts_for_equals_alone(name: str) -> None:
    """Jobs of different submit times, in any order in the file, start alike."""
    step = Signal(np.array([0, 40 * S, 80 * S, HOUR_NS]), np.array([2.0, 1.0, 3.0]), "g/J")

    @given(any_jobs(), st.randoms())
    def check(queue: list[Job], random: Any) -> None:
        for i, job in enumerate(queue):
            job.submit_ns += i
        shuffled = list(range(len(queue)))
        random.shuffle(shuffled)
        plain = Played(TWO, EVERY[name], queue, carbon=step).run()
        other = Played(TWO, EVERY[name], [queue[i] for i in shuffled], carbon=step).run()
        assert [plain.start_ns(i) for i in shuffled] == [other.start_ns(k) for k in range(len(queue))]

    check()


@pytest.mark.slow
def test_first_come_on_m_m_c_waits_as_erlang_c_says() -> None:
    """4 slots, arrivals at 3.2 and ends at 1 per s and slot: P(wait) and mean wait by Erlang's formula.

    Of 100,000 jobs, with a relaxation time of the queue of some 1 / (c mu - lambda) = 1.25 s, some 25,000 are as good
    as independent: the standard error of the mean wait (1.25 s in 0.6 of all) is below 1.3 %; 4 % are allowed.
    """
    c, rate = 4, 3.2
    rng = np.random.default_rng(7)
    arrivals = np.cumsum(rng.exponential(1.0 / rate, 100_000))
    runs = rng.exponential(1.0, len(arrivals))
    jobs = [Job(round(a * S), max(1, round(r * S)), 1) for a, r in zip(arrivals.tolist(), runs.tolist(), strict=True)]
    played = Played([PoolShape("a", 2, 2)], FirstCome(), jobs).run()
    waits = np.array([stint.start_ns - jobs[stint.job].submit_ns for stint in played.stints]) / S
    below = sum(rate**k / math.factorial(k) for k in range(c))
    last = rate**c / math.factorial(c) * c / (c - rate)
    erlang_c = last / (below + last)
    assert (waits > 0).mean() == pytest.approx(erlang_c, rel=0.02)
    assert waits.mean() == pytest.approx(erlang_c / (c - rate), rel=0.04)


def test_shortest_first() -> None:
    queue = [Job(0, 10 * S, 8, 10 * S), *(Job(S, n * S, 8, n * S) for n in (5, 3, 9)), Job(S, S, 8)]
    assert starts(Played(NODE, Shortest("none"), queue).run()) == [0, 13, 10, 18, 27]


@pytest.mark.parametrize("half_life_ns", [None, 600 * S])
def test_fair_share_converges_to_shares(half_life_ns: int | None) -> None:
    """Three users with shares 4, 2 and 1 always want all: after 700 jobs of a slot each has had its part."""
    scheduler = FairShare("user", half_life_ns, (("a", 4.0), ("b", 2.0)), 1.0, "none")
    queue = [Job(0, 10 * S, 1, None, more={"user": user}) for user in "abc" for _ in range(600)]
    played = Played([PoolShape("p", 1, 7)], scheduler, queue).run(until_ns=1000 * S)
    held: Counter[str] = Counter()
    for stint in played.stints:
        held[queue[stint.job].more["user"]] += 1
    assert held.total() == 7 * 100
    assert held["a"] / held.total() == pytest.approx(4 / 7, abs=0.02)
    assert held["b"] / held.total() == pytest.approx(2 / 7, abs=0.02)


def test_fair_share_forgets() -> None:
    """Who used all an hour ago is as good as new after many half lives, and not where nothing is forgotten."""
    queue = [
        Job(0, 100 * S, 8, None, more={"user": "a"}),
        Job(3600 * S, 50 * S, 8, None, more={"user": "c"}),
        Job(3601 * S, 10 * S, 8, None, more={"user": "b"}),
        Job(3601 * S, 10 * S, 8, None, more={"user": "a"}),
    ]
    queue.insert(1, Job(3000 * S, 10 * S, 8, None, more={"user": "b"}))
    forgets = Played(NODE, FairShare("user", 60 * S, (), 1.0, "none"), queue).run()
    assert forgets.start_ns(4) < forgets.start_ns(3)  # b's 10 s are fresher than a's 100 s
    keeps = Played(NODE, FairShare("user", None, (), 1.0, "none"), queue).run()
    assert keeps.start_ns(3) < keeps.start_ns(4)


def test_only_who_helps_makes_room_and_waits_where_it_was() -> None:
    """A whole node is wanted: of 4 + 2 + 2 at lower priorities the two on it leave, not the one on the other."""
    low = [Job(0, 100 * S, 4, more={"priority": 1}), Job(1, 100 * S, 2), Job(2, 100 * S, 2)]
    urgent = Job(10 * S, 20 * S, 4, more={"priority": 5})
    played = Played(TWO, Priority("lower", 0.0, "none", Packed()), [*low, urgent]).run()
    assert played.start_ns(3) == 10 * S
    assert played.preempted == {1: 1, 2: 1}
    assert played.completed[1] == played.completed[2] == 130 * S  # killed: all is done again
    quiet = Played(TWO, Priority("none", 0.0, "none", Packed()), [*low, urgent]).run()
    assert not quiet.preempted
    assert quiet.start_ns(3) == 100 * S
    assert not Played(TWO, Priority("lower", 0.0, "none"), [*low, Job(S, S, 9)]).run(200 * S).preempted


def test_who_saves_its_state_holds_machines_meanwhile_and_loses_nothing() -> None:
    low = Job(0, 100 * S, 8, save_ns=5 * S)
    urgent = Job(10 * S, 20 * S, 8, more={"priority": 5})
    tiny = Job(11 * S, S, 1)
    played = Played(NODE, Priority("lower", 0.0, "greedy"), [low, urgent, tiny]).run()
    assert starts(played) == [0, 15, 125], "nobody takes what is being given back, and the first is first again"
    assert played.completed[0] == (35 + 90) * S


def test_age_overtakes_priority() -> None:
    queue = [Job(0, 7200 * S, 8), Job(0, S, 8), Job(7000 * S, S, 8, more={"priority": 1})]
    assert starts(Played(NODE, Priority("none", 0.0, "none"), queue).run())[1:] == [7201, 7200]
    assert starts(Played(NODE, Priority("none", 1.0, "none"), queue).run())[1:] == [7200, 7201]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=1, max_size=12), st.integers(1, 3))
def test_earliest_deadline_meets_all_deadlines_that_can_be_met(jobs: list[tuple[int, int]], slots: int) -> None:
    """Of jobs of one length that come in whole steps of it, EDF misses none if any order misses none: one is late just
    if more are due by some time than can be done from some time on (Hall's condition, unit jobs on equal machines).
    """
    queue = [Job(r * S, S, 1, S, more={"deadline_ns": (r + d) * S}) for r, d in jobs]
    feasible = all(
        sum(a <= r and r + d <= b for r, d in jobs) <= slots * (b - a) for a in range(31) for b in range(a + 1, 62)
    )
    played = Played([PoolShape("a", 1, slots)], Deadline("deadline", "first", "none"), queue).run()
    met = all(played.completed[i] <= queue[i].more["deadline_ns"] for i in range(len(queue)))
    assert met == feasible


def test_who_is_late_already_comes_last_or_keeps_its_place() -> None:
    """Two are due at 15 s and 30 s; at 10 s the first can be done no more, and would make the second late too."""
    queue = [
        Job(0, 10 * S, 8, 10 * S),
        Job(0, 15 * S, 8, 15 * S, more={"deadline_ns": 15 * S}),
        Job(0, 20 * S, 8, 20 * S, more={"deadline_ns": 30 * S}),
    ]
    queue[0].more = {"deadline_ns": 10 * S}
    assert starts(Played(NODE, Deadline("deadline", "first", "none"), queue).run()) == [0, 10, 25]
    assert starts(Played(NODE, Deadline("deadline", "last", "none"), queue).run()) == [0, 30, 10]
    slack = [Job(0, S, 8, S), Job(0, 9 * S, 8, 9 * S), Job(0, S, 8, S)]
    for job, due_s in zip(slack, (1, 12, 11), strict=True):
        job.more = {"deadline_ns": due_s * S}
    assert starts(Played(NODE, Deadline("slack", "first", "none"), slack).run()) == [0, 1, 10]
    assert starts(Played(NODE, Deadline("deadline", "first", "none"), slack).run()) == [0, 2, 1]


@given(any_jobs())
def test_spot_jobs_do_not_exist_for_all_others(queue: list[Job]) -> None:
    """Killed at once, they delay nobody: all others start as if there were none."""
    for job in queue:
        job.save_ns = 0
    others = [i for i, job in enumerate(queue) if not job.more["spot"]]
    both = Played(NODE, Spot(Easy("first-come")), queue).run()
    alone = Played(NODE, Easy("first-come"), [queue[i] for i in others]).run()
    assert [both.start_ns(i) for i in others] == [alone.start_ns(k) for k in range(len(others))]
    assert not set(both.preempted) & set(others)


def test_no_more_spot_jobs_leave_than_help() -> None:
    spots = [Job(i * S, 100 * S, 2, more={"spot": True}) for i in range(4)]
    played = Played(NODE, Spot(FirstCome()), [*spots, Job(10 * S, 5 * S, 3)]).run()
    assert played.preempted == {3: 1, 2: 1}
    assert played.start_ns(4) == 10 * S
    assert played.completed[2] == 115 * S


QUEUES = (Quota("x", 4, 2, ""), Quota("y", 4, 4, ""))


@given(any_jobs(), st.sampled_from(["never", "lower-priority", "any"]), st.sampled_from(["strict", "passing"]))
def test_no_queue_holds_more_than_its_own_and_what_it_may_borrow(queue: list[Job], reclaim: Any, within: Any) -> None:
    scheduler = Quotas(QUEUES, Quota("", 0, 8, ""), reclaim, within)
    played = Played([PoolShape("a", 3, 4)], scheduler, queue).run(2000 * S)
    for at_ns in {stint.start_ns for stint in played.stints}:
        held: Counter[str] = Counter()
        for stint in played.stints:
            if stint.start_ns <= at_ns and (stint.end_ns > at_ns or stint.end_ns < 0):
                held[queue[stint.job].more["queue"]] += sum(place.slots for place in stint.places)
        assert held["x"] <= 6
        assert held["y"] <= 8
        assert held.total() <= 8


def test_who_has_borrowed_gives_back_what_is_anothers() -> None:
    """x has 4 and borrowed 2 of y, which then wants all of its 4: the last borrower leaves, its own 4 stay."""
    own = [Job(i, 100 * S, 2, more={"queue": "x"}) for i in range(3)]
    wants = Job(10 * S, 10 * S, 4, more={"queue": "y"})
    played = Played(NODE, Quotas(QUEUES, Quota("", 0, 8, ""), "any", "passing"), [*own, wants]).run()
    assert starts(played) == [0, 0, 0, 10]
    assert played.preempted == {2: 1}
    patient = Played(NODE, Quotas(QUEUES, Quota("", 0, 8, ""), "never", "passing"), [*own, wants]).run()
    assert not patient.preempted
    assert starts(patient)[3] == 100
    same = Played(NODE, Quotas(QUEUES, Quota("", 0, 8, ""), "lower-priority", "passing"), [*own, wants]).run()
    assert not same.preempted, "of equal priority"


def test_the_first_of_a_strict_queue_holds_up_its_own_queue_alone() -> None:
    queue = [
        Job(0, 10 * S, 5, more={"queue": "x"}),
        Job(S, 10 * S, 5, more={"queue": "x"}),
        Job(S, 10 * S, 1, more={"queue": "x"}),
        Job(S, 10 * S, 1, more={"queue": "y"}),
    ]
    others = Quota("", 0, 8, "")
    assert starts(Played(NODE, Quotas(QUEUES, others, "never", "strict"), queue).run()) == [0, 10, 10, 1]
    assert starts(Played(NODE, Quotas(QUEUES, others, "never", "passing"), queue).run()) == [0, 10, 1, 1]


def test_a_job_with_slack_waits_for_the_cleanest_time_within_it() -> None:
    """2 g/J, then 1 from 100 s to 200 s, then 3: 50 s of work wait for 100 s if they may, else start at once or as late
    as they may; without a signal, or slack, at once."""
    step = Signal(np.array([0, 100 * S, 200 * S, 1000 * S]), np.array([2.0, 1.0, 3.0]), "g/J")
    scheduler = WaitWithinSlack("carbon", FirstCome())

    def start_s(slack_s: int, run_s: int = 50) -> int:
        queue = [Job(0, run_s * S, 8, run_s * S, more={"slack_ns": slack_s * S})]
        return starts(Played(NODE, scheduler, queue, carbon=step).run())[0]

    assert start_s(0) == 0
    assert start_s(99) == 99  # of 50 s all but the first are clean
    assert start_s(500) == 100
    assert start_s(500, run_s=150) == 50  # 50 s at 2 and 100 s at 1
    late = [Job(0, 300 * S, 8, 300 * S), Job(0, 10 * S, 8, 10 * S, more={"slack_ns": 150 * S})]
    assert starts(Played(NODE, scheduler, late, carbon=step).run()) == [0, 300], "room may come later still"
    assert starts(Played(NODE, scheduler, late[1:]).run()) == [0], "no signal"


@given(any_jobs())
def test_slack_delays_nobody_by_more_than_slack(queue: list[Job]) -> None:
    """On a fleet with room for all, each starts between its submission and the end of its slack."""
    step = Signal(np.array([0, 25 * S, 50 * S, HOUR_NS]), np.array([2.0, 1.0, 3.0]), "g/J")
    played = Played([PoolShape("a", 12, 8)], WaitWithinSlack("carbon", FirstCome()), queue, carbon=step).run()
    for i, job in enumerate(queue):
        assert 0 <= played.start_ns(i) - job.submit_ns <= job.more["slack_ns"]


@given(any_jobs())
def test_elastic_jobs_leave_no_slot_idle_that_somebody_gains_by(queue: list[Job]) -> None:
    """All of them elastic, after a time of dealing: together they hold all slots, or each all it may have."""
    for job in queue:
        job.submit_ns = 0
        job.run_ns *= 1000
        job.more |= {"least": 1, "most": 3, "speed_up": half_power}
        job.slots = min(job.slots, 3)
    played = Played(TWO, Elastic(10 * S), queue).run(10 * S + 1)
    assert not overbooked(played)
    held = [sum(place.slots for place in stint.places) for stint in played.stints if stint.end_ns < 0]
    assert sum(held) == min(8, 3 * len(queue))
    assert len(held) == min(8, len(queue)), "all have their least before one has more"


def test_elastic_jobs_shrink_for_others_and_grow_when_they_are_gone() -> None:
    """One of 2 to 8 slots has 8; another wants 6 for 40 s. Speed is sqrt: 8 slots, then 2 at half the speed, then 8."""
    stretchy = {"least": 2, "most": 8, "speed_up": half_power}
    played = Played(NODE, Elastic(10 * S), [Job(0, 100 * S, 8, more=stretchy), Job(20 * S, 40 * S, 6)]).run()
    own = [stint for stint in played.stints if stint.job == 0]
    assert [(one.start_ns // S, sum(place.slots for place in one.places)) for one in own] == [(0, 8), (20, 2), (60, 8)]
    assert played.completed[0] == pytest.approx((60 + 100 - 20 - 40 * 0.5) * S)
    rigid = Played(NODE, Elastic(10 * S), [Job(0, 100 * S, 8, more={"least": 2, "most": 8}), Job(20 * S, 40 * S, 6)])
    assert starts(rigid.run()) == [0, 100], "without a curve it keeps its size"


def test_who_asks_for_more_than_there_is_runs_smaller_if_it_may() -> None:
    """12 slots of 8, and 6 would do: possible under a scheduler that starts it smaller, and under no other."""
    stretchy = {"least": 6, "most": 12, "speed_up": half_power}
    for scheduler, can in ((Elastic(10 * S), True), (Spot(Elastic(10 * S)), True), (FirstCome(), False)):
        played = Played(NODE, scheduler, [Job(0, 10 * S, 12, more=stretchy)]).run(100 * S)
        assert played.fleet.can_ever_hold(played.requests[0]) == can == bool(played.completed)
        if can:
            assert [place.slots for place in played.stints[0].places] == [8]


def test_slots_go_to_whoever_gains_most() -> None:
    """Of a job whose speed is n and one whose speed is sqrt n, the first gets all it may have before the second has
    two; the sum of speeds is the best of all ways to deal 10 slots."""
    played = Played(NODE, FirstCome(), [Job(0, S, 1), Job(0, S, 1)]).run()
    fast, slow = played.requests
    for one, curve in ((fast, lambda held, asked: held / asked), (slow, half_power)):
        one.least, one.most, one.speed_up = 1, 8, curve
    assert best_sizes([slow, fast], 10) == {fast: 8, slow: 2}
    assert best_sizes([slow, fast], 2) == {fast: 1, slow: 1}
    best = max(range(1, 9), key=lambda n: n + math.sqrt(10 - n) if 10 - n <= 8 else 0.0)
    assert best == 8
