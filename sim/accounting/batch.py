"""Jobs as rows condensed into the figures by which schedulers are compared: waits, slowdown, utilisation, makespan.

Slot-time is summed in integers (thousandths of a GPU times ns), so that utilisation times capacity times time is what
was allocated, to the last digit. The bounded slowdown of a job is turnaround / max(time at work, 10 s), at least 1:
D. G. Feitelson, L. Rudolph, "Metrics and Benchmarking for Parallel Job Scheduling", JSSPP 1998, LNCS 1459, 1-24.
Fairness is (sum x)^2 / (n sum x^2): R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness", DEC-TR-301, 1984.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.accounting.metrics import distribution
from sim.later import later
from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S
from sim.workload.allocations import MILLI, OUTCOMES, PACE_STATES
from sim.workload.jobs.batch import ENDS
from sim.workload.jobs.table import RECORDED, UNKNOWN

with later():
    from sim.accounting.queueing import queue_steps
    from sim.workload.exact import dot, sums_by
    from sim.workload.jobs.batch import segment_sums


if TYPE_CHECKING:
    from sim.workload.jobs.batch import Batch


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BOUND_NS = 10 * NS_PER_S
"""Jobs that are shorter count as if they took so long, in their slowdown."""
ROUNDING_NS = 1_000
"""What work at a rate below 1 may be off by, since stints end at whole ns."""
MOST_NAMED = 10
"""Users, accounts, queues and kinds that are told by name; the others come to ``OTHERS``."""
OTHERS, NOBODY = "(others)", "(not known)"
PREEMPTED, KILLED, RESIZED, FAILED = (OUTCOMES.index(name) for name in ("preempted", "killed", "resized", "failed"))
SHARED = ("user", "account", "queue", "kind")
GPU_HOUR = MILLI * HOUR_NS


def batch_metrics(batch: Batch) -> dict[str, Any]:
    """Figures of one workload of jobs over the whole run; what nothing is known of is absent."""
    from sim.workload.jobs.laws import offered_load

    table, ended = batch.table, batch.ended
    held, at_work = held_milli_ns(batch), _at_work_milli_ns(batch)
    capacity = batch.inventory.of(batch.pools) * batch.end_ns
    started = batch.stints > 0
    wait_ns = batch.first_start_ns - table.submit_ns
    queue_max, queue_milli_ns = _queue(batch)
    metrics: dict[str, Any] = {
        "jobs": len(table),
        **{name: int((batch.ends.state == code).sum()) for code, name in enumerate(ENDS)},
        "never_started": int((~started).sum()),
        "gpu_hours": held / GPU_HOUR,
        "at_work_gpu_hours": at_work / GPU_HOUR,
        "lost_gpu_hours": lost_milli_ns(batch) / GPU_HOUR,
        "killed_gpu_hours": _killed_milli_ns(batch) / GPU_HOUR,
        "capacity_gpu_hours": capacity / GPU_HOUR,
        "utilisation": held / capacity,
        "at_work_utilisation": at_work / capacity,
        "preemptions": int(sent_back(batch).sum()),
        "resizes": int((batch.log.outcome == RESIZED).sum()),
        "failures": int((batch.log.outcome == FAILED).sum()),
        "queue_length_mean": queue_milli_ns / batch.end_ns,
        "queue_length_max": queue_max,
    }
    gpus = batch.inventory.of(batch.pools) // MILLI
    if gpus and bool((table.gpus > 0).any() or (table.gpu_milli > 0).any()):
        metrics["offered_load"] = offered_load(table, gpus, batch.end_ns)
    if started.any():
        metrics["wait_s"] = _distribution(wait_ns[started] / NS_PER_S)
    if ended.any():
        turnaround_ns = (batch.ends.end_ns - table.submit_ns)[ended]
        metrics["turnaround_s"] = _distribution(turnaround_ns / NS_PER_S)
        metrics["bounded_slowdown"] = _distribution(bounded_slowdown(batch)[ended])
        metrics["makespan_s"] = int(batch.ends.end_ns[ended].max() - table.submit_ns.min()) / NS_PER_S
    due = table.deadline_ns != UNKNOWN
    if due.any():
        metrics["deadlines"] = int(due.sum())
        metrics["deadlines_missed"] = int(missed(batch).sum())
    if table.told:
        metrics["source_notes"] = list(table.told)
    if batch.joules is not None:
        metrics["energy_kwh"] = float(batch.joules.sum()) / J_PER_KWH
        if held:
            metrics["energy_kwh_per_gpu_hour"] = metrics["energy_kwh"] / metrics["gpu_hours"]
    return metrics | _shares(batch)


def held_milli_ns(batch: Batch) -> int:
    """Thousandths of slots times ns that the jobs held, exactly."""
    return dot(batch.stint_milli, batch.stint_ns)


def job_gpu_hours(batch: Batch) -> Floats:
    """GPU-hours that each job held (n,)."""
    hours = batch.stint_milli / MILLI * (batch.stint_ns / HOUR_NS)
    return np.bincount(batch.log.job, weights=hours, minlength=len(batch.table)).astype(np.float64)


def bounded_slowdown(batch: Batch) -> Floats:
    """Of each job (n,), of use where it ended: turnaround over the time it would have taken by itself, bounded.

    That time is what its work takes uninterrupted, or for how long it held anything, where it was killed before.
    """
    alone_ns = np.minimum(batch.table.run_ns, batch.held_ns)
    turnaround_ns = batch.ends.end_ns - batch.table.submit_ns
    return np.maximum(1.0, turnaround_ns / np.maximum(alone_ns, BOUND_NS))


def sent_back(batch: Batch) -> Bools:
    """Stints (s,) after which the job was back in the queue for another one's sake: preempted, saved or killed."""
    log = batch.log
    last = np.zeros(len(log), np.bool_)
    last[batch.last_stint[batch.stints > 0]] = True
    killed_for_good = last & (batch.ends.state[log.job] == ENDS.index("killed"))
    outcome = log.outcome
    back: Bools = (outcome == PREEMPTED) | ((outcome == KILLED) & ~killed_for_good)
    return back


def missed(batch: Batch) -> Bools:
    """Jobs (n,) with a deadline that were not done by it, among those whose deadline lies within the run."""
    table, ends = batch.table, batch.ends
    due = (table.deadline_ns != UNKNOWN) & (table.deadline_ns <= batch.end_ns)
    done = (ends.state == ENDS.index("completed")) & (ends.end_ns <= table.deadline_ns)
    late: Bools = due & ~done
    return late


def lost_milli_ns(batch: Batch) -> int:
    """Slot-time at work of work that was not kept: what a stint had done beyond where the job's next one began, and
    all of a job that was killed to make room and has not begun again.

    Work is turned into slot-time at the pace of the stint in which it was lost.
    """
    log, work_ns = batch.log, stint_work_ns(batch)
    order = np.argsort(log.job, kind="stable")  # stints of a job stand in the order in which they began
    more = log.job[order][1:] == log.job[order][:-1]
    before, after = order[:-1][more], order[1:][more]
    kept_ns = log.done_ns if len(log.done_ns) else np.zeros(len(log), np.int64)
    lost_ns = np.zeros(len(log))
    lost_ns[before] = kept_ns[before] + work_ns[before] - kept_ns[after]
    last = batch.last_stint[batch.stints > 0]
    thrown = last[sent_back(batch)[last] & (log.outcome[last] == KILLED)]
    lost_ns[thrown] = kept_ns[thrown] + work_ns[thrown]
    lost_ns[lost_ns <= ROUNDING_NS] = 0.0
    at_work_ns = _stint_at_work_ns(batch)
    per_work = np.divide(at_work_ns, work_ns, out=np.ones(len(log)), where=work_ns > 0.0)
    return dot(batch.stint_milli, np.rint(lost_ns * per_work).astype(np.int64))


def stint_work_ns(batch: Batch) -> Floats:
    """Work done in each stint (s,), in ns of a job at full rate."""
    work = _pace_ns(batch) * batch.log.pace_rate
    return _by_stint(batch, work)


def _killed_milli_ns(batch: Batch) -> int:
    killed = (batch.ends.state == ENDS.index("killed"))[batch.log.job]
    return dot(batch.stint_milli[killed], batch.stint_ns[killed])


def _pace_ns(batch: Batch) -> Ints:
    """How long each pace lasted (p,)."""
    log = batch.log
    ends = np.empty_like(log.pace_start_ns)
    ends[:-1] = log.pace_start_ns[1:]
    paced = log.first_pace[1:] > log.first_pace[:-1]
    ends[log.first_pace[1:][paced] - 1] = log.end_ns[paced]
    return ends - log.pace_start_ns


def _by_stint(batch: Batch, of_pace: Floats) -> Floats:
    stint = np.repeat(np.arange(len(batch.log)), np.diff(batch.log.first_pace))
    return np.bincount(stint, weights=of_pace, minlength=len(batch.log)).astype(np.float64)


def _stint_at_work_ns(batch: Batch) -> Ints:
    """How long each stint was at work (s,): active, at a rate above none."""
    log = batch.log
    working = (log.pace_state == PACE_STATES.index("active")) & (log.pace_rate > 0.0)
    return segment_sums(np.where(working, _pace_ns(batch), 0), log.first_pace)


def _at_work_milli_ns(batch: Batch) -> int:
    return dot(batch.stint_milli, _stint_at_work_ns(batch))


def _queue(batch: Batch) -> tuple[int, int]:
    """The longest queue, and job-ns spent in it, of those who wait for their first start or for another one."""
    _, length = queue_steps(batch)
    return int(length.max(initial=0)), sum(batch.queued_ns.tolist())


def _distribution(values: npt.NDArray[np.floating]) -> dict[str, float]:
    return {**distribution(values), "max": float(values.max())}


def _shares(batch: Batch) -> dict[str, Any]:
    """Who held what: GPU-hours of the largest users, accounts, queues and kinds of jobs, and how even users fare."""
    table, log = batch.table, batch.log
    shares: dict[str, Any] = {}
    for label in SHARED:
        codes = getattr(table, label)
        if not (codes != UNKNOWN).any():
            continue
        held = sums_by(codes[log.job], batch.stint_milli, batch.stint_ns)
        shares[f"by_{label}_gpu_hours"] = _largest(held, table.names.get(label, ()))
        if label == "user":
            shares["users"] = len(np.unique(codes[codes != UNKNOWN]))
            shares |= _fairness(batch, held)
    outcome = _outcomes(batch)
    if (outcome != UNKNOWN).any():
        shares["by_outcome_gpu_hours"] = _largest(
            sums_by(outcome[log.job], batch.stint_milli, batch.stint_ns), RECORDED
        )
    return shares


def _outcomes(batch: Batch) -> Ints:
    """What became of each job (n,), as a code into ``RECORDED``: as its trace or its law says, but for those that ran
    into their time limit here; UNKNOWN where neither says anything."""
    said = batch.table.recorded_state
    if not (said != 0).any():
        return np.full(len(said), UNKNOWN)
    killed = batch.ends.state == ENDS.index("killed")
    return np.where(killed, RECORDED.index("timeout"), np.where(said != 0, said, UNKNOWN))


def _largest(held: dict[int, int], names: Sequence[str]) -> dict[str, float]:
    ranked = sorted((code for code in held if code != UNKNOWN), key=lambda code: (-held[code], code))
    top = {_name(code, names): held[code] / GPU_HOUR for code in ranked[:MOST_NAMED]}
    others = sum(held[code] for code in ranked[MOST_NAMED:])
    rest = {OTHERS: others / GPU_HOUR} if others else {}
    unknown = {NOBODY: held[UNKNOWN] / GPU_HOUR} if UNKNOWN in held else {}
    return {**top, **rest, **unknown}


def _name(code: int, names: Sequence[str]) -> str:
    return names[code] if code < len(names) else str(code)


def _fairness(batch: Batch, held: dict[int, int]) -> dict[str, float]:
    """Jain's index over users of what they held, and of the mean bounded slowdown of their jobs that ended."""
    users = batch.table.user
    fair = {}
    hours = np.array([held[code] / GPU_HOUR for code in sorted(held) if code != UNKNOWN])
    if hours.any():
        fair["fairness_of_shares"] = jain(hours)
    judged = batch.ended & (users != UNKNOWN)
    if judged.any():
        slowdown = bounded_slowdown(batch)[judged]
        counts = np.bincount(users[judged])
        there = counts > 0
        means = np.bincount(users[judged], weights=slowdown)[there] / counts[there]
        fair["fairness_of_slowdown"] = jain(means)
    return fair


def jain(values: Floats) -> float:
    """Jain's index of values of which one at least is not 0: 1 where all are equal, 1/n where one has everything.

    >>> jain(np.array([3.0, 3.0, 3.0])), jain(np.array([1.0, 0.0]))
    (1.0, 0.5)
    """
    return float(values.sum() ** 2 / (len(values) * (values**2).sum()))
