"""Language models by architecture: parameters counted from the published configuration, and what a token costs.

An architecture is exact and comes from one place, so it cites one source as a block. Counts are checked against the
publishers' own in tests/test_models.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.profiles.language_models.architecture import Architecture, Natural, ParameterCounts, Transformer
from sim.profiles.language_models.mixers import Indexer, projections, recurrence_of, small_parameters
from sim.profiles.sourced import Profile

__all__ = ["Architecture", "ModelProfile", "ModelShape", "ParameterCounts", "Transformer", "shape"]

Floats = npt.NDArray[np.float64]

STATE_WORD_BYTES = 4
CLASSES = 32
"""Of experts by popularity, each as many."""


class ModelProfile(Profile):
    """A language model: its architecture, the precision its weights are published in, and its context in tokens."""

    kind: Literal["model"]
    source: str
    native_precision: Literal["bf16", "fp16", "fp8", "mxfp4", "nvfp4"]
    context_tokens: Natural
    note: str | None = None
    architecture: Architecture


@dataclass(frozen=True)
class ModelShape:
    """What serving needs of a model, all integers.

    ``resident_parameters`` are read by every iteration whatever is in it: all but routed experts and the embeddings
    that are only looked up. FLOP are of multiplications with weights per token (output head included; recurrences' as
    a prompt has them are with them), and of
    attention per pair of a token and a token it attends to. KV values are per token over all layers of a kind.
    ``window`` are tokens that layers of the second kind reach: the last ones, or (``chunked``) those of the chunk that
    a token is in, or, where ``keeps_all``, those that an indexer chooses from a context that is kept whole. Its keys
    take ``index_bytes_per_token``, and its pairs count among the full ones: in 8 bits, half as many FLOP of 16 bits.
    ``layers`` are pairs of something that takes in tokens before and a network, however an architecture numbers them.
    ``state_values`` are a sequence's states in words of 32 bits, which every token reads and writes whole.
    """

    parameters: int
    active_parameters: int
    resident_parameters: int
    expert_parameters: int
    moe_layers: int
    experts: int
    experts_per_token: int
    layers: int
    hidden: int
    vocabulary: int
    heads: int
    kv_heads: int
    window: int
    kv_values_per_token_full: int
    kv_values_per_token_windowed: int
    matmul_flop_per_token: int
    attention_flop_full: int
    attention_flop_windowed: int
    absorbed_flop_full: int = 0
    state_values: int = 0
    chunked: bool = False
    keeps_all: bool = False
    index_bytes_per_token: int = 0
    expert_matrices: int = 3

    @property
    def expert_width(self) -> int:
        """Hidden units of an expert: its matrices are of this by ``hidden``."""
        return self.expert_parameters // (self.expert_matrices * self.hidden)


@singledispatch
def shape(architecture: Transformer | ParameterCounts) -> ModelShape:
    """The shape of an architecture."""
    raise TypeError(f"{architecture} is no architecture")


def _absorbed_flop(a: Transformer) -> int:
    """FLOP of a pair of latent attention in the absorbed form, beyond those of the expanded one: in the first each
    head's query and output live in the latent space, as engines decode; in the second keys and values of the heads are
    multiplied out before, as prompts are computed (DeepSeek-V2, arXiv:2405.04434, section 2.1; vLLM, MLACommonImpl)."""
    if a.latent is None:
        return 0
    m = a.latent
    return 2 * a.heads * (2 * m.kv_lora_rank - m.nope_head_dim - m.v_head_dim)


def _attention(a: Transformer) -> tuple[int, int, int, int]:
    """Sizes of a layer: weights multiplied, other parameters, KV values of a token, FLOP of a prompt's pair."""
    if a.latent is not None:
        m = a.latent
        head = m.nope_head_dim + m.rope_head_dim
        queries = a.hidden if m.q_lora_rank is None else m.q_lora_rank
        weights = queries * a.heads * head + (a.hidden * m.q_lora_rank if m.q_lora_rank is not None else 0)
        weights += a.hidden * (m.kv_lora_rank + m.rope_head_dim)
        weights += m.kv_lora_rank * a.heads * (m.nope_head_dim + m.v_head_dim) + a.heads * m.v_head_dim * a.hidden
        flop = 2 * a.heads * (head + m.v_head_dim)
        return weights, (m.q_lora_rank or 0) + m.kv_lora_rank, m.kv_lora_rank + m.rope_head_dim, flop
    q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
    weights = (3 if a.gated_attention else 2) * a.hidden * q + 2 * a.hidden * kv
    other = (q + 2 * kv if a.qkv_bias else 0) + (a.hidden if a.output_bias else 0)
    other += (2 * a.head_dim if a.qk_norm else 0) + (a.heads if a.attention_sinks else 0)
    return weights, other, 2 * kv, 4 * q


def indexer_of(a: Transformer) -> Indexer | None:
    """What chooses the tokens that attention reads, if anything does."""
    sparse = a.sparse_attention
    return Indexer(sparse.layers, sparse.heads, sparse.head_dim, sparse.top_k) if sparse is not None else None


def _mixing(a: Transformer) -> tuple[int, int]:
    """What takes in tokens before, in all layers: weights multiplied, other parameters."""
    weights, other, _, _ = _attention(a)
    multiplied, unmultiplied = a.attending * weights, a.attending * other
    if a.recurrent is not None:
        multiplied += a.recurrent.layers * sum(n * k for n, k, _ in projections(a.recurrent, a.hidden))
        unmultiplied += a.recurrent.layers * small_parameters(a.recurrent)
    index = indexer_of(a)
    if index is not None and a.latent is not None:
        queries = index.heads * index.head_dim * (a.latent.q_lora_rank or 0)
        multiplied += index.layers * (queries + a.hidden * (index.head_dim + index.heads))
        unmultiplied += index.layers * 2 * index.head_dim  # a layer norm of its keys
    return multiplied, unmultiplied


@shape.register
def _(a: Transformer) -> ModelShape:
    _, _, kv_values, pair_flop = _attention(a)
    multiplied, unmultiplied = _mixing(a)
    matrices = 3 if a.gated_ffn else 2
    norm = a.hidden * (2 if a.norm == "layer" else 1)
    moe_layers = 0 if a.moe is None else a.networks - a.moe.dense_layers
    dense_layers = a.networks - moe_layers
    ffn = a.ffn or 0
    dense = matrices * a.hidden * ffn
    dense_other = ((matrices - 1) * ffn + a.hidden) if a.ffn_bias else 0
    embedding = a.vocabulary * a.hidden
    looked_up = a.positions * a.hidden + (0 if a.tied_embeddings else embedding)
    expert = expert_weights = router = router_other = shared = 0
    if a.moe is not None:
        expert_weights = matrices * a.hidden * a.moe.ffn
        expert = expert_weights + (((matrices - 1) * a.moe.ffn + a.hidden) if a.moe.bias else 0)
        router = a.hidden * a.moe.experts
        router_other = a.moe.experts if a.moe.router_bias else 0
        shared = matrices * a.hidden * a.moe.shared_ffn + (a.hidden if a.moe.shared_gate else 0)
    multiplied += dense_layers * dense + moe_layers * (router + shared) + embedding
    unmultiplied += a.layers * a.norms * norm + dense_layers * dense_other + moe_layers * router_other + norm
    unmultiplied += norm if a.embedding_norm else 0
    resident = multiplied + unmultiplied
    experts = a.moe.experts if a.moe is not None else 0
    per_token = a.moe.experts_per_token if a.moe is not None else 0
    windowed = a.windowed.layers if a.windowed is not None else 0
    full = a.attending - windowed
    found = ModelShape(
        parameters=resident + looked_up + moe_layers * experts * expert,
        active_parameters=resident + moe_layers * per_token * expert,
        resident_parameters=resident,
        expert_parameters=expert,
        moe_layers=moe_layers,
        experts=experts,
        experts_per_token=per_token,
        layers=-(-a.parts // 2),
        hidden=a.hidden,
        vocabulary=a.vocabulary,
        heads=a.heads,
        kv_heads=1 if a.latent is not None else a.kv_heads,
        window=0 if a.windowed is None else a.windowed.reach,
        kv_values_per_token_full=full * kv_values,
        kv_values_per_token_windowed=windowed * kv_values,
        matmul_flop_per_token=2 * (multiplied + moe_layers * per_token * expert_weights),
        attention_flop_full=full * pair_flop,
        attention_flop_windowed=windowed * pair_flop,
        absorbed_flop_full=full * _absorbed_flop(a),
        chunked=a.chunked_attention is not None,
        expert_matrices=matrices,
    )
    return _with_state(_with_indexer(found, indexer_of(a)), a)


def _with_indexer(found: ModelShape, index: Indexer | None) -> ModelShape:
    """Attention reaches what an indexer chooses; its own keys and pairs are those of the whole context."""
    if index is None:
        return found
    return replace(
        found,
        window=index.top_k,
        keeps_all=True,
        kv_values_per_token_full=0,
        kv_values_per_token_windowed=found.kv_values_per_token_full,
        attention_flop_full=index.layers * index.pair_flop // 2,  # in 8 bits
        attention_flop_windowed=found.attention_flop_full + found.absorbed_flop_full,  # prompts, too
        absorbed_flop_full=0,
        index_bytes_per_token=index.layers * index.key_bytes,
    )


def _with_state(found: ModelShape, a: Transformer) -> ModelShape:
    """A sequence's states, and what a token does with them."""
    if a.recurrent is None:
        return found
    part = recurrence_of(a.recurrent)
    return replace(
        found,
        state_values=-(-part.layers * part.kept_bytes // STATE_WORD_BYTES),
        matmul_flop_per_token=found.matmul_flop_per_token + part.layers * part.prompt_flop,
    )


def with_index_keys(found: ModelShape, kv_value_bytes: float) -> ModelShape:
    """The keys of an indexer, kept in 8 bits, counted among values of the KV cache of so many bytes each."""
    if not found.index_bytes_per_token:
        return found
    keys = round(found.index_bytes_per_token / kv_value_bytes)
    return replace(found, kv_values_per_token_full=found.kv_values_per_token_full + keys)


@shape.register
def _(a: ParameterCounts) -> ModelShape:
    """Every layer alike; the active parameters beyond the routed experts are shared by all tokens."""
    experts, per_token = a.experts or 0, a.experts_per_token or 0
    expert = (a.total - a.active) // (a.layers * (experts - per_token)) if experts else 0
    moe_layers = a.layers if experts else 0
    return ModelShape(
        parameters=a.total,
        active_parameters=a.active,
        resident_parameters=a.total - moe_layers * experts * expert,
        expert_parameters=expert,
        moe_layers=moe_layers,
        experts=experts,
        experts_per_token=per_token,
        layers=a.layers,
        hidden=a.hidden,
        vocabulary=a.vocabulary,
        heads=a.heads,
        kv_heads=a.kv_heads,
        window=0,
        kv_values_per_token_full=a.kv_values_per_token,
        kv_values_per_token_windowed=0,
        matmul_flop_per_token=2 * a.active,
        attention_flop_full=4 * a.layers * a.heads * a.head_dim,
        attention_flop_windowed=0,
        state_values=a.state_values,
    )


def popularity(experts: int, per_token: int, skew: float) -> Floats:
    """Chances (32,) that a token asks an expert, for experts of rising popularity, a thirty-second of them each.

    Popularity is lognormal with standard deviation ``skew`` of its logarithm; no chance exceeds 1, and their mean is
    k/E, since a token asks k different experts. That experts specialise, so that texts of one kind ask some far more
    often than others: Muennighoff et al., "OLMoE", arXiv:2409.02060, section 5. The form of the law is ours.
    """
    from scipy.special import ndtri  # a fifth of a second to import

    weight = np.exp(skew * ndtri((np.arange(CLASSES) + 0.5) / CLASSES))
    certain = np.zeros(CLASSES, dtype=np.bool_)
    while True:
        left = CLASSES * per_token / experts - certain.sum()
        chance = np.where(certain, 1.0, left * weight / max(float(weight[~certain].sum()), 1e-300))
        more = (chance > 1.0) & ~certain
        if not more.any():
            return np.asarray(chance, dtype=np.float64)
        certain |= more


def distinct_experts(experts: int, per_token: int, tokens: Floats, skew: float = 0.0) -> Floats:
    """Expected number of experts that some of ``tokens`` are routed to, of those there are: sum of 1 - (1 - p)^n.

    Tokens choose independently. With ``skew`` 0 all experts are equally likely, E (1 - (1 - k/E)^n), the coupon
    collector's expectation and an upper bound; see ``popularity`` for others. Has the shape of ``tokens``.
    """
    if not experts:
        return 0.0 * tokens
    if not skew:
        return np.asarray(experts * (1.0 - (1.0 - per_token / experts) ** tokens), dtype=np.float64)
    untouched = 0.0 * tokens
    for chance in popularity(experts, per_token, skew):
        untouched += (1.0 - chance) ** tokens
    return np.asarray(experts * (1.0 - untouched / CLASSES), dtype=np.float64)
