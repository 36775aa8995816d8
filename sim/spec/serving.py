"""A serving workload: which model on which GPUs, how it batches, routes and scales, and who asks it what."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.later import later
from sim.profiles.language_models.model import Architecture
from sim.profiles.machines.gpu import Precision as ComputePrecision
from sim.profiles.stacks.serving import Weights
from sim.quantities import (
    ByteRate,
    DevicePower,
    Duration,
    EnergyPerByte,
    Fraction,
    Frequency,
    LookInterval,
    PositiveDuration,
    PositiveFraction,
)
from sim.spec.cluster import Wanted
from sim.spec.provisioning import StartUpOfModel
from sim.spec.steps import Roofline
from sim.spec.work import Workload
from sim.validation import BELOW, LONGEST_NAME, Spec, mapping_or
from sim.workload.routers import Router

with later():
    from sim.spec.compression import Compression
    from sim.spec.requests import Lengths, Prefix, RequestArrivals
    from sim.spec.result_cache import ResultCache
    from sim.spec.steps import StepTime


MOST_REPLICAS = 1_000_000


class InlineModel(Spec):
    """A model that has no profile: its architecture."""

    name: str = Field(default="inline", min_length=1, max_length=LONGEST_NAME)
    architecture: Architecture


ModelChoice = Annotated[Annotated[str, Tag("@word")] | Annotated[InlineModel, Tag("@mapping")], mapping_or("@word")]


class Precisions(Spec):
    """Number formats of weights and KV cache, and of the arithmetic where it is another: int4 and mxfp4 compute in the
    16 bits that the GPU has, nvfp4 in fp4."""

    weights: Weights
    kv: Weights = "bf16"
    compute: ComputePrecision | None = None
    head: Weights | None = Field(
        default=None,
        description="Of embeddings and output head: the weights' format, as MLC keeps them; 16 bits, if absent.",
    )

    @model_validator(mode="after")
    def _head_as_weights(self) -> Precisions:
        if self.head not in (None, "bf16", "fp16", self.weights):
            words = {"weights": self.weights, BELOW: ("head",)}
            raise PydanticCustomError("head", "must be that of the weights ('{weights}'), or 16 bits", words)
        return self

    @property
    def quantises_head(self) -> bool:
        """Whether embeddings and the output head are kept as the other weights are."""
        return self.head == self.weights and self.weights not in ("bf16", "fp16")


class Count(Spec):
    """How many replicas there may be; ``initial`` of them from the start."""

    min: int = Field(ge=0, le=MOST_REPLICAS, strict=True)
    max: int = Field(ge=1, le=MOST_REPLICAS, strict=True)
    initial: int | None = Field(default=None, ge=0, le=MOST_REPLICAS, strict=True)

    @model_validator(mode="after")
    def _ordered(self) -> Count:
        if not self.min <= (self.initial if self.initial is not None else self.min) <= self.max:
            raise PydanticCustomError("order", "needs min <= initial <= max")
        return self


class CapChange(Spec):
    """A power cap of each GPU from ``after`` the start of the run on."""

    after: Duration
    cap: DevicePower


class Replicas(Spec):
    """Equal copies of the model. A replica takes tensor x pipeline x data parallel GPUs.

    ``data_parallel`` spreads the requests of one replica over ranks that share the experts of a mixture; for a dense
    model, raise ``count``.
    """

    pool: str | None = Field(default=None, description="Which pool of nodes; needed where several have GPUs.")
    count: Annotated[
        Annotated[Annotated[int, Field(ge=1, le=MOST_REPLICAS, strict=True)], Tag("@word")]
        | Annotated[Count, Tag("@mapping")],
        mapping_or("@word"),
    ]
    tensor_parallel: int = Field(default=1, ge=1, le=64, strict=True)
    pipeline_parallel: int = Field(default=1, ge=1, le=64, strict=True)
    data_parallel: int = Field(default=1, ge=1, le=256, strict=True)
    expert_parallel: bool = False
    exchange: Literal["gather", "all-to-all"] = Field(
        default="gather",
        description="How data-parallel ranks bring tokens to experts: all to every GPU, or each to the GPUs "
        "of its experts (DeepEP), which needs 'expert_parallel'.",
    )
    power_cap: Annotated[DevicePower | list[CapChange] | None, Field(union_mode="left_to_right")] = None
    clock: Frequency | None = Field(default=None, description="That cores are locked at; the highest, if absent.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Replicas:
        if self.clock is not None and self.power_cap is not None:
            raise PydanticCustomError("clock", "give either 'power_cap' or 'clock': a limit lowers the clock by itself")
        return self

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def range(self) -> Count | None:
        """Between how many replicas there may be; None where their number is fixed."""
        return self.count if isinstance(self.count, Count) else None

    @property
    def most(self) -> int:
        """Replicas there may be at once."""
        return self.count.max if isinstance(self.count, Count) else self.count

    @property
    def cap_changes(self) -> list[CapChange] | None:
        """The changes of the power cap, where it changes."""
        return self.power_cap if isinstance(self.power_cap, list) else None


class Network(Spec):
    """Between nodes: one GPU's bandwidth in one direction, the latency of a message, and the energy of a byte, which is
    booked with the GPU that sends it: of hand-overs on top of what its iterations draw."""

    bandwidth: ByteRate
    latency: Duration
    energy_per_byte: EnergyPerByte


class Batching(Spec):
    """How requests are put together: who is in an iteration.

    ``chunked``: decodes first, then prompts cut to what the token budget leaves (stall-free). ``prioritized``: whole
    prompts in iterations of their own, decodes wait. ``mixed``: whole prompts beside decodes. ``static``: closed
    batches, padded to their longest member, for offline work.
    """

    max_num_seqs: int = Field(ge=1, le=65536, strict=True)
    max_num_batched_tokens: int = Field(ge=1, le=262144, strict=True)
    prefill: Literal["chunked", "prioritized", "mixed", "static"] = "chunked"
    block_tokens: int = Field(default=16, ge=1, le=1024, strict=True)
    watermark: Fraction = Field(
        default="0.01",
        validate_default=True,
        description="Of KV blocks, left free where one is admitted: 1 % in vLLM's first scheduler, 0 in its second.",
    )
    preemption: Literal["recompute", "swap"] = "recompute"
    prefix_cache: bool = False


class Speculative(Spec):
    """``draft_tokens`` are guessed and verified at once; each is accepted with ``acceptance`` if those before it were.

    ``draft_model`` does the guessing on the replica's own GPUs; without one, guessing costs nothing (n-grams).
    """

    draft_tokens: int = Field(ge=1, le=32, strict=True)
    acceptance: PositiveFraction
    draft_model: str | None = None


class Autoscale(Spec):
    """Keeps the load of a replica near ``target``: requests waiting, or the share of its KV blocks in use."""

    on: Literal["queue", "kv"]
    target: float = Field(gt=0, le=1e6)
    interval: LookInterval
    settle: Duration = Field(description="How long fewer must have been wanted before one is taken away.")


class SLO(Spec):
    """Goodput counts the requests that meet every limit stated here."""

    ttft: PositiveDuration | None = None
    tpot: PositiveDuration | None = None
    e2e: PositiveDuration | None = None


class Client(Spec):
    """When a client gives up, and how often it tries again."""

    timeout: PositiveDuration | None = None
    retries: int = Field(default=0, ge=0, le=100, strict=True)
    backoff: PositiveDuration = Field(default="1 s", validate_default=True)


class Serving(Workload):
    """A language model served token by token with continuous batching."""

    counts: ClassVar[tuple[str, ...]] = ("request", "image", "output-token", "user-hour")

    model: ModelChoice
    stack: str = Field(description="A profile of kind 'stack', e.g. vllm-2026.")
    precision: Precisions
    compression: Compression | None = Field(default=None, description="What is taken away of the model beforehand.")
    replicas: Replicas | None = None
    prefill: Replicas | None = Field(default=None, description="With 'decode': a disaggregated deployment.")
    decode: Replicas | None = None
    network: Network | None = Field(default=None, description="Needed where a replica or a hand-over leaves a node.")
    batching: Batching
    speculative: Speculative | None = None
    eager: bool = Field(
        default=False, description="Kernels are launched one by one, and no graphs of them (vLLM's enforce_eager)."
    )
    prompt_work: Duration = Field(
        default="0 s",
        validate_default=True,
        description="Host work for a prompt that holds up its iteration: an image.",
    )
    encoder_work: Duration = Field(
        default="0 s",
        validate_default=True,
        description="What an encoder of images or sounds adds to an iteration with prompts, however many.",
    )
    step_time: StepTime = Field(default_factory=Roofline)
    routing: Router
    queue_limit: int | None = Field(
        default=None, ge=0, le=10**9, strict=True, description="Waiting at one replica; unlimited."
    )
    priorities: int = Field(default=1, ge=1, le=8, strict=True)
    client: Client = Field(default_factory=Client)
    autoscale: Autoscale | None = None
    start_up: StartUpOfModel = Field(default="0 s", validate_default=True)
    slo: SLO | None = None
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while an iteration runs, e.g. 0.1.")
    arrivals: RequestArrivals
    lengths: Lengths | None = None
    prefix: Prefix | None = None
    cache: ResultCache | None = Field(default=None, description="A memo of results that is looked into first.")
    engine: Literal["fast", "reference"] = "fast"

    @model_validator(mode="after")
    def _one_deployment(self) -> Serving:
        split = self.prefill is not None and self.decode is not None
        if (self.replicas is not None) == split or (self.prefill is None) != (self.decode is None):
            raise PydanticCustomError("deployment", "needs either 'replicas', or both 'prefill' and 'decode'")
        return self

    @property
    def groups(self) -> tuple[tuple[str, Replicas], ...]:
        """Its replicas by the name of their field."""
        named = (("replicas", self.replicas), ("prefill", self.prefill), ("decode", self.decode))
        return tuple((name, group) for name, group in named if group is not None)

    @property
    def model_profile(self) -> str | None:
        """The profile of its model; None where its architecture is written out."""
        return self.model if isinstance(self.model, str) else None

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of those of its stack and its models."""
        draft = self.speculative.draft_model if self.speculative is not None else None
        return tuple(name for name in (self.stack, self.model_profile, draft) if name is not None)

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that it names, with its path below the workload."""
        of = {"lengths": self.lengths, "arrivals": self.arrivals, "step_time": self.step_time}
        return tuple(((field, *at), file) for field, part in of.items() if part is not None for at, file in part.files)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """As many replicas of each group as there may be."""
        return tuple(Wanted(name, group.pool, group.most * group.gpus) for name, group in self.groups)
