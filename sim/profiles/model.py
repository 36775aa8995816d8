"""Language models by architecture: parameters counted from the published configuration, and what a token costs.

An architecture is exact and comes from one place, so it cites one source as a block. Counts are checked against the
publishers' own in tests/test_models.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from scipy.special import ndtri

from sim.profiles.sourced import Profile
from sim.validation import Spec

Floats = npt.NDArray[np.float64]

CLASSES = 32
"""Of experts by popularity, each as many."""
Natural = Annotated[int, Field(ge=1, le=10**16, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**16, strict=True)]


class Experts(Spec):
    """A mixture of experts in every layer but the first ``dense_layers``; ``shared_ffn`` is what every token uses."""

    experts: Natural
    experts_per_token: Natural
    ffn: Natural
    shared_ffn: Whole = 0
    dense_layers: Whole = 0
    router_bias: bool = False
    bias: bool = False

    @model_validator(mode="after")
    def _enough(self) -> Experts:
        if self.experts_per_token > self.experts:
            raise PydanticCustomError("order", "needs experts_per_token <= experts")
        return self


class SlidingWindow(Spec):
    """``layers`` of the model attend to the last ``window`` tokens only."""

    window: Natural
    layers: Natural


class LatentAttention(Spec):
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1)."""

    q_lora_rank: Natural
    kv_lora_rank: Natural
    rope_head_dim: Natural
    nope_head_dim: Natural
    v_head_dim: Natural


class Transformer(Spec):
    """A decoder as its configuration states it; ``norms`` a layer, each of one vector (rms) or two (layer)."""

    kind: Literal["transformer"]
    layers: Natural
    hidden: Natural
    heads: Natural
    kv_heads: Natural
    head_dim: Natural
    ffn: Natural | None = None
    gated_ffn: bool = True
    vocabulary: Natural
    tied_embeddings: bool = False
    norm: Literal["rms", "layer"] = "rms"
    norms: Natural = 2
    qk_norm: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    ffn_bias: bool = False
    positions: Whole = 0
    embedding_norm: bool = False
    attention_sinks: bool = False
    moe: Experts | None = None
    sliding_window: SlidingWindow | None = None
    latent: LatentAttention | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Transformer:
        if self.heads % self.kv_heads:
            raise PydanticCustomError("order", "kv_heads must divide heads")
        if self.sliding_window is not None and self.sliding_window.layers > self.layers:
            raise PydanticCustomError("order", "has more windowed layers than layers")
        dense = self.layers if self.moe is None else self.moe.dense_layers
        if dense > self.layers or (dense > 0) != (self.ffn is not None):
            raise PydanticCustomError("ffn", "needs 'ffn' where it has dense layers, and only there")
        return self


class ParameterCounts(Spec):
    """A model of which no more is known than its size; what serving must know beside it is asked for, not guessed."""

    kind: Literal["parameters"]
    total: Natural
    active: Natural
    layers: Natural
    hidden: Natural
    heads: Natural
    kv_heads: Natural
    head_dim: Natural
    kv_values_per_token: Natural
    vocabulary: Natural
    experts: Natural | None = None
    experts_per_token: Natural | None = None
    state_values: Whole = 0

    @model_validator(mode="after")
    def _fits_together(self) -> ParameterCounts:
        mixture = self.experts is not None and self.experts_per_token is not None
        if self.active > self.total or (self.active < self.total) != mixture:
            raise PydanticCustomError(
                "order", "needs experts and experts_per_token where active < total, and only there"
            )
        if mixture and not (self.experts or 0) > (self.experts_per_token or 0):
            raise PydanticCustomError("order", "needs experts_per_token < experts")
        return self


Architecture = Annotated[Transformer | ParameterCounts, Field(discriminator="kind")]


class ModelProfile(Profile):
    """A language model: its architecture, the precision its weights are published in, and its context in tokens."""

    kind: Literal["model"]
    source: str
    native_precision: Literal["bf16", "fp16", "fp8", "mxfp4"]
    context_tokens: Natural
    note: str | None = None
    architecture: Architecture


@dataclass(frozen=True)
class ModelShape:
    """What serving needs of a model, all integers.

    ``resident_parameters`` are read by every iteration whatever is in it: all but routed experts and the embeddings
    that are only looked up. FLOP are of multiplications with weights per token (output head included), and of
    attention per pair of a token and a token it attends to. KV values are per token over all layers of a kind;
    ``state_values`` are a sequence's recurrent state, which every token reads and writes whole.
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
    state_values: int = 0

    @property
    def expert_width(self) -> int:
        """Hidden units of an expert, gated as all that are in use are: three matrices of this by ``hidden``."""
        return self.expert_parameters // (3 * self.hidden)


@singledispatch
def shape(architecture: Transformer | ParameterCounts) -> ModelShape:
    """The shape of an architecture."""
    raise TypeError(f"{architecture} is no architecture")


def _attention(a: Transformer) -> tuple[int, int, int, int]:
    """Sizes of a layer: weights multiplied, other parameters, KV values of a token, FLOP of a pair."""
    if a.latent is not None:
        m = a.latent
        head = m.nope_head_dim + m.rope_head_dim
        weights = a.hidden * m.q_lora_rank + m.q_lora_rank * a.heads * head
        weights += a.hidden * (m.kv_lora_rank + m.rope_head_dim)
        weights += m.kv_lora_rank * a.heads * (m.nope_head_dim + m.v_head_dim) + a.heads * m.v_head_dim * a.hidden
        # Decoding in the absorbed form: each head's query and output live in the latent space.
        flop = 2 * a.heads * (2 * m.kv_lora_rank + m.rope_head_dim)
        return weights, m.q_lora_rank + m.kv_lora_rank, m.kv_lora_rank + m.rope_head_dim, flop
    q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
    weights = 2 * a.hidden * q + 2 * a.hidden * kv
    other = (q + 2 * kv if a.qkv_bias else 0) + (a.hidden if a.output_bias else 0)
    other += (2 * a.head_dim if a.qk_norm else 0) + (a.heads if a.attention_sinks else 0)
    return weights, other, 2 * kv, 4 * q


@shape.register
def _(a: Transformer) -> ModelShape:
    attention, other, kv_values, pair_flop = _attention(a)
    matrices = 3 if a.gated_ffn else 2
    norm = a.hidden * (2 if a.norm == "layer" else 1)
    moe_layers = 0 if a.moe is None else a.layers - a.moe.dense_layers
    dense_layers = a.layers - moe_layers
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
        shared = matrices * a.hidden * a.moe.shared_ffn
    multiplied = a.layers * attention + dense_layers * dense + moe_layers * (router + shared) + embedding
    unmultiplied = a.layers * (other + a.norms * norm) + dense_layers * dense_other + moe_layers * router_other + norm
    unmultiplied += norm if a.embedding_norm else 0
    resident = multiplied + unmultiplied
    experts = a.moe.experts if a.moe is not None else 0
    per_token = a.moe.experts_per_token if a.moe is not None else 0
    windowed = a.sliding_window.layers if a.sliding_window is not None else 0
    full = a.layers - windowed
    return ModelShape(
        parameters=resident + looked_up + moe_layers * experts * expert,
        active_parameters=resident + moe_layers * per_token * expert,
        resident_parameters=resident,
        expert_parameters=expert,
        moe_layers=moe_layers,
        experts=experts,
        experts_per_token=per_token,
        layers=a.layers,
        hidden=a.hidden,
        vocabulary=a.vocabulary,
        heads=a.heads,
        kv_heads=1 if a.latent is not None else a.kv_heads,
        window=a.sliding_window.window if a.sliding_window is not None else 0,
        kv_values_per_token_full=full * kv_values,
        kv_values_per_token_windowed=windowed * kv_values,
        matmul_flop_per_token=2 * (multiplied + moe_layers * per_token * expert_weights),
        attention_flop_full=full * pair_flop,
        attention_flop_windowed=windowed * pair_flop,
    )


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
