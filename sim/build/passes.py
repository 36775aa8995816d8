"""What batches of each size take on a GPU or a socket, from the passes that a request is."""

from __future__ import annotations

from sim.build.loads import cores_active_w, within_limit_w
from sim.profiles.hardware import CPUProfile, CPURates, GPUProfile
from sim.profiles.passes import Device, Pass, batch_cost
from sim.spec.passes import Roofline
from sim.units import NS_PER_S, SECONDS_PER_NS


def batches(spec: Roofline, most: int, device: GPUProfile | CPUProfile) -> tuple[tuple[int, float], ...]:
    """ns of batches of 1 to ``most`` requests, and mean W of a GPU meanwhile (of a socket, 0: its load says it)."""
    passes = [
        Pass(each.times, float(each.flops), float(each.traffic), float(each.weights), each.launch * SECONDS_PER_NS)
        for each in spec.passes.values()
    ]
    achieved = device_of(spec, device)
    found = []
    for size in range(1, most + 1):
        seconds, busy_s, joules = batch_cost(passes, size, achieved, host_s=spec.host * SECONDS_PER_NS)
        watts = _mean_w(device, seconds, busy_s, joules) if isinstance(device, GPUProfile) else 0.0
        found.append((max(1, round(seconds * NS_PER_S)), watts))
    return tuple(found)


def device_of(spec: Roofline, device: GPUProfile | CPUProfile) -> Device:
    """What the device achieves of its peaks, and what operations and bytes cost a GPU."""
    compute, memory = spec.efficiency.compute, spec.efficiency.memory
    if isinstance(device, CPUProfile):
        rates = device.rates
        assert isinstance(rates, CPURates)  # or it would not have passed
        return Device(rates.peak[spec.precision].value * compute, rates.bandwidth.value * memory)
    return Device(
        device.peak[spec.precision].value * compute,
        device.memory.bandwidth.value * memory,
        joule_per_flop=float(device.power.energy_per_flop[spec.precision].value),
        joule_per_byte=float(device.power.energy_per_byte.value),
        active_w=cores_active_w(device),
    )


def _mean_w(gpu: GPUProfile, seconds: float, busy_s: float, joules: float) -> float:
    """Waiting while launches or the host are behind; at work, what the limit lets it draw of what is asked."""
    loaded_w = float(gpu.power.loaded.value)
    waiting_w = loaded_w + (float(gpu.power.waiting.value) if gpu.power.waiting is not None else 0.0)
    at_work_w = within_limit_w(loaded_w + joules / busy_s, gpu) if busy_s > 0.0 else waiting_w
    return (at_work_w * busy_s + waiting_w * (seconds - busy_s)) / seconds
