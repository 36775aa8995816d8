"""What each GPU draws in the phases of a training step, and what a cap does to them: time and power are one model.

A step alternates between kernels, which draw for what they compute and move, and waiting. GPUs that wait do not sleep.
For data they stay clocked up, between kernels. In a collective, in a pipeline's bubble and for the slowest they poll,
on a few multiprocessors (NCCL runs as a kernel of a few blocks): a board that reports itself all busy then draws
little more than one between kernels, and with it the bytes it carries. So a run whose communication is exposed draws
less, and how much less follows from the time of its step alone.

Kernels follow the law of ``profiles.kernels.power``, reckoned over a whole phase: a board's limit averages over tens of
milliseconds, many kernels. Times of a step are those at the board's own limit, which holds back watts and not seconds;
a lower cap lowers the clock (``power_laws.clock``) in phases that compute, and leaves alone what memory or links pace.

It leaves out the milliseconds in which power rises and falls, temperature, and that unlucky layouts keep some of a
group's GPUs busier than others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.profiles.kernels.power import drawn_w
from sim.profiles.kernels.work import TILE
from sim.profiles.machines.gpu import GPUProfile, Precision, clock_curve
from sim.profiles.power_laws.clock import ClockCurve, Joules, capped_clock, saved_w
from sim.profiles.power_laws.devices import capped_step_s
from sim.profiles.sourced import Sourced
from sim.training.terms import Phase, StepCost

Floats = npt.NDArray[np.float64]

ARITHMETIC: dict[str, tuple[Precision, float]] = {
    "fp32": ("fp32", 4.0),
    "tf32": ("tf32", 4.0),
    "bf16": ("bf16", 2.0),
    "fp16": ("fp16", 2.0),
    "fp8": ("fp8", 1.0),
    "mxfp8": ("fp8", 1.0),
    "nvfp4": ("fp4", 0.5),
}
"""Of a precision of training: the tensor cores' arithmetic it runs on, and B of an operand. What blocks of mxfp8 and
nvfp4 add for their scales (a byte for 32 or 16 values) is left out."""

POLLING = 0.063
"""Of a board's ``active`` power, what its kernel draws that waits for others and computes nothing. Measured: eight H100
that report 100 % busy at 153 W (quartiles 151 and 155 W of 17,693 samples below 175 W) have 121.7 W loaded, 18 W for
being clocked up, and 13 W of 211 for this. Source: training_profile, raw nvidia-smi traces of 8 H100, 2025."""
COPIES = 2.0
"""Times a byte that is sent passes its GPU's memory: read by the sender and written by the receiver."""


@dataclass(frozen=True)
class PoweredStep:
    """One step of one GPU: the disjoint ``seconds`` and the mean W in them, by phase, under a cap if there is one."""

    seconds: Mapping[Phase, float]
    watts: Mapping[Phase, float]

    @property
    def step_s(self) -> float:
        """s of the whole step."""
        return sum(self.seconds.values())

    @property
    def joules(self) -> float:
        """J of the whole step."""
        return sum(self.watts[phase] * seconds for phase, seconds in self.seconds.items())

    @property
    def mean_w(self) -> float:
        """W of one GPU, over the step."""
        return self.joules / self.step_s


def waiting_w(gpu: GPUProfile) -> float:
    """W of a board between kernels: a model resident, clocked up, nothing running."""
    return float(gpu.power.loaded.value) + _value(gpu.power.waiting)


def polling_w(gpu: GPUProfile) -> float:
    """W of a board whose only kernel waits for other boards."""
    return waiting_w(gpu) + POLLING * _value(gpu.power.active)


def joule_per_flop(gpu: GPUProfile, precision: str) -> float:
    """J of an operation of a large product, with its operands' way from the second-level cache where the board's
    profile counts it apart: a tile of ``TILE`` by ``TILE`` takes an operand each for ``TILE`` operations."""
    arithmetic, operand_byte = ARITHMETIC[precision]
    again = operand_byte / TILE * _value(gpu.power.energy_per_l2_byte)
    return float(gpu.power.energy_per_flop[arithmetic].value) + again


def joule_per_sent_byte(gpu: GPUProfile, fabric: str) -> float:
    """J, on its GPUs, of a byte sent by ``fabric``: "link" is the boards' own, "network" the adapters', whose power is
    the node's."""
    own = _value(gpu.link.energy_per_byte) if fabric == "link" else 0.0
    return own + COPIES * float(gpu.power.energy_per_byte.value)


def phase_watts(gpu: GPUProfile, cost: StepCost, cap_w: float | None = None) -> PoweredStep:
    """Seconds and W by phase of a step on one GPU, under a cap of so many W, or at the board's own limit.

    A cap must be above the board's loaded power. It never speeds a step up, nor raises any phase's power.
    """
    limit_w = float(gpu.tdp.value) if cap_w is None else min(cap_w, float(gpu.tdp.value))
    sent_j = {fabric: byte * joule_per_sent_byte(gpu, fabric) for fabric, byte in cost.link_byte.items()}
    exposed_s, hidden_s = cost.seconds.get("communication", 0.0), sum(cost.hidden_s.values())
    exposed = exposed_s / (exposed_s + hidden_s) if exposed_s > 0.0 else 0.0
    operations_j = sum(flop * joule_per_flop(gpu, precision) for precision, flop in cost.flop.items())
    work = {
        "compute": _Kernels(
            seconds=cost.seconds.get("compute", 0.0),
            memory_s=cost.memory_s,
            operations_j=operations_j,
            byte=cost.byte - cost.optimizer_byte,
            sent_j=(1.0 - exposed) * sum(sent_j.values()),
        ),
        "optimizer": _Kernels(
            seconds=cost.seconds.get("optimizer", 0.0),
            memory_s=cost.seconds.get("optimizer", 0.0),
            operations_j=0.0,
            byte=cost.optimizer_byte,
            sent_j=0.0,
        ),
    }
    seconds, watts = dict(cost.seconds), {}
    carrying_w = exposed * sum(sent_j.values()) / exposed_s if exposed_s > 0.0 else 0.0
    still = {"communication": polling_w(gpu) + carrying_w, "bubble": polling_w(gpu), "straggler": polling_w(gpu)}
    for phase in seconds:
        if phase in work and seconds[phase] > 0.0:
            seconds[phase], watts[phase] = work[phase].under(gpu, limit_w)
        else:
            watts[phase] = min(still.get(phase, waiting_w(gpu)), limit_w)
    return PoweredStep(seconds, watts)


@dataclass(frozen=True)
class _Kernels:
    """A phase of kernels at the highest clock: s, of which memory paces some, J of its operations, B of memory, and J
    of bytes that are sent meanwhile."""

    seconds: float
    memory_s: float
    operations_j: float
    byte: float
    sent_j: float

    def under(self, gpu: GPUProfile, limit_w: float) -> tuple[float, float]:
        """s and mean W under a limit."""
        loaded_w, curve = float(gpu.power.loaded.value), clock_curve(gpu)
        joules = self._held(gpu, curve)
        if limit_w >= float(gpu.tdp.value):
            return self.seconds, loaded_w + float(joules.total) / self.seconds
        if curve is None:
            taken_s = capped_step_s(self.seconds, dynamic_j=float(joules.total), loaded_w=loaded_w, cap_w=limit_w)
            return taken_s, loaded_w + float(joules.total) / taken_s
        memory_s = min(self.memory_s, self.seconds)
        cores_s = self.seconds - memory_s

        def taken(clock: Floats) -> Floats:
            return np.asarray(cores_s / clock + memory_s)

        clock = capped_clock(taken, joules, np.array(0.0), cap_w=limit_w, loaded_w=loaded_w, curve=curve)
        free_s, slower = float(taken(clock)), taken(clock) / self.seconds
        dynamic_j = float(joules.at(clock, slower, curve) - saved_w(clock, curve) * free_s)
        taken_s = capped_step_s(free_s, dynamic_j=dynamic_j, loaded_w=loaded_w, cap_w=limit_w)
        return taken_s, loaded_w + dynamic_j / taken_s

    def _held(self, gpu: GPUProfile, curve: ClockCurve | None) -> Joules:
        """J beyond loaded, as far as the board's own limit lets it draw them in this time."""
        own = float(curve.memory_share) if curve is not None else 1.0
        moved_j, power = self.byte * float(gpu.power.energy_per_byte.value), gpu.power
        parts = np.array(
            [
                self.operations_j,
                (1.0 - own) * moved_j + _value(power.active) * self.seconds,
                _value(power.waiting) * self.seconds,
                own * moved_j + self.sent_j,
            ]
        )
        headroom_w = float(gpu.tdp.value) - float(power.loaded.value)
        asked_w = float(parts.sum()) / self.seconds
        soft = power.active is not None
        held_w = float(drawn_w(asked_w, headroom_w)) if soft else min(asked_w, headroom_w)
        return Joules(*(np.asarray(part) for part in parts * (held_w / asked_w if asked_w > 0.0 else 1.0)))


def _value(entry: Sourced[Any] | None) -> float:
    """A number that a profile may not have: what it has not is part of another number of it."""
    return float(entry.value) if entry is not None else 0.0
