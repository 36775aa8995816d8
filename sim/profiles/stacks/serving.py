"""Serving stacks: what the software makes of the hardware, as coefficients of an iteration's cost.

The same model on the same GPU takes 27 to 45 % less energy a token one release of a stack later (ML.ENERGY v3 against
v2), so the stack is an input of its own, with its version in its name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.kernels.aligned_experts import Aligned
from sim.profiles.machines.gpu import Generation
from sim.profiles.sourced import Profile, Sourced, SourcedByteRate, SourcedBytes, SourcedDuration
from sim.quantities import PositiveFraction
from sim.validation import LONGEST_NAME, Spec

SourcedFraction = Sourced[PositiveFraction]
SourcedCount = Sourced[Annotated[float, Field(ge=0.0, le=1e7)]]
SourcedPasses = Sourced[Annotated[float, Field(ge=1.0, le=1000.0)]]
SourcedShare = Sourced[Annotated[float, Field(gt=0.0, le=20.0)]]
Weights = Literal["bf16", "fp16", "fp8", "int8", "int4", "mxfp4", "nvfp4"]


class AlignedKernels(Spec):
    """Kernels for which experts' tokens stand in one buffer (``kernels.aligned_experts``), each expert's from a
    multiple of ``rows`` on: achieved fractions of the peaks, and what becomes of rows that no expert asked for."""

    rows: Sourced[Annotated[int, Field(ge=1, le=65536, strict=True)]]
    compute_efficiency: SourcedFraction
    memory_efficiency: SourcedFraction
    unused: Sourced[Literal["multiplied", "skipped"]]


class ExpertKernels(Spec):
    """A mixture's kernels: achieved fractions of the peaks, ``passes`` of what is routed through memory, and ``cycles``
    of the multiprocessors' clock for all they launch; ``crowded`` in place of the stack's ``expert_crowded``. Where
    there are ``aligned`` ones, these are taken."""

    compute_efficiency: SourcedFraction
    memory_efficiency: SourcedFraction
    passes: SourcedCount
    cycles: SourcedCount
    crowded: SourcedShare | None = None
    aligned: AlignedKernels | None = None

    def of_buffers(self) -> Aligned:
        """Of ``aligned`` ones, as the cost of an iteration takes them."""
        own = self.aligned
        if own is None:
            return Aligned()
        compute, memory = float(own.compute_efficiency.value), float(own.memory_efficiency.value)
        return Aligned(float(own.rows.value), compute, memory, float(own.unused.value == "multiplied"))


class QuantisedKernels(Spec):
    """What kernels for weights of one precision achieve, where that is not what the stack's others do, what their
    experts draw, relative to other kernels of the same work, and what quantising activations adds to a mixture's layer
    beside its own kernels, within a graph and when launched one by one. ``tiles: by-rows`` are chosen by the rows
    alone, as kernels do that no library tunes."""

    expert_efficiency: SourcedFraction
    expert_power: SourcedShare
    compute_efficiency: SourcedFraction | None = None
    memory_efficiency: SourcedFraction | None = None
    expert_compute_efficiency: SourcedFraction | None = None
    layer: SourcedDuration | None = None
    expert_crowded: SourcedShare | None = None
    launch: SourcedDuration | None = None
    tiles: Literal["best", "by-rows"] = "best"
    experts: dict[Generation, ExpertKernels] = Field(default_factory=dict)


class TextFrontEnd(Spec):
    """What splits prompts and joins answers beside the engine: s of its one process for a token handed out, and whether
    a server has one for all of its data-parallel ranks or one for each."""

    token: SourcedDuration
    one_for: Sourced[Literal["server", "rank"]]


class StackProfile(Profile):
    """Coefficients of a stack, as ``profiles.iteration.terms`` explains them; one that is left out is without effect.
    Of the cache every byte is moved ``context_passes`` times: once, where attention reads it in place. Its kernel on
    GPUs of a generation multiplies ``query_rows`` rows for every head of a sequence that decodes, in iterations in
    which some sequence has more tokens than one.

    ``experts`` are a mixture's kernels on GPUs of a generation, where they differ from the stack's others.
    ``own_over_pcie`` counts the GPUs over PCIe among which its own kernel sums messages as on NVLink; more go by NCCL
    (``build.serving.messages``). ``scheduling: ahead`` prepares the next iteration while the GPU is at this one. With
    ``graph_tokens`` of 0 there are no graphs: every iteration is launched kernel by kernel. Where
    ``graph_tokens_per_sequence`` is less for all sequences that decode at most, graphs end there.

    Of a board's memory ``gpu_memory_utilization`` less ``activation_reserve``, and less ``group_reserve`` where it is
    one of several, is for weights and cache; the cache takes ``cache_share`` of what the weights leave, all without it.

    ``host`` names the CPU (a profile) that its times of the host are of: ``iteration``, ``sequence``, ``prompt``,
    ``launch``, ``expert_launch``, ``index_launch``, and those of ``text``. Other CPUs take as much longer as their
    threads are slower (``machines.host``); without it, all take the same. ``text``, where it is known, holds up
    iterations that hand out more tokens than it keeps up with: a queue that clients wait for, here by the iteration.
    """

    kind: Literal["stack"]
    compute_efficiency: SourcedFraction
    memory_efficiency: SourcedFraction
    expert_efficiency: SourcedFraction
    link_efficiency: SourcedFraction
    iteration: SourcedDuration
    layer: SourcedDuration
    sequence: SourcedDuration
    link_latency: SourcedDuration
    swap_bandwidth: SourcedByteRate
    gpu_memory_utilization: SourcedFraction
    activation_reserve: SourcedFraction
    group_reserve: SourcedBytes | None = None
    cache_share: SourcedFraction | None = None
    expert_layer: SourcedDuration | None = None
    launch: SourcedDuration | None = None
    graph_tokens: Sourced[Annotated[int, Field(ge=0, le=10**9, strict=True)]] | None = None
    graph_tokens_per_sequence: Sourced[Annotated[int, Field(ge=1, le=10**6, strict=True)]] | None = None
    prompt: SourcedDuration | None = None
    link_latency_per_gpu: SourcedDuration | None = None
    own_over_pcie: Sourced[Annotated[int, Field(ge=1, le=1024, strict=True)]] | None = None
    expert_power: SourcedShare | None = None
    expert_imbalance: SourcedShare | None = None
    expert_skew: SourcedShare | None = None
    expert_launch: SourcedDuration | None = None
    index_launch: SourcedDuration | None = None
    routed_passes: Sourced[Annotated[float, Field(ge=0.0, le=1e9)]] | None = None
    scheduling: Sourced[Literal["in-turn", "ahead"]] | None = None
    host: Sourced[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] | None = None
    text: TextFrontEnd | None = None
    logit_bytes: SourcedCount | None = None
    logits_per_second: Sourced[Annotated[float, Field(gt=0.0, le=1e15)]] | None = None
    expert_compute_efficiency: SourcedFraction | None = None
    expert_crowded: SourcedShare | None = None
    experts: dict[Generation, ExpertKernels] = Field(default_factory=dict)
    attention_efficiency: SourcedFraction | None = None
    context_efficiency: SourcedFraction | None = None
    context_passes: SourcedPasses | None = None
    query_rows: dict[Generation, Sourced[Annotated[int, Field(ge=1, le=1024, strict=True)]]] = Field(
        default_factory=dict
    )
    quantised: dict[Literal["fp8", "int8", "int4", "mxfp4", "nvfp4"], QuantisedKernels] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _graphs_end_somewhere(self) -> StackProfile:
        if (self.launch is None) != (self.graph_tokens is None):
            raise PydanticCustomError("order", "needs both 'launch' and 'graph_tokens', or neither")
        if self.text is not None and (self.scheduling is None or self.scheduling.value != "ahead"):
            raise PydanticCustomError("order", "'text' runs beside the engine: it needs 'scheduling: ahead'")
        return self
