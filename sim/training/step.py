"""A stand-in for the laws of a step, until they are there."""

from __future__ import annotations

from sim.profiles.architecture import ParameterCounts, Transformer
from sim.profiles.hardware import GPUProfile
from sim.training.flops import hardware_flop, model_flop
from sim.training.power import ARITHMETIC
from sim.training.terms import Recipe, Spread, StepCost


def step_cost(a: Transformer | ParameterCounts, gpu: GPUProfile, spread: Spread, recipe: Recipe) -> StepCost:
    """Half of the peak, a tenth of it exposed."""
    hardware = hardware_flop(a, recipe)
    compute_s = hardware / spread.gpus / (0.5 * float(gpu.peak[ARITHMETIC[recipe.precision][0]].value))
    m = recipe.micro_batches(spread)
    bubble_s = compute_s * (spread.pipeline - 1) / (spread.chunks * m)
    exposed = 0.1 * compute_s if spread.gpus > 1 else 0.0
    return StepCost(
        seconds={"compute": compute_s, "communication": exposed, "bubble": bubble_s, "optimizer": 0.01 * compute_s},
        tokens=recipe.tokens,
        model_flop=model_flop(a, recipe),
        hardware_flop=hardware,
        flop={recipe.precision: hardware / spread.gpus},
        byte=hardware / spread.gpus / 200.0,
        link_byte={"link": exposed * 100e9},
        exposed_s={"data": exposed} if exposed else {},
        hidden_s={},
    )
