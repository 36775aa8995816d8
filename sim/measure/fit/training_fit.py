"""A training stack fitted to measured runs, and how wrong it is on models that the fit did not see.

Residuals are logarithms of times, and those of one model on one system together weigh no more than the root of their
number. Constants are logarithms too, each with what was thought of it before (a value and a spread, ``Prior``): what
the runs do not tell stays there, and no bound is needed but those of physics (efficiencies below 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from sim.measure.fit.training_table import Run
from sim.training.stack import TrainingStack
from sim.training.step import step_cost
from sim.training.tensors import FLATTENED

Floats = npt.NDArray[np.float64]

SOFT = 0.12
"""Relative errors beyond this are taken for something that the law does not know (a broken recipe)."""
MOST_STEPS = 20


class Prior(NamedTuple):
    """Where a constant is thought to be, what physics allows, and its spread (of its logarithm)."""

    value: float
    low: float
    high: float
    spread: float


SHARE = (0.005, 1.0, 1.0)
"""Of what shows of a collective: hardly known beforehand."""

MEGATRON: Mapping[str, Prior] = {
    "compute16": Prior(0.7, 0.3, 0.95, 0.2),
    "compute8": Prior(0.71, 0.3, 0.95, 0.2),
    "compute4": Prior(0.6, 0.2, 0.95, 0.4),
    "attention": Prior(0.63, 0.1, 0.95, 0.3),
    "watt_exponent": Prior(0.5, 0.01, 1.5, 1.0),
    "passes": Prior(2.0, 1.0, 10.0, 0.7),
    "expert_passes": Prior(5.0, 1.0, 100.0, 1.0),
    "layer_s": Prior(0.2e-3, 1e-5, 1e-2, 1.0),
    "expert_layer_s": Prior(1e-3, 1e-5, 1e-2, 1.0),
    "network_efficiency": Prior(0.8, 0.2, 0.95, 0.3),
    "tensor_exposed": Prior(0.3, *SHARE),
    "expert_exposed": Prior(0.3, *SHARE),
    "data_exposed": Prior(0.1, *SHARE),
    "head_imbalance": Prior(0.5, *SHARE),
    "straggling": Prior(0.01, 1e-4, 0.1, 1.0),
    "progress": Prior(0.3, 0.01, 2.0, 1.0),
}
"""Megatron-Core: fused kernels, all ways of cutting a model. Thought of beforehand: products in 16 bits as the runs of
the other table tell (0.70), in 8 as an H100 at its best (1,402.6 of 1,979 TFLOP/s; Bekman, Machine Learning
Engineering), attention as serving's tables of kernels (0.63); 40 launches of 5 us a layer, 200 more with experts; twice
the bytes that kernels fused throughout would move. All else is a guess, as the spreads say."""
FSDP: Mapping[str, Prior] = {
    "compute16": Prior(0.65, 0.3, 0.95, 0.5),
    "compute8": Prior(0.6, 0.3, 0.95, 0.5),
    "attention": Prior(0.3, 0.1, 0.95, 0.5),
    "watt_exponent": Prior(0.35, 0.01, 1.5, 0.7),
    "attention_watt_exponent": Prior(0.7, 0.01, 1.5, 0.7),
    "passes": Prior(2.5, 1.0, 10.0, 0.5),
    "logit_bytes": Prior(28.0, 8.0, 100.0, 0.5),
    "layer_s": Prior(1e-3, 1e-5, 1e-2, 0.7),
    "network_efficiency": Prior(0.75, 0.2, 0.95, 0.3),
    "latency": Prior(1.2, 0.3, 10.0, 0.7),
    "data_exposed": Prior(0.5, 0.005, 1.0, 0.7),
    "straggling": Prior(0.01, 1e-4, 0.1, 0.7),
}
"""Fully sharded data parallelism alone: unfused kernels, and attention whose instructions do not grow with the chip."""

HELD_MEGATRON: Mapping[str, Any] = {
    "shared_out": FLATTENED,
    "memory": 0.85,
    "logit_bytes": 12.0,
    "link_efficiency": 0.73,
    "latency": 1.2,
    "unthrottled": 1.16,
    "kernel_progress": 0.06,
    "first_year": 2025.66,
    "year": 2026.42,
}
HELD_FSDP: Mapping[str, Any] = {
    "shared_out": FLATTENED,
    "memory": 0.85,
    "compute4": 0.6,
    "expert_passes": 5.0,
    "expert_layer_s": 3e-3,
    "link_efficiency": 0.73,
    "tensor_exposed": 1.0,
    "expert_exposed": 1.0,
    "head_imbalance": 1.0,
    "unthrottled": 2.0,
    "progress": 0.0,
    "kernel_progress": 0.0,
    "first_year": 2024.0,
    "year": 2024.0,
}
"""Constants that no run of the tables tells: from tables of collectives, and where nothing hides anything. How much
more of its peak an A100 achieves in products than an H100 is what the other table tells (1.16)."""


@dataclass(frozen=True)
class Form:
    """Which constants are fitted and which held; ``one_exponent`` where attention is throttled as products are.

    ``trust`` is the weight of what was thought before: of a constant that is its whole spread off against a run that is
    off by as much. It is the more, the more of the runs' differences the law does not know.
    """

    fitted: Mapping[str, Prior]
    held: Mapping[str, Any]
    trust: float
    one_exponent: bool = False

    @property
    def thought_of(self) -> TrainingStack:
        """The constants before any run."""
        return self.stack(np.log([prior.value for prior in self.fitted.values()]))

    def stack(self, logarithms: Floats) -> TrainingStack:
        """The constants as a stack."""
        values = dict(self.held) | dict(zip(self.fitted, np.exp(logarithms).tolist(), strict=True))
        if self.one_exponent:
            values["attention_watt_exponent"] = values["watt_exponent"]
        return TrainingStack(**values)


MEGATRON_FORM = Form(MEGATRON, HELD_MEGATRON, trust=0.5, one_exponent=True)
FSDP_FORM = Form(FSDP, HELD_FSDP, trust=0.05)


def tokens_per_s(runs: Sequence[Run], stack: TrainingStack) -> Floats:
    """Of each GPU (runs,), by the stack as it was in the run's year where it has progressed."""
    return np.array([run.recipe.tokens / step_s(run, stack) / run.gpus for run in runs])


def step_s(run: Run, stack: TrainingStack) -> float:
    """Of a step of the run."""
    own = stack.as_of(run.year)
    return step_cost(run.architecture, run.gpu, run.topology, own, run.spread, run.recipe).step_s


def fit_stack(runs: Sequence[Run], form: Form) -> TrainingStack:
    """The constants that the runs tell; those that they do not tell stay where they were thought to be."""
    priors = list(form.fitted.values())
    thought = np.log([prior.value for prior in priors])
    spread = np.array([prior.spread for prior in priors])
    low, high = np.log([prior.low for prior in priors]), np.log([prior.high for prior in priors])
    measured = np.log([run.tokens_per_s for run in runs])
    alike = Counter((run.model, run.system) for run in runs)
    weights = np.array([2.0 * alike[run.model, run.system] ** -0.5 for run in runs])

    def residuals(x: Floats) -> Floats:
        off = measured - np.log(tokens_per_s(runs, form.stack(x)))
        return np.concatenate([weights * off, form.trust * (x - thought) / spread])

    found: Any = least_squares(
        residuals,
        thought,
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SOFT,
        max_nfev=MOST_STEPS,
    )
    return form.stack(np.asarray(found.x, dtype=np.float64))


def held_out_tokens_per_s(runs: Sequence[Run], form: Form, fitted: Callable[[int], None] = lambda _: None) -> Floats:
    """Of each GPU (runs,) by a stack fitted without any run of its model; ``fitted`` hears how many stacks are."""
    found = np.zeros(len(runs))
    for count, model in enumerate(sorted({run.model for run in runs})):
        fitted(count)
        own = [i for i, run in enumerate(runs) if run.model == model]
        stack = fit_stack([run for run in runs if run.model != model], form)
        found[own] = tokens_per_s([runs[i] for i in own], stack)
    return found
