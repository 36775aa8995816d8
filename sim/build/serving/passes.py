"""What batches of each size take on a GPU or a socket, from the passes that a request is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.later import later
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile, CPURates
from sim.units import NS_PER_S, SECONDS_PER_NS

with later():
    from sim.profiles.machines.board_power import cores_active_w, mean_w
    from sim.profiles.passes import Device, Pass, batch_cost


if TYPE_CHECKING:
    from sim.spec.passes import NetworkPass, Roofline


def batches(spec: Roofline, most: int, device: GPUProfile | CPUProfile) -> tuple[tuple[int, float], ...]:
    """ns of batches of 1 to ``most`` requests, and mean W of a GPU meanwhile (of a socket, 0: its load says it)."""
    passes = [_pass(each, spec, device) for each in spec.passes.values()]
    memory = _memory(spec, device)
    found = []
    for size in range(1, most + 1):
        seconds, busy_s, joules = batch_cost(passes, size, memory, host_s=spec.host * SECONDS_PER_NS)
        watts = mean_w(device, seconds, busy_s, joules) if isinstance(device, GPUProfile) else 0.0
        found.append((max(1, round(seconds * NS_PER_S)), watts))
    return tuple(found)


def _pass(each: NetworkPass, spec: Roofline, device: GPUProfile | CPUProfile) -> Pass:
    """In the pass's precision: what the device achieves of its peak, and what an operation costs a GPU."""
    precision = spec.precision if each.precision is None else each.precision
    peaks = device.peak if isinstance(device, GPUProfile) else _rates(device).peak
    joule = float(device.power.energy_per_flop[precision].value) if isinstance(device, GPUProfile) else 0.0
    return Pass(
        times=each.times,
        flop=float(each.flops),
        byte=float(each.traffic),
        shared_byte=float(each.weights),
        launch_s=each.launch * SECONDS_PER_NS,
        flop_per_s=peaks[precision].value * spec.efficiency.compute,
        joule_per_flop=joule,
    )


def _memory(spec: Roofline, device: GPUProfile | CPUProfile) -> Device:
    """What is achieved of the memory's bandwidth, and what bytes cost a GPU."""
    share = spec.efficiency.memory
    if isinstance(device, CPUProfile):
        return Device(_rates(device).bandwidth.value * share)
    return Device(
        device.memory.bandwidth.value * share,
        joule_per_byte=float(device.power.energy_per_byte.value),
        active_w=cores_active_w(device),
    )


def _rates(cpu: CPUProfile) -> CPURates:
    assert cpu.rates is not None  # or it would not have passed
    return cpu.rates
