"""What two prompts share in whole KV blocks, whatever the size of the blocks that their ids are for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.serving.plan import ROW_COLUMNS, Settings
from sim.units import NS_PER_S
from sim.workload.prefixes import KvBlocks
from sim.workload.requests import RequestChunk, joined
from tests.serving_worlds import build, chunk, linear_cost


def blocks_of(prompts: list[list[int]], size: int) -> tuple[list[list[int]], list[int]]:
    """Ids of the blocks of ``size`` begun in each prompt, a chain as the traces have it, and the prompts' lengths."""
    known: dict[tuple[int, ...], int] = {}
    ids = [
        [known.setdefault(tuple(prompt[: at + size]), len(known)) for at in range(0, len(prompt), size)]
        for prompt in prompts
    ]
    return ids, [len(prompt) for prompt in prompts]


@dataclass(frozen=True)
class Given:
    """A stream of these chunks."""

    whole: list[RequestChunk]
    block_tokens: int

    def chunks(self) -> Iterator[RequestChunk]:
        """See ``RequestSource``."""
        return iter(self.whole)


@given(
    st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=40), min_size=2, max_size=8),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_kv_blocks_are_shared_as_far_as_the_ids_tell(prompts: list[list[int]], hashed: int, kv: int) -> None:
    """At any ratio of the two sizes: a KV block is shared by two prompts where the hashed blocks that cover it are."""
    ids, tokens = blocks_of(prompts, hashed)
    n = len(prompts)
    made = KvBlocks(Given([chunk(list(range(n)), tokens, [1] * n, hashes=ids)], hashed), kv)
    whole = joined(list(made.chunks()))
    assert np.diff(whole.prefix_start).tolist() == [length // kv for length in tokens]
    for a, b in combinations(range(n), 2):
        mine, yours = (whole.prefix_hashes[whole.prefix_start[i] : whole.prefix_start[i + 1]].tolist() for i in (a, b))
        alike = next(
            (i for i, (x, y) in enumerate(zip(mine, yours, strict=False)) if x != y), min(len(mine), len(yours))
        )
        same = next(
            (i for i, (x, y) in enumerate(zip(ids[a], ids[b], strict=False)) if x != y), min(len(ids[a]), len(ids[b]))
        )
        assert alike == min(tokens[a], tokens[b], same * hashed) // kv
        assert not set(mine[alike:]) & set(yours)  # nor is one taken for another elsewhere


def test_an_id_says_nothing_of_another_place_or_length() -> None:
    """Ids of parts come in any order; and a partial last block is not the beginning of a whole one."""
    made = KvBlocks(Given([chunk([0] * 4, [32, 32, 16, 12], [1] * 4, hashes=[[5, 7], [7, 5], [5], [5]])], 16), 4)
    whole = joined(list(made.chunks()))
    lists = [set(whole.prefix_hashes[a:b].tolist()) for a, b in pairwise(whole.prefix_start.tolist())]
    assert [len(ids) for ids in lists] == [8, 8, 4, 3]
    assert not lists[0] & lists[1]
    assert lists[2] < lists[0]
    assert not lists[3] & lists[2]


@pytest.mark.parametrize(
    ("prompt", "hashed", "kv", "found"),
    [(8192, 512, 16, 8176), (8176, 512, 16, 8160), (8176, 16, 16, 8160), (8177, 512, 16, 8176), (8192, 16, 512, 7680),
     (1000, 24, 16, 992), (20, 512, 16, 16), (16, 512, 16, 0)],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_the_same_prompt_again_is_found_but_for_its_last_token(
    engine: str, prompt: int, hashed: int, kv: int, found: int
) -> None:
    """All whole KV blocks before the last token: (tokens - 1) // KV block, as vLLM finds them."""
    ids = list(range(-(-prompt // hashed)))
    arrivals = [0, 600 * NS_PER_S]
    made = KvBlocks(Given([chunk(arrivals, [prompt] * 2, [2] * 2, hashes=[ids, ids])], hashed), kv)
    settings = Settings(
        max_num_seqs=4, max_num_batched_tokens=4096, block_tokens=kv, hash_blocks=1, rows=True,
    )  # fmt: skip
    pool = build(engine, settings, list(made.chunks()), costs=[linear_cost(tokens=8192)], blocks=20_000 // kv)
    pool.start(0)
    pool.advance(3600 * NS_PER_S)
    assert pool.take_rows()[:, ROW_COLUMNS.index("cached_tokens")].tolist() == [0, found]
