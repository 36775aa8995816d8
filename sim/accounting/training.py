"""Steps of a model in training, condensed: what each took, how well GPUs were used, and the energy of its phases.

MFU counts the FLOP that the model needs, HFU those that are computed, recomputation included, of the peak in the
precision of its products (Chowdhery et al., arXiv:2204.02311, appendix B); attention counts its causal half.

Energy is the meters': what GPUs drew at work is divided among phases by their joules under the caps of the time, and
what they drew held and not at work stands beside, so that all parts add up to the ledger's GPU energy of the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sim.accounting.ledger import Ledger
from sim.accounting.metrics import it_of
from sim.units import BYTES_PER_GB, J_PER_KWH, NS_PER_S
from sim.workload.records import JobRecord

TERA = 1e12
EVALUATION = "evaluation"
"""What of a job's time is no part of its steps."""


class Phases(Protocol):
    """One step in the mean: s and J of one GPU, by what it does."""

    @property
    def seconds(self) -> Mapping[str, float]: ...

    @property
    def joules(self) -> Mapping[str, float]: ...


class Stepping(Protocol):
    """How a job steps, under a cap of so many W on each GPU or without one."""

    def split(self, cap_w: float | None) -> Phases:
        """A step by its phases."""
        ...


@dataclass(frozen=True, eq=False)
class StepPlan:
    """What is known of the steps of a job before it runs: FLOP of the whole gang's step, B of each GPU by part, s of
    exposed communication by what it is for."""

    stepping: Stepping
    steps: int
    tokens: int
    model_flop: float
    hardware_flop: float
    peak_flop_per_s: float
    memory_bytes: Mapping[str, float]
    exposed_s: Mapping[str, float]
    hidden_s: Mapping[str, float]


def step_metrics(plan: StepPlan, record: JobRecord, ledger: Ledger) -> dict[str, Any]:
    """Figures of a job's steps; times, rates and shares are those of a step without power caps."""
    seconds = dict(plan.stepping.split(None).seconds)
    evaluation_s = seconds.pop(EVALUATION, 0.0)
    step_s = sum(seconds.values())
    done = plan.steps * (record.done_ns / record.work_ns)
    per_gpu = plan.model_flop / step_s / record.gpus
    hardware_per_gpu = plan.hardware_flop / step_s / record.gpus
    return {
        "steps": done,
        "tokens": done * plan.tokens,
        "step_s": step_s,
        "step_split_s": _kept(seconds),
        **({"evaluation_s": evaluation_s} if evaluation_s else {}),
        "exposed_s": _kept(plan.exposed_s),
        "hidden_s": _kept(plan.hidden_s),
        "mfu": per_gpu / plan.peak_flop_per_s,
        "hfu": hardware_per_gpu / plan.peak_flop_per_s,
        "model_tflops_per_gpu": per_gpu / TERA,
        "throughput_tok_per_s": plan.tokens / step_s,
        "throughput_tok_per_s_per_gpu": plan.tokens / step_s / record.gpus,
        "memory_gb": {part: byte / BYTES_PER_GB for part, byte in _kept(plan.memory_bytes).items()},
        "gpu_energy_kwh": {part: j / J_PER_KWH for part, j in _kept(gpu_energy_j(plan, record, ledger)).items()},
    }


def gpu_energy_j(plan: StepPlan, record: JobRecord, ledger: Ledger) -> dict[str, float]:
    """J of the job's GPUs by phase, and of what else they were held for, by state. They add up to the ledger's."""
    own = it_of(ledger, record.workload).where(lambda key: key.component == "gpu")
    by_state = {state: float(own.where(lambda key, s=state: key.state == s).total_j()) for state in _states(own)}  # type: ignore[misc]  # mypy infers no lambda with a default
    at_work_j = by_state.pop("active", 0.0)
    joules: dict[str, float] = {}
    for cap_w, worked_ns in record.worked_ns:
        split = plan.stepping.split(cap_w)
        steps = worked_ns / NS_PER_S / sum(split.seconds.values())
        for phase, j in split.joules.items():
            joules[phase] = joules.get(phase, 0.0) + steps * j
    whole = sum(joules.values())
    return {**{phase: at_work_j * j / whole for phase, j in joules.items() if whole}, **by_state}


def _states(ledger: Ledger) -> list[str]:
    return sorted({key.state for key in ledger.keys})


def _kept(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in parts.items() if value}
