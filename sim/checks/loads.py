"""Whether GPUs can do what workloads say that they do, and draw what they say that they draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.later import later
from sim.profiles.machines.gpu import GPUProfile

with later():
    from sim.build.power.loads import gpu_watts, least_w
    from sim.spec.passes import Roofline


if TYPE_CHECKING:
    from sim.spec.early_exit import EarlyExit
    from sim.spec.inference import Inference
    from sim.spec.jobs import JobLoad
    from sim.spec.workloads import Load, TrainingWork


LEAST_OF_IDLE = 0.5
"""Units of one model differ, and so do hosts; a share of the profile's idle power below this is no such difference."""

Found = Iterator[tuple[KeyPath, str]]


def loads_fit(resolved: Resolved) -> Found:
    """What workloads ask of their GPUs, these give."""
    for name, service in resolved.services.items():
        if isinstance(service.service_time, Roofline):
            yield from _passes_fit(name, service, resolved)
    for name, _, label, *_ in resolved.groups:
        gpu, path = resolved.gpus.get(label), ("workloads", name)
        if gpu is None or name in resolved.choosing:
            continue
        if name in resolved.jobs:
            yield from work_fits((*path, "work"), resolved.jobs[name].work, gpu)
        elif name in resolved.campaigns:
            for at, _, _, work in resolved.campaigns[name].sizes:
                yield from work_fits((*path, *at, "work"), work, gpu)
        elif name in resolved.services:
            load = resolved.services[name].load
            if load is not None:
                wrong = list(load_fits((*path, "load"), load, gpu))
                yield from wrong or _exits_fit(name, resolved.services[name].early_exit, load, gpu)
        elif name in resolved.batches:
            for at, load in _loads_of_jobs(resolved.batches[name].load):
                yield from load_fits((*path, "load", *at), load, gpu)


def _exits_fit(name: str, exits: EarlyExit | None, load: Load, gpu: GPUProfile) -> Found:
    """What a GPU draws on the way to an exit: parts of a network may take more than the whole on average, and none more
    than the GPU may draw."""
    if exits is None:
        return
    active_w, loaded_w = gpu_watts(load, gpu)
    limit_w = max(float(gpu.tdp.value), active_w)  # a unit may have been measured above its nameplate
    at: KeyPath = ("workloads", name, "early_exit")
    shares: dict[KeyPath, float] = {(*at, "exits", each, "load"): one.load for each, one in exits.exits.items()}
    for path, share in {**shares, (*at, "last_load"): exits.last_load}.items():
        if load.kind == "nameplate" and share != 1.0:
            yield path, "changes power, and nameplate power is counted, not drawn: give a measured load"
            continue
        drawn_w = loaded_w + share * (active_w - loaded_w)
        if drawn_w > limit_w * (1.0 + 1e-9):  # of the arithmetic
            tdp = f"the TDP of '{gpu.name}' is {gpu.tdp.value.text}"
            yield path, f"would draw {drawn_w:.4g} W, above {limit_w:.4g} W; {tdp}"


def stated_loads(resolved: Resolved) -> Iterator[tuple[KeyPath, Load, str]]:
    """Every load that a scenario states of a GPU, with its place and the pool of the GPU."""
    for name, _, label, *_ in resolved.groups:
        path: KeyPath = ("workloads", name)
        if label not in resolved.gpus or name in resolved.choosing:
            continue
        if name in resolved.jobs:
            yield from _of_work((*path, "work"), resolved.jobs[name].work, label)
        elif name in resolved.campaigns:
            for at, _, _, work in resolved.campaigns[name].sizes:
                yield from _of_work((*path, *at, "work"), work, label)
        elif name in resolved.services:
            load = resolved.services[name].load
            if load is not None:
                yield (*path, "load"), load, label
        elif name in resolved.batches:
            for at, load in _loads_of_jobs(resolved.batches[name].load):
                yield (*path, "load", *at), load, label


def _of_work(path: KeyPath, work: TrainingWork, label: str) -> Iterator[tuple[KeyPath, Load, str]]:
    if work.kind == "gpu-hours":
        yield (*path, "load"), work.load, label


def _loads_of_jobs(load: JobLoad | None) -> Iterator[tuple[KeyPath, Load]]:
    """The loads that a workload of jobs states, with where; none where its trace does."""
    if load is None or load.kind == "trace":
        return
    if load.kind != "by-kind":
        yield (), load
        return
    yield from ((("kinds", kind), one) for kind, one in load.kinds.items())
    if load.other is not None:
        yield ("other",), load.other


def work_fits(path: KeyPath, work: TrainingWork, gpu: GPUProfile) -> Found:
    if work.kind == "gpu-hours":
        yield from load_fits((*path, "load"), work.load, gpu)
        return
    if work.kind == "model" or work.kind == "socket-hours":
        return  # see models_fit; of sockets nothing is asked that a GPU could lack
    for table, what in ((gpu.peak, "peak rate"), (gpu.power.energy_per_flop, "energy per FLOP")):
        if work.precision not in table:
            known = ", ".join(table)
            yield (*path, "precision"), f"'{gpu.name}' has no {what} for {work.precision}  ({known})"
    if work.link_traffic and gpu.link.energy_per_byte is None:
        yield (*path, "link_traffic"), f"'{gpu.name}' has no energy per byte of its link in its profile"


def _passes_fit(name: str, service: Inference, resolved: Resolved) -> Found:
    """The device that passes run on has peaks for their precisions."""
    asked, at = service.service_time, ("workloads", name, "service_time")
    label = next(iter(resolved.pools[name].values()), "")
    if not isinstance(asked, Roofline) or label not in resolved.machines:
        return
    gpu, cpu = resolved.gpus.get(label), resolved.machines[label].cpu
    if service.sockets_per_replica:
        if cpu.rates is None:
            yield (*at, "law"), f"'{cpu.name}' has no 'rates' in its profile: state its service time as measured"
            return
        device, known = cpu.name, [str(one) for one in cpu.rates.peak]
    elif gpu is not None:
        device, known = gpu.name, [str(one) for one in gpu.peak if one in gpu.power.energy_per_flop]
    else:
        return  # it has no GPU to run on, which is told elsewhere
    wanted: dict[KeyPath, str] = {("precision",): asked.precision}
    wanted |= {("passes", each, "precision"): one.precision for each, one in asked.passes.items() if one.precision}
    for where, precision in wanted.items():
        if precision not in known:
            yield (*at, *where), f"'{device}' has no peak (and power) for {precision}  ({', '.join(known)})"


def load_fits(at: KeyPath, load: Load, gpu: GPUProfile) -> Found:
    """A load that is stated against what a GPU can do and draw."""
    if load.kind == "throughput":
        if load.precision not in gpu.power.energy_per_flop or load.precision not in gpu.peak:
            known = ", ".join(name for name in gpu.peak if name in gpu.power.energy_per_flop)
            yield (*at, "precision"), f"'{gpu.name}' has no power and peak for {load.precision}  ({known})"
            return
        peak = gpu.peak[load.precision].value
        if load.compute > peak:
            yield (*at, "compute"), f"{load.compute.text} is above the peak of '{gpu.name}', {peak.text}"
            return
        if load.memory_traffic > gpu.memory.bandwidth.value:
            yield (*at, "memory_traffic"), f"is above the bandwidth of '{gpu.name}', {gpu.memory.bandwidth.value.text}"
            return
        least, tdp = least_w(load, gpu), gpu.tdp.value
        if least > tdp:
            yield at, f"would draw {least:.0f} W on '{gpu.name}', above its TDP of {tdp.text}; lower the rates"
        return
    active_w, loaded_w = gpu_watts(load, gpu)
    if active_w < loaded_w:
        yield at, f"draws {active_w:g} W at work and {loaded_w:g} W loaded without work; work cannot lower power"
    elif load.kind == "measured" and active_w < LEAST_OF_IDLE * gpu.power.idle.value:
        idle = gpu.power.idle.value.text
        yield (*at, "active"), f"is less than half of what '{gpu.name}' draws idle, {idle}: that is another device"
