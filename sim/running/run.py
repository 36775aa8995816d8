"""One run from a scenario to its results, and a finished run priced anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sim.accounting.ledger import Ledger
from sim.accounting.plan import AccountingPlan
from sim.build.accounts.accounting import accounting_plan
from sim.build.jobs.places import UnplacedError, placed
from sim.build.resolved import Resolved
from sim.build.seen import Seen, shown
from sim.checks import policies, routes
from sim.checks.ledger_size import cut_problem
from sim.content import content_hash
from sim.documents import Document
from sim.errors import InputError, Problem
from sim.later import later
from sim.loading.scenario import Loaded, load_scenario, parts_of
from sim.memo import last_kept
from sim.profiles.catalog import Catalog
from sim.results.catalogue import HAPPENED
from sim.rng import Streams
from sim.running.manifest import manifest_of
from sim.spec.scenario import Sample, Scenario
from sim.units import HOUR_NS, MAX_NS

with later():
    from sim.accounting.queueing import cluster_series
    from sim.build.growth import growth_metrics
    from sim.results.attribution import job_energy_table
    from sim.results.results import Results


if TYPE_CHECKING:
    import pyarrow as pa

    from sim.build.built import Built
    from sim.results.requests import RequestTables
    from sim.results.summary import Unit
    from sim.running.simulation import Ended, Simulated
    from sim.workload.job_energy import JobsEnergy


class Watch(Protocol):
    """Who is told how far a run is; it costs a run nothing that could be measured."""

    def stage(self, doing: str) -> None:
        """What is done from now on, in a word or two."""

    def simulating(self, now_ns: Callable[[], int], end_ns: int | None) -> None:
        """The simulation begins: ``now_ns`` gives its time to whichever thread asks; it ends by itself at None."""


def simulated_under(built: Built, watch: Watch | None) -> Ended:
    """A simulation with all its logs, of which ``watch`` is told how far it is."""
    from sim.running.simulation import ended

    if watch is None:
        return ended(built)
    watch.stage("simulating")
    return ended(built, lambda now_ns: watch.simulating(now_ns, built.duration_ns))


def run_loaded(loaded: Loaded, watch: Watch | None = None) -> Results:
    """Simulates and accounts a checked scenario. Prints and writes nothing, and holds no state between runs.

    Raises ``RunError`` where the run cannot be finished, ``InputError`` where a series turns out too short for it.
    """
    from sim.accounting.power_limits import domain_series

    began = time.perf_counter()
    loaded = loaded.anew()  # files may have changed since it was read, and the manifest hashes them as they are now
    scenario = loaded.scenario
    built = built_of(loaded)
    last = simulated_under(built, watch)
    if watch is not None:
        watch.stage("accounting")
    run = last.run
    summary = environmental(run, loaded)
    attributed = attribution(run.job_energy, run.ledger, loaded) if run.job_energy is not None else None
    from sim.results.frames import job_table, trial_table
    from sim.results.job_rows import cluster_rows, jobs_table, stint_rows

    rows = last.batches
    domains = domain_series(last.outcome.power, run.ledger.edges_ns)

    return Results(
        summary={**summary, **_summed(attributed), **run.activity, "events": run.events},
        scenario=loaded.resolved(),
        manifest=manifest_of(loaded, time.perf_counter() - began),
        energy=run.ledger,
        start_ns=scenario.start_ns,
        job_table=jobs_table(job_table(last.outcome.jobs), rows),
        request_table=_requests(scenario, last),
        trial_table=trial_table(last.outcome.campaigns) if last.outcome.campaigns else None,
        trace_table=_traces(scenario, built, last),
        stint_table=stint_rows(rows) if rows else None,
        iteration_table=_iterations(scenario, last),
        cluster_table=cluster_rows(cluster_series(rows, run.ledger.edges_ns), domains) if rows or domains else None,
        job_energy_table=job_energy_table(run.job_energy) if run.job_energy is not None else None,
        attribution_table=attributed.table if attributed is not None else None,
    )


def simulated(loaded: Loaded) -> Simulated:
    """Simulates a checked scenario and prices nothing. Raises what ``run_loaded`` raises."""
    from sim.running.simulation import simulate

    return simulate(built_of(loaded))


def built_of(loaded: Loaded, seen: Seen | None = None) -> Built:
    """All that a run of a checked scenario is given, which notes in ``seen`` what it asks of its sites.

    Raises ``InputError`` for what shows only now: signals that policies lack, a ledger that they cut too small.
    """
    from sim.build.world import build

    unseen = unseen_signals(loaded)
    if unseen:
        raise InputError(unseen)
    plan = accounting_plan(loaded.answers)
    changes = [cuts for site in plan.sites.values() for cuts in site.breakpoints(0, MAX_NS)]
    too_large = cut_problem(loaded.answers, changes)
    if too_large is not None:
        raise InputError([loaded.document.problem(*too_large)])
    return build(loaded.answers.of_run, seen if seen is not None else Seen(plan), loaded.scenario.seed)


def environmental(run: Simulated, loaded: Loaded) -> dict[str, Any]:
    """The part of the summary of ``run`` that prices decide, under a scenario that would have simulated the same.

    Raises as ``reprice`` does.
    """
    plan = accounting_plan(loaded.answers)
    return _environmental(loaded.document, loaded.answers, plan, run.ledger, run.activity)


@dataclass(frozen=True, eq=False)
class Attributed:
    """What jobs answer for: the part of the summary, and a row a job."""

    summary: Mapping[str, Any]
    table: pa.Table


def attribution(jobs: JobsEnergy, ledger: Ledger, loaded: Loaded) -> Attributed:
    """What the jobs of a run answer for, under a scenario that would have simulated the same. Raises as ``reprice``."""
    from sim.accounting.attribution import attribute
    from sim.results.attribution import attribution_summary, attribution_table

    plan = accounting_plan(loaded.answers)
    found = attribute(ledger, plan, jobs, loaded.scenario.accounting.attribution.idle)
    return Attributed(attribution_summary(found, plan), attribution_table(found))


def _summed(found: Attributed | None) -> dict[str, Any]:
    """The part of the summary that a run without jobs has not."""
    return {"attribution": found.summary} if found is not None else {}


def unseen_signals(loaded: Loaded) -> tuple[Problem, ...]:
    """What the policies and routes of a scenario ask of signals that these do not give; a run refuses it."""
    resolved, document = loaded.answers, loaded.document
    scheduled = any(job.schedule is not None or job.place is not None for job in resolved.jobs.values())
    scheduler = resolved.parts.cluster.scheduler if resolved.parts.cluster is not None else None
    looking = scheduler is not None and bool(scheduler.looks_at)
    if not scheduled and not looking and not resolved.parts.policies and not resolved.parts.routes:
        return ()
    signals = {name: shown(site.grid) for name, site in accounting_plan(resolved).sites.items()}
    try:
        resolved, _ = placed(resolved, signals, Streams(loaded.scenario.seed))
    except UnplacedError as error:
        raise InputError([document.problem(*problem) for problem in error.problems]) from None
    problems = [*policies.signal_problems(resolved, signals), *routes.signal_problems(resolved, signals)]
    return tuple(document.problem(*problem) for problem in problems)


def engine_notice(loaded: Loaded) -> str | None:
    """What a person should know of the serving engine before a run of the scenario, if anything: see ``notice``."""
    if not any(spec.engine == "fast" for spec in loaded.answers.serving.values()):
        return None
    from sim.engine.kernels.loading import SERVING, notice

    return notice(SERVING)


def reprice(results: Results, overrides: Mapping[str, Any], catalog: Catalog | None = None) -> Results:
    """A finished run under other grids, prices, PUE, water or accounting; simulates nothing.

    Raises ``InputError`` for an override of anything else, or a series finer than the run's bins.
    """
    began = time.perf_counter()
    _refuse_another_run(results, overrides)
    # a finished run needs none of the logs that drove it, which may be gone by now
    loaded = load_scenario(results.scenario, overrides, catalog, activity_files=False)
    run = run_of(results)
    summary = environmental(run, loaded)
    attributed = None
    if results.job_energy_table is not None:
        from sim.results.attribution import jobs_energy_of

        drawn = jobs_energy_of(results.job_energy_table, results.energy)
        attributed = attribution(drawn, results.energy, loaded)
    manifest = manifest_of(loaded, time.perf_counter() - began, results.manifest["inputs_sha256"])
    # all tables tell what happened, but what jobs answer for, and the draws of another pricing
    return replace(
        results,
        summary={**summary, **_summed(attributed), **run.activity, "events": run.events},
        scenario=loaded.resolved(),
        manifest={
            **{name: results.manifest[name] for name in ("bin_chosen",) if name in results.manifest},
            **manifest,
            "repriced_from": results.manifest["scenario_sha256"],
        },
        attribution_table=attributed.table if attributed is not None else None,
        draw_table=None,
    )


def run_of(results: Results) -> Simulated:
    """What was simulated for results that may have been read from files."""
    from sim.running.simulation import Simulated

    activity = {name: results.summary[name] for name in HAPPENED if name in results.summary}
    return Simulated(results.energy, activity, results.summary["events"])


def _refuse_another_run(results: Results, overrides: Mapping[str, Any]) -> None:
    deciding = deciding_the_run(results, overrides)
    if deciding:
        why = "decides the run itself: run again; re-pricing changes grids, buildings, water, prices and the accounting"
        raise InputError([Problem("--set", None, path, why) for path in deciding])


def deciding_the_run(results: Results, overrides: Mapping[str, Any]) -> list[str]:
    """Those of ``overrides`` that another run would follow from, so that pricing refuses them.

    What a run was given is what pricing finds, but for what its sites are like: no override may change it. What signals
    of a site decided, they decided in the run; another grid prices that and decides nothing anew.
    """
    before = _given_first(results)
    if _given(results, overrides) == before:
        return []
    return [path for path in overrides if _given(results, {path: overrides[path]}) != before] or [*overrides]


@last_kept
def _given_first(results: Results) -> str:
    """What the run itself was given; one is priced under many overrides."""
    return _given(results, {})


def _given(results: Results, under: Mapping[str, Any]) -> str:
    """All that a run would be given under overrides, as the hash of its content."""
    parts = parts_of(results.scenario, under)
    return content_hash((parts.seed, parts.of_run()))


def _environmental(
    document: Document,
    resolved: Resolved,
    plan: AccountingPlan,
    ledger: Ledger,
    activity: Mapping[str, Any],
) -> dict[str, Any]:
    from sim.results.summary import environmental_summary

    grids = [
        ((*path, "grid", name), signal)
        for path, site in zip(resolved.parts.places, plan.sites.values(), strict=True)
        for name, signal in site.grid.signals().items()
    ]
    for place, signal in grids:
        if not signal.covers(0, ledger.end_ns):
            raise InputError([document.problem(place, "the series ends before the run does; give one that covers it")])
        try:
            signal.on_bins(ledger.edges_ns)
        except ValueError:
            message = (
                "the series changes within a bin of the ledger; run again with a finer outputs.bin or with this series"
            )
            raise InputError([document.problem(place, message)]) from None
    nodes = {machine.node.name: machine.node.not_metered for machine in resolved.machines.values()}
    not_metered = {
        name: {str(part): why for part, why in reasons.items()} for name, reasons in nodes.items() if reasons
    }
    summary = environmental_summary(ledger, plan, not_metered, unit_of(resolved.scenario, activity, ledger))
    if resolved.scenario.growth is not None:
        summary["growth"] = growth_metrics(resolved.scenario.growth)
    moves = [moved for part in ("placements", "routes") for moved in activity.get(part, {}).values()]
    egress = [moved["egress"] for moved in moves if "egress" in moved]  # a route that moves nothing pays nothing
    if egress:
        summary["egress_cost"] = {
            currency: sum(one["cost"] for one in egress if one["currency"] == currency)
            for currency in sorted({one["currency"] for one in egress})
        }
    return summary


def unit_of(scenario: Scenario, activity: Mapping[str, Any], ledger: Ledger) -> Unit | None:
    """The functional unit that a scenario asks for, and how many were delivered; None where it asks for none."""
    from sim.results.summary import Unit
    from sim.results.work import answers

    wanted = scenario.accounting.functional_unit
    if wanted is None:
        return None
    if wanted.per == "output-token":
        done = activity["serving"][wanted.of]["output_tokens"]
    elif wanted.per in ("request", "image"):
        served = {**activity["serving"], **activity.get("split", {})}.get(wanted.of)
        alone = {"serving": {wanted.of: served}} if served is not None else activity  # or else it is of a route
        done = answers(alone)[wanted.of] * (wanted.images_per_request or 1.0)
    elif wanted.per == "user-hour":
        done = (wanted.users or 0.0) * ledger.end_ns / HOUR_NS
    elif wanted.per == "trained-token":
        done = activity["jobs"][wanted.of]["step"]["tokens"]
    elif wanted.per == "gpu-hour":
        held = {**activity["jobs"], **activity.get("campaigns", {}), **activity.get("batch", {})}
        done = held[wanted.of]["gpu_hours"]
    elif wanted.per == "round":
        done = float(activity["federated"][wanted.of]["rounds"])
    elif wanted.per == "trial":
        done = float(activity["campaigns"][wanted.of]["trials"])
    else:
        job, campaign = activity.get("jobs", {}).get(wanted.of), activity.get("campaigns", {}).get(wanted.of)
        done = float(job["completed"]) if job is not None else 1.0
        done = float(campaign["status"] != "unfinished") if campaign is not None else done
        fleet = activity.get("federated", {}).get(wanted.of)
        done = float(fleet["completed"]) if fleet is not None else done
    count = f"{wanted.count:g} " if wanted.count != 1.0 else ""
    return Unit(f"{count}{wanted.per}{'s' if wanted.count != 1.0 else ''} of {wanted.of}", done / wanted.count)


def _requests(scenario: Scenario, last: Ended) -> RequestTables | None:
    wanted = scenario.outputs.requests
    if wanted == "none":
        return None
    from sim.results.frames import request_table
    from sim.results.requests import request_tables

    sample = wanted.sample if isinstance(wanted, Sample) else None
    queues = None
    outcome = last.outcome
    if outcome.services or outcome.split or not outcome.serving:
        logs = [*outcome.services, *(record.requests() for record in outcome.split)]
        queues = request_table(logs, sample, Streams(scenario.seed)("outputs/requests"))
    return request_tables(outcome.serving, last.energies, queues)


def _iterations(scenario: Scenario, last: Ended) -> pa.Table | None:
    from sim.results.frames import iteration_table

    return iteration_table(last.outcome.serving) if scenario.outputs.iterations else None


def _traces(scenario: Scenario, built: Built, last: Ended) -> pa.Table | None:
    from sim.build.power.traces import CappedPattern

    if not built.traces:
        return None
    from sim.build.power.power_trace import samples
    from sim.results.frames import trace_table

    caps = {record.workload: [cap_w for cap_w, _ in record.worked_ns] or [None] for record in last.outcome.jobs}
    end_ns = last.outcome.end_ns
    found = []
    for plan in built.traces:
        pattern = CappedPattern(plan, caps[plan.workload])
        watts = samples(last.watched[plan.workload], pattern, plan.sampling, plan.gpus, plan.node_gpus, end_ns)
        found.append((plan.workload, plan.sampling.edges_ns(end_ns), watts))
    return trace_table(found, scenario.start_ns)
