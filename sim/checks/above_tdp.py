"""Watts that were measured above a GPU's TDP: which are taken as they are, and which are of something else.

A board may draw more than its limit for a moment, before its controller has lowered the clock, and hardly any more in
the mean. Of what this project was held against: 471,883 kernels under vLLM on H200, B200 and GB200, each the mean of
NVML over repeated launches, are at most 1.03 of their power limit (aiconfigurator's tables); means over epochs under a
limit at most 1.02 (Zeus, V100 and P100); samples every 0.1 s of an A100 that serves up to 1.22 of its TDP for 1 % of
the time, and below it in any minute (vLLM power traces). So a mean of up to ``MOST_MEAN`` and a sample of up to
``MOST_SAMPLE`` times the TDP are taken as recorded, and told; more is refused: another device, a node's meter, or mW.
A cut GPU's instances may draw what the board may.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.jobs.rows import pools_of_jobs, table_of
from sim.build.resolved import Resolved
from sim.checks.loads import stated_loads
from sim.documents import KeyPath
from sim.errors import InputError
from sim.paths import joined
from sim.units import NS_PER_S

if TYPE_CHECKING:
    from sim.spec.jobs import Jobs
    from sim.workload.jobs.table import JobTable

MOST_MEAN, MOST_SAMPLE = 1.05, 1.3

Floats = npt.NDArray[np.float64]
Found = Iterator[tuple[KeyPath, str]]


def stated(resolved: Resolved) -> Found:
    """Measured loads that are written in a scenario: each is a mean."""
    for at, load, label in stated_loads(resolved):
        if load.kind != "measured":
            continue
        tdp_w, name = _tdp(label, resolved)
        if float(load.active) > MOST_MEAN * tdp_w:
            yield (*at, "active"), f"is more than {MOST_MEAN:g} times the TDP of '{name}', {tdp_w:g} W: {_OTHER}"


_OTHER = "that is another device, or the power of more than one GPU"


def recorded(name: str, spec: Jobs, table: JobTable, resolved: Resolved) -> Found:
    """What a trace tells of its jobs: the first that cannot be, in the mean or at an instant, and how many are so."""
    limit_w = _limits_w(name, spec, table, resolved)
    path: KeyPath = ("workloads", name, "load")
    wrong = table.gpu_w > MOST_MEAN * limit_w
    if wrong.any():
        row = int(np.argmax(wrong))
        drawn = f"{table.gpu_w[row]:g} W of each GPU in the mean, more than {MOST_MEAN:g} times"
        yield path, _told(int(wrong.sum()), "in the mean", _job(table, row), drawn, limit_w[row])
        return
    loads = table.loads
    if loads is None:
        return
    job = np.repeat(np.arange(len(table)), np.diff(loads.first))
    high = loads.gpu_w > MOST_SAMPLE * limit_w[job]
    if high.any():
        at = int(np.argmax(high))
        drawn = f"{loads.gpu_w[at]:g} W of each GPU {loads.offset_ns[at] / NS_PER_S:g} s after its start, more than "
        drawn += f"{MOST_SAMPLE:g} times"
        yield path, _told(len(np.unique(job[high])), "for a time", _job(table, job[at]), drawn, limit_w[job[at]])


def remarks(resolved: Resolved) -> Iterator[str]:
    """Jobs of traces that draw more than the TDP, and less than is refused; a line a workload."""
    for name, spec in resolved.batches.items():
        if spec.load is None or spec.load.kind != "trace":
            continue
        try:
            table = table_of(name, spec, resolved)
        except InputError:
            continue  # its files were there when it was checked, and need not be for what is only priced
        limit_w = _limits_w(name, spec, table, resolved)
        above = table.gpu_w > limit_w
        most_w = float(np.max(table.gpu_w, where=above, initial=0.0))
        if table.loads is not None:
            job = np.repeat(np.arange(len(table)), np.diff(table.loads.first))
            high = table.loads.gpu_w > limit_w[job]
            above[job[high]] = True
            most_w = max(most_w, float(np.max(table.loads.gpu_w, where=high, initial=0.0)))
        count = int(above.sum())
        if count:
            they = "job draws" if count == 1 else "jobs draw"
            told = f"{count:,} {they} more than the TDP of a GPU, up to {most_w:g} W: taken as recorded"
            yield f"{joined(('workloads', name, 'load'))}: {told}"


def _limits_w(name: str, spec: Jobs, table: JobTable, resolved: Resolved) -> Floats:
    """The TDP that bounds each job (n,): the largest of the pools that it may stand in; inf where none has GPUs."""
    choices, choice = pools_of_jobs(spec, table, tuple(resolved.pools[name].values()))
    return np.array([max(_tdp(label, resolved)[0] for label in pools) for pools in choices])[choice]


def _tdp(label: str, resolved: Resolved) -> tuple[float, str]:
    board = resolved.machines[label].board
    return (float(board.tdp.value), board.name) if board is not None else (np.inf, "")


def _job(table: JobTable, row: int) -> str:
    called = f"'{table.job_id[row]}' " if len(table.job_id) else ""
    return f"{called}(line {table.line[row]})"


def _told(count: int, when: str, first: str, drawn: str, tdp_w: float) -> str:
    they = "job draws" if count == 1 else "jobs draw"
    return f"{count:,} {they} too much {when}, the first being {first}: {drawn} the TDP of {tdp_w:g} W; {_OTHER}"
