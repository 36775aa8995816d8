"""Experts whose tokens stand in one buffer, each expert's from the start of a block of rows on.

Libraries for large batches multiply all experts in one launch ("contiguous layout"): every block of rows belongs to one
expert. How many tokens each expert gets is known on the GPU alone, so within a graph the buffer is as long as the most
unequal choice would need: every token once for each expert that it asks, wherever that expert is, and a block less a
row for each expert that is kept here. All of it is gone through in every iteration, however few tokens there are, and
what no expert asked for with the rest.

Sources: vLLM 0.11, ``compute_aligned_M`` in ``fused_moe/deep_gemm_utils.py`` (the length of the buffer), and pull
request 13932; DeepGEMM, ``scheduler.cuh`` (``is_computation_valid``: blocks that no expert asked for pass without being
multiplied on Hopper, where their operands are loaded all the same, and are multiplied on Blackwell). It leaves out that
rows of different experts do not fill their blocks alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.profiles.kernels.power import CONSTANT_OPERANDS
from sim.profiles.kernels.time import ACTIVATION_BYTES, KernelTime, MixtureLaw, Number, together

Floats = npt.NDArray[np.float64]

WAVE = 64.0
"""Rows of a block that are multiplied or skipped together, where what is unused is skipped."""
SHARED = 2.0
"""Multiprocessors that take a tile of activations from the second-level cache together (multicast in a cluster)."""


@dataclass(frozen=True)
class Aligned:
    """``rows`` of a block (0: experts' tokens are not aligned), achieved fractions of the peaks by such kernels, and
    whether rows that no expert asked for are multiplied (1) or skipped (0)."""

    rows: Number = 0.0
    compute: Number = 1.0
    memory: Number = 1.0
    unused: Number = 0.0


@dataclass(frozen=True)
class AlignedWork:
    """Of a GPU's layer with ``asked`` experts: its time, FLOP as far as they take energy, B moved and B that are read
    once more from the second-level cache."""

    time: KernelTime
    flop: Floats
    byte: Floats
    again: Floats


def buffer_rows(routed: Number, kept: Number, block: Number) -> Floats:
    """Rows of the buffer for ``routed`` rows of all GPUs' experts, ``kept`` of which are here; 0 without tokens."""
    most = np.ceil((routed + kept * (block - 1.0)) / block) * block
    return np.asarray(np.where(np.asarray(routed) > 0.0, most, 0.0))


def aligned_work(
    asked: Number,
    hidden: Number,
    width: Number,
    *,
    routed: Number,
    share: Number,
    kept: Number,
    matrices: Number,
    bytes_each: Number,
    flop_per_s: Number,
    byte_per_s: Number,
    floor_s: Number,
    aligned: Aligned,
) -> AlignedWork:
    """Of a mixture's layer on a GPU that keeps ``kept`` experts, of which ``asked`` get the ``share`` of all ``routed``
    rows that is this GPU's; in SI, arguments broadcast.

    Blocks of experts that are asked take the time of their weights or of their rows, those beyond take that of their
    rows. Between both products the whole buffer is written, read, quantised and read again. Rows beside tokens hold
    what was left there, the same in every iteration.
    """
    block = np.maximum(aligned.rows, 1.0)
    rate, memory = flop_per_s * aligned.compute, byte_per_s * aligned.memory
    an_expert = matrices * hidden * width
    rows = buffer_rows(routed, kept, block)
    each = share / np.maximum(asked, 1e-30)
    used = np.minimum(rows, asked * np.ceil(each / block) * block)
    own = together(used * 2.0 * an_expert / rate, asked * an_expert * bytes_each / memory, MixtureLaw.sharpness, 0.0)
    unasked_s = (rows - used) * 2.0 * an_expert / rate
    between = (matrices - 1.0) * width * ACTIVATION_BYTES * 2.0 + width * bytes_each * 2.0 + hidden * ACTIVATION_BYTES
    time = KernelTime(
        own.computing_s + unasked_s,
        own.streaming_s + rows * between / memory,
        np.where(rows > 0.0, floor_s, 0.0),
    )
    waves = np.minimum(rows, asked * np.ceil(each / WAVE) * WAVE)
    multiplied = np.where(np.asarray(aligned.unused) > 0.0, rows, waves)
    toggled = share + CONSTANT_OPERANDS * np.maximum(multiplied - share, 0.0)
    weights = asked * an_expert * bytes_each
    # A tile of the square blocks reads as much of the activations as of the weights.
    through = rows / block * an_expert * bytes_each * (1.0 + 1.0 / SHARED)
    return AlignedWork(
        time,
        np.asarray(2.0 * an_expert * toggled),
        np.asarray(weights + rows * between),
        np.asarray(np.maximum(through - weights, 0.0)),
    )
