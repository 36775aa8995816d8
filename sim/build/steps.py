"""Times of a served model's iterations as written -> the cost of an iteration: rooflines, tables, measured kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.build.deployment import Stepping
from sim.build.step_table import read_step_table
from sim.profiles.step import IterationCost
from sim.spec.steps import MeasuredSteps, Roofline


def roofline(_spec: Roofline, around: Stepping) -> IterationCost:
    """From profiles alone."""
    return around.deployment.roofline(around.cap_w, around.longest_prompt)


def measured(spec: MeasuredSteps, around: Stepping) -> IterationCost:
    """Times from a table, energy from the roofline; a cap still lengthens what would exceed it.

    Raises ``InputError`` for a table that cannot be read.
    """
    cost = around.deployment.roofline(around.cap_w, around.longest_prompt)
    times = read_step_table(spec.file)
    tokens = np.arange(cost.table.shape[1], dtype=np.float64)
    table, slope = cost.table.copy(), cost.slope.copy()
    slope[:2] = 0.0
    table[:, :, 1] = 0.0
    prompt_s = times.at("prompt", tokens)
    table[0, :, 0], table[1, :, 0], table[2, :, 0] = times.at("decode", tokens), prompt_s, spec.mixed * prompt_s
    return replace(cost, table=table, slope=slope)
