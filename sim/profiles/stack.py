"""Serving stacks: what the software makes of the hardware, as coefficients of an iteration's cost.

The same model on the same GPU takes 27 to 45 % less energy a token one release of a stack later (ML.ENERGY v3 against
v2), so the stack is an input of its own, with its version in its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Profile, Sourced, SourcedByteRate, SourcedDuration
from sim.quantities import Fraction, PositiveFraction
from sim.validation import Spec

SourcedFraction = Sourced[PositiveFraction]
SourcedShare = Sourced[Annotated[float, Field(gt=0.0, le=20.0)]]
SourcedRows = Sourced[Annotated[int, Field(ge=1, le=10**9, strict=True)]]
SourcedTokens = Sourced[Annotated[float, Field(ge=0.0, le=1e9)]]
Weights = Literal["bf16", "fp16", "fp8", "int8", "int4", "mxfp4", "nvfp4"]


class TunedShape(Spec):
    """A shape of experts whose tiles the stack's authors tuned on a GPU: experts that one GPU holds and their width
    (of one GPU's slice, where they are sliced)."""

    experts: Annotated[int, Field(ge=1, le=10**9, strict=True)]
    width: Annotated[int, Field(ge=1, le=10**9, strict=True)]
    weights: Weights
    gpu: str
    source: str


class ExpertTiles(Spec):
    """Tiles of a kernel, as ``profiles.terms.Tiles`` explains them.

    Shapes in ``tuned`` have ``tuned_until`` for ``few_until``, and no ``issue``.
    """

    few: SourcedRows
    few_until: SourcedTokens
    many: SourcedRows
    issue: SourcedTokens
    tuned_until: SourcedTokens
    tuned: list[TunedShape] = Field(default_factory=list)


class QuantisedKernels(Spec):
    """What kernels for weights of one precision achieve, where that is not what the stack's others do: for experts,
    and what quantising activations adds to every layer, within a graph (and its power, relative to waiting) and when
    launched one by one. ``tiles: large`` are always large unless tuned; ``none`` are for kernels that use no tiles."""

    expert_efficiency: SourcedFraction
    expert_power: SourcedShare
    expert_floor: Sourced[Fraction] | None = None
    layer: SourcedDuration | None = None
    layer_power: SourcedShare | None = None
    launch: SourcedDuration | None = None
    tiles: Literal["as-other-weights", "large", "none"] = "as-other-weights"


class StackProfile(Profile):
    """Coefficients of a stack, as ``profiles.terms`` explains them; one that is left out is without effect."""

    kind: Literal["stack"]
    compute_efficiency: SourcedFraction
    memory_efficiency: SourcedFraction
    expert_efficiency: SourcedFraction
    link_efficiency: SourcedFraction
    overlap: Sourced[Fraction]
    iteration: SourcedDuration
    layer: SourcedDuration
    sequence: SourcedDuration
    link_latency: SourcedDuration
    swap_bandwidth: SourcedByteRate
    gpu_memory_utilization: SourcedFraction
    activation_reserve: SourcedFraction
    expert_layer: SourcedDuration | None = None
    launch: SourcedDuration | None = None
    graph_tokens: Sourced[Annotated[int, Field(ge=1, le=10**9, strict=True)]] | None = None
    prompt: SourcedDuration | None = None
    link_latency_per_gpu: SourcedDuration | None = None
    expert_power: SourcedShare | None = None
    expert_imbalance: SourcedShare | None = None
    expert_skew: SourcedShare | None = None
    expert_launch: SourcedDuration | None = None
    routed_passes: Sourced[Annotated[float, Field(ge=0.0, le=1e9)]] | None = None
    context_power: SourcedShare | None = None
    tiles: ExpertTiles | None = None
    quantised: dict[Literal["fp8", "int8", "int4", "mxfp4", "nvfp4"], QuantisedKernels] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _graphs_end_somewhere(self) -> StackProfile:
        if (self.launch is None) != (self.graph_tokens is None):
            raise PydanticCustomError("order", "needs both 'launch' and 'graph_tokens', or neither")
        return self

    def is_tuned(self, experts: int, width: int, weights: str, gpu: str) -> bool:
        """Whether the tiles of experts of this shape, as one GPU holds them, are tuned."""
        shapes = self.tiles.tuned if self.tiles is not None else []
        return any((s.experts, s.width, s.weights, s.gpu) == (experts, width, weights, gpu) for s in shapes)
