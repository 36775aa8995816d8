"""Rows of tables of jobs in the compiled fleet: the twin of ``rows`` where nothing acts back on jobs.

That is: logged pools that are always on, whole slots, CPUs and memory that are there wherever slots are, and a
scheduler that the kernel knows, none of which preempts or changes the size of a job. Nobody caps, pauses or breaks
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.fleet import records as k
from sim.engine.fleet.fast import FastFleet, Held, Rules
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.plan import ROW_STATUS, JobsPlan, RowsRecord
from sim.engine.fleet.request import WHOLE
from sim.engine.fleet.row import FULL_RATE
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.queueing import Backfill
from sim.engine.fleet.schedulers.shortest import Shortest
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.workload.allocations import OUTCOMES, PACE_STATES, Allocations
from sim.workload.jobs.table import UNKNOWN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PLACEMENTS: dict[type, int] = {Anywhere: k.ANYWHERE, Packed: k.PACKED}
BACKFILLS: dict[Backfill, int] = {"none": k.NO_BACKFILL, "easy": k.EASY, "greedy": k.GREEDY}
_STATUS = {name: code for code, name in enumerate(ROW_STATUS)}
_OUTCOME = {name: code for code, name in enumerate(OUTCOMES)}
_PACE = {name: code for code, name in enumerate(PACE_STATES)}
HALF_BITS = FULL_RATE.bit_length() // 2


@dataclass(frozen=True, eq=False)
class FastRun:
    """What ``rows`` gives at the end of a run; ``finished``: nobody waits or runs then."""

    records: tuple[RowsRecord, ...]
    allocations: Allocations
    end_ns: int
    finished: bool
    events: int


def rules_of(scheduler: Scheduler) -> Rules | None:
    """A scheduler by its codes; None for one that the kernel does not know, one derived from those it knows too."""
    if not isinstance(scheduler, FirstCome | Shortest | Easy) or type(scheduler) not in (FirstCome, Shortest, Easy):
        return None
    placement = PLACEMENTS.get(type(scheduler.placement))
    if placement is None:
        return None
    if isinstance(scheduler, FirstCome):
        return k.BY_ARRIVAL, k.NO_BACKFILL, k.BY_ARRIVAL, placement
    if isinstance(scheduler, Shortest):
        return k.BY_LIMIT, BACKFILLS[scheduler.backfill], k.BY_LIMIT, placement
    return k.BY_ARRIVAL, k.EASY, k.BY_LIMIT if scheduler.candidates == "shortest" else k.BY_ARRIVAL, placement


def suits(pools: Sequence[PoolShape], plans: Sequence[JobsPlan], scheduler: Scheduler) -> bool:
    """Whether the kernel gives what the plain fleet would give."""
    if rules_of(scheduler) is None:
        return False
    if not all(pool.powered and not (pool.shared or pool.island_slots) for pool in pools):
        return False
    if not all(pool.slots < 1 << k.SLOT_BITS for pool in pools):
        return False
    return all(_is_plain(plan, [pool for pool in pools if pool.name in plan.pools]) for plan in plans)


def _is_plain(plan: JobsPlan, pools: Sequence[PoolShape]) -> bool:
    """Whether its rows ask for whole slots, and for no more beside each than stands beside one in every pool: where a
    slot is free its CPUs and memory are, too."""
    table = plan.table
    if np.any(table.gpu_milli > 0) or np.any(plan.slots < 1):
        return False
    for asked, of_node in (
        (table.cpu_milli, [pool.cpu_milli for pool in pools]),
        (table.memory_mib, [pool.memory_mib for pool in pools]),
    ):
        each = int((-(-np.maximum(asked, 0) // plan.slots)).max(initial=0))
        if any(most is not None and each * pool.slots > most for pool, most in zip(pools, of_node, strict=True)):
            return False
    # Whoever ends in the very instant in which its set-up does ends behind the question of that instant.
    return not plan.setup_ns or not np.any((table.run_ns == 0) | (table.limit_ns == plan.setup_ns))


@dataclass(frozen=True, eq=False)
class _Submitted:
    """The rows of all tables in the order of their submission. ``held_ns`` is for how long each would hold machines in
    each pool, cut off at ``killed_at_ns``; ``rates`` are those of work, by workload and pool."""

    number: Ints
    plan: Ints
    row: Ints
    submit_ns: Ints
    run_ns: Ints
    limit_ns: Ints
    killed_at_ns: Ints
    setup_ns: Ints
    rates: Ints
    held_ns: tuple[Ints, ...]


def run_rows(
    pools: Sequence[PoolShape],
    plans: Sequence[JobsPlan],
    scheduler: Scheduler,
    *,
    duration_ns: int | None,
    give_up_ns: int,
) -> FastRun:
    """What ``rows`` and the plain fleet give; call it where it ``suits``.

    Without a ``duration_ns`` it ends when all jobs have, and stands unfinished at ``give_up_ns``.
    """
    rules = rules_of(scheduler)
    assert rules is not None
    rows = _submitted(pools, plans)
    number = {pool.name: i for i, pool in enumerate(pools)}
    choices = [tuple(number[name] for name in names) for plan in plans for names in plan.choices]
    firsts = np.cumsum([0, *(len(plan.choices) for plan in plans)])
    fleet = FastFleet(
        pools,
        rules,
        rows.submit_ns,
        rows.limit_ns,
        _column(plans, "slots")[rows.number],
        np.maximum(np.concatenate([plan.table.nodes for plan in plans])[rows.number], 0),
        choices,
        _column(plans, "choice")[rows.number] + firsts[rows.plan],
        rows.held_ns,
    )
    until_ns = duration_ns if duration_ns is not None else give_up_ns
    held = fleet.run(until_ns)
    end_ns = duration_ns if duration_ns is not None else held.last_ns
    done_ns, killed = _done_ns(rows, held, end_ns)
    return FastRun(
        records=_records(plans, rows, held, done_ns, killed, until_ns),
        allocations=_allocations(plans, pools, rows, held, killed, end_ns),
        end_ns=end_ns,
        finished=not held.waiting and not np.any(held.end_ns[held.stints] < 0),
        events=held.events,
    )


def _column(plans: Sequence[JobsPlan], name: str) -> Ints:
    return np.concatenate([getattr(plan, name) for plan in plans])


def _submitted(pools: Sequence[PoolShape], plans: Sequence[JobsPlan]) -> _Submitted:
    submit_ns = np.concatenate([plan.table.submit_ns for plan in plans])
    number = np.argsort(submit_ns, kind="stable")
    sizes = [len(plan.table) for plan in plans]
    plan_of = np.repeat(np.arange(len(plans)), sizes)[number]
    limit_ns = np.concatenate([plan.table.limit_ns for plan in plans])[number]
    limit_ns = np.where(limit_ns == UNKNOWN, k.NEVER, limit_ns)
    run_ns = np.concatenate([plan.table.run_ns for plan in plans])[number]
    setup_ns = np.array([plan.setup_ns for plan in plans], np.int64)[plan_of]
    killed_at_ns = np.where(np.array([plan.kills for plan in plans])[plan_of], limit_ns, k.NEVER)
    rates = np.array([[_rate(plan, pool.name) for pool in pools] for plan in plans], np.int64)
    held: dict[tuple[int, ...], Ints] = {}
    for of_pool in map(tuple, rates.T.tolist()):
        if of_pool not in held:
            work_ns = takes_ns(run_ns, np.array(of_pool, np.int64)[plan_of])
            held[of_pool] = np.minimum(setup_ns + work_ns, killed_at_ns)
    return _Submitted(
        number=number,
        plan=plan_of,
        row=number - np.cumsum([0, *sizes])[plan_of],
        submit_ns=submit_ns[number],
        run_ns=run_ns,
        limit_ns=limit_ns,
        killed_at_ns=killed_at_ns,
        setup_ns=setup_ns,
        rates=rates,
        held_ns=tuple(held[of_pool] for of_pool in map(tuple, rates.T.tolist())),
    )


def _rate(plan: JobsPlan, pool: str) -> int:
    """In parts of the full rate, in a pool that the workload may use."""
    return round(plan.pools[pool].speed * FULL_RATE) if pool in plan.pools else FULL_RATE


def takes_ns(work_ns: Ints, rate: Ints) -> Ints:
    """ns that work takes at a rate, rounded up: ``-(-work * FULL_RATE // rate)`` in 64 bits, by long division."""
    whole, left = np.divmod(work_ns, rate)
    high, left = np.divmod(left << HALF_BITS, rate)
    low = -(-(left << HALF_BITS) // rate)
    taken: Ints = (whole << 2 * HALF_BITS) + (high << HALF_BITS) + low
    return taken


def _done_ns(rows: _Submitted, held: Held, end_ns: int) -> tuple[Ints, Bools]:
    """Work that each row has done at its end or that of the run, and whether it was killed by its limit."""
    ended, running = held.end_ns >= 0, (held.start_ns >= 0) & (held.end_ns < 0)
    rate = rows.rates[rows.plan, held.pool]
    span_ns = np.where(running, end_ns, held.end_ns) - held.start_ns
    killed = ended & (span_ns < rows.setup_ns + takes_ns(rows.run_ns, rate))
    done_ns = np.where(ended, rows.run_ns, 0)
    cut = killed | running
    done_ns[cut] = np.maximum(span_ns - rows.setup_ns, 0)[cut]
    for i in np.flatnonzero(cut & (rate != FULL_RATE)).tolist():
        done_ns[i] = min(int(rows.run_ns[i]), int(done_ns[i]) * int(rate[i]) // FULL_RATE)
    return done_ns, killed


def _records(
    plans: Sequence[JobsPlan], rows: _Submitted, held: Held, done_ns: Ints, killed: Bools, until_ns: int
) -> tuple[RowsRecord, ...]:
    status = np.full(len(rows.number), _STATUS["waiting"], np.int64)
    status[held.start_ns >= 0] = _STATUS["running"]
    status[held.end_ns >= 0] = _STATUS["completed"]
    status[killed] = _STATUS["killed"]
    status[held.refused] = _STATUS["refused"]
    status[rows.submit_ns >= until_ns] = _STATUS["coming"]
    ended_ns = np.where(status == _STATUS["refused"], rows.submit_ns, held.end_ns)
    records = []
    first = 0
    for i, plan in enumerate(plans):
        mine = np.flatnonzero(rows.plan == i)  # in the order of its table, which is that of submission
        none = np.zeros(len(mine), np.int64)
        found = RowsRecord(
            plan.name, first, status[mine], done_ns[mine], none, ended_ns[mine], none.copy(), none.copy()
        )
        records.append(found)
        first += len(mine)
    return tuple(records)


def _allocations(
    plans: Sequence[JobsPlan], pools: Sequence[PoolShape], rows: _Submitted, held: Held, killed: Bools, end_ns: int
) -> Allocations:
    stints = held.stints
    plan, pool = rows.plan[stints], held.pool[stints]
    start_ns = held.start_ns[stints]
    running = held.end_ns[stints] < 0
    outcome = np.full(len(stints), _OUTCOME["completed"], np.int64)
    outcome[killed[stints]] = _OUTCOME["killed"]
    outcome[running] = _OUTCOME["unfinished"]
    stop_ns = np.where(running, end_ns, held.end_ns[stints])
    # A pace of setting up, where that takes time, and one of work, unless it ended before.
    setup_ns = rows.setup_ns[stints]
    set_up = setup_ns > 0
    worked = ~set_up | (stop_ns - start_ns > setup_ns)
    first_pace = _firsts(set_up.astype(np.int64) + worked)
    before, at_work = first_pace[:-1][set_up], first_pace[1:][worked] - 1
    n = int(first_pace[-1])
    pace_start_ns, state = np.empty(n, np.int64), np.empty(n, np.int64)
    gpu_w, cpu_load, rate = np.empty(n), np.zeros(n), np.zeros(n)
    pace_start_ns[before], state[before] = start_ns[set_up], _PACE["loaded"]
    gpu_w[before] = _of_pool(plans, pools, "loaded_w")[plan, pool][set_up]
    pace_start_ns[at_work], state[at_work] = (start_ns + setup_ns)[worked], _PACE["active"]
    gpu_w[at_work] = _active_w(plans, pools, plan, pool, rows.row[stints])[worked]
    cpu_load[at_work] = np.concatenate([plan.cpu_load for plan in plans])[rows.number[stints]][worked]
    rate[at_work] = (rows.rates[plan, pool] / FULL_RATE)[worked]
    milli = held.slots * WHOLE
    return Allocations(
        job=rows.number[stints],
        start_ns=start_ns,
        end_ns=stop_ns,
        outcome=outcome,
        first_place=held.first_place,
        node=held.node,
        milli=milli,
        cpu_share=_cpu_share(plans, pools, rows, held, milli),
        first_pace=first_pace,
        pace_start_ns=pace_start_ns,
        pace_state=state,
        pace_gpu_w=gpu_w,
        pace_cpu_load=cpu_load,
        pace_rate=rate,
    )


def _firsts(counts: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _of_pool(plans: Sequence[JobsPlan], pools: Sequence[PoolShape], name: str) -> Floats:
    """A figure of each pool for each workload, NaN in pools that it has nothing to do with."""
    of = [
        [getattr(plan.pools[pool.name], name) if pool.name in plan.pools else None for pool in pools] for plan in plans
    ]
    return np.array(of, np.float64)


def _active_w(plans: Sequence[JobsPlan], pools: Sequence[PoolShape], plan: Ints, pool: Ints, row: Ints) -> Floats:
    watts = np.empty(len(row))
    for i, of in enumerate(plans):
        for j, shape in enumerate(pools):
            if shape.name in of.active_w:
                mine = (plan == i) & (pool == j)
                watts[mine] = of.active_w[shape.name][row[mine]]
    return watts


def _cpu_share(
    plans: Sequence[JobsPlan], pools: Sequence[PoolShape], rows: _Submitted, held: Held, milli: Ints
) -> Floats:
    """Of the CPUs of each node: what its job asked for, or else as many as of its slots."""
    counts = np.diff(held.first_place)
    stint = np.repeat(np.arange(len(counts)), counts)
    pool = held.pool[held.stints][stint]
    share = milli / (WHOLE * np.array([shape.slots for shape in pools], np.float64)[pool])
    asked = np.concatenate([plan.table.cpu_milli for plan in plans])[rows.number]
    if np.any(asked > 0):
        row = held.stints[stint]
        of_node = _of_pool(plans, pools, "cpu_milli")[rows.plan[row], pool]
        whole = WHOLE * np.concatenate([plan.slots for plan in plans])[rows.number[row]]
        says = (asked[row] > 0) & ~np.isnan(of_node)
        share[says] = (asked[row] * (milli / whole) / of_node)[says]
    return share
