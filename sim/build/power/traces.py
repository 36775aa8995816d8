"""What is kept of a job's power over time, and what its boards do to it, as a run is given them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sim.accounting.watch import Watch
from sim.later import later

with later():
    from sim.spec.traces import FloorSmoothing
    from sim.training.ramps import Floor, RampLimit
    from sim.training.trace import job_curve, node_curve


if TYPE_CHECKING:
    from sim.build.power.power_trace import Sampling, StepCurves
    from sim.build.training.trained import ModelOfGang
    from sim.spec.traces import SmoothingChoice, Trace
    from sim.training.ramps import Smoothing


def boards_smoothing(spec: SmoothingChoice | None) -> Smoothing | None:
    """What boards do, if anything is written."""
    if spec is None:
        return None
    return Floor(float(spec.share)) if isinstance(spec, FloorSmoothing) else RampLimit(float(spec.ramp))


@dataclass(frozen=True, eq=False)
class TracePlan:
    """A job's power over time: when, and the steps that it is of, on nodes that hold ``node_gpus`` of its GPUs."""

    workload: str
    sampling: Sampling
    gang: ModelOfGang
    node_gpus: int

    @classmethod
    def of(cls, name: str, trace: Trace, gang: ModelOfGang, node_slots: int) -> TracePlan:
        """As it is written."""
        from sim.build.power.power_trace import Sampling

        start_ns, meter_ns = int(trace.start), int(trace.meter) if trace.meter is not None else 0
        sampling = Sampling(start_ns, start_ns + int(trace.window), int(trace.resolution), meter_ns)
        return cls(name, sampling, gang, min(node_slots, gang.shape.stages * gang.shape.stage_gpus))

    @property
    def gpus(self) -> int:
        """Of the gang."""
        return self.gang.shape.stages * self.gang.shape.stage_gpus

    @property
    def watch(self) -> Watch:
        """What the meters must keep for it."""
        return Watch(self.workload, self.sampling.watched_from_ns, self.sampling.end_ns)


@dataclass(frozen=True, eq=False)
class CappedPattern:
    """Tells which of the caps that a job worked under is behind a mean power, and how its step goes then."""

    plan: TracePlan
    caps_w: Sequence[float | None]

    @cached_property
    def _steps(self) -> list[StepCurves]:
        return [self._step(cap_w) for cap_w in self.caps_w]

    def _step(self, cap_w: float | None) -> StepCurves:
        from sim.build.power.power_trace import StepCurves

        gang = self.plan.gang
        stages = gang.stages(cap_w)
        each = job_curve(stages, gang.shape).times(1.0 / self.plan.gpus)
        return StepCurves(stages[0], node_curve(stages, gang.shape, self.plan.node_gpus), each)

    def behind(self, gpu_w: float) -> StepCurves:
        """The step whose mean is nearest to it."""
        return min(self._steps, key=lambda step: abs(step.mean.mean_w - gpu_w))
