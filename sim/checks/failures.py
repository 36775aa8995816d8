"""What fails on a pool is known, jobs on it notice it or say how, and laws of checkpoints have an MTBF to go by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.build.machines.failures import how_they_show, parts
from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.later import later
from sim.validation import nearest

with later():
    from sim.spec.failures import ComponentFailures


if TYPE_CHECKING:
    from sim.spec.campaign import CampaignSpec
    from sim.spec.workloads import Checkpoint, Training


Found = Iterator[tuple[KeyPath, str]]

EXAMPLES = {"crash": "1 min", "hang": "10 min", "silent": "6 h", "slow": "1 h"}


def failure_problems(resolved: Resolved) -> Found:
    """Of pools and of training jobs."""
    yield from _pools(resolved)
    for name, job in resolved.jobs.items():
        pools = job.place.pools if job.place is not None else [resolved.pools[name].get("")]
        for label in pools:
            if label is not None and label in resolved.machines:
                yield from _job(("workloads", name), job, label, resolved)
    for name, campaign in resolved.campaigns.items():
        label = resolved.pools[name].get("")
        if label is not None and label in resolved.machines:
            yield from _campaign(("workloads", name), campaign, label, resolved)


def _pools(resolved: Resolved) -> Found:
    assert resolved.parts.cluster is not None
    for i, error in resolved.hardware.unread_failures.items():
        for problem in error.problems:
            yield ("cluster", "nodes", i, "failures", "profile"), problem.message
    for i, pool in enumerate(resolved.parts.cluster.nodes):
        written = pool.failures
        if i in resolved.hardware.unread_failures or not isinstance(written, ComponentFailures):
            continue
        known = parts(written, resolved.catalog)
        for component in written.repairs:
            if component not in known:
                hint = f"{nearest(component, known)}  ({', '.join(known)})"
                yield ("cluster", "nodes", i, "failures", "repairs", component), f"no component is called so{hint}"


def _job(path: KeyPath, job: Training, label: str, resolved: Resolved) -> Found:
    machine = resolved.machines[label]
    if machine.pool.failures is None or machine.failures is None:
        yield from _law_without_mtbf(path, job.checkpoint, label, resolved)
        return
    by_component = isinstance(machine.pool.failures, ComponentFailures)
    if job.recovery is None:
        if by_component:
            remedy = "say how the job notices them and goes on: detection, schedule, load, warm_up"
            yield (*path, "recovery"), f"required where '{label}' fails by component; {remedy}"
        return
    for component, shows in how_they_show(machine.pool.failures, resolved.catalog).items():
        if getattr(job.recovery.detection, shows) is None:
            message = f"required: '{component}' of '{label}' shows as {shows}; give e.g. '{EXAMPLES[shows]}'"
            yield (*path, "recovery", "detection", shows), message


def _campaign(path: KeyPath, campaign: CampaignSpec, label: str, resolved: Resolved) -> Found:
    """Its trials give their GPUs back at a failure; they notice nothing that does not end their work."""
    machine = resolved.machines[label]
    if machine.pool.failures is None or machine.failures is None:
        yield from _law_without_mtbf(path, campaign.checkpoint, label, resolved)
        return
    shows = how_they_show(machine.pool.failures, resolved.catalog)
    unnoticed = sorted(component for component, how in shows.items() if how in ("silent", "slow"))
    if unnoticed:
        remedy = "give its pool 'parts' of its own that show as crash or hang, or run it as training jobs"
        yield path, f"trials do not notice {', '.join(unnoticed)} of '{label}' (silent or slow); {remedy}"


def _law_without_mtbf(path: KeyPath, checkpoint: Checkpoint | None, label: str, resolved: Resolved) -> Found:
    if checkpoint is None or isinstance(checkpoint.every, int) or resolved.machines[label].pool.failures is not None:
        return
    law = checkpoint.every
    yield (*path, "checkpoint", "every"), f"{law} needs an MTBF: '{label}' has no 'failures'; give e.g. '1 h'"
