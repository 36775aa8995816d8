"""Seconds of a micro-batch's kernels on one GPU, forward and backward: products, attention, and what memory paces.

Products take what they take when serving (``profiles.kernels.time``), three times over: forward, the gradient of the
input, the gradient of the weights. An expert's rows fill up whole tiles, and all experts' weights are read. Attention
is bound by its products and by its exponentials, of which a multiprocessor has 16 a cycle (CUDA C++ programming guide,
throughput of native arithmetic instructions): on fast boards they take as long (Shah et al., "FlashAttention-3",
arXiv:2407.08608, section 3.1). What lies between products moves bytes, and holds back the faster boards the more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sim.profiles.kernels.time import Machine, ProductLaw, product_time
from sim.profiles.machines.gpu import GPUProfile, Precision
from sim.profiles.machines.reach import product_rate, stream_rate
from sim.training.stack import REFERENCE_FLOP_PER_J, TrainingStack
from sim.training.terms import Recipe, TrainingPrecision
from sim.training.work import Floats, Work

EXPONENTIALS_PER_CYCLE = 16.0
VALUE_BYTES = 2.0
QUANTISED_BYTES: dict[TrainingPrecision, float] = {"fp8": 5.0, "mxfp8": 6.0, "nvfp4": 9.0}
"""For a value of an operand: 8 bits by the tensor's largest, read twice and written once; in blocks, read twice and
written by rows and by columns; 4 bits, read for its largest and turned (Hadamard) besides, by rows and columns."""
TRANSPOSED_BYTES = 1.0
"""More on Hopper, whose 8-bit products take their operands in one order only."""


class Arithmetic(NamedTuple):
    """Of a precision: the peak that a board computes it with, and bytes of an operand, quantised where below 2."""

    peak: Precision
    operand_bytes: float

    @property
    def quantised(self) -> bool:
        """Whether operands are made from values of 16 bits."""
        return self.operand_bytes < VALUE_BYTES


ARITHMETIC: dict[TrainingPrecision, Arithmetic] = {
    "fp32": Arithmetic("fp32", 4.0),
    "tf32": Arithmetic("tf32", 4.0),
    "bf16": Arithmetic("bf16", 2.0),
    "fp8": Arithmetic("fp8", 1.0),
    "mxfp8": Arithmetic("fp8", 1.0),
    "nvfp4": Arithmetic("fp4", 0.5),
}
"""What blocks of mxfp8 and nvfp4 add for their scales is left out."""


@dataclass(frozen=True)
class Kernels:
    """Seconds of a micro-batch of the whole model, and what it computes (FLOP, ``quantised_flop`` of them in the
    recipe's precision) and moves (B). ``again_s`` of them are recomputed, in ``memory_s`` memory sets the pace,
    ``head_s`` are the output head's."""

    products_s: float
    attention_s: float
    between_s: float
    head_s: float
    again_s: float
    memory_s: float
    flop: float
    quantised_flop: float
    byte: float

    @property
    def seconds(self) -> float:
        """All, one after the other."""
        return self.products_s + self.attention_s + self.between_s


def lacking(gpu: GPUProfile, recipe: Recipe) -> str | None:
    """Why a board cannot be costed for a recipe: an arithmetic that it does not have, or a chip nobody described."""
    if gpu.chip is None:
        return (
            f"{gpu.name} has no 'chip' in its profile, from which times of kernels follow; give the work as 'steps' or "
            "'gpu-hours' there"
        )
    peaks = {"bf16", ARITHMETIC[recipe.precision].peak}
    missing = sorted(peak for peak in peaks if peak not in gpu.peak)
    return f"{gpu.name} has no {' nor '.join(missing)} among its peaks" if missing else None


def cooled(gpu: GPUProfile, exponent: float, unthrottled: float) -> float:
    """How much more of its peak a board achieves than an H100, by the watts it may draw for each FLOP/s, up to where
    its limit no longer holds it."""
    return min(float((gpu.peak["bf16"].value / gpu.tdp.value / REFERENCE_FLOP_PER_J) ** -exponent), unthrottled)


def kernels(work: Work, gpu: GPUProfile, stack: TrainingStack, recipe: Recipe) -> Kernels:
    """Of a micro-batch; ``lacking`` must be None."""
    assert gpu.chip is not None
    machine = Machine(gpu.chip.multiprocessors.value, gpu.chip.clock.value, stream_rate(gpu, stack.memory))
    arithmetic = ARITHMETIC[recipe.precision]
    byte_per_s = machine.byte_per_s * stack.memory
    share = cooled(gpu, stack.watt_exponent, stack.unthrottled)
    rate16 = product_rate(gpu, "bf16", stack.compute16 * share) * stack.compute16 * share
    own = {2.0: stack.compute16, 4.0: stack.compute16, 1.0: stack.compute8, 0.5: stack.compute4}
    # Scalar units in 32 bits are not what a board's limit throttles: its peak in matrix units says nothing of them.
    held = 1.0 if arithmetic.peak == "fp32" else share
    reached = own[arithmetic.operand_bytes] * held
    rate = product_rate(gpu, arithmetic.peak, reached) * reached
    p = work.products
    once, streamed, byte = _once_s(
        work, float(rate), float(rate16), arithmetic, machine, stack.memory, recipe.gradient_bytes
    )
    count = p[:, 3]
    passes = count * np.array([p[:, 4], np.ones(len(p)), p[:, 5]])
    products_s = float((passes * once).sum())
    flop = 2.0 * p[:, 0] * p[:, 1] * p[:, 2] * passes.sum(0)
    scores_per_s = EXPONENTIALS_PER_CYCLE * machine.multiprocessors * machine.clock_hz
    attention_share = stack.attention * cooled(gpu, stack.attention_watt_exponent, stack.unthrottled)
    attention_rate = gpu.peak["bf16"].value * attention_share
    attention_s = work.attention_flop / attention_rate + work.scores / scores_per_s
    moved = VALUE_BYTES * (stack.passes * work.values + stack.expert_passes * work.routed_values)
    logits = stack.logit_bytes * work.logits
    if arithmetic.quantised:
        transposed = TRANSPOSED_BYTES if gpu.chip.generation == "hopper" else 0.0
        moved += (QUANTISED_BYTES[recipe.precision] + transposed) * work.quantised_values
    between_s = float((moved + logits) / byte_per_s)
    forward_again = float(((p[:, 4] - 1.0) * count * once[0]).sum())
    of_attention = work.attention_again / (1.0 + 2.5 + work.attention_again)
    head_s = float((passes[:, -1] * once[:, -1]).sum() + logits / byte_per_s)
    return Kernels(
        products_s=products_s,
        attention_s=float(attention_s),
        between_s=between_s,
        head_s=head_s,
        again_s=forward_again + float(attention_s) * of_attention + between_s * work.again / (3.0 + work.again),
        memory_s=between_s + float((passes * streamed).sum()),
        flop=float(flop.sum()) + work.attention_flop,
        quantised_flop=float(flop[p[:, 6] > 0.0].sum()),
        byte=float((passes * byte).sum() + moved + logits),
    )


@lru_cache(maxsize=1024)
def _once_s(
    work: Work,
    rate: float,
    rate16: float,
    arithmetic: Arithmetic,
    machine: Machine,
    memory: float,
    gradient_bytes: float,
) -> tuple[Floats, Floats, Floats]:
    """Of the forward pass of each product, of its input's and of its weights' gradient, (3, products) each: s, of them
    s that memory paces, and B. Beside one matrix, a mixture's others are read, and gradients are added to.

    ``rate`` in FLOP/s is of products in the recipe's precision, ``rate16`` of those in 16 bits.
    """
    p = work.products
    quantised = (p[:, 6] > 0.0) | (not arithmetic.quantised)
    rates = np.where(quantised, rate, rate16)
    operand = np.where(quantised, arithmetic.operand_bytes, VALUE_BYTES)
    m, n, k, others = p[:, 0], p[:, 1], p[:, 2], p[:, 7] - 1.0
    rows, columns, terms = np.array([m, m, n]), np.array([n, k, k]), np.array([k, n, m])
    weights = np.array([operand, operand, operand])
    law = ProductLaw(compute=1.0, memory=memory)
    time = product_time(
        rows,
        columns,
        terms,
        weight_bytes=weights,
        operand_bytes=weights,
        flop_per_s=np.array([rates, rates, rates]),
        machine=machine,
        law=law,
    )
    more = others * n * k * np.array([operand, operand, np.full(len(p), 2.0 * gradient_bytes)])
    more_s = more / (machine.byte_per_s * memory)
    byte = columns * terms * weights + rows * terms * weights + VALUE_BYTES * rows * columns + more
    return np.asarray(time.seconds + more_s), np.asarray(time.streaming_s + more_s), byte
