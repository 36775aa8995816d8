"""Power over time within a training step: what one GPU of each pipeline stage does, in order, and all of them together.

The GPUs of a synchronous job go through the same phases at the same time, so the job swings as one. Only pipeline
stages are staggered: a stage waits until the first micro-batch reaches it, until the first gradient comes back, between
its last backward passes, and, once done, for the first stage. That order is of one forward and one backward pass in
turn (Narayanan et al., "PipeDream", SOSP 2019, doi 10.1145/3341301.3359646; arXiv:2104.04473, section 2.2), with the
bubble that the step has, so that interleaved stages wait less in the same places.

Within a pass every layer computes, then exchanges what it must with the GPUs it shares the layer or the sequence with;
gradients are exchanged at the end, behind a wait for the slowest, and the optimizer follows. What ran behind
computation is not to be seen. A pass is drawn with as many layers as its resolution shows.

It leaves out that layers differ, that power takes a few milliseconds to rise, and that data-parallel GPUs drift apart
by as much between two exchanges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.training.curve import Curve, total
from sim.training.power import PoweredStep
from sim.training.terms import Phase, Recipe, Spread, StepCost

BY_LAYER = ("tensor", "context", "expert")
"""What layers exchange; data-parallel ranks do too where they share out the weights themselves."""
MOST_PIECES = 20_000
"""Of all stages' step together, where layers are drawn: more is slow, and not seen at any resolution that serves."""


@dataclass(frozen=True)
class StepShape:
    """How a step lies in time: ``micro_batches`` through ``layers`` of each of ``stages``, ``stage_gpus`` in each.

    ``forward_share`` of the computation that is not repeated is forward: a third, a half where weights are frozen.
    ``gathered``: weights are shared out and gathered layer by layer. ``sharded``: the optimizer's part of them is
    gathered once, after it.
    """

    stages: int
    stage_gpus: int
    micro_batches: int
    layers: int
    forward_share: float
    gathered: bool
    sharded: bool


def shape_of(spread: Spread, recipe: Recipe, layers: int, resolution_s: float, step_s: float) -> StepShape:
    """Of a model of so many ``layers``, drawn as finely as ``resolution_s`` shows in a step of so many s."""
    micro_batches = recipe.micro_batches(spread)
    seen = max(1, int(step_s / resolution_s / (4 * micro_batches)))
    most = max(1, MOST_PIECES // (4 * micro_batches * spread.pipeline))
    return StepShape(
        stages=spread.pipeline,
        stage_gpus=spread.gpus // spread.pipeline,
        micro_batches=micro_batches,
        layers=min(max(1, layers // spread.pipeline), seen, most),
        forward_share=1.0 / 3.0 if recipe.lora_rank is None else 0.5,
        gathered=spread.shard == "parameters",
        sharded=spread.shard in ("optimizer", "gradients"),
    )


@dataclass(frozen=True)
class _Parts:
    """s of a step's parts on any GPU, and W of each kind of phase."""

    compute_w: float
    communication_w: float
    bubble_w: float
    forward_s: float
    backward_s: float
    exchange_s: float
    handover_s: float
    final_s: float


def stage_curve(powered: PoweredStep, cost: StepCost, shape: StepShape, stage: int) -> Curve:
    """One step of one GPU of pipeline ``stage`` (from 0), as constant pieces: its J are the step's, to rounding."""
    parts, seconds, watts = _parts(powered, cost, shape), powered.seconds, powered.watts
    passes, ends, m = shape.stages - 1, seconds.get("bubble", 0.0), shape.micro_batches
    unit_s = ends / passes if passes else 0.0
    of_forward = parts.forward_s / (parts.forward_s + parts.backward_s) if parts.forward_s > 0.0 else 0.5
    ahead_s, back_s = of_forward * unit_s, (1.0 - of_forward) * unit_s
    behind = passes - stage
    warm = min(behind, m - 1)

    lasting: list[float] = [seconds.get("stall", 0.0), stage * ahead_s]
    level: list[float] = [watts.get("stall", 0.0), parts.bubble_w]
    forward, backward = _layer(parts, shape, parts.forward_s), _layer(parts, shape, parts.backward_s)

    def go(layer: tuple[list[float], list[float]]) -> None:
        lasting.extend(layer[0] * shape.layers)
        level.extend(layer[1] * shape.layers)
        wait(parts.handover_s / (2 * m), parts.communication_w)

    def wait(time_s: float, power_w: float) -> None:
        lasting.append(time_s)
        level.append(power_w)

    for _ in range(warm + 1):
        go(forward)
    wait(behind * (back_s if warm else unit_s), parts.bubble_w)
    for _ in range(m - 1 - warm):
        go(backward)
        go(forward)
    for _ in range(warm):
        go(backward)
        wait(behind * ahead_s / warm, parts.bubble_w)
    go(backward)
    wait(stage * back_s if passes else ends, parts.bubble_w)
    gathered_s = 0.5 * parts.final_s if shape.sharded else 0.0
    wait(seconds.get("straggler", 0.0), watts.get("straggler", 0.0))
    wait(parts.final_s - gathered_s, parts.communication_w)
    wait(seconds.get("optimizer", 0.0), watts.get("optimizer", 0.0))
    wait(gathered_s, parts.communication_w)
    return Curve.steps(np.array(lasting), np.array(level))


def stage_curves(
    powered: PoweredStep, cost: StepCost, shape: StepShape, beside: Mapping[Phase, float] | None = None
) -> list[Curve]:
    """One step of one GPU of each stage, and after it what a job does ``beside`` its steps, spread over all of them:
    s by phase of a step's part of all evaluations."""
    after = [(seconds, powered.watts[phase]) for phase, seconds in (beside or {}).items()]
    more = Curve.steps([s for s, _ in after], [w for _, w in after])
    return [stage_curve(powered, cost, shape, stage).then(more) for stage in range(shape.stages)]


def job_curve(stages: Sequence[Curve], shape: StepShape) -> Curve:
    """One step of all GPUs of a job, from one GPU of each stage."""
    return total(stages, [float(shape.stage_gpus)] * len(stages))


def node_curve(stages: Sequence[Curve], shape: StepShape, gpus: int) -> Curve:
    """One step of the first ``gpus`` of a job, which share a node: ranks fill a stage before the next."""
    counts = [min(shape.stage_gpus, max(0, gpus - i * shape.stage_gpus)) for i in range(shape.stages)]
    here = [(curve, float(count)) for curve, count in zip(stages, counts, strict=True) if count]
    return total([curve for curve, _ in here], [count for _, count in here])


def _parts(powered: PoweredStep, cost: StepCost, shape: StepShape) -> _Parts:
    compute_s, exposed_s = powered.seconds.get("compute", 0.0), powered.seconds.get("communication", 0.0)
    free_s = cost.seconds.get("compute", 0.0)
    repeated_s = cost.recompute_s * (compute_s / free_s if free_s > 0.0 else 1.0)
    forward_s = (compute_s - repeated_s) * shape.forward_share
    layered = (*BY_LAYER, "data") if shape.gathered else BY_LAYER
    told_s = sum(cost.exposed_s.values())
    scale = exposed_s / told_s if told_s > 0.0 else 0.0
    exchange_s = scale * sum(cost.exposed_s.get(kind, 0.0) for kind in layered)
    handover_s = scale * cost.exposed_s.get("pipeline", 0.0)
    return _Parts(
        compute_w=powered.watts.get("compute", 0.0),
        communication_w=powered.watts.get("communication", 0.0),
        bubble_w=powered.watts.get("bubble", 0.0),
        forward_s=forward_s,
        backward_s=compute_s - forward_s,
        exchange_s=exchange_s,
        handover_s=handover_s,
        final_s=max(0.0, exposed_s - exchange_s - handover_s),
    )


def _layer(parts: _Parts, shape: StepShape, pass_s: float) -> tuple[list[float], list[float]]:
    """s and W of a layer of one pass: computing, then exchanging, half of it forward and half backward."""
    count = shape.micro_batches * shape.layers
    return [pass_s / count, parts.exchange_s / (2 * count)], [parts.compute_w, parts.communication_w]
