"""What shows of a model in training when it is held against its gang: layouts, arithmetic, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.build.training.gangs import trained_in
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.later import later

with later():
    from sim.spec.training import ModelWork


if TYPE_CHECKING:
    from sim.spec.workloads import Training


Found = Iterator[tuple[KeyPath, str]]


def models_fit(resolved: Resolved) -> Found:
    """Unknown models and stacks, layouts that cannot be, and what does not fit memory, in every pool that a job may
    come to hold."""
    for name, job in resolved.jobs.items():
        place = resolved.choosing.get(name)
        labels = place.pools if place is not None else [*resolved.pools[name].values()]
        yield from _model_fits(("workloads", name, "work"), job, labels, resolved)
    for name, campaign in resolved.campaigns.items():
        for path, _, gpus, work in campaign.sizes:
            at: KeyPath = ("workloads", name, *path, "work")
            yield from _model_fits(at, campaign.job(gpus, work), [*resolved.pools[name].values()], resolved)


def _model_fits(path: KeyPath, job: Training, labels: Sequence[str], resolved: Resolved) -> Found:
    if not isinstance(job.work, ModelWork):
        return
    unknown = [*_unknown(path, job.work, resolved)]
    yield from unknown
    told = set()
    for label in labels if not unknown else ():
        if label not in resolved.gpus:
            continue  # told where it is named
        for at, message in trained_in(job, job.work, label, resolved).problems():
            if (at, message) not in told:  # pools of one kind of node
                told.add((at, message))
                yield (*path, *at), message


def _unknown(path: KeyPath, work: ModelWork, resolved: Resolved) -> Found:
    catalog = resolved.catalog
    asked: list[tuple[str, str | None, Callable[[str], object]]] = [
        ("model", work.model_profile, catalog.model),
        ("stack", work.stack, catalog.training_stack),
    ]
    for field, profile, read in asked:
        try:
            read(profile) if profile is not None else None
        except InputError as error:
            yield from (((*path, field), fault) for fault in faults(error))
