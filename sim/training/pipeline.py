"""A pipeline of stages: how much of a step its slowest stage waits for micro-batches to fill and drain it."""

from __future__ import annotations

from sim.training.layout import stage_slots
from sim.training.terms import Spread


def bubble_s(stage_s: float, stages: int, chunks: int) -> float:
    """s in which a stage idles, of a step whose micro-batches take a stage ``stage_s`` each.

    The first waits for none and the last for ``stages`` - 1, forward and again backward; with ``chunks`` of the model
    on each stage a unit is a chunk, and as much shorter. So it is (p - 1) / (v m) of the m micro-batches' own time
    (Narayanan et al., arXiv:2104.04473, section 2.2).
    """
    return (stages - 1) / chunks * stage_s


def slowest_stage_s(
    model_s: float, head_s: float, layers: int, spread: Spread, modules: int, imbalance: float
) -> float:
    """s of a micro-batch on the stage that has most to do, of ``model_s`` on all stages, ``head_s`` of it the head's.

    Stages of equal numbers of layers, or of what stands for one (``layout.stage_slots``), are as far behind the mean as
    layers do not divide, and the last one by what the head takes beyond the layer in whose place it is; ``imbalance``
    of that is left where frameworks move layers elsewhere. Never less than the mean.
    """
    mean_s = model_s / spread.pipeline
    if spread.pipeline == 1:
        return mean_s
    slots, spare = stage_slots(layers, spread, modules)
    layer_s = (model_s - head_s) / (layers + modules)
    most = min(slots * spread.chunks, layers + modules)
    worst_s = max(most * layer_s, (most - (1 if spare else 0)) * layer_s + head_s, mean_s)
    return mean_s + imbalance * (worst_s - mean_s)
