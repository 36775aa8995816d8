"""What products and streams reach on boards whose kernels are not those that stacks were told by.

Stacks hold shares of a board's peaks that NVIDIA's kernels reach. Another maker's libraries reach other shares: an
MI300X multiplies at 0.51 of its peak in 16 bits and at 0.44 in 8, and streams at 0.77 of its memory's rate, where an
H100 by the same programs has 0.80, 0.70 and 0.89. Where such a board's rates were measured (``sustained`` and
``memory.sustained`` of its profile), they bound what a stack's shares give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.profiles.machines.gpu import Generation, GPUProfile, Precision

OTHER_KERNELS: frozenset[Generation] = frozenset({"cdna2", "cdna3", "cdna4"})
"""Generations that no stack was fitted to."""
ALIKE: dict[Precision, Precision] = {"fp16": "bf16", "bf16": "fp16"}
"""Multiplied at one rate."""


def product_rate(gpu: GPUProfile, precision: Precision, share: float) -> float:
    """FLOP/s of which large products reach ``share``: the peak, or less where measured products bound them."""
    peak = float(gpu.peak[precision].value)
    measured = gpu.sustained.get(precision) or gpu.sustained.get(ALIKE.get(precision, precision))
    if not _other(gpu) or measured is None:
        return peak
    return min(peak, float(measured.value) / share)


def stream_rate(gpu: GPUProfile, share: float) -> float:
    """B/s of memory of which long streams reach ``share``, likewise."""
    peak = float(gpu.memory.bandwidth.value)
    if not _other(gpu) or gpu.memory.sustained is None:
        return peak
    return min(peak, float(gpu.memory.sustained.value) / share)


def _other(gpu: GPUProfile) -> bool:
    return gpu.chip is not None and gpu.chip.generation in OTHER_KERNELS
