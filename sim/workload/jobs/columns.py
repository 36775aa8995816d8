"""The jobs of one block of a trace as columns, in the trace's own time, and what must hold of any job whatever."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.workload.jobs.cells import ABSENT, Bools, Cells, Floats, Ints
from sim.workload.jobs.table import UNKNOWN

UNEQUAL = "have nodes of unequal shares: how many nodes is left open"
OVER = "ran for longer than they asked for"
NOBODY = ("", "(null)", "None", "nan", "NaN", "NA", "-1")
"""Of a user, an account, a queue, a kind or a type of GPU: the trace does not say."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Jobs (n,), each of a ``row`` of its block. ``submit``, ``start`` and ``end`` are instants in ns, ABSENT where
    there is none; ``run`` is ns, ABSENT where it is not known. ``numbers`` are columns of ``JobTable`` by name;
    ``labels`` and ``job_id`` are texts, and labels that are one of ``nobody`` say nothing.
    """

    row: Ints
    line: Ints
    submit: Ints
    start: Ints
    end: Ints
    run: Ints
    numbers: dict[str, Ints | Floats]
    labels: dict[str, pa.Array]
    job_id: pa.Array
    nobody: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.line)

    def take(self, rows: Ints) -> Columns:
        """These rows, in this order; one may come more than once."""
        at = pa.array(rows)
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in ("row", "line", "submit", "start", "end", "run")},
            numbers={name: values[rows] for name, values in self.numbers.items()},
            labels={name: texts.take(at) for name, texts in self.labels.items()},
            job_id=self.job_id.take(at),
        )

    def without_texts(self) -> Columns:
        """The numbers alone."""
        return replace(self, labels={}, job_id=pa.nulls(0))


def held_together(
    cells: Cells,
    *,
    submit: Ints,
    start: Ints,
    end: Ints,
    run: Ints | None = None,
    state: Ints | None = None,
    job_id: str | None,
    numbers: dict[str, Ints | Floats],
    labels: dict[str, str | pa.Array],
    nobody: tuple[str, ...] = NOBODY,
) -> Columns:
    """The rows of a block as jobs, those that contradict themselves complained of; bad ones are still among them.

    ``run`` is from start to end where nothing else is given. ``labels`` and ``job_id`` name columns; without
    ``job_id`` a job is called by its line.
    """
    ran = np.where((start != ABSENT) & (end != ABSENT), end - start, ABSENT) if run is None else run
    cells.complain(submit == ABSENT, lambda _: "has no time of submission")
    cells.complain(
        (start != ABSENT) & (start < submit), lambda row: _early(start[row], submit[row], "starts", "submitted")
    )
    cells.complain(
        (start != ABSENT) & (end != ABSENT) & (end < start), lambda row: _early(end[row], start[row], "ends", "started")
    )
    cells.complain((end != ABSENT) & (end < submit), lambda row: _early(end[row], submit[row], "ends", "submitted"))
    cells.complain((ran != ABSENT) & (ran < 0), lambda _: "runs for less than no time")
    asked = dict(numbers)
    asked["recorded_state"] = np.zeros(len(cells), dtype=np.int64) if state is None else state
    gpus, milli = asked["gpus"], asked.setdefault("gpu_milli", np.zeros(len(cells), dtype=np.int64))
    cores = asked.get("cpu_milli", np.full(len(cells), UNKNOWN, dtype=np.int64))
    cells.complain(gpus == UNKNOWN, lambda _: "does not say how many GPUs (or processors) it asks for")
    cells.complain((gpus <= 0) & (milli <= 0) & (cores <= 0), lambda _: "asks for no GPU and no core")
    if "nodes" in asked:
        nodes = asked["nodes"]
        unequal = (nodes > 0) & (gpus % np.maximum(nodes, 1) != 0)
        cells.note(unequal, UNEQUAL)
        asked["nodes"] = np.where(unequal | (nodes == 0), UNKNOWN, nodes)
    if "limit_ns" in asked:
        limit = asked["limit_ns"]
        asked["limit_ns"] = np.where(limit == ABSENT, UNKNOWN, limit)
        cells.note((limit != ABSENT) & (ran > limit), OVER)
    texts = {name: cells.text(one) if isinstance(one, str) else one for name, one in labels.items()}
    called = pa.array(cells.line).cast(pa.string()) if job_id is None else cells.text(job_id)
    return Columns(np.arange(len(cells)), cells.line, submit, start, end, ran, asked, texts, called, nobody)


def _early(later: int, earlier: int, what: str, before: str) -> str:
    return f"{what} {(earlier - later) / 1e9:,.0f} s before it was {before}"


def constant(cells: Cells, value: int) -> Ints:
    """The same number for each row (n,)."""
    return np.full(len(cells), value, dtype=np.int64)


def text_of(words: pa.Array, empty: Bools) -> pa.Array:
    """Texts (n,), with nothing where ``empty``."""
    return pc.if_else(pa.array(empty), pa.scalar(""), words)
