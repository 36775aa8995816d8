"""The work: training jobs and inference services, and how hard each drives the hardware."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.profiles.hardware import Precision
from sim.quantities import (
    ByteRate,
    Bytes,
    DevicePower,
    Duration,
    Fraction,
    LookInterval,
    OperationRate,
    Operations,
    PositiveDuration,
    PositiveFraction,
    RequestRate,
    SmallRatio,
)
from sim.spec.cluster import Wanted
from sim.spec.early_exit import EarlyExit
from sim.spec.failures import RecoveryTimes
from sim.spec.methods import Methods
from sim.spec.passes import MOST_IN_BATCH, Roofline
from sim.spec.provisioning import StartUpOfService
from sim.spec.requests import RoutedArrivals
from sim.spec.result_cache import ResultCache
from sim.spec.schedules import JobSchedule, LowestPlace
from sim.spec.times import StampsOfAny, Zone
from sim.spec.traces import SmoothingChoice, Trace
from sim.spec.training import ModelWork
from sim.spec.work import Workload
from sim.validation import Spec

MOST_GPUS = 10_000_000
"""The largest sites that are announced hold some 1e6."""


class ThroughputLoad(Spec):
    """GPU power from achieved rates of work, per GPU: the profile's loaded power plus energy per FLOP and per byte."""

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

    kind: Literal["training"]
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


class PoissonArrivals(Spec):
    """Independent arrivals at a constant mean rate. Needs a scenario with a duration."""

    kind: Literal["poisson"]
    rate: RequestRate


class IntervalLog(Spec):
    """Requests counted per interval (``interval_end_utc`` or ``interval_start_utc``, ``requests``), replayed.

    By default they come by the clock; ``align: start`` moves the first interval to the start of the run.
    """

    kind: Literal["interval-log"]
    file: str
    within: Literal["even", "poisson"] = Field(description="How requests lie within their interval.")
    align: Literal["clock", "start"] = "clock"


class RequestLog(Spec):
    """One row a request with its ``timestamp_utc``, replayed by the clock or moved to the start of the run."""

    kind: Literal["request-log"]
    file: str
    align: Literal["clock", "start"] = "clock"


class RateLog(Spec):
    """A Poisson process whose rate follows a column of a CSV file with the times of its intervals in another."""

    kind: Literal["rate-log"]
    file: str
    time_column: str = "datetime_utc"
    column: str = "rate"
    stamps: StampsOfAny = "start"
    zone: Zone = None
    unit: RequestRate = Field(description="What one unit of the column is, e.g. '1 request/s'.")


class Backlog(Spec):
    """So many requests, all there from the start: a job whose end is that of the last of them."""

    kind: Literal["backlog"]
    requests: int = Field(ge=1, le=10_000_000, strict=True)


OwnArrivals = Backlog | PoissonArrivals | RateLog | IntervalLog | RequestLog
Arrivals = Annotated[OwnArrivals, Field(discriminator="kind")]
OwnOrRouted = Annotated[OwnArrivals | RoutedArrivals, Field(discriminator="kind")]


class ServiceTime(Spec):
    """Time of a batch: ``first`` + (size - 1) x ``further``, times a random factor of mean 1 drawn by ``law``."""

    law: Literal["constant", "exponential", "lognormal"]
    first: PositiveDuration
    further: Duration = Field(default="0 s", validate_default=True)
    cv: SmallRatio | None = Field(default=None, description="Coefficient of variation of the lognormal factor.")


ServiceLaw = Annotated[ServiceTime | Roofline, Field(discriminator="law")]
"""Of a batch: as measured, or from what is computed."""


class Batching(Spec):
    """Up to ``max_batch`` requests are served together; a smaller batch waits ``max_wait`` after its first request."""

    max_batch: int = Field(default=1, ge=1, le=1_000_000, strict=True)
    max_wait: Duration = Field(default="0 s", validate_default=True)


NOBODY_WAITS = (
    "with none left nobody may wait, so that none is ever started again: needs 'min' of 1 or more, or a 'queue_limit' "
    "of 1 or more"
)


class QueueAutoscale(Spec):
    """Keeps ``target`` requests, waiting or served, at each replica, of which there are ``replicas`` at most."""

    min: int = Field(ge=0, le=MOST_GPUS, strict=True)
    initial: int | None = Field(default=None, ge=0, le=MOST_GPUS, strict=True, description="'min', if absent.")
    target: float = Field(gt=0, le=1e6)
    interval: LookInterval
    settle: Duration = Field(description="How long fewer must have been wanted before one is taken away.")


class RequestSLO(Spec):
    """Goodput counts the requests that meet it. They have no tokens, and so no TTFT."""

    e2e: PositiveDuration


class Inference(Workload):
    """A service of equal replicas that share one queue, first come first served.

    They stand on GPUs; or on sockets of hosts, and then the GPUs that hang on these are theirs, and idle.
    """

    counts: ClassVar[tuple[str, ...]] = ("request", "image", "user-hour")

    kind: Literal["inference"]
    pool: str | None = Field(default=None, description="Which pool of nodes; needed where several have GPUs.")
    replicas: int = Field(ge=1, le=MOST_GPUS, strict=True)
    gpus_per_replica: int = Field(
        default=0, ge=0, le=MOST_GPUS, strict=True, description="Or give 'sockets_per_replica'."
    )
    sockets_per_replica: int = Field(
        default=0, ge=0, le=MOST_GPUS, strict=True, description="Of hosts, for a service on CPUs."
    )
    arrivals: OwnOrRouted
    service_time: ServiceLaw
    batching: Batching = Field(default_factory=Batching)
    queue_limit: int | None = Field(
        default=None,
        ge=0,
        le=10**9,
        strict=True,
        description="Requests that may wait; more are rejected. Unlimited, if absent.",
    )
    load: Load | None = Field(
        default=None, description="What a GPU draws; needed where it has GPUs, and follows from a roofline."
    )
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while a batch is served, e.g. 0.1.")
    start_up: StartUpOfService = Field(
        default="0 s", validate_default=True, description="Loading the model onto a replica, or what that takes."
    )
    early_exit: EarlyExit | None = Field(default=None, description="Where easy requests leave the network.")
    cache: ResultCache | None = Field(default=None, description="A memo of results that is looked into first.")
    autoscale: QueueAutoscale | None = Field(
        default=None, description="Replicas that come and go; all stay, if absent."
    )
    slo: RequestSLO | None = None

    methods: Methods

    @model_validator(mode="after")
    def _scales_within(self) -> Inference:
        rule = self.autoscale
        if rule is not None:
            initial = rule.initial if rule.initial is not None else rule.min
            if not rule.min <= initial <= self.replicas:
                raise PydanticCustomError("autoscale", "needs min <= initial <= replicas")
            if rule.min == 0 and self.queue_limit == 0:
                raise PydanticCustomError("autoscale", NOBODY_WAITS)
        return self

    @model_validator(mode="after")
    def _gpus_or_sockets(self) -> Inference:
        if (self.gpus_per_replica > 0) == (self.sockets_per_replica > 0):
            raise PydanticCustomError("gpus", "needs either 'gpus_per_replica' or 'sockets_per_replica' above zero")
        if isinstance(self.service_time, Roofline):
            return self._of_passes()
        if (self.load is None) == (self.gpus_per_replica > 0):
            raise PydanticCustomError("load", "'load' is what its GPUs draw: required with them, and with them alone")
        return self

    def _of_passes(self) -> Inference:
        if self.load is not None:
            raise PydanticCustomError("load", "a roofline says what its GPUs draw: leave 'load' out")
        if max(self.gpus_per_replica, self.sockets_per_replica) != 1:
            raise PydanticCustomError("roofline", "a roofline is that of one GPU or one socket: raise 'replicas'")
        if self.early_exit is not None:
            raise PydanticCustomError("roofline", "a roofline has no early exits: what they take is not stated")
        if self.batching.max_batch > MOST_IN_BATCH:
            message = "of a roofline, 'max_batch' is at most {most}"
            raise PydanticCustomError("roofline", message, {"most": MOST_IN_BATCH})
        return self

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The log of its arrivals, with its path below the workload."""
        file = getattr(self.arrivals, "file", None)
        return ((("arrivals", "file"), file),) if file is not None else ()

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All of its replicas."""
        if self.sockets_per_replica:
            return (Wanted("", self.pool, self.replicas, any_node=True, sockets=self.sockets_per_replica),)
        return (Wanted("", self.pool, self.replicas * self.gpus_per_replica),)
