"""A log, its nodes and the books that it is folded into, laid out for the compiled fold, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.logged import HOLDER_STATES, OF_NOBODY, FleetNodes, LoggedRun
from sim.engine.fleet.metering_records import Fold, Kind, Machine, Part, Point, Seat
from sim.engine.metering.draws import UNALLOCATED, NodeHardware
from sim.engine.metering.meter import BinnedRecorder, Draw
from sim.workload.job_energy import JobEnergy

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[Any]
Names = tuple[tuple[str, str], ...]
"""Of the columns of a kind of node: hardware and component of each."""


def names_of(hardware: NodeHardware) -> Names:
    """Hardware and component of each column of a kind of node, in the order in which ``node_draws`` has them."""
    gpus = [(hardware.gpu, "gpu")] if hardware.gpu is not None else []
    rest = [(hardware.name, "cpu"), *((hardware.name, part.component) for part in hardware.parts)]
    return (*gpus, *rest, *([(hardware.name, "psu_loss")] if hardware.supply is not None else []))


class Families:
    """Nodes whose rows in the ledger are the same, those of a pool that have the same columns; and kinds of nodes.

    Units of a fleet have hardware of their own that differs in what their GPUs draw alone: they are one kind.
    """

    def __init__(self, nodes: FleetNodes) -> None:
        """``hardware`` and ``of_kind`` (kinds,) are those of each kind, ``kind_of`` (nodes,) the kind of each node."""
        kinds: dict[tuple[int, NodeHardware], int] = {}
        families: dict[tuple[str, Names], int] = {}
        self.hardware: list[NodeHardware] = []
        self.of_kind: list[int] = []
        number = np.full((len(nodes.pools), len(nodes.hardware)), -1, dtype=np.int64)
        for pool, unit in dict.fromkeys(zip(nodes.pool_of.tolist(), nodes.kind_of.tolist(), strict=True)):
            hardware = nodes.hardware[unit].as_model
            kind = number[pool, unit] = kinds.setdefault((pool, hardware), len(kinds))
            if kind == len(self.hardware):
                self.hardware.append(hardware)
                self.of_kind.append(families.setdefault((nodes.pools[pool], names_of(hardware)), len(families)))
        self.names = tuple(families)
        self.kind_of: Ints = number[nodes.pool_of, nodes.kind_of]

    @property
    def columns(self) -> int:
        """Of the family that has most."""
        return max((len(names) for _, names in self.names), default=0)


@dataclass(frozen=True, eq=False)
class Books:
    """What the fold adds up (see ``Fold``): J (blocks, bins, columns), slots x ns and thousandths beyond them (blocks,
    bins), and of each stint J, slots x s and those at work in each of its bins."""

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


class Memory:
    """Rows by their names in ``Fold``, which stay where they are as long as this does."""

    def __init__(self, rows: dict[str, Rows], numbers: dict[str, int]) -> None:
        self._rows = {name: np.ascontiguousarray(row) for name, row in rows.items()}
        self._fold = np.zeros(1, Fold.dtype)
        for name, row in self._rows.items():
            assert row.dtype == Fold.rows[name], name
            self._fold[0][name] = row.ctypes.data
        for name, number in numbers.items():
            self._fold[0][name] = number

    @property
    def address(self) -> int:
        """Of the ``Fold``."""
        return int(self._fold.ctypes.data)


def memory_of(run: LoggedRun, families: Families, books: Books) -> tuple[Memory, list[Rows]]:
    """All that the compiled fold is given, and rows that must be kept meanwhile."""
    log, loads = run.log, run.loads
    order = np.argsort(run.states.node, kind="stable")
    first_change = np.searchsorted(run.states.node[order], np.arange(len(run.nodes) + 1))
    places = np.bincount(log.node, minlength=max(1, len(run.nodes)))
    kinds, kept = _kinds(families)
    seats = int(places.max()) + 2
    machines = np.zeros(len(run.nodes), Machine.dtype)
    machines["kind"] = families.kind_of
    for name in ("gpu_scale", "gpu_offset_w"):
        machines[name] = np.array([getattr(unit, name) for unit in run.nodes.hardware])[run.nodes.kind_of]
    machines["first_change"], machines["n_changes"] = first_change[:-1], np.diff(first_change)
    machines["hosts"][log.node[log.milli == 0]] = 1
    machines["swept"] = run.nodes.logged
    rows = {
        **{name: getattr(log, name) for name in Fold.rows if hasattr(log, name)},
        "owner": run.owner_of[log.job].astype(np.int64),
        "first_load": loads.first,
        "load_offset_ns": loads.offset_ns,
        "load_gpu_w": loads.gpu_w,
        "load_cpu_load": loads.cpu_load,
        "change_ns": run.states.start_ns[order],
        "change_state": run.states.state[order],
        "machines": machines,
        "kinds": kinds,
        "seats": np.zeros(seats, Seat.dtype),
        "watts": np.zeros(seats * max(1, families.columns)),
        "stint_of": np.zeros(len(log.node), np.int64),
        "order": np.zeros(len(log.node), np.int64),
        "grouped": np.zeros(len(log.node), np.int64),
        "scales": np.zeros(int(np.diff(log.first_place).max(initial=0)) + 1),
        "offsets_w": np.zeros(int(np.diff(log.first_place).max(initial=0)) + 1),
        **vars(books),
    }
    numbers = {
        "n_stints": len(log),
        "n_places": len(log.node),
        "n_nodes": len(run.nodes),
        "n_bins": len(books.edges_ns) - 1,
        "n_columns": families.columns,
        "n_owners": len(run.owners),
    }
    return Memory(rows, numbers), kept


def _kinds(families: Families) -> tuple[Rows, list[Rows]]:
    """Kinds of nodes as records, and their parts and points, which these have the addresses of."""
    kinds = np.zeros(len(families.hardware), Kind.dtype)
    kept: list[Rows] = []
    for kind, family, hardware in zip(kinds, families.of_kind, families.hardware, strict=True):
        names = names_of(hardware)
        for name in ("slots", "gpu_idle_w", "sockets", "cpu_idle_w", "cpu_full_w", "cpu_exponent"):
            kind[name] = getattr(hardware, name)
        for name in ("standby_w", "boot_w", "shutdown_w"):
            kind[name] = getattr(hardware, name)
        kind["family"], kind["columns"], kind["has_gpu"] = family, len(names), hardware.gpu is not None
        kind["standing"] = [component for _, component in names].index(hardware.standing)
        supply = hardware.supply
        points = list(zip(supply.loads, supply.efficiencies, strict=True)) if supply is not None else []
        kind["rated_w"] = supply.rated_w if supply is not None else 0.0
        kept += [
            np.array([(part.idle_w, part.active_w) for part in hardware.parts], Part.dtype),
            np.array(points, Point.dtype),
        ]
        kind["n_parts"], kind["n_points"] = len(hardware.parts), len(points)
        kind["parts"], kind["points"] = (rows.ctypes.data for rows in kept[-2:])
    return kinds, kept


def books_for(run: LoggedRun, families: Families, edges_ns: Ints) -> Books:
    """Empty books, with blocks for those states alone in which anybody is."""
    log = run.log
    bins, owners, states = len(edges_ns) - 1, len(run.owners), len(HOLDER_STATES)
    used = np.zeros((len(families.names), owners + 1, states), dtype=bool)
    used[:, owners, list(OF_NOBODY)] = True
    owner = run.owner_of[log.job]
    if len(log.node):
        family = np.array(families.of_kind)[families.kind_of[log.node]]
        held = np.zeros((len(families.names), owners), dtype=bool)
        held[family, np.repeat(owner, np.diff(log.first_place))] = True
        does = np.zeros((owners, states), dtype=bool)
        does[np.repeat(owner, np.diff(log.first_pace)), log.pace_state] = True
        used[:, :owners] = held[:, :, None] & does[None]
    block = np.where(used, np.cumsum(used.ravel()).reshape(used.shape) - 1, -1)
    blocks = int(np.count_nonzero(used))
    first_bin = np.searchsorted(edges_ns, log.start_ns, side="right") - 1
    last_bin = np.searchsorted(edges_ns, log.end_ns, side="left") - 1
    spans = np.where(log.end_ns > log.start_ns, last_bin - first_bin + 1, 0)
    first = np.concatenate([[0], np.cumsum(spans)]).astype(np.int64)
    rows = int(first[-1])
    return Books(
        edges_ns=edges_ns,
        block=block.astype(np.int64),
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


def energy_of_jobs(books: Books, run: LoggedRun) -> JobEnergy:
    """What each job drew in each bin: the rows of its stints, those of one job, pool and bin added."""
    log = run.log
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
    jobs = log.job[order]
    if (jobs[1:] == jobs[:-1]).any():  # of several stints
        together = np.lexsort((pool, bins, job))
        job, pool, bins = job[together], pool[together], bins[together]
        new = np.ones(len(job), dtype=bool)
        new[1:] = (job[1:] != job[:-1]) | (pool[1:] != pool[:-1]) | (bins[1:] != bins[:-1])
        begins = np.flatnonzero(new)
        job, pool, bins = job[begins], pool[begins], bins[begins]
        values = [np.add.reduceat(column[together], begins) for column in values]
    return JobEnergy(run.nodes.pools, books.edges_ns, job, pool, bins, *values)
