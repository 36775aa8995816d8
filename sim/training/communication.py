"""Collectives of a training step: what each kind of parallelism sends, how long it takes, and what of it shows.

Tensor-parallel ranks gather and scatter activations around every layer's products (Korthikanti et al.,
arXiv:2205.05198, section 4.2.2), or sum them (Shoeybi et al., arXiv:1909.08053); context-parallel ones pass keys and
values around a ring behind attention (Liu et al., arXiv:2310.01889). Experts' tokens go out and come back forward and
backward, each copy of a token on its own. Data-parallel ranks sum gradients behind the backward pass of the last
micro-batch and gather parameters behind the first forward one; fully sharded ones gather and scatter for every
micro-batch (Rajbhandari et al., arXiv:1910.02054; Zhao et al., arXiv:2304.11277). A collective behind computation that
is shorter than itself shows the rest; behind a longer one, a share of it shows all the same (``TrainingStack``).
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.language_models.architecture import Transformer
from sim.training.collectives import Cost, Kind, cost
from sim.training.parameters import Held
from sim.training.protocols import Library
from sim.training.ranks import groups_of
from sim.training.reach import Reach
from sim.training.tensors import Tensors
from sim.training.terms import Recipe, Spread
from sim.training.topology import Topology
from sim.training.work import Architecture, Work, tokens_of

VALUE_BYTES = 2.0
HIDING = 0.8
"""Of a computation, the part behind which a collective can run: what has no follower yet hides nothing."""


@dataclass(frozen=True)
class Carried:
    """What one purpose's collectives take: ``seconds`` in all, B that a GPU sends over each fabric."""

    seconds: float = 0.0
    link_byte: float = 0.0
    network_byte: float = 0.0

    def __add__(self, other: Carried) -> Carried:
        """One after the other."""
        return Carried(
            self.seconds + other.seconds, self.link_byte + other.link_byte, self.network_byte + other.network_byte
        )

    def __mul__(self, times: float) -> Carried:
        """As many."""
        return Carried(self.seconds * times, self.link_byte * times, self.network_byte * times)


@dataclass(frozen=True)
class Groups:
    """The groups of a layout on its topology, in Megatron's order of ranks: tensor, context, data, pipeline.

    ``data`` are the ranks that share states out, all of a stage or as many as hybrid sharding says; ``replicas`` those
    that hold the same share; both again for experts.
    """

    tensor: Reach
    context: Reach
    data: Reach
    replicas: Reach
    expert: Reach
    expert_data: Reach
    expert_replicas: Reach
    pipeline: Reach

    @classmethod
    def of(cls, spread: Spread, topology: Topology) -> Groups:
        """Those of ``spread``: experts lie on neighbouring ranks of a stage."""
        return cls(**{purpose: topology.reach(*ranks) for purpose, ranks in groups_of(spread).items()})


def _carried(kind: Kind, byte: float, reach: Reach, library: Library) -> Carried:
    found: Cost = cost(kind, byte, reach, library)
    return Carried(found.seconds, found.link_byte, found.network_byte)


def tensor_parallel(
    architecture: Architecture, spread: Spread, recipe: Recipe, groups: Groups, library: Library
) -> Carried:
    """Of a micro-batch of the whole model."""
    if spread.tensor == 1:
        return Carried()
    tokens, _ = tokens_of(spread, recipe)
    byte = tokens * architecture.hidden * VALUE_BYTES
    blocks = _blocks(architecture) + 2 * recipe.mtp_modules
    again = 1.0 if recipe.recompute == "full" else 0.0
    if not spread.sequence_parallel:
        return _carried("all-reduce", byte, groups.tensor, library) * (blocks * (2.0 + again))
    # Forward a gather and a scatter, backward as many, and the input's gather anew for the gradient of the weights.
    gathers = 3.0 if recipe.lora_rank is None else 2.0
    gathered = _carried("all-gather", byte, groups.tensor, library) * (blocks * (gathers + again))
    return gathered + _carried("reduce-scatter", byte, groups.tensor, library) * (blocks * (2.0 + again))


def _blocks(architecture: Architecture) -> float:
    """Parts of layers with tensor-parallel products: mixers, and networks that are dense or have shared experts."""
    if not isinstance(architecture, Transformer):
        return 2.0 * architecture.layers
    mixers = architecture.parts - architecture.networks
    if architecture.moe is None:
        return float(mixers + architecture.networks)
    shared = architecture.networks - architecture.moe.dense_layers if architecture.moe.shared_ffn else 0
    return float(mixers + architecture.moe.dense_layers + shared)


def context_parallel(
    architecture: Architecture, spread: Spread, recipe: Recipe, groups: Groups, library: Library
) -> Carried:
    """Of a micro-batch of the whole model: keys and values once around forward, and with their gradients backward."""
    if spread.context == 1:
        return Carried()
    tokens, _ = tokens_of(spread, recipe)
    attending = architecture.attending if isinstance(architecture, Transformer) else architecture.layers
    byte = tokens * 2.0 * max(1.0, architecture.kv_heads / spread.tensor) * architecture.head_dim * VALUE_BYTES
    rounds = (spread.context - 1) * (3.0 + (1.0 if recipe.recompute != "none" else 0.0))
    return _carried("point-to-point", byte, groups.context, library) * (attending * rounds)


def expert_parallel(
    architecture: Architecture, work: Work, spread: Spread, recipe: Recipe, groups: Groups, library: Library
) -> Carried:
    """Of a micro-batch of the whole model: out and back, forward and backward."""
    if spread.expert == 1 or not work.expert_layers:
        return Carried()
    _, tokens = tokens_of(spread, recipe)
    asked = _asked(architecture)
    byte = tokens * asked * architecture.hidden * VALUE_BYTES
    again = 2.0 if recipe.recompute == "full" else 0.0
    return _carried("all-to-all", byte, groups.expert, library) * (work.expert_layers * (4.0 + again))


def _asked(architecture: Architecture) -> int:
    if isinstance(architecture, Transformer):
        return architecture.moe.experts_per_token if architecture.moe is not None else 0
    return architecture.experts_per_token or 0


def pipeline_parallel(
    architecture: Architecture, spread: Spread, recipe: Recipe, groups: Groups, library: Library
) -> Carried:
    """Of a micro-batch on one stage: activations on, and gradients back, for each of its chunks."""
    if spread.pipeline == 1:
        return Carried()
    _, tokens = tokens_of(spread, recipe)
    byte = tokens * architecture.hidden * VALUE_BYTES
    return _carried("point-to-point", byte, groups.pipeline, library) * (2.0 * spread.chunks)


def data_parallel(
    own: Held, spread: Spread, recipe: Recipe, groups: Groups, library: Library, shared_out: Tensors
) -> Carried:
    """Of a step of one stage. Where parameters are shared out it is layer by layer, for every micro-batch."""
    dense, experts = own.shared, own.experts
    if recipe.lora_rank is not None and spread.shard != "parameters":
        dense, experts = own.adapters, 0.0
    found = Carried()
    for parameters, reach in ((dense, groups.data), (experts, groups.expert_data)):
        if reach.gpus > 1 and parameters:
            found = found + _summed(parameters, own.layers, reach, spread, recipe, library, shared_out)
    trained = (dense, experts) if recipe.lora_rank is None else (own.adapters, 0.0)
    held = ((groups.data, groups.replicas), (groups.expert_data, groups.expert_replicas))
    for parameters, (sharing, replicas) in zip(trained, held, strict=True):
        if replicas.gpus > 1 and parameters:
            share = parameters * recipe.gradient_bytes / sharing.gpus
            found = found + _carried("all-reduce", share, replicas, library)
    return found


def _summed(
    parameters: float,
    layers: int,
    reach: Reach,
    spread: Spread,
    recipe: Recipe,
    library: Library,
    shared_out: Tensors,
) -> Carried:
    """Gradients of so many ``parameters``, and what is gathered of these."""
    if spread.shard == "none":
        return _carried("all-reduce", parameters * recipe.gradient_bytes, reach, library)
    if spread.shard == "parameters":
        return _gathered(parameters / layers, reach, recipe, library, shared_out, recipe.micro_batches(spread)) * layers
    each = parameters / layers
    gathered = _carried("all-gather", each * VALUE_BYTES, reach, library) * layers
    scattered = _carried("reduce-scatter", each * recipe.gradient_bytes, reach, library) * layers
    return gathered + (scattered if recipe.lora_rank is None else Carried())


def _gathered(
    layer: float, reach: Reach, recipe: Recipe, library: Library, shared_out: Tensors, micro_batches: int
) -> Carried:
    """A step of a layer of so many parameters, which its ranks share out; a vector is as long as a matrix is wide."""
    matrix, matrices = layer / shared_out.matrices, shared_out.matrices
    gathers = shared_out.gathers(layer, recomputed=recipe.recompute == "full")
    sent = _carried("all-gather", matrix * VALUE_BYTES, reach, library) * (gathers * matrices)
    trained = recipe.lora_rank is None
    if trained:
        sent = sent + _carried("reduce-scatter", matrix * recipe.gradient_bytes, reach, library) * matrices
        vector = matrix**0.5 * recipe.gradient_bytes
        sent = sent + _carried("reduce-scatter", vector, reach, library) * shared_out.vectors
    return sent * micro_batches + Carried(shared_out.handled_s(reach.gpus, gathers, micro_batches, trained=trained))


def exposed_behind(carried_s: float, hiding_s: float, share: float) -> float:
    """What shows, s, of collectives behind a computation of ``hiding_s``: what is longer, and at least a ``share``."""
    return max(share * carried_s, carried_s - HIDING * hiding_s)
