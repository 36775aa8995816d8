"""Memory of a training job: weights, gradients, optimizer and activations of one GPU, and whether they fit.

Weights, their gradients and the optimizer's copies are shared out among data-parallel ranks as ZeRO's stages say
(Rajbhandari et al., arXiv:1910.02054, section 5); experts among the ranks that hold the same ones. What is shared out
is gathered a layer at a time, one ahead of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.training.activations import activation_bytes, value_bytes
from sim.training.parameters import Held, Stage, held
from sim.training.ranks import sharers
from sim.training.terms import Recipe, Spread, TrainingPrecision

WEIGHT_BYTES: dict[TrainingPrecision, float] = {
    "fp32": 4.0,
    "tf32": 4.0,
    "bf16": 2.0,
    "fp8": 2.0,
    "mxfp8": 2.0 + 2.0 / 32.0,
    "nvfp4": 2.0 + 2.0 * (0.5 + 1.0 / 16.0),
}
"""B of a weight as it is computed with. In 8 bits it is kept by rows and by columns, for the products of the forward
and of the backward pass, and in 16 bits no more; in NVFP4 both beside the 16 bits."""
GATHERED_LAYERS = 2
"""One at work, and the next."""
RESERVED = 0.06
"""Of a GPU's memory: the driver's context, buffers of collectives, workspaces, and what an allocator cannot use."""


@dataclass(frozen=True)
class Memory:
    """B of one GPU, of the stage that needs most; ``host`` is beside it, in the host's memory."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    host: float = 0.0

    @property
    def total(self) -> float:
        """On the GPU."""
        return self.weights + self.gradients + self.optimizer + self.activations

    def arithmetic(self) -> str:
        """The sum in words, in GB."""
        parts = ("weights", "gradients", "optimizer", "activations")
        return " + ".join(f"{name} {getattr(self, name) / 1e9:.1f}" for name in parts) + f" = {self.total / 1e9:.1f} GB"


def memory_bytes(architecture: Transformer | ParameterCounts, recipe: Recipe, spread: Spread) -> Memory:
    """What a layout needs of each GPU, on the stage that needs most."""
    stages: tuple[Stage, ...] = ("first", "last") if spread.pipeline > 1 else ("first",)
    if spread.pipeline > len(stages):
        stages = (*stages, "second")
    return max((_of_stage(architecture, recipe, spread, stage) for stage in stages), key=lambda found: found.total)


def usable_bytes(memory_bytes: float) -> float:
    """What a job can fill of a GPU's memory."""
    return memory_bytes * (1.0 - RESERVED)


def _of_stage(a: Transformer | ParameterCounts, recipe: Recipe, spread: Spread, stage: Stage) -> Memory:
    found = held(a, spread, recipe, stage)
    activations = activation_bytes(a, spread, recipe, stage, found)
    return _shared_out(found, recipe, spread, activations)


def _shared_out(found: Held, recipe: Recipe, spread: Spread, activations: float) -> Memory:
    ranks, holders = sharers(spread)

    def each(dense: float, experts: float, *, shared: bool) -> float:
        return dense / ranks + experts / holders if shared else dense + experts

    stage = ("none", "optimizer", "gradients", "parameters").index(spread.shard)
    trained = (found.shared, found.experts) if recipe.lora_rank is None else (found.adapters, 0.0)
    gathered = max(found.layer, found.head)
    weights = each(found.shared, found.experts, shared=stage >= 3)
    weights += min(GATHERED_LAYERS * gathered, found.total - weights)  # what is not shared out is not gathered
    weights *= WEIGHT_BYTES[recipe.precision]
    gradients = recipe.gradient_bytes * each(*trained, shared=stage >= 2)
    elsewhere = sum(trained) - each(*trained, shared=stage >= 2)
    gradients += value_bytes(recipe.precision) * min(gathered, elsewhere)
    optimizer = (recipe.master_bytes + recipe.moment_bytes) * each(*trained, shared=stage >= 1)
    adapters = value_bytes(recipe.precision) * (found.adapters if recipe.lora_rank is not None else 0.0)
    host = 0.0
    if recipe.offload != "none":
        host, optimizer = optimizer, 0.0
    if recipe.offload == "parameters":
        kept = WEIGHT_BYTES[recipe.precision] * each(found.shared, found.experts, shared=True)
        host, weights = host + kept, weights - kept
    return Memory(weights + adapters, gradients, optimizer, activations, host)
