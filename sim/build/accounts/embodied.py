"""From what a scenario says of making machines and buildings to grams of CO2e, as the accounting takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sim.accounting.amortization import EndOfLife, first_life_g, second_life_by_time
from sim.accounting.amortization import SecondLife as Shared
from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.machines.embodied import SHIPPED
from sim.profiles.machines.node import NodeProfile
from sim.units import M_PER_KM

with later():
    from sim.profiles.machines.embodied import Part, bill_of_materials, device_range_g, end_of_life_g, read_factors
    from sim.spec.embodied import CarbonPerPowerRange as PerPower


if TYPE_CHECKING:
    from sim.profiles.machines.embodied import EmbodiedFactors
    from sim.spec.embodied import (
        Embodied,
        Plant,
        PlantByArea,
        PlantByPower,
        SecondLife,
        SecondLifeShare,
        SecondLifeYears,
    )


Device = Literal["gpu", "server", "network"]
Range = tuple[float, float, float]


@dataclass(frozen=True)
class NodeCarbon:
    """Carbon of making one node's devices, g, as low, central and high.

    ``made_g`` is of one GPU, one server without GPUs, one network share; ``first_life_g`` the part that is not left to
    a second life. ``parts`` is the bill where one was asked for. ``end`` is of one node and comes on top.
    """

    made_g: Mapping[Device, Range]
    first_life_g: Mapping[Device, Range]
    parts: tuple[Part, ...]
    end: EndOfLife | None


@dataclass(frozen=True)
class PlantCarbon:
    """Carbon of a building or its plant, g, and the lifetime it is spread over."""

    made_g: Range
    lifetime_ns: int


def factors_of(spec: Embodied) -> EmbodiedFactors:
    """The scenario's own factors, or those that ship. Raises ``InputError``."""
    return read_factors(Path(spec.factors) if spec.factors is not None else SHIPPED)


def node_carbon(
    node: NodeProfile, spec: Embodied, catalog: Catalog, *, gpu_lifetime_ns: int | None, server_lifetime_ns: int
) -> NodeCarbon:
    """What making one ``node`` emitted. Raises ``InputError`` where a bill cannot be made of it."""
    parts: tuple[Part, ...] = ()
    made: dict[Device, Range] = {}
    network_g = float(spec.network_share) if spec.network_share is not None else None
    if spec.nodes == "bill-of-materials":
        parts = bill_of_materials(node, catalog, factors_of(spec), network_share_g=network_g)
        made["server"] = device_range_g(parts, "server", 1)
        if node.gpus is not None:
            made["gpu"] = device_range_g(parts, "gpu", node.gpus.count)
    else:
        made["server"] = _range(node.embodied.low.value, node.embodied.central.value, node.embodied.high.value)
        if node.gpus is not None:
            gpu = catalog.gpu(node.gpus.profile).embodied
            made["gpu"] = _range(gpu.low.value, gpu.central.value, gpu.high.value)
    if network_g is not None:
        made["network"] = _range(network_g, network_g, network_g)
    for device, stated in (("server", spec.server), ("gpu", spec.gpu)):
        if stated is not None and device in made:
            made[device] = _range(stated, stated, stated)
            if parts and device == "gpu" and node.gpus is not None:
                whole = Part("gpu, stated", "gpu", node.gpus.count, *made["gpu"], ("the scenario",), "assumed")
                parts = (whole, *(part for part in parts if part.device != "gpu"))
    lifetimes = {
        "gpu": gpu_lifetime_ns or server_lifetime_ns,
        "server": server_lifetime_ns,
        "network": server_lifetime_ns,
    }
    first = {device: _first(made[device], spec.second_life, lifetimes[device]) for device in made}
    return NodeCarbon(made, first, parts, _end(spec))


def _range(low: float, central: float, high: float) -> Range:
    return float(low), float(central), float(high)


def _first(made_g: Range, spec: SecondLife | None, lifetime_ns: int) -> Range:
    if spec is None:
        return made_g
    second = builder(spec)(spec, lifetime_ns)
    return _range(*(first_life_g(grams, second) for grams in made_g))


def by_years(spec: SecondLifeYears, lifetime_ns: int) -> Shared:
    """By the years of both lives."""
    return second_life_by_time(lifetime_ns, int(spec.years))


def by_share(spec: SecondLifeShare, _lifetime_ns: int) -> Shared:
    """As agreed."""
    return Shared(float(spec.share))


def _end(spec: Embodied) -> EndOfLife | None:
    if spec.end_of_life is None:
        return None
    known = factors_of(spec).end_of_life
    transport, treatment = end_of_life_g(
        float(spec.end_of_life.mass),
        float(spec.end_of_life.distance) / M_PER_KM,
        treatment=float(known.treatment.value),
        truck_1000_km=float(known.truck_1000_km.value),
    )
    credit = spec.end_of_life.credit
    return EndOfLife(transport, treatment, float(credit) if credit is not None else 0.0)


def plant_carbon(spec: Plant) -> PlantCarbon:
    """What a building, or its cooling and power plant, emitted to make."""
    made: PlantCarbon = builder(spec)(spec)
    return made


def by_area(spec: PlantByArea) -> PlantCarbon:
    """By its floor."""
    grams = float(spec.carbon) * float(spec.area)
    return PlantCarbon(_range(grams, grams, grams), int(spec.lifetime))


def by_power(spec: PlantByPower) -> PlantCarbon:
    """By the power it is built for."""
    capacity_w, stated = float(spec.capacity), spec.carbon
    ends = (stated.low, stated.central, stated.high) if isinstance(stated, PerPower) else (stated,) * 3
    return PlantCarbon(_range(*(float(end) * capacity_w for end in ends)), int(spec.lifetime))
