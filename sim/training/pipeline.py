"""A pipeline of stages: how much of a step its slowest stage waits for micro-batches to fill and drain it."""

from __future__ import annotations


def bubble_s(stage_s: float, stages: int, chunks: int) -> float:
    """s in which a stage idles, of a step whose micro-batches take a stage ``stage_s`` each.

    The first waits for none and the last for ``stages`` - 1, forward and again backward; with ``chunks`` of the model
    on each stage a unit is a chunk, and as much shorter. So it is (p - 1) / (v m) of the m micro-batches' own time
    (Narayanan et al., arXiv:2104.04473, section 2.2).
    """
    return (stages - 1) / chunks * stage_s


def slowest_stage_s(model_s: float, head_s: float, stages: int, imbalance: float) -> float:
    """s of a micro-batch on the stage that has most to do: its share of ``model_s``, and of the output head what other
    stages' layers do not make up for (``imbalance``, in [0, 1])."""
    return model_s / stages + imbalance * head_s * (1.0 - 1.0 / stages)
