"""Profiles of CPUs and whole nodes, as read from ``hardware_profiles/`` (one YAML file each)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.machines.gpu import GPUProfile, Link, Precision
from sim.profiles.sourced import (
    Confidence,
    Embodied,
    Profile,
    Sourced,
    SourcedByteRate,
    SourcedBytes,
    SourcedDuration,
    SourcedExponent,
    SourcedNodePower,
    SourcedPower,
    SourcedPowerPerByte,
    SourcedRate,
)
from sim.quantities import Bytes, ConversionEfficiency, PositiveFraction
from sim.validation import Spec


class CPUPower(Spec):
    """One socket: W idle and at full load, and the exponent of the concave curve between them."""

    idle: SourcedPower
    full: SourcedPower
    exponent: SourcedExponent

    @model_validator(mode="after")
    def _rises(self) -> CPUPower:
        if not self.idle.value <= self.full.value:
            raise PydanticCustomError("order", "needs idle <= full")
        return self


class CPURates(Spec):
    """What one socket could at most: FLOP/s by precision at its base clock, and B/s of its memory."""

    peak: dict[Precision, SourcedRate] = Field(min_length=1)
    bandwidth: SourcedByteRate


class CPUProfile(Profile):
    """One CPU socket. Without ``rates``, how fast it computes is not known, and has to be stated as a service time.
    ``single_thread`` is the speed of one thread alone on it, on the scale of ``machines.host``; without it, host work
    takes as long there as where it was measured."""

    kind: Literal["cpu"]
    cores: int = Field(ge=1, le=10_000)
    tdp: SourcedPower
    power: CPUPower
    rates: CPURates | None = None
    single_thread: Sourced[Annotated[float, Field(gt=0.0, le=1000.0)]] | None = None
    embodied: Embodied


class Fitted(Spec):
    """How many of which profile a node holds."""

    profile: str
    count: int = Field(ge=1, le=1024)


class DRAM(Spec):
    """Memory of the host: B, and W per byte at rest and under load."""

    capacity: SourcedBytes
    idle: SourcedPowerPerByte
    active: SourcedPowerPerByte


class Part(Spec):
    """A component of the whole node in W, at rest and with all of its accelerators at work."""

    idle: SourcedNodePower
    active: SourcedNodePower


class EfficiencyPoint(Spec):
    """Conversion efficiency at one DC load, as a fraction of the rating."""

    load: PositiveFraction
    value: ConversionEfficiency


class PSU(Spec):
    """The node's power supplies together: DC rating in W and efficiency by load, interpolated linearly."""

    rated: SourcedNodePower
    efficiency: list[EfficiencyPoint] = Field(min_length=1)
    source: str
    confidence: Confidence
    note: str | None = None

    @model_validator(mode="after")
    def _increasing(self) -> PSU:
        loads = [point.load for point in self.efficiency]
        if loads != sorted(set(loads)):
            raise PydanticCustomError("order", "the loads of its efficiency points must increase")
        return self


class Transition(Spec):
    """Booting or shutting down: how long, and the DC power of the whole node meanwhile, in W."""

    duration: SourcedDuration
    power: SourcedNodePower


class Islands(Spec):
    """GPUs of a node in groups of ``gpus`` that a faster link joins than joins all: pairs by a bridge, boards of four.

    One of the two links is that of the GPU's own profile; the other is given, ``within`` a group or ``between`` groups.
    """

    gpus: Sourced[Annotated[int, Field(ge=1, le=1024, strict=True)]]
    within: Link | None = None
    between: Link | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Islands:
        if (self.within is None) == (self.between is None):
            raise PydanticCustomError("islands", "give 'within' or 'between'; the other is the GPU's own link")
        return self


class NodeMaterials(Spec):
    """What a server holds beside its GPUs, CPUs and memory, for its embodied carbon part by part."""

    drives: Sourced[Bytes]
    power_supplies: Sourced[Annotated[int, Field(ge=1, le=64, strict=True)]]
    rack_units: Sourced[Annotated[int, Field(ge=1, le=64, strict=True)]]


Component = Literal["gpu", "cpu", "dram", "storage", "nic", "fans", "board", "psu_loss"]
OPTIONAL_PARTS: tuple[Literal["storage", "nic", "fans", "board"], ...] = ("storage", "nic", "fans", "board")


class NodeProfile(Profile):
    """A whole server, or a rack sold as one. A component it does not meter is named in ``not_metered`` with the reason,
    never taken as 0.

    ``liquid_share`` is what cold plates take of its power at work, where it is built with them; ``link_domain`` counts
    the accelerators that their own link joins, where they are more than the node's, and ``islands`` says which it
    joins, where they are fewer.
    """

    kind: Literal["node"]
    gpus: Fitted | None = None
    cpus: Fitted
    dram: DRAM
    storage: Part | None = None
    nic: Part | None = None
    fans: Part | None = None
    board: Part | None = None
    psu: PSU | None = None
    standby: SourcedNodePower
    boot: Transition
    shutdown: Transition
    liquid_share: Sourced[PositiveFraction] | None = None
    link_domain: Sourced[Annotated[int, Field(ge=1, le=100_000, strict=True)]] | None = None
    islands: Islands | None = None
    not_metered: dict[Component | Literal["psu"], Annotated[str, Field(min_length=5)]] = Field(default_factory=dict)
    embodied: Embodied
    materials: NodeMaterials | None = None

    @model_validator(mode="after")
    def _nothing_missing_in_silence(self) -> NodeProfile:
        for part in (*OPTIONAL_PARTS, "psu"):
            named = part in self.not_metered or (part == "psu" and "psu_loss" in self.not_metered)
            if (getattr(self, part) is None) != named:
                raise PydanticCustomError(
                    "boundary",
                    "'{part}' must be given, or named in not_metered with the reason, and not both",
                    {"part": part},
                )
        return self

    @model_validator(mode="after")
    def _of_whole_islands(self) -> NodeProfile:
        if self.islands is not None:
            each = int(self.islands.gpus.value)
            if self.gpus is None or self.gpus.count % each or not each < self.gpus.count:
                raise PydanticCustomError("islands", "must be several of equally many of the node's GPUs")
            if self.link_domain is not None:
                raise PydanticCustomError("islands", "'link_domain' joins whole nodes: give one of the two")
        return self

    @property
    def island_gpus(self) -> int:
        """GPUs that the faster of several links within the node joins; 0 where one joins all."""
        return int(self.islands.gpus.value) if self.islands is not None else 0

    @property
    def slots(self) -> int:
        """What a reservation counts: its GPUs, or its sockets where it has none."""
        return self.gpus.count if self.gpus is not None else self.cpus.count


def link_of(node: NodeProfile, gpu: GPUProfile, gpus: int, *, straddling: bool = False) -> Link:
    """The slowest link that so many GPUs of a node go by: the faster of its two, where they are on one island."""
    islands = node.islands
    if islands is None:
        return gpu.link
    link = islands.within if gpus <= int(islands.gpus.value) and not straddling else islands.between
    return link if link is not None else gpu.link


def linked(node: NodeProfile, gpu: GPUProfile, gpus: int, *, straddling: bool = False) -> GPUProfile:
    """The GPU with the link that so many of them go by."""
    link = link_of(node, gpu, gpus, straddling=straddling)
    return gpu if link is gpu.link else gpu.model_copy(update={"link": link})
