"""A model as it is left by what is taken away of it beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.later import later
from sim.profiles.language_models.architecture import Architecture, Transformer
from sim.profiles.language_models.layers import Layers, layers_of
from sim.profiles.language_models.model import ModelShape

with later():
    from sim.profiles.language_models import compression as laws


if TYPE_CHECKING:
    from sim.spec.compression import Compression, Pruning


def left_of(architecture: Architecture, pruning: Pruning | None) -> Architecture:
    """The architecture without what is pruned; as it is, where ``pruning_problem`` speaks against that."""
    if pruning is None or pruning_problem(architecture, pruning) is not None:
        return architecture
    assert isinstance(architecture, Transformer)  # or there would be a problem
    return laws.pruned(
        architecture,
        layers=pruning.layers if pruning.layers is not None else architecture.layers,
        networks=float(pruning.networks) if pruning.networks is not None else 1.0,
        heads=float(pruning.heads) if pruning.heads is not None else 1.0,
    )


def pruning_problem(architecture: Architecture, pruning: Pruning) -> str | None:
    """What speaks against it: layers of several kinds, of which it does not say which go, or more than there are."""
    if not isinstance(architecture, Transformer):
        return "needs the model's layers, of which only the parameters are known"
    several = (architecture.windowed, architecture.moe, architecture.latent, architecture.recurrent)
    if any(part is not None for part in several) or architecture.attending != architecture.networks:
        return "goes with models whose layers are all alike; write out the architecture that is left"
    if pruning.layers is not None and pruning.layers > architecture.layers:
        return f"the model has {architecture.layers} layers, and no more can be left"
    return None


def compressed_layers(architecture: Architecture, compression: Compression | None, bits: float) -> Layers:
    """The kernels of a pruned architecture with its matrices as they are kept, ``bits`` a weight."""
    layers = layers_of(architecture)
    if compression is None:
        return layers
    if compression.rank is not None:
        return laws.factored(layers, compression.rank)
    if compression.sparsity is not None:
        return laws.sparse(layers, bits=bits, rate=compression.sparsity.rate)
    return layers


def compressed_shape(shape: ModelShape, architecture: Architecture, compression: Compression | None) -> ModelShape:
    """The shape of a pruned architecture with its matrices in factors, where they are."""
    if compression is None or compression.rank is None:
        return shape
    return laws.with_factors(shape, laws.saved_by_factors(layers_of(architecture), compression.rank))


def unstored_bytes(architecture: Architecture, compression: Compression | None, bits: float) -> float:
    """B of a model's weights that a sparse one does not keep."""
    if compression is None or compression.sparsity is None:
        return 0.0
    return laws.sparse_weights(layers_of(architecture)) * bits / 8.0 * (1.0 - laws.stored_share(bits))


def compression_problems(architecture: Architecture, compression: Compression) -> list[tuple[str, str]]:
    """What speaks against it: the field below ``compression``, and why."""
    found = []
    if compression.pruning is not None:
        why = pruning_problem(architecture, compression.pruning)
        found += [("pruning", why)] if why is not None else []
    layers = layers_of(left_of(architecture, compression.pruning))
    for name in ("rank", "sparsity"):
        if getattr(compression, name) is not None and layers.mixture is not None:
            found.append((name, "goes with dense models: of experts' matrices in that form nothing is known"))
    if compression.rank is not None and not laws.saved_by_factors(layers, compression.rank):
        found.append(("rank", "leaves no matrix smaller: r must be below n k / (n + k) of one"))
    return found
