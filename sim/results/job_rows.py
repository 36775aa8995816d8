"""Jobs as rows, what they held and what the cluster did over time, as Arrow tables: whole columns, never by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.accounting.batch import bounded_slowdown, job_gpu_hours, sent_back
from sim.later import later
from sim.results.columns import numbers, texts
from sim.units import J_PER_KWH, NS_PER_S
from sim.workload.allocations import OUTCOMES
from sim.workload.jobs.batch import ENDS, NEVER
from sim.workload.jobs.table import LABELS, RECORDED, UNKNOWN, JobTable

with later():
    from sim.accounting.queueing import OnBins


if TYPE_CHECKING:
    from sim.accounting.queueing import ClusterSeries
    from sim.workload.jobs.batch import Batch, DomainSeries


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AMOUNTS = ("gpus", "gpu_milli", "nodes", "cpu_milli", "memory_mib")
"""What a job asks for, in the table's own names."""


def job_rows(batch: Batch) -> pa.Table:
    """One row a job in the order of submission, times in seconds from the start of the run; null is what did not come,
    or what nobody knows.

    The names that a training has in its row (see ``sim.results.frames.job_table``) mean the same here.
    """
    table, started, ended = batch.table, batch.stints > 0, batch.ended
    submit_ns, end_ns = table.submit_ns, batch.ends.end_ns
    left = batch.ends.state != ENDS.index("unfinished")
    columns: dict[str, pa.Array] = {
        "workload": _word(batch.workload, len(table)),
        "job": texts(table.job_id) if len(table.job_id) else _numbers(len(table)),
        "row": numbers(np.arange(len(table))),
        "status": _coded(batch.ends.state, ENDS),
        **{label: _named(table, label) for label in LABELS},
        "pool": _pools(batch, started),
        **{name: _known(getattr(table, name)) for name in AMOUNTS},
        "limit_s": _seconds(table.limit_ns, table.limit_ns != UNKNOWN),
        "deadline_s": _seconds(table.deadline_ns, table.deadline_ns != UNKNOWN),
        "submitted_s": _seconds(submit_ns),
        "started_s": _seconds(batch.first_start_ns, started),
        "ended_s": _seconds(end_ns, left),
        "held_s": _seconds(batch.held_ns),
        "work_s": _seconds(table.run_ns),
        "wait_s": _seconds(batch.first_start_ns - submit_ns, started),
        "queued_s": _seconds(batch.queued_ns),
        "turnaround_s": _seconds(end_ns - submit_ns, ended),
        "bounded_slowdown": numbers(bounded_slowdown(batch), ~ended),
        "gpu_hours": numbers(job_gpu_hours(batch)),
        "stints": numbers(batch.stints),
        "preemptions": numbers(np.bincount(batch.log.job[sent_back(batch)], minlength=len(table)).astype(np.int64)),
        "recorded_state": _coded(table.recorded_state, RECORDED, table.recorded_state != 0),
        "recorded_started_s": _seconds(table.recorded_start_ns, table.recorded_start_ns != UNKNOWN),
        "recorded_ended_s": _seconds(table.recorded_end_ns, table.recorded_end_ns != UNKNOWN),
        "recorded_nodes": _named(table, "recorded_nodes"),
        "recorded_kwh": numbers(table.recorded_j / J_PER_KWH, np.isnan(table.recorded_j)),
        "line": _known(table.line),
    }
    if batch.joules is not None:
        columns["energy_kwh"] = numbers(batch.joules / J_PER_KWH)
    return pa.table(columns)


def jobs_table(trainings: pa.Table, batches: Sequence[Batch]) -> pa.Table:
    """All jobs of a run: trainings, then jobs as rows; what either kind does not have is null."""
    if not batches:
        return trainings
    tables = [trainings, *map(job_rows, batches)]
    schema = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
    rows = [_under(schema, table) for table in tables if len(table)]  # one alone is not copied
    return pa.concat_tables(rows).combine_chunks() if len(rows) > 1 else rows[0]


def _under(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """A table with all columns of a schema, null where it has none."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def stint_rows(batches: Sequence[Batch]) -> pa.Table:
    """One row a stint in the order in which they began: which job held how many thousandths of slots on which nodes,
    from when to when. The metadata has the pools with their nodes and slots."""
    import json

    inventory = batches[0].inventory
    names = texts(inventory.nodes)
    parts = []
    for batch in batches:
        log = batch.log
        offsets = numbers(log.first_place.astype(np.int32))
        nodes = pa.DictionaryArray.from_arrays(numbers(log.node.astype(np.int32)), names)
        ids = batch.table.job_id
        parts.append(
            pa.table(
                {
                    "workload": _word(batch.workload, len(log)),
                    "job": texts(ids).take(numbers(log.job)) if len(ids) else _text(log.job),
                    "row": numbers(log.job),
                    "start_ns": numbers(log.start_ns),
                    "end_ns": numbers(log.end_ns),
                    "outcome": _coded(log.outcome, OUTCOMES),
                    "nodes": pa.ListArray.from_arrays(offsets, nodes),
                    "milli": pa.ListArray.from_arrays(offsets, numbers(log.milli.astype(np.int32))),
                }
            )
        )
    pools = {
        name: {"nodes": int((inventory.pool == code).sum()), "milli": inventory.of([name])}
        for code, name in enumerate(inventory.pools)
        if any(name in batch.pools for batch in batches)
    }
    whole = pa.concat_tables(parts)
    order = np.argsort(np.concatenate([batch.log.start_ns for batch in batches]), kind="stable")
    about = {"pools": json.dumps(pools), "end_ns": str(batches[0].end_ns)}
    return (whole.take(numbers(order)) if len(parts) > 1 else whole).combine_chunks().replace_schema_metadata(about)


def cluster_rows(series: ClusterSeries, domains: Sequence[DomainSeries] = ()) -> pa.Table:
    """One row a bin of each series: ``of`` a pool (slots held), a workload (jobs waiting, running) or what a limit of
    power is for (W), its mean and the most of it there, and how much there is or may be (null: no limit)."""
    pieces: list[dict[str, pa.Array]] = []

    def put(what: str, name: str, edges_ns: Ints, values: OnBins, most: Floats) -> None:
        pieces.append(
            {
                "series": _word(what, len(edges_ns) - 1),
                "of": _word(name, len(edges_ns) - 1),
                "start_ns": numbers(edges_ns[:-1]),
                "end_ns": numbers(edges_ns[1:]),
                "mean": numbers(values.mean),
                "most": numbers(values.most),
                "limit": numbers(most, ~np.isfinite(most)),
            }
        )

    bins = len(series.edges_ns) - 1
    for name, held in series.held.items():
        put("held", name, series.edges_ns, held, np.full(bins, series.capacity[name]))
    for what, each in (("waiting", series.waiting), ("running", series.running)):
        for name, values in each.items():
            put(what, name, series.edges_ns, values, np.full(bins, np.inf))
    for one in domains:
        put(f"power of {one.level}", one.name, one.edges_ns, OnBins(one.watts, one.most_w), one.limit_w)
    return pa.concat_tables([pa.table(piece) for piece in pieces]).combine_chunks()


def _seconds(ns: Ints, there: Bools | None = None) -> pa.Array:
    return numbers(ns / NS_PER_S, None if there is None else ~there)


def _known(values: Ints) -> pa.Array:
    return numbers(values, values == UNKNOWN)


def _numbers(n: int) -> pa.Array:
    return _text(np.arange(n))


def _text(values: Ints) -> pa.Array:
    return numbers(values).cast(pa.string())


def _word(word: str, n: int) -> pa.Array:
    return _coded(np.zeros(n, np.int64), [word])


def _coded(codes: Ints, names: Sequence[str], there: Bools | None = None) -> pa.Array:
    """Names by code as text; a dictionary would be one of several, and not the same in all files."""
    index = numbers(codes, None if there is None else ~there)
    return texts(names).take(index)


def _named(table: JobTable, label: str) -> pa.Array:
    codes: Ints = getattr(table, label)
    names = table.names.get(label, ())
    known = codes != UNKNOWN
    if not known.any():
        return pa.nulls(len(codes), pa.string())
    words = [*names, *(str(code) for code in range(len(names), int(codes.max()) + 1))]
    return _coded(codes, words, known)


def _pools(batch: Batch, started: Bools) -> pa.Array:
    """Where each job began: the pool of its first node; null where it did not."""
    log, inventory = batch.log, batch.inventory
    placed = log.first_place[1:] > log.first_place[:-1]
    first = np.full(len(batch.table), NEVER)
    own = np.flatnonzero(placed)[::-1]  # the first of several is written last
    first[log.job[own]] = inventory.pool[log.node[log.first_place[own]]]
    return _coded(first, inventory.pools, started & (first != NEVER))


def cluster_series_of(rows: pa.Table) -> Mapping[tuple[str, str], pa.Table]:
    """The rows of each series and what it is of, as ``cluster_rows`` wrote them."""
    keys = list(dict.fromkeys(zip(rows["series"].to_pylist(), rows["of"].to_pylist(), strict=True)))
    import pyarrow.compute as pc

    return {
        (what, name): rows.filter(pc.and_(pc.equal(rows["series"], what), pc.equal(rows["of"], name)))
        for what, name in keys
    }
