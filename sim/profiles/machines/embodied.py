"""The embodied carbon of a server, part by part: a bill of materials with a low, a central and a high figure each.

Cradle to gate: materials, chips, boards, assembly. Left out, because no figure for them could be verified: NVSwitch and
network cards, cables, fans, the heat sinks of the host, and transport to the site. What is low or high of a part is
another study's figure, not a quantile; ``comonotone`` and ``independent`` say what a sum of them may be taken to mean.

A vendor's footprint of a whole GPU comes before the sum of its parts (as the central figure; the range stays as wide as
the published totals). A GPU whose dies nobody states is one part, by its profile's own range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import read_document
from sim.errors import InputError, Problem
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUMaterials, GPUProfile, Process
from sim.profiles.machines.node import NodeProfile
from sim.profiles.sourced import Embodied, Profile, Sourced, SourcedMass
from sim.quantities import (
    CarbonIntensity,
    CarbonPerArea,
    CarbonPerByte,
    EnergyPerArea,
    PositiveFraction,
    SmallRatio,
    WaterPerArea,
)
from sim.units import KM_PER_MM
from sim.validation import Spec, validate

SHIPPED = Path(__file__).resolve().parent / "embodied_2025.yaml"


class PerByteRange(Spec):
    """Carbon per byte of memory, g/B."""

    low: Sourced[CarbonPerByte]
    central: Sourced[CarbonPerByte]
    high: Sourced[CarbonPerByte]

    @model_validator(mode="after")
    def _ordered(self) -> PerByteRange:
        if not self.low.value <= self.central.value <= self.high.value:
            raise PydanticCustomError("order", "low, central and high must not decrease")
        return self


class LogicProcess(Spec):
    """A process's energy and direct gases (at 95 % and 99 % abatement) per area; water where it is published."""

    energy: Sourced[EnergyPerArea]
    gas_95: Sourced[CarbonPerArea]
    gas_99: Sourced[CarbonPerArea]
    water: Sourced[WaterPerArea] | None = None


class EndOfLifeFactors(Spec):
    """Treatment, and transport over 1,000 km by truck: both g of CO2e per g of equipment."""

    treatment: Sourced[SmallRatio]
    truck_1000_km: Sourced[SmallRatio]


class EmbodiedFactors(Profile):
    """Carbon of what servers are made of, each number with its source."""

    kind: Literal["embodied-factors"]
    logic: dict[Process, LogicProcess] = Field(min_length=1)
    materials: Sourced[CarbonPerArea]
    fab_intensity: Sourced[CarbonIntensity]
    fab_yield: Sourced[PositiveFraction]
    package: SourcedMass
    wafer_teardown: Sourced[CarbonPerArea]
    hbm: PerByteRange
    gddr: PerByteRange
    dram: PerByteRange
    ssd: PerByteRange
    board: Sourced[CarbonPerArea]
    heatsink: Sourced[SmallRatio]
    casing: Sourced[SmallRatio]
    mainboard: Embodied
    power_supply: Embodied
    chassis: SourcedMass
    assembly: SourcedMass
    end_of_life: EndOfLifeFactors


def read_factors(path: Path = SHIPPED) -> EmbodiedFactors:
    """The factors in a YAML file; those that ship, without one. Raises ``InputError`` with every problem in it."""
    try:
        modified_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError.one(str(path), error.strerror or "cannot be read") from None
    return _read(path, modified_ns)


@lru_cache(maxsize=16)
def _read(path: Path, _modified_ns: int) -> EmbodiedFactors:
    document = read_document(path)
    problems: list[Problem] = list(document.problems)
    factors = validate(EmbodiedFactors, document, problems=problems)
    if problems or factors is None:
        raise InputError(problems)
    checked: EmbodiedFactors = factors
    return checked


@dataclass(frozen=True)
class Part:
    """``count`` equal parts of a ``device`` (gpu, server or network): g of CO2e of one, and where it comes from.

    All ``count`` are made alike, so their errors are one error.
    """

    name: str
    device: Literal["gpu", "server", "network"]
    count: float
    low_g: float
    central_g: float
    high_g: float
    sources: tuple[str, ...]
    confidence: Literal["measured", "datasheet", "cited", "derived", "assumed"]

    def total_g(self) -> tuple[float, float, float]:
        """Low, central and high of all of them."""
        return self.low_g * self.count, self.central_g * self.count, self.high_g * self.count


# Pure functions


def carbon_per_area(
    energy_j_m2: float, intensity_g_j: float, gas_g_m2: float, materials_g_m2: float, fab_yield: float
) -> float:
    """Carbon of one area of good die, g/m2: (energy x intensity + gases + materials) / yield.

    ``fab_yield`` is in (0, 1]. Source: ACT, Gupta et al., ISCA 2022, doi:10.1145/3470496.3527408 (its CPA). It takes
    the die's own area: the wafer's edge and scribe lines are not in it, one reason why teardowns find more.
    """
    return (energy_j_m2 * intensity_g_j + gas_g_m2 + materials_g_m2) / fab_yield


def comonotone(parts: Sequence[Part]) -> tuple[float, float, float]:
    """Low, central and high of a sum whose parts all err the same way, g: the sums of lows, centrals and highs.

    The widest a sum can be: no way of combining the parts leaves it.
    """
    low, central, high = np.sum([part.total_g() for part in parts], axis=0).tolist() if parts else (0.0, 0.0, 0.0)
    return low, central, high


def end_of_life_g(mass_g: float, distance_km: float, *, treatment: float, truck_1000_km: float) -> tuple[float, float]:
    """Transport and treatment of ``mass_g`` of equipment at the end of its life, g of CO2e each.

    The factors are g per g (treatment) and g per g over 1,000 km. What recovered metals save others is not deducted: a
    credit is reported beside the inventory, never inside it (GHG Protocol, Product Standard, 2011, avoided emissions).
    """
    return mass_g * truck_1000_km * distance_km / KM_PER_MM, mass_g * treatment


# The bill


def bill_of_materials(
    node: NodeProfile, catalog: Catalog, factors: EmbodiedFactors, *, network_share_g: float | None = None
) -> tuple[Part, ...]:
    """The parts of one node with all of its GPUs. ``network_share_g`` is its share of switches and cables, if known.

    Raises ``InputError`` where the node's profile does not say what it holds (``materials``).
    """
    if node.materials is None:
        raise InputError.one(
            "accounting.embodied",
            f"the profile '{node.name}' has no 'materials' (drives, power_supplies, rack_units) to make a bill of; "
            "write 'nodes: profile' to take its range as a whole",
        )
    parts = gpu_parts(catalog.gpu(node.gpus.profile), node.gpus.count, factors) if node.gpus is not None else ()
    parts += _server_parts(node, catalog, factors)
    if network_share_g is not None:
        share = network_share_g
        parts += (Part("network share", "network", 1, share, share, share, ("the scenario",), "assumed"),)
    return parts


def gpu_parts(gpu: GPUProfile, count: int, factors: EmbodiedFactors) -> tuple[Part, ...]:
    """The parts of ``count`` accelerators: the vendor's total, what they are made of, or the profile's range."""
    made_of = gpu.materials
    if made_of is None:
        return (_whole("gpu, profile's range", "gpu", count, gpu.embodied, gpu),)
    if made_of.vendor_total is not None:
        total = made_of.vendor_total
        published, grams = gpu.embodied, float(total.value)
        low, high = min(grams, float(published.low.value)), max(grams, float(published.high.value))
        cited = _titles(gpu, total, published.low, published.high)
        return (Part("gpu, vendor's total", "gpu", count, low, grams, high, cited, total.confidence),)
    return _gpu_materials(gpu, made_of, count, factors)


def _gpu_materials(gpu: GPUProfile, made_of: GPUMaterials, count: int, factors: EmbodiedFactors) -> tuple[Part, ...]:
    def each(name: str, grams: float, *numbers: Sourced[Any]) -> Part:
        return Part(name, "gpu", count, grams, grams, grams, _titles(factors, *numbers), "derived")

    parts = []
    for i, die in enumerate(made_of.dies):
        process, area_m2 = factors.logic[die.process], float(die.area.value)
        energy, intensity = float(process.energy.value), float(factors.fab_intensity.value)
        gas_95, gas_99 = float(process.gas_95.value), float(process.gas_99.value)
        rest = float(factors.materials.value), float(factors.fab_yield.value)
        low = area_m2 * carbon_per_area(energy, intensity, gas_99, *rest)
        central = area_m2 * carbon_per_area(energy, intensity, (gas_95 + gas_99) / 2.0, *rest)
        high = float(die.effective_area.value) * float(factors.wafer_teardown.value)
        cited = _titles(factors, process.energy, factors.wafer_teardown)
        name = "gpu die" if len(made_of.dies) == 1 else f"gpu die {i + 1}"
        parts.append(Part(name, "gpu", count, low, central, max(central, high), cited, "derived"))
    parts.append(each("gpu package", float(factors.package.value) * len(made_of.dies), factors.package))
    per_byte = factors.hbm if made_of.memory == "hbm" else factors.gddr
    parts.append(_per_byte("gpu memory", "gpu", count, per_byte, float(gpu.memory.capacity.value), factors))
    parts.append(each("gpu board", float(made_of.board.value) * float(factors.board.value), factors.board))
    if made_of.heatsink is not None:
        parts.append(
            each("gpu heatsink", float(made_of.heatsink.value) * float(factors.heatsink.value), factors.heatsink)
        )
    if made_of.casing is not None:
        parts.append(each("gpu casing", float(made_of.casing.value) * float(factors.casing.value), factors.casing))
    return tuple(parts)


def _server_parts(node: NodeProfile, catalog: Catalog, factors: EmbodiedFactors) -> tuple[Part, ...]:
    made_of = node.materials
    assert made_of is not None  # asked for by the only caller
    cpu = catalog.cpu(node.cpus.profile)
    one_case = float(factors.chassis.value)
    tallest = one_case * max(1.0, made_of.rack_units.value / 2.0)  # the cited case is of a server of two units
    assembly = float(factors.assembly.value)
    return (
        _whole("cpu", "server", node.cpus.count, cpu.embodied, cpu),
        _per_byte("dram", "server", 1, factors.dram, float(node.dram.capacity.value), factors),
        _per_byte("drives", "server", 1, factors.ssd, float(made_of.drives.value), factors),
        _whole("mainboard", "server", 1, factors.mainboard, factors),
        _whole("power supply", "server", made_of.power_supplies.value, factors.power_supply, factors),
        Part(
            "chassis",
            "server",
            1,
            one_case,
            (one_case + tallest) / 2.0,
            tallest,
            _titles(factors, factors.chassis),
            "derived",
        ),
        Part("assembly", "server", 1, assembly, assembly, assembly, _titles(factors, factors.assembly), "cited"),
    )


def device_range_g(parts: Sequence[Part], device: str, devices: int) -> tuple[float, float, float]:
    """Low, central and high of one of ``devices`` equal devices of a kind, g, its parts taken as comonotone."""
    low, central, high = comonotone([part for part in parts if part.device == device])
    return low / devices, central / devices, high / devices


def embodied_water_l(gpu: GPUProfile, factors: EmbodiedFactors) -> float | None:
    """Water of making one accelerator's logic dies, L, withdrawn by the fab; None where no figure is published.

    Area taken from the wafer times litres per area of wafer. Memory, packaging and power are not in it.
    """
    if gpu.materials is None:
        return None
    litres = 0.0
    for die in gpu.materials.dies:
        water = factors.logic[die.process].water
        if water is None:
            return None
        litres += float(die.effective_area.value) * float(water.value)
    return litres


def _per_byte(
    name: str, device: Literal["gpu", "server"], count: int, factor: PerByteRange, capacity_b: float, cites: Profile
) -> Part:
    low, central, high = (float(x.value) * capacity_b for x in (factor.low, factor.central, factor.high))
    cited = _titles(cites, factor.low, factor.central, factor.high)
    return Part(name, device, count, low, central, high, cited, factor.central.confidence)


def _whole(name: str, device: Literal["gpu", "server"], count: int, published: Embodied, cites: Profile) -> Part:
    low, central, high = (float(x.value) for x in (published.low, published.central, published.high))
    cited = _titles(cites, published.low, published.central, published.high)
    return Part(name, device, count, low, central, high, cited, published.central.confidence)


def _titles(cites: Profile, *numbers: Sourced[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{cites.sources[n.source].author}: {cites.sources[n.source].title}" for n in numbers))
