"""What a GPU of a layout has to do for one micro-batch, counted from shapes alone: products, attention, values moved.

All counts are of the whole model, of which a pipeline's stage has its share, and of one of the GPUs that tensor,
context and expert parallelism cut it into. What they take is in ``compute``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.profiles.language_models.layers import Attention, Layers, Mixture
from sim.training.flops import hardware_flop, latent_up, model_flop, pairs, predictor, training_layers
from sim.training.parameters import Held, held
from sim.training.terms import Recipe, Spread

Floats = npt.NDArray[np.float64]
Architecture = Transformer | ParameterCounts

BACKWARD_ATTENTION = 2.5
"""Products of attention's backward pass over the forward's: five, one of them anew, over two (Dao,
"FlashAttention-2", arXiv:2307.08691, section 3.1)."""
TILE_ROWS = 128.0
"""Of the tiles that the rows of an expert fill up."""
NORM_VALUES = 11.0
"""Of the hidden size, that a norm with its residual sum moves: forward 2 and 3, backward 3 and 3."""
GATED_VALUES, PLAIN_VALUES = 8.0, 5.0
"""Of an activation's width: gated, forward 2 in and 1 out, backward 3 in and 2 out; plain, 2 and 3."""
ROTATED_VALUES = 4.0
"""Of queries and keys: read and written, forward and backward."""
SORTED_VALUES = 4.0
"""Of the hidden size, of each routed row: sorted to experts and back, a value read and written each time, twice."""


class Rows(NamedTuple):
    """One product: m rows with a matrix of k by n, so many ``times``, its forward pass ``forward`` times (2 where it is
    computed again), its weights trained (1) or frozen (0), in the recipe's precision (1) or in 16 bits (0). Of a
    mixture's ``matrices``, all are read."""

    m: float
    n: float
    k: float
    times: float
    forward: float
    trained: float
    quantised: float
    matrices: float = 1.0


@dataclass(frozen=True, eq=False)
class Work:
    """A micro-batch on one GPU. ``products`` has a row for each of ``Rows``, the output head's the last.

    ``attention_flop`` and ``scores`` (exponentials) are of all passes, recomputed ones included. ``values`` of 16 bits
    pass between products, ``routed_values`` are of experts' widths up to the model's, ``quantised_values`` are
    operands; ``logits`` those of the head. ``again`` and ``attention_again`` are forward passes of layers and of
    attention that are recomputed. ``own`` are the parameters of a GPU of the first stage; FLOP are of the gang's step.
    """

    products: Floats
    attention_flop: float
    scores: float
    values: float
    routed_values: float
    quantised_values: float
    logits: float
    layers: int
    expert_layers: int
    again: float
    attention_again: float
    own: Held
    model_flop: float
    hardware_flop: float


@lru_cache(maxsize=4096)
def work_of(architecture: Architecture, spread: Spread, recipe: Recipe) -> Work:
    """Counts of a micro-batch. Full recomputation computes layers again but for what nothing else needs, their last
    product; selective, attention, what leads out of latent vectors, norms and non-linearities."""
    layers = training_layers(architecture)
    modules = recipe.mtp_modules if isinstance(architecture, Transformer) else 0
    parts = [(layers, 1)]
    if modules and isinstance(architecture, Transformer):
        parts.append((training_layers(predictor(architecture)), modules))
    again = 1.0 if recipe.recompute == "full" else 0.0
    attention_again = 0.0 if recipe.recompute == "none" else 1.0
    tokens, alone = tokens_of(spread, recipe)
    rows: list[Rows] = []
    counted = _Counted()
    for part, times in parts:
        rows += _products(architecture, part, spread, recipe, times)
        for each in part.attentions:
            counted.attend(each, spread, recipe, tokens * times)
        for state in part.recurrences:
            own = state.on(spread.tensor)
            counted.flop += times * tokens * own.prompt_flop * own.layers
            counted.values += times * 2.0 * tokens * own.moved_values * own.layers
        for index in part.indexers:
            counted.flop += times * tokens * index.pair_flop * (recipe.sequence + 1) / 2.0 * index.layers
        if part.mixture is not None:
            counted.route(part.mixture, alone * times, _gate(architecture))
    norms = architecture.norms if isinstance(architecture, Transformer) else 2
    counted.values += NORM_VALUES * alone * architecture.hidden * norms * (architecture.layers + modules)
    counted.values += _gate(architecture) * tokens * _dense_width(architecture, layers) / spread.tensor
    trained = 1.0 if recipe.lora_rank is None else 0.0
    if modules:
        rows.append(_joint(architecture.hidden, spread, recipe))
    head = Rows(tokens, architecture.vocabulary / spread.tensor, architecture.hidden, 1.0 + modules, 1.0, trained, 0.0)
    products = np.array([*rows, head], dtype=np.float64)
    quantised = products[products[:, 6] > 0.0]
    return Work(
        products=products,
        attention_flop=counted.flop * (1.0 + BACKWARD_ATTENTION + attention_again),
        scores=counted.scores * (2.0 + attention_again),
        values=counted.values * (1.0 + attention_again / 3.0),  # norms and non-linearities, in selective too
        routed_values=counted.routed * (1.0 + attention_again / 3.0),
        quantised_values=float((quantised[:, 0] * quantised[:, 3] * (quantised[:, 1] + quantised[:, 2])).sum()),
        logits=tokens * head.n * head.times,
        layers=architecture.layers + modules,
        expert_layers=sum(part.mixture.layers * times for part, times in parts if part.mixture is not None),
        again=again,
        attention_again=attention_again,
        own=held(architecture, spread, recipe, "first"),
        model_flop=model_flop(architecture, recipe),
        hardware_flop=hardware_flop(architecture, recipe),
    )


def tokens_of(spread: Spread, recipe: Recipe) -> tuple[float, float]:
    """Tokens of a micro-batch that a GPU multiplies, and those that it norms: sequence parallelism shares these out
    among tensor-parallel ranks (Korthikanti et al., arXiv:2205.05198, section 4.2.2)."""
    tokens = recipe.micro_batch * recipe.sequence / spread.context
    return tokens, tokens / spread.tensor if spread.sequence_parallel else tokens


class _Counted:
    """Sums over the parts of a model."""

    def __init__(self) -> None:
        self.flop = self.scores = self.values = self.routed = 0.0

    def attend(self, each: Attention, spread: Spread, recipe: Recipe, tokens: float) -> None:
        """One kind of attention of a micro-batch's ``tokens``."""
        met = tokens * pairs(each, recipe.sequence) * each.heads / spread.tensor * each.layers
        self.flop += 2.0 * met * (each.head_dim + each.value_dim)
        self.scores += met
        turned = (each.heads + each.kv_heads) * each.head_dim / spread.tensor
        self.values += ROTATED_VALUES * tokens * turned * each.layers

    def route(self, mixture: Mixture, tokens: float, gate: float) -> None:
        """What sorts a GPU's ``tokens`` to experts, and their activations. What is dispatched and padded is as wide as
        the model: beyond its width, an expert's activations pass as often as any network's."""
        rows = tokens * mixture.per_token * mixture.layers
        handled = min(mixture.width, mixture.hidden)
        self.values += rows * (SORTED_VALUES * mixture.hidden + gate * (mixture.width - handled))
        self.routed += rows * gate * handled


def _products(a: Architecture, part: Layers, spread: Spread, recipe: Recipe, times: int) -> list[Rows]:
    """Of the layers, without the output head."""
    tokens, alone = tokens_of(spread, recipe)
    trained = 1.0 if recipe.lora_rank is None else 0.0
    again = 1.0 if recipe.recompute == "full" else 0.0
    found = []
    for product in part.products:
        if (product.n, product.k) == (a.vocabulary, a.hidden):
            continue
        own = product.on(spread.tensor)
        last = product.split == "rows" and product.k == (a.ffn if isinstance(a, Transformer) else None)
        m = alone if product.split == "whole" else tokens
        cheap = recipe.recompute == "selective" and latent_up(a, product)
        forward = 2.0 if cheap else 1.0 if last else 1.0 + again
        found.append(Rows(m, own.n, own.k, own.count * times, forward, trained, float(own.quantised)))
    mixture = part.mixture
    if mixture is not None:
        own_experts = mixture.experts / spread.expert
        rows = alone * mixture.per_token * spread.expert_tensor
        # The rows of an expert fill up its tiles; half of one is empty in the mean.
        m, width = rows + own_experts * TILE_ROWS / 2.0, mixture.width / spread.expert_tensor
        first = (mixture.matrices - 1) * width
        count = float(mixture.layers * times)
        found.append(Rows(m, first, mixture.hidden, count, 1.0 + again, trained, 1.0, own_experts))
        found.append(Rows(m, mixture.hidden, width, count, 1.0, trained, 1.0, own_experts))
    return found


def _joint(hidden: int, spread: Spread, recipe: Recipe) -> Rows:
    """Of modules that predict further tokens: their two inputs, joined."""
    tokens, _ = tokens_of(spread, recipe)
    trained = 1.0 if recipe.lora_rank is None else 0.0
    forward = 2.0 if recipe.recompute == "full" else 1.0
    return Rows(tokens, hidden / spread.tensor, 2.0 * hidden, float(recipe.mtp_modules), forward, trained, 1.0)


def _gate(a: Architecture) -> float:
    return GATED_VALUES if not isinstance(a, Transformer) or a.gated_ffn else PLAIN_VALUES


def _dense_width(a: Architecture, layers: Layers) -> float:
    """Width of all dense and shared networks together."""
    if not isinstance(a, Transformer):
        return float(sum(p.count * p.k for p in layers.products if p.split == "rows" and p.n == a.hidden)) - float(
            a.layers * a.heads * a.head_dim
        )
    sparse = 0 if a.moe is None else a.networks - a.moe.dense_layers
    shared = 0 if a.moe is None else a.moe.shared_ffn
    return float((a.networks - sparse) * (a.ffn or 0) + sparse * shared)
