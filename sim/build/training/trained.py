"""A model in training on its gang: what it takes of each GPU's memory, how long its steps last and what they draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

from sim.accounting.training import StepPlan
from sim.build.machines.pools import Machine
from sim.build.power.loads import GangWork
from sim.build.serving.compression import left_of, pruning_problem
from sim.build.training.fabric import lacks_fabric, topology, torn_groups
from sim.profiles.catalog import Catalog
from sim.profiles.language_models.model import Architecture
from sim.profiles.machines.gpu import GPUProfile
from sim.spec.serving import InlineModel
from sim.spec.training import ModelWork
from sim.training.compute import lacking
from sim.training.curve import Curve
from sim.training.flops import training_flops
from sim.training.layout import problems as layout_problems
from sim.training.memory import Memory, memory_bytes, usable_bytes
from sim.training.power import ARITHMETIC, PoweredStep, phase_watts
from sim.training.ramps import Smoothing, burned_j, smoothed, statistics
from sim.training.stack import TrainingStack, training_stack
from sim.training.step import step_cost
from sim.training.terms import Phase, Recipe, Spread, StepCost, TrainingPrecision
from sim.training.topology import Topology
from sim.training.trace import StepShape, shape_of, stage_curves
from sim.training.upkeep import evaluation_s, with_loading
from sim.units import BYTES_PER_GB, NS_PER_S

FINEST_S = 1e-3
"""As finely as steps are drawn over time: faster than a board's power follows."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    **{name: ("parallel", name) for name in ("data", "tensor", "pipeline", "chunks", "context", "expert")},
    **{name: ("parallel", name) for name in ("expert_tensor", "shard", "shard_gpus")},
    "sequence_parallel": ("parallel", "sequence"),
    "lora_rank": ("lora", "rank"),
}
"""Where a field of ``Spread`` or ``Recipe`` is written below ``work``; others are there by their own name."""
BLOCK_SCALED = frozenset({"blackwell", "blackwell-rtx", "cdna4"})
"""Generations whose matrix units multiply values that share a scale in blocks (mxfp8)."""


@dataclass(frozen=True, eq=False)
class Split:
    """One step of the gang in the mean, evaluations spread over all: s and J of one GPU by what it does."""

    seconds: Mapping[str, float]
    joules: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class ModelOfGang:
    """Work of a gang in steps of known cost: of each ``evaluate_every`` steps, ``evaluate_tokens`` pass forward.

    ``shape`` is how a step lies in time; ``smoothing`` what boards burn to swing less, which counts as a part of its
    energy that takes no time.
    """

    gpu: GPUProfile
    cost: StepCost
    steps: int
    forward_flop: float
    evaluate_every: int
    evaluate_tokens: int
    shape: StepShape
    smoothing: Smoothing | None
    network_j: float
    """Of a step, what one GPU's bytes cost between nodes: switches, cables and transceivers, counted with the GPU."""

    def under(self, cap_w: float | None) -> GangWork:
        """The work under a cap of so many W on each GPU, or at the board's own limit."""
        split = self.split(cap_w)
        step_s = sum(split.seconds.values())
        work_ns = max(1, round(step_s * NS_PER_S * self.steps))
        return GangWork(work_ns, sum(split.joules.values()) / step_s, float(self.gpu.power.loaded.value))

    def split(self, cap_w: float | None) -> Split:
        """A step by what it spends time and energy on. Under a cap that leaves no power to work with there is none."""
        loaded_w = float(self.gpu.power.loaded.value)
        if cap_w is not None and cap_w <= loaded_w:
            return Split({"capped": 1.0}, {"capped": loaded_w})
        powered = phase_watts(self.gpu, self.cost, cap_w)
        seconds: dict[str, float] = {str(phase): s for phase, s in powered.seconds.items()}
        joules: dict[str, float] = {phase: powered.watts[phase] * s for phase, s in powered.seconds.items()}
        if self.evaluate_every:
            taken = self._evaluation(powered)
            seconds["evaluation"] = sum(taken.values())
            joules["evaluation"] = sum(powered.watts[phase] * s for phase, s in taken.items())
        if self.network_j > 0.0:
            joules["network"] = self.network_j
        if self.smoothing is not None:
            joules["smoothing"] = burned_j(self._stages(powered), self.smoothing)
        return Split(seconds, joules)

    @property
    def forward_share(self) -> float:
        """What an evaluation takes, relative to training on as many tokens."""
        seconds = phase_watts(self.gpu, self.cost).seconds
        taken = evaluation_s(seconds, self.cost, self.forward_flop, self.cost.tokens)
        return sum(taken.values()) / sum(seconds.values())

    def stages(self, cap_w: float | None) -> list[Curve]:
        """A step over time, of one GPU of each pipeline stage, as its boards draw it."""
        stages = self._stages(phase_watts(self.gpu, self.cost, cap_w))
        return stages if self.smoothing is None else smoothed(stages, self.smoothing)

    def ramps(self) -> dict[str, Any]:
        """What a summary tells of its power within steps, without caps."""
        counts = [float(self.shape.stage_gpus)] * self.shape.stages
        stages = self._stages(phase_watts(self.gpu, self.cost))
        return statistics(stages, counts, self.smoothing, float(self.gpu.power.loaded.value))

    def _stages(self, powered: PoweredStep) -> list[Curve]:
        beside = self._evaluation(powered) if self.evaluate_every else {}
        return stage_curves(powered, self.cost, self.shape, beside)

    def _evaluation(self, powered: PoweredStep) -> dict[Phase, float]:
        """s by phase of all evaluations, a step's part."""
        whole = evaluation_s(powered.seconds, self.cost, self.forward_flop, self.evaluate_tokens)
        part = self.steps // self.evaluate_every / self.steps
        return {phase: part * s for phase, s in whole.items()}


@dataclass(frozen=True, eq=False)
class Trained:
    """A model on a gang of ``gpus`` GPUs in nodes of one kind."""

    work: ModelWork
    gpus: int
    architecture: Architecture
    machine: Machine
    gpu: GPUProfile
    stack: TrainingStack
    smoothing: Smoothing | None = None
    written: Architecture | None = None
    """As it was before anything was pruned."""

    @classmethod
    def of(cls, work: ModelWork, gpus: int, machine: Machine, catalog: Catalog) -> Trained:
        """Raises ``InputError`` for a model or a stack that is not there."""
        if isinstance(work.model, InlineModel):
            architecture = work.model.architecture
        else:
            architecture = catalog.model(work.model).architecture
        written, architecture = architecture, left_of(architecture, work.pruning)
        assert machine.gpu is not None  # or no gang would be looked for there
        stack = training_stack(catalog.training_stack(work.stack))
        return cls(work, gpus, architecture, machine, machine.gpu, stack, written=written)

    @cached_property
    def spread(self) -> Spread:
        """Over the gang."""
        return self.work.parallel.spread(self.gpus)

    @cached_property
    def recipe(self) -> Recipe:
        """One step."""
        return self.work.recipe

    @cached_property
    def memory(self) -> Memory:
        """Of each GPU."""
        return memory_bytes(self.architecture, self.recipe, self.spread)

    @cached_property
    def release(self) -> TrainingStack:
        """The stack of the year that is asked for."""
        return self.stack if self.work.as_of is None else self.stack.as_of(self.work.as_of)

    @cached_property
    def cost(self) -> StepCost:
        """Of a step, at the boards' own limit."""
        return self._cost_on(self.topology)

    @cached_property
    def straddling_rate(self) -> float:
        """What is left of the rate of work where the gang lies on more islands within nodes than it needs."""
        return self.cost.step_s / self._cost_on(topology(self.machine, self.gpus, straddling=True)).step_s

    def _cost_on(self, topology: Topology) -> StepCost:
        cost = step_cost(self.architecture, self.gpu, topology, self.release, self.spread, self.recipe)
        return with_loading(cost, self.work.loading.tokens_per_second) if self.work.loading is not None else cost

    @cached_property
    def gang(self) -> ModelOfGang:
        """Its work, as a run is given it."""
        evaluation = self.work.evaluation
        return ModelOfGang(
            gpu=self.gpu,
            cost=self.cost,
            steps=self.work.whole_steps,
            forward_flop=training_flops(self.architecture, self.recipe).forward.total,
            evaluate_every=evaluation.every if evaluation is not None else 0,
            evaluate_tokens=evaluation.tokens if evaluation is not None else 0,
            shape=shape_of(self.spread, self.recipe, self.architecture.layers, FINEST_S, self.cost.step_s),
            smoothing=self.smoothing,
            network_j=self._network_j,
        )

    @property
    def _network_j(self) -> float:
        sent = self.cost.link_byte.get("network", 0.0)
        return sent * self.topology.joule_per_byte("network") if sent > 0.0 else 0.0

    @property
    def peak_flop_per_s(self) -> float:
        """Of one GPU in the precision of the products, by which MFU and HFU are counted."""
        return float(self.gpu.peak[ARITHMETIC[self.recipe.precision][0]].value)

    @property
    def plan(self) -> StepPlan:
        """Its steps, for the account of what was done."""
        parts = ("weights", "gradients", "optimizer", "activations", "host")
        return StepPlan(
            stepping=self.gang,
            steps=self.work.whole_steps,
            tokens=self.cost.tokens,
            model_flop=self.cost.model_flop,
            hardware_flop=self.cost.hardware_flop,
            peak_flop_per_s=self.peak_flop_per_s,
            memory_bytes={part: getattr(self.memory, part) for part in parts},
            exposed_s=self.cost.exposed_s,
            hidden_s=self.cost.hidden_s,
        )

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What speaks against it: the path below ``work``, and why. What does not fit is told where all else does."""
        found = [
            (FIELDS.get(field, (field,)), message)
            for field, message in layout_problems(
                self.architecture, self.spread, self.recipe, self.gpus, uneven=self.work.parallel.uneven
            )
        ]
        found += [*self._pruned(), *self._released(), *self._arithmetic(), *self._batch(), *self._joined()]
        yield from found
        if not found:
            yield from self._misfit()

    def _pruned(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if self.work.pruning is not None and self.written is not None:
            why = pruning_problem(self.written, self.work.pruning)
            if why is not None:
                yield ("pruning",), why

    def _released(self) -> Iterator[tuple[tuple[str, ...], str]]:
        year, name, stack = self.work.as_of, self.work.stack, self.stack
        if year is not None and not stack.progress and not stack.kernel_progress:
            yield ("as_of",), f"'{name}' is of {stack.year:.0f}, and nothing in it tells of other years; leave it out"
        elif year is not None and year > stack.year:
            yield ("as_of",), f"'{name}' is of {stack.year:g}: it tells of older releases, and of none after it"

    def _arithmetic(self) -> Iterator[tuple[tuple[str, ...], str]]:
        gpu, precision = self.gpu, self.recipe.precision
        known = ", ".join(name for name in ARITHMETIC if name in get_args(TrainingPrecision) and self._computes(name))
        if not self._computes(precision):
            yield ("precision",), f"'{gpu.name}' has no peak rate and energy per FLOP for {precision}  ({known})"
        elif (missing := lacking(gpu, self.recipe)) is not None:
            yield ("stack",) if gpu.chip is None else ("precision",), missing

    def _computes(self, precision: str) -> bool:
        arithmetic, gpu = ARITHMETIC[precision][0], self.gpu
        scaled = precision != "mxfp8" or gpu.chip is None or gpu.chip.generation in BLOCK_SCALED
        return scaled and arithmetic in gpu.peak and arithmetic in gpu.power.energy_per_flop

    def _batch(self) -> Iterator[tuple[tuple[str, ...], str]]:
        stated, each = self.work.gradient_accumulation, self.recipe.micro_batch * self.spread.data
        if stated is not None and stated * each != self.recipe.global_batch:
            yield (
                ("gradient_accumulation",),
                f"{stated} x micro_batch {self.recipe.micro_batch} x data {self.spread.data} is {stated * each:,}, and "
                f"the global batch {self.recipe.global_batch:,}",
            )
        evaluation = self.work.evaluation
        if evaluation is not None and evaluation.every > self.work.whole_steps:
            yield ("evaluation", "every"), f"never comes: the job has {self.work.whole_steps:,} steps"

    def _joined(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """A gang of several GPUs needs what joins them, and a torus blocks of itself."""
        if self.gpus == 1:
            return
        lacks = lacks_fabric(self.machine, self.gpus)
        if lacks is not None:
            yield ("parallel",), lacks
        elif self.gpu.link.energy_per_byte is None:
            yield ("parallel",), f"'{self.gpu.name}' has no energy per byte of its link in its profile"
        elif self.spread.gpus == self.gpus:  # else told with the layout
            yield from ((("parallel", field), why) for field, why in torn_groups(self.topology, self.spread))

    @cached_property
    def topology(self) -> Topology:
        """What joins the gang, which lacks nothing (``_joined``)."""
        return topology(self.machine, self.gpus)

    def _misfit(self) -> Iterator[tuple[tuple[str, ...], str]]:
        memory, held = self.memory, self.gpu.memory.held_bytes
        usable = usable_bytes(held)
        if memory.total > usable:
            tried = self._would_fit(usable)
            if tried:
                remedy = f"; {' or '.join(tried)} would fit"
            elif memory.activations > usable:  # that no number of replicas shares out
                remedy = "; activations alone do not: compute them again, or raise 'tensor' or 'context'"
            else:
                remedy = "; share it among more GPUs: by 'shard', 'tensor', 'pipeline' or, of experts, 'expert'"
            yield (
                ("parallel",),
                f"needs {memory.arithmetic()} on each GPU; '{self.gpu.name}' has {held / BYTES_PER_GB:.1f} GB, of "
                f"which {usable / BYTES_PER_GB:.1f} GB can be filled{remedy}",
            )
        node = self.machine.node
        there, needed = float(node.dram.capacity.value), memory.host * min(self.gpus, node.slots)
        if needed > there:
            held_gb = f"{needed / BYTES_PER_GB:,.0f} GB of a host, and '{node.name}' has {there / BYTES_PER_GB:,.0f} GB"
            yield ("offload",), f"would take {held_gb}"

    def _would_fit(self, usable: float) -> list[str]:
        """Single changes of the job that would make it fit."""
        spread, recipe = self.spread, self.recipe
        changes = {
            "'recompute: full'": (replace(recipe, recompute="full"), spread),
            "'micro_batch: 1'": (replace(recipe, micro_batch=1), spread),
            "'shard: optimizer'": (recipe, replace(spread, shard="optimizer")),
            "'shard: parameters'": (recipe, replace(spread, shard="parameters")),
            "'shard: parameters' with 'recompute: full'": (
                replace(recipe, recompute="full"),
                replace(spread, shard="parameters"),
            ),
        }
        fitting: list[str] = []
        for words, (changed, spreading) in changes.items():
            if (changed, spreading) == (recipe, spread) or (fitting and "with" in words):
                continue
            allowed = not layout_problems(
                self.architecture, spreading, changed, self.gpus, uneven=self.work.parallel.uneven
            )
            if allowed and memory_bytes(self.architecture, changed, spreading).total <= usable:
                fitting.append(words)
        return fitting
