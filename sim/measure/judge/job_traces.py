"""A recorded job trace against the simulator: waits, use, makespan and energy of the same jobs, side by side.

Who waits how long depends on all that ran: so waits are compared as distributions and job by job, over the jobs that
started both as recorded and in the run. What the machines did is compared over the time of the run, in which jobs that
ran before its first one came are in neither. Where a trace does not say when jobs started (NASA iPSC 1993 does not),
what the machines did is held against those jobs started as they were submitted: the same work, and the earliest end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.accounting.queueing import on_bins, steps
from sim.errors import InputError
from sim.measure.judge.correlation import correlation
from sim.measure.judge.job_places import Places, places_of
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH, NS_PER_S
from sim.workload.jobs.batch import ENDS, Batch
from sim.workload.jobs.node_map import NodeMap
from sim.workload.jobs.table import UNKNOWN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

FEWEST_JOBS = 2
"""That started in both, without which nothing is judged."""
MOST_BINS, FEWEST_BINS = 2000, 24


@dataclass(frozen=True)
class Measure:
    """One figure as recorded and as simulated."""

    recorded: float
    simulated: float
    unit: str

    @property
    def error(self) -> float | None:
        """Simulated over recorded, less 1; None where nothing was recorded and something simulated."""
        if self.recorded:
            return self.simulated / self.recorded - 1.0
        return 0.0 if self.simulated == self.recorded else None


@dataclass(frozen=True)
class PerJob:
    """Waits job by job: simulated less recorded, in s, and Spearman's rank correlation (None where all are equal).

    ``within_minute`` is the share of jobs less than 60 s off, ``distance`` the largest gap between the two
    distributions (Kolmogorov and Smirnov's).
    """

    mean_absolute_s: float
    median_absolute_s: float
    bias_s: float
    within_minute: float
    rank_correlation: float | None
    distance: float


@dataclass(frozen=True)
class OverTime:
    """Slots held over bins of the run: shares of all there are as recorded and as simulated (b,) between
    ``edges_ns``."""

    edges_ns: Ints
    recorded: Floats
    simulated: Floats

    @property
    def mean_absolute(self) -> float:
        """Mean difference, whatever its sign."""
        return float(np.average(np.abs(self.simulated - self.recorded), weights=np.diff(self.edges_ns)))

    @property
    def correlation(self) -> float | None:
        """Pearson's; None where one of them does not vary."""
        return correlation(self.recorded, self.simulated)


@dataclass(frozen=True, eq=False)
class JobComparison:
    """Jobs by what there is of them, measures by their name, and what a reader should know beside them. ``per_job`` is
    None where the trace does not say when they started, ``places`` where it does not say on which nodes."""

    file: str
    against: str
    jobs: Mapping[str, int]
    measures: Mapping[str, Measure]
    per_job: PerJob | None
    over_time: OverTime
    places: Places | None
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for ``--json``."""
        series = self.over_time
        return {
            "file": self.file,
            "against": self.against,
            "jobs": dict(self.jobs),
            "measures": {name: {**asdict(one), "error": one.error} for name, one in self.measures.items()},
            **({"waits_by_job": asdict(self.per_job)} if self.per_job is not None else {}),
            "utilisation": {
                "edges_s": (series.edges_ns / NS_PER_S).tolist(),
                "recorded": series.recorded.tolist(),
                "simulated": series.simulated.tolist(),
                "mean_absolute": series.mean_absolute,
                "correlation": series.correlation,
            },
            **({"placement": self.places.as_dict()} if self.places is not None else {}),
            "remarks": list(self.remarks),
        }


def compare(file: str, batch: Batch, name: str, node_map: NodeMap | None = None) -> JobComparison:
    """The jobs of ``batch`` as their trace recorded them and as a run of scenario ``name`` had them; ``node_map`` says
    which of its nodes are which of the trace's.

    Raises ``InputError`` for a run in which too few started.
    """
    table = batch.table
    started = batch.stints > 0
    known = table.recorded_start_ns != UNKNOWN
    if not known.any():
        return _without_starts(file, batch, name, node_map)
    both = started & known
    if int(both.sum()) < FEWEST_JOBS:
        told = f"{int(known.sum()):,} of its jobs started as recorded, and {int(both.sum())} of them in the run"
        raise InputError.one(file, f"leaves too few jobs to compare: {told}")
    recorded_s = (table.recorded_start_ns - table.submit_ns)[both] / NS_PER_S
    simulated_s = (batch.first_start_ns - table.submit_ns)[both] / NS_PER_S
    ended = both & batch.ended & (table.recorded_end_ns != UNKNOWN)
    over_time = _over_time(batch, table.recorded_start_ns, table.recorded_end_ns)
    measures = {
        "wait": Measure(float(recorded_s.mean()), float(simulated_s.mean()), "s"),
        **{f"wait_p{p}": _percentile(recorded_s, simulated_s, p) for p in (50, 90, 99)},
        "utilisation": _utilisation(over_time),
    }
    if ended.any():
        first_ns = int(table.submit_ns.min())
        spans = (int(table.recorded_end_ns[ended].max()), int(batch.ends.end_ns[ended].max()))
        recorded, simulated = ((end_ns - first_ns) / NS_PER_S for end_ns in spans)
        measures["makespan"] = Measure(recorded, simulated, "s")
    if batch.joules is not None and (metered := ended & ~np.isnan(table.recorded_j)).any():
        recorded, simulated = (float(j[metered].sum()) / J_PER_KWH for j in (table.recorded_j, batch.joules))
        measures["energy"] = Measure(recorded, simulated, "kWh")
    places = places_of(batch, table.recorded_start_ns, table.recorded_end_ns, node_map)
    if places is not None:
        measures["nodes_per_job"] = _nodes_per_job(places)
    jobs = {
        "in the run": len(table),
        "compared": int(both.sum()),
        "started only as recorded": int((known & ~started).sum()),
        "started only in the run": int((started & ~known).sum()),
        "started in neither": int((~started & ~known).sum()),
    }
    return JobComparison(
        file,
        f"scenario {name}",
        jobs,
        measures,
        _per_job(recorded_s, simulated_s),
        over_time,
        places,
        _remarks(batch, over_time),
    )


UNSAID = (
    "The trace does not say when its jobs started, or its times are scaled: waits cannot be compared. Slots held and "
    "the makespan are held against the same jobs started as they were submitted, the earliest that could be."
)


def _without_starts(file: str, batch: Batch, name: str, node_map: NodeMap | None) -> JobComparison:
    """What of a trace without starts can be compared: the work, and what ends no earlier than without any wait."""
    table, started = batch.table, batch.stints > 0
    if int(started.sum()) < FEWEST_JOBS:
        raise InputError.one(file, f"leaves too few jobs to compare: {int(started.sum())} of them started in the run")
    at_once_ns = table.submit_ns + table.run_ns
    start_ns = np.where(started, table.submit_ns, UNKNOWN)
    until_ns = np.minimum(at_once_ns, batch.end_ns)
    over_time = _over_time(batch, start_ns, until_ns)
    measures = {"utilisation": _utilisation(over_time)}
    places = places_of(batch, start_ns, until_ns, node_map)
    if places is not None:
        measures["nodes_per_job"] = _nodes_per_job(places)
    if batch.ended.any():
        first_ns = int(table.submit_ns.min())
        spans = (int(at_once_ns[batch.ended].max()), int(batch.ends.end_ns[batch.ended].max()))
        recorded, simulated = ((end_ns - first_ns) / NS_PER_S for end_ns in spans)
        measures["makespan"] = Measure(recorded, simulated, "s")
    metered = batch.ended & ~np.isnan(table.recorded_j)
    if batch.joules is not None and metered.any():
        recorded, simulated = (float(j[metered].sum()) / J_PER_KWH for j in (table.recorded_j, batch.joules))
        measures["energy"] = Measure(recorded, simulated, "kWh")
    jobs = {
        "in the run": len(table),
        "compared": int(started.sum()),
        "started in neither": int((~started).sum()),
    }
    remarks = (UNSAID, *_remarks(batch, over_time))
    return JobComparison(file, f"scenario {name}", jobs, measures, None, over_time, places, remarks)


def _utilisation(over_time: OverTime) -> Measure:
    lengths = np.diff(over_time.edges_ns)
    recorded, simulated = (float(np.average(one, weights=lengths)) for one in (over_time.recorded, over_time.simulated))
    return Measure(recorded, simulated, "")


def _nodes_per_job(places: Places) -> Measure:
    return Measure(float(places.recorded.mean()), float(places.simulated.mean()), "nodes")


def _percentile(recorded_s: Floats, simulated_s: Floats, percent: int) -> Measure:
    return Measure(float(np.percentile(recorded_s, percent)), float(np.percentile(simulated_s, percent)), "s")


def _per_job(recorded_s: Floats, simulated_s: Floats) -> PerJob:
    off = simulated_s - recorded_s
    return PerJob(
        mean_absolute_s=float(np.abs(off).mean()),
        median_absolute_s=float(np.median(np.abs(off))),
        bias_s=float(off.mean()),
        within_minute=float((np.abs(off) < 60.0).mean()),
        rank_correlation=correlation(ranks(recorded_s), ranks(simulated_s)),
        distance=_distance(recorded_s, simulated_s),
    )


def ranks(values: Floats) -> Floats:
    """Ranks from 1 on; values that are equal share the mean of theirs.

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Floats = (last - (counts - 1) / 2.0)[code]
    return mean


def _distance(one: Floats, other: Floats) -> float:
    at = np.concatenate([one, other])
    shares = (np.searchsorted(np.sort(values), at, side="right") / len(values) for values in (one, other))
    return float(np.abs(next(shares) - next(shares)).max())


def _over_time(batch: Batch, start_ns: Ints, end_ns: Ints) -> OverTime:
    """Slots held over whole hours, or days of a long run; as recorded, each job held what it asked for from its
    ``start_ns`` to its ``end_ns``."""
    log = batch.log
    edges = _edges(batch.end_ns)
    capacity = batch.inventory.of(batch.pools)
    milli = batch.asked_milli
    known = start_ns != UNKNOWN
    ends = np.where(end_ns == UNKNOWN, batch.end_ns, end_ns)
    recorded = _held(start_ns[known], ends[known], milli[known], edges)
    simulated = _held(log.start_ns, log.end_ns, batch.stint_milli, edges)
    return OverTime(edges, recorded / capacity, simulated / capacity)


def _edges(end_ns: int) -> Ints:
    """Hours if they are not too few or too many, days where they are many, else equal parts."""
    for step_ns in (HOUR_NS, DAY_NS):
        if FEWEST_BINS <= end_ns // step_ns <= MOST_BINS:
            return np.append(np.arange(0, end_ns, step_ns), end_ns)
    bins = FEWEST_BINS if end_ns < FEWEST_BINS * HOUR_NS else MOST_BINS
    return np.unique(np.linspace(0, end_ns, bins + 1).astype(np.int64))


def _held(start_ns: Ints, end_ns: Ints, milli: Ints, edges: Ints) -> Floats:
    changes = np.concatenate([milli, -milli])
    return on_bins(*steps(np.concatenate([start_ns, end_ns]), changes), edges).mean


def _remarks(batch: Batch, over_time: OverTime) -> tuple[str, ...]:
    table, remarks = batch.table, [*batch.table.told]
    beyond = float(over_time.recorded.max())
    if beyond > 1.0 + 1e-9:
        told = (
            f"As recorded, jobs held up to {100 * beyond:.0f} % of the scenario's slots: it has fewer than were there."
        )
        remarks.append(told)
    early = (table.recorded_start_ns != UNKNOWN) & (table.recorded_start_ns < table.submit_ns)
    if early.any():
        they = "job started before it was" if early.sum() == 1 else "jobs started before they were"
        remarks.append(f"{int(early.sum()):,} {they} submitted, as recorded.")
    open_ = int((batch.ends.state == ENDS.index("unfinished")).sum())
    if open_:
        they = "job" if open_ == 1 else "jobs"
        remarks.append(f"The run ended before {open_:,} {they} had; the makespan is of those that ended in both.")
    return tuple(remarks)
