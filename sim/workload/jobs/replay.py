"""A recorded trace as the jobs of a run: which of them, when, and for how long those that the trace leaves open.

A job's rules are looked at in this order: it never started, it has no run time or had not ended, it ran for 0 s. Jobs
that need a rule that nobody wrote are refused, with the first line. Gaps between submissions are divided by
``rate_scale``; what was recorded of starts and ends is of another load then, and is no longer kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from sim.errors import InputError, Problem
from sim.workload.exact import FAR_NS, at_most_ns
from sim.workload.jobs.cells import Bools, Ints
from sim.workload.jobs.states import CODE
from sim.workload.jobs.table import UNKNOWN, JobTable
from sim.workload.jobs.traces import JobTrace

LeaveOut = Literal["leave-out"]
AsRecorded = Literal["as-recorded"]


@dataclass(frozen=True)
class Rules:
    """What is meant by jobs that a trace leaves open: left out, a run time in ns, or (None) not said."""

    never_started: LeaveOut | int | None = None
    unfinished: LeaveOut | AsRecorded | int | None = None
    zero_runtime: LeaveOut | int | None = None


@dataclass(frozen=True)
class Span:
    """Jobs submitted from ``start_ns`` to before ``end_ns`` of the trace, at most ``most`` of them.

    ``start_ns`` of the trace is ``zero_ns`` of the run, which takes those submitted from 0 to before ``until_ns``.
    """

    start_ns: int = 0
    end_ns: int | None = None
    most: int | None = None
    zero_ns: int = 0
    until_ns: int | None = None
    rate_scale: float = 1.0


@dataclass(frozen=True, eq=False)
class Replayed:
    """The jobs of a run, and how many of the trace's were left out, by the reason."""

    table: JobTable
    left_out: dict[str, int]


def replayed(trace: JobTrace, file: str, rules: Rules, span: Span) -> Replayed:
    """The jobs that are replayed, times from the start of the run.

    Raises ``InputError`` for jobs that no rule is given for, each kind of them with its count and first line, and where
    no job is left.
    """
    table = trace.table
    submit = _scaled(table.submit_ns - span.start_ns, span.rate_scale) + span.zero_ns
    after = np.zeros(len(table), dtype=bool) if span.end_ns is None else table.submit_ns >= span.end_ns
    late = np.zeros(len(table), dtype=bool) if span.until_ns is None else submit >= span.until_ns
    run, opened = _run_times(trace, rules)
    reasons: list[tuple[str, Bools]] = [
        ("submitted before the window", table.submit_ns < span.start_ns),
        ("submitted after the window", after),
        ("submitted before the run starts", submit < 0),
        ("submitted after the run ends", late),
        *opened.out,
    ]
    kept, left = np.ones(len(table), dtype=bool), {}
    for reason, which in reasons[:4]:
        left[reason], kept = int((which & kept).sum()), kept & ~which
    _refuse(table, file, [(told, which & kept) for told, which in opened.unsaid])
    for reason, which in reasons[4:]:
        left[reason], kept = int((which & kept).sum()), kept & ~which
    rows = np.flatnonzero(kept)
    if span.most is not None and len(rows) > span.most:
        left["beyond as many jobs as were asked for"], rows = len(rows) - span.most, rows[: span.most]
    left = {reason: count for reason, count in left.items() if count}
    if not len(rows):
        why = "; ".join(f"{count:,} {reason}" for reason, count in left.items())
        raise InputError.one(file, f"leaves no job to run: {why}")
    told = [*trace.report.told(), *(f"{count:,} left out: {reason}" for reason, count in left.items())]
    moved = replace(
        table, run_ns=run, told=told, **_moved(table, submit, recorded=span.rate_scale == 1.0), submit_ns=submit
    )
    return Replayed(moved.take(rows), left)


@dataclass(frozen=True, eq=False)
class _Open:
    """Of jobs that a trace leaves open: those to leave out, by the reason, and those of which nobody says what is
    meant, by what to tell."""

    out: list[tuple[str, Bools]]
    unsaid: list[tuple[str, Bools]]


def _run_times(trace: JobTrace, rules: Rules) -> tuple[Ints, _Open]:
    """ns (n,) that each job runs, by the rules."""
    table = trace.table
    run, state, found = table.run_ns.copy(), table.recorded_state, _Open([], [])
    never = state == CODE["never"]
    unfinished = ~never & ((run == UNKNOWN) | (state == CODE["running"]))
    settled = rules.unfinished
    if settled == "as-recorded":
        seen = np.where(table.recorded_start_ns == UNKNOWN, UNKNOWN, trace.last_ns - table.recorded_start_ns)
        run[unfinished] = np.where(run == UNKNOWN, seen, run)[unfinished]
        unseen = unfinished & (run == UNKNOWN)
        found.unsaid.append(
            ("have no start from which they could be seen to run: say how long in 'unfinished'", unseen)
        )
        unfinished = np.zeros(len(table), dtype=bool)
        zero = ~never & ~unseen & (run == 0)
    else:
        zero = ~never & ~unfinished & (run == 0)
    for name, which, rule in (
        ("never_started", never, rules.never_started),
        ("unfinished", unfinished, settled),
        ("zero_runtime", zero, rules.zero_runtime),
    ):
        what = _WHAT[name]
        if rule == "leave-out":
            found.out.append((what, which))
        elif isinstance(rule, int):
            run[which] = rule
        else:
            found.unsaid.append((f"{what}: say what is meant in '{name}' ({_CHOICES[name]})", which))
    return run, found


_WHAT = {
    "never_started": "never started",
    "unfinished": "had not ended, or are of an unknown run time",
    "zero_runtime": "ran for 0 s",
}
_CHOICES = {
    "never_started": "leave-out, or how long they would have run, e.g. '1 h'",
    "unfinished": "leave-out, as-recorded, or how long they run, e.g. '1 h'",
    "zero_runtime": "leave-out, or how long they run, e.g. '1 s'",
}


def _refuse(table: JobTable, file: str, unsaid: list[tuple[str, Bools]]) -> None:
    problems = [
        Problem(
            file, int(table.line[which].min()), "", f"{which.sum():,} {'job' if which.sum() == 1 else 'jobs'} {told}"
        )
        for told, which in unsaid
        if which.any()
    ]
    if problems:
        raise InputError(problems)


def _scaled(times: Ints, rate_scale: float) -> Ints:
    return times if rate_scale == 1.0 else at_most_ns(times / rate_scale, FAR_NS)


def _moved(table: JobTable, submit: Ints, *, recorded: bool) -> dict[str, Any]:
    """The other instants of each job, as far from its submission as they were."""
    by = submit - table.submit_ns
    if recorded and not by.any():
        return {}

    def shifted(times: Ints) -> Ints:
        return np.where(times == UNKNOWN, UNKNOWN, times + by)

    unknown = np.full(len(table), UNKNOWN, dtype=np.int64)
    return {
        "deadline_ns": shifted(table.deadline_ns),
        "recorded_start_ns": shifted(table.recorded_start_ns) if recorded else unknown,
        "recorded_end_ns": shifted(table.recorded_end_ns) if recorded else unknown,
    }
