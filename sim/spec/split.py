"""Requests executed in stages on users' devices, at an edge and in a data center, with what moves between them.

Which stage runs where is a word of each stage, so that placements are compared by overrides: all on the device, all at
the edge, or split. A bottleneck that a network is trained with is a stage and the bytes that it puts out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.later import later
from sim.profiles.machines.gpu import Precision
from sim.quantities import (
    Bytes,
    CarbonMass,
    DevicePower,
    Duration,
    Fraction,
    OperationRate,
    Operations,
    PositiveDuration,
    PositiveFraction,
    SmallRatio,
)
from sim.spec.cluster import Wanted
from sim.spec.work import Workload
from sim.spec.workloads import MOST_GPUS
from sim.validation import BELOW, Spec, mapping_or, nearest

with later():
    from sim.spec.factors import FactorLaw
    from sim.spec.inference import Arrivals
    from sim.spec.networks import NetworkWithLatency
    from sim.spec.workloads import Load


DEVICE = "device"
"""Where a stage runs that runs on the device that asks."""
MOST_DEVICES = 1_000_000


class OfPeak(Spec):
    """Achieved speed as a share of a profile's peak."""

    precision: Precision
    efficiency: PositiveFraction


Speed = Annotated[
    Annotated[OperationRate, Tag("@quantity")] | Annotated[OfPeak, Tag("@mapping")], mapping_or("@quantity")
]
"""FLOP/s that are achieved, or a share of a peak."""


class UserDevices(Spec):
    """Devices of one kind, each equally likely to ask. What is not written of their watts stands in their profile.

    A device works on one request at a time, first come first served. It draws ``working`` while it does, else
    ``transferring`` while it sends or receives, else ``waiting`` while an answer is still to come.
    """

    count: int = Field(ge=1, le=MOST_DEVICES, strict=True)
    network: str = Field(description="One of 'networks': the one it is on.")
    profile: str | None = Field(default=None, description="A profile of kind 'device'.")
    working: DevicePower | None = Field(default=None, description="Of the whole device, e.g. '6 W'.")
    transferring: DevicePower | None = Field(default=None, description="Of the whole device, e.g. '3 W'.")
    waiting: DevicePower | None = Field(default=None, description="Of the whole device, e.g. '2 W'.")
    standby: DevicePower | None = Field(
        default=None,
        description="Drawn between requests, where it is there for nothing else; what is not counted, if absent.",
    )
    compute: Speed | None = Field(default=None, description="e.g. '0.2 TFLOP/s'; needed by stages without its 'time'.")
    embodied: CarbonMass | None = Field(default=None, description="Of making one; that of its profile, if absent.")

    @model_validator(mode="after")
    def _known(self) -> UserDevices:
        lacking = [name for name in ("working", "transferring", "waiting") if getattr(self, name) is None]
        if self.profile is None and lacking:
            raise PydanticCustomError("watts", "needs a 'profile', or {lacking}", {"lacking": ", ".join(lacking)})
        if self.profile is None and isinstance(self.compute, OfPeak):
            raise PydanticCustomError("peak", "'compute' as a share of a peak needs a 'profile' that has one")
        return self


class PlaceBatching(Spec):
    """Up to ``max_batch`` requests are served together; a smaller batch waits ``max_wait`` after its first request."""

    max_batch: int = Field(ge=1, le=1_000_000, strict=True)
    max_wait: Duration
    further: SmallRatio = Field(description="Time of each further request of a batch, of that of the first, e.g. 0.2.")


class StagePlace(Spec):
    """Machines that stages may run on: replicas in a pool that share one queue, first come first served."""

    pool: str | None = Field(default=None, description="Which pool of nodes; needed where there are several.")
    over: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="'networks' beyond the one that a device is on, from it to here; none at the edge of that.",
    )
    replicas: int = Field(ge=1, le=MOST_GPUS, strict=True)
    gpus_per_replica: int = Field(default=0, ge=0, le=MOST_GPUS, strict=True, description="Or 'sockets_per_replica'.")
    sockets_per_replica: int = Field(default=0, ge=0, le=MOST_GPUS, strict=True, description="Of hosts, without GPUs.")
    compute: Speed | None = Field(default=None, description="Of a replica; needed by stages without its 'time'.")
    law: Literal["constant", "exponential", "lognormal"] = Field(description="Of the time of a batch around its mean.")
    cv: SmallRatio | None = Field(default=None, description="Coefficient of variation of the lognormal law.")
    batching: PlaceBatching | None = Field(default=None, description="One request at a time, if absent.")
    queue_limit: int | None = Field(
        default=None, ge=0, le=10**9, strict=True, description="Requests that may wait; unlimited, if absent."
    )
    load: Load | None = Field(default=None, description="What a GPU draws; needed where it has GPUs, and only there.")
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while a batch is served, e.g. 0.1.")
    start_up: Duration = Field(default="0 s", validate_default=True, description="Loading the stages onto a replica.")

    @model_validator(mode="after")
    def _gpus_or_sockets(self) -> StagePlace:
        if (self.gpus_per_replica > 0) == (self.sockets_per_replica > 0):
            raise PydanticCustomError("gpus", "needs either 'gpus_per_replica' or 'sockets_per_replica' above zero")
        if (self.load is None) == (self.gpus_per_replica > 0):
            raise PydanticCustomError("load", "'load' is what its GPUs draw: required with them, and with them alone")
        if self.sockets_per_replica and isinstance(self.compute, OfPeak):
            raise PydanticCustomError("peak", "'compute' as a share of a peak needs GPUs, whose profile has one")
        if (self.law == "lognormal") != bool(self.cv):
            raise PydanticCustomError("cv", "'cv' above zero goes with a lognormal law, and with it alone")
        return self


class Stage(Spec):
    """A part of what is executed for a request, and what it hands to the next.

    Its time is stated by where it may run (a kind of device, or a place), or follows from its ``work`` there.
    """

    at: str = Field(description="'device', or one of 'places'.")
    work: Operations | None = Field(default=None, description="e.g. '0.6 GFLOP'.")
    time: dict[str, PositiveDuration] = Field(
        default_factory=dict, max_length=1000, description="By kind of device or place, e.g. {phone: 40 ms}."
    )
    output: Bytes | None = Field(default=None, description="Handed to the next stage; of the last it is the 'reply'.")
    leaves: Fraction = Field(
        default=0, validate_default=True, description="Share of requests that need no later stage: an early exit."
    )


class Leg(NamedTuple):
    """Stages one after another at one place."""

    at: str
    stages: tuple[str, ...]


class SplitSpec(Workload):
    """Requests of users' devices, executed in stages on the device, at an edge and in a data center.

    What devices and networks draw is no IT of a site: ``accounting.outside`` says at what carbon intensity. Rates of a
    network are one device's; that devices share a cell or a line is left out.
    """

    counts: ClassVar[tuple[str, ...]] = ("request", "image", "user-hour")

    arrivals: Arrivals
    devices: dict[str, UserDevices] = Field(min_length=1, max_length=1000)
    networks: dict[str, NetworkWithLatency] = Field(min_length=1, max_length=1000)
    places: dict[str, StagePlace] = Field(default_factory=dict, max_length=100)
    input: Bytes = Field(description="What the first stage reads, on the device at first, e.g. '150 kB'.")
    stages: dict[str, Stage] = Field(min_length=1, max_length=1000)
    reply: Bytes = Field(description="What comes back to the device from a place; '0 B' where nothing does.")
    spread: FactorLaw | None = Field(
        default=None, description="A request's time on its device, relative to what is stated; as stated, if absent."
    )

    @model_validator(mode="after")
    def _names(self) -> SplitSpec:
        for name, kind in self.devices.items():
            _one_of(kind.network, self.networks, ("devices", name, "network"), "networks")
        for name, place in self.places.items():
            if name == DEVICE:
                message = "no place can be called 'device', which is where the device is"
                raise PydanticCustomError("place", message, {BELOW: ("places", name)})
            for beyond in place.over:
                _one_of(beyond, self.networks, ("places", name, "over"), "networks")
        for name, stage in self.stages.items():
            _one_of(stage.at, [DEVICE, *self.places], ("stages", name, "at"), "places")
            for where in stage.time:
                _one_of(where, [*self.devices, *self.places], ("stages", name, "time"), "devices or places")
        twice = sorted({*self.devices} & {*self.places})
        if twice:
            raise PydanticCustomError(
                "name", "'{name}' is a kind of device and a place", {"name": twice[0], BELOW: ("places", twice[0])}
            )
        return self

    @model_validator(mode="after")
    def _in_order(self) -> SplitSpec:
        *before, last = self.stages
        for name in before:
            if self.stages[name].output is None:
                raise PydanticCustomError("output", "needs 'output', what it hands on", {BELOW: ("stages", name)})
        if self.stages[last].output is not None or self.stages[last].leaves:
            message = "is the last: its output is the 'reply', and no later stage is left to need"
            raise PydanticCustomError("output", message, {BELOW: ("stages", last)})
        visited = [leg.at for leg in self.legs if leg.at != DEVICE]
        for at in visited:
            if visited.count(at) > 1:
                raise PydanticCustomError(
                    "at", "stages at '{at}' must follow one another", {"at": at, BELOW: ("stages",)}
                )
        for leg in self.legs:
            for name in leg.stages[:-1]:
                if leg.at != DEVICE and self.stages[name].leaves:
                    message = "needs the next stage elsewhere; make '{at}' one stage up to here"
                    words = {"at": leg.at, BELOW: ("stages", name, "leaves")}
                    raise PydanticCustomError("leaves", message, words)
        pools = [self.places[at].pool for at in visited]
        if len(set(pools)) < len(pools):
            raise PydanticCustomError("pool", "places in use need a pool each", {BELOW: ("places",)})
        return self

    @model_validator(mode="after")
    def _times(self) -> SplitSpec:
        for name, stage in self.stages.items():
            where: Mapping[str, UserDevices | StagePlace]
            where = self.devices if stage.at == DEVICE else {stage.at: self.places[stage.at]}
            for at, one in where.items():
                if at not in stage.time and (stage.work is None or one.compute is None):
                    message = "needs its 'time' on '{at}', or 'work' and the 'compute' of '{at}'"
                    raise PydanticCustomError("time", message, {"at": at, BELOW: ("stages", name)})
        return self

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Its stages, those at one place together."""
        return tuple(
            Leg(at, tuple(name for name, _ in stages))
            for at, stages in groupby(self.stages.items(), key=lambda item: item[1].at)
        )

    @property
    def used(self) -> Mapping[str, StagePlace]:
        """Places with a stage; the others hold nothing."""
        return {leg.at: self.places[leg.at] for leg in self.legs if leg.at != DEVICE}

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The log of its arrivals, with its path below the workload."""
        file = getattr(self.arrivals, "file", None)
        return ((("arrivals", "file"), file),) if file is not None else ()

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The replicas of the places in use."""
        return tuple(self._wanted())

    def _wanted(self) -> Iterator[Wanted]:
        for name, place in self.used.items():
            if place.sockets_per_replica:
                yield Wanted(name, place.pool, place.replicas, any_node=True, sockets=place.sockets_per_replica)
            else:
                yield Wanted(name, place.pool, place.replicas * place.gpus_per_replica)


def _one_of(name: str, known: Mapping[str, object] | list[str], path: KeyPath, of: str) -> None:
    if name not in known:
        hint = f"{nearest(name, known)}  ({', '.join(known)})"
        message = "'{name}' is none of '{of}'{hint}"
        raise PydanticCustomError("name", message, {BELOW: path, "name": name, "of": of, "hint": hint})
