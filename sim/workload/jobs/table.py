"""A table of jobs, one row each, as columns; what a trace says and what a law draws look alike from here on.

Times are ns from the start of the run, resources are what a job asks for. A number that nobody knows is ``UNKNOWN``
(or NaN), never 0: a job of a trace without a time limit has none, and a scheduler must say what it does then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNKNOWN = -1
"""Of an integer column: the trace does not say."""

RecordedState = Literal["unknown", "completed", "failed", "cancelled", "timeout", "preempted", "running", "never"]
RECORDED: tuple[RecordedState, ...] = (
    "unknown",
    "completed",
    "failed",
    "cancelled",
    "timeout",
    "preempted",
    "running",
    "never",
)
"""How a job ended in the trace, by code. ``never`` was not started; ``running`` had not ended when the trace did."""

LABELS = ("user", "account", "queue", "kind", "gpu_type")
"""Columns of codes into ``names``: who, for whom, through which queue, what kind of job, on which kind of GPU."""
NAMED = (*LABELS, "recorded_nodes")
"""All columns of codes into ``names``."""


@dataclass(frozen=True, eq=False)
class Loads:
    """How hard jobs work over time: piecewise constant from ``offset_ns`` (of work done since the job's start) on.

    Job ``i`` has the rows ``first[i]`` to ``first[i + 1]`` (none: constant); the first of them is at offset 0, offsets
    rise. ``gpu_w`` is W of one GPU (NaN where not known), ``cpu_load`` the load of the host's CPUs that are its, 0..1.
    """

    first: Ints
    offset_ns: Ints
    gpu_w: Floats
    cpu_load: Floats


@dataclass(frozen=True, eq=False)
class JobTable:
    """``n`` jobs. Each column has shape (n,); those not given are unknown, or none.

    ``submit_ns`` does not fall. ``run_ns`` is how long it is at work on all that it asks for, uninterrupted;
    ``limit_ns`` what its user asked for, after which it is killed. Resources: ``gpus`` whole GPUs in total, or
    ``gpu_milli`` (1..999) thousandths of one; ``nodes`` of equal shares where it says how many; ``cpu_milli``
    thousandths of cores and ``memory_mib`` MiB in total, UNKNOWN where they do not count. ``min_gpus``..``max_gpus`` is
    what an elastic job may have. ``slack_ns`` is how much later it may start than it could. ``gpu_w`` is the mean W of
    one GPU at work (NaN where not known), ``cpu_load`` the load on the CPUs that are its. ``recorded_*`` is what
    happened in the trace, in the times of the run, with the J that it recorded and the hosts (``hostlists``) it ran on.
    ``told`` is what whoever made the table has to say of it: rows that were left out, and rules that were applied to
    others.
    """

    submit_ns: Ints
    run_ns: Ints
    gpus: Ints
    gpu_milli: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    nodes: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    cpu_milli: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    memory_mib: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    limit_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    priority: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    spot: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # 1: may be preempted
    deadline_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    slack_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    min_gpus: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    max_gpus: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    user: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    account: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    queue: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    kind: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    gpu_type: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    gpu_w: Floats = field(default_factory=lambda: np.empty(0, np.float64))
    cpu_load: Floats = field(default_factory=lambda: np.empty(0, np.float64))
    recorded_start_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    recorded_end_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    recorded_state: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    recorded_j: Floats = field(default_factory=lambda: np.empty(0, np.float64))
    recorded_nodes: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    line: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    job_id: Sequence[str] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    loads: Loads | None = None
    told: Sequence[str] = ()

    def __post_init__(self) -> None:
        n = len(self.submit_ns)
        for name in COLUMNS:
            if not len(getattr(self, name)) and n:
                object.__setattr__(self, name, np.broadcast_to(_TYPES[name](_FILL.get(name, UNKNOWN)), n))
        assert all(len(getattr(self, name)) == n for name in COLUMNS)
        assert not n or bool(np.all(np.diff(self.submit_ns) >= 0)), "jobs are in the order of their submission"

    def __len__(self) -> int:
        return len(self.submit_ns)

    def take(self, rows: Ints) -> JobTable:
        """These rows, in this order, which must be that of their submission."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        taken: dict[str, Any] = {name: _taken(getattr(self, name), rows) for name in COLUMNS}
        ids = [self.job_id[i] for i in rows.tolist()] if len(self.job_id) else ()
        return replace(self, **taken, job_id=ids, loads=_loads_of(self.loads, rows))


COLUMNS = tuple(one.name for one in fields(JobTable) if one.name not in ("job_id", "names", "loads", "told"))
_TYPES = {name: np.float64 if name in ("gpu_w", "cpu_load", "recorded_j") else np.int64 for name in COLUMNS}
_FILL = {
    "gpu_milli": 0,
    "priority": 0,
    "spot": 0,
    "slack_ns": 0,
    "recorded_state": 0,
    "gpu_w": np.nan,
    "cpu_load": np.nan,
    "recorded_j": np.nan,
}


def _taken(column: npt.NDArray[Any], rows: Ints) -> npt.NDArray[Any]:
    """Rows of a column; of one that nobody has given, no more memory than that takes."""
    return column[rows] if any(column.strides) else np.broadcast_to(column[:1], len(rows))


def _loads_of(loads: Loads | None, rows: Ints) -> Loads | None:
    if loads is None:
        return None
    counts = loads.first[rows + 1] - loads.first[rows]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(first[-1]) - np.repeat(first[:-1], counts)
    at = np.repeat(loads.first[rows], counts) + within
    return Loads(first, loads.offset_ns[at], loads.gpu_w[at], loads.cpu_load[at])
