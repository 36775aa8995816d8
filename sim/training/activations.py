"""What the forward pass keeps for the backward pass: bytes of activations on one GPU.

Counted tensor by tensor as Korthikanti et al. do (arXiv:2205.05198, section 4), with attention in one kernel that keeps
a number for each row instead of the scores (Dao et al., arXiv:2205.14135), and without dropout. For a GPT layer
in 16 bits that is 32 s b h + 4 a s b: their 34 s b h less two masks of a byte, and 4 bytes a head for 5 a s² b.

``selective`` recomputation keeps no results of norms and non-linearities, nor what comes out of latent vectors or what
attention's kernel keeps; ``full`` keeps a layer's input alone and, while a layer is worked on, what that one keeps.
Inputs of products with quantised weights are kept quantised.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.mixers import PROMPT_CHUNK
from sim.profiles.language_models.model import shape
from sim.training.flops import predictor, training_layers
from sim.training.parameters import Held, Stage, dense_networks
from sim.training.terms import Recipe, Spread, TrainingPrecision

KEPT_BYTES: dict[TrainingPrecision, float] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "mxfp8": 1.0 + 1.0 / 32.0,
    "nvfp4": 0.5 + 1.0 / 16.0,
}
"""B of a value that a product keeps of its input; blocks of 32 share a scale of 8 bits (OCP Microscaling Formats
v1.0), those of NVFP4 are of 16."""
ROW_BYTES = 4.0
LOGIT_WORDS = 1.5
"""Of 32 bits for each logit: it in 16 bits, and its share in the softmax, which its gradient then replaces."""


@dataclass(frozen=True)
class PerToken:
    """Bytes that a layer keeps of one token: ``whole`` on every tensor-parallel rank unless they share the sequence,
    ``cut`` among them in any case; ``cheap_whole`` and ``cheap_cut`` those of them that are cheap to compute again; and
    the layer's ``input``."""

    whole: float
    cut: float
    cheap_whole: float
    cheap_cut: float
    input: float

    def on(self, spread: Spread, recipe: Recipe) -> float:
        """Of a GPU, for a token of its ranks."""
        shared = spread.tensor if spread.sequence_parallel else 1
        if recipe.recompute == "full":
            return self.input / shared
        if recipe.recompute == "selective":
            return (self.whole - self.cheap_whole) / shared + (self.cut - self.cheap_cut) / spread.tensor
        return self.whole / shared + self.cut / spread.tensor


def value_bytes(precision: TrainingPrecision) -> float:
    """B of a value between kernels: 16 bits, or 32 where arithmetic has them."""
    return 4.0 if precision in ("fp32", "tf32") else 2.0


def in_flight(spread: Spread, micro_batches: int, stage: Stage) -> float:
    """Micro-batches whose activations a stage holds at once, each of all of its layers.

    One forward, one backward: as many as there are stages behind, itself included. Interleaved, the first holds
    p v + p - 1 chunks of 1 / v of its layers (arXiv:2205.05198, section 4.2.3), each further one two fewer.
    """
    p, v = spread.pipeline, spread.chunks
    rank = {"first": 0, "second": 1, "last": p - 1}[stage]
    if v == 1:
        return float(min(micro_batches, p - rank))
    return min(micro_batches * v, p * (v - 1) + 2 * (p - rank) - 1) / v


def activation_bytes(
    architecture: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, stage: Stage, held: Held
) -> float:
    """B of one GPU of a stage at its fullest."""
    tokens = recipe.micro_batch * recipe.sequence / spread.context
    dense, sparse = per_token(architecture, recipe, experts=False), per_token(architecture, recipe, experts=True)
    kept = (held.layers - held.moe_layers) * dense.on(spread, recipe) + held.moe_layers * sparse.on(spread, recipe)
    ends = stage == "last" or spread.pipeline == 1
    found = tokens * kept * in_flight(spread, recipe.micro_batches(spread), stage)
    if recipe.recompute == "full":
        worked = sparse if held.moe_layers else dense
        shared = spread.tensor if spread.sequence_parallel else 1
        found += tokens * (worked.whole / shared + worked.cut / spread.tensor)
    if ends:
        word = value_bytes(recipe.precision)
        final = 2 * word * architecture.hidden / (spread.tensor if spread.sequence_parallel else 1)
        logits = LOGIT_WORDS * 4.0 * architecture.vocabulary / spread.tensor
        found += (1 + recipe.mtp_modules) * tokens * (final + logits)
        if recipe.mtp_modules and isinstance(architecture, Transformer):
            module = per_token(predictor(architecture), recipe, experts=architecture.moe is not None)
            joined = 3 * word * architecture.hidden / (spread.tensor if spread.sequence_parallel else 1)
            found += recipe.mtp_modules * tokens * (module.on(spread, recipe) + joined)
    return found


def per_token(architecture: Transformer | ParameterCounts, recipe: Recipe, *, experts: bool) -> PerToken:
    """What a layer keeps of a token, with a dense network or with experts."""
    a, word, kept = architecture, value_bytes(recipe.precision), KEPT_BYTES[recipe.precision]
    norms, inputs = (a.norms, a.parts / a.layers) if isinstance(a, Transformer) else (2, 2.0)
    mixed = _mixing(a, word, kept)
    network = _experts(a, word, kept) if experts else _network(a, word, kept)
    return PerToken(
        whole=norms * word * a.hidden + inputs * kept * a.hidden,
        cut=mixed[0] + network[0],
        cheap_whole=inputs * kept * a.hidden,
        cheap_cut=mixed[1] + network[1],
        input=word * a.hidden,
    )


def _mixing(a: Transformer | ParameterCounts, word: float, kept: float) -> tuple[float, float]:
    """Bytes of queries, keys, values, states and results in the mean layer, and those cheap to compute again."""
    layers = training_layers(a)
    latent = isinstance(a, Transformer) and a.latent is not None
    found = cheap = 0.0
    for part in layers.attentions:
        rows = ROW_BYTES * part.heads
        taken = word * (part.heads * part.head_dim + part.kv_heads * (part.head_dim + part.value_dim))
        results = part.heads * part.value_dim
        again = 0.0 if kept == word else kept * results  # a result is the next product's input, in another precision
        found += part.layers * (rows + taken + word * results + again)
        cheap += part.layers * (rows + again + (taken if latent else 0.0))
    if isinstance(a, Transformer):
        if a.latent is not None:
            narrow = (a.latent.q_lora_rank or 0) + a.latent.kv_lora_rank + a.latent.rope_head_dim
            found += a.attending * (word + kept) * narrow
            cheap += a.attending * kept * narrow
        if a.gated_attention:
            found += a.attending * word * a.heads * a.head_dim
    for state in layers.recurrences:
        values = state.values * state.state_bytes / PROMPT_CHUNK[state.form]
        found += state.layers * (word * state.moved_values + values + kept * state.heads * state.value_dim)
    return found / a.layers, cheap / a.layers


def _network(a: Transformer | ParameterCounts, word: float, kept: float) -> tuple[float, float]:
    if isinstance(a, Transformer):
        found, cheap = _hidden(a.ffn or 0, gated=a.gated_ffn, word=word, kept=kept)
        return dense_networks(a) * found, dense_networks(a) * cheap
    width = max((p.k for p in layers_of(a).products if p.split == "rows"), default=0)
    return _hidden(width, gated=True, word=word, kept=kept)


def _experts(a: Transformer | ParameterCounts, word: float, kept: float) -> tuple[float, float]:
    """Tokens as they are sent to experts, and what those keep; shared ones beside. Results are weighed before an
    expert's last product, so that it keeps none."""
    whole = shape(a)
    gated = a.gated_ffn if isinstance(a, Transformer) else True
    each, cheap = _hidden(whole.expert_width, gated=gated, word=word, kept=kept)
    shared = a.moe.shared_ffn if isinstance(a, Transformer) and a.moe is not None else 0
    beside, cheap_beside = _hidden(shared, gated=gated, word=word, kept=kept)
    asked = whole.experts_per_token
    return asked * (kept * a.hidden + each) + beside, asked * cheap + cheap_beside


def _hidden(width: int, *, gated: bool, word: float, kept: float) -> tuple[float, float]:
    """Of a feed-forward network: what its non-linearity takes and what the second product takes, which is cheap."""
    return (2 if gated else 1) * word * width + kept * width, kept * width
