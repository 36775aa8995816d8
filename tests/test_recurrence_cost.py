"""What recurrences cost an iteration: chunks of prompts, and states of sequences that decode, whatever their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.profiles.iteration.capped import PAIR, READ, SEQUENCE, WINDOW_READ
from sim.profiles.iteration.cost import COMPUTE, DECODES, MEMORY, PROMPTS
from sim.profiles.language_models.layers import layers_of
from tests.iterations import H100, cost_of, layout, named

QWEN: Any = named("qwen3-next-80b-a3b")
STATE_BYTES = layers_of(QWEN).recurrences[0].layers * layers_of(QWEN).recurrences[0].kept_bytes


def test_prompts_pay_for_chunks_and_decodes_do_not() -> None:
    """36 layers: no token of a prompt takes less than tensor cores would for their FLOP alone."""
    (part,) = layers_of(QWEN).recurrences
    table = cost_of(QWEN, most_tokens=4096).table
    spent = table[PROMPTS, 4096, COMPUTE] - table[PROMPTS, 2048, COMPUTE]
    assert spent > 2048 * part.layers * part.prompt_flop / H100.peak16_flop_per_s
    assert table[DECODES, 64, COMPUTE] < table[PROMPTS, 64, COMPUTE]


def test_a_sequence_reads_and_writes_its_states_whatever_its_context() -> None:
    slope = cost_of(QWEN).slope
    whole = slope[MEMORY, SEQUENCE] - slope[COMPUTE, SEQUENCE]
    assert whole >= 2 * STATE_BYTES / H100.byte_per_s * 0.999
    assert slope[MEMORY, SEQUENCE] > 1000 * slope[MEMORY, READ]


def test_a_group_of_gpus_shares_prompts_and_states() -> None:
    alone, shared = cost_of(QWEN, most_tokens=8192), cost_of(QWEN, at=layout(4), most_tokens=8192)
    assert shared.slope[MEMORY, SEQUENCE] < 0.5 * alone.slope[MEMORY, SEQUENCE]


def test_sparse_attention_reads_little_of_a_long_context() -> None:
    """DeepSeek V3.2 at 100,000 tokens: 2,048 latents a layer, and scores that cost little beside attention to all."""
    sparse, whole = cost_of(named("deepseek-v3.2")).slope, cost_of(named("deepseek-v3")).slope
    assert sparse[MEMORY, WINDOW_READ] == pytest.approx(whole[MEMORY, READ])
    context = 100_000
    assert 2048 * sparse[MEMORY, WINDOW_READ] < 0.03 * context * whole[MEMORY, READ]
    assert sparse[COMPUTE, PAIR] < 0.03 * (whole[COMPUTE, PAIR] + whole[COMPUTE, READ])  # of a token that decodes
    assert np.isfinite(sparse).all()
