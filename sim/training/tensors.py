"""As which parameters that data-parallel ranks share out are gathered and scattered, and what that takes the host.

A framework that flattens a layer into one tensor sends one message for it. One that keeps tensors apart sends one for
each, and where its collectives are called with a list of one part for each rank, the host walks that list, copying
part by part: its time grows with tensors times ranks, however small the parts become. If every call waits until the
GPU is done, nothing of it is hidden.

Sources: Rajbhandari et al., "ZeRO-Infinity", arXiv:2104.07857 (each tensor shared out among all ranks); what its calls
did in 2021: github.com/deepspeedai/DeepSpeed, issue 1069 and pull request 1188.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Tensors:
    """Of a layer, ``matrices`` are gathered each on its own (1: all flattened together); ``vectors`` are small enough
    to stay whole from one optimizer step to the next. The host takes ``collective_s`` for a collective, ``rank_s`` for
    each part of its list. What is used again only after ``reuse`` parameters is let go of and gathered once more.
    Experts count as a layer's tensors once more.
    """

    matrices: float
    vectors: float
    collective_s: float
    rank_s: float
    reuse: float

    def gathers(self, layer: float, *, recomputed: bool) -> float:
        """Times that a layer of so many parameters is gathered for a micro-batch: forward, backward, and once more in
        between where it is computed again and not kept for its backward pass."""
        return 3.0 if recomputed and layer > self.reuse else 2.0

    def handled_s(self, ranks: int, gathers: float, micro_batches: int, *, trained: bool = True) -> float:
        """s of the host for a layer in a step: matrices are gathered so many times a micro-batch, vectors once a step,
        and gradients of all are scattered where they are ``trained``."""
        parts_s = self.rank_s * ranks
        scattered = self.matrices + self.vectors if trained else 0.0
        collectives = (gathers * self.matrices + scattered) * micro_batches
        return collectives * (self.collective_s + parts_s) + self.vectors * parts_s


FLATTENED = Tensors(matrices=1.0, vectors=0.0, collective_s=0.0, rank_s=0.0, reuse=inf)
"""A layer is one tensor, gathered without the host at its side and kept from its recomputation to its backward pass."""
