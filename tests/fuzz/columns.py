"""Tables with typed columns and traces of jobs: what a damaged text does not reach.

A column of a Parquet file may hold anything: durations, lists, truth, bytes, other units of time. Whatever is accepted
is what the same table says as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.signals.grid.plain import read_plain
from sim.signals.grid.series import Terms
from sim.units import MAX_NS
from sim.workload.jobs.formats import Terms as JobTerms
from sim.workload.jobs.table import UNKNOWN
from sim.workload.jobs.traces import read_jobs
from tests.fuzz.guard import NonsenseError
from tests.fuzz.raw import damaged

Case = Callable[[Path, Random], object]

START_S, ROWS = 1_767_225_600, 24
PLAIN = "submit_s,run_s,gpus,user\n" + "".join(f"{60 * i},{600 + i},{1 + i % 8},u{i % 3}\n" for i in range(ROWS))
SWF = "; MaxProcs: 64\n; UnixStartTime: 1767225600\n" + "".join(
    f"{i} {60 * i} 5 {600 + i} 4 -1 -1 4 900 -1 1 1 1 1 1 1 -1 -1\n" for i in range(1, ROWS)
)
SACCT = "JobID|Submit|Start|End|State|AllocTRES|NNodes|User\n" + "".join(
    f"{i}|2026-01-01T00:{i:02}:00|2026-01-01T01:{i:02}:00|2026-01-01T02:{i:02}:00|COMPLETED|cpu=8,gres/gpu=2|1|ann\n"
    for i in range(1, ROWS)
)
JOBS = {
    "plain": (PLAIN, "jobs.csv", JobTerms()),
    "swf": (SWF, "jobs.swf", JobTerms(processors="slots")),
    "sacct": (SACCT, "sacct.txt", JobTerms(zone="Europe/Berlin")),
}

NUMBERS = (
    pa.int8(), pa.uint16(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(24, 3), pa.string(),
    pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.bool_(), pa.binary(), pa.duration("s"),
    pa.duration("us"), pa.time64("us"), pa.date32(), pa.timestamp("ms"), pa.list_(pa.float64()),
    pa.struct([("a", pa.int64())]), pa.null(),
)  # fmt: skip
PLAIN_NUMBERS = 10
"""Of these, the first ones say numbers."""
INSTANTS = (
    pa.timestamp("s", "UTC"), pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("us"),
    pa.date64(), pa.int64(), pa.string(), pa.duration("ms"),
)  # fmt: skip
ODD = (None, float("nan"), float("inf"), -1.0, 0.0, 1e300)


def _column(values: list[float], kind: pa.DataType, rng: Random) -> pa.Array:
    """``values`` as a column of a kind, one of them perhaps odd; nulls where they cannot be of it."""
    given: list[float | None] = [*values]
    if rng.random() < 0.3:
        given[rng.randrange(len(given))] = rng.choice(ODD)
    plain = pa.array(given, pa.float64())
    for whole in (plain, pa.array([None if one is None or one != one else int(min(one, 1e9)) for one in given])):
        for step in (pa.int64(), pa.string(), None):
            try:
                return (whole if step is None else whole.cast(step)).cast(kind)
            except (pa.ArrowException, ValueError):
                continue
    return pa.nulls(len(given), kind)


def _table(folder: Path, columns: dict[str, pa.Array], rng: Random) -> Path:
    path = folder / "table.parquet"
    if rng.random() < 0.1:
        columns.pop(rng.choice([*columns]))
    pq.write_table(pa.table(columns), path, row_group_size=rng.choice((1, 7, 100)))
    if rng.random() < 0.1:
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
    return path


def series_in_parquet(folder: Path, rng: Random) -> None:
    """A series whose columns are of any kind."""
    kind = rng.choice(NUMBERS)
    times = [START_S + 3600.0 * i for i in range(ROWS)]
    values = _column([float(i % 100) for i in range(ROWS)], kind, rng)
    path = _table(folder, {"t": _column(times, rng.choice(INSTANTS), rng), "x": values}, rng)
    signal, _ = read_plain(
        path,
        Terms(rng.choice(("refuse", "hold")), 0),
        time_column="t",
        column="x",
        si_per_value=1.0,
        unit="g/J",
        may_be_negative=False,
    )
    if kind not in NUMBERS[:PLAIN_NUMBERS]:
        raise NonsenseError(f"a series of {kind} taken for numbers")
    if not np.isfinite(signal.values).all() or (signal.values < 0.0).any():
        raise NonsenseError("a series with a value that cannot be")


def jobs_in_parquet(folder: Path, rng: Random) -> None:
    """A plain table of jobs whose columns are of any kind; 600 to 623 s, or what no number says is refused."""
    kinds = [rng.choice(NUMBERS) if rng.random() < 0.5 else pa.int64() for _ in range(3)]
    values = ([60.0 * i for i in range(ROWS)], [600.0 + i for i in range(ROWS)], [1.0 + i % 8 for i in range(ROWS)])
    names = ("submit_s", "run_s", "gpus")
    columns = {name: _column(own, kind, rng) for name, own, kind in zip(names, values, kinds, strict=True)}
    _jobs(_table(folder, columns, rng), JobTerms())
    for name, kind in zip(names, kinds, strict=True):
        if kind not in (*NUMBERS[:PLAIN_NUMBERS], pa.null()) and columns[name].null_count < ROWS:
            raise NonsenseError(f"{name} of {kind} taken for numbers")


def _jobs(path: Path, terms: JobTerms) -> None:
    table = read_jobs(path, terms=terms, skip=path.stat().st_size % 3 == 0).table
    if not (0 <= table.submit_ns.min() <= table.submit_ns.max() <= MAX_NS):
        raise NonsenseError("submit_ns that cannot be")
    if not (UNKNOWN <= table.run_ns.min() <= table.run_ns.max() <= MAX_NS):
        raise NonsenseError("run_ns that cannot be")


def damaged_jobs(text: str, name: str, terms: JobTerms) -> Case:
    """A trace of jobs as text, damaged."""

    def case(folder: Path, rng: Random) -> None:
        path = folder / name
        path.write_bytes(damaged(text.encode(), "csv", rng))
        _jobs(path, terms)

    return case


def cases() -> Iterator[tuple[str, float, Case]]:
    """Each kind with how often it is drawn."""
    yield "series-parquet", 1.0, series_in_parquet
    yield "jobs-parquet", 1.0, jobs_in_parquet
    for name, (text, file, terms) in JOBS.items():
        yield f"jobs-{name}", 1.0, damaged_jobs(text, file, terms)
