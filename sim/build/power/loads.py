"""GPU watts and step times that follow from a stated load and a GPU profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from sim.build.machines.failures import interval_ns
from sim.later import later
from sim.profiles.machines.board_power import clocked_up_w, cores_active_w, within_limit_w
from sim.profiles.machines.gpu import GPUProfile, board_of, clock_curve
from sim.profiles.power_laws.capped_job import Board, job_under_cap
from sim.profiles.power_laws.clock import LOWEST_CLOCK, ClockCurve, Joules, capped_clock, clocked, saved_w, voltage
from sim.units import HOUR_NS, NS_PER_S, SECONDS_PER_NS

with later():
    from sim.profiles.power_laws.devices import capped_step_s, gpu_power_w, roofline_step_s
    from sim.training.power import polling_w
    from sim.workload.schedule import expected_ns


if TYPE_CHECKING:
    from sim.profiles.methods import Effect
    from sim.spec.workloads import GPUHours, Load, Steps, ThroughputLoad, Training, TrainingWork


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GangWork:
    """Productive time of the whole gang in ns, and W of each of its GPUs at work and loaded."""

    work_ns: int
    active_w: float
    loaded_w: float


def gpu_watts(load: Load, gpu: GPUProfile) -> tuple[float, float]:
    """W of one GPU at work, and with its model loaded and no work.

    Measured watts are taken as they are: a unit that draws less at work than the profile draws loaded (a job that
    mostly waits, a frugal unit) draws no more without work either.
    """
    loaded_w = float(gpu.power.loaded.value)
    if load.kind == "measured":
        active_w = float(load.active)
        return active_w, float(load.loaded) if load.loaded is not None else min(loaded_w, active_w)
    if load.kind == "nameplate":
        return float(gpu.tdp.value), float(gpu.tdp.value)
    return within_limit_w(_asked_w(load, gpu), gpu), loaded_w


def least_w(load: ThroughputLoad, gpu: GPUProfile) -> float:
    """W that a rate of work takes at the least: at the lowest clock that still computes it, where one is known."""
    operations_w = load.compute * float(gpu.power.energy_per_flop[load.precision].value)
    share = load.compute / float(gpu.peak[load.precision].value)
    clocked_w = clocked_up_w(gpu) - float(gpu.power.loaded.value) + cores_active_w(gpu)
    return _asked_w(load, gpu) - _spared(share, operations_w, clocked_w, clock_curve(gpu))


def _spared(share: float, operations: float, cores: float, curve: ClockCurve | None) -> float:
    """Of W or J of operations, and of ``cores`` that are clocked, what the lowest clock spares that still does
    ``share`` of the peak."""
    if curve is None:
        return 0.0
    clock = np.array(max(LOWEST_CLOCK, share))
    return operations * (1.0 - float(voltage(clock, curve)) ** 2) + cores * (1.0 - float(clocked(clock, curve)))


def _asked_w(load: ThroughputLoad, gpu: GPUProfile) -> float:
    """W that a rate of work asks for at the highest clock; multiprocessors are at work all the time."""
    return gpu_power_w(
        loaded_w=clocked_up_w(gpu) + cores_active_w(gpu),
        flop_per_s=load.compute,
        joule_per_flop=gpu.power.energy_per_flop[load.precision].value,
        byte_per_s=load.memory_traffic,
        joule_per_byte=gpu.power.energy_per_byte.value,
    )


class Gang(Protocol):
    """The work of a whole gang, which knows what a cap does to it; nothing changes in it."""

    def __hash__(self) -> int: ...

    def under(self, cap_w: float | None) -> GangWork:
        """The work under a cap of so many W on each GPU, or without one."""
        ...


@dataclass(frozen=True)
class Hours:
    """Work of a gang given by its time and mean power: what it is made of is not known (see ``capped_job``)."""

    work_ns: float
    active_w: float
    loaded_w: float
    board: Board | None

    def under(self, cap_w: float | None) -> GangWork:
        """The work under a cap of so many W on each GPU, or without one.

        Where nothing is known of the board's clock, a cap is pure delay.
        """
        if cap_w is None:
            return GangWork(max(1, round(self.work_ns)), self.active_w, self.loaded_w)
        if self.board is None:
            slower = capped_step_s(1.0, dynamic_j=self.active_w - self.loaded_w, loaded_w=self.loaded_w, cap_w=cap_w)
            watts = self.loaded_w + (self.active_w - self.loaded_w) / slower
        else:
            watts, slower = (float(x) for x in job_under_cap(np.array(cap_w), np.array(self.active_w), self.board))
            watts = max(watts, min(self.loaded_w, self.active_w, cap_w))  # as loaded power is counted, at any clock
        return GangWork(max(1, round(self.work_ns * slower)), watts, self.loaded_w)


@dataclass(frozen=True)
class StepsOfGang:
    """Work of a gang in steps: of one of them on one GPU the seconds, those of the cores and of memory, and the joules
    beyond loaded power of operations, of bytes of memory and of links, of multiprocessors at work and of being clocked
    up meanwhile and between."""

    steps: int
    step_s: float
    core_s: float
    memory_s: float
    joules: tuple[float, ...]
    loaded_w: float
    tdp_w: float
    curve: ClockCurve | None

    def under(self, cap_w: float | None) -> GangWork:
        """The work under a cap of so many W on each GPU; it never draws more than its TDP."""
        limit_w = self.tdp_w if cap_w is None else min(cap_w, self.tdp_w)
        step_s, dynamic_j = self._at(limit_w)
        work_ns = max(1, round(step_s * NS_PER_S * self.steps))
        return GangWork(work_ns, self.loaded_w + dynamic_j / step_s, self.loaded_w)

    def _at(self, limit_w: float) -> tuple[float, float]:
        """Seconds and J beyond loaded: a lower clock, and where that is too little, waiting."""
        step_s, dynamic_j = self.step_s, sum(self.joules)
        if self.curve is not None:
            operations, traffic, links, active, waiting = (np.array(part) for part in self.joules)
            own = self.curve.memory_share
            joules = Joules(operations, (1.0 - own) * traffic + active, waiting, own * traffic + links)
            other_s = np.array(self.step_s - max(self.core_s, self.memory_s))

            def seconds(clock: Floats) -> Floats:
                return np.asarray(np.maximum(self.core_s / clock, self.memory_s) + other_s)

            clock = capped_clock(seconds, joules, other_s, cap_w=limit_w, loaded_w=self.loaded_w, curve=self.curve)
            step_s = float(seconds(clock))
            worked_s = max(self.core_s, self.memory_s)
            slower = np.array((step_s - float(other_s)) / worked_s if worked_s > 0.0 else 1.0)
            dynamic_j = float(joules.at(clock, slower, self.curve) - saved_w(clock, self.curve) * step_s)
        return capped_step_s(step_s, dynamic_j=dynamic_j, loaded_w=self.loaded_w, cap_w=limit_w), dynamic_j


@dataclass(frozen=True)
class RateUnderCap:
    """From the cap in W of each GPU to the rate of work, relative to no cap, and the W at work."""

    work: Gang

    def __call__(self, cap_w: float) -> tuple[float, float]:
        """The rate and the W of each GPU under ``cap_w``."""
        return _rate_and_watts(self.work, cap_w)


@lru_cache(maxsize=4096)
def _rate_and_watts(work: Gang, cap_w: float) -> tuple[float, float]:
    capped = work.under(cap_w)
    return work.under(None).work_ns / capped.work_ns, capped.active_w


@dataclass(frozen=True)
class UnderCap:
    """What a cap does to a job of which its mean power is known (see ``profiles.power_laws.capped_job``)."""

    gpu: GPUProfile
    loaded_w: float

    def __call__(self, active_w: float, cap_w: float) -> tuple[float, float]:
        """The rate of work (0..1) and W under the cap."""
        return _mean_under(Hours(NS_PER_S, active_w, min(self.loaded_w, active_w), board_of(self.gpu)), cap_w)


@lru_cache(maxsize=4096)
def _mean_under(second: Hours, cap_w: float) -> tuple[float, float]:
    work = second.under(cap_w)
    return min(1.0, NS_PER_S / work.work_ns), work.active_w


def gang_of(work: GPUHours | Steps, gpus: int, gpu: GPUProfile) -> Hours | StepsOfGang:
    """The work of a gang of ``gpus`` whose cost is given."""
    if work.kind == "gpu-hours":
        return Hours(work.gpu_hours * HOUR_NS / gpus, *gpu_watts(work.load, gpu), board_of(gpu))
    flop, byte, link_byte = work.flops / gpus, work.memory_traffic / gpus, work.link_traffic / gpus
    joule_per_link_byte = float(gpu.link.energy_per_byte.value) if gpu.link.energy_per_byte is not None else 0.0
    free_s = roofline_step_s(
        flop=flop,
        peak_flop_per_s=gpu.peak[work.precision].value,
        byte=byte,
        peak_byte_per_s=gpu.memory.bandwidth.value,
        link_byte=link_byte,
        peak_link_byte_per_s=gpu.link.bandwidth.value,
        compute_efficiency=work.efficiency.compute,
        memory_efficiency=work.efficiency.memory,
        link_efficiency=work.efficiency.link,
        overhead_s=work.overhead * SECONDS_PER_NS,
    )
    core_s = flop / (gpu.peak[work.precision].value * work.efficiency.compute)
    memory_s = byte / (gpu.memory.bandwidth.value * work.efficiency.memory)
    worked_s, beyond_w = max(core_s, memory_s), clocked_up_w(gpu) - float(gpu.power.loaded.value)
    joules = np.array(
        [
            flop * gpu.power.energy_per_flop[work.precision].value,
            byte * gpu.power.energy_per_byte.value,
            link_byte * joule_per_link_byte,
            worked_s * (cores_active_w(gpu) + beyond_w),
            (free_s - worked_s) * beyond_w,
        ]
    )
    # A stated efficiency that a lower clock still reaches within the TDP was reached there: what the limit holds back
    # of the power lengthens no step. One that only the highest clock reaches meets the limit, and slows.
    curve, loaded_w = clock_curve(gpu), float(gpu.power.loaded.value)
    asked_w = loaded_w + float(joules.sum()) / free_s
    spared_j = _spared(work.efficiency.compute, float(joules[0]), float(joules[3:].sum()), curve)
    reached = asked_w - spared_j / free_s <= gpu.tdp.value and asked_w > loaded_w
    held = (within_limit_w(asked_w, gpu) - loaded_w) / (asked_w - loaded_w) if reached else 1.0
    return StepsOfGang(
        steps=work.steps,
        step_s=free_s,
        core_s=core_s,
        memory_s=memory_s,
        joules=tuple(float(j) for j in held * joules),
        loaded_w=loaded_w,
        tdp_w=float(gpu.tdp.value),
        curve=curve,
    )


def changed(work: Hours | StepsOfGang, effect: Effect) -> Hours | StepsOfGang:
    """The work of a gang under methods: longer or shorter by theirs, at their share of the mean power at work.

    Of steps the power beyond loaded follows, each part in proportion; GPUs that wait loaded draw what they drew.
    """
    if isinstance(work, Hours):
        active_w = work.active_w * effect.power
        return replace(
            work, work_ns=work.work_ns * effect.longer, active_w=active_w, loaded_w=min(work.loaded_w, active_w)
        )
    free_j = sum(work.joules)
    wanted_j = max(0.0, effect.power * (work.loaded_w + free_j / work.step_s) - work.loaded_w) * work.step_s
    more = effect.longer * (wanted_j / free_j if free_j > 0.0 else 0.0)
    return replace(
        work,
        step_s=work.step_s * effect.longer,
        core_s=work.core_s * effect.longer,
        memory_s=work.memory_s * effect.longer,
        joules=tuple(j * more for j in work.joules),
    )


def job_ns(job: Training, gang: Gang, mtbf_ns: float | None) -> int:
    """How long a job holds its gang if nothing happens to it, checkpoints included; ``mtbf_ns`` is of its gang."""
    stall_ns = job.checkpoint.stall_ns if job.checkpoint is not None else 0
    return expected_ns(gang.under(None).work_ns, int(job.setup), interval_ns(job.checkpoint, mtbf_ns), stall_ns)


def waiting_w(gpu: GPUProfile, active_w: float, loaded_w: float) -> float:
    """W of a GPU that waits for others in a collective (``training.power``), and never more than at work."""
    return min(loaded_w + polling_w(gpu) - float(gpu.power.loaded.value), active_w)


def can_be_capped(work: TrainingWork) -> bool:
    """Whether a cap on GPUs changes what the work draws: nameplate power is counted, not drawn, and CPUs are none."""
    return work.kind != "socket-hours" and not (work.kind == "gpu-hours" and work.load.kind == "nameplate")
