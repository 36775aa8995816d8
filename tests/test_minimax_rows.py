"""What a server that keeps its cache has met before, in the rows of MiniMax-M2.5."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy import minimax


@given(tokens=st.integers(1, 64), more=st.integers(0, 64), prompt=st.integers(0, 639))
def test_a_longer_run_begins_its_prompts_as_the_runs_before(tokens: int, more: int, prompt: int) -> None:
    short, long = (json.loads(minimax._line((512 * blocks, prompt)))["hash_ids"] for blocks in (tokens, tokens + more))
    other = json.loads(minimax._line((512 * tokens, prompt + 1)))["hash_ids"]
    assert long[:tokens] == short
    assert len(long) == tokens + more
    assert not set(short) & set(other)


def test_a_client_of_one_seed_draws_the_same_prompts_whatever_their_number() -> None:
    """NumPy's legacy generator takes nothing for a range of one value, so that lengths do not shift what follows."""
    drawn = []
    for tokens, count in ((1024, 40), (32768, 160)):
        rng = np.random.RandomState(0)
        rng.randint(tokens, tokens + 1, size=count)
        rng.randint(128, 129, size=count)
        drawn.append(rng.randint(0, 200_064, size=count)[:40].tolist())
    assert drawn[0] == drawn[1]


def test_only_what_a_cache_could_hold_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimax, "REMEMBERED_TOKENS", 2500)
    assert minimax._earlier([(100, 1), (500, 1)]) == [(500, prompt) for prompt in range(5, 10)]


def test_a_server_that_was_waited_for_has_met_nothing() -> None:
    runs = pd.DataFrame(
        {
            "date": ["20260214-100000", "20260214-100100", "20260214-103000", "20260214-103100"],
            "duration": [30.0, 40.0, 50.0, 40.0],
        }
    )
    assert minimax._served_since(runs) == [0, 0, 2, 2]
