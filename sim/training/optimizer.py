"""The optimizer's step, and what lies in the host's memory: bytes through a GPU's memory, or over its host link.

An optimizer on the GPU passes its states through memory once. Offloaded, gradients go down and weights come up over the
link, and the host's processor makes the step at the pace of the link (Ren et al., "ZeRO-Offload", arXiv:2101.06840,
section 4); offloaded parameters come up for every layer's forward and backward pass (Rajbhandari et al.,
"ZeRO-Infinity", arXiv:2104.07857).
"""

from __future__ import annotations

from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.reach import stream_rate
from sim.training.parameters import Held
from sim.training.ranks import sharers
from sim.training.stack import TrainingStack
from sim.training.terms import Recipe, Spread

HOST_BYTE_PER_S = 25e9
"""Of a GPU's link to its host, one way: what serving stacks are taken to reach over PCIe (``swap_bandwidth``)."""
VALUE_BYTES = 2.0


def _own_share(own: Held, spread: Spread, recipe: Recipe) -> float:
    """Parameters whose states a GPU keeps and steps."""
    ranks, holders = (1, 1) if spread.shard == "none" else sharers(spread)
    if recipe.lora_rank is not None:
        return own.adapters / ranks
    return own.shared / ranks + own.experts / holders


def optimizer_bytes(own: Held, spread: Spread, recipe: Recipe) -> float:
    """B of a GPU's memory: gradients are read, master weights and moments read and written, weights written. Of an
    offloaded optimizer, gradients read and weights written."""
    states = 0.0 if recipe.offload != "none" else 2.0 * (recipe.master_bytes + recipe.moment_bytes)
    return _own_share(own, spread, recipe) * (recipe.gradient_bytes + states + VALUE_BYTES)


def optimizer_s(
    own: Held, moved_bytes: float, gpu: GPUProfile, stack: TrainingStack, spread: Spread, recipe: Recipe
) -> float:
    """s of the step, for ``moved_bytes`` of memory and what an offloaded one sends down and fetches."""
    here_s = moved_bytes / (stream_rate(gpu, stack.memory) * stack.memory)
    if recipe.offload == "none":
        return here_s
    each = max(recipe.gradient_bytes, VALUE_BYTES)  # down and up at once
    return here_s + _own_share(own, spread, recipe) * each / HOST_BYTE_PER_S


def fetched_behind_s(own: Held, spread: Spread, recipe: Recipe) -> float:
    """s over the host link of a step in which offloaded parameters come up twice for every micro-batch."""
    if recipe.offload != "parameters":
        return 0.0
    ranks, holders = sharers(spread)
    share = own.shared / ranks + own.experts / holders
    return 2.0 * recipe.micro_batches(spread) * share * VALUE_BYTES / HOST_BYTE_PER_S
