"""How large a ledger a run would need, and the reporting interval that keeps it within a laptop's memory.

Bins times rows, 16 bytes each. How many rows a run comes to is known only afterwards; eight components in three states
of each workload, and in two of each idle pool, are an upper guess: a run comes to a third or a half of it. Where a
scenario writes no ``outputs.bin``, it is an hour, or the first interval of the ladder that is handy; one that is
written is kept while memory holds it (a thousand sites with the hours of a year), or refused with the sum. Signals cut
bins further, whatever the interval; only a ledger far too large is refused for them. A cell counts the slot-time of
its interval in ns, in 64 bits: 100,000 nodes of eight slots may have bins of three hours, not of a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.resolved import Resolved
from sim.build.training.gangs import can_be_trained, gang_in
from sim.documents import KeyPath
from sim.quantities import Nanoseconds
from sim.spec.scenario import DEFAULT_BIN, Outputs
from sim.units import DAY_NS, HOUR_NS, MINUTE_NS, NS_PER_S

if TYPE_CHECKING:
    from sim.spec.workloads import Training


Ints = npt.NDArray[np.int64]

MOST_BINS = 2_000_000
HANDY_CELLS = 50_000_000
MOST_CELLS = 400_000_000
MOST_CUT_CELLS = 30 * HANDY_CELLS
MOST_SLOT_NS = 2**63 - 1
"""What a cell of the ledger holds."""
COMPONENTS, STATES, IDLE_STATES = 8, 3, 2
LADDER = (
    DEFAULT_BIN,
    *(Nanoseconds.of(hours * HOUR_NS, f"{hours} h") for hours in (2, 3, 4, 6, 8, 12)),
    *(Nanoseconds.of(days * DAY_NS, f"{days} d") for days in (1, 7, 28)),
)
"""Intervals that divide a day, a day, a week and four weeks."""


@dataclass(frozen=True)
class Size:
    """The size of a ledger over ``span_ns``, as far as it is known beforehand."""

    span_ns: int
    workloads: int
    pools: int
    slots: int = 0

    @classmethod
    def of(cls, resolved: Resolved) -> Size:
        """Of a run; an open-ended one lasts as long as its longest job or trial, at least."""
        parts = resolved.parts
        at_least_ns = [_least_ns(name, job, resolved) for name, job in resolved.jobs.items() if parts.open_ended]
        at_least_ns += [
            round(kind.work.gpu_hours * HOUR_NS / kind.gpus)
            for campaign in resolved.campaigns.values()
            for kind in campaign.trials
            if kind.work.kind == "gpu-hours" and not kind.growth and parts.open_ended and campaign.budget is None
        ]
        pools = len(parts.cluster.nodes) if parts.cluster is not None else 1
        slots = sum(machine.pool.count * machine.node.slots for machine in resolved.machines.values())
        return cls(max(at_least_ns, default=parts.duration_ns or 0), len(parts.names), pools, slots)

    @property
    def rows(self) -> int:
        """About as many as it will have."""
        return COMPONENTS * (STATES * self.workloads + IDLE_STATES * self.pools)

    def bins(self, step_ns: int) -> int:
        """Number of whole intervals of that length."""
        return self.span_ns // step_ns

    def fits(self, step_ns: int) -> bool:
        """Whether a ledger in such intervals is one that memory holds."""
        bins = self.bins(step_ns)
        return bins <= MOST_BINS and bins * self.rows <= MOST_CELLS and self.counts(step_ns)

    def counts(self, step_ns: int) -> bool:
        """Whether the slot-time of such an interval can be counted."""
        return self.slots * min(step_ns, self.span_ns or step_ns) <= MOST_SLOT_NS

    @property
    def fitting(self) -> Nanoseconds | None:
        """The finest interval of the ladder that fits, if any does."""
        return next((step for step in LADDER if self.fits(step)), None)

    @property
    def handy(self) -> Nanoseconds:
        """The finest interval of the ladder that makes a handy ledger, or else the longest."""
        fitting = [step for step in LADDER if self.fits(step)]
        handy = (step for step in fitting if self.bins(step) * self.rows <= HANDY_CELLS)
        return next(handy, fitting[-1] if fitting else LADDER[-1])

    def sum(self, step: Nanoseconds) -> str:
        """What such intervals come to, in figures."""
        bins = self.bins(step)
        return (
            f"{bins:,} bins of {step.text} and about {self.rows:,} rows ({COMPONENTS} components x {STATES} states of "
            f"{self.workloads:,} workloads, and of idle pools) are {bins * self.rows:,} cells"
        )


def _least_ns(name: str, job: Training, resolved: Resolved) -> int:
    """How long a job works at the least, where that is known: its place may not be, or its layout be refused."""
    if job.work.kind == "gpu-hours":
        return round(job.work.gpu_hours * HOUR_NS / job.gpus)
    if job.work.kind == "socket-hours":
        return round(job.work.socket_hours * HOUR_NS / job.sockets)
    labels = [label for label in resolved.pools[name].values() if label in resolved.gpus]
    if job.work.kind == "steps" or not labels or not can_be_trained(job, labels[0], resolved):
        return 0
    return gang_in(job, labels[0], resolved).under(None).work_ns


MOST = f"a ledger holds {MOST_CELLS:,} cells in at most {MOST_BINS:,} bins"


def _whole(span_ns: int) -> str:
    """A span as people write it, rounded down: in days, or in the largest unit of which it holds one.

    >>> _whole(int(10.7 * DAY_NS)), _whole(90 * MINUTE_NS), _whole(3 * NS_PER_S)
    ('10 d', '1 h', '3 s')
    """
    units = ((DAY_NS, "d"), (HOUR_NS, "h"), (MINUTE_NS, "min"), (NS_PER_S, "s"))
    unit_ns, word = next((one for one in units if one[0] <= span_ns), units[-1])
    return f"{span_ns // unit_ns} {word}"


def bin_problems(resolved: Resolved) -> Iterator[tuple[KeyPath, str]]:
    """A ledger that would not fit memory is refused before the run, not met in the middle of it."""
    outputs = resolved.parts.outputs
    if outputs is None:
        return
    size = Size.of(resolved)
    step = outputs.bin
    fitting = size.fitting
    if not size.counts(step if step is not None else DEFAULT_BIN):
        most = _whole(MOST_SLOT_NS // size.slots)
        message = (
            f"{size.slots:,} slots over a bin of {(step or DEFAULT_BIN).text} are more slot-time than 64 bits hold"
        )
        yield ("outputs", "bin"), f"{message}; write at most '{most}'"
    elif step is None and fitting is None:
        message = f"{size.sum(LADDER[-1])}; {MOST}. Fewer workloads or a shorter run would fit"
        yield ("outputs", "bin"), message
    elif step is not None and not size.fits(step):
        remedy = f"bins of {fitting.text} would fit" if fitting is not None else "give fewer workloads or a shorter run"
        yield ("outputs", "bin"), f"{size.sum(step)}; {MOST}: {remedy}"


def cut_problem(resolved: Resolved, cuts: Sequence[Ints]) -> tuple[KeyPath, str] | None:
    """A ledger that the changes of signals, each array in ns of the run, would make too large for any interval."""
    end_ns = resolved.parts.duration_ns
    rows = Size.of(resolved).rows
    if end_ns is None or sum(map(len, cuts)) * rows <= MOST_CUT_CELLS:
        return None
    inside = np.unique(np.concatenate([times[(times > 0) & (times < end_ns)] for times in cuts]))
    if len(inside) * rows <= MOST_CUT_CELLS:
        return None
    return ("outputs", "bin"), (
        f"the signals of its sites change {len(inside):,} times in this run, which with about {rows:,} rows are "
        f"{len(inside) * rows:,} cells, whatever the bin; a ledger cut by signals holds {MOST_CUT_CELLS:,}. "
        "Coarser series, fewer workloads or a shorter run would fit"
    )


@lru_cache(maxsize=64)
def _with(outputs: Outputs, step: Nanoseconds) -> Outputs:
    """The same object for the same outputs: points of a study share what is worked out of it."""
    return outputs.model_copy(update={"bin": step})


def with_bin(resolved: Resolved) -> tuple[Resolved, str | None]:
    """A scenario that has passed ``bin_problems`` with its interval, and why that is not an hour."""
    scenario = resolved.scenario
    if scenario.outputs.bin is not None:
        return resolved, None
    size = Size.of(resolved)
    step = size.handy
    outputs = _with(scenario.outputs, step)
    why = (
        None
        if step == DEFAULT_BIN
        else f"outputs.bin is {step.text}: {size.sum(DEFAULT_BIN)}, and a handy ledger has {HANDY_CELLS:,}"
    )
    scenario = scenario.model_copy(update={"outputs": outputs})
    return replace(resolved, parts=replace(resolved.parts, scenario=scenario, outputs=outputs)), why
