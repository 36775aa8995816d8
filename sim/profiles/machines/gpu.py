"""Profiles of accelerators, as read from ``hardware_profiles/`` (one YAML file each)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.power_laws.capped_job import Board
from sim.profiles.power_laws.clock import LOWEST_CLOCK, ClockCurve
from sim.profiles.sourced import (
    Embodied,
    Profile,
    Sourced,
    SourcedByteRate,
    SourcedBytes,
    SourcedEnergyPerByte,
    SourcedEnergyPerOperation,
    SourcedFrequency,
    SourcedMass,
    SourcedPower,
    SourcedRate,
)
from sim.quantities import Fraction, Frequency, Mass, PositiveArea, PositiveFraction
from sim.validation import Spec

Precision = Literal["fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp6", "fp4"]


class CoreClock(Spec):
    """How voltage follows the clock (see ``power_laws.clock``): what a binding power cap does to speed and energy.

    ``memory_share`` of the energy of a byte is the memory's own. ``still`` is what no clock takes away from a loaded
    board; without it, ``idle``. ``lowest`` is a share of the highest clock. ``base`` and
    ``boost`` are the clocks of the data sheet: at its limit a board is taken to run half way between (see
    ``capped_job``). ``least_cap`` is the lowest limit that the driver takes: a fact, by which nothing is computed.
    """

    floor: Sourced[PositiveFraction]
    slope: Sourced[Annotated[float, Field(gt=0.0, le=5.0)]]
    memory_share: Sourced[Fraction]
    still: SourcedPower | None = None
    lowest: Sourced[PositiveFraction] | None = None
    base: Sourced[Frequency] | None = None
    boost: Sourced[Frequency] | None = None
    least_cap: SourcedPower | None = None


class GPUPower(Spec):
    """State power in W, and the energy of work beyond ``loaded``: J per FLOP by precision, J per byte of memory.

    ``waiting`` is what a board draws beyond ``loaded`` while it waits between the kernels of an iteration, clocked up;
    without it, none; ``active`` what it draws more while a kernel runs, beside its operations and bytes. ``clock``
    says what a lower clock saves; without it a cap saves no energy per operation.
    ``unit_spread`` is the standard deviation of power between units of the model, as a share.
    """

    idle: SourcedPower
    loaded: SourcedPower
    energy_per_flop: dict[Precision, SourcedEnergyPerOperation] = Field(min_length=1)
    energy_per_byte: SourcedEnergyPerByte
    waiting: SourcedPower | None = None
    active: SourcedPower | None = None
    energy_per_l2_byte: SourcedEnergyPerByte | None = None
    energy_per_score: SourcedEnergyPerOperation | None = None
    clock: CoreClock | None = None
    unit_spread: Sourced[Fraction] | None = None


Residual = Annotated[float, Field(ge=-1e6, le=1e6)]


class Calibration(Spec):
    """Where measured power numbers come from: recordings, software, what was fitted on and what was held out.

    ``errors`` are mean absolute relative errors of phases, ``residuals`` the relative error of each (the mean of its
    units'), held-out ones included; ``covariance`` is of ``constants``, in SI, row by row.
    """

    recordings: list[str] = Field(min_length=1)
    stack: str
    fitted: list[str]
    held_out: list[str]
    errors: dict[Literal["fitted", "held_out"], Annotated[float, Field(ge=0.0, le=1e6)]]
    residuals: dict[str, Residual]
    constants: list[str]
    covariance: list[list[Annotated[float, Field(ge=-1e30, le=1e30)]]]


class Memory(Spec):
    """Capacity in B and peak bandwidth in B/s.

    ``capacity`` is the board's name ("80 GB"), which its embodied carbon goes by. ``usable`` is what the driver reports
    and programs can hold: an "80 GB" H100 has 81,559 MiB = 85.5e9 B, a "24 GB" L4 24.2e9 B, since error correction
    takes its part. Without ``usable``, deployments are sized by ``capacity``, and say so where they do not fit.
    ``sustained`` is what long streams were measured to reach; ``sim.profiles.machines.reach`` says whom it bounds.
    """

    capacity: SourcedBytes
    usable: SourcedBytes | None = None
    bandwidth: SourcedByteRate
    sustained: SourcedByteRate | None = None

    @property
    def held_bytes(self) -> float:
        """B that programs can hold, as far as the profile knows."""
        return float((self.usable if self.usable is not None else self.capacity).value)


class Link(Spec):
    """The fabric between accelerators: total bidirectional B/s of one device.

    Where its switches reduce by themselves (NVLink SHARP), ``in_switch`` is the share of the rate at which they do.
    ``medium: pcie`` says that it is the host's bus and no fabric of its own: what is sent passes root ports that others
    use, too.
    """

    name: str
    medium: Literal["pcie"] | None = None
    bandwidth: SourcedByteRate
    energy_per_byte: SourcedEnergyPerByte | None = None
    in_switch: Sourced[PositiveFraction] | None = None


Process = Literal["28nm", "20nm", "14nm", "10nm", "8nm", "7nm", "5nm", "3nm"]


class Die(Spec):
    """A logic die: its area, and the wafer area one good die takes, edges and defects included.

    ``process`` is the class of process whose carbon per area it takes (see ``profiles.machines.embodied``).
    """

    process: Process
    area: Sourced[PositiveArea]
    effective_area: Sourced[PositiveArea]

    @model_validator(mode="after")
    def _wafer_is_lost(self) -> Die:
        if not self.area.value <= self.effective_area.value:
            raise PydanticCustomError("order", "its effective area must not be below its area")
        return self


class GPUMaterials(Spec):
    """What an accelerator is made of, for its embodied carbon part by part; its memory is counted by capacity.

    ``vendor_total`` is the vendor's own footprint of it, which comes before the sum of the parts.
    """

    dies: list[Die] = Field(min_length=1)
    memory: Literal["hbm", "gddr"]
    board: Sourced[PositiveArea]
    heatsink: Sourced[Mass] | None = None
    casing: Sourced[Mass] | None = None
    vendor_total: SourcedMass | None = None


Generation = Literal[
    "pascal", "volta", "turing", "ampere", "ada", "hopper", "blackwell", "blackwell-rtx", "cdna2", "cdna3", "cdna4"
]


class Chip(Spec):
    """The multiprocessors (compute units) that share the peaks, and the clock the peaks are stated at: how large a
    kernel must be to keep all of them at work, and how long a short one takes, follow from these. Stacks have kernels
    of their own for some generations."""

    generation: Generation
    multiprocessors: Sourced[Annotated[int, Field(ge=1, le=100_000, strict=True)]]
    clock: SourcedFrequency


class GPUProfile(Profile):
    """One accelerator. Serving needs its ``chip``, which a TPU, made of a few large matrix units, has not.

    ``slices`` names the profile of how it can be cut (MIG); without it, it cannot.
    """

    kind: Literal["gpu"]
    tdp: SourcedPower
    power: GPUPower
    peak: dict[Precision, SourcedRate] = Field(min_length=1)
    sustained: dict[Precision, SourcedRate] = Field(default_factory=dict)
    chip: Chip | None = None
    memory: Memory
    link: Link
    slices: str | None = None
    embodied: Embodied
    materials: GPUMaterials | None = None
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> GPUProfile:
        if not self.power.idle.value <= self.power.loaded.value < self.tdp.value:
            raise PydanticCustomError("order", "needs idle <= loaded < tdp")
        if self.slices is not None and self.chip is None:
            raise PydanticCustomError("chip", "'slices' needs the 'chip', whose multiprocessors they share out")
        clock = self.power.clock
        if clock is not None and clock.still is not None and not clock.still.value <= self.power.loaded.value:
            raise PydanticCustomError("order", "needs clock.still <= loaded")
        return self


def clock_curve(gpu: GPUProfile) -> ClockCurve | None:
    """How the board answers a cap, or None where its profile does not say."""
    clock = gpu.power.clock
    if clock is None:
        return None
    return ClockCurve(
        float(clock.floor.value),
        float(clock.slope.value),
        float(clock.memory_share.value),
        clocked_w=float(gpu.power.loaded.value) - still_w(gpu),
        lowest=float(clock.lowest.value) if clock.lowest is not None else LOWEST_CLOCK,
    )


def still_w(gpu: GPUProfile) -> float:
    """What no clock takes away from a loaded board, W."""
    clock = gpu.power.clock
    return float((clock.still if clock is not None and clock.still is not None else gpu.power.idle).value)


def _base(gpu: GPUProfile) -> float:
    """The base clock as a share of the boost clock; 1, so no throttling is known of, where the profile has not both."""
    clock = gpu.power.clock
    if clock is None or clock.base is None or clock.boost is None:
        return 1.0
    return float(clock.base.value) / float(clock.boost.value)


def board_of(gpu: GPUProfile) -> Board | None:
    """What ``capped_job`` needs to know of a board, or None where its profile does not say how its clock acts."""
    curve = clock_curve(gpu)
    if curve is None:
        return None
    of_memory = float(gpu.power.energy_per_byte.value) * float(curve.memory_share)
    return Board(
        limit_w=float(gpu.tdp.value),
        still_w=still_w(gpu),
        memory_w=of_memory * float(gpu.memory.bandwidth.value),
        curve=curve,
        base=_base(gpu),
    )
