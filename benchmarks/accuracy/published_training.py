"""Tokens a second of trainings that others published, by the shipped stacks: nothing is fitted to them.

The runs are of 1.7B to 1T parameters on 8 to 6,144 GPUs, 2021 to 2025 (``published_training.yaml``, each with its
source and what about it is assumed). They were first scored at 20:29 on 2026-11-29, after the stacks had been fitted;
what the law has become since then was chosen with them in sight. Models that a stack was fitted to on the same board,
by other releases, are among them (Llama 3 8B and 70B on H100, B200, GB200; Qwen3 235B on H100). Later releases and
other boards of Megatron-Bridge's table, and LLM Foundry's A100 of 40 GB, are not: they are left to whoever judges this.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.accuracy.published_runs import Family, families
from benchmarks.accuracy.training_steps import Floats, off
from benchmarks.table import Row
from sim.measure.fit.training_fit import tokens_per_s
from sim.measure.fit.training_table import Run
from sim.profiles.architecture import Transformer
from sim.profiles.catalog import Catalog
from sim.training.stack import TrainingStack, training_stack
from sim.training.step import step_cost

LONG = 16384
MANY_GPUS = 512
CAUSES: tuple[tuple[str, Callable[[Run], bool]], ...] = (
    ("on A100", lambda run: "a100" in run.gpu.name),
    ("on H100 and H200", lambda run: "h100" in run.gpu.name or "h200" in run.gpu.name),
    ("on B200 and GB200", lambda run: "b200" in run.gpu.name),
    ("with experts", lambda run: isinstance(run.architecture, Transformer) and run.architecture.moe is not None),
    ("with full recomputation", lambda run: run.recipe.recompute == "full"),
    ("of long sequences", lambda run: run.recipe.sequence >= LONG),
    ("on 512 GPUs and more", lambda run: run.gpus >= MANY_GPUS),
)


def rows() -> list[Row]:
    """All runs, every family from the worst to the best, and runs by what may be the cause of errors."""
    told = families()
    runs = [run for family in told for run in family.runs]
    stacks = np.array([family.stack for family in told for _ in family.runs])
    shipped = np.concatenate([_off_shipped(family) for family in told])
    then = np.concatenate([off(tokens_per_s(family.runs, _stack(family)), family.runs) for family in told])
    found = [_all(name, shipped[stacks == name], then[stacks == name]) for name in sorted(set(stacks.tolist()))]
    scored = sorted(
        ((family, _off_shipped(family)) for family in told), key=lambda each: -float(np.abs(each[1]).mean())
    )
    found += [_of_family(family, errors) for family, errors in scored]
    for cause, holds in CAUSES:
        own = np.array([holds(run) for run in runs])
        found.append(_row(f"published training, {cause}", shipped[own], f"{int(own.sum())} runs"))
    return found


def _stack(family: Family) -> TrainingStack:
    return training_stack(Catalog().training_stack(family.stack))


def _all(name: str, shipped: Floats, then: Floats) -> Row:
    median, dated = 100 * float(np.median(np.abs(shipped))), 100 * float(np.abs(then).mean())
    note = f"{len(shipped)} runs, median {median:.0f} %, as of the runs' years {dated:.0f} %; nothing fitted to them"
    return _row(f"published training by {name}", shipped, note)


def _of_family(family: Family, errors: Floats) -> Row:
    worst = int(np.abs(errors).argmax())
    run = family.runs[worst]
    dated = off(tokens_per_s(family.runs, _stack(family)), family.runs)
    note = (
        f"{len(errors)} runs, worst {run.model} on {run.gpus} GPUs {100 * float(errors[worst]):+.0f} %, "
        f"as of {run.year:.1f} {100 * float(np.abs(dated).mean()):.0f} %"
    )
    return _row(f"published training, {family.name}", errors, note)


def _row(case: str, errors: Floats, note: str) -> Row:
    return Row(case, 100 * float(np.abs(errors).mean()), "%", None, f"bias {100 * float(errors.mean()):+.0f} %, {note}")


def _off_shipped(family: Family) -> Floats:
    """Errors by the stack as it ships, whatever the runs' years."""
    stack = _stack(family)
    step_s = np.array(
        [step_cost(r.architecture, r.gpu, r.topology, stack, r.spread, r.recipe).step_s for r in family.runs]
    )
    tokens = np.array([run.recipe.tokens / run.gpus for run in family.runs])
    return off(tokens / step_s, family.runs)
