"""The traces of GAIA: ``arrival_time,length,cpus``, in seconds or in hours, which the file does not say.

Source: Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud Carbon Emissions", ASPLOS
2024, and its repository, where files called ``…-100k`` are in hours and ``pai_1k`` is in seconds. Rules:

- time_unit written: what it says
- a length above 1,440: as hours it were a job of more than two months: seconds
- a file called ``…100k…`` without such a length: hours
- any other: must be said
- cpus: what ``processors`` says: slots or cores
- no start and no end: a job waited for nothing: no start is recorded
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.errors import InputError
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.jobs.cells import ABSENT, Cells
from sim.workload.jobs.columns import Columns, constant, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, has_columns, header, under_header
from sim.workload.jobs.table import UNKNOWN

NAMES = ("arrival_time", "length", "cpus")
LONGEST_HOURS = 1440
IN_HOURS = "100k"
BY_LENGTH = "times in seconds, since a length above 1,440 can be none in hours"
BY_NAME = "times in hours, by the name of the file"


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of a GAIA file. Raises ``InputError`` where the unit of its times, or of a cpu, is not known."""
    if opened.terms.processors is None:
        told = "counts cpus; say what one takes here: 'processors: slots' or 'processors: cores'"
        raise InputError.one(opened.file, told)
    ns = _unit(opened)
    return under_header(
        lambda cells, opened: _jobs(cells, ns, slots=opened.terms.processors == "slots"), by_clock=False
    )(opened)


def _unit(opened: Opened) -> int:
    if opened.terms.time_unit is not None:
        return HOUR_NS if opened.terms.time_unit == "hours" else NS_PER_S
    rows = [line.split(",") for line in opened.head.split("\n")]
    at = header(opened.head).index("length")
    for number, row in enumerate(rows[:-1], 1):
        if len(row) > at and row[at].strip().replace(".", "", 1).isdigit() and float(row[at]) > LONGEST_HOURS:
            opened.report.note(BY_LENGTH, [number], 1)
            return NS_PER_S
    if IN_HOURS in opened.path.name:
        opened.report.note(BY_NAME, [1], 1)
        return HOUR_NS
    told = "may be in seconds or in hours, and nothing in it tells: write 'time_unit: seconds' or 'time_unit: hours'"
    raise InputError.one(opened.file, told)


def _jobs(cells: Cells, ns: int, *, slots: bool) -> Columns:
    submit, run = cells.seconds("arrival_time", ns=ns), cells.seconds("length", ns=ns)
    cpus = cells.counts("cpus")
    none = constant(cells, ABSENT)
    return held_together(
        cells,
        submit=submit,
        start=none,
        end=none,
        run=run,
        job_id=None,
        numbers={
            "gpus": cpus if slots else np.where(cpus == UNKNOWN, UNKNOWN, 0),
            "cpu_milli": constant(cells, UNKNOWN) if slots else np.where(cpus > 0, cpus * 1000, UNKNOWN),
        },
        labels={},
    )


GAIA = JobFormat("gaia", NAMES, has_columns(*NAMES), read, uses=("processors", "time_unit"))
