"""Runs what published records ask for, and holds the results against them.

A run that several records ask for is simulated once. A record whose run cannot be finished is told and stops no other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any, Literal

from sim.documents import KeyPath
from sim.errors import ColdaisleError
from sim.loading.scenario import load_scenario
from sim.published.expression import ExpressionError, parse
from sim.published.records import Record, RunAsked
from sim.published.tolerance import read_tolerance
from sim.running.run import run_loaded
from sim.spec.published import PublishedOutput
from sim.study.processes import Processes

Verdict = Literal["within", "missed", "not judged", "failed"]
Summaries = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """One published number beside ours. ``low`` and ``high`` are the same but for a published range."""

    output: str
    title: str
    run: str | None
    low: float
    high: float
    ours: float
    unit: str
    tolerance: str
    verdict: Verdict
    why: str
    missed: str | None = None

    @property
    def difference(self) -> float:
        """Ours against the nearest published number, as a share of it; infinite where that is 0 and ours is not."""
        near = min(max(self.ours, self.low), self.high)
        if self.ours == near:
            return 0.0
        return (self.ours - near) / abs(near) if near else math.copysign(math.inf, self.ours)

    @property
    def strain(self) -> float:
        """How much of its tolerance it takes, to tell the worst of several."""
        return read_tolerance(self.tolerance).strain(self.ours, self.low, self.high)


@dataclass(frozen=True)
class Estimate:
    """What the meters say beside a convention's number."""

    name: str
    of: str
    ours: float
    unit: str
    gap: str


@dataclass(frozen=True)
class Reproduced:
    """A record with its numbers beside ours, or with the reason why there are none."""

    record: Record
    lines: tuple[Line, ...]
    estimates: tuple[Estimate, ...]
    failed: str | None = None

    @property
    def verdict(self) -> Verdict:
        """Within, if all that is judged is within."""
        if self.failed is not None:
            return "failed"
        judged = [line.verdict for line in self.lines if line.verdict != "not judged"]
        if not judged:
            return "not judged"
        return "within" if all(verdict == "within" for verdict in judged) else "missed"

    @property
    def unexplained(self) -> tuple[Line, ...]:
        """What is missed without a reason."""
        return tuple(line for line in self.lines if line.verdict == "missed" and line.missed is None)

    @property
    def needless(self) -> tuple[str, ...]:
        """Outputs that say why they are missed, and are not missed."""
        missed = {line.output for line in self.lines if line.verdict == "missed"}
        told = [name for name, output in self.record.published.outputs.items() if output.missed is not None]
        return tuple(name for name in told if name not in missed) if self.failed is None else ()


def reproduce(
    records: Sequence[Record], workers: int = 1, watch: Callable[[int, int], None] | None = None
) -> list[Reproduced]:
    """Runs all that ``records`` ask for, in ``workers`` processes, and compares. ``watch`` sees runs done and all."""
    asked = {_key(run): run for record in records for run in record.runs.values()}
    found: dict[str, Mapping[str, Any] | str] = {}
    for key, summary in _simulated(asked, workers):
        found[key] = summary
        if watch is not None:
            watch(len(found), len(asked))
    return [_compared(record, {name: found[_key(run)] for name, run in record.runs.items()}) for record in records]


def _key(run: RunAsked) -> str:
    return json.dumps([run.source, run.overrides], sort_keys=True, default=str)


def _simulated(asked: Mapping[str, RunAsked], workers: int) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
    if workers == 1 or len(asked) < 2:
        for key, run in asked.items():
            yield key, _summary(run.source, run.overrides)
        return
    pool = Processes(min(workers, len(asked)))
    try:
        futures = {pool.submit(_summary, run.source, dict(run.overrides)): key for key, run in asked.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.close()


def _summary(source: str, overrides: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The summary of a run; why there is none, in words, where it could not be finished."""
    try:
        return run_loaded(load_scenario(source, overrides)).summary
    except ColdaisleError as error:
        return str(error)


def _compared(record: Record, found: Mapping[str, Mapping[str, Any] | str]) -> Reproduced:
    failures = [f"run '{name}': {what}" for name, what in found.items() if isinstance(what, str)]
    if failures:
        return Reproduced(record, (), (), "; ".join(failures))
    summaries = {name: what for name, what in found.items() if not isinstance(what, str)}
    lines: list[Line] = []
    estimates: list[Estimate] = []
    at: KeyPath = ()
    try:
        for name, output in record.published.outputs.items():
            at = ("published", "outputs", name, "ours")
            lines += _lines(name, output, summaries)
        for name, one in record.published.estimate.items():
            at = ("published", "estimate", name, "ours")
            value = parse(one.ours).value(summaries, next(iter(summaries)))
            estimates.append(Estimate(name, one.of, value, one.unit, one.gap))
    except ExpressionError as error:
        return Reproduced(record, (), (), str(record.loaded.document.problem(at, str(error))))
    return Reproduced(record, tuple(lines), tuple(estimates))


def _lines(name: str, output: PublishedOutput, summaries: Summaries) -> Iterator[Line]:
    tolerance, ours = read_tolerance(output.tolerance), parse(output.ours)
    for run, low, high in _published(output):
        value = ours.value(summaries, run or next(iter(summaries)))
        verdict: Verdict = "within" if tolerance.holds(value, low, high) else "missed"
        if tolerance.rule == "none":
            verdict = "not judged"
        title = output.title or name.replace("-", " ").replace("_", " ")
        missed = output.missed if verdict == "missed" else None
        yield Line(name, title, run, low, high, value, output.unit, output.tolerance, verdict, output.why, missed)


def _published(output: PublishedOutput) -> Iterator[tuple[str | None, float, float]]:
    if output.between is not None:
        yield None, output.between[0], output.between[1]
    elif isinstance(output.published, Mapping):
        for run, value in output.published.items():
            yield run, value, value
    elif output.published is not None:
        yield None, output.published, output.published


def as_dict(found: Sequence[Reproduced]) -> dict[str, Any]:
    """All of it as plain data."""
    return {"counts": counts(found), "records": [_record_dict(one) for one in found]}


def counts(found: Sequence[Reproduced]) -> dict[str, int]:
    """How many records there are by verdict, and apart those that exercise dynamics and mere multiplications."""
    verdicts: tuple[Verdict, ...] = ("within", "missed", "not judged", "failed")
    dynamics = [one for one in found if not one.record.published.is_unit_check]
    return {
        "records": len(found),
        **{verdict.replace(" ", "_"): sum(one.verdict == verdict for one in found) for verdict in verdicts},
        "unit_checks": len(found) - len(dynamics),
        "unit_checks_within": sum(one.verdict == "within" for one in found if one.record.published.is_unit_check),
        "dynamics": len(dynamics),
        "dynamics_within": sum(one.verdict == "within" for one in dynamics),
    }


def listed_dict(record: Record) -> dict[str, Any]:
    """What a record is of, as plain data."""
    told = record.published
    return {
        "id": record.id,
        "paper": told.paper,
        "where": told.where,
        "confidence": told.confidence,
        "exercises": list(told.exercises),
        "about": told.about,
    }


def constants_dict(record: Record) -> dict[str, Any]:
    """Where the numbers of a record's scenario come from, as plain data."""
    return {where: constant.model_dump() for where, constant in record.published.constants.items()}


def _record_dict(one: Reproduced) -> dict[str, Any]:
    published = one.record.published
    told = {
        **listed_dict(one.record),
        "limits": published.limits,
        "note": published.note,
        "verdict": one.verdict,
        "outputs": [_line_dict(line) for line in one.lines],
        "estimates": [vars(estimate) for estimate in one.estimates],
        "constants": constants_dict(one.record),
    }
    if one.needless:
        told["reasons_not_needed"] = list(one.needless)
    return {**told, "failed": one.failed} if one.failed is not None else told


def _line_dict(line: Line) -> dict[str, Any]:
    told: dict[str, Any] = {
        "output": line.output,
        "title": line.title,
        "published": line.low if line.low == line.high else [line.low, line.high],
        "ours": line.ours,
        "unit": line.unit,
        "difference": line.difference if math.isfinite(line.difference) else None,
        "tolerance": line.tolerance,
        "verdict": line.verdict,
        "why": line.why,
    }
    told |= {"run": line.run} if line.run is not None else {}
    return told | ({"missed": line.missed} if line.missed is not None else {})
