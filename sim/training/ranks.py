"""Where the ranks of a gang lie: which of them form the groups of each kind of parallelism."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Literal, NamedTuple

from sim.training.terms import Spread

Purpose = Literal["tensor", "context", "data", "replicas", "expert", "expert_data", "expert_replicas", "pipeline"]


class Ranks(NamedTuple):
    """A group: ``size`` ranks, ``stride`` apart."""

    size: int
    stride: int


def sharers(spread: Spread) -> tuple[int, int]:
    """Ranks that share out the states of dense parameters, and those that share out an expert's: as many of the first
    and their tensor-parallel peers as hold the same expert. Where experts are spread over fewer ranks than tensors are
    cut into, peers hold the same, and these are more than the first (Megatron's expert data parallelism has all ranks
    of a stage over those that experts are spread over; torchtitan's the same within hybrid sharding)."""
    ranks = spread.shard_gpus or spread.data * spread.context
    experts = spread.expert * spread.expert_tensor
    copies = max(1, spread.data * spread.context * spread.tensor // experts)
    return ranks, gcd(copies, max(1, ranks * spread.tensor // experts))


def groups_of(spread: Spread) -> Mapping[Purpose, Ranks]:
    """The groups of a layout, in Megatron's order of ranks: tensor, context, data, pipeline (Narayanan et al., 2021,
    arXiv:2104.04473). Experts lie on neighbouring ranks of a stage; data-parallel sums run over context as well.
    ``data`` are the ranks that share states out, all of a stage or as many as hybrid sharding says; ``replicas`` those
    that hold the same share; both again for experts."""
    stage = spread.tensor * spread.context * spread.data
    experts = spread.expert * spread.expert_tensor
    sharing, holders = sharers(spread)
    return {
        "tensor": Ranks(spread.tensor, 1),
        "context": Ranks(spread.context, spread.tensor),
        "data": Ranks(sharing, spread.tensor),
        "replicas": Ranks(spread.data * spread.context // sharing, spread.tensor * sharing),
        "expert": Ranks(spread.expert, spread.expert_tensor),
        "expert_data": Ranks(holders, experts),
        "expert_replicas": Ranks(max(1, stage // experts) // holders, experts * holders),
        "pipeline": Ranks(spread.pipeline, stage),
    }
