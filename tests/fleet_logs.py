"""Logs of small fleets as Hypothesis draws them, and the slow way to their energy: machines with meters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from sim.accounting.bins import Bins
from sim.accounting.ledger import Ledger
from sim.accounting.recorder import LedgerRecorder
from sim.engine.clock import Clock
from sim.engine.fleet.logged import NODE_STATES, FleetNodes, PowerStates
from sim.engine.machines.node import Node
from sim.engine.machines.nodes import Nodes
from sim.engine.metering.courses import Activity
from sim.engine.metering.draws import NodeHardware, Share
from sim.workload.allocations import MILLI, PACE_STATES, Allocations
from sim.workload.jobs.table import Loads
from tests.worlds import hardware

POOLS = ("gpus", "cpus")
OWNERS = ("research", "spot")


def host(*, gpus: bool, supply: bool, scale: float = 1.0) -> NodeHardware:
    """A node of four GPUs, or of two sockets alone."""
    node = replace(hardware(supply=supply), gpu_scale=scale, gpu_offset_w=(scale - 1.0) * 30.0)
    return node if gpus else replace(node, name="host", slots=2, sockets=2, gpu=None, gpu_idle_w=0.0)


@dataclass(frozen=True)
class Case:
    """A fleet, its log and all that goes with it."""

    log: Allocations
    nodes: FleetNodes
    states: PowerStates
    owner_of: np.ndarray
    loads: Loads
    end_ns: int
    bin_ns: int


@dataclass
class Stint:
    """One stint while a case is made."""

    job: int
    start: int
    end: int
    places: list[tuple[int, int, float]]  # node, thousandths, part of the CPUs
    paces: list[tuple[int, int, float, float, float]]
    done: int


WATTS = st.floats(1.0, 700.0)
LOADS = st.just(0.0) | st.floats(0.01, 1.0)
RATES = st.sampled_from([1.0, 0.5, 0.3, 0.0])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to four nodes of two pools, some of whose units draw more, and stints that follow one another on them.

    Nobody has more than there is: each node is filled from the left, stint by stint. Spans are from 1 ns to an hour.
    """
    plain = host(gpus=False, supply=draw(st.booleans()))
    kinds = (host(gpus=True, supply=True), plain, host(gpus=True, supply=True, scale=1.1))
    n = draw(st.integers(1, 4))
    kind_of = [draw(st.integers(0, 2)) for _ in range(n)]
    nodes = FleetNodes(POOLS, np.array([int(kind == 1) for kind in kind_of]), kinds, np.array(kind_of, dtype=np.int64))
    jobs = draw(st.integers(1, 5))
    loads = draw(loads_of(jobs))
    free_from = [[(0, kinds[kind].slots * MILLI)] for kind in kind_of]  # (instant, thousandths) that are free then
    stints = [draw(stint_of(draw(st.integers(0, jobs - 1)), nodes, free_from)) for _ in range(draw(st.integers(0, 6)))]
    stints = sorted((one for one in stints if one.places), key=lambda one: one.start)
    last = max((one.end for one in stints), default=0)
    end_ns = last + draw(st.integers(0 if last else 1, 10**12))
    states = draw(states_of(n, end_ns))
    return Case(
        log_of(stints), nodes, states, np.array([job % 2 for job in range(jobs)]), loads, end_ns, draw(bins_of(end_ns))
    )


def bins_of(end_ns: int) -> st.SearchStrategy[int]:
    """Reporting intervals, at most some hundreds in a run."""
    return st.integers(end_ns // 300 + 1, 2 * end_ns + 2)


@st.composite
def loads_of(draw: st.DrawFn, jobs: int) -> Loads:
    """Loads that change up to five times a job, each job having some."""
    first, offsets, watts, cpu = [0], [], [], []
    for _ in range(jobs):
        more = draw(st.lists(st.integers(1, 4 * 10**12), max_size=4, unique=True))
        offsets += [0, *sorted(more)]
        watts += [draw(WATTS) for _ in range(len(more) + 1)]
        cpu += [draw(LOADS) for _ in range(len(more) + 1)]
        first.append(len(offsets))
    return Loads(np.array(first), np.array(offsets, dtype=np.int64), np.array(watts), np.array(cpu))


@st.composite
def stint_of(draw: st.DrawFn, job: int, nodes: FleetNodes, free_from: list[list[tuple[int, int]]]) -> Stint:
    """A stint on nodes that have room for it from some instant on; it has the slots for good, until it ends."""
    pool = draw(st.integers(0, 1))
    whole = draw(st.booleans())
    hosted = draw(st.integers(0, 9)) == 0
    places, start = [], draw(st.integers(0, 10**12))
    for node in np.flatnonzero(nodes.pool_of == pool).tolist():
        slots = nodes.hardware[nodes.kind_of[node]].slots * MILLI
        want = slots if whole else draw(st.sampled_from([250, 333, 1000, 1500, 2000]))
        if hosted:
            places.append((node, 0, draw(st.sampled_from([0.1, 0.25]))))
        elif draw(st.booleans()):
            at = _when_free(free_from[node], want)
            start = max(start, at)
            places.append((node, want, want / slots * 0.7 if draw(st.integers(0, 9)) == 0 else want / slots * 0.9))
    end = start + draw(st.integers(0, 4) | st.integers(1, 3 * 10**12))
    for node, want, _ in places:
        _take(free_from[node], want, end)
    paces, at = [], start
    for _ in range(draw(st.integers(1, 3))):
        state = draw(st.integers(0, len(PACE_STATES) - 1))
        by_loads = PACE_STATES[state] == "active" and draw(st.booleans())
        watts = np.nan if by_loads else draw(WATTS)
        load = np.nan if by_loads and draw(st.booleans()) else draw(LOADS)
        paces.append((at, state, watts, load, draw(RATES)))
        at += draw(st.integers(0, max(0, end - at)))
    return Stint(job, start, end, places, paces, draw(st.sampled_from([0, 0, 10**11])))


def _when_free(free: list[tuple[int, int]], want: int) -> int:
    have, at = 0, 0
    for when, milli in free:
        have, at = have + milli, when
        if have >= want:
            break
    return at


def _take(free: list[tuple[int, int]], want: int, end: int) -> None:
    """Takes what was free first, and gives it back at ``end``."""
    given = want
    while given:
        when, milli = free.pop(0)
        used = min(given, milli)
        given -= used
        if milli > used:
            free.insert(0, (when, milli - used))
    if want:
        free.append((end, want))
        free.sort()


@st.composite
def states_of(draw: st.DrawFn, n: int, end_ns: int) -> PowerStates:
    """Power states at any instants, whoever holds the nodes then."""
    rows = draw(st.lists(st.tuples(st.integers(0, end_ns), st.integers(0, n - 1), st.integers(0, 4)), max_size=4))
    rows = sorted({(at, node): (at, node, state) for at, node, state in rows}.values())
    at, node, state = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    return PowerStates(node, at, state)


def log_of(stints: Sequence[Stint]) -> Allocations:
    """A log of some stints, in the order in which they began."""
    places = [place for one in stints for place in one.places]
    paces = [pace for one in stints for pace in one.paces]

    def ints(values: Sequence[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    return Allocations(
        job=ints([one.job for one in stints]),
        start_ns=ints([one.start for one in stints]),
        end_ns=ints([one.end for one in stints]),
        outcome=ints([0] * len(stints)),
        first_place=ints(np.cumsum([0, *(len(one.places) for one in stints)]).tolist()),
        node=ints([place[0] for place in places]),
        milli=ints([place[1] for place in places]),
        first_pace=ints(np.cumsum([0, *(len(one.paces) for one in stints)]).tolist()),
        pace_start_ns=ints([pace[0] for pace in paces]),
        pace_state=ints([pace[1] for pace in paces]),
        pace_gpu_w=np.array([pace[2] for pace in paces], dtype=np.float64),
        pace_cpu_load=np.array([pace[3] for pace in paces], dtype=np.float64),
        pace_rate=np.array([pace[4] for pace in paces], dtype=np.float64),
        done_ns=ints([one.done for one in stints]),
        cpu_share=np.array([place[2] for place in places], dtype=np.float64),
    )


class _Holder:
    """Holds slots of machines and says all of it beforehand."""

    knows_later = False

    def node_lost(self, node: Node) -> None:
        """Nobody fails here through the node itself."""

    def activity(self, _node: Node, _start_ns: int, _end_ns: int) -> Activity | None:
        """Its share says it all."""
        return None


def recorder(case: Case) -> LedgerRecorder:
    """An empty ledger for a case, its pools at one site."""
    return LedgerRecorder(dict.fromkeys(POOLS, "site"), Bins(case.bin_ns))


def metered(case: Case) -> Ledger:
    """The ledger of a case as machines with meters write it, whose holders step through the log ns by ns of change."""
    env, books, log = Clock(), recorder(case), case.log
    machines = [
        Nodes(env, books, POOLS[case.nodes.pool_of[i]], 1, case.nodes.hardware[case.nodes.kind_of[i]], True)[0]
        for i in range(len(case.nodes))
    ]
    todo: list[tuple[int, int, object]] = []  # instant, order at that instant, what to do
    for stint in range(len(log)):
        holder = _Holder()
        begin, end = int(log.first_place[stint]), int(log.first_place[stint + 1])
        for at, share in _shares(case, stint):
            todo += [(at, 2, (machines[log.node[p]], holder, share, p)) for p in range(begin, end)]
        if log.end_ns[stint] > log.start_ns[stint]:
            todo += [(int(log.end_ns[stint]), 0, (machines[log.node[p]], holder)) for p in range(begin, end)]
    for node, at, state in zip(*(column.tolist() for column in vars(case.states).values()), strict=True):
        todo.append((at, 1, (machines[node], NODE_STATES[state])))
    for at, _, what in sorted(todo, key=lambda one: one[:2]):
        if at > env.now_ns:
            env.run(until=at)
        _do(what, log)  # type: ignore[arg-type]  # tuples of three shapes
    if case.end_ns > env.now_ns:
        env.run(until=case.end_ns)
    for machine in machines:
        machine.settle()
    return books.ledger(case.end_ns)


def _do(what: tuple, log: Allocations) -> None:  # type: ignore[type-arg]  # tuples of three shapes
    if len(what) == 4:
        machine, holder, share, place = what
        slots, milli = divmod(int(log.milli[place]), MILLI)
        host_load = share.cpu_load * float(log.cpu_share[place])
        machine.hold(holder, replace(share, slots=slots, milli=milli, cpu_load=0.0, host_load=host_load))
    elif isinstance(what[1], str):
        what[0]._become(what[1])
    else:
        what[0].release(what[1])


def _shares(case: Case, stint: int) -> list[tuple[int, Share]]:
    """What a stint does from each instant on, found by asking at every instant at which anything could change."""
    log, loads = case.log, case.loads
    job, start, end = int(log.job[stint]), int(log.start_ns[stint]), int(log.end_ns[stint])
    paces = range(int(log.first_pace[stint]), int(log.first_pace[stint + 1]))
    ends = [*(int(log.pace_start_ns[pace]) for pace in paces[1:]), end]
    rows = range(int(loads.first[job]), int(loads.first[job + 1]))
    made: list[tuple[int, Share]] = []
    done = int(log.done_ns[stint])
    for pace, until in zip(paces, ends, strict=True):
        at, rate = int(log.pace_start_ns[pace]), float(log.pace_rate[pace])
        offsets = [int(loads.offset_ns[row]) for row in rows]
        instants = {at}
        if rate:
            instants |= {at + int(np.ceil((offset - done) / rate)) for offset in offsets if offset > done}
        for now in sorted(one for one in instants if one < until):
            # the last load whose offset has been reached; the instants at which others are, are those after ``now``
            reached = [
                i
                for i, offset in enumerate(offsets)
                if offset <= done or (rate and at + np.ceil((offset - done) / rate) <= now)
            ]
            row = rows[reached[-1]]
            watts, load = float(log.pace_gpu_w[pace]), float(log.pace_cpu_load[pace])
            watts = float(loads.gpu_w[row]) if np.isnan(watts) else watts
            load = float(loads.cpu_load[row]) if np.isnan(load) else load
            share = Share(OWNERS[case.owner_of[job]], 0, PACE_STATES[log.pace_state[pace]], watts, load)
            made.append((now, share))
        done += int(np.floor(rate * (until - at))) if until > at else 0
    assert not made or made[0][0] == start
    return made
