"""A log, its nodes and the books that it is folded into, laid out in columns for the compiled fold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.engine.draws import UNALLOCATED, NodeHardware
from sim.engine.fleet.logged import HOLDER_STATES, OF_NOBODY, FleetNodes, LoggedRun
from sim.engine.meter import BinnedRecorder, Draw
from sim.workload.job_energy import JobEnergy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Names = tuple[tuple[str, str], ...]
"""Of the columns of a kind of node: hardware and component of each."""


class Kinds(NamedTuple):
    """Kinds of nodes, a row each: ``NodeHardware`` in columns. Parts and points of supplies begin at ``first_*``."""

    family: Ints
    columns: Ints
    slots: Ints
    has_gpu: Ints
    gpu_idle_w: Floats
    gpu_scale: Floats
    sockets: Ints
    cpu_idle_w: Floats
    cpu_full_w: Floats
    cpu_exponent: Floats
    first_part: Ints
    part_idle_w: Floats
    part_active_w: Floats
    rated_w: Floats
    first_point: Ints
    point_load: Floats
    point_efficiency: Floats
    standing: Ints
    standby_w: Floats
    boot_w: Floats
    shutdown_w: Floats


class Nodes(NamedTuple):
    """Nodes: the kind of each, and whether anybody ever had work on its CPUs without slots."""

    kind_of: Ints
    has_hosted: Ints


class States(NamedTuple):
    """Power states of nodes: those of node ``i`` are the rows ``first[i]`` to ``first[i + 1]``, in time."""

    first: Ints
    start_ns: Ints
    state: Ints


class Log(NamedTuple):
    """Stints, their places and paces, and the loads of their jobs (see ``Allocations`` and ``Loads``)."""

    job: Ints
    owner: Ints
    start_ns: Ints
    end_ns: Ints
    done_ns: Ints
    first_place: Ints
    node: Ints
    milli: Ints
    cpus: Floats
    first_pace: Ints
    pace_start_ns: Ints
    pace_state: Ints
    pace_gpu_w: Floats
    pace_cpu_load: Floats
    pace_rate: Floats
    first_load: Ints
    load_offset_ns: Ints
    load_gpu_w: Floats
    load_cpu_load: Floats


class Seats(NamedTuple):
    """Who holds something of a node at an instant, and what they do there until ``next_ns``; seat 0 is nobody's."""

    stint: Ints
    milli: Ints
    cpus: Floats
    pace: Ints
    since_ns: Ints
    done_ns: Ints
    load: Ints
    next_ns: Ints
    state: Ints
    gpu_w: Floats
    cpu_load: Floats


class Books(NamedTuple):
    """What the fold adds up: J (blocks, bins, columns), slots x ns and thousandths beyond (blocks, bins).

    A block is a family of nodes (a pool's, of one profile), an owner (the last is nobody) and a state of slots;
    ``block`` has its number. Stint ``s`` has a row a bin, from ``first[s]`` on, the first for ``first_bin[s]``.
    """

    edges_ns: Ints
    block: Ints
    energy_j: Floats
    slot_ns: Ints
    milli_ns: Ints
    first: Ints
    first_bin: Ints
    stint_j: Floats
    stint_slot_s: Floats
    stint_active_s: Floats


def names_of(hardware: NodeHardware) -> Names:
    """Hardware and component of each column of a kind of node, in the order in which ``node_draws`` has them."""
    gpus = [(hardware.gpu, "gpu")] if hardware.gpu is not None else []
    rest = [(hardware.name, "cpu"), *((hardware.name, part.component) for part in hardware.parts)]
    return (*gpus, *rest, *([(hardware.name, "psu_loss")] if hardware.supply is not None else []))


class Families:
    """Nodes whose rows in the ledger are the same: those of a pool that have the same columns."""

    def __init__(self, nodes: FleetNodes) -> None:
        """Each pool and kind that go together make a row of ``Kinds``; ``kind_of`` (nodes,) are these."""
        pairs, kind_of = np.unique(
            nodes.pool_of * len(nodes.hardware) + nodes.kind_of if len(nodes) else np.empty(0, np.int64),
            return_inverse=True,
        )
        pools, kinds = np.divmod(pairs, max(1, len(nodes.hardware)))
        self.kind_of: Ints = kind_of.astype(np.int64)
        self.hardware = [nodes.hardware[kind] for kind in kinds.tolist()]
        named = [(nodes.pools[pool], names_of(kind)) for pool, kind in zip(pools.tolist(), self.hardware, strict=True)]
        self.names = tuple(dict.fromkeys(named))
        position = {name: i for i, name in enumerate(self.names)}
        self.of_kind = [position[name] for name in named]

    @property
    def columns(self) -> int:
        """Of the family that has most."""
        return max((len(names) for _, names in self.names), default=0)


def kinds_of(families: Families) -> Kinds:
    """Kinds of nodes in columns."""
    kinds = families.hardware
    supplies = [kind.supply for kind in kinds]

    def ints(values: Sequence[int]) -> Ints:
        return np.array(values, dtype=np.int64)

    def floats(values: Sequence[float]) -> Floats:
        return np.array(values, dtype=np.float64)

    standing = [[component for _, component in names_of(kind)].index(kind.standing) for kind in kinds]
    return Kinds(
        family=ints(families.of_kind),
        columns=ints([len(names_of(kind)) for kind in kinds]),
        slots=ints([kind.slots for kind in kinds]),
        has_gpu=ints([kind.gpu is not None for kind in kinds]),
        gpu_idle_w=floats([kind.gpu_idle_w for kind in kinds]),
        gpu_scale=floats([kind.gpu_scale for kind in kinds]),
        sockets=ints([kind.sockets for kind in kinds]),
        cpu_idle_w=floats([kind.cpu_idle_w for kind in kinds]),
        cpu_full_w=floats([kind.cpu_full_w for kind in kinds]),
        cpu_exponent=floats([kind.cpu_exponent for kind in kinds]),
        first_part=ints([0, *accumulate(len(kind.parts) for kind in kinds)]),
        part_idle_w=floats([part.idle_w for kind in kinds for part in kind.parts]),
        part_active_w=floats([part.active_w for kind in kinds for part in kind.parts]),
        rated_w=floats([supply.rated_w if supply is not None else 0.0 for supply in supplies]),
        first_point=ints([0, *accumulate(len(supply.loads) if supply is not None else 0 for supply in supplies)]),
        point_load=floats([load for supply in supplies if supply is not None for load in supply.loads]),
        point_efficiency=floats([each for supply in supplies if supply is not None for each in supply.efficiencies]),
        standing=ints(standing),
        standby_w=floats([kind.standby_w for kind in kinds]),
        boot_w=floats([kind.boot_w for kind in kinds]),
        shutdown_w=floats([kind.shutdown_w for kind in kinds]),
    )


def nodes_of(run: LoggedRun, families: Families) -> Nodes:
    """Nodes in columns."""
    hosted = np.zeros(len(run.nodes), dtype=np.int64)
    hosted[run.log.node[run.log.milli == 0]] = 1
    return Nodes(families.kind_of, hosted)


def states_of(run: LoggedRun) -> States:
    """Power states node by node."""
    order = np.argsort(run.states.node, kind="stable")
    first = np.searchsorted(run.states.node[order], np.arange(len(run.nodes) + 1))
    return States(first.astype(np.int64), run.states.start_ns[order], run.states.state[order])


def log_of(run: LoggedRun) -> Log:
    """The log in columns."""
    log, loads = run.log, run.loads
    return Log(
        job=log.job,
        owner=run.owner_of[log.job].astype(np.int64),
        start_ns=log.start_ns,
        end_ns=np.minimum(log.end_ns, run.end_ns),
        done_ns=log.done_ns,
        first_place=log.first_place,
        node=log.node,
        milli=log.milli,
        cpus=log.cpus,
        first_pace=log.first_pace,
        pace_start_ns=log.pace_start_ns,
        pace_state=log.pace_state,
        pace_gpu_w=log.pace_gpu_w,
        pace_cpu_load=log.pace_cpu_load,
        pace_rate=log.pace_rate,
        first_load=np.ascontiguousarray(loads.first),
        load_offset_ns=np.ascontiguousarray(loads.offset_ns),
        load_gpu_w=np.ascontiguousarray(loads.gpu_w),
        load_cpu_load=np.ascontiguousarray(loads.cpu_load),
    )


def seats_for(log: Log, nodes: int) -> Seats:
    """Room for all that ever sit on one node."""
    most = int(np.bincount(log.node, minlength=max(1, nodes)).max(initial=0)) + 2

    def ints() -> Ints:
        return np.zeros(most, dtype=np.int64)

    def floats() -> Floats:
        return np.zeros(most)

    return Seats(
        stint=ints(),
        milli=ints(),
        cpus=floats(),
        pace=ints(),
        since_ns=ints(),
        done_ns=ints(),
        load=ints(),
        next_ns=ints(),
        state=ints(),
        gpu_w=floats(),
        cpu_load=floats(),
    )


def books_for(run: LoggedRun, families: Families, log: Log, edges_ns: Ints) -> Books:
    """Empty books, with blocks for those states alone in which anybody is."""
    bins, owners, states = len(edges_ns) - 1, len(run.owners), len(HOLDER_STATES)
    block = np.full((len(families.names), owners + 1, states), -1, dtype=np.int64)
    block[:, owners, list(OF_NOBODY)] = 0
    if len(log.node):
        place_stint = np.repeat(np.arange(len(log.job)), np.diff(log.first_place))
        family = np.array(families.of_kind)[families.kind_of[log.node]]
        held = np.zeros((len(families.names), owners), dtype=bool)
        held[family, log.owner[place_stint]] = True
        pace_owner = np.repeat(log.owner, np.diff(log.first_pace))
        does = np.zeros((owners, states), dtype=bool)
        does[pace_owner, log.pace_state] = True
        block[:, :owners][held[:, :, None] & does[None]] = 0
    block[block == 0] = np.arange(np.count_nonzero(block == 0))
    blocks = int(block.max(initial=-1)) + 1
    first_bin = np.searchsorted(edges_ns, log.start_ns, side="right") - 1
    last_bin = np.searchsorted(edges_ns, log.end_ns, side="left") - 1
    spans = np.where(log.end_ns > log.start_ns, last_bin - first_bin + 1, 0)
    first = np.concatenate([[0], np.cumsum(spans)]).astype(np.int64)
    rows = int(first[-1])
    return Books(
        edges_ns=edges_ns,
        block=block,
        energy_j=np.zeros((blocks, bins, families.columns)),
        slot_ns=np.zeros((blocks, bins), dtype=np.int64),
        milli_ns=np.zeros((blocks, bins), dtype=np.int64),
        first=first,
        first_bin=first_bin.astype(np.int64),
        stint_j=np.zeros(rows),
        stint_slot_s=np.zeros(rows),
        stint_active_s=np.zeros(rows),
    )


def hand_over(books: Books, families: Families, owners: Sequence[str], recorder: BinnedRecorder) -> None:
    """Books all of it with a recorder."""
    for family, owner, state in np.argwhere(books.block >= 0).tolist():
        block = books.block[family, owner, state]
        if not (books.slot_ns[block].any() or books.milli_ns[block].any() or books.energy_j[block].any()):
            continue
        pool, names = families.names[family]
        whose = owners[owner] if owner < len(owners) else UNALLOCATED
        for column, (hardware, component) in enumerate(names):
            draw = Draw(hardware, component, whose, HOLDER_STATES[state], 0.0, 0)
            recorder.add(pool, draw, books.energy_j[block, :, column], books.slot_ns[block], books.milli_ns[block])


def energy_of_jobs(books: Books, run: LoggedRun, log: Log) -> JobEnergy:
    """What each job drew in each bin: the rows of its stints, those of one job, pool and bin added."""
    rows = np.diff(books.first)
    held = np.flatnonzero(rows)
    order = held[np.argsort(log.job[held], kind="stable")]
    spans = rows[order]
    within = np.arange(int(spans.sum())) - np.repeat(np.cumsum(spans) - spans, spans)
    at = np.repeat(books.first[order], spans) + within
    job = np.repeat(log.job[order], spans)
    pool = np.repeat(run.nodes.pool_of[log.node[log.first_place[order]]], spans)
    bins = np.repeat(books.first_bin[order], spans) + within
    values = [books.stint_j[at], books.stint_slot_s[at], books.stint_active_s[at]]
    if len(order) > len(np.unique(log.job[order])):  # jobs of several stints
        together = np.lexsort((pool, bins, job))
        job, pool, bins = job[together], pool[together], bins[together]
        new = np.ones(len(job), dtype=bool)
        new[1:] = (job[1:] != job[:-1]) | (pool[1:] != pool[:-1]) | (bins[1:] != bins[:-1])
        begins = np.flatnonzero(new)
        job, pool, bins = job[begins], pool[begins], bins[begins]
        values = [np.add.reduceat(column[together], begins) for column in values]
    return JobEnergy(run.nodes.pools, books.edges_ns, job, pool, bins, *values)
