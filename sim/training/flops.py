"""Floating-point operations of a training step, counted from the architecture.

Only matrix products and attention are counted, as MFU and HFU are defined by (Chowdhery et al., "PaLM",
arXiv:2204.02311, appendix B; Korthikanti et al., arXiv:2205.05198, section 6): a multiplication and a sum are two.
Norms, rotations, softmax and the optimizer cost bytes, not FLOP. Attention is counted as it is computed, causal: a
token meets itself and what came before it, (s + 1) / 2 tokens in the mean. Counts that take the whole square of a
sequence (PaLM's 12 L h s, llm-foundry) are had from ``Forward.square``. The gradient of a product costs two of its
kind: that of its input and that of its weights, of which frozen weights need none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.profiles.language_models.layers import Attention, Layers, Mixture, Product, layers_of
from sim.training.terms import Recipe

GRADIENT_OF_INPUT = 1.0
"""Of a forward product: what the gradient of its input costs, and as much the gradient of its weights."""
GRADIENTS = 2.0


@dataclass(frozen=True)
class Forward:
    """FLOP of one token's way forward through the whole model, by part.

    ``projections`` into and out of attention, recurrences and indexers; ``networks`` are dense and shared feed-forward
    networks and routers, ``experts`` the routed ones; ``attention`` the pairs of tokens, indexers' included, and
    ``square`` the same without the mask; ``head`` the output head. Those of modules that predict further tokens are in
    all of them.
    """

    projections: float
    networks: float
    experts: float
    attention: float
    square: float
    recurrence: float
    head: float

    @property
    def products(self) -> float:
        """With weights of layers."""
        return self.projections + self.networks + self.experts

    @property
    def total(self) -> float:
        """Of all parts."""
        return self.products + self.attention + self.recurrence + self.head


@dataclass(frozen=True)
class TrainingFlops:
    """FLOP of one token in training: ``forward`` by part, ``adapters`` and their gradients, ``backward`` and what is
    ``recomputed`` of the forward pass."""

    forward: Forward
    adapters: float
    backward: float
    recomputed: float

    @property
    def model(self) -> float:
        """What the step needs, however it is computed: forward and backward. MFU is of this."""
        return self.forward.total + self.adapters + self.backward

    @property
    def hardware(self) -> float:
        """With what is computed again. HFU is of this."""
        return self.model + self.recomputed


def pairs(attention: Attention, sequence: int) -> float:
    """Tokens that a token of a ``sequence`` attends to in the mean, itself included."""
    reach = attention.window
    if not reach or reach >= sequence:
        return (sequence + 1) / 2
    if attention.reach == "chunk":
        whole, rest = divmod(sequence, reach)
        return (whole * reach * (reach + 1) + rest * (rest + 1)) / 2 / sequence
    return (reach * (reach + 1) / 2 + (sequence - reach) * reach) / sequence


def training_layers(architecture: Transformer | ParameterCounts) -> Layers:
    """The kernels of ``layers_of`` as training has them: latent attention with keys and values of each head (what is
    absorbed into queries when decoding is a product on its own here, of the same size), and a head for every token."""
    layers = layers_of(architecture)
    attentions, products = layers.attentions, layers.products
    if isinstance(architecture, Transformer) and architecture.latent is not None:
        m, heads = architecture.latent, architecture.heads
        wide = m.nope_head_dim + m.rope_head_dim
        attentions = tuple(
            replace(part, kv_heads=heads, head_dim=wide, value_dim=m.v_head_dim, latent=False) for part in attentions
        )
    return replace(layers, attentions=attentions, products=tuple(replace(p, rows="tokens") for p in products))


def predictor(architecture: Transformer) -> Transformer:
    """The one layer of a module that predicts a further token: attention to all, and experts where the model has some
    (DeepSeek-V3, arXiv:2412.19437, section 2.2). Beside it a module has a product of 2 h by h and the shared head."""
    moe = architecture.moe
    alone: dict[str, object] = {"layers": 1, "recurrent": None, "sliding_window": None, "chunked_attention": None}
    alone |= {"sparse_attention": None, "attention_layers": None, "network_layers": None}
    if moe is not None:
        alone |= {"moe": moe.model_copy(update={"dense_layers": 0}), "ffn": None}
    return architecture.model_copy(update=alone)


def forward_flop(architecture: Transformer | ParameterCounts, sequence: int, mtp_modules: int = 0) -> Forward:
    """FLOP of one token of a ``sequence``, forward, with so many modules that predict further tokens."""
    layers = training_layers(architecture)
    head = 2.0 * architecture.hidden * architecture.vocabulary
    networks = _networks(architecture)
    found = Forward(
        projections=2.0 * layers.multiplied - head - networks,
        networks=networks,
        experts=_experts(layers.mixture),
        attention=_pairs_flop(layers, sequence),
        square=_square_flop(layers, sequence),
        recurrence=float(sum(part.layers * part.prompt_flop for part in layers.recurrences)),
        head=head,
    )
    if not mtp_modules or not isinstance(architecture, Transformer):
        return found
    module = forward_flop(predictor(architecture), sequence)
    joined = 4.0 * architecture.hidden**2
    return Forward(
        projections=found.projections + mtp_modules * (module.projections + joined),
        networks=found.networks + mtp_modules * module.networks,
        experts=found.experts + mtp_modules * module.experts,
        attention=found.attention + mtp_modules * module.attention,
        square=found.square + mtp_modules * module.square,
        recurrence=found.recurrence,
        head=found.head + mtp_modules * module.head,
    )


def training_flops(architecture: Transformer | ParameterCounts, recipe: Recipe) -> TrainingFlops:
    """FLOP of a token of a step; a step has ``recipe.global_batch * recipe.sequence`` of them.

    Recomputed are, ``selective``: what takes much memory and little arithmetic, which is attention (arXiv:2205.05198,
    section 5) and what leads out of latent vectors (DeepSeek-V3, arXiv:2412.19437, section 3.2.3; its norms and
    non-linearities count no FLOP), ``full``: all but the output head (Narayanan et al., arXiv:2104.04473, equation 2).
    Adapters (Hu et al., arXiv:2106.09685) lie on
    all matrices of layers but routers; all else is frozen then. That the lowest layer needs no gradient of
    its input is left out.
    """
    forward = forward_flop(architecture, recipe.sequence, recipe.mtp_modules)
    unweighted = forward.attention + forward.recurrence
    if recipe.lora_rank is None:
        adapters, backward = 0.0, GRADIENTS * forward.total
    else:
        adapters = 2.0 * _adapter_weights_met(training_layers(architecture), architecture, recipe.lora_rank)
        frozen = GRADIENT_OF_INPUT * (forward.products + forward.head)
        backward = frozen + GRADIENTS * (unweighted + adapters)
    recomputed = {
        "none": 0.0,
        "selective": forward.attention + _latent_up_flop(architecture, recipe.mtp_modules),
        "full": forward.products + unweighted + adapters,
    }[recipe.recompute]
    return TrainingFlops(forward, adapters, backward, recomputed)


def model_flop(architecture: Transformer | ParameterCounts, recipe: Recipe) -> float:
    """FLOP of a step of the gang, forward and backward."""
    return training_flops(architecture, recipe).model * recipe.tokens


def hardware_flop(architecture: Transformer | ParameterCounts, recipe: Recipe) -> float:
    """FLOP of a step of the gang, with what is recomputed."""
    return training_flops(architecture, recipe).hardware * recipe.tokens


def latent_up(architecture: Transformer | ParameterCounts, product: Product) -> bool:
    """Whether a product makes queries, keys and values of latent vectors."""
    if not isinstance(architecture, Transformer) or architecture.latent is None:
        return False
    ranks = (architecture.latent.q_lora_rank, architecture.latent.kv_lora_rank)
    return product.split == "columns" and product.k in ranks


def _latent_up_flop(architecture: Transformer | ParameterCounts, mtp_modules: int) -> float:
    found = sum(2.0 * p.count * p.n * p.k for p in layers_of(architecture).products if latent_up(architecture, p))
    if not mtp_modules or not isinstance(architecture, Transformer):
        return found
    return found + mtp_modules * _latent_up_flop(predictor(architecture), 0)


def adapters_of(layers: Layers, head: tuple[int, int]) -> tuple[Product, ...]:
    """The products that carry an adapter: those of layers, but routers; ``head`` is (n, k) of the output head."""
    return tuple(p for p in layers.products if p.quantised and (p.n, p.k) != head)


def _adapter_weights_met(layers: Layers, architecture: Transformer | ParameterCounts, rank: int) -> float:
    """Weights of adapters that a token is multiplied with."""
    carrying = adapters_of(layers, (architecture.vocabulary, architecture.hidden))
    met = sum(p.count * rank * (p.n + p.k) for p in carrying)
    m = layers.mixture
    return met + (m.layers * m.per_token * m.matrices * rank * (m.hidden + m.width) if m is not None else 0)


def _networks(a: Transformer | ParameterCounts) -> float:
    """FLOP of a token in dense and shared networks and routers."""
    if isinstance(a, ParameterCounts):
        layers = layers_of(a)
        attention = a.layers * 2 * a.hidden * a.head_dim * (a.heads + a.kv_heads)
        return 2.0 * (layers.multiplied - a.vocabulary * a.hidden - attention)
    matrices = 3 if a.gated_ffn else 2
    if a.moe is None:
        return 2.0 * a.networks * matrices * a.hidden * (a.ffn or 0)
    sparse = a.networks - a.moe.dense_layers
    dense = a.moe.dense_layers * matrices * a.hidden * (a.ffn or 0)
    gate = a.hidden if a.moe.shared_gate else 0
    return 2.0 * (dense + sparse * (a.hidden * a.moe.experts + matrices * a.hidden * a.moe.shared_ffn + gate))


def _experts(mixture: Mixture | None) -> float:
    if mixture is None:
        return 0.0
    return 2.0 * mixture.layers * mixture.per_token * mixture.matrices * mixture.hidden * mixture.width


def _pair_flop(part: Attention) -> int:
    """Of a layer: a score and a weighted sum of values, for each head."""
    return 2 * part.heads * (part.head_dim + part.value_dim)


def _pairs_flop(layers: Layers, sequence: int) -> float:
    attention = sum(part.layers * _pair_flop(part) * pairs(part, sequence) for part in layers.attentions)
    return attention + sum(index.layers * index.pair_flop * (sequence + 1) / 2 for index in layers.indexers)


def _square_flop(layers: Layers, sequence: int) -> float:
    attention = sum(part.layers * _pair_flop(part) * sequence for part in layers.attentions)
    return float(attention + sum(index.layers * index.pair_flop * sequence for index in layers.indexers))
