"""A training stack as a profile: the constants that measured runs tell in place of a base profile's, with their source.

What is fitted follows from the table: runs of Megatron-Bridge's header tell of every way to cut a model, those of LLM
Foundry's of data parallelism alone; all else is as the base has it. No run of a model is in the fit that predicts it
for the errors shown.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from sim.documents import read_document
from sim.errors import InputError
from sim.measure.fit.training_fit import FSDP_FORM, MEGATRON_FORM, Form, fit_stack, held_out_tokens_per_s, tokens_per_s
from sim.measure.fit.training_table import Run, is_bridge_table, read_training_table
from sim.profiles.catalog import Catalog
from sim.results.tables import plain_table
from sim.training.stack import TrainingStack, training_stack

Watch = Callable[[int, int], None]
"""Hears how many are done, of how many."""

Floats = npt.NDArray[np.float64]

FIELDS: Mapping[str, str] = {
    "compute16": "compute_efficiency",
    "compute8": "compute8_efficiency",
    "compute4": "compute4_efficiency",
    "attention": "attention_efficiency",
    "watt_exponent": "watt_exponent",
    "attention_watt_exponent": "attention_watt_exponent",
    "passes": "passes",
    "expert_passes": "expert_passes",
    "logit_bytes": "logit_bytes",
    "layer_s": "layer",
    "expert_layer_s": "expert_layer",
    "network_efficiency": "network_efficiency",
    "latency": "latency",
    "tensor_exposed": "tensor_exposed",
    "expert_exposed": "expert_exposed",
    "data_exposed": "data_exposed",
    "head_imbalance": "head_imbalance",
    "straggling": "straggling",
    "progress": "progress",
}
"""Of a fitted constant, the field of its profile."""
LEAST_RUNS = 4


@dataclass(frozen=True)
class FittedStack:
    """The stack, the relative errors of tokens a second on the runs of the fit, and of those of each model where it was
    held out; empty where all runs are of one model."""

    stack: TrainingStack
    errors: Floats
    held_out: Floats
    runs: Sequence[Run]


def calibrated_stack(
    path: Path, base: str, catalog: Catalog, name: str, watch: Watch = lambda *_: None
) -> tuple[dict[str, Any], FittedStack]:
    """The profile ``name`` as plain data, from a table of runs. Raises ``InputError``. ``watch`` is ``fitted``'s."""
    runs = read_training_table(path, catalog)
    if len(runs) < LEAST_RUNS:
        raise InputError.one(str(path), f"needs {LEAST_RUNS} runs at least; it has {len(runs)}")
    begin = training_stack(catalog.training_stack(base))
    form = holding(begin, MEGATRON_FORM if is_bridge_table(path) else FSDP_FORM)
    found = fitted(runs, form, watch)
    source = catalog.path(base)
    profile: dict[str, Any] = copy.deepcopy(dict(read_document(source).data))
    profile["name"] = name
    profile["title"] = f"{profile['title']}, calibrated"
    profile["sources"] = {
        "runs": {
            "title": f"Measured training runs: {path.name}",
            "author": "the owner of the runs",
            "year": datetime.now(UTC).year,
            "locator": f"{len(runs)} runs of {len({run.model for run in runs})} models",
        },
        **profile["sources"],
    }
    note = f"Fitted to {len(runs)} runs with the others, {100 * found.errors.mean():.1f} % off them"
    if len(found.held_out):
        note += f", {100 * found.held_out.mean():.1f} % off models held out"
    for constant in (*form.fitted, *(("attention_watt_exponent",) if form.one_exponent else ())):
        profile[FIELDS[constant]] = {
            "value": written(constant, getattr(found.stack, constant)),
            "source": "runs",
            "confidence": "derived",
            "note": f"{note}.",
        }
    return profile, found


def written(constant: str, value: float) -> float | str:
    """As it stands in a profile: times in microseconds."""
    return f"{value * 1e6:.4g} us" if constant.endswith("_s") else float(f"{value:.4g}")


def holding(base: TrainingStack, form: Form) -> Form:
    """The same constants to fit, from where they were thought to be before any run, and what is held as ``base`` has
    it. (A base's own constants may have been fitted to the very runs that judge here.)"""
    shared = {"attention_watt_exponent"} if form.one_exponent else set()
    held = {constant: value for constant, value in vars(base).items() if constant not in {*form.fitted, *shared}}
    return replace(form, held=held)


def fitted(runs: Sequence[Run], form: Form, watch: Watch = lambda *_: None) -> FittedStack:
    """A stack from all runs, and its errors on them and on models that were held out. ``watch`` hears how many stacks
    are fitted, of how many."""
    measured = np.array([run.tokens_per_s for run in runs])
    stack = fit_stack(runs, form)
    models = len({run.model for run in runs})

    def told(held_out: int) -> None:
        watch(1 + held_out, 1 + models)

    held_out = held_out_tokens_per_s(runs, form, told) if models > 1 else measured[:0]
    return FittedStack(
        stack,
        np.abs(tokens_per_s(runs, stack) / measured - 1.0),
        np.abs(held_out / measured[: len(held_out)] - 1.0),
        runs,
    )


def stack_table(found: FittedStack, shown: str) -> RenderableType:
    """Errors by model for a terminal."""
    table = plain_table("model", "runs", "error", "held out")
    models = np.array([run.model for run in found.runs])
    for model in sorted(set(models)):
        own = models == model
        out = f"{100 * found.held_out[own].mean():.1f} %" if len(found.held_out) else "the only model"
        table.add_row(model, str(int(own.sum())), f"{100 * found.errors[own].mean():.1f} %", out)
    return Group(Text(shown, style="bold"), table)
