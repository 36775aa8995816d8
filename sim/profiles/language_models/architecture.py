"""Architectures of language models as their configurations state them: which layers there are, and of which sizes.

Layers differ in how a token takes in what came before it: by attention to all of it, to a window, to what an indexer
chooses, or by a recurrence that keeps a state. Most have a feed-forward network behind that, dense or of experts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.validation import Spec

Natural = Annotated[int, Field(ge=1, le=10**16, strict=True)]
Whole = Annotated[int, Field(ge=0, le=10**16, strict=True)]

Form = Literal["gated-delta", "delta-by-channel", "state-space", "decayed"]


class Experts(Spec):
    """A mixture of experts in every network but the first ``dense_layers``; ``shared_ffn`` is what every token uses,
    behind a gate of its own where ``shared_gate``."""

    experts: Natural
    experts_per_token: Natural
    ffn: Natural
    shared_ffn: Whole = 0
    shared_gate: bool = False
    dense_layers: Whole = 0
    router_bias: bool = False
    bias: bool = False

    @model_validator(mode="after")
    def _enough(self) -> Experts:
        if self.experts_per_token > self.experts:
            raise PydanticCustomError("order", "needs experts_per_token <= experts")
        if self.shared_gate and not self.shared_ffn:
            raise PydanticCustomError("order", "has a 'shared_gate' and no 'shared_ffn' behind it")
        return self


class SlidingWindow(Spec):
    """``layers`` of the model attend to the last ``window`` tokens only."""

    window: Natural
    layers: Natural

    @property
    def reach(self) -> int:
        """Tokens."""
        return self.window


class ChunkedAttention(Spec):
    """``layers`` of the model attend within chunks of ``chunk`` tokens, cut at its multiples."""

    chunk: Natural
    layers: Natural

    @property
    def reach(self) -> int:
        """Tokens, at most."""
        return self.chunk


class LatentAttention(Spec):
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1); without ``q_lora_rank`` queries are
    projected at once."""

    q_lora_rank: Natural | None = None
    kv_lora_rank: Natural
    rope_head_dim: Whole
    nope_head_dim: Natural
    v_head_dim: Natural


class SparseAttention(Spec):
    """An indexer of ``heads`` in ``layers`` of the model chooses the ``top_k`` tokens that all layers attend to
    (DeepSeek-V3.2, arXiv:2512.02556, section 2.1)."""

    heads: Natural
    head_dim: Natural
    top_k: Natural
    layers: Natural


class Recurrent(Spec):
    """``layers`` with a recurrence in the place of attention; see ``mixers.Recurrence`` for what the forms are.

    ``heads`` states of ``key_dim`` by ``value_dim``, kept in ``state``; queries and keys come in ``key_heads``.
    ``taps``: tokens that the convolution before it spans. ``gate_rank``: of the low-rank gates that a decay by channel
    comes from.
    """

    form: Form
    layers: Natural
    heads: Natural
    key_heads: Natural
    key_dim: Natural
    value_dim: Natural
    state: Literal["fp32", "bf16", "fp16"]
    taps: Whole = 0
    gate_rank: Natural | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Recurrent:
        if self.heads % self.key_heads:
            raise PydanticCustomError("order", "key_heads must divide heads")
        if (self.gate_rank is not None) != (self.form == "delta-by-channel"):
            raise PydanticCustomError("order", "needs 'gate_rank' where its form is 'delta-by-channel', and only there")
        if (self.taps > 0) == (self.form == "decayed"):
            raise PydanticCustomError("order", "needs 'taps' of its convolution, except where its form is 'decayed'")
        return self


class Transformer(Spec):
    """A decoder as its configuration states it; ``norms`` a layer, each of one vector (rms) or two (layer).

    Where not every layer has attention (or a recurrence) and a network behind it, ``attention_layers`` and
    ``network_layers`` say how many have which. ``gated_attention``: results pass a gate as wide as the queries.
    """

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
    gated_attention: bool = False
    moe: Experts | None = None
    sliding_window: SlidingWindow | None = None
    chunked_attention: ChunkedAttention | None = None
    latent: LatentAttention | None = None
    sparse_attention: SparseAttention | None = None
    recurrent: Recurrent | None = None
    attention_layers: Natural | None = None
    network_layers: Natural | None = None

    @property
    def attending(self) -> int:
        """Layers with attention."""
        recurrent = self.recurrent.layers if self.recurrent is not None else 0
        return self.attention_layers if self.attention_layers is not None else self.layers - recurrent

    @property
    def networks(self) -> int:
        """Layers with a feed-forward network."""
        return self.network_layers if self.network_layers is not None else self.layers

    @property
    def parts(self) -> int:
        """Layers with attention, with a recurrence and with a network together."""
        return self.attending + self.networks + (self.recurrent.layers if self.recurrent is not None else 0)

    @property
    def windowed(self) -> SlidingWindow | ChunkedAttention | None:
        """Attention that reaches no further than a window."""
        return self.sliding_window if self.sliding_window is not None else self.chunked_attention

    @model_validator(mode="after")
    def _fits_together(self) -> Transformer:
        if self.heads % self.kv_heads:
            raise PydanticCustomError("order", "kv_heads must divide heads")
        self._check_layers()
        dense = self.networks if self.moe is None else self.moe.dense_layers
        if dense > self.networks or (dense > 0) != (self.ffn is not None):
            raise PydanticCustomError("ffn", "needs 'ffn' where it has dense layers, and only there")
        return self

    def _check_layers(self) -> None:
        recurrent = self.recurrent.layers if self.recurrent is not None else 0
        if recurrent > self.layers or self.networks > self.layers:
            what = "recurrent layers" if recurrent > self.layers else "network_layers"
            raise PydanticCustomError("order", f"has more {what} than layers")
        if self.attending < 1:
            raise PydanticCustomError("order", "has no layer with attention left; 'recurrent' must leave one")
        if self.attending + recurrent > self.layers:
            raise PydanticCustomError("order", "has more 'attention_layers' and recurrent layers than layers")
        if self.parts < self.layers:
            raise PydanticCustomError("order", "has layers with neither attention, recurrence nor network")
        if self.sliding_window is not None and self.chunked_attention is not None:
            raise PydanticCustomError("order", "has either 'sliding_window' or 'chunked_attention', not both")
        if self.windowed is not None and self.windowed.layers > self.attending:
            raise PydanticCustomError("order", "has more windowed layers than layers with attention")
        sparse = self.sparse_attention
        if sparse is None:
            return
        if self.latent is None or self.latent.q_lora_rank is None:
            raise PydanticCustomError("order", "needs 'latent' with a 'q_lora_rank' for 'sparse_attention'")
        if self.windowed is not None:
            raise PydanticCustomError("order", "has either a window or 'sparse_attention', not both")
        if sparse.layers > self.attending:
            raise PydanticCustomError("order", "has more layers with an indexer than layers with attention")


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
