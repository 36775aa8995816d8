"""The fold over a log, plainly: node by node, from one change to the next, by ``node_draws``."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from math import isnan
from typing import NamedTuple

import numpy as np

from sim.engine.fleet.logged import NODE_STATES, ON, LoggedRun, reached_ns, work_ns
from sim.engine.metering.draws import UNALLOCATED, Share, node_draws
from sim.engine.metering.meter import BinnedRecorder
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI, PACE_STATES, PaceState
from sim.workload.job_energy import JobEnergy


class Piece(NamedTuple):
    """What a stint does from ``start_ns`` until its next piece."""

    start_ns: int
    state: PaceState
    gpu_w: float
    cpu_load: float


def pieces_of(run: LoggedRun, stint: int) -> Iterator[Piece]:
    """A stint's paces, cut where the load of its job changes."""
    log, loads = run.log, run.loads
    end_ns, job, done_ns = int(log.end_ns[stint]), int(log.job[stint]), int(log.done_ns[stint])
    rows = range(int(loads.first[job]), int(loads.first[job + 1]))
    first, last = int(log.first_pace[stint]), int(log.first_pace[stint + 1])
    for pace in range(first, last):
        start_ns = int(log.pace_start_ns[pace])
        until_ns = end_ns if pace + 1 == last else min(end_ns, int(log.pace_start_ns[pace + 1]))
        state, rate = PACE_STATES[log.pace_state[pace]], float(log.pace_rate[pace])
        watts, load = float(log.pace_gpu_w[pace]), float(log.pace_cpu_load[pace])
        if state == "active" and (isnan(watts) or isnan(load)):
            changes = [start_ns + reached_ns(int(loads.offset_ns[row]) - done_ns, rate) for row in rows]
            now = bisect_right(changes, start_ns) - 1
            for i in range(now, len(rows)):
                at_ns = max(changes[i], start_ns)
                if at_ns < until_ns and not (i + 1 < len(rows) and changes[i + 1] == at_ns):
                    row = rows[i]
                    yield Piece(
                        at_ns,
                        state,
                        float(loads.gpu_w[row]) if isnan(watts) else watts,
                        float(loads.cpu_load[row]) if isnan(load) else load,
                    )
        elif start_ns < until_ns:
            yield Piece(start_ns, state, watts, load)
        done_ns += work_ns(rate, until_ns - start_ns)


class Held(NamedTuple):
    """A holder of a node from ``start_ns`` to ``end_ns``, and its share of it."""

    start_ns: int
    end_ns: int
    stint: int
    share: Share


def fold_plainly(run: LoggedRun, recorder: BinnedRecorder) -> JobEnergy:
    """Books what a log says was drawn, and returns what each job drew."""
    edges_ns = recorder.edges_ns(run.end_ns)
    edges = edges_ns.tolist()
    held: list[list[Held]] = [[] for _ in range(len(run.nodes))]
    for stint in range(len(run.log)):
        for node, each in _held_by(run, stint):
            held[node].append(each)
    changes: list[list[tuple[int, int]]] = [[] for _ in range(len(run.nodes))]
    for node, start_ns, state in zip(*(column.tolist() for column in vars(run.states).values()), strict=True):
        changes[node].append((start_ns, state))
    drawn: dict[tuple[int, int, int], list[float]] = {}
    for node in np.flatnonzero(run.nodes.logged).tolist():
        pool = int(run.nodes.pool_of[node])
        hardware = run.nodes.hardware[run.nodes.kind_of[node]]
        for start_ns, end_ns, state, there in _spans(held[node], changes[node], run.end_ns):
            draws = node_draws(hardware, NODE_STATES[state], tuple(one.share for one in there))
            owner = {one.share.owner: run.owners[run.owner_of[run.log.job[one.stint]]] for one in there}
            owner[UNALLOCATED] = UNALLOCATED
            recorder.record(run.nodes.pools[pool], [d._replace(owner=owner[d.owner]) for d in draws], start_ns, end_ns)
            for one in there:
                watts = sum(draw.watts for draw in draws if draw.owner == one.share.owner)
                _charge(drawn, (int(run.log.job[one.stint]), pool), one.share, watts, start_ns, end_ns, edges)
    keys = sorted(drawn)
    job, bins, pool_of = (np.array([key[i] for key in keys], dtype=np.int64) for i in range(3))
    energy_j, slot_s, active_s = (np.array([drawn[key][i] for key in keys], dtype=np.float64) for i in range(3))
    return JobEnergy(run.nodes.pools, edges_ns, job, pool_of, bins, energy_j, slot_s, active_s)


def _held_by(run: LoggedRun, stint: int) -> Iterator[tuple[int, Held]]:
    """What a stint holds of each of its nodes, piece by piece; the owner is the stint, by its number."""
    log = run.log
    pieces = list(pieces_of(run, stint))
    ends = [*(piece.start_ns for piece in pieces[1:]), min(int(log.end_ns[stint]), run.end_ns)][: len(pieces)]
    for place in range(int(log.first_place[stint]), int(log.first_place[stint + 1])):
        node, cpus = int(log.node[place]), float(log.cpu_share[place])
        slots, milli = divmod(int(log.milli[place]), MILLI)
        for piece, end_ns in zip(pieces, ends, strict=True):
            if piece.start_ns < end_ns:
                host_load = piece.cpu_load * cpus
                share = Share(str(stint), slots, piece.state, piece.gpu_w, 0.0, milli, host_load)
                yield node, Held(piece.start_ns, end_ns, stint, share)


def _spans(held: list[Held], changes: list[tuple[int, int]], end_ns: int) -> Iterator[tuple[int, int, int, list[Held]]]:
    """Spans of a node in which nothing changes, one after the other: from when to when, its state, who holds it."""
    cuts = {0, end_ns, *(start for start, _ in changes), *(one.start_ns for one in held), *(one.end_ns for one in held)}
    edges = sorted(cut for cut in cuts if cut <= end_ns)
    starting = sorted(held, key=lambda one: (one.start_ns, one.stint))
    there: list[Held] = []
    begun, changed, state = 0, 0, ON
    for start_ns, until_ns in pairwise(edges):
        there = [one for one in there if one.end_ns > start_ns]
        while begun < len(starting) and starting[begun].start_ns == start_ns:
            there.append(starting[begun])
            begun += 1
        while changed < len(changes) and changes[changed][0] <= start_ns:
            state = changes[changed][1]
            changed += 1
        yield start_ns, until_ns, state, there


def _charge(
    drawn: dict[tuple[int, int, int], list[float]],
    whose: tuple[int, int],
    share: Share,
    watts: float,
    start_ns: int,
    end_ns: int,
    edges: list[int],
) -> None:
    """Adds J, slots x s and those at work to a job's, in each bin."""
    job, pool = whose
    at = bisect_right(edges, start_ns) - 1
    while start_ns < end_ns:
        until_ns = min(end_ns, edges[at + 1])
        seconds = (until_ns - start_ns) * SECONDS_PER_NS
        sums = drawn.setdefault((job, at, pool), [0.0, 0.0, 0.0])
        sums[0] += watts * seconds
        sums[1] += share.amount * seconds
        sums[2] += share.amount * seconds if share.state == "active" else 0.0
        start_ns = until_ns
        at += 1
