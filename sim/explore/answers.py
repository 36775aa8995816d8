"""What a changed scenario comes to: priced at once where the run stays the same, simulated first where it does not."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isclose
from typing import Any

from sim.loading.scenario import load_scenario
from sim.paths import keys_of
from sim.report.headline import PER_UNIT, Big, big, sentence, units_of_work
from sim.results.catalogue.quantity import value_in
from sim.results.compare import Comparison, without_rounding
from sim.results.formats import gram_mass
from sim.results.results import Results
from sim.running.run import deciding_the_run, reprice
from sim.spec.scenario import Scenario

MOST_SIMULATED = 8
"""Simulations that stay in memory, of all runs."""
MOST_ANSWERS = 16
ALIKE = 1e-6
"""Ends of a change that are nearer to one another are told once."""
NO_INTERVALS = "The scenario states no 'uncertainty', so that there are no intervals."
LEFT_OUT = "intervals_left_out"
"""Where a manifest says why a scenario with an uncertainty has none."""
TO_COME = "Intervals follow: every draw is priced."

Changes = Mapping[str, str]
"""By dotted path, the text that a value is changed to, as ``--set`` takes it."""


@dataclass(frozen=True)
class Needed:
    """An answer that needs a simulation first: of ``scenario`` under ``changes``."""

    scenario: Mapping[str, Any]
    changes: Mapping[str, Any]
    deciding: tuple[str, ...]


class Answers:
    """Answers to changes of runs; simulations that were made for some are kept for all that price them."""

    def __init__(self) -> None:
        self._simulated: OrderedDict[tuple[Any, ...], Results] = OrderedDict()
        self._answers: OrderedDict[tuple[Any, ...], tuple[Results, Results]] = OrderedDict()
        self._drawn: OrderedDict[int, tuple[Results, Results]] = OrderedDict()

    def of(self, base: Results, changes: Changes) -> Results | Needed:
        """The results of ``base`` under ``changes``, or what must be simulated for them.

        A change of prices alone is what ``coldaisle account`` gives. Raises ``InputError`` with every problem.
        """
        if not changes:
            return base
        key = (id(base), *sorted(changes.items()))
        if key in self._answers:
            self._answers.move_to_end(key)
            return self._answers[key][1]
        anew = self._simulated.get(self._key(base, changes))
        if anew is not None:  # simulated under all of it
            return anew
        deciding = deciding_the_run(base, changes)
        ran = base
        if deciding:
            load_scenario(base.scenario, changes)  # every problem is told before anything is simulated
            decided = {path: changes[path] for path in deciding}
            found = self._simulated.get(self._key(base, decided))
            if found is None:
                return Needed(base.scenario, decided, tuple(deciding))
            ran = found
        prices = {path: value for path, value in changes.items() if path not in deciding}
        answer = _with_word_of_draws(ran, reprice(ran, prices)) if prices else ran
        self._answers[key] = (base, answer)  # the base is held, so that no other takes over its id
        while len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    def with_intervals(self, answer: Results) -> Results | None:
        """An answer with its intervals, where they are at hand or it has none; None where draws are to be priced."""
        if "uncertainty" not in answer.scenario or answer.summary.get("intervals") or LEFT_OUT in answer.manifest:
            return answer
        found = self._drawn.get(id(answer))
        return found[1] if found is not None else None

    def keep_intervals(self, answer: Results, found: Results) -> None:
        """Keeps what the draws of an answer came to."""
        self._drawn[id(answer)] = (answer, found)  # the answer is held, so that no other takes over its id
        while len(self._drawn) > MOST_ANSWERS:
            self._drawn.popitem(last=False)

    def anew(self, base: Results, changes: Changes) -> Needed:
        """A simulation under all of ``changes``, also of prices alone, which a run may have looked at."""
        load_scenario(base.scenario, changes)
        return Needed(base.scenario, dict(changes), tuple(changes))

    def keep(self, base: Results, needed: Needed, results: Results) -> None:
        """Keeps what a simulation that was needed came to, in place of what was priced for want of it."""
        decided = {path: str(needed.changes[path]) for path in needed.deciding}
        self._simulated[self._key(base, decided)] = results
        self._answers.pop((id(base), *sorted(decided.items())), None)
        while len(self._simulated) > MOST_SIMULATED:
            self._simulated.popitem(last=False)

    @staticmethod
    def _key(base: Results, decided: Changes) -> tuple[Any, ...]:
        return (base.manifest["scenario_sha256"], base.manifest["seed"], *sorted(decided.items()))


def _with_word_of_draws(ran: Results, answer: Results) -> Results:
    """An answer that says so where its draws would need simulations, as those of its run did."""
    made = ran.summary.get("uncertainty", {}).get("simulations", 0)
    left_out = f"its draws need {made:,} simulations; save it as a scenario file and run that" if made else ""
    left_out = left_out or ran.manifest.get(LEFT_OUT, "")
    return replace(answer, manifest={**answer.manifest, LEFT_OUT: left_out}) if left_out else answer


class SupersededError(Exception):
    """Nobody waits for these intervals any more."""


def drawn(answer: Results, superseded: Callable[[], bool]) -> Results:
    """An answer with its draws priced, as ``sim.account`` gives it. Raises ``SupersededError`` as soon as it is."""
    from sim.study.uncertain.propagate import repriced_intervals

    def watch(_done: int, _total: int) -> None:
        if superseded():
            raise SupersededError

    return repriced_intervals(answer, watch)


def sees_its_sites(scenario: Scenario) -> bool:
    """Whether something of a scenario may decide by what it sees of its sites: another grid prices what was decided."""
    scheduler = scenario.cluster.scheduler
    looking = scheduler is not None and bool(scheduler.looks_at)
    jobs = scenario.workloads.values()
    timed = any(getattr(job, name, None) is not None for job in jobs for name in ("schedule", "place"))
    return looking or timed or bool(scenario.policies) or bool(scenario.routes)


def compared(base: Results, answer: Results) -> dict[str, Any]:
    """An answer beside what it changes, as plain data: the four numbers, a sentence, and every difference."""
    comparison = Comparison.of(base, [answer])
    (_, differences, carbon, _), *_ = comparison.others
    rows = [
        {"path": one.path, "cells": one.cells, "base": one.first, "answer": one.other, "change": one.change}
        for one in differences
        if one.change
    ]
    return {
        "numbers": [_number(base.summary, answer.summary, one) for one in _told(answer.summary)],
        "sentence": sentence(answer),
        "differences": rows,
        "remark": comparison.unlike_carbon
        or ("" if isclose(carbon.low, carbon.high, rel_tol=ALIKE) else carbon.remark),
        **intervals(answer),
    }


def intervals(answer: Results) -> dict[str, Any]:
    """The intervals of an answer by the paths of its numbers, as the page writes them, or why there are none."""
    found = answer.summary.get("intervals") or {}
    if not found:
        left_out = answer.manifest.get(LEFT_OUT)
        stated = TO_COME if "uncertainty" in answer.scenario else NO_INTERVALS
        return {"intervals": {}, "without": f"Without intervals: {left_out}." if left_out else stated}
    words = {
        one.path: f"{one.shown(found[one.path]['p05'])} to {one.shown(found[one.path]['p95'])} (90 %)"
        for one in _told(answer.summary)
        if one.path in found
    }
    return {"intervals": words, "without": ""}


def _told(summary: Mapping[str, Any]) -> list[Big]:
    per_unit = units_of_work(summary) is not None
    return [*big(summary), *([Big(f"CO2e per {summary['kpi']['sci_unit']}", PER_UNIT, gram_mass)] if per_unit else [])]


def _number(base: Mapping[str, Any], answer: Mapping[str, Any], one: Big) -> dict[str, Any]:
    label, path, shown = one
    before, after = (value_in(summary, keys_of(path)) for summary in (base, answer))
    found: dict[str, Any] = {"label": label, "path": path, "value": after, "shown": shown(after), "base": before}
    if before is None:
        return {**found, "base_shown": "not modelled", "change_shown": "", "relative": None}
    change = without_rounding(after - before, before, after)
    relative = change / before if before else None
    sign = "+" if change > 0 else ""
    percent = f" ({sign}{100 * relative:.1f} %)" if relative is not None and change else ""
    said = f"{sign}{shown(change)}{percent}" if change else "no change"
    return {**found, "base_shown": shown(before), "change_shown": said, "relative": relative}
