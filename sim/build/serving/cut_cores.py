"""A stack's shares on boards whose tensor cores were cut (``sim.profiles.machines.reach``)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sim.profiles.iteration.terms import Stack
from sim.profiles.machines.gpu import GPUProfile, Precision
from sim.profiles.machines.reach import kernel_share


def in_16_bits(gpu: GPUProfile) -> Literal["bf16", "fp16"]:
    """What a board multiplies in where weights are not quantised."""
    return "bf16" if "bf16" in gpu.peak else "fp16"


def on_cut_cores(stack: Stack, gpu: GPUProfile, arithmetic: Precision) -> Stack:
    """The same stack, with what experts and attention reach of the rate that its products are given there."""
    products, products16 = float(stack.compute_efficiency), float(stack.compute16_efficiency or 1.0)
    experts, attention = stack.expert_compute_efficiency, stack.attention_efficiency
    return replace(
        stack,
        expert_compute_efficiency=None if experts is None else kernel_share(gpu, arithmetic, float(experts), products),
        attention_efficiency=None
        if attention is None
        else kernel_share(gpu, in_16_bits(gpu), float(attention), products16),
    )
