"""A mixture's experts in an iteration: which are read, how long the kernels take that read them, and what they compute.

Experts are as popular as ``model.popularity`` has them, and the GPU with most of them to read decides. Kernels that
multiply the tokens of many experts at once cut them into tiles of rows, as vLLM's fused kernels do: 16 rows where an
iteration has fewer tokens than the GPU has experts, 64 otherwise and for weights in blocks of fp8, unless the shape has
a table of tuned tiles (``get_default_config`` in fused_moe.py until its pull request 34846, with the tables beside it).
Large tiles are computed whole, padding included, and their loads leave memory idle on GPUs whose bandwidth has grown
faster than their multiprocessors. That the limit goes with the rate of the vector units, and how it adds to the
memory's (``SHARPNESS``), is our reading of ML.ENERGY's measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sim.profiles.model import ModelShape, distinct_experts
from sim.profiles.terms import Device, Layout, Precision, Stack, Tiles

Floats = npt.NDArray[np.float64]

SHARPNESS = 4.0
"""Norm in which the memory's time and the loads' time add up: 1 is their sum, infinity the longer of the two."""


@dataclass(frozen=True)
class ExpertWork:
    """Expert work of a GPU, by tokens.

    B it reads on average; s of the kernels on the GPU with most to read; s by which the mean GPU's kernels fall short
    of the memory's speed; FLOP that only pad tiles.
    """

    byte: Floats
    slowest_s: Floats
    short_s: Floats
    padding_flop: Floats


def expert_work(
    model: ModelShape, device: Device, stack: Stack, layout: Layout, precision: Precision, tokens: Floats
) -> ExpertWork:
    """What experts take in iterations of so many ``tokens`` of all data-parallel ranks; arrays have their shape."""
    if not model.moe_layers:
        nothing = 0.0 * tokens
        return ExpertWork(nothing, nothing, nothing, nothing)
    gpus = float(layout.gpus)
    asked = distinct_experts(model.experts, model.experts_per_token, tokens, stack.expert_skew)
    mean, most = _experts_read(model.experts, stack, layout, asked)
    held = model.experts / gpus if layout.expert else float(model.experts)
    issue = _issue(stack.tiles, tokens, held)
    a_layer = model.moe_layers * precision.expert_bytes

    def kernels_s(experts: Floats) -> Floats:
        memory_s = a_layer * experts / (device.byte_per_s * stack.expert_efficiency)
        loads_s = a_layer * experts * issue / device.vector_flop_per_s if issue.any() else 0.0 * experts
        longer = np.maximum(memory_s, loads_s)
        shorter = np.minimum(memory_s, loads_s) / np.where(longer > 0.0, longer, 1.0)
        return np.asarray(longer * (1.0 + shorter**SHARPNESS) ** (1.0 / SHARPNESS))

    at_best_s = a_layer * mean / (device.byte_per_s * stack.memory_efficiency)
    rows = tile_rows(stack.tiles, tokens * model.experts_per_token, asked, tokens, held)
    padding = rows - tokens * model.experts_per_token
    return ExpertWork(
        byte=a_layer * mean,
        slowest_s=kernels_s(most),
        short_s=np.maximum(kernels_s(mean) - at_best_s, 0.0),
        padding_flop=2.0 * model.moe_layers * model.expert_parameters * padding / gpus,
    )


def tile_rows(tiles: Tiles | None, routed: Floats, asked: Floats, tokens: Floats, held: float) -> Floats:
    """Rows computed for ``routed`` pairs of tokens and experts, of which ``asked`` experts have some; never fewer.

    Every expert that is asked computes a tile at least, and half a tile more than it needs where it fills several.
    """
    if tiles is None:
        return routed
    rows = np.where(tokens <= tiles.few_until * held, float(tiles.few), float(tiles.many))
    return np.asarray(np.maximum(asked * rows, routed + 0.5 * asked * rows))


def _issue(tiles: Tiles | None, tokens: Floats, held: float) -> Floats:
    """FLOP of the vector units that a byte of experts takes as long as; 0 where memory alone decides."""
    if tiles is None:
        return 0.0 * tokens
    return np.where(tokens <= tiles.few_until * held, 0.0, tiles.issue)


def _experts_read(experts: int, stack: Stack, layout: Layout, asked: Floats) -> tuple[Floats, Floats]:
    """Whole experts that a GPU reads: the mean one, and the one with most to read, by tokens.

    How many of its experts a GPU is asked for spreads like draws without replacement; the largest of n such numbers
    is ``ndtri((n - 3/8) / (n + 1/4))`` standard deviations above the mean (Blom, Statistical Estimates and
    Transformed Beta-Variables, 1958). Sliced experts (tensor parallelism alone) are read by all alike.
    """
    gpus = float(layout.gpus)
    mean = (stack.expert_floor * experts + (1.0 - stack.expert_floor) * asked) / gpus
    if not layout.expert or layout.gpus == 1 or not stack.expert_imbalance:
        return mean, mean
    own = experts / gpus
    share = asked / experts
    variance = own * share * (1.0 - share) * (1.0 - own / experts) / (1.0 - 1.0 / experts)
    above = float(ndtri((gpus - 0.375) / (gpus + 0.25)))
    ahead = stack.expert_imbalance * above * np.sqrt(np.maximum(variance, 0.0))
    return mean, np.minimum(own, mean + (1.0 - stack.expert_floor) * ahead)
