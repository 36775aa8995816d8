"""How far a run's energy may lie from meters because the models err, as far as they were held against readings.

A stack's model was judged on readings that its constants were not fitted to (``docs/accuracy.md``, a row each of
``HELD_OUT``). A mean absolute error m of errors that are normal around zero is a standard deviation of m sqrt(pi / 2),
and 90 % of them lie within 1.645 of those. The error of one stack is the same for all that it runs, that of different
stacks is independent. Work without a judged model (watts and hours that the scenario states, jobs as rows) has none
here and is named; so has all that idles. The building, grid and prices err in none of this: what they make of a kWh of
IT stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.accounting.conventions import UNALLOCATED
from sim.results.results import Results
from sim.units import J_PER_KWH

WITHIN_90 = 1.6448536269514722
"""Standard deviations from the mean to the ends of a normal law's middle 90 % (its quantile at 0.95)."""
SD_OF_MEAN_ABSOLUTE = math.sqrt(math.pi / 2.0)
GPU, ACTIVE = "gpu", "active"


@dataclass(frozen=True)
class HeldOut:
    """A mean absolute percentage error of a model, as a share, and the row and column of the table that has it."""

    error: float
    of: str
    row: str
    held_out: str
    column: int = 0


TOKEN_ENERGY = HeldOut(0.15, "J per token", "vLLM on H100 and B200: power, J/token, ITL", "the family of models", 1)
TOKEN_ENERGY_ELSEWHERE = HeldOut(0.182, "J per token", "vLLM on H100 and B200: power, J/token, ITL", "all of B200", 1)
STEP_RATE = HeldOut(
    0.141,
    "tokens/s",
    "training with Megatron-Core, 92 runs of 5 models on 8-1,024 H100, B200, GB200: tokens/s",
    "the model",
)
STEP_RATE_FSDP = HeldOut(
    0.10,
    "tokens/s",
    "the same: 18 runs on A100 of 2021 and 2022, which tell one constant; 17 of FSDP on A100 and H100; "
    "13 compiled; 6 of DeepSpeed's ZeRO-3",
    "nothing else is fitted to them",
    1,
)
NODE_POWER = HeldOut(
    0.023, "node power", "MLPerf Training on 8 H100, all near their limit: node power", "the benchmark"
)
SERVING = frozenset({"vllm-2025", "vllm-2026"})
"""Stacks of the form that was judged; that of 2026 differs in newer kernels."""
SERVED_ON = frozenset({"nvidia-h100-sxm-80gb", "nvidia-b200-sxm-180gb"})
TRAINING = {"megatron-2026": STEP_RATE, "fsdp-2024": STEP_RATE_FSDP}


@dataclass(frozen=True)
class Term:
    """Of one workload: the IT energy that its model decides, and the errors that this has, which are independent."""

    workload: str
    stack: str
    it_kwh: float
    errors: tuple[HeldOut, ...]

    @property
    def share(self) -> float:
        """Mean absolute error of all together."""
        return math.hypot(*(one.error for one in self.errors))


@dataclass(frozen=True)
class ModelError:
    """``terms`` of work whose model was judged, and the ``unjudged``."""

    terms: tuple[Term, ...]
    unjudged: tuple[str, ...]

    @property
    def half_it_kwh(self) -> float:
        """Half of the range that holds 90 % of the errors of a run's IT energy, kWh; 0 where nothing was judged."""
        by_stack: dict[str, float] = {}
        for term in self.terms:
            by_stack[term.stack] = by_stack.get(term.stack, 0.0) + term.it_kwh * term.share
        return WITHIN_90 * SD_OF_MEAN_ABSOLUTE * math.hypot(*by_stack.values())


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
    if job["kind"] == "serving" and stack in SERVING:
        kwh = _active_kwh(results, name, GPU)
        known = kwh.keys() <= SERVED_ON
        return Term(name, stack, sum(kwh.values()), (TOKEN_ENERGY if known else TOKEN_ENERGY_ELSEWHERE,))
    work = job.get("work") or {}
    if job["kind"] == "training" and work.get("stack") in TRAINING:
        kwh = _active_kwh(results, name, None)
        done = not (results.summary.get("jobs") or {}).get(name, {}).get("unfinished")
        # a run that ends before its work draws no longer because the work takes longer
        errors = (TRAINING[work["stack"]], NODE_POWER) if done else (NODE_POWER,)
        return Term(name, work["stack"], sum(kwh.values()), errors)
    return None


def _active_kwh(results: Results, owner: str, component: str | None) -> dict[str, float]:
    """kWh that an owner drew at work, by the profile of what drew it."""
    found: dict[str, float] = {}
    for key, energy_j in zip(results.energy.keys, results.energy.energy_j, strict=True):
        if key.owner == owner != UNALLOCATED and key.state == ACTIVE and component in (None, key.component):
            found[key.hardware] = found.get(key.hardware, 0.0) + float(energy_j.sum()) / J_PER_KWH
    return found


def widened(value: float, low: float, high: float, half: float) -> tuple[float, float]:
    """The ends of an interval around ``value``, with an independent error of which 90 % lie within ``half``.

    Distances add as squares on either side, as those of independent normal errors do.

    >>> widened(10.0, 7.0, 13.0, 4.0)
    (5.0, 15.0)
    """
    below, above = max(0.0, value - low), max(0.0, high - value)
    return value - math.hypot(below, half), value + math.hypot(above, half)
