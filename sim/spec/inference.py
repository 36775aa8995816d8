"""Services without tokens: equal replicas that share one queue, and how requests come to them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.later import later
from sim.quantities import (
    Duration,
    Fraction,
    LookInterval,
    PositiveDuration,
    RequestRate,
    SmallRatio,
)
from sim.spec.cluster import Wanted
from sim.spec.methods import Methods
from sim.spec.passes import MOST_IN_BATCH, MOST_PICTURES, Denoising, Roofline
from sim.spec.provisioning import StartUpOfService
from sim.spec.requests import RoutedArrivals
from sim.spec.times import StampsOfAny, Zone
from sim.spec.work import NOBODY_WAITS, Workload
from sim.spec.workloads import MOST_GPUS
from sim.validation import Spec

with later():
    from sim.spec.early_exit import EarlyExit
    from sim.spec.result_cache import ResultCache
    from sim.spec.workloads import Load


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


ServiceLaw = Annotated[ServiceTime | Roofline | Denoising, Field(discriminator="law")]
"""Of a batch: as measured, or from what is computed."""


class Batching(Spec):
    """Up to ``max_batch`` requests are served together; a smaller batch waits ``max_wait`` after its first request."""

    max_batch: int = Field(default=1, ge=1, le=1_000_000, strict=True)
    max_wait: Duration = Field(default="0 s", validate_default=True)


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
        if isinstance(self.service_time, Roofline | Denoising):
            return self._of_passes(self.service_time)
        if (self.load is None) == (self.gpus_per_replica > 0):
            raise PydanticCustomError("load", "'load' is what its GPUs draw: required with them, and with them alone")
        return self

    def _of_passes(self, law: Roofline | Denoising) -> Inference:
        what = "a roofline" if isinstance(law, Roofline) else "a law of denoising"
        told = {"what": what}
        if self.load is not None:
            raise PydanticCustomError("load", "{what} says what its GPUs draw: leave 'load' out", told)
        if isinstance(law, Denoising) and self.sockets_per_replica:
            raise PydanticCustomError(
                "denoising", "a law of denoising is that of a GPU: leave 'sockets_per_replica' out"
            )
        if max(self.gpus_per_replica, self.sockets_per_replica) != 1:
            one = "one GPU or one socket" if isinstance(law, Roofline) else "one GPU"
            message = "{what} is that of {one}: raise 'replicas'"
            raise PydanticCustomError("roofline", message, told | {"one": one})
        if self.early_exit is not None:
            raise PydanticCustomError("roofline", "{what} has no early exits: what they take is not stated", told)
        most = MOST_IN_BATCH if isinstance(law, Roofline) else MOST_PICTURES
        if self.batching.max_batch > most:
            raise PydanticCustomError("roofline", "of {what}, 'max_batch' is at most {most}", told | {"most": most})
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
