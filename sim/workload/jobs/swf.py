"""The Standard Workload Format of the Parallel Workloads Archive: comments, then 18 columns between spaces.

Source: Chapin et al., "Benchmarks and standards for the evaluation of parallel job schedulers", JSSPP 1999, and the
definition of the format (version 2.2) of the Parallel Workloads Archive. Rules:

- -1: not known
- requested processors: what the job asks for; the allocated ones where those are -1 or 0
- wait -1: the start is not known (an archive may give starts as submissions: read its header)
- run time -1: not known: an unfinished job; status 5 and no processors or no run time: never started
- requested time -1: no time limit; run times beyond the limit stay as they are, counted
- requested memory: kB of each processor
- status 2, 3, 4: bursts of a job whose summary is another line: left out, counted
- preceding job, think time: which job waits for which is not replayed: counted
- UnixStartTime: the instant that times count from; without it there is no clock
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from sim.errors import InputError
from sim.units import MAX_NS, NS_PER_S
from sim.workload.jobs.cells import ABSENT, Cells, Ints
from sim.workload.jobs.columns import Columns, constant, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, rows_of
from sim.workload.jobs.states import CODE
from sim.workload.jobs.table import UNKNOWN

COLUMNS = (
    "job",
    "submit",
    "wait",
    "run",
    "allocated processors",
    "average CPU time",
    "used memory",
    "requested processors",
    "requested time",
    "requested memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding job",
    "think time",
)
NONE, BURST = ("-1",), ("2", "3", "4")
KIB_PER_MIB = 1024
BURSTS = "are bursts of a job that has a line of its own: left out"
ALLOCATED = "do not say how many processors were requested: as many as were allocated"
FEWER = "were allocated other processors than they requested: the requested ones count"
FOLLOWS = "waited for another job to end: that they do is not replayed"
STATES = {0: CODE["failed"], 1: CODE["completed"], 5: CODE["cancelled"]}
_SAID = re.compile(r"^;\s*UnixStartTime:\s*(\d+)", re.MULTILINE)
_ROW = re.compile(r"^\s*-?[\d.]+(\s+-?[\d.]+){17}\s*$")


def fits(head: str) -> bool:
    """Comments by ``;``, or 18 numbers between spaces."""
    lines = [line for line in head.split("\n") if line.strip()]
    rows = [line for line in lines if not line.lstrip().startswith(";")]
    return bool(_ROW.match(rows[0])) if rows else bool(lines)


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of an SWF file. Raises ``InputError`` where nobody says what a processor is."""
    if opened.terms.processors is None:
        told = "counts processors; say what one takes here: 'processors: slots' (a GPU, or a socket of a node without "
        raise InputError.one(opened.file, told + "GPUs) or 'processors: cores'")
    began = _SAID.search(opened.head)
    zero = int(began[1]) * NS_PER_S if began is not None else 0

    def jobs(cells: Cells, opened: Opened) -> Columns:
        return _jobs(cells, zero if zero < MAX_NS else 0, slots=opened.terms.processors == "slots")

    by_clock = began is not None and 0 < zero < MAX_NS
    yield from rows_of(opened, COLUMNS, opened.head, 1, jobs, by_clock=by_clock, separator="\t", smoothed=_tabbed)


def _tabbed(text: str) -> str:
    """Lines with a tab between fields, and comments emptied."""
    last = text.rfind(";")
    ends = text.find("\n", last)
    commented = 0 if last < 0 else len(text) if ends < 0 else ends
    lines = text[:commented].split("\n")
    text = "\n".join("" if line.lstrip().startswith(";") else line for line in lines) + text[commented:]
    text = text.replace("\t", " ").replace("\r\n", "\n")
    while "  " in text:  # a run of spaces is halved each time
        text = text.replace("  ", " ")
    return text.replace("\n ", "\n").replace(" \n", "\n").strip(" ").replace(" ", "\t")


def _jobs(cells: Cells, zero: int, *, slots: bool) -> Columns:
    cells.leave_out(cells.is_one_of("status", BURST), BURSTS)
    submit, wait, run = (cells.seconds(name, NONE) for name in ("submit", "wait", "run"))
    cells.complain((submit != ABSENT) & (submit < 0), lambda _: "was submitted before the trace began")
    start = np.where((wait == ABSENT) | (submit == ABSENT), ABSENT, submit + wait)
    end = np.where((start == ABSENT) | (run == ABSENT), ABSENT, start + run)
    allocated, requested = (cells.counts(f"{what} processors", NONE) for what in ("allocated", "requested"))
    without = requested <= 0
    processors = np.where(without, allocated, requested)
    status = cells.counts("status", NONE)
    state = constant(cells, CODE["unknown"])
    for code, meant in STATES.items():
        state[status == code] = meant
    never = (status == 5) & ((run <= 0) | (allocated == 0))
    start, end = np.where(never, ABSENT, start), np.where(never, ABSENT, end)
    run = np.where(never, ABSENT, run)
    kib = cells.numbers("requested memory", NONE)
    memory = cells.whole("requested memory", np.ceil(kib * np.maximum(processors, 0) / KIB_PER_MIB))
    cells.note(without & (allocated > 0), ALLOCATED)
    cells.note(~without & (allocated > 0) & (allocated != requested), FEWER)
    cells.note(~cells.is_one_of("preceding job", NONE), FOLLOWS)
    return held_together(
        cells,
        submit=_from(zero, submit),
        start=_from(zero, start),
        end=_from(zero, end),
        run=run,
        state=np.where(never, CODE["never"], state).astype(np.int64),
        job_id="job",
        numbers={
            "gpus": processors if slots else np.where(processors == UNKNOWN, UNKNOWN, 0),
            "cpu_milli": constant(cells, UNKNOWN) if slots else np.where(processors > 0, processors * 1000, UNKNOWN),
            "memory_mib": memory,
            "limit_ns": cells.seconds("requested time", NONE),
        },
        labels={"user": "user", "account": "group", "kind": "executable", "queue": "queue"},
    )


def _from(zero: int, times: Ints) -> Ints:
    return np.where(times == ABSENT, ABSENT, times + zero)


SWF = JobFormat("swf", COLUMNS, fits, read, uses=("processors",))
