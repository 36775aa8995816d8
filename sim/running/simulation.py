"""The simulation of what was built: joules by bin, and what became of jobs and requests. Nothing is priced here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.accounting.ledger import WAN, Ledger
from sim.accounting.metrics import job_metrics, queue_metrics, throttle_metrics
from sim.accounting.recorder import LedgerRecorder
from sim.accounting.serving import RequestEnergy, request_energy, serving_metrics
from sim.accounting.watch import Watched, WatchingRecorder
from sim.build.built import Built
from sim.build.method_uses import method_metrics
from sim.build.power.caps import policy_log
from sim.build.traffic.relays import memo_metrics, with_relays
from sim.build.traffic.routes import moved_tokens, with_network
from sim.engine import world
from sim.engine.fleet.logged import PowerStates
from sim.engine.metering.meter import Draw
from sim.engine.plans import Policies, Workloads
from sim.engine.world import Outcome
from sim.later import later
from sim.rng import Streams
from sim.running.garbage import collected_seldom
from sim.workload.serving_records import ServingLog

with later():
    from sim.accounting.batch import batch_metrics
    from sim.accounting.campaigns import campaign_metrics
    from sim.accounting.federated import federated_metrics
    from sim.accounting.job_tally import JobTally
    from sim.accounting.power_limits import power_metrics
    from sim.accounting.split import split_metrics
    from sim.accounting.training import step_metrics
    from sim.build.traffic.route_metrics import route_metrics
    from sim.running.batches import batches
    from sim.running.metering import energy_of_jobs


if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sim.workload.job_energy import JobsEnergy
    from sim.workload.jobs.batch import Batch
    from sim.workload.records import ServiceLog


@dataclass(frozen=True, eq=False)
class Simulated:
    """What a run did, before anything is priced. ``activity`` is the summary's part that no price changes;
    ``job_energy`` what the jobs of tables drew, where there are any."""

    ledger: Ledger
    activity: Mapping[str, Any]
    events: int
    job_energy: JobsEnergy | None = None


@dataclass(frozen=True, eq=False)
class Ended:
    """A run with the logs of its jobs and requests, the energy of requests where all of them have rows, and what was
    drawn in the windows that traces are kept of."""

    run: Simulated
    outcome: Outcome
    energies: Mapping[str, RequestEnergy]
    watched: Mapping[str, Watched]
    batches: tuple[Batch, ...] = ()


def simulate(built: Built) -> Simulated:
    """Runs what was built to its end; the same gives the same to the bit. Raises ``RunError`` where it cannot end."""
    return ended(built).run


@collected_seldom()
def ended(built: Built, begun: Callable[[Callable[[], int]], None] | None = None) -> Ended:
    """As ``simulate``, with all logs; ``begun`` is told once how to ask for the simulated time, ns."""
    bins = built.bins.begun()
    recorder = LedgerRecorder(built.sites, bins)
    watching = WatchingRecorder(recorder, [plan.watch for plan in built.traces])
    books = watching if built.traces else recorder
    tally = JobTally(books, bins)
    work = Workloads(
        training=built.training,
        services=built.services,
        serving=[(plan, keep()) for plan, keep in built.serving],
        others=built.others,
        campaigns=built.campaigns,
        federated=built.federated,
        split=built.split,
        rows=built.batches,
        relays=built.relays,
    )
    outcome = world.simulate(
        built.pools,
        work,
        Policies(built.scheduler, built.signals, built.caps, built.limits, built.power),
        duration_ns=built.duration_ns,
        streams=Streams(built.seed),
        recorder=tally if built.batches else books,
        looks=bins,
        begun=begun,
    )
    for move in built.moved:
        end_ns = min(move.end_ns, outcome.end_ns)
        if move.watts and end_ns > move.start_ns:
            recorder.record(move.pool, [Draw("", WAN, move.workload, "active", move.watts, 0)], move.start_ns, end_ns)
    job_energy = energy_of_jobs(built, outcome, PowerStates.always_on(), recorder, tally)
    ledger = recorder.ledger(outcome.end_ns)
    tokens = moved_tokens(ledger, built.routes)
    ledger = with_network(ledger, built.routes, tokens)
    ledger = with_relays(ledger, outcome.relays, _stands(built))
    energies = {log.workload: request_energy(log, ledger) for log in outcome.serving} if built.request_energies else {}
    activity = _activity(built, outcome, ledger, energies, tokens)
    joules = job_energy.energy.joules(len(job_energy.labels)) if job_energy is not None else None
    rows = batches(built, outcome, joules) if built.batches else ()
    if rows:
        activity["batch"] = {batch.workload: batch_metrics(batch) for batch in rows}
    run = Simulated(ledger, activity, outcome.events, job_energy)
    return Ended(run, outcome, energies, watching.watched, rows)


def _stands(built: Built) -> dict[str, tuple[str, str, str]]:
    """Site, pool and kind of node of each service, by its name."""
    pools = {pool.name: pool for pool in built.pools}
    holds = {plan.name: plan.pool for plan in built.services}
    holds |= {plan.name: plan.groups[0].pool for plan, _ in built.serving}
    return {name: (built.sites[pool], pool, pools[pool].hardware.name) for name, pool in holds.items()}


def _activity(
    built: Built,
    outcome: Outcome,
    ledger: Ledger,
    energies: Mapping[str, RequestEnergy],
    moved: Mapping[str, npt.NDArray[np.float64]],
) -> dict[str, Any]:
    """What happened, in the words of the summary: by workload, then by route, policy and method."""
    services = {log.workload: queue_metrics(log, ledger) for log in outcome.services}
    services |= {log.workload: serving_metrics(log, ledger, energies.get(log.workload)) for log in outcome.serving}
    activity: dict[str, Any] = {
        "serving": services,
        "jobs": {record.workload: job_metrics([record]) for record in outcome.jobs},
    }
    if outcome.campaigns:
        activity["campaigns"] = {record.workload: campaign_metrics(record) for record in outcome.campaigns}
    if outcome.federated:
        activity["federated"] = {record.workload: federated_metrics(record, ledger) for record in outcome.federated}
    if outcome.split:
        activity["split"] = {record.workload: split_metrics(record, ledger) for record in outcome.split}
    if outcome.power is not None:
        activity["power_limits"] = power_metrics(outcome.power, outcome.services, outcome.serving)
    if outcome.throttling:
        activity["throttling"] = [throttle_metrics(record) for record in outcome.throttling]
    for record in outcome.jobs:
        if record.workload in built.steps:
            activity["jobs"][record.workload]["step"] = step_metrics(built.steps[record.workload], record, ledger)
        if record.workload in built.swings:
            activity["jobs"][record.workload]["ramps"] = built.swings[record.workload].ramps()
    for relay in outcome.relays:
        if not relay.plan.of_route:
            activity["serving"][relay.plan.name]["cache"] = memo_metrics(relay)
    if built.routes:
        logs: dict[str, ServingLog | ServiceLog] = {log.workload: log for log in outcome.serving}
        logs |= {log.workload: log for log in outcome.services}
        relays = {relay.plan.name: relay for relay in outcome.relays if relay.plan.of_route}
        activity["routes"] = route_metrics(built.routes, logs, moved, relays)
    if built.moved:
        activity["placements"] = {move.workload: move.as_dict() for move in built.moved}
    if built.cappings:
        activity["policies"] = policy_log(built.cappings, outcome.end_ns)
    if built.methods:
        activity["methods"] = method_metrics(built.methods)
    return activity
