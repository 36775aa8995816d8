"""What each row of an export of sacct asks for, from whichever of its columns say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.workload.jobs.cells import Bools, Cells, Floats, Ints
from sim.workload.jobs.formats import Opened
from sim.workload.jobs.slurm_words import Resources, memory, resources
from sim.workload.jobs.table import UNKNOWN
from sim.workload.trace_formats import BadRowError

LISTS = ("AllocTRES", "ReqTRES", "AllocGRES", "ReqGRES")
NONE = ("", "Unknown", "None", "(null)")


@dataclass(frozen=True, eq=False)
class Asked:
    """Columns (n,) of resources, UNKNOWN where they are not said; ``given`` is which rows were given any at all."""

    gpus: Ints
    milli: Ints
    nodes: Ints
    cpu_milli: Ints
    memory_mib: Ints
    gpu_type: pa.Array
    given: Bools


def asked_for(cells: Cells, opened: Opened) -> Asked:
    """Resources of each row: those of the first list that is there and not empty, then those of columns of their own.

    Raises ``InputError`` where no list is there, so that GPUs are unknown, and nobody says what a core takes.
    """
    lists = [name for name in LISTS if name in cells]
    cores = cells.counts(_first(cells, "AllocCPUS", "NCPUS", "ReqCPUS"), NONE) if _any(cells, "CPUS") else None
    nodes = cells.counts(_first(cells, "NNodes", "AllocNodes", "ReqNodes"), NONE) if _any(cells, "Nodes") else None
    unknown = np.full(len(cells), UNKNOWN, dtype=np.int64)
    cores, nodes = (unknown if one is None else one for one in (cores, nodes))
    if not lists:
        if opened.terms.processors is None:
            told = f"has none of {', '.join(LISTS)}, so that GPUs are not in it; export one, or say what a cpu is"
            raise InputError.one(opened.file, f"{told}: 'processors: slots' or 'processors: cores'", line=1)
        slots = opened.terms.processors == "slots"
        gpus = cores if slots else np.where(cores == UNKNOWN, UNKNOWN, 0)
        cpu_milli = unknown if slots else np.where(cores == UNKNOWN, UNKNOWN, cores * 1000)
        mib = _memory(cells, np.full(len(cells), np.nan), nodes, cores)
        untyped = pa.array([""] * len(cells), pa.string())
        return Asked(gpus, np.zeros_like(gpus), nodes, cpu_milli, mib, untyped, cores > 0)
    chosen = cells.text(lists[-1])
    for name in reversed(lists[:-1]):
        there = pa.array(~cells.is_one_of(name, NONE))
        chosen = pc.if_else(there, cells.text(name), chosen)
    given = ~cells.is_one_of(lists[0], NONE) if lists[0].startswith("Alloc") else np.zeros(len(cells), dtype=bool)
    found = _listed(cells, chosen)
    cores = np.where(found.cores == UNKNOWN, cores, found.cores)
    nodes = np.where(found.nodes == UNKNOWN, nodes, found.nodes)
    return Asked(
        found.gpus,
        found.milli,
        nodes,
        np.where(cores == UNKNOWN, UNKNOWN, cores * 1000),
        _memory(cells, found.mib, nodes, cores),
        found.gpu_type,
        given,
    )


@dataclass(frozen=True, eq=False)
class _Listed:
    cores: Ints
    mib: Floats
    nodes: Ints
    gpus: Ints
    milli: Ints
    gpu_type: pa.Array


def _listed(cells: Cells, lists: pa.Array) -> _Listed:
    encoded = lists.dictionary_encode()
    reasons: dict[int, str] = {}
    read: list[Resources] = []
    for i, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            read.append(resources(text))
        except (BadRowError, ValueError) as error:
            reasons[i] = str(error)
            read.append(Resources())
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    if reasons:
        cells.complain(np.isin(codes, list(reasons)), lambda row: reasons[int(codes[row])])

    def whole(values: list[int | None]) -> Ints:
        return np.asarray(np.array([UNKNOWN if value is None else value for value in values], dtype=np.int64)[codes])

    mib = np.array([np.nan if one.mib is None else one.mib for one in read], dtype=np.float64)[codes]
    types = pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32()), pa.array([one.gpu_type for one in read], pa.string())
    )
    return _Listed(
        whole([one.cores for one in read]),
        mib,
        whole([one.nodes for one in read]),
        whole([one.gpus for one in read]),
        whole([one.milli for one in read]),
        types.cast(pa.string()),
    )


def _memory(cells: Cells, mib: Floats, nodes: Ints, cores: Ints) -> Ints:
    """MiB (n,) in all: as listed, else by ReqMem."""
    if "ReqMem" in cells and np.isnan(mib).any():
        each = cells.mapped("ReqMem", lambda text: np.nan if text in NONE else memory(text).mib)
        by_node = np.asarray(pc.ends_with(cells.text("ReqMem"), "n").to_numpy(zero_copy_only=False), dtype=bool)
        by_core = np.asarray(pc.ends_with(cells.text("ReqMem"), "c").to_numpy(zero_copy_only=False), dtype=bool)
        known = np.where(by_node, nodes, np.where(by_core, cores, 1))
        asked = np.where(known == UNKNOWN, np.nan, each * known)
        mib = np.where(np.isnan(mib), asked, mib)
    return cells.whole("memory", np.ceil(np.where(mib == 0.0, np.nan, mib)))


def _any(cells: Cells, what: str) -> bool:
    return any(name in cells for name in (f"Alloc{what}", f"N{what}", f"Req{what}"))


def _first(cells: Cells, *names: str) -> str:
    return next(name for name in names if name in cells)
