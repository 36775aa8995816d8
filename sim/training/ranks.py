"""Where the ranks of a gang lie: which of them form the groups of each kind of parallelism."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from sim.training.terms import Spread

Purpose = Literal["tensor", "context", "data", "replicas", "expert", "expert_data", "pipeline"]


class Ranks(NamedTuple):
    """A group: ``size`` ranks, ``stride`` apart."""

    size: int
    stride: int


def groups_of(spread: Spread) -> Mapping[Purpose, Ranks]:
    """The groups of a layout, in Megatron's order of ranks: tensor, context, data, pipeline (Narayanan et al., 2021,
    arXiv:2104.04473). Experts lie on neighbouring ranks of a stage; data-parallel sums run over context as well.
    ``data`` are the ranks that share states out, all of a stage or as many as hybrid sharding says; ``replicas`` those
    that hold the same share."""
    stage = spread.tensor * spread.context * spread.data
    experts = spread.expert * spread.expert_tensor
    sharing = spread.shard_gpus or spread.data * spread.context
    return {
        "tensor": Ranks(spread.tensor, 1),
        "context": Ranks(spread.context, spread.tensor),
        "data": Ranks(sharing, spread.tensor),
        "replicas": Ranks(spread.data * spread.context // sharing, spread.tensor * sharing),
        "expert": Ranks(spread.expert, spread.expert_tensor),
        "expert_data": Ranks(max(1, stage // experts), experts),
        "pipeline": Ranks(spread.pipeline, stage),
    }
