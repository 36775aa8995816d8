"""Jobs as rows in a fleet: nothing is given twice, each job ends once, and work adds up, whatever happens to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.ledger import Ledger
from sim.engine.fleet.machines import AWAY, BOOTING, OFF, ON, RANKS, Machines
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.plan import ROW_STATUS, JobsPlan, Keeps
from sim.engine.fleet.request import Place, Request
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.quotas import Quota, Quotas
from sim.engine.fleet.scheduling import Decision, Preempt, Start, View
from sim.engine.fleet.shape import PoolShape
from sim.engine.world import Outcome
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.allocations import MILLI, OUTCOMES, PACE_STATES, Allocations
from sim.workload.jobs.table import Loads
from tests.job_worlds import book_log, plan, pool, run, table
from tests.worlds import hardware

S, H = NS_PER_S, HOUR_NS


# --- machines ---------------------------------------------------------------------------------------------------------

shapes = st.lists(st.builds(PoolShape, st.just(""), st.integers(1, 70), st.integers(1, 4)), min_size=1, max_size=3)


@given(shapes, st.data())
def test_the_index_says_what_a_walk_over_all_nodes_says(drawn: list[PoolShape], data: st.DataObject) -> None:
    pools = [PoolShape(f"p{i}", one.count, one.slots) for i, one in enumerate(drawn)]
    machines = Machines(pools)
    held: list[tuple[Request, Place]] = []
    for _ in range(data.draw(st.integers(0, 30))):
        node = data.draw(st.integers(0, len(machines) - 1))
        match data.draw(st.sampled_from(["take", "give", "move"])):
            case "take" if machines.free[node] and machines.rank[node] != AWAY:
                place = Place(node, data.draw(st.integers(1, int(machines.free[node]))))
                request = Request("j", 0, (machines.pool_of[node],), place.slots, 0, None)
                assert machines.has_room(request, (place,))
                machines.take(request, (place,))
                held.append((request, place))
            case "give" if held:
                request, place = held.pop(data.draw(st.integers(0, len(held) - 1)))
                machines.give(request, (place,))
            case _:
                machines.move(node, data.draw(st.sampled_from([ON, BOOTING, OFF, AWAY])))
    for i, shape in enumerate(pools):
        own = [*machines.of_pool(i)]
        for rank in RANKS:
            for free in range(shape.slots + 1):
                walk = [node for node in own if machines.rank[node] == rank and machines.free[node] == free]
                assert [*machines.with_free(i, rank, free)] == walk
        assert machines.free_slots[i] == sum(int(machines.free[node]) for node in own if machines.rank[node] != AWAY)
    for node in range(len(machines)):
        assert machines.free[node] + sum(place.slots for _, place in held if place.node == node) == machines.slots[node]


@given(st.lists(st.integers(1, 1000), max_size=12), st.data())
def test_parts_of_a_gpu_add_up_to_it(asks: list[int], data: st.DataObject) -> None:
    """Parts and whole slots in any order, given back in any order: what is free afterwards is all of it."""
    machines = Machines([PoolShape("a", 1, 2, shared=True)])
    held = []
    for ask in asks:
        part = ask if ask < MILLI else 0
        request = Request("j", 0, (0,), 0 if part else 1, 0, None, milli=part)
        places = Anywhere().places(request, machines)
        room = any(left >= part for left in machines.parts[0]) if part else machines.free[0] >= 1
        assert (places is not None) == room
        if places is not None:
            machines.take(request, places)
            held.append((request, places))
        whole = sum(place.slots for _, places in held for place in places)
        parts = sum(place.milli for _, places in held for place in places)
        assert MILLI * whole + parts + sum(max(0, left) for left in machines.parts[0]) == 2 * MILLI
        assert machines.free[0] == sum(left == MILLI for left in machines.parts[0])
    for request, places in data.draw(st.permutations(held)):
        machines.give(request, places)
    assert machines.parts[0] == [MILLI, MILLI]
    assert machines.free[0] == 2


# --- any run ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Meddling:
    """First come first served, but whoever has run for a while when somebody waits makes room, and waits behind all."""

    after_ns: int

    def next(self, view: View) -> Decision | None:
        """The head, or room for it."""
        if not view.waiting:
            return None
        head = min(view.waiting, key=lambda request: (request.ran_ns > 0, request.seq))
        places = Anywhere().places(head, view.machines)
        if places is not None:
            return Start(head, places)
        for request in view.running:
            first = request.started_ns is not None and not request.leaving and request.ran_ns == 0
            if first and view.now_ns - (request.started_ns or 0) >= self.after_ns:
                return Preempt(request)
        return None

    def ask_again_ns(self, _view: View) -> int | None:
        """It looks whenever something happens."""
        return None


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    n = draw(st.integers(1, 12))

    def some(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=n, max_size=n))

    return {
        "submit": sorted(some(0, 20)),
        "run": [1 + value for value in some(0, 30)],
        "gpus": some(1, 9),
        "limit_ns": [S * value if value else -1 for value in some(0, 25)],
    }


def columns(drawn: dict[str, Any]) -> Any:
    """The same in ns, on two nodes of four."""
    return table(
        [S * t for t in drawn["submit"]], [S * t for t in drawn["run"]], drawn["gpus"], limit_ns=drawn["limit_ns"]
    )


def check(outcome: Outcome, plans: list[JobsPlan], slots: list[int]) -> None:
    """What must hold of any log: an independent reading of it."""
    log = outcome.allocations
    assert log is not None
    at: dict[int, list[tuple[int, int]]] = {}
    of_job: dict[int, list[tuple[int, int]]] = {}
    for s in range(len(log)):
        start, end = int(log.start_ns[s]), int(log.end_ns[s])
        assert start <= end <= outcome.end_ns
        of_job.setdefault(int(log.job[s]), []).append((start, end))
        for p in range(log.first_place[s], log.first_place[s + 1]):
            at.setdefault(int(log.node[p]), []).extend([(start, int(log.milli[p])), (end, -int(log.milli[p]))])
    for node, changes in at.items():
        held = 0
        for _, milli in sorted(changes, key=lambda change: (change[0], change[1])):  # who leaves makes room first
            held += milli
            assert 0 <= held <= MILLI * slots[node], "over-allocated"
    for stints in of_job.values():
        assert all(before[1] <= after[0] for before, after in pairwise(stints)), "in two places"
    for one, record in zip(plans, outcome.rows, strict=True):
        for i in range(len(one.table)):
            own = [s for s in range(len(log)) if log.job[s] == record.first_row + i]
            status = ROW_STATUS[record.status[i]]
            whole = [int(log.milli[log.first_place[s] : log.first_place[s + 1]].sum()) for s in own]
            assert all(milli == MILLI * one.slots[i] for milli in whole), "a gang in part"
            ended = [OUTCOMES[log.outcome[s]] for s in own]
            assert all(outcome in ("preempted", "failed", "killed") for outcome in ended[:-1])
            assert (status == "completed") == (bool(ended) and ended[-1] == "completed")
            assert (status == "refused") <= (not own)
            assert (int(record.ended_ns[i]) >= 0) == (status in ("completed", "killed", "refused"))
            assert done_in(log, own) == record.done_ns[i] + record.lost_ns[i]
            if status == "completed":
                assert record.done_ns[i] == one.table.run_ns[i]


def done_in(log: Allocations, stints: list[int]) -> int:
    """Work in the paces of some stints; all are at full rate."""
    done = 0
    for s in stints:
        edges = [*log.pace_start_ns[log.first_pace[s] : log.first_pace[s + 1]].tolist(), int(log.end_ns[s])]
        for k, p in enumerate(range(log.first_pace[s], log.first_pace[s + 1])):
            assert log.pace_rate[p] in (0.0, 1.0)
            assert (log.pace_rate[p] > 0.0) == (PACE_STATES[log.pace_state[p]] == "active")
            done += (edges[k + 1] - edges[k]) * int(log.pace_rate[p])
    return done


kept = st.sampled_from([Keeps(False), Keeps(False, again=False), Keeps(True, 2 * S, 3 * S), Keeps(True, 0, 0)])


@given(tables(), kept, st.integers(1, 10), st.booleans(), st.booleans(), st.none() | st.integers(1, 60))
def test_nothing_is_given_twice_and_work_adds_up(
    drawn: dict[str, Any], keeps: Keeps, after: int, meddling: bool, logged: bool, until: int | None
) -> None:
    one = plan(columns(drawn), keeps=keeps, setup_ns=S)
    scheduler = Meddling(after * S) if meddling else FirstCome()
    outcome, _ = run([pool(logged=logged)], [one], scheduler, until * S if until else None)
    check(outcome, [one], [4, 4])


@given(tables(), kept, st.booleans(), st.none() | st.integers(1, 60))
def test_nodes_with_and_without_meters_see_the_same_jobs(
    drawn: dict[str, Any], keeps: Keeps, meddling: bool, until: int | None
) -> None:
    """The log of a pool that is metered by it is that of nodes which have meters of their own, but for the instant in
    which a gang is handed its slots."""
    scheduler = Meddling(5 * S) if meddling else FirstCome()
    logs = []
    for logged in (True, False):
        outcome, _ = run(
            [pool(logged=logged)], [plan(columns(drawn), keeps=keeps)], scheduler, until * S if until else None
        )
        log = outcome.allocations
        assert log is not None
        logs.append((log, outcome.rows[0]))
    (first, row), (second, other) = logs
    for name in ("job", "start_ns", "end_ns", "outcome", "first_place", "node", "milli"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    for name in ("status", "done_ns", "lost_ns", "ended_ns", "preempted"):
        assert np.array_equal(getattr(row, name), getattr(other, name)), name


@given(tables(), kept, st.booleans(), st.none() | st.integers(1, 60))
def test_nodes_with_and_without_meters_draw_the_same(
    drawn: dict[str, Any], keeps: Keeps, meddling: bool, until: int | None
) -> None:
    """To the last digit but for rounding, in every row and bin of the ledger."""
    scheduler = Meddling(5 * S) if meddling else FirstCome()
    ledgers = []
    for logged in (True, False):
        one = plan(columns(drawn), keeps=keeps, setup_ns=S)
        own = pool(logged=logged)
        outcome, recorder = run([own], [one], scheduler, until * S if until else None)
        if logged:
            book_log([own], [one], outcome, recorder)
        ledgers.append(recorder.ledger(outcome.end_ns))
    first, second = ledgers

    def held(ledger: Ledger) -> list[int]:
        return [i for i in range(len(ledger.keys)) if ledger.slot_ns[i].any()]

    mine, others = held(first), held(second)
    assert [first.keys[i] for i in mine] == [second.keys[i] for i in others]
    assert np.array_equal(first.slot_ns[mine], second.slot_ns[others])
    np.testing.assert_allclose(first.energy_j[mine], second.energy_j[others], rtol=1e-12, atol=1e-9)


@given(st.booleans(), st.integers(1, 12), st.floats(0.3, 3.0))
def test_a_job_draws_what_its_loads_say_of_the_work_that_is_done(preempted: bool, comes: int, speed: float) -> None:
    """100 W for the first 5 s of work and 500 W for the rest, however fast it goes; with meters and without."""
    own = Loads(np.array([0, 2, 2]), np.array([0, 5 * S]), np.array([100.0, 500.0]), np.array([0.1, 0.9]))
    ledgers = []
    for logged in (True, False):
        jobs = table([0, comes * S], [10 * S, S], [8, 8], loads=own)
        one = plan(jobs, {"a": speed}, keeps=Keeps(True, S, S))
        watts = {"a": np.array([np.nan, 400.0])}
        one = replace(one, active_w=watts, mean_w=np.array([300.0, 400.0]), cpu_load=np.array([np.nan, 0.2]))
        mine = pool(logged=logged)
        outcome, recorder = run([mine], [one], Meddling(S) if preempted else FirstCome())
        if logged:
            book_log([mine], [one], outcome, recorder, own)
        ledgers.append(recorder.ledger(outcome.end_ns))
        other = 8 * 400.0 / speed
        gpu = ledgers[-1].where(lambda key: (key.component, key.owner, key.state) == ("gpu", "batch", "active"))
        assert np.isclose(gpu.total_j(), 8 * 5 * (100.0 + 500.0) / speed + other, rtol=1e-6)
    np.testing.assert_allclose(ledgers[0].energy_j.sum(axis=1), ledgers[1].energy_j.sum(axis=1), rtol=1e-8)


# --- what becomes of a job --------------------------------------------------------------------------------------------


def test_a_job_is_killed_at_its_limit_and_no_later() -> None:
    jobs = table([0, 0], [10 * S, 10 * S], [4, 4], limit_ns=[4 * S, 20 * S])
    outcome, _ = run([pool()], [plan(jobs)])
    assert [ROW_STATUS[code] for code in outcome.rows[0].status] == ["killed", "completed"]
    assert outcome.rows[0].ended_ns.tolist() == [4 * S, 10 * S]
    ran_on, _ = run([pool()], [plan(jobs, kills=False)])
    assert ran_on.rows[0].ended_ns.tolist() == [10 * S, 10 * S]


def test_who_begins_anew_does_so_with_its_whole_limit() -> None:
    """A job of 20 s with a limit of 21 s loses its first 6 s; where it keeps them, its limit goes on, too."""
    jobs = table([0, 6 * S], [20 * S, 5 * S], [8, 8], limit_ns=[21 * S, 9 * S])
    anew, _ = run([pool()], [plan(jobs)], Meddling(S))
    assert [ROW_STATUS[code] for code in anew.rows[0].status] == ["completed", "completed"]
    assert anew.rows[0].ended_ns.tolist() == [(6 + 5 + 20) * S, 11 * S]
    on, _ = run([pool()], [plan(jobs, keeps=Keeps(True, 2 * S, 3 * S))], Meddling(S))
    assert [ROW_STATUS[code] for code in on.rows[0].status] == ["killed", "completed"]
    assert on.rows[0].ended_ns.tolist() == [(8 + 5 + 21 - 8) * S, 13 * S]


def test_preempted_work_is_kept_where_it_was_saved_and_lost_where_not() -> None:
    """Eight slots; the first has them all, the second comes after 6 s and takes 5 s."""
    jobs = table([0, 6 * S], [20 * S, 5 * S], [8, 8])
    saved, _ = run([pool()], [plan(jobs, keeps=Keeps(True, 2 * S, 3 * S))], Meddling(S))
    assert saved.rows[0].ended_ns.tolist() == [(6 + 2 + 5 + 3 + 14) * S, (6 + 2 + 5) * S]
    assert saved.rows[0].lost_ns.tolist() == [0, 0]
    killed, _ = run([pool()], [plan(jobs)], Meddling(S))
    assert killed.rows[0].ended_ns.tolist() == [(6 + 5 + 20) * S, 11 * S]
    assert killed.rows[0].lost_ns.tolist() == [6 * S, 0]
    gone, _ = run([pool()], [plan(jobs, keeps=Keeps(False, again=False))], Meddling(S))
    assert [ROW_STATUS[code] for code in gone.rows[0].status] == ["killed", "completed"]


@given(st.integers(1, 15), st.booleans())
def test_who_is_preempted_pays_for_all_that_it_drew(comes: int, logged: bool) -> None:
    """Work that is killed and done again costs it as much each time; and its slot-hours are counted so."""
    jobs = table([0, comes * S], [20 * S, 5 * S], [8, 8])
    alone, recorder = run([pool()], [plan(table([0], [20 * S], [8]))])
    watts = book_log([pool()], [plan(jobs)], alone, recorder).joules(1)[0] / 20.0
    mine, one = pool(logged=logged), plan(jobs)
    outcome, recorder = run([mine], [one], Meddling(S))
    assert outcome.rows[0].lost_ns.tolist() == [comes * S, 0]
    if logged:
        energy = book_log([mine], [one], outcome, recorder)
        assert energy.joules(2) == pytest.approx([watts * (comes + 20), watts * 5], rel=1e-9)
        slot_s = np.bincount(energy.job, weights=energy.slot_s)
        assert slot_s.tolist() == pytest.approx([8 * (comes + 20), 8 * 5])
    drawn_j = float(recorder.ledger(outcome.end_ns).where(lambda key: key.owner == "batch").total_j())
    assert drawn_j == pytest.approx(watts * (comes + 20 + 5), rel=1e-6)


def test_a_pool_twice_as_fast_takes_half_the_time() -> None:
    jobs = table([0], [10 * S], [4])
    outcome, _ = run([pool("fast")], [plan(jobs, {"fast": 2.0})])
    assert outcome.end_ns == 5 * S
    assert outcome.rows[0].done_ns.tolist() == [10 * S]


@pytest.mark.parametrize("logged", [True, False])
def test_jobs_that_ask_for_cores_hold_their_part_of_the_sockets(logged: bool) -> None:
    """Two nodes of four sockets with eight cores each: a job of 16 cores has half a node, and what that draws at
    rest."""
    jobs = table([0, 0, 0], [10 * S, 10 * S, 10 * S], [0, 0, 0], cpu_milli=[16_000, 16_000, 32_000])
    one = plan(jobs, watts=0.0)
    here = replace(one.pools["a"], cpu_milli=32_000, sockets=4)
    without = replace(hardware(), gpu=None, gpu_idle_w=0.0, sockets=4)
    own = pool(logged=logged, hardware=without, cpu_milli=32_000)
    one = replace(one, pools={"a": here})
    outcome, recorder = run([own], [one])
    log = outcome.allocations
    assert log is not None
    assert sorted(log.milli.tolist()) == [2 * MILLI, 2 * MILLI, 4 * MILLI]
    assert outcome.end_ns == 10 * S
    if logged:
        book_log([own], [one], outcome, recorder)
    ledger = recorder.ledger(outcome.end_ns)
    assert {key.owner for i, key in enumerate(ledger.keys) if ledger.slot_ns[i].any()} == {"batch"}


def test_who_can_never_fit_is_refused_and_holds_up_nobody() -> None:
    jobs = table([0, 0], [S, S], [9, 8])
    outcome, _ = run([pool()], [plan(jobs)])
    assert [ROW_STATUS[code] for code in outcome.rows[0].status] == ["refused", "completed"]


def test_who_asks_for_more_than_its_queue_may_ever_hold_is_refused() -> None:
    """Two slots of its own and one that it may borrow: a job of four waits for ever, if nobody says so."""
    quota = Quotas((Quota("q", 2, 1, ""),), Quota("", 6, 0, ""), "never", "strict")
    jobs = table([0, 0], [S, S], [4, 3], queue=[0, 0], names={"queue": ("q",)})
    outcome, _ = run([pool()], [plan(jobs)], quota)
    assert [ROW_STATUS[code] for code in outcome.rows[0].status] == ["refused", "completed"]


def test_at_one_instant_who_ends_makes_room_before_anyone_is_asked() -> None:
    """A small job that comes when a big one ends does not take the place of the one that waited for it."""
    jobs = table([0, 1, 10 * S], [10 * S, S, S], [8, 8, 1])
    outcome, _ = run([pool()], [plan(jobs)])
    log = outcome.allocations
    assert log is not None
    assert dict(zip(log.job.tolist(), log.start_ns.tolist(), strict=True)) == {0: 0, 1: 10 * S, 2: 11 * S}
