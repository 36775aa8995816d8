"""The work of a training job's gang in a pool, whichever way its work is written."""

from __future__ import annotations

from sim.accounting.training import StepPlan
from sim.build.loads import Gang, gang_of
from sim.build.resolved import Resolved
from sim.build.trained import Trained
from sim.spec.training import ModelWork
from sim.spec.workloads import Training


def gang_in(job: Training, label: str, resolved: Resolved) -> Gang:
    """That of a job that has passed its checks, in the pool ``label``."""
    if isinstance(job.work, ModelWork):
        return trained_in(job.work, job.gpus, label, resolved).gang
    return gang_of(job.work, job.gpus, resolved.gpus[label])


def step_plans(resolved: Resolved) -> dict[str, StepPlan]:
    """The steps of models in training, by the name of the job; all jobs have their pool."""
    return {
        name: trained_in(job.work, job.gpus, resolved.pool(name), resolved).plan
        for name, job in resolved.jobs.items()
        if isinstance(job.work, ModelWork)
    }


def trained_in(work: ModelWork, gpus: int, label: str, resolved: Resolved) -> Trained:
    """A model on a gang in a pool. Raises ``InputError`` for a model or a stack that is not there."""
    key = (id(work), gpus, label)  # the scenario holds its work, as long as there are answers about it
    if key not in resolved.trained:
        node = resolved.machines[label].node
        resolved.trained[key] = Trained.of(work, gpus, resolved.gpus[label], node, resolved.catalog)
    return resolved.trained[key]
