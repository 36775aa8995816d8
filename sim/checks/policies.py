"""What is wrong with policies and schedules: whom they hold, what they ask of him, and what signals they would see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.build.training.gangs import gang_in
from sim.checks.power_limits import plants_without_limits
from sim.documents import KeyPath
from sim.later import later
from sim.profiles.machines.gpu import GPUProfile
from sim.quantities import Price
from sim.signals import Signal
from sim.units import DAY_NS, HOUR_NS
from sim.validation import nearest

with later():
    from sim.build.power.loads import can_be_capped, gpu_watts, job_ns
    from sim.spec.schedules import Windowed


if TYPE_CHECKING:
    from sim.spec.policies import Cap
    from sim.spec.workloads import Training


Found = Iterator[tuple[KeyPath, str]]
Signals = Mapping[str, Mapping[str, Signal]]


def cap_problems(resolved: Resolved) -> Found:
    """Unknown targets, what cannot be capped, and caps outside what a board can be held to."""
    parts, gpus = resolved.parts, resolved.gpus
    for i, unasked in enumerate(parts.policies):
        if i not in {**resolved.caps, **resolved.throttles, **resolved.shared_power}:
            why = "nothing asks a policy of this kind; what a package adds is a sim.spec.policies.Cap"
            yield ("policies", i, "kind"), f"'{unasked.kind}': {why}"
    for i, policy in resolved.caps.items():
        path: KeyPath = ("policies", i)
        if policy.target not in parts.names and policy.target not in gpus:
            known = [*parts.names, *gpus]
            hint = f"{nearest(policy.target, known)}  ({', '.join(known)})"
            yield (*path, "target"), f"no workload and no pool with GPUs is called '{policy.target}'{hint}"
            continue
        for capped in resolved.held[i]:
            if capped.pool not in gpus:
                continue  # told where its pool is named
            gpu = gpus[capped.pool]
            loaded_w = float(gpu.power.loaded.value)
            if capped.workload in resolved.services:
                message = "is an inference service, whose service times are given; a cap needs training or serving"
                yield (*path, "target"), f"'{capped.workload}' {message}"
                continue
            if capped.workload in {**resolved.others, **resolved.federated, **resolved.split}:
                kind = parts.workloads[capped.workload].kind
                yield (*path, "target"), f"'{capped.workload}' is of the kind '{kind}', which follows no caps"
                continue
            job, campaign = resolved.jobs.get(capped.workload), resolved.campaigns.get(capped.workload)
            if job is not None and job.sockets:
                yield (*path, "target"), f"'{capped.workload}' works on CPUs, which no cap on GPUs slows"
                continue
            works = [job.work] if job is not None else []
            works += [work for _, _, _, work in campaign.sizes] if campaign is not None else []
            if not all(map(can_be_capped, works)):
                yield (*path, "target"), f"'{capped.workload}' counts its GPUs at nameplate power, capped or not"
                continue
            batch = resolved.batches.get(capped.workload)
            if batch is not None and batch.load is not None and batch.load.kind == "nameplate":
                yield (*path, "target"), f"'{capped.workload}' counts its GPUs at nameplate power, capped or not"
                continue
            own_w = [gpu_watts(work.load, gpu)[1] if work.kind == "gpu-hours" else loaded_w for work in works]
            loaded_w = max(own_w, default=loaded_w)
            endless = policy.condition is not None and policy.condition.endless
            if not works and batch is None and endless and parts.open_ended:
                yield (*path, "when"), "a daily cap of a serving workload needs a scenario with a 'duration'"
            machine = resolved.machines[capped.pool]
            assert machine.board is not None
            yield from _within_reach(path, policy, machine.board, loaded_w * machine.slots_per_board)


def _within_reach(path: KeyPath, policy: Cap, gpu: GPUProfile, loaded_w: float) -> Found:
    tdp_w = float(gpu.tdp.value)
    for k, cap_w in enumerate(policy.watts(tdp_w)):
        if not loaded_w < cap_w <= tdp_w:
            bounds = f"the {loaded_w:g} W loaded and {tdp_w:g} W TDP of '{gpu.name}'"
            yield (*path, *policy.path_of(k)), f"{cap_w:g} W is not between {bounds}"


def signal_problems(resolved: Resolved, signals: Signals) -> Found:
    """What schedules and policies ask that the signals of a site, by its name, do not give; and sites that cannot be
    throttled."""
    for name, job in resolved.jobs.items():
        written = job.schedule
        if written is None:
            continue
        path: KeyPath = ("workloads", name, "schedule")
        pool = resolved.pool(name)
        at_site = signals[resolved.sites[pool]]
        problem = _unseen(written.signal, written.level, at_site)
        if problem is not None:
            yield (*path, "signal"), problem
        elif isinstance(written, Windowed):
            slots = resolved.gang_slots(job, pool)
            gang, mtbf_ns = gang_in(job, pool, resolved), resolved.machines[pool].mtbf_ns(slots)
            for field, why in _windows(job, written, job_ns(job, gang, mtbf_ns), at_site[written.signal]):
                yield (*path, field), why
    for i, policy in resolved.caps.items():
        compared = policy.condition.compared if policy.condition is not None else None
        if compared is not None:
            for pool in sorted({capped.pool for capped in resolved.held[i]}):
                problem = _unseen(*compared, signals[resolved.sites[pool]])
                if problem is not None:
                    yield ("policies", i, "when", "signal"), problem
    scheduler = resolved.parts.cluster.scheduler if resolved.parts.cluster is not None else None
    for signal in dict.fromkeys(scheduler.looks_at if scheduler is not None else ()):
        for pool in sorted(pool for pool in resolved.sites if signal not in signals[resolved.sites[pool]]):
            yield ("cluster", "scheduler"), f"{_unseen(signal, None, {})}, which the scheduler looks at (pool '{pool}')"
    yield from _throttled(resolved)
    yield from plants_without_limits(resolved)


def _unseen(signal: str, level: object, known: Mapping[str, Signal]) -> str | None:
    """Why a policy cannot compare the signal of a site with a level; None where it can."""
    if signal not in known:
        what = {"price": "price", "marginal": "marginal intensity", "carbon": "intensity"}[signal]
        return f"the grid of its site has no {what}"
    if isinstance(level, Price) and known[signal].unit != f"{level.currency}/J":
        return f"the level is in {level.currency}, and the price of its site in {known[signal].unit.partition('/')[0]}"
    return None


def _windows(job: Training, written: Windowed, needs_ns: int, truth: Signal) -> Iterator[tuple[str, str]]:
    """What is wrong with the window of a schedule: too short for the job, or too long for the series."""
    submit_ns = int(job.start_after)
    deadline_ns = written.deadline_ns(submit_ns, needs_ns)
    if deadline_ns < submit_ns + needs_ns:
        yield "deadline", f"the job takes {needs_ns / HOUR_NS:.4g} h and cannot be done by then if started at once"
    elif (known := written.forecast) and known.needs_day_before and not truth.covers(submit_ns - DAY_NS, submit_ns):
        needs = f"{known.kind} needs the day before the job is submitted"
        yield "forecast", f"{needs}, which the series does not cover"
    elif not truth.covers(submit_ns, deadline_ns):
        yield "signal", f"the series does not cover the window, which ends {deadline_ns / HOUR_NS:.4g} h into the run"


def _throttled(resolved: Resolved) -> Found:
    """Sites that are not there or carry anything, and work that cannot be throttled."""
    seen: set[str] = set()
    known = ", ".join(resolved.places)
    for i, policy in resolved.throttles.items():
        path: KeyPath = ("policies", i)
        name = resolved.site_named(policy.site)
        if name is None:
            yield (*path, "site"), f"required where there are several sites  ({known})"
            continue
        if name not in resolved.places:
            yield (*path, "site"), f"unknown site '{name}'{nearest(name, resolved.places)}  ({known})"
            continue
        if name in seen:
            yield (*path, "site"), f"'{name}' is throttled twice"
        seen.add(name)
        if policy.limit is None and not resolved.places[name].facility.has_limits:
            yield (*path, "limit"), "required: the facility of the site is a fixed PUE, which says nothing of a limit"
        for group in resolved.held[i]:
            if group.workload in resolved.batches:
                message = "has jobs as rows, which a throttle does not slow; give it a power cap, or power limits"
                yield (*path, "site"), f"'{group.workload}' at '{name}' {message}"
            if group.workload in resolved.serving:
                message = "is a serving workload, which is not throttled; give it a power cap"
                yield (*path, "site"), f"'{group.workload}' at '{name}' {message}"
