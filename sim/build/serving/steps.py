"""Times of a served model's iterations as written -> the cost of an iteration: rooflines, tables, measured kernels."""

from __future__ import annotations

import numpy as np

from sim.build.serving.deployment import Stepping
from sim.build.serving.step_table import read_step_table
from sim.build.serving.typical import Attended
from sim.later import later
from sim.profiles.iteration.cost import COMPUTE, ENERGY, Floats, IterationCost
from sim.spec.steps import KernelSteps, MeasuredSteps, Roofline

with later():
    from sim.build.serving.kernel_steps import measured_kernels


def roofline(_spec: Roofline, around: Stepping) -> IterationCost:
    """From profiles alone."""
    return around.deployment.roofline(around.cap_w, around.longest_prompt)


def measured(spec: MeasuredSteps, around: Stepping) -> IterationCost:
    """Times from a table, which are those without a cap, and hold: the board's own limit was in them when they were
    measured. A cap slows by as much as it slows the roofline.

    Energy is the roofline's with contexts of the workload's mean length, which the table had in it as well; where the
    roofline would take longer, so much less of it that watts stay the same. So neither depends on what an iteration
    attends to, and no iteration draws more than the limit: were energy to rise with contexts where time does not, one
    would.

    Raises ``InputError`` for a table that cannot be read.
    """
    deployment, limit_w = around.deployment, float(around.deployment.gpu.tdp.value)
    cost = deployment.roofline(around.cap_w, around.longest_prompt)
    tokens = np.arange(cost.table.shape[1], dtype=np.float64)
    attended = Attended.of(deployment, spec.lengths).work(tokens)
    own_s, own_j = _whole(cost, attended)
    free_s = own_s
    if around.cap_w < limit_w:
        free_s, _ = _whole(deployment.roofline(limit_w, around.longest_prompt), attended)
    slower = np.divide(own_s, free_s, out=np.ones_like(free_s), where=free_s > 0.0)
    times = read_step_table(spec.file)
    prompt_s = times.at("prompt", tokens)
    taken_s = slower * np.stack([times.at("decode", tokens), prompt_s, spec.mixed * prompt_s])
    drawn = np.minimum(1.0, np.divide(taken_s, own_s, out=np.ones_like(own_s), where=own_s > 0.0))
    table = np.zeros_like(cost.table)
    table[:, :, COMPUTE], table[:, :, ENERGY] = taken_s, drawn * own_j
    return IterationCost(table, np.zeros_like(cost.slope))


def _whole(cost: IterationCost, attended: Floats) -> tuple[Floats, Floats]:
    """Seconds and joules of iterations that attend to so much, by kinds and tokens."""
    rows = cost.table + np.einsum("rs,ksn->knr", cost.slope, attended)
    busy = np.arange(rows.shape[1]) > 0
    return rows[:, :, :ENERGY].max(axis=2) * busy, rows[:, :, ENERGY] * busy


def kernels(spec: KernelSteps, around: Stepping) -> IterationCost:
    """Kernels from tables, all else from the stack, energy of work from the roofline; a cap slows them
    as the roofline's.

    Raises ``InputError`` for tables that are not there or cannot be read.
    """
    deployment = around.deployment
    known = measured_kernels(spec, deployment)
    layers, parts = known.split(deployment.layers)
    cost = deployment.roofline(around.cap_w, around.longest_prompt, known=known, layers=layers)
    limit_w, slower = float(deployment.gpu.tdp.value), np.ones(cost.slope.shape[1])
    if around.cap_w < limit_w:
        free = deployment.roofline(limit_w, around.longest_prompt, known=known, layers=layers).slope[:2].max(axis=0)
        slower = np.where(free > 0.0, cost.slope[:2].max(axis=0) / np.where(free > 0.0, free, 1.0), 1.0)
    return known.with_attention(cost, parts, np.arange(cost.table.shape[1], dtype=np.float64), slower)
