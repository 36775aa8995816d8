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

from sim.profiles.language_models.architecture import LatentAttention, ParameterCounts, Transformer
from sim.profiles.language_models.mixers import Indexer, Recurrence, Split, projections, recurrence_of
from sim.profiles.language_models.model import indexer_of, shape

__all__ = ["Attention", "Indexer", "Layers", "Mixture", "Product", "Recurrence", "layers_of"]

Rows = Literal["tokens", "sequences"]
Reach = Literal["last", "chunk", "chosen"]


@dataclass(frozen=True)
class Product:
    """``count`` products an iteration of its rows with a matrix of ``k`` by ``n``.

    ``rows``: every token, or only the one of each sequence whose next token is sampled. ``split`` says how tensor
    parallelism cuts the matrix: by columns (n), by rows (k), or not at all. ``quantised``: kept and multiplied in the
    precision of the weights; routers and output heads stay in 16 bits. Of a matrix with zeros in a pattern the share
    ``density`` is multiplied, at ``rate`` times the rate of others, and the share ``stored`` of its bytes kept.
    """

    n: int
    k: int
    count: int
    rows: Rows = "tokens"
    split: Split = "columns"
    quantised: bool = True
    density: float = 1.0
    stored: float = 1.0
    rate: float = 1.0

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
class Layers:
    """All kernels of a model's iteration but collectives and what is small; of the whole model, or of one GPU."""

    products: tuple[Product, ...]
    attentions: tuple[Attention, ...]
    mixture: Mixture | None
    recurrences: tuple[Recurrence, ...] = ()
    indexers: tuple[Indexer, ...] = ()

    def on(self, tensor: int) -> Layers:
        """One GPU's share in a tensor-parallel group; experts stay whole, as ``iteration.experts`` spreads them."""
        return replace(
            self,
            products=tuple(product.on(tensor) for product in self.products),
            attentions=tuple(part.on(tensor) for part in self.attentions),
            recurrences=tuple(part.on(tensor) for part in self.recurrences),
        )

    def with_quantised_head(self) -> Layers:
        """The output head in the precision of the weights."""
        heads = (replace(p, quantised=p.quantised or p.rows == "sequences") for p in self.products)
        return replace(self, products=tuple(heads))

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
    moe_layers = 0 if a.moe is None else a.networks - a.moe.dense_layers
    matrices = 3 if a.gated_ffn else 2
    products = [*_projections(a), *_recurrent(a), *_indexing(a)]
    products += _network(a.hidden, a.ffn or 0, a.networks - moe_layers, gated=a.gated_ffn)
    mixture = None
    if a.moe is not None:
        if a.moe.shared_gate:
            products.append(Product(1, a.hidden, moe_layers, split="whole", quantised=False))
        products.append(Product(a.moe.experts, a.hidden, moe_layers, split="whole", quantised=False))
        products += _network(a.hidden, a.moe.shared_ffn, moe_layers, gated=a.gated_ffn)
        mixture = Mixture(moe_layers, a.moe.experts, a.moe.experts_per_token, a.hidden, a.moe.ffn, matrices)
    products.append(Product(a.vocabulary, a.hidden, 1, rows="sequences", quantised=False))
    index = indexer_of(a)
    return Layers(
        tuple(products),
        _attentions(a),
        mixture,
        recurrences=(recurrence_of(a.recurrent),) if a.recurrent is not None else (),
        indexers=(index,) if index is not None else (),
    )


def _projections(a: Transformer) -> list[Product]:
    """Before and after attention."""
    if a.latent is None:
        q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
        into = (2 if a.gated_attention else 1) * q + 2 * kv
        return [Product(into, a.hidden, a.attending), Product(a.hidden, q, a.attending, split="rows")]
    return _latent_projections(a, a.latent)


def _latent_projections(a: Transformer, m: LatentAttention) -> list[Product]:
    head = m.nope_head_dim + m.rope_head_dim
    down = (m.q_lora_rank or 0) + m.kv_lora_rank + m.rope_head_dim
    return [
        Product(down, a.hidden, a.attending, split="whole"),
        Product(a.heads * head, m.q_lora_rank if m.q_lora_rank is not None else a.hidden, a.attending),
        # Absorbed: queries into the latent space before attention, results out of it after.
        Product(a.heads * (m.nope_head_dim + m.v_head_dim), m.kv_lora_rank, a.attending),
        Product(a.hidden, a.heads * m.v_head_dim, a.attending, split="rows"),
    ]


def _recurrent(a: Transformer) -> list[Product]:
    """Before and after recurrences."""
    if a.recurrent is None:
        return []
    return [Product(n, k, a.recurrent.layers, split=split) for n, k, split in projections(a.recurrent, a.hidden)]


def _indexing(a: Transformer) -> list[Product]:
    """Queries, keys and weights of an indexer; every GPU has them whole."""
    index = indexer_of(a)
    if index is None or a.latent is None or a.latent.q_lora_rank is None:
        return []
    return [
        Product(index.heads * index.head_dim, a.latent.q_lora_rank, index.layers, split="whole"),
        Product(index.head_dim + index.heads, a.hidden, index.layers, split="whole", quantised=False),
    ]


def _network(hidden: int, width: int, layers: int, *, gated: bool) -> list[Product]:
    """A feed-forward network in so many layers."""
    if not width or not layers:
        return []
    return [Product((2 if gated else 1) * width, hidden, layers), Product(hidden, width, layers, split="rows")]


def _attentions(a: Transformer) -> tuple[Attention, ...]:
    if a.latent is not None:
        m = a.latent
        latent = Attention(a.attending, a.heads, 1, m.kv_lora_rank + m.rope_head_dim, m.kv_lora_rank, latent=True)
        index = indexer_of(a)
        return (replace(latent, window=index.top_k, reach="chosen") if index is not None else latent,)
    window = a.windowed
    reaching = window.layers if window is not None else 0
    whole = Attention(a.attending - reaching, a.heads, a.kv_heads, a.head_dim, a.head_dim)
    parts = [whole] if whole.layers else []
    if window is not None:
        reach: Reach = "last" if a.chunked_attention is None else "chunk"
        parts.append(replace(whole, layers=reaching, window=window.reach, reach=reach))
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
