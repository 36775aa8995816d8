"""Whose parameters lie on which GPU: those of a pipeline stage, cut by tensor and expert parallelism.

Layers are counted in the mean of the model's (a stage of a hybrid model has its share of either kind), but dense layers
in front of a mixture's stay in front: the first stage has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.profiles.language_models.layers import Layers, layers_of
from sim.profiles.language_models.model import shape
from sim.training.flops import adapters_of, predictor, training_layers
from sim.training.layout import stage_slots
from sim.training.terms import Recipe, Spread

Stage = Literal["first", "second", "last"]
"""Of a pipeline: the first holds most activations and the embedding, the last head and logits, and the second most
layers with experts, where the first has dense ones. One stage is first and last."""


@dataclass(frozen=True)
class Held:
    """Parameters of one GPU before data-parallel ranks share any: ``dense`` of layers, routers and shared experts,
    ``experts`` the routed ones, ``embedding`` and ``head`` where the stage has them, ``adapters`` beside frozen ones.
    ``layer`` is the largest of its layers, whole as it is gathered; ``layers`` and ``moe_layers`` say how many."""

    dense: float
    experts: float
    embedding: float
    head: float
    adapters: float
    layer: float
    layers: int
    moe_layers: int

    @property
    def shared(self) -> float:
        """All but routed experts: those that every data-parallel rank of the stage has a copy of."""
        return self.dense + self.embedding + self.head

    @property
    def total(self) -> float:
        """Of the model itself, without adapters."""
        return self.shared + self.experts


@dataclass(frozen=True)
class _Layer:
    """Parameters of one GPU in a layer: what mixes tokens with its norms, a dense network, a mixture's router and
    shared experts, its routed experts, and adapters."""

    mixing: float
    network: float
    shared: float
    experts: float


def stage_layers(
    architecture: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, stage: Stage
) -> tuple[int, int]:
    """Layers of a stage (without modules that predict further tokens), and how many of them have experts."""
    moe = shape(architecture).moe_layers
    if spread.pipeline == 1:
        return architecture.layers, moe
    slots, spare = stage_slots(architecture.layers, spread, recipe.mtp_modules)
    counted = slots * spread.chunks
    if stage == "first":
        layers = min(architecture.layers, counted - (1 if spare == 2 else 0))
        return layers, max(0, min(moe, layers - (architecture.layers - moe)))
    if stage == "second":
        dense = max(0, architecture.layers - moe - slots + (1 if spare == 2 else 0))
        return counted, max(0, min(moe, counted - min(dense, slots)))
    layers = max(1, counted - recipe.mtp_modules - (1 if spare else 0))
    return layers, min(layers, moe)


def held(architecture: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, stage: Stage) -> Held:
    """Parameters of a GPU of a stage."""
    layers, moe = stage_layers(architecture, spread, recipe, stage)
    each = _layer(architecture, spread)
    dense = layers * each.mixing + (layers - moe) * each.network + moe * each.shared
    experts = moe * each.experts
    ends = stage == "last" or spread.pipeline == 1
    if ends and recipe.mtp_modules and isinstance(architecture, Transformer):
        module = _layer(predictor(architecture), spread)
        more = module.mixing + (module.shared if module.experts else module.network)
        dense += recipe.mtp_modules * (more + 2 * architecture.hidden**2 / spread.tensor)
        experts += recipe.mtp_modules * module.experts
    words = architecture.vocabulary * architecture.hidden / spread.tensor
    starts = stage == "first" or spread.pipeline == 1
    tied = isinstance(architecture, Transformer) and architecture.tied_embeddings
    positions = architecture.positions * architecture.hidden if isinstance(architecture, Transformer) else 0
    return Held(
        dense=dense,
        experts=experts,
        embedding=(0.0 if tied and ends else words) + positions if starts else 0.0,
        head=words if ends else 0.0,
        adapters=_adapters(architecture, spread, recipe, layers, moe),
        layer=each.mixing + max(each.network if layers > moe else 0.0, (each.shared + each.experts) if moe else 0.0),
        layers=layers,
        moe_layers=moe,
    )


def _layer(a: Transformer | ParameterCounts, spread: Spread) -> _Layer:
    whole = shape(a)
    network = shared = 0.0
    if isinstance(a, Transformer):
        matrices = 3 if a.gated_ffn else 2
        network = dense_networks(a) * matrices * a.hidden * (a.ffn or 0) / spread.tensor
        if a.moe is not None:
            router = a.hidden * (a.moe.experts + (1 if a.moe.shared_gate else 0))
            shared = router + matrices * a.hidden * a.moe.shared_ffn / spread.tensor
        mixers = layers_of(a.model_copy(update={"moe": None, "ffn": None}))
    else:
        mixers = layers_of(a)
    head = a.vocabulary * a.hidden
    multiplied = mixers.on(spread.tensor).multiplied - _head_on(mixers, head, spread.tensor)
    small = whole.resident_parameters - layers_of(a).multiplied
    moe, experts = whole.moe_layers, 0.0
    if moe:
        experts = whole.experts / spread.expert * whole.expert_parameters / spread.expert_tensor
    return _Layer((multiplied + small) / a.layers, network, shared, experts)


def dense_networks(a: Transformer) -> float:
    """Dense feed-forward networks for each layer that has no experts: fewer than one where some layers have none."""
    moe = shape(a).moe_layers
    return (a.networks - moe) / (a.layers - moe) if a.layers > moe else 0.0


def _head_on(layers: Layers, head: int, tensor: int) -> int:
    """Weights of the output head on a GPU; it is the last product there is."""
    last = layers.products[-1]
    assert last.n * last.k == head
    cut = last.on(tensor)
    return cut.n * cut.k


def _adapters(a: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, layers: int, moe: int) -> float:
    """Of a GPU: a pair of thin matrices beside each of the layers' own, cut as those are on their wide side."""
    if recipe.lora_rank is None:
        return 0.0
    kernels = training_layers(a)
    carrying = adapters_of(kernels, (a.vocabulary, a.hidden))
    found = float(sum(p.count * recipe.lora_rank * (p.on(spread.tensor).n + p.on(spread.tensor).k) for p in carrying))
    found *= layers / a.layers
    m = kernels.mixture
    if m is not None:
        each = m.matrices * recipe.lora_rank * (m.hidden + m.width / spread.expert_tensor)
        found += moe * m.experts / spread.expert * each
    return found
