"""Groups of a layout: each kind parts the ranks of the gang, by the order in which they lie."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from sim.training.ranks import Ranks, groups_of
from sim.training.terms import Spread

DEGREE = st.sampled_from([1, 2, 4])


def members(ranks: Ranks, gpus: int) -> list[frozenset[int]]:
    """Every group of the gang."""
    block = ranks.size * ranks.stride
    return [
        frozenset(start + offset + i * ranks.stride for i in range(ranks.size))
        for start in range(0, gpus, block)
        for offset in range(ranks.stride)
    ]


@given(DEGREE, DEGREE, DEGREE, DEGREE, st.sampled_from([1, 2, 3, 4, 6, 8]), st.sampled_from([0, 1, 2]))
def test_groups_part_the_gang(tensor: int, context: int, data: int, pipeline: int, expert: int, shard: int) -> None:
    """Every rank is in one group of each kind; two ranks share no more than one of tensor, data and pipeline. Those
    that share an expert out and those with the same share are, together, all that hold it."""
    data *= 3  # sharing ranks that are no power of two
    assume(tensor * context * data % expert == 0 and data % max(shard, 1) == 0)
    within = data // shard if shard else 0
    spread = Spread(data, tensor, pipeline, context, expert, shard="optimizer", shard_gpus=within)
    named = groups_of(spread)
    assert named["expert_data"].size * named["expert_replicas"].size * expert == tensor * context * data
    groups = {purpose: members(ranks, spread.gpus) for purpose, ranks in groups_of(spread).items()}
    for found in groups.values():
        assert sorted(rank for group in found for rank in group) == list(range(spread.gpus))
    apart = [groups[name] for name in ("tensor", "data", "pipeline")]
    for i, ours in enumerate(apart):
        for theirs in apart[i + 1 :]:
            assert all(len(a & b) <= 1 for a in ours for b in theirs)


def test_ranks_in_megatrons_order() -> None:
    """Sixteen GPUs of tensor 2, data 4 and pipeline 2 (Narayanan et al., 2021, figure of groups in Megatron-LM)."""
    groups = groups_of(Spread(data=4, tensor=2, pipeline=2))
    assert members(groups["tensor"], 16)[0] == {0, 1}
    assert members(groups["data"], 16)[:2] == [{0, 2, 4, 6}, {1, 3, 5, 7}]
    assert members(groups["pipeline"], 16)[0] == {0, 8}


def test_hybrid_sharding_and_experts() -> None:
    """Eight of 64 GPUs share states out, and eight hold the same share; experts lie on neighbours."""
    hybrid = groups_of(Spread(data=64, shard="parameters", shard_gpus=8))
    assert (hybrid["data"], hybrid["replicas"]) == (Ranks(8, 1), Ranks(8, 8))
    mixed = groups_of(Spread(data=16, tensor=2, expert=8))
    assert (mixed["expert"], mixed["expert_data"]) == (Ranks(8, 1), Ranks(4, 8))
    both = groups_of(Spread(data=16, tensor=2, expert=8, shard="parameters", shard_gpus=8))
    assert (both["expert_data"], both["expert_replicas"]) == (Ranks(2, 8), Ranks(2, 16))
