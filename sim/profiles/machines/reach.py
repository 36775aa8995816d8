"""What products and streams reach on boards whose kernels are not those that stacks were told by.

Stacks hold shares of a board's peaks that kernels of eight NVIDIA boards reach (``TOLD``). Others reach other shares:

- Another maker's libraries do: an MI300X multiplies at 0.51 of its peak in 16 bits and at 0.44 in 8, and streams at
  0.77 of its memory's rate, where an H100 by the same programs has 0.80, 0.70 and 0.89.
- A board with few watts for its peak is held back by its limit: an L4 (72 W) multiplies at 0.47 of its peak, a T4 at
  0.37, an H100 for PCIe at 0.66.
- Tensor cores that were cut (GeForce boards, A10G and L40 to half, an H20 to a quarter) are fed by multiprocessors
  that were not: they reach 0.82 to 0.99 of their peak. What keeps a kernel below 0.8 elsewhere, its operands and its
  tiles, would let them do more than their peak.

Where such a board's rates were measured (``sustained`` and ``memory.sustained`` of its profile), they bound what a
stack's shares give, and these are of what uncut tensor cores would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.profiles.machines.gpu import Generation, GPUProfile, Precision

TOLD = frozenset(
    {
        "nvidia-a100-sxm-40gb",
        "nvidia-a100-sxm-80gb",
        "nvidia-h100-sxm-80gb",
        "nvidia-h100-sxm-94gb",
        "nvidia-h200-sxm-141gb",
        "nvidia-b200-sxm-180gb",
        "nvidia-b300-sxm-270gb",
        "nvidia-gb200-186gb",
        "nvidia-l40s",
        "nvidia-rtx-pro-6000-server",
    }
)
"""Whose kernels told the shares, together; a GPU of one of them with other memory (40 and 94 GB) is as good."""
ALIKE: dict[Precision, Precision] = {"fp16": "bf16", "bf16": "fp16"}
"""Multiplied at one rate."""
UNCUT_FLOP: dict[Generation, float] = {"ampere": 1024.0, "ada": 1024.0, "hopper": 4096.0, "blackwell-rtx": 1024.0}
"""FLOP in 16 bits that a multiprocessor's tensor cores do in a cycle where nothing was taken off (a GA100's 2,048)."""
CUT = 0.9
"""A peak below this of it is no rounding."""
OF_16_BITS: dict[Precision, float] = {"tf32": 0.5, "bf16": 1.0, "fp16": 1.0, "fp8": 2.0, "int8": 2.0, "fp4": 4.0}


def product_rate(gpu: GPUProfile, precision: Precision, share: float) -> float:
    """FLOP/s of which large products reach ``share``: the peak, or what measured products say of this board."""
    peak = float(gpu.peak[precision].value)
    measured = gpu.sustained.get(precision) or gpu.sustained.get(ALIKE.get(precision, precision))
    if not _other(gpu) or measured is None:
        return peak
    return min(max(peak, _uncut(gpu, precision)), float(measured.value) / share)


def kernel_share(gpu: GPUProfile, precision: Precision, share: float, of_share: float) -> float:
    """What other kernels, that reach ``share`` of a peak elsewhere, reach of ``product_rate`` for ``of_share`` here:
    as much, but on cut tensor cores, that each kind of kernel comes nearer to by itself."""
    if not _other(gpu) or not _uncut(gpu, precision):
        return share
    return share * product_rate(gpu, precision, share) / product_rate(gpu, precision, of_share)


def stream_rate(gpu: GPUProfile, share: float) -> float:
    """B/s of memory of which long streams reach ``share``, likewise."""
    peak = float(gpu.memory.bandwidth.value)
    if not _other(gpu) or gpu.memory.sustained is None:
        return peak
    return min(peak, float(gpu.memory.sustained.value) / share)


def _uncut(gpu: GPUProfile, precision: Precision) -> float:
    """FLOP/s that its multiprocessors could feed, where its tensor cores were cut; else 0."""
    chip = gpu.chip
    if chip is None or chip.generation not in UNCUT_FLOP or precision not in OF_16_BITS:
        return 0.0
    a_cycle = UNCUT_FLOP[chip.generation] * OF_16_BITS[precision]
    fed = float(chip.multiprocessors.value) * float(chip.clock.value) * a_cycle
    return fed if float(gpu.peak[precision].value) < CUT * fed else 0.0


def _other(gpu: GPUProfile) -> bool:
    return gpu.chip is not None and gpu.name not in TOLD
