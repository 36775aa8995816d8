"""The traces of Helios, and of Acme's two clusters, Seren and Kalos: tables of jobs with a header.

Sources: Hu et al., "Characterization and Prediction of Deep Learning Workloads in Large-Scale GPU Datacenters", SC 2021
(doi:10.1145/3458817.3476223); Hu et al., "Characterization of Large Language Model Development in the Datacenter", NSDI
2024 (arXiv:2403.07648); and the descriptions beside the traces (HeliosData, AcmeTrace). Rules:

- Helios: times without an offset: on the clock of the zone that the user names
- Acme: times with one: as written (+08:00 of Seren, +00:00 of Kalos)
- no start_time: it never started, unless its state says that it runs
- start_time and end_time: what it ran; ``duration`` does not count, which in Kalos holds the wait too
- no end_time: unfinished
- ``queue``: the wait in s, and no queue; the queue is Helios' virtual cluster, ``vc``
- gpu_num, cpu_num: of the job in all
- Kalos: mem_per_pod_GB: of each of its nodes
- Acme: type: the kind of job
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from sim.units import BYTES_PER_GB
from sim.workload.jobs.cells import ABSENT, Cells
from sim.workload.jobs.columns import Columns, constant, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, has_columns, under_header
from sim.workload.jobs.states import CODE, state_of
from sim.workload.jobs.times import Clock

NONE = ("", "None", "NaT", "nan", "NaN", "Unknown", "NULL")
BYTES_PER_MIB = 1 << 20
NEVER = "never started"
LABELS = {"user": "user", "queue": "vc", "kind": "type"}
SHARED = ("job_id", "user", "gpu_num", "cpu_num", "node_num", "state", "submit_time", "start_time", "end_time")


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of Helios or Acme. Raises ``InputError`` for times without an offset where no zone is named."""
    clock = Clock(opened.file, opened.terms.zone, "Asia/Shanghai")
    return under_header(partial(_jobs, clock=clock), by_clock=True)(opened)


def _jobs(cells: Cells, _opened: Opened, *, clock: Clock) -> Columns:
    asked, began, ended = (clock.read(cells, f"{what}_time", NONE) for what in ("submit", "start", "end"))
    submit, start, end = clock.settle(cells, asked, began, ended, constant(cells, ABSENT))
    state = cells.mapped("state", state_of).astype(np.int64)
    never = (start == ABSENT) & (state != CODE["running"])
    state[never] = CODE["never"]
    nodes = cells.counts("node_num", NONE)
    numbers = {
        "gpus": cells.counts("gpu_num", NONE),
        "nodes": nodes,
        "cpu_milli": cells.counts("cpu_num", NONE, scale=1000),
    }
    if "mem_per_pod_GB" in cells:
        gb = cells.numbers("mem_per_pod_GB", NONE)
        mib = np.ceil(gb * BYTES_PER_GB / BYTES_PER_MIB) * np.maximum(nodes, 1)
        numbers["memory_mib"] = cells.whole("mem_per_pod_GB", np.where(mib == 0.0, np.nan, mib))
    jobs = held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        state=state,
        job_id="job_id",
        numbers=dict(numbers),
        labels={name: column for name, column in LABELS.items() if column in cells},
    )
    cells.note(never, NEVER)
    return jobs


HELIOS = JobFormat("helios", (*SHARED, "vc"), has_columns(*SHARED, "vc"), read, uses=("zone",))
ACME = JobFormat("acme", (*SHARED, "type", "gpu_time"), has_columns(*SHARED, "type", "gpu_time"), read, uses=("zone",))
