"""Work for a GPU as plain values: what each kernel of the suite computes, and how much that is.

FLOP count a multiply-add as two. Bytes are the least that must pass between the GPU and its memory, every operand once:
caches can beat them (small products live in them) and poor kernels exceed them. Elementwise work is not counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "tf32", "fp16", "bf16", "fp8"]
BYTES_PER_VALUE: Mapping[Precision, int] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "fp8": 1}
CAPABILITY: Mapping[Precision, tuple[int, int]] = {
    "fp32": (0, 0),
    "fp16": (5, 3),
    "bf16": (8, 0),
    "tf32": (8, 0),
    "fp8": (8, 9),
}
"""The least compute capability whose hardware has it."""


@dataclass(frozen=True)
class MatMul:
    """(m, k) times (k, n)."""

    m: int
    n: int
    k: int
    precision: Precision

    @property
    def flop(self) -> float:
        """2 m n k."""
        return 2.0 * self.m * self.n * self.k

    @property
    def byte(self) -> float:
        """Both factors read once and the product written once; fp8 factors give a bf16 product."""
        width = BYTES_PER_VALUE[self.precision]
        return float((self.m * self.k + self.k * self.n) * width + self.m * self.n * max(width, 2))

    @property
    def footprint(self) -> float:
        """Factors and product."""
        return self.byte


@dataclass(frozen=True)
class Copy:
    """A tensor of so many bytes onto another."""

    size: int

    @property
    def flop(self) -> float:
        """None."""
        return 0.0

    @property
    def byte(self) -> float:
        """Read once, written once."""
        return 2.0 * self.size

    @property
    def footprint(self) -> float:
        """Source and target."""
        return 2.0 * self.size


@dataclass(frozen=True)
class Triad:
    """a = b + s c over tensors of so many fp32 values (STREAM)."""

    values: int

    @property
    def flop(self) -> float:
        """A multiply-add a value."""
        return 2.0 * self.values

    @property
    def byte(self) -> float:
        """Two tensors read, one written."""
        return 3.0 * self.values * BYTES_PER_VALUE["fp32"]

    @property
    def footprint(self) -> float:
        """Three tensors."""
        return self.byte


@dataclass(frozen=True)
class Attention:
    """``heads`` query heads over ``kv_heads`` of keys and values, in bf16; causal where queries and context are one."""

    batch: int
    queries: int
    context: int
    heads: int
    kv_heads: int
    head_size: int

    @property
    def causal(self) -> bool:
        """Prefill: every query sees the positions up to its own."""
        return self.queries == self.context

    @property
    def flop(self) -> float:
        """Scores and weighted values: 4 a head, query, visible position and element. Softmax is not counted."""
        seen = self.queries * (self.queries + 1) / 2 if self.causal else self.queries * self.context
        return 4.0 * self.batch * self.heads * seen * self.head_size

    @property
    def byte(self) -> float:
        """Queries, keys and values read, output written, each once."""
        values = 2 * self.queries * self.heads + 2 * self.context * self.kv_heads
        return float(BYTES_PER_VALUE["bf16"] * self.batch * values * self.head_size)

    @property
    def footprint(self) -> float:
        """Its operands and output."""
        return self.byte


class _Composed(ABC):
    """Work that is the sum of its products and attention."""

    @property
    @abstractmethod
    def parts(self) -> Sequence[MatMul | Attention]:
        """Each product, and each attention."""

    @property
    def flop(self) -> float:
        """Of all parts."""
        return sum(part.flop for part in self.parts)

    @property
    def byte(self) -> float:
        """Of all parts."""
        return sum(part.byte for part in self.parts)

    @property
    def footprint(self) -> float:
        """Of all parts."""
        return sum(part.footprint for part in self.parts)


@dataclass(frozen=True)
class Layer(_Composed):
    """A transformer layer's heavy parts for so many tokens: one d x d_ff product, its way back, and attention."""

    tokens: int
    d_model: int
    d_ff: int
    attention: Attention

    @property
    def parts(self) -> Sequence[MatMul | Attention]:
        """Up, down and attention."""
        up = MatMul(self.tokens, self.d_ff, self.d_model, "bf16")
        return up, MatMul(self.tokens, self.d_model, self.d_ff, "bf16"), self.attention


@dataclass(frozen=True)
class Transformer:
    """A small decoder in bf16: full attention, a GELU feed-forward of four widths, tied to no checkpoint."""

    layers: int = 12
    d_model: int = 2048
    heads: int = 16
    vocabulary: int = 32768

    @property
    def head_size(self) -> int:
        """Width of a head."""
        return self.d_model // self.heads

    @property
    def parameters(self) -> int:
        """12 d^2 a layer, and embedding and output apart; norms are not counted."""
        return self.layers * 12 * self.d_model**2 + 2 * self.vocabulary * self.d_model

    def forward(self, batch: int, queries: int, context: int) -> list[MatMul | Attention]:
        """One forward pass: query-key-value, output, up, down and attention of every layer; and the logits."""
        d, tokens = self.d_model, batch * queries
        layer: list[MatMul | Attention] = [
            *(MatMul(tokens, n, k, "bf16") for n, k in [(3 * d, d), (d, d), (4 * d, d), (d, 4 * d)]),
            Attention(batch, queries, context, self.heads, self.heads, self.head_size),
        ]
        return layer * self.layers + [MatMul(tokens, self.vocabulary, d, "bf16")]


@dataclass(frozen=True)
class Train(_Composed):
    """Forward, backward and an SGD step with momentum, everything in bf16."""

    model: Transformer
    batch: int
    tokens: int

    @property
    def parts(self) -> Sequence[MatMul | Attention]:
        """Three times the forward pass: the backward one forms two products for each. Recomputation is not counted."""
        return 3 * self.model.forward(self.batch, self.tokens, self.tokens)

    @property
    def byte(self) -> float:
        """Of all parts, and 5 passes over the parameters to step: p, g, v read, p, v written."""
        return super().byte + 5 * BYTES_PER_VALUE["bf16"] * self.model.parameters

    @property
    def footprint(self) -> float:
        """Parameters, gradients and momentum; about 34 values a token and width; logits in fp32, and theirs."""
        count = self.batch * self.tokens
        activations = 2 * 34 * self.model.layers * count * self.model.d_model
        return float(6 * self.model.parameters + activations + 12 * count * self.model.vocabulary)


@dataclass(frozen=True)
class Generate(_Composed):
    """One token for each sequence of the batch, with ``context`` of them cached."""

    model: Transformer
    batch: int
    context: int

    @property
    def parts(self) -> Sequence[MatMul | Attention]:
        """One forward pass over the batch: weights and cache are read once."""
        return self.model.forward(self.batch, 1, self.context)

    @property
    def footprint(self) -> float:
        """Weights and cache."""
        return self.byte + 2.0 * self.model.vocabulary * self.model.d_model


Work = MatMul | Copy | Triad | Attention | Layer | Train | Generate


@dataclass(frozen=True)
class Idle:
    """No context on the GPU: nothing has been put there yet."""

    flop = byte = footprint = 0.0


@dataclass(frozen=True)
class Loaded:
    """A context, and memory that is taken and left alone."""

    size: int
    flop = byte = 0.0

    @property
    def footprint(self) -> float:
        """What is taken."""
        return float(self.size)
