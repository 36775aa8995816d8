"""A training job by its model: what is trained, in which steps, and how it lies on the gang."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.later import later
from sim.training.terms import Recompute, Shard, TrainingPrecision
from sim.validation import Spec, mapping_or

with later():
    from sim.spec.compression import Pruning
    from sim.spec.serving import ModelChoice
    from sim.training.terms import Recipe, Spread


Degree = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Count = Annotated[int, Field(ge=1, le=10**9, strict=True)]
WORD_BYTES = {"fp32": 4.0, "bf16": 2.0, "int8": 1.0, "fp8": 1.0, "none": 0.0}
MOMENTS = {"adam": 2, "lion": 1, "momentum": 1, "muon": 1, "sgd": 0}
"""Values that an optimizer keeps of each parameter beside it."""


class Optimizer(Spec):
    """What is kept of a parameter beside the weight that is computed with. As published for mixed precision, all is in
    32 bits (Micikevicius et al., arXiv:1710.03740; Rajbhandari et al., arXiv:1910.02054, section 3.1).

    ``master`` is the copy that updates are added to, where weights are narrower; ``gradients`` are summed in so many
    bits, and reduced between GPUs so.
    """

    name: Literal["adam", "lion", "momentum", "muon", "sgd"]
    moments: Literal["fp32", "bf16", "fp8", "int8"] = "fp32"
    master: Literal["fp32", "bf16", "none"] = "fp32"
    gradients: Literal["fp32", "bf16"] = "fp32"

    @property
    def moment_bytes(self) -> float:
        """B a parameter."""
        return MOMENTS[self.name] * WORD_BYTES[self.moments]


OptimizerChoice = Annotated[
    Annotated[Literal["adam", "lion", "momentum", "muon", "sgd"], Tag("@word")] | Annotated[Optimizer, Tag("@mapping")],
    mapping_or("@word"),
]


class Parallel(Spec):
    """How the model and its batch are spread over the gang, whose GPUs are data x tensor x pipeline x context.

    ``data`` follows from the others where it is left out. A pipeline's stages hold ``chunks`` of the model each
    (virtual stages, interleaved); ``expert`` x ``expert_tensor`` of the other ranks share out the experts. With
    ``sequence``, tensor-parallel ranks share what lies between their products. ``shard`` is what data-parallel ranks
    share out (ZeRO stages 1, 2 and 3; the last is FSDP), over all of them or over ``shard_gpus``. ``uneven``:
    stages may differ by a layer, where these do not divide; the fullest then paces the others.
    """

    data: Degree | None = None
    tensor: Degree = 1
    pipeline: Degree = 1
    chunks: Degree = 1
    context: Degree = 1
    expert: Degree = 1
    expert_tensor: Degree = 1
    sequence: bool = False
    shard: Shard = "none"
    shard_gpus: Degree | None = None
    uneven: bool = False

    def spread(self, gpus: int) -> Spread:
        """Over a gang of ``gpus``; where they are no multiple of the rest, ``data`` is too small, and that is told."""
        each = self.tensor * self.pipeline * self.context
        return Spread(
            data=self.data if self.data is not None else max(1, gpus // each),
            tensor=self.tensor,
            pipeline=self.pipeline,
            context=self.context,
            expert=self.expert,
            expert_tensor=self.expert_tensor,
            chunks=self.chunks,
            shard=self.shard,
            shard_gpus=self.shard_gpus or 0,
            sequence_parallel=self.sequence,
        )


class Adapters(Spec):
    """Low-rank adapters beside all matrices of layers but routers; everything else is frozen (LoRA,
    arXiv:2106.09685)."""

    rank: Degree


class Loading(Spec):
    """What loaders deliver to the whole gang; a step that needs more tokens in its time waits for them."""

    tokens_per_second: float = Field(gt=0, le=1e15)


class Evaluation(Spec):
    """After every ``every`` steps, ``tokens`` pass forward through the model."""

    every: Count
    tokens: int = Field(ge=1, le=10**15, strict=True)


class ModelWork(Spec):
    """Work given as the training of a model: its time, power and memory follow from model, layout, hardware and stack.

    ``precision`` is that of the products. ``recompute``: what the backward pass computes again instead of keeping it
    (``selective``: attention; ``full``: layers). ``offload`` keeps that on the host. ``as_of`` is the year of the
    stack's release that runs, where it is an older one.
    """

    kind: Literal["model"]
    model: ModelChoice
    stack: str = Field(description="A profile of kind 'training-stack', e.g. megatron-2026.")
    as_of: float | None = Field(
        default=None,
        ge=2015.0,
        le=2100.0,
        description="Year of the stack's release that runs; the stack's own, if absent.",
    )
    precision: TrainingPrecision
    pruning: Pruning | None = Field(default=None, description="What is taken out of the model beforehand.")
    sequence: Count = Field(description="Tokens of a sequence.")
    global_batch: Count = Field(description="Sequences of a step.")
    micro_batch: Count = Field(description="Sequences that a rank computes at a time.")
    gradient_accumulation: Count | None = Field(
        default=None, description="Micro-batches of a step; follows from the others, and is checked if given."
    )
    steps: int | None = Field(default=None, ge=1, le=10**12, strict=True)
    tokens: float | None = Field(default=None, gt=0, le=1e18, description="To train on, in place of 'steps'.")
    parallel: Parallel = Field(default_factory=Parallel)
    recompute: Recompute
    offload: Literal["none", "optimizer", "parameters"] = "none"
    optimizer: OptimizerChoice
    lora: Adapters | None = None
    mtp_modules: int = Field(default=0, ge=0, le=16, strict=True, description="That predict further tokens.")
    loading: Loading | None = Field(default=None, description="Loaders that may be too slow; never, if absent.")
    evaluation: Evaluation | None = None

    @model_validator(mode="after")
    def _one_length(self) -> ModelWork:
        if (self.steps is None) == (self.tokens is None):
            raise PydanticCustomError("work", "needs either 'steps' or 'tokens'")
        return self

    @property
    def model_profile(self) -> str | None:
        """The profile of its model; None where its architecture is written out."""
        return self.model if isinstance(self.model, str) else None

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of those of its stack and its model."""
        return (self.stack,) if self.model_profile is None else (self.stack, self.model_profile)

    @property
    def kept(self) -> Optimizer:
        """What its optimizer keeps."""
        return self.optimizer if isinstance(self.optimizer, Optimizer) else Optimizer(name=self.optimizer)

    @property
    def recipe(self) -> Recipe:
        """One step."""
        kept, wide = self.kept, self.precision in ("fp32", "tf32")
        return Recipe(
            sequence=self.sequence,
            global_batch=self.global_batch,
            micro_batch=self.micro_batch,
            precision=self.precision,
            recompute=self.recompute,
            lora_rank=self.lora.rank if self.lora is not None else None,
            offload=self.offload,
            gradient_bytes=WORD_BYTES[kept.gradients],
            master_bytes=0.0 if wide else WORD_BYTES[kept.master],
            moment_bytes=kept.moment_bytes,
            mtp_modules=self.mtp_modules,
        )

    @property
    def whole_steps(self) -> int:
        """Steps to take; those that train on at least the tokens that are asked for."""
        if self.steps is not None:
            return self.steps
        assert self.tokens is not None
        return max(1, -int(-self.tokens // (self.sequence * self.global_batch)))
