"""Ledger, requests and jobs as Arrow tables, and the ledger back from one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.accounting.ledger import Key, Ledger
from sim.accounting.serving import RequestEnergy
from sim.results.columns import instants, numbers, reals, texts, wholes
from sim.units import HOUR_NS, J_PER_KWH, J_PER_NJ, NS_PER_S
from sim.workload.serving_records import ROW_COLUMNS, STATUSES, ServingLog

if TYPE_CHECKING:
    from sim.workload.records import CampaignRecord, JobRecord, ServiceLog


Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_CELLS = 1_500_000_000
"""Of a ledger that is read; as many as signals may cut one into (``sim/checks/ledger_size.py``)."""
ROWS_OF_GROUP = 1 << 20
"""As Arrow groups a table that it writes whole."""
_LEDGER = ("start_ns", "end_ns", *Key._fields, "energy_j", "slot_ns")


def ledger_table(ledger: Ledger, start_ns: int) -> pa.Table:
    """Rows in order of time, then key; a row that held nothing and drew nothing is left out."""
    return pa.concat_tables(ledger_tables(ledger, start_ns)).combine_chunks()


def ledger_tables(ledger: Ledger, start_ns: int, rows: int = ROWS_OF_GROUP) -> Iterator[pa.Table]:
    """The same in tables of so many ``rows``, the last with what is left: a large ledger is never there twice."""
    words = {name: sorted({getattr(key, name) for key in ledger.keys}) for name in Key._fields}
    names = {}
    for name, own in words.items():
        at = {word: i for i, word in enumerate(own)}
        names[name] = texts(own), np.array([at[getattr(key, name)] for key in ledger.keys], dtype=np.int32)
    told = {"start_ns": str(start_ns), "end_ns": str(ledger.end_ns)}
    used = np.zeros(len(ledger.edges_ns) - 1, dtype=np.int64)
    for energy_j, slot_ns in zip(ledger.energy_j, ledger.slot_ns, strict=True):
        used += (slot_ns != 0) | (energy_j != 0.0)
    until = np.cumsum(used)
    total = int(until[-1]) if len(until) else 0
    for begin in range(0, max(total, 1), rows):
        end = min(begin + rows, total)
        low, high = np.searchsorted(until, begin, "right"), np.searchsorted(until, end, "left") + 1
        energy, slots = ledger.energy_j[:, low:high].T, ledger.slot_ns[:, low:high].T
        bins, keys = np.nonzero((slots != 0) | (energy != 0.0))
        skipped = begin - (int(until[low - 1]) if low else 0)
        bins, keys = bins[skipped : skipped + end - begin], keys[skipped : skipped + end - begin]
        starts, ends = ledger.edges_ns[:-1][low + bins], ledger.edges_ns[1:][low + bins]
        columns: dict[str, pa.Array] = {
            "start": instants(starts + start_ns),
            "start_ns": numbers(starts),
            "end_ns": numbers(ends),
        }
        for name, (own, index) in names.items():
            columns[name] = pa.DictionaryArray.from_arrays(numbers(index[keys]), own)
        columns["energy_j"] = numbers(energy[bins, keys])
        columns["slot_ns"] = numbers(slots[bins, keys])
        yield pa.table(columns).replace_schema_metadata(told)


MOST_J = 1e21
"""More than any site draws in the years that can be simulated: 25 GW over 300 years are 2.4e20 J."""


def ledger_of(table: pa.Table) -> tuple[Ledger, int]:
    """The ledger in a table and the start of its run in ns since 1970. Raises ``KeyError``
    or ``ValueError`` for another table."""
    import pyarrow as pa

    metadata = table.schema.metadata or {}
    for name in ("start_ns", "slot_ns", "energy_j"):
        kind = table.schema.field(name).type
        if not (pa.types.is_float64(kind) if name == "energy_j" else pa.types.is_int64(kind)):
            raise ValueError(f"its {name} are of {kind}")
    for name in Key._fields:
        kind = table.schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise ValueError(f"its {name} are of {kind}")
    if any(table[name].null_count for name in _LEDGER):
        raise ValueError("it has holes")
    start_ns, end_ns = int(metadata[b"start_ns"]), int(metadata[b"end_ns"])
    starts = table["start_ns"].to_numpy()
    edges = np.append(np.unique(starts), end_ns).astype(np.int64)
    keys, rows = _keys_of(table)
    columns = np.searchsorted(edges, starts)
    if len(keys) * (len(edges) - 1) > MOST_CELLS:
        raise ValueError(f"{len(keys):,} rows of {len(edges) - 1:,} bins are more than a ledger holds")
    if table.num_rows == 0 or (np.diff(edges) <= 0).any():
        raise ValueError("it has no bins that follow one another")
    energies = table["energy_j"].to_numpy()
    if not (np.isfinite(energies) & (np.abs(energies) < MOST_J)).all():
        raise ValueError("it has energies that are none")
    energy = np.zeros((len(keys), len(edges) - 1))
    slots = np.zeros(energy.shape, dtype=np.int64)
    energy[rows, columns] = table["energy_j"].to_numpy()
    slots[rows, columns] = table["slot_ns"].to_numpy()
    return Ledger(edges, keys, energy, slots), start_ns


def _keys_of(table: pa.Table) -> tuple[tuple[Key, ...], Ints]:
    """The keys of a table, sorted, and which of them each row is of (rows,)."""
    table = table.select(list(Key._fields)).unify_dictionaries()
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for name in Key._fields:
        column = table[name].combine_chunks()
        column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        words = column.dictionary.to_pylist()
        own = sorted(set(words))  # a file may name a word twice
        at = {word: i for i, word in enumerate(own)}
        index = np.array([at[word] for word in words], dtype=np.int64)[column.indices.to_numpy(zero_copy_only=False)]
        _, codes = np.unique(codes * len(own) + index, return_inverse=True)
    first = np.unique(codes, return_index=True)[1]
    keys = zip(*(table[name].take(numbers(first.astype(np.int64))).to_pylist() for name in Key._fields), strict=True)
    return tuple(Key(*key) for key in keys), codes


def _seconds(ns: Sequence[int | None]) -> pa.Array:
    return reals([None if one is None else one / NS_PER_S for one in ns])


def job_table(records: Sequence[JobRecord]) -> pa.Table:
    """One row a job, times in seconds from the start of the run."""

    return pa.table(
        {
            "workload": texts([r.workload for r in records]),
            "status": texts([r.status for r in records]),
            "gpus": wholes([r.gpus for r in records]),
            "submitted_s": _seconds([r.submitted_ns for r in records]),
            "started_s": _seconds([r.started_ns for r in records]),
            "ended_s": _seconds([r.ended_ns for r in records]),
            "held_s": _seconds([r.held_ns for r in records]),
            "work_s": _seconds([r.work_ns for r in records]),
            "done_s": _seconds([r.done_ns for r in records]),
            "lost_s": _seconds([r.lost_ns for r in records]),
            "interruptions": wholes([r.interruptions for r in records]),
            "checkpoints": wholes([r.checkpoints for r in records]),
        }
    )


def trial_table(records: Sequence[CampaignRecord]) -> pa.Table:
    """One row a trial of a campaign, in the order in which they began; times in seconds from the start of the run.

    ``quality`` and ``shown`` are lower for better, and mean nothing but ranks.
    """
    rows = [(record.workload, trial) for record in records for trial in record.trials]
    trials = [trial for _, trial in rows]

    def whole(name: str) -> pa.Array:
        return wholes([getattr(trial, name) for trial in trials])

    def real(name: str, unit: float = 1.0) -> pa.Array:
        values = [getattr(trial, name) for trial in trials]
        return reals([None if value is None else value / unit for value in values])

    return pa.table(
        {
            "workload": texts([name for name, _ in rows]),
            "trial": whole("number"),
            "kind": whole("variant"),
            "size": real("factor"),
            "gpus": whole("gpus"),
            "outcome": texts([trial.outcome for trial in trials]),
            "progress": real("progress"),
            "started_s": _seconds([trial.started_ns for trial in trials]),
            "ended_s": _seconds([trial.ended_ns for trial in trials]),
            "gpu_hours": real("held_gpu_ns", HOUR_NS),
            "lost_gpu_hours": real("lost_gpu_ns", HOUR_NS),
            "evaluation_gpu_hours": real("evaluation_gpu_ns", HOUR_NS),
            "energy_kwh": real("energy_j", J_PER_KWH),
            "evaluation_kwh": real("evaluation_j", J_PER_KWH),
            "interruptions": whole("interruptions"),
            "quality": real("quality"),
            "shown": real("shown"),
        }
    )


def request_table(logs: Sequence[ServiceLog], sample: int | None, rng: np.random.Generator) -> pa.Table:
    """One row a finished request, in order of completion; times in ns from the start; at most ``sample`` in all."""
    total = sum(len(log.done_ns) for log in logs)
    names = np.repeat(np.arange(len(logs)), [len(log.done_ns) for log in logs])
    arrival, start, done = (
        np.concatenate([np.frombuffer(getattr(log, name), dtype=np.int64) for log in logs] or [np.empty(0, np.int64)])
        for name in ("arrival_ns", "start_ns", "done_ns")
    )
    order = np.lexsort((arrival, done))
    if sample is not None and sample < total:
        order = order[np.sort(rng.choice(total, size=sample, replace=False))]
    return pa.table(
        {
            "workload": pa.DictionaryArray.from_arrays(
                pa.array(names[order].astype(np.int32)), pa.array([log.workload for log in logs], type=pa.string())
            ),
            "arrival_ns": pa.array(arrival[order]),
            "start_ns": pa.array(start[order]),
            "done_ns": pa.array(done[order]),
        }
    )


def serving_table(log: ServingLog, rows: npt.NDArray[np.int64], energy: RequestEnergy | None) -> pa.Table:
    """One row for each of some ``rows`` (n, 16) of a serving workload, in their order; what never came is null.

    With ``energy``, the J each answers for; all rows and what is unattributed add up to the ledger.
    """
    columns = {name: rows[:, i] for i, name in enumerate(ROW_COLUMNS)}
    data: dict[str, pa.Array] = {
        "workload": pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(rows), dtype=np.int32)), pa.array([log.workload], type=pa.string())
        ),
        "status": pa.DictionaryArray.from_arrays(pa.array(columns["status"].astype(np.int32)), pa.array(STATUSES)),
    }
    for name in ROW_COLUMNS:
        if name.endswith(("_nj", "fill_ns", "code_ns")) or name == "status":
            continue
        values = columns[name]
        missing = values < 0 if name in ("scheduled_ns", "first_token_ns", "replica") else None
        data[name] = pa.array(values, mask=missing)
    if energy is not None:
        data |= dict(zip(("prefill_j", "decode_j", "overhead_j"), map(pa.array, energy.of(rows)), strict=True))
    return pa.table(data)


def iteration_table(logs: Sequence[ServingLog]) -> pa.Table:
    """One row an iteration of the services that keep theirs, in the order in which they end; the metadata names
    services of which later ones may be left out."""
    kept = [(log.workload, log.iterations) for log in logs if log.iterations is not None]
    rows = np.concatenate([rows for _, rows in kept])
    which = np.repeat(np.arange(len(kept), dtype=np.int32), [len(rows) for _, rows in kept])
    names = pa.array([name for name, _ in kept], pa.string())
    columns: dict[str, Any] = {"workload": pa.DictionaryArray.from_arrays(pa.array(which), names)}
    columns |= {name: pa.array(rows[:, i]) for i, name in enumerate(ITERATION_COLUMNS)}
    columns["dynamic_j"] = pa.array(rows[:, len(ITERATION_COLUMNS)] * J_PER_NJ)
    cut = [log.workload for log in logs if log.iterations_are_cut]
    return pa.table(columns).replace_schema_metadata({"cut": json.dumps(cut)})


ITERATION_COLUMNS = ("replica", "start_ns", "end_ns", "decodes", "prompts", "prompt_tokens")
"""Those that are whole numbers, as the engine logs them; joules follow."""
TRACE_COLUMNS = ("gpu_w", "node_w", "gpus_w", "it_w")
"""W of one GPU of the first pipeline stage, of one node, of all GPUs of the job, and of all IT booked to it."""


def trace_table(traces: Sequence[tuple[str, Ints, Floats]], start_ns: int) -> pa.Table:
    """One row a sample and workload: its beginning in UTC and in ns from the start of the run, whose it is, and W.

    ``traces`` are a workload's name, edges (n + 1,) and W by column (4, n).
    """
    begins = np.concatenate([edges[:-1] for _, edges, _ in traces])
    which = np.concatenate([np.full(len(edges) - 1, i, dtype=np.int32) for i, (_, edges, _) in enumerate(traces)])
    watts = np.concatenate([w for _, _, w in traces], axis=1)
    columns = {
        "start": pa.array(begins + start_ns, type=pa.timestamp("ns", tz="UTC")),
        "start_ns": pa.array(begins),
        "workload": pa.DictionaryArray.from_arrays(pa.array(which), pa.array([name for name, _, _ in traces])),
        **{name: pa.array(watts[i]) for i, name in enumerate(TRACE_COLUMNS)},
    }
    return pa.table(columns)
