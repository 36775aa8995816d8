"""A language model as the kernels of one iteration: matrix products, attention, experts, recurrences, by layer.

What ``model.ModelShape`` sums up over all layers is taken apart here, as stacks launch it: the projections of queries,
keys and values are one product, and so are a gated network's two first matrices. Times and watts of kernels are
functions of these shapes, and tables of measured kernels are looked up by them.

It leaves out what is small beside them and grows with the tokens alone: norms, rotations, activations, sampling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Literal

from sim.profiles.model import ParameterCounts, Transformer, shape

Rows = Literal["tokens", "sequences"]
Split = Literal["columns", "rows", "whole"]
Reach = Literal["last", "chunk", "chosen"]
Form = Literal["gated-delta", "delta-by-channel", "state-space", "decayed"]


@dataclass(frozen=True)
class Product:
    """``count`` products an iteration of its rows with a matrix of ``k`` by ``n``.

    ``rows``: every token, or only the one of each sequence whose next token is sampled. ``split`` says how tensor
    parallelism cuts the matrix: by columns (n), by rows (k), or not at all. ``quantised``: kept and multiplied in the
    precision of the weights; routers and output heads stay in 16 bits.
    """

    n: int
    k: int
    count: int
    rows: Rows = "tokens"
    split: Split = "columns"
    quantised: bool = True

    def on(self, tensor: int) -> Product:
        """One GPU's share of a group of ``tensor``."""
        if self.split == "columns":
            return replace(self, n=-(-self.n // tensor))
        return replace(self, k=-(-self.k // tensor)) if self.split == "rows" else self


@dataclass(frozen=True)
class Attention:
    """``layers`` in which each of ``heads`` attends over a cache of ``kv_heads``, of ``window`` tokens (0: all).

    Keys have ``head_dim`` values and values ``value_dim``. ``latent``: all heads read one vector of ``head_dim`` values
    whose first ``value_dim`` serve as the value too (multi-head latent attention in its absorbed form). ``reach`` says
    which tokens the window holds: the last ones, those of the present chunk of so many, or those an indexer chose.
    """

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int = 0
    latent: bool = False
    reach: Reach = "last"

    def on(self, tensor: int) -> Attention:
        """One GPU's share of a group of ``tensor``; a head of the cache is kept whole."""
        return replace(self, heads=-(-self.heads // tensor), kv_heads=-(-self.kv_heads // tensor))


@dataclass(frozen=True)
class Mixture:
    """``layers`` of ``experts``, of which a token asks ``per_token``: ``matrices`` of ``hidden`` by ``width``."""

    layers: int
    experts: int
    per_token: int
    hidden: int
    width: int
    matrices: int = 3


@dataclass(frozen=True)
class Recurrence:
    """``layers`` that keep of a sequence one state, whatever its length: a matrix of ``key_dim`` by ``value_dim`` for
    each of ``heads``, which every token decays, adds to and reads.

    ``form`` says how: the gated delta rule (Yang et al., arXiv:2412.06464), the same with a decay of its own for every
    channel of the keys (Kimi delta attention, arXiv:2510.26692), a state space (Mamba-2, Dao and Gu, arXiv:2405.21060;
    its ``key_dim`` is the size of the state, its ``value_dim`` that of a head), or a fixed decay (lightning attention,
    arXiv:2405.17381). Queries and keys come in ``key_heads``, each for several heads. Before, ``channels`` pass
    a convolution over the last ``taps`` tokens (0: none), all but one of which are kept too, in 16 bits. States take
    ``state_bytes`` a value.
    """

    layers: int
    form: Form
    heads: int
    key_heads: int
    key_dim: int
    value_dim: int
    channels: int = 0
    taps: int = 0
    state_bytes: int = 4

    def on(self, tensor: int) -> Recurrence:
        """One GPU's share of a group of ``tensor``, by heads."""
        share = {name: -(-getattr(self, name) // tensor) for name in ("heads", "key_heads", "channels")}
        return replace(self, **share)

    @property
    def values(self) -> int:
        """Of one layer's state."""
        return self.heads * self.key_dim * self.value_dim

    @property
    def kept_bytes(self) -> int:
        """Of a sequence in one layer, the tokens kept for the convolution included; each decoded token reads and
        writes them."""
        return self.values * self.state_bytes + 2 * self.channels * max(0, self.taps - 1)

    @property
    def flop(self) -> int:
        """Of a token in one layer, token by token: decay, outer product and sum, and reading cost 5 a value of the
        state; a delta rule reads once more, for what it corrects. The convolution is 2 a tap."""
        a_value = 7 if self.form in ("gated-delta", "delta-by-channel") else 5
        return a_value * self.values + 2 * self.channels * self.taps

    def flop_in_chunks(self, chunk: int) -> int:
        """Of a token of a prompt in one layer, computed in chunks of so many tokens, as matrix products: attention
        within the chunk (half of it is masked), and what comes from and goes into the state at its ends. A delta
        rule solves a triangular system of the chunk's keys, for keys and values, on top."""
        within = chunk * self.heads * (self.key_dim + self.value_dim)
        delta = self.form in ("gated-delta", "delta-by-channel")
        ends = (6 if delta else 4) * self.values
        solved = 2 * within + chunk * self.heads * self.key_dim if delta else 0
        return within + ends + solved + 2 * self.channels * self.taps

    @property
    def moved_values(self) -> int:
        """Values of 16 bits that a token brings and takes in one layer beside the state: queries and keys, values and
        results, decays, and what passes the convolution, in and out."""
        q_and_k = 2 * self.key_heads * self.key_dim
        decays = self.heads * (self.key_dim if self.form == "delta-by-channel" else 2)
        return q_and_k + 2 * self.heads * self.value_dim + decays + 2 * self.channels


@dataclass(frozen=True)
class Indexer:
    """``layers`` in which ``heads`` small heads score every token of the context, in 8 bits, by one key of
    ``head_dim`` values that all heads share; attention then reads the best ``top_k`` (DeepSeek sparse attention,
    arXiv:2512.02556, section 2.1). Every GPU of a tensor-parallel group scores all."""

    layers: int
    heads: int
    head_dim: int
    top_k: int

    @property
    def pair_flop(self) -> int:
        """Of a token and a token of its context in one layer: a product, a rectifier, a weighted sum."""
        return self.heads * (2 * self.head_dim + 3)

    @property
    def key_bytes(self) -> int:
        """Of a token in one layer's cache: 8 bits a value and a scale of 32 for 128."""
        return self.head_dim + 4 * -(-self.head_dim // 128)


@dataclass(frozen=True)
class Layers:
    """All kernels of a model's iteration but collectives and what is small; of the whole model, or of one GPU."""

    products: tuple[Product, ...]
    attentions: tuple[Attention, ...]
    mixture: Mixture | None
    recurrences: tuple[Recurrence, ...] = ()
    indexers: tuple[Indexer, ...] = ()

    def on(self, tensor: int) -> Layers:
        """One GPU's share in a tensor-parallel group; experts stay whole, as ``profiles.experts`` spreads them."""
        return replace(
            self,
            products=tuple(product.on(tensor) for product in self.products),
            attentions=tuple(part.on(tensor) for part in self.attentions),
            recurrences=tuple(part.on(tensor) for part in self.recurrences),
        )

    @property
    def multiplied(self) -> int:
        """Weights that a token is multiplied with, experts left out."""
        return sum(p.count * p.n * p.k for p in self.products)


@singledispatch
def layers_of(architecture: Transformer | ParameterCounts) -> Layers:
    """The kernels of an architecture."""
    raise TypeError(f"{architecture} is no architecture")


@layers_of.register
def _(a: Transformer) -> Layers:
    moe_layers = 0 if a.moe is None else a.layers - a.moe.dense_layers
    matrices = 3 if a.gated_ffn else 2
    products = [*_projections(a), *_network(a.hidden, a.ffn or 0, a.layers - moe_layers, gated=a.gated_ffn)]
    mixture = None
    if a.moe is not None:
        products.append(Product(a.moe.experts, a.hidden, moe_layers, split="whole", quantised=False))
        products += _network(a.hidden, a.moe.shared_ffn, moe_layers, gated=a.gated_ffn)
        mixture = Mixture(moe_layers, a.moe.experts, a.moe.experts_per_token, a.hidden, a.moe.ffn, matrices)
    products.append(Product(a.vocabulary, a.hidden, 1, rows="sequences", quantised=False))
    return Layers(tuple(products), _attentions(a), mixture)


def _projections(a: Transformer) -> list[Product]:
    """Before and after attention."""
    if a.latent is None:
        q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
        return [Product(q + 2 * kv, a.hidden, a.layers), Product(a.hidden, q, a.layers, split="rows")]
    m = a.latent
    head = m.nope_head_dim + m.rope_head_dim
    down = m.q_lora_rank + m.kv_lora_rank + m.rope_head_dim
    return [
        Product(down, a.hidden, a.layers, split="whole"),
        Product(a.heads * head, m.q_lora_rank, a.layers),
        # Absorbed: queries into the latent space before attention, results out of it after.
        Product(a.heads * (m.nope_head_dim + m.v_head_dim), m.kv_lora_rank, a.layers),
        Product(a.hidden, a.heads * m.v_head_dim, a.layers, split="rows"),
    ]


def _network(hidden: int, width: int, layers: int, *, gated: bool) -> list[Product]:
    """A feed-forward network in so many layers."""
    if not width or not layers:
        return []
    return [Product((2 if gated else 1) * width, hidden, layers), Product(hidden, width, layers, split="rows")]


def _attentions(a: Transformer) -> tuple[Attention, ...]:
    if a.latent is not None:
        m = a.latent
        return (Attention(a.layers, a.heads, 1, m.kv_lora_rank + m.rope_head_dim, m.kv_lora_rank, latent=True),)
    window = a.sliding_window
    sliding = window.layers if window is not None else 0
    whole = Attention(a.layers - sliding, a.heads, a.kv_heads, a.head_dim, a.head_dim)
    parts = [whole] if whole.layers else []
    if window is not None:
        parts.append(replace(whole, layers=sliding, window=window.window))
    return tuple(parts)


@layers_of.register
def _(a: ParameterCounts) -> Layers:
    """Every layer alike: what is not attention, output head or routed expert is a gated network in each."""
    s = shape(a)
    q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
    attention = a.layers * (2 * a.hidden * q + 2 * a.hidden * kv)
    head = a.vocabulary * a.hidden
    width = max(0, (s.resident_parameters - attention - head) // (3 * a.hidden * a.layers))
    products = [Product(q + 2 * kv, a.hidden, a.layers), Product(a.hidden, q, a.layers, split="rows")]
    products += _network(a.hidden, width, a.layers, gated=True)
    products.append(Product(a.vocabulary, a.hidden, 1, rows="sequences", quantised=False))
    mixture = None
    if s.moe_layers:
        mixture = Mixture(s.moe_layers, s.experts, s.experts_per_token, a.hidden, s.expert_width)
    return Layers(tuple(products), (Attention(a.layers, a.heads, a.kv_heads, a.head_dim, a.head_dim),), mixture)
