"""The work of a training job's gang in a pool, whichever way its work is written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.errors import InputError
from sim.later import later
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import linked
from sim.units import HOUR_NS

with later():
    from sim.build.methods import effect_of
    from sim.build.power.loads import Hours, changed, gang_of
    from sim.spec.training import ModelWork
    from sim.spec.workloads import SocketHours


if TYPE_CHECKING:
    from sim.accounting.training import StepPlan
    from sim.build.power.loads import Gang
    from sim.build.power.traces import TracePlan
    from sim.build.training.trained import ModelOfGang, Trained
    from sim.spec.workloads import Training


def gang_in(job: Training, label: str, resolved: Resolved) -> Gang:
    """That of a job that has passed its checks, in the pool ``label``."""
    if isinstance(job.work, ModelWork):
        return trained_in(job, job.work, label, resolved).gang
    if isinstance(job.work, SocketHours):
        gpu = resolved.gpus.get(label)
        idle_w = float(gpu.power.idle.value) if gpu is not None else 0.0
        return Hours(job.work.socket_hours * HOUR_NS / job.sockets, idle_w, idle_w, None)
    gang = gang_of(job.work, job.gpus, _as_joined(job, label, resolved, straddling=False))
    if not job.methods:
        return gang
    return changed(gang, effect_of(job.methods, gang.under(None).active_w, resolved.catalog))


def _as_joined(job: Training, label: str, resolved: Resolved, *, straddling: bool) -> GPUProfile:
    return linked(resolved.machines[label].node, resolved.gpus[label], job.gpus, straddling=straddling)


def straddling_rate(job: Training, label: str, resolved: Resolved) -> float:
    """What is left of the rate of work where its gang lies on more islands of nodes than it needs, and all that it
    exchanges goes by the link between them. Work of which only the hours are known has nothing that says so."""
    machine = resolved.machines[label]
    if not machine.node.island_gpus or job.gpus == 1 or isinstance(job.work, SocketHours):
        return 1.0
    if isinstance(job.work, ModelWork):
        return trained_in(job, job.work, label, resolved).straddling_rate
    apart = gang_of(job.work, job.gpus, _as_joined(job, label, resolved, straddling=True))
    together = gang_of(job.work, job.gpus, _as_joined(job, label, resolved, straddling=False))
    return together.under(None).work_ns / apart.under(None).work_ns


def can_be_trained(job: Training, label: str, resolved: Resolved) -> bool:
    """Whether nothing speaks against a job's model in a pool, so that its steps can be costed."""
    try:
        return isinstance(job.work, ModelWork) and not any(trained_in(job, job.work, label, resolved).problems())
    except InputError:
        return False  # told where the model and the stack are named


def step_plans(resolved: Resolved) -> dict[str, StepPlan]:
    """The steps of models in training, by the name of the job; all jobs have their pool."""
    return {
        name: trained_in(job, job.work, resolved.pool(name), resolved).plan
        for name, job in resolved.jobs.items()
        if isinstance(job.work, ModelWork)
    }


def swings(resolved: Resolved) -> dict[str, ModelOfGang]:
    """The gangs of jobs whose power within steps is told: of those that smooth it, or keep it over time."""
    return {
        name: trained_in(job, job.work, resolved.pool(name), resolved).gang
        for name, job in resolved.jobs.items()
        if isinstance(job.work, ModelWork) and (job.smoothing is not None or job.trace is not None)
    }


def trace_plans(resolved: Resolved) -> tuple[TracePlan, ...]:
    """Of each job that keeps its power over time."""
    from sim.build.power.traces import TracePlan

    return tuple(
        TracePlan.of(name, job.trace, gang, resolved.machines[resolved.pool(name)].node.slots)
        for name, gang in swings(resolved).items()
        if (job := resolved.jobs[name]).trace is not None
    )


def trained_in(job: Training, work: ModelWork, label: str, resolved: Resolved) -> Trained:
    """The model of a job on its gang in a pool. Raises ``InputError`` for a model or a stack that is not there."""
    from sim.build.power.traces import boards_smoothing
    from sim.build.training.trained import Trained

    key = (id(work), job.gpus, label)  # the scenario holds its work, as long as there are answers about it
    if key not in resolved.trained:
        found = Trained.of(work, job.gpus, resolved.machines[label], resolved.catalog)
        resolved.trained[key] = replace(found, smoothing=boards_smoothing(job.smoothing))
    return resolved.trained[key]
