"""The time of one step of a training job, split into what it goes into: a law of few constants (``TrainingStack``).

A micro-batch's kernels and the host that launches them hide each other but in part; its collectives show as far as no
computation is behind them (``communication``). The stage with most to do paces the pipeline, which fills and drains
(``pipeline``). Gradients are summed behind what is left, the optimizer passes its states through memory, and all wait
for the slowest GPU.
"""

from __future__ import annotations

from math import hypot, log

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.profiles.machines.gpu import GPUProfile
from sim.training.communication import (
    Groups,
    context_parallel,
    data_parallel,
    expert_parallel,
    exposed_behind,
    pipeline_parallel,
    tensor_parallel,
)
from sim.training.compute import ARITHMETIC, Kernels, kernels
from sim.training.optimizer import fetched_behind_s, optimizer_bytes, optimizer_s
from sim.training.pipeline import bubble_s, slowest_stage_s
from sim.training.stack import TrainingStack
from sim.training.terms import Phase, Recipe, Spread, StepCost
from sim.training.topology import Topology
from sim.training.work import Work, work_of


def step_cost(
    architecture: Transformer | ParameterCounts,
    gpu: GPUProfile,
    topology: Topology,
    stack: TrainingStack,
    spread: Spread,
    recipe: Recipe,
) -> StepCost:
    """One step of a gang that fits (``layout``, ``memory``) on boards that can be costed (``compute.lacking``)."""
    work = work_of(architecture, spread, recipe)
    own = kernels(work, gpu, stack, recipe)
    groups, library = Groups.of(spread, topology), stack.library
    micro, stages = recipe.micro_batches(spread), spread.pipeline

    tensor = tensor_parallel(architecture, spread, recipe, groups, library)
    context = context_parallel(architecture, spread, recipe, groups, library)
    expert = expert_parallel(architecture, work, spread, recipe, groups, library)
    hop = pipeline_parallel(architecture, spread, recipe, groups, library)
    data = data_parallel(work.own, spread, recipe, groups, library, stack.shared_out)

    launched_s = _host_s(work, stack)
    computing_s = hypot(own.seconds, launched_s)
    hidden_expert = spread.chunks > 1 and groups.expert.islands > 1
    shows = {
        "tensor": stack.tensor_exposed * tensor.seconds,
        "context": exposed_behind(context.seconds, own.attention_s, stack.tensor_exposed),
        "expert": (stack.expert_exposed if hidden_expert else 1.0) * expert.seconds,
    }
    micro_s = computing_s + sum(shows.values())
    slowest_s = slowest_stage_s(
        micro_s, own.head_s, architecture.layers, spread, recipe.mtp_modules, stack.head_imbalance
    )
    behind_s = slowest_s * (micro if spread.shard == "parameters" else 1.0)
    exposed = {name: seconds / stages * micro for name, seconds in shows.items()}
    exposed["pipeline"] = stack.data_exposed * hop.seconds * micro
    exposed["data"] = exposed_behind(data.seconds, behind_s, stack.data_exposed)
    fetched_s = fetched_behind_s(work.own, spread, recipe)
    exposed["host"] = exposed_behind(fetched_s, slowest_s * micro, stack.data_exposed)
    total = {"tensor": tensor.seconds, "context": context.seconds, "expert": expert.seconds}
    total = {name: seconds / stages * micro for name, seconds in total.items()}
    total |= {"pipeline": hop.seconds * micro, "data": data.seconds, "host": fetched_s}

    optimizer_byte = optimizer_bytes(work.own, spread, recipe)
    seconds: dict[Phase, float] = {
        "compute": computing_s / stages * micro,
        "communication": sum(exposed.values()),
        "bubble": bubble_s(slowest_s, stages, spread.chunks) + (slowest_s - micro_s / stages) * micro,
        "optimizer": optimizer_s(work.own, optimizer_byte, gpu, stack, spread, recipe),
        "stall": 0.0,
    }
    seconds["straggler"] = stack.straggling * log(spread.gpus) * sum(seconds.values())
    share = micro / stages
    carried = (tensor + context + expert) * share + hop * micro + data
    return StepCost(
        seconds=seconds,
        tokens=recipe.tokens,
        model_flop=work.model_flop,
        hardware_flop=work.hardware_flop,
        flop=_flop(own, recipe, share),
        byte=own.byte * share + optimizer_byte,
        link_byte={"link": carried.link_byte, "network": carried.network_byte},
        recompute_s=own.again_s * share,
        memory_s=min(own.memory_s, computing_s) * share,
        optimizer_byte=optimizer_byte,
        exposed_s=exposed,
        hidden_s={name: max(0.0, total[name] - exposed[name]) for name in exposed},
    )


def _host_s(work: Work, stack: TrainingStack) -> float:
    """s that the host takes to launch a micro-batch of the whole model, recomputation included."""
    once = stack.layer_s * work.layers + stack.expert_layer_s * work.expert_layers
    return once * (1.0 + work.again / 3.0)


def _flop(own: Kernels, recipe: Recipe, share: float) -> dict[str, float]:
    """By precision of arithmetic: attention, head and routers stay in 16 bits."""
    if not ARITHMETIC[recipe.precision].quantised:
        return {recipe.precision: own.flop * share}
    return {"bf16": (own.flop - own.quantised_flop) * share, recipe.precision: own.quantised_flop * share}
