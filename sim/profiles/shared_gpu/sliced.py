"""A slice of a GPU as a GPU of its own, and a node whose GPUs are cut: profiles made of profiles, by stated rules.

Of ``count`` equal instances on one GPU, each has its multiprocessors' part of every peak, its memory slices' part of
the bandwidth, and the memory that a program on it can hold. What the board draws at rest, loaded or waiting, and its
limit, are shared by the instances alike: all of them together rest as the whole does, with what no instance can reach
(multiprocessors and memory slices that the layout leaves over) counted. Energy of an operation and of a byte are the
board's. The limit holds one back as if all were at work, which is never above the board's; alone it could draw more.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sim.profiles.machines.gpu import CoreClock, GPUPower, GPUProfile
from sim.profiles.machines.node import Fitted, NodeProfile
from sim.profiles.shared_gpu.slices import SlicesProfile
from sim.profiles.sourced import Embodied, Sourced
from sim.quantities import Quantity

Scaled = TypeVar("Scaled", bound=Quantity)


def slice_of(gpu: GPUProfile, slices: SlicesProfile, kind: str, count: int) -> GPUProfile:
    """One of ``count`` instances of a kind that one board is cut into; the board has a ``chip``."""
    assert gpu.chip is not None
    one, alike = slices.slices[kind], 1.0 / count
    compute = int(one.multiprocessors.value) / int(gpu.chip.multiprocessors.value)
    memory = one.memory / slices.memory
    by_count, by_compute = f"of {count} alike", f"by {one.multiprocessors.value} multiprocessors"
    return gpu.model_copy(
        update={
            "name": sliced_name(gpu.name, kind),
            "title": f"{kind} of {gpu.title}, one of {count}",
            "tdp": _part(gpu.tdp, alike, "W", by_count),
            "power": _power(gpu.power, alike, by_count),
            "peak": {name: _part(rate, compute, "FLOP/s", by_compute) for name, rate in gpu.peak.items()},
            "sustained": {name: _part(rate, compute, "FLOP/s", by_compute) for name, rate in gpu.sustained.items()},
            "chip": gpu.chip.model_copy(update={"multiprocessors": one.multiprocessors}),
            "memory": gpu.memory.model_copy(
                update={
                    "capacity": _part(gpu.memory.capacity, memory, "B", f"{one.memory} of {slices.memory} slices"),
                    "usable": one.usable,
                    "bandwidth": _part(gpu.memory.bandwidth, memory, "B/s", f"{one.memory} of {slices.memory} slices"),
                    "sustained": None,
                }
            ),
            "slices": None,
            "embodied": gpu.embodied.model_copy(
                update={
                    name: _part(getattr(gpu.embodied, name), alike, "gCO2e", by_count) for name in Embodied.model_fields
                }
            ),
            "materials": None,
            "calibration": None,
        }
    )


def sliced_node(node: NodeProfile, kind: str, count: int) -> NodeProfile:
    """A node with each of its GPUs cut into ``count`` instances of a kind; it has GPUs."""
    assert node.gpus is not None
    gpus = Fitted.model_construct(profile=sliced_name(node.gpus.profile, kind), count=node.gpus.count * count)
    return node.model_copy(update={"name": sliced_name(node.name, kind), "gpus": gpus, "islands": None})


def sliced_name(name: str, kind: str) -> str:
    """What a board or a node is called whose slots are instances of a kind."""
    return f"{name}.{kind.replace('+', '-')}"


def _power(power: GPUPower, alike: float, how: str) -> GPUPower:
    states: dict[str, Any] = {
        name: _part(watts, alike, "W", how)
        for name in ("idle", "loaded", "waiting", "active")
        if (watts := getattr(power, name)) is not None
    }
    return power.model_copy(update={**states, "clock": _clock(power.clock, alike, how)})


def _clock(clock: CoreClock | None, alike: float, how: str) -> CoreClock | None:
    if clock is None:
        return None
    watts = {"still": clock.still, "least_cap": clock.least_cap}
    return clock.model_copy(
        update={name: _part(value, alike, "W", how) for name, value in watts.items() if value is not None}
    )


def _part(whole: Sourced[Scaled], share: float, unit: str, how: str) -> Sourced[Scaled]:
    value = Quantity.of(float(whole.value) * share, f"{float(whole.value) * share:.6g} {unit}")
    note = f"{whole.value.text} x {share:.4g}: {how}"
    return whole.model_copy(update={"value": value, "confidence": "derived", "note": note, "low": None, "high": None})
