"""What is taken away of a model before it runs: parts pruned, matrices in thin factors, weights zero in a pattern.

Pruning leaves a smaller architecture of the same kind, whose operations and bytes follow as those of any other.
Factors put two thin matrices, k by r and r by n, in the place of one: r (n + k) weights, fewer than n k where
r < n k / (n + k); matrices that would grow stay whole. Of weights that are zero in a pattern of two in four, half are
multiplied and half are stored, with two bits each that say which (Mishra et al., "Accelerating Sparse Deep Neural
Networks", arXiv:2104.08378, section 3). Zeros without a pattern change nothing here: matrix units multiply them.

What becomes of the model's accuracy is not told by any of this.
"""

from __future__ import annotations

from dataclasses import replace

from sim.profiles.language_models.architecture import Transformer
from sim.profiles.language_models.layers import Layers, Product
from sim.profiles.language_models.model import ModelShape

KEPT = 0.5
"""Of the weights in a pattern of two in four."""
INDEX_BITS = 2.0
"""For each weight that is kept."""


def pruned(architecture: Transformer, *, layers: int, networks: float, heads: float) -> Transformer:
    """The architecture with so many ``layers``, and shares of the width of its dense ``networks`` and of its ``heads``
    (of queries and of keys alike) left.

    Widths and heads are rounded to whole ones, one of each at the least. Only for models whose layers are all alike.
    """
    ffn = None if architecture.ffn is None else max(1, round(architecture.ffn * networks))
    kv_heads = max(1, round(architecture.kv_heads * heads))
    each = architecture.heads // architecture.kv_heads
    changed = {"layers": layers, "ffn": ffn, "kv_heads": kv_heads, "heads": kv_heads * each}
    return architecture.model_copy(update=changed)


def factored(layers: Layers, rank: int) -> Layers:
    """Layers whose matrices are products of two thin ones wherever that leaves fewer weights."""
    return replace(layers, products=tuple(part for product in layers.products for part in _factors(product, rank)))


def saved_by_factors(layers: Layers, rank: int) -> int:
    """Weights of the whole model that factors do without."""
    return layers.multiplied - factored(layers, rank).multiplied


def _factors(product: Product, rank: int) -> tuple[Product, ...]:
    if not _of_layers(product) or rank * (product.n + product.k) >= product.n * product.k:
        return (product,)
    # A tensor-parallel group cuts the wide side of either factor, and has the thin one whole.
    inner = replace(product, n=rank, split="rows" if product.split == "rows" else "whole")
    outer = replace(product, k=rank, split="columns" if product.split == "columns" else "whole")
    return (inner, outer)


def _of_layers(product: Product) -> bool:
    """Whether a product is one of layers: not the output head, nor a router."""
    return product.quantised and product.rows == "tokens"


def with_factors(shape: ModelShape, saved: int) -> ModelShape:
    """The shape of a model that does without ``saved`` weights of its layers."""
    return replace(
        shape,
        parameters=shape.parameters - saved,
        active_parameters=shape.active_parameters - saved,
        resident_parameters=shape.resident_parameters - saved,
        matmul_flop_per_token=shape.matmul_flop_per_token - 2 * saved,
    )


def stored_share(bits: float) -> float:
    """Of the bytes of a matrix with ``bits`` a weight, what is stored of it with two of four weights zero."""
    return KEPT * (bits + INDEX_BITS) / bits


def sparse(layers: Layers, *, bits: float, rate: float) -> Layers:
    """Layers whose matrices have two of four weights zero, multiplied at ``rate`` times the dense rate.

    Matrix units double it at most; what kernels reach of that is less, and is measured, not known.
    """
    stored = stored_share(bits)

    def zeroed(product: Product) -> Product:
        return replace(product, density=KEPT, stored=stored, rate=rate) if _of_layers(product) else product

    return replace(layers, products=tuple(zeroed(product) for product in layers.products))


def sparse_weights(layers: Layers) -> int:
    """Weights of matrices that ``sparse`` makes so."""
    return sum(p.count * p.n * p.k for p in layers.products if _of_layers(p))
