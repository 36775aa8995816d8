"""What the laws of a training step are functions of: how it is spread, what one step is, and what it takes, in SI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TrainingPrecision = Literal["fp32", "tf32", "bf16", "fp8", "mxfp8", "nvfp4"]
Recompute = Literal["none", "selective", "full"]
Shard = Literal["none", "optimizer", "gradients", "parameters"]
"""What data-parallel ranks share out: ZeRO stages 0, 1, 2 and 3 (arXiv:1910.02054, section 5); FSDP is the last."""

Phase = Literal["compute", "communication", "bubble", "optimizer", "stall", "straggler"]
"""The disjoint parts of a step. ``compute`` holds recomputation and launches; ``communication`` is what is exposed,
``bubble`` the pipeline's fill and drain, ``stall`` waiting for data, ``straggler`` waiting for the slowest."""


@dataclass(frozen=True)
class Spread:
    """Degrees of parallelism. A gang has ``data * tensor * pipeline * context`` GPUs; experts are spread over
    ``expert * expert_tensor`` of the ``data * context * tensor`` GPUs of a stage. A stage holds ``chunks`` of the model
    (virtual pipeline). ``shard_gpus`` share out what ``shard`` says (hybrid sharding, where fewer than all ranks)."""

    data: int
    tensor: int = 1
    pipeline: int = 1
    context: int = 1
    expert: int = 1
    expert_tensor: int = 1
    chunks: int = 1
    shard: Shard = "none"
    shard_gpus: int = 0
    sequence_parallel: bool = False

    @property
    def gpus(self) -> int:
        """Of the gang."""
        return self.data * self.tensor * self.pipeline * self.context


@dataclass(frozen=True)
class Recipe:
    """One step: ``global_batch`` sequences of ``sequence`` tokens, ``micro_batch`` of them at a time on each rank.

    ``lora_rank`` of adapters where all other weights are frozen; ``master_bytes`` and ``moment_bytes`` a parameter are
    the optimizer's (Adam: 4 and 8 in 32 bits), ``gradient_bytes`` those gradients are summed in. ``mtp_modules``
    predict further tokens, each with a layer of its own (multi-token prediction, arXiv:2412.19437).
    """

    sequence: int
    global_batch: int
    micro_batch: int
    precision: TrainingPrecision
    recompute: Recompute = "none"
    lora_rank: int | None = None
    offload: Literal["none", "optimizer", "parameters"] = "none"
    gradient_bytes: float = 4.0
    master_bytes: float = 4.0
    moment_bytes: float = 8.0
    mtp_modules: int = 0

    @property
    def tokens(self) -> int:
        """Of a step."""
        return self.global_batch * self.sequence

    def micro_batches(self, spread: Spread) -> int:
        """That each rank works through in a step; the global batch is a multiple (``layout.problems``)."""
        return self.global_batch // (self.micro_batch * spread.data)


@dataclass(frozen=True)
class StepCost:
    """One step of the gang: the disjoint ``seconds`` by phase, and the work of the mean GPU.

    ``exposed_s`` splits the communication by what it is for ("tensor", "data", "pipeline", "context", "expert",
    "host"), and ``hidden_s`` says what of the same ran behind computation. ``model_flop`` is of forward and backward of
    the whole gang's step, ``hardware_flop`` with what is recomputed. ``flop`` by precision of arithmetic, ``byte`` of
    memory and ``link_byte`` by fabric ("link", "network") are one GPU's and make its joules. ``tokens`` of the step. In
    ``memory_s`` of the computation memory sets the pace, whatever the cores' clock; ``optimizer_byte`` of ``byte`` are
    moved by the optimizer.
    """

    seconds: Mapping[Phase, float]
    tokens: int
    model_flop: float
    hardware_flop: float
    flop: Mapping[str, float]
    byte: float
    link_byte: Mapping[str, float]
    recompute_s: float = 0.0
    memory_s: float = 0.0
    optimizer_byte: float = 0.0
    exposed_s: Mapping[str, float] = field(default_factory=dict)
    hidden_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def step_s(self) -> float:
        """s of the whole step."""
        return sum(self.seconds.values())
