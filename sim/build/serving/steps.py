"""Times of a served model's iterations as written -> the cost of an iteration: rooflines, tables, measured kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.build.serving.deployment import Stepping
from sim.build.serving.step_table import read_step_table
from sim.later import later
from sim.profiles.iteration.cost import CAPPED, COMPUTE, DECODES, ENERGY, IterationCost
from sim.spec.steps import KernelSteps, MeasuredSteps, Roofline

with later():
    from sim.build.serving.kernel_steps import measured_kernels


def roofline(_spec: Roofline, around: Stepping) -> IterationCost:
    """From profiles alone."""
    return around.deployment.roofline(around.cap_w, around.longest_prompt)


def measured(spec: MeasuredSteps, around: Stepping) -> IterationCost:
    """Times from a table, which are those without a cap, and hold: the board's own limit was in them when they were
    measured. A cap slows by as much as it slows the roofline. Energy is the roofline's; where that would take longer,
    so much less of it that watts stay the same, of a context token by the median over the numbers of tokens measured.

    Raises ``InputError`` for a table that cannot be read.
    """
    cost = around.deployment.roofline(around.cap_w, around.longest_prompt)
    free = cost
    if around.cap_w < float(around.deployment.gpu.tdp.value):
        free = around.deployment.roofline(float(around.deployment.gpu.tdp.value), around.longest_prompt)
    own_s, free_s = (made.table[:, :, :CAPPED].max(axis=2) for made in (cost, free))
    slower = np.divide(own_s, free_s, out=np.ones_like(free_s), where=free_s > 0.0)
    times = read_step_table(spec.file)
    tokens = np.arange(cost.table.shape[1], dtype=np.float64)
    prompt_s = times.at("prompt", tokens)
    taken_s = slower * np.stack([times.at("decode", tokens), prompt_s, spec.mixed * prompt_s])
    drawn = np.minimum(1.0, np.divide(taken_s, own_s, out=np.ones_like(own_s), where=own_s > 0.0))
    at = [min(round(float(n)), len(tokens) - 1) for n in times.tokens["decode"]]
    table, slope = np.zeros_like(cost.table), np.zeros_like(cost.slope)
    table[:, :, COMPUTE], table[:, :, ENERGY] = taken_s, drawn * cost.table[:, :, ENERGY]
    slope[ENERGY] = np.median(drawn[DECODES, at]) * cost.slope[ENERGY]
    return replace(cost, table=table, slope=slope)


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
