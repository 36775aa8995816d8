"""What an iteration launches: kernels and messages, with their work and their time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.profiles.kernels.time import KernelTime, Number
from sim.profiles.language_models.layers import Attention, Mixture, Product, Recurrence


@dataclass(frozen=True)
class Collective:
    """All-reduces in a tensor-parallel group, or gathers and scatters between ranks, of ``byte_per_token``."""

    among: str
    byte_per_token: Number


@dataclass(frozen=True)
class Quantise:
    """Operands of ``k`` values, of 16 bits, to be quantised."""

    k: Number


@dataclass(frozen=True)
class Run:
    """``count`` launches of a kernel on each GPU in an iteration; the rest is of one launch.

    ``of`` says what it is and of which shape, ``rows`` how many rows it works on, by tokens. ``time`` is of the slowest
    GPU, which the others wait for, and ``own`` the mean GPU's, where they differ; FLOP and B are the mean's;
    B of ``again`` are read once more from the second-level cache, and B of ``untiled`` go to registers without a tile.
    ``low``: multiplied in the precision of the weights. ``power`` is relative to that of other kernels.
    """

    of: Product | Mixture | Attention | Recurrence | Collective | Quantise | str
    rows: Number
    count: Number
    time: KernelTime
    flop: Number = 0.0
    byte: Number = 0.0
    again: Number = 0.0
    untiled: Number = 0.0
    link_byte: Number = 0.0
    low: Number | npt.NDArray[np.bool_] = 1.0
    own: KernelTime | None = None
    power: Number = 1.0
