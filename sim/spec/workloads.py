"""The work of training jobs, and how hard work of any kind drives the hardware."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from sim.later import later
from sim.profiles.machines.gpu import Precision
from sim.quantities import (
    ByteRate,
    Bytes,
    DevicePower,
    Duration,
    Fraction,
    OperationRate,
    Operations,
    PositiveDuration,
    PositiveFraction,
)
from sim.spec.cluster import Wanted
from sim.spec.methods import Methods
from sim.spec.training import ModelWork
from sim.spec.work import Workload
from sim.validation import Spec

with later():
    from sim.spec.failures import RecoveryTimes
    from sim.spec.schedules import JobSchedule, LowestPlace
    from sim.spec.traces import SmoothingChoice, Trace


MOST_GPUS = 10_000_000
"""The largest sites that are announced hold some 1e6."""


class ThroughputLoad(Spec):
    """GPU power from rates of work achieved by one GPU that is at work: the profile's loaded power, what being clocked
    up and multiprocessors at work take where it has them, however low the rates, and energy per FLOP and per byte."""

    kind: Literal["throughput"]
    compute: OperationRate = Field(description="Hardware FLOP/s achieved by one GPU, recomputation included.")
    precision: Precision
    memory_traffic: ByteRate = Field(description="Off-chip memory traffic of one GPU.")


class MeasuredLoad(Spec):
    """GPU power as measured: watts of one GPU at work, and (if measured too) with the model loaded and no work."""

    kind: Literal["measured"]
    active: DevicePower
    loaded: DevicePower | None = None


class NameplateLoad(Spec):
    """GPU power taken as its TDP whenever it is held. An upper bound, not a model of the work."""

    kind: Literal["nameplate"]


Load = Annotated[ThroughputLoad | MeasuredLoad | NameplateLoad, Field(discriminator="kind")]


class GPUHours(Spec):
    """Work given as published GPU-hours, and the load its GPUs were under."""

    kind: Literal["gpu-hours"]
    gpu_hours: float = Field(gt=0, le=1e10)
    load: Load


class Efficiency(Spec):
    """Achieved fractions of the profile's peaks."""

    compute: PositiveFraction
    memory: PositiveFraction
    link: PositiveFraction


class Steps(Spec):
    """Work given as steps of known cost, for the whole gang; their time and power follow from the GPU profile.

    ``link_traffic`` is the communication that is not hidden behind computation.
    """

    kind: Literal["steps"]
    steps: int = Field(ge=1, le=10**12, strict=True)
    flops: Operations
    precision: Precision
    memory_traffic: Bytes
    link_traffic: Bytes
    efficiency: Efficiency
    overhead: Duration

    @model_validator(mode="after")
    def _takes_time(self) -> Steps:
        if not (self.flops or self.memory_traffic or self.link_traffic or self.overhead):
            raise PydanticCustomError("work", "a step needs work or an overhead: all of its costs are zero")
        return self


JobWork = Annotated[GPUHours | Steps | ModelWork, Field(discriminator="kind")]
"""What a gang of GPUs does."""


class SocketHours(Spec):
    """Work of hosts' CPUs alone, given as hours of their sockets; the job's ``cpu_load`` says how hard they work."""

    kind: Literal["socket-hours"]
    socket_hours: float = Field(gt=0, le=1e10)


TrainingWork = Annotated[GPUHours | Steps | ModelWork | SocketHours, Field(discriminator="kind")]
"""What the gang of a training job does."""

EveryOrLaw = Annotated[
    Annotated[Literal["young", "daly"], Tag("@word")] | Annotated[PositiveDuration, Tag("@quantity")],
    Discriminator(lambda value: "@word" if value in ("young", "daly") else "@quantity"),
    WithJsonSchema({"type": "string", "description": "duration, or young, daly", "examples": ["30 min", "daly"]}),
]


class Checkpoint(Spec):
    """A checkpoint after every ``every`` of work; the GPUs wait loaded while it is written.

    With a ``stall`` they wait only that long, and the rest is written beside the work; until it is, a failure goes back
    to the checkpoint before. ``young`` and ``daly`` find the interval from the MTBF of the job's nodes.
    """

    every: EveryOrLaw = Field(description="E.g. '1 h'; or young, daly, where the pool's failures are known.")
    write: Duration
    stall: Duration | None = Field(
        default=None, description="How long the GPUs wait, where writing goes on beside work."
    )

    @model_validator(mode="after")
    def _written_in_time(self) -> Checkpoint:
        if self.stall is not None and self.stall > self.write:
            raise PydanticCustomError("stall", "'stall' cannot be longer than 'write', which it is a part of")
        if not isinstance(self.every, int) and not self.write:
            message = "{law} weighs what a checkpoint costs: give 'write' more than no time, or 'every' as a duration"
            raise PydanticCustomError("write", message, {"law": self.every})
        if isinstance(self.every, int) and self.behind_ns > self.every:
            raise PydanticCustomError("stall", "the rest of the write ends after the next checkpoint: raise 'every'")
        return self

    @property
    def stall_ns(self) -> int:
        """How long the GPUs wait, ns."""
        return int(self.write if self.stall is None else self.stall)

    @property
    def behind_ns(self) -> int:
        """How long is written beside the work, ns."""
        return int(self.write) - self.stall_ns


class Training(Workload):
    """A job that holds a gang of GPUs until its work is done; or of sockets, with the GPUs that hang on them idle."""

    counts: ClassVar[tuple[str, ...]] = ("gpu-hour", "trained-token")

    pool: str | None = Field(default=None, description="Which pool of nodes; needed where several have GPUs.")
    gpus: int = Field(default=0, ge=0, le=MOST_GPUS, strict=True, description="Of the gang; or give 'sockets'.")
    sockets: int = Field(
        default=0, ge=0, le=MOST_GPUS, strict=True, description="Of hosts, for work of kind socket-hours."
    )
    work: TrainingWork
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while the job works, e.g. 0.1.")
    start_after: Duration = Field(default="0 s", validate_default=True)
    setup: Duration = Field(
        default="0 s", validate_default=True, description="From holding the gang to the first step."
    )
    checkpoint: Checkpoint | None = None
    time_limit: PositiveDuration | None = Field(
        default=None, description="Killed this long after it first started, pauses included."
    )
    on_failure: Literal["restart", "abort"] = "restart"
    recovery: RecoveryTimes | None = Field(
        default=None, description="How it goes on after a fault; on other GPUs from its set-up, if absent."
    )
    schedule: JobSchedule | None = Field(default=None, description="When it may work; at once, if absent.")
    place: LowestPlace | None = Field(default=None, description="Chooses the pool, in place of 'pool'.")
    smoothing: SmoothingChoice | None = Field(default=None, description="What its boards burn to swing less.")
    trace: Trace | None = Field(default=None, description="Keeps its power over time, within steps.")
    methods: Methods

    @model_validator(mode="after")
    def _gpus_or_sockets(self) -> Training:
        if (self.gpus > 0) == (self.sockets > 0):
            raise PydanticCustomError("gpus", "needs either 'gpus' or 'sockets' above zero")
        if (self.work.kind == "socket-hours") != (self.sockets > 0):
            raise PydanticCustomError("sockets", "'sockets' and work of kind socket-hours go together")
        if self.sockets and self.place is not None:
            raise PydanticCustomError("place", "'place' chooses among pools of GPUs; give 'pool'")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> Training:
        if self.place is not None and self.pool is not None:
            raise PydanticCustomError("place", "give 'pool' or 'place', not both")
        return self

    @model_validator(mode="after")
    def _within_steps(self) -> Training:
        for name in ("smoothing", "trace"):
            if getattr(self, name) is not None and self.work.kind != "model":
                raise PydanticCustomError(
                    "steps",
                    "'{name}' needs work of kind model: of other work nothing within steps is known",
                    {"name": name},
                )
        return self

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Its gang; in the pool where its data lies, as long as it has not chosen one."""
        if self.sockets:
            return (Wanted("", self.pool, 1, any_node=True, sockets=self.sockets),)
        return (Wanted("", self.place.home if self.place is not None else self.pool, self.gpus),)
