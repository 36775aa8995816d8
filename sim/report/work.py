"""Whether several runs did the same work: what their differences mean, or why they mean nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.report.headline import units_of_work
from sim.results.catalogue.quantity import value_in
from sim.results.formats import number
from sim.results.work import answers

ALIKE = 0.01
"""Two amounts of work that differ by no more than this share are called the same."""
ANSWERED, TRAINED, HELD = "requests", "trained tokens", "GPU-hours"
PROMPTED, ANSWERED_WITH = "tokens of prompts", "tokens of answers"
DONE = (
    ("serving", ("prompt_tokens",), PROMPTED),
    ("serving", ("output_tokens",), ANSWERED_WITH),
    ("jobs", ("gpu_hours",), HELD),
    ("jobs", ("step", "tokens"), TRAINED),
    ("batch", ("completed",), "jobs"),
    ("campaigns", ("trials",), "trials"),
    ("federated", ("rounds",), "rounds"),
)
"""What a workload did beside its answers, by the part of the summary that tells of it. GPU-hours are what work takes on
one board and not on another, so they stand for it only where nothing is known of what was trained."""
WHOLE = "run of "
"""How the functional unit begins that is a run itself, whatever is done in it and on which kinds of machines."""

Amounts = Mapping[tuple[str, str], float]
"""By a workload's name and the unit of what it did."""


@dataclass(frozen=True)
class Basis:
    """On which several runs are compared: as ``whole`` runs that did the same work, or each ``per`` unit of its work
    (``units`` of them, in the order of the runs); neither where they cannot be. ``says`` is a sentence on it."""

    whole: bool
    per: str
    units: tuple[float, ...]
    says: str

    @property
    def comparable(self) -> bool:
        """Whether a difference between the runs means anything."""
        return self.whole or bool(self.per)


def basis(summaries: Sequence[Mapping[str, Any]]) -> Basis:
    """The basis of a comparison of runs, from their summaries."""
    units = [units_of_work(summary) for summary in summaries]
    named = [summary["kpi"].get("sci_unit") for summary in summaries]
    words = list(dict.fromkeys(map(str, filter(None, named))))
    if len(words) > 1:
        given = " and ".join(f"“{one}”" for one in words)
        return _neither(f"their functional units are unlike ({given}): a unit of one is no unit of the other")
    if words and None in named:
        return _neither(f"only some of them have a functional unit (“{words[0]}”)")
    amounts = [done(summary) for summary in summaries]
    known = [one for one in units if one is not None]
    if len(known) == len(summaries):
        counts = tuple(count for count, _ in known)
        each = " and ".join(number(count) for count in dict.fromkeys(counts))
        if max(counts) - min(counts) <= ALIKE * max(counts):
            said = f"All did the same work: {each} times {words[0]}"
            return Basis(True, words[0], counts, f"{said}{'' if len(set(counts)) == 1 else ' (within 1 %)'}.")
        said = f"They did unlike amounts of work ({each} times {words[0]}), so they are compared per {words[0]}."
        return Basis(False, words[0], counts, said)
    if words and words[0].startswith(WHOLE):
        return Basis(True, "", (), f"The functional unit of all is “{words[0]}”, so that whole runs are compared.")
    unlike = _unlike(amounts)
    if not unlike:
        return Basis(True, "", (), "All did the same work, so that whole runs are compared.")
    why = f"of “{words[0]}” not all of them did any" if words else "they have no functional unit"
    return _neither(f"{why}, and did unlike work ({unlike})")


def done(summary: Mapping[str, Any]) -> Amounts:
    """How much each workload or route did, and of what.

    Tokens stand only where each answer was computed once: a memo's were not, and a cascade's may have been twice.
    """
    found = {(name, ANSWERED): count for name, count in answers(summary).items()} | {
        (name, unit): float(amount)
        for part, keys, unit in DONE
        for name, one in (summary.get(part) or {}).items()
        if (amount := value_in(one, keys)) is not None
    }
    return {
        (name, unit): amount
        for (name, unit), amount in found.items()
        if not (unit == HELD and (name, TRAINED) in found)
        and not (unit in (PROMPTED, ANSWERED_WITH) and not _computed_once(summary, name))
    }


def _computed_once(summary: Mapping[str, Any], name: str) -> bool:
    """Whether a service is asked by users themselves, and looks up no answer."""
    behind = any(name in route["requests"] for route in summary.get("routes", {}).values())
    return not behind and "cache" not in summary["serving"][name]


def _unlike(amounts: Sequence[Amounts]) -> str:
    """What tells the work of some runs apart, in words; nothing where it is alike."""
    told = []
    for name, unit in dict.fromkeys(key for one in amounts for key in one):
        found = [one.get((name, unit)) for one in amounts]
        counts = [count for count in found if count is not None]
        # Of a run with a memo or a cascade no tokens are told.
        beside = unit in (PROMPTED, ANSWERED_WITH) and all((name, ANSWERED) in one for one in amounts)
        if (beside or len(counts) == len(found)) and max(counts) - min(counts) <= ALIKE * max(counts):
            continue
        each = ["none" if count is None else f"{number(count)} {unit}" for count in found]
        told.append(f"{name}: {' and '.join(each)}")
    return "; ".join(told)


def _neither(why: str) -> Basis:
    remedy = "Give all of them the same accounting.functional_unit to compare them per unit of work."
    return Basis(False, "", (), f"These runs cannot be compared: {why}. Their figures stand side by side. {remedy}")
