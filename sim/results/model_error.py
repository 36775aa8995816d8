"""How far a run's energy may lie from meters because the models err, as far as they were held against readings.

A stack's model was judged on readings of families that its constants were not fitted to. A range is what those tell of
a further family: within it lie 90 % of its readings, or a little less where families are few (``docs/accuracy.md`` has
the ranges, how they were found and how many readings of each family they hold). It is one of logarithms, as a meter
that reads twice as much is as far off as one that reads half. The error of one stack is taken to be the same for all
that it runs, that of different stacks and of rate and power to be independent. Work without a judged model (watts and
hours that the scenario states, jobs as rows) has none here and is named; so has all that idles. The building, grid and
prices err in none of this: what they make of a kWh of IT stays as it is. A profile of one's own that takes the name of
one that was judged has not been judged, and one of another release has not either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sim.accounting.conventions import UNALLOCATED
from sim.profiles.catalog import Catalog
from sim.results.catalogue.quantity import value_in
from sim.results.files import sha256
from sim.results.results import Results
from sim.results.same_work import made_of
from sim.units import J_PER_KWH

GPU, ACTIVE = "gpu", "active"


@dataclass(frozen=True)
class HeldOut:
    """How far readings of a family lie that no constant was fitted to, and where ``docs/accuracy.md`` has it.

    ``error`` is their mean absolute error, as a share: the table of errors has it in a row and a column. ``within`` is
    the size of ln(measured / predicted) of energy within which a further family's lie with a ``chance``: the table of
    ranges has it by ``ranges``.
    """

    error: float
    within: float
    chance: float
    of: str
    row: str
    held_out: str
    ranges: str
    column: int = 0


SERVED = "vLLM on H100 and B200: power, J/token, ITL"
TOKEN_ENERGY = HeldOut(0.099, 0.3699, 0.9, "J per token", SERVED, "the family of models", "J per token", 1)
TOKEN_ENERGY_ELSEWHERE = HeldOut(
    0.114, 0.3640, 0.9, "J per token", SERVED, "all of B200", "J per token on another board", 1
)
STEP_RATE = HeldOut(
    0.141,
    0.3372,
    0.9,
    "tokens/s",
    "training with Megatron-Core, 92 runs of 5 models on 8-1,024 H100, B200, GB200: tokens/s",
    "the model",
    "tokens/s with Megatron-Core",
)
STEP_RATE_FSDP = HeldOut(
    0.10,
    0.289,
    6.0 / 7.0,
    "tokens/s",
    "the same: 18 runs on A100 of 2021 and 2022, which tell one constant; 17 of FSDP on A100 and H100; "
    "13 compiled; 6 of ZeRO-3 of 2021, which tell one constant; 1 more of it; 2 since",
    "nothing else is fitted to them",
    "tokens/s with FSDP",
    1,
)
NODE_POWER = HeldOut(
    0.023,
    0.0455,
    6.0 / 7.0,
    "node power",
    "MLPerf Training on 8 H100, all near their limit: node power",
    "the benchmark",
    "node power",
)
SERVING = frozenset({"vllm-2025", "vllm-2026"})
"""Stacks of the form that was judged; that of 2026 differs in newer kernels."""
SERVED_ON = frozenset({"nvidia-h100-sxm-80gb", "nvidia-b200-sxm-180gb"})
TRAINING = {"megatron-2026": STEP_RATE, "fsdp-2024": STEP_RATE_FSDP}


@dataclass(frozen=True)
class Term:
    """Of one workload: the IT energy that its model decides, the errors that this has, which are independent, and what
    it is ``made_of`` (``sim.results.same_work``): the same work errs the same in another run."""

    workload: str
    stack: str
    it_kwh: float
    errors: tuple[HeldOut, ...]
    made_of: Mapping[str, Any]

    @property
    def within(self) -> float:
        """Size of the log error of all together."""
        return math.hypot(*(one.within for one in self.errors))

    @property
    def chance(self) -> float:
        """With which an error lies within: that of the largest."""
        return max(self.errors, key=lambda one: one.within).chance

    def same_work(self, other: Term) -> bool:
        """Whether another run's is the same work by the same model, whose error is then the same."""
        return (self.made_of, self.errors) == (other.made_of, other.errors)

    def reach(self, amount: float) -> Reach:
        """How far an amount that follows from its energy may lie below and above; of a negative one it is turned."""
        low, high = sorted(amount * math.expm1(sign * self.within) for sign in (-1.0, 1.0))
        return Reach(-low, high)


class Reach(NamedTuple):
    """How far a number may lie below and above what was found, neither negative."""

    less: float
    more: float

    @classmethod
    def independent(cls, each: Iterable[Reach]) -> Reach:
        """Of errors that do not know of each other: sizes add as squares on either side."""
        parts = [*each]
        return cls(math.hypot(*(one.less for one in parts)), math.hypot(*(one.more for one in parts)))

    def beside(self, other: Reach) -> Reach:
        """Of errors that are the same: sizes add."""
        return Reach(self.less + other.less, self.more + other.more)


@dataclass(frozen=True)
class ModelError:
    """``terms`` of work whose model was judged, and the ``unjudged``."""

    terms: tuple[Term, ...]
    unjudged: tuple[str, ...]

    @property
    def chance(self) -> float:
        """The least of any term's."""
        return min((term.chance for term in self.terms), default=0.0)

    def reach(self, per_it_kwh: float) -> Reach:
        """Of a number to which a kWh of IT energy adds so much; nothing where no model was judged."""
        by_stack: dict[str, Reach] = {}
        for term in self.terms:
            by_stack[term.stack] = by_stack.get(term.stack, NOTHING).beside(term.reach(term.it_kwh * per_it_kwh))
        return Reach.independent(by_stack.values())


NOTHING = Reach(0.0, 0.0)


def model_error(results: Results) -> ModelError:
    """Of all workloads of a run that drew energy."""
    terms, unjudged = [], []
    drew = results.summary["energy_kwh"]["by_workload"]
    for name, job in results.scenario["workloads"].items():
        if not drew.get(name):
            continue
        found = _of(results, name, job)
        if found is None:
            unjudged.append(name)
        else:
            terms.append(found)
    return ModelError(tuple(terms), tuple(unjudged))


def _of(results: Results, name: str, job: Mapping[str, Any]) -> Term | None:
    stack = job.get("stack")
    if job["kind"] == "serving" and stack in SERVING and _as_judged(results, stack):
        kwh = _active_kwh(results, name, GPU)
        known = kwh.keys() <= SERVED_ON and all(_as_judged(results, board) for board in kwh)
        error = TOKEN_ENERGY if known else TOKEN_ENERGY_ELSEWHERE
        return Term(name, stack, sum(kwh.values()), (error,), made_of(results, name))
    work = job.get("work") or {}
    if job["kind"] == "training" and work.get("stack") in TRAINING and _as_judged(results, work["stack"]):
        kwh = _active_kwh(results, name, None)
        done = not (results.summary.get("jobs") or {}).get(name, {}).get("unfinished")
        # a run that ends before its work draws no longer because the work takes longer
        errors = (TRAINING[work["stack"]], NODE_POWER) if done else (NODE_POWER,)
        return Term(name, work["stack"], sum(kwh.values()), errors, made_of(results, name))
    return None


def _as_judged(results: Results, profile: str) -> bool:
    """Whether a run's profile says what the one of its name says that ships, whose constants were judged."""
    told = results.manifest["profiles_sha256"].get(profile)
    return told is None or told == _shipped_sha256(profile)


@cache
def _shipped_sha256(profile: str) -> str:
    return sha256(Catalog().path(profile))


def _active_kwh(results: Results, owner: str, component: str | None) -> dict[str, float]:
    """kWh that an owner drew at work, by the profile of what drew it."""
    found: dict[str, float] = {}
    for key, energy_j in zip(results.energy.keys, results.energy.energy_j, strict=True):
        if key.owner == owner != UNALLOCATED and key.state == ACTIVE and component in (None, key.component):
            found[key.hardware] = found.get(key.hardware, 0.0) + float(energy_j.sum()) / J_PER_KWH
    return found


def per_it_kwh(summary: Mapping[str, Any], path: str) -> float:
    """What a kWh of IT energy adds to a number of a summary: of all of it but what is embodied; 0 without energy."""
    part, it_kwh = path.removesuffix(".total"), float(summary["energy_kwh"]["it"])
    embodied = float(summary[part].get("embodied", 0.0)) if part in summary else 0.0
    if part == "cost":  # of which a price of carbon may be of making, too
        embodied = float(summary[part].get("carbon_by_scope", {}).get("scope_3", 0.0))
    return (float(value_in(summary, (*path.split("."),))) - embodied) / it_kwh if it_kwh else 0.0


def widened(value: float, low: float, high: float, by: Reach) -> tuple[float, float]:
    """The ends of an interval around ``value``, with an independent error of so much.

    Distances add as squares on either side, as those of independent normal errors do.

    >>> widened(10.0, 7.0, 13.0, Reach(4.0, 4.0))
    (5.0, 15.0)
    """
    below, above = max(0.0, value - low), max(0.0, high - value)
    return value - math.hypot(below, by.less), value + math.hypot(above, by.more)
