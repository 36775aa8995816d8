"""One run from a scenario to its results, and a finished run priced anew."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.accounting.bins import Bins
from sim.accounting.ledger import WAN, Ledger, LedgerRecorder
from sim.accounting.metrics import job_metrics, queue_metrics, throttle_metrics
from sim.accounting.plan import AccountingPlan
from sim.accounting.serving import RequestEnergy, request_energy, serving_metrics
from sim.build.accounting import accounting_plan, weather_until_ns
from sim.build.caps import policy_log, power_limits
from sim.build.places import placed
from sim.build.resolved import Resolved
from sim.build.routes import moved_tokens, route_metrics, with_network
from sim.build.world import build
from sim.checks import policies, routes
from sim.checks.ledger_size import cut_problem
from sim.documents import Document, KeyPath
from sim.engine.control import PowerLimit
from sim.engine.meter import Draw
from sim.engine.world import Outcome, simulate
from sim.errors import InputError, Problem
from sim.facility.plant import Plant
from sim.kinds import plugins
from sim.loading.scenario import Loaded, load_scenario
from sim.profiles.catalog import Catalog
from sim.results.results import Results
from sim.results.summary import Unit, environmental_summary
from sim.rng import Streams
from sim.signals import Signal
from sim.spec.requests import request_files
from sim.spec.scenario import Sample, Scenario
from sim.spec.serving import MeasuredSteps, Serving
from sim.spec.workloads import Inference, PoissonArrivals
from sim.units import HOUR_NS, MAX_NS

if TYPE_CHECKING:
    from sim.results.requests import RequestTables

ACCOUNTING_PATHS = ("site", "sites", "accounting")
"""What may change without simulating again: nothing here decides when work happens."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """What a run did, before anything is priced. ``activity`` is the summary's part that no price changes."""

    ledger: Ledger
    activity: Mapping[str, Any]
    events: int


ACTIVITY = ("serving", "jobs", "throttling", "policies", "placements", "routes")
"""Parts of a summary that say what happened in a run, which re-pricing keeps."""


def run_loaded(loaded: Loaded, catalog: Catalog | None = None) -> Results:
    """Simulates and accounts a checked scenario. Prints and writes nothing, and holds no state between runs.

    Raises ``RunError`` where the run cannot be finished, ``InputError`` where a series turns out too short for it.
    """
    began = time.perf_counter()
    catalog = catalog if catalog is not None else loaded.catalog
    scenario = loaded.scenario
    streams = Streams(scenario.seed)
    resolved = Resolved.of(scenario, catalog)
    plan = accounting_plan(resolved)
    run, outcome, energies = _simulated(resolved, loaded.document, plan, streams)
    summary = _environmental(loaded.document, resolved, plan, run.ledger, run.activity)
    from sim.results.frames import job_table

    return Results(
        summary={**summary, **run.activity, "events": run.events},
        scenario=loaded.resolved(),
        manifest=_manifest(loaded, catalog, plan, time.perf_counter() - began),
        energy=run.ledger,
        start_ns=scenario.start_ns,
        job_table=job_table(outcome.jobs),
        request_table=_requests(scenario, outcome, energies, streams),
    )


def simulated(loaded: Loaded) -> Simulated:
    """Simulates a checked scenario and prices nothing. Raises what ``run_loaded`` raises."""
    resolved = Resolved.of(loaded.scenario, loaded.catalog)
    run, _, _ = _simulated(resolved, loaded.document, accounting_plan(resolved), Streams(loaded.scenario.seed))
    return run


def environmental(run: Simulated, loaded: Loaded) -> dict[str, Any]:
    """The part of the summary of ``run`` that prices decide, under a scenario that would have simulated the same.

    Raises as ``reprice`` does.
    """
    resolved = Resolved.of(loaded.scenario, loaded.catalog)
    return _environmental(loaded.document, resolved, accounting_plan(resolved), run.ledger, run.activity)


def _simulated(
    resolved: Resolved, document: Document, plan: AccountingPlan, streams: Streams
) -> tuple[Simulated, Outcome, dict[str, RequestEnergy]]:
    signals = _signals_of_policies(plan)
    resolved, moves = placed(resolved, document, signals, streams)
    scenario = resolved.scenario
    unseen = _unseen(resolved, signals)
    if unseen:
        raise InputError([document.problem(*problem) for problem in unseen])
    changes = [cuts for site in plan.sites.values() for cuts in site.breakpoints(0, MAX_NS)]
    too_large = cut_problem(resolved, changes)
    if too_large is not None:
        raise InputError([document.problem(*too_large)])
    bins = Bins(scenario.bin_ns, changes, scenario.start_ns)
    recorder = LedgerRecorder(resolved.sites, bins)
    built = build(resolved, streams, signals)
    outcome = simulate(
        built.pools,
        built.training,
        built.services,
        duration_ns=scenario.duration_ns,
        streams=streams,
        recorder=recorder,
        serving=built.serving,
        next_edge=bins.next_look,
        caps=built.caps,
        limits=_limits(resolved, plan),
        scheduler=built.scheduler,
    )
    for move in moves:
        end_ns = min(move.end_ns, outcome.end_ns)
        if move.watts and end_ns > move.start_ns:
            recorder.record(move.pool, [Draw("", WAN, move.workload, "active", move.watts, 0)], move.start_ns, end_ns)
    ledger = recorder.ledger(outcome.end_ns)
    moved = moved_tokens(ledger, scenario, built.routed)
    ledger = with_network(ledger, scenario, built.routed, moved)
    energies = _request_energies(scenario, outcome, ledger)
    activity = _activity(outcome, ledger, energies)
    if built.routed:
        logs = {log.workload: log for log in outcome.serving}
        activity["routes"] = route_metrics(scenario, built.routed, logs, moved)
    if moves:
        activity["placements"] = {move.workload: move.as_dict() for move in moves}
    if built.cappings:
        activity["policies"] = policy_log(built.cappings, outcome.end_ns)
    return Simulated(ledger, activity, outcome.events), outcome, energies


def _limits(resolved: Resolved, plan: AccountingPlan) -> tuple[PowerLimit, ...]:
    """What sites that throttle carry."""
    until_ns = weather_until_ns(resolved.scenario)
    plants = {name: site.building for name, site in plan.sites.items() if isinstance(site.building, Plant)}
    changes = {name: plant.breakpoints(0, until_ns) for name, plant in plants.items()}
    return power_limits(resolved, {name: plant.it_limit_w for name, plant in plants.items()}, changes, until_ns)


def unseen_signals(loaded: Loaded) -> tuple[Problem, ...]:
    """What the policies and routes of a scenario ask of signals that these do not give; a run refuses it."""
    resolved = Resolved.of(loaded.scenario, loaded.catalog)
    scheduled = any(job.schedule is not None or job.place is not None for job in resolved.jobs.values())
    if not scheduled and not loaded.scenario.policies and not loaded.scenario.routes:
        return ()
    signals = _signals_of_policies(accounting_plan(resolved))
    resolved, _ = placed(resolved, loaded.document, signals, Streams(loaded.scenario.seed))
    return tuple(loaded.document.problem(*problem) for problem in _unseen(resolved, signals))


def _unseen(resolved: Resolved, signals: Mapping[str, Mapping[str, Signal]]) -> list[tuple[KeyPath, str]]:
    return [*policies.signal_problems(resolved, signals), *routes.signal_problems(resolved, signals)]


def _signals_of_policies(plan: AccountingPlan) -> dict[str, dict[str, Signal]]:
    """What policies see of each site's grid."""
    seen = {}
    for name, site in plan.sites.items():
        known = {"carbon": site.grid.intensity, "marginal": site.grid.marginal, "price": site.grid.price}
        seen[name] = {signal: series for signal, series in known.items() if series is not None}
    return seen


def compiles_first(loaded: Loaded) -> bool:
    """Whether a run of the scenario begins with compiling the serving engine, which is kept for later runs."""
    wanted = any(isinstance(work, Serving) and work.engine == "fast" for work in loaded.scenario.workloads.values())
    cache = Path(__file__).parent.parent / "engine" / "serving" / "__pycache__"
    return wanted and not any(cache.glob("kernel.call-*.nbi"))


def reprice(results: Results, overrides: Mapping[str, Any], catalog: Catalog | None = None) -> Results:
    """A finished run under other grids, prices, PUE, water or accounting; simulates nothing.

    Raises ``InputError`` for an override of anything else, or a series finer than the run's bins.
    """
    began = time.perf_counter()
    problems = [
        Problem(
            "--set", None, path, f"decides the run itself; only {' and '.join(ACCOUNTING_PATHS)} re-price: run again"
        )
        for path in overrides
        if path.split(".")[0] not in ACCOUNTING_PATHS or path == "site.name"
    ]
    if problems:
        raise InputError(problems)
    # a finished run needs none of the logs that drove it, which may be gone by now
    loaded = load_scenario(results.scenario, overrides, catalog, activity_files=False)
    catalog = loaded.catalog
    activity: dict[str, Any] = {name: results.summary[name] for name in ACTIVITY if name in results.summary}
    resolved = Resolved.of(loaded.scenario, catalog)
    plan = accounting_plan(resolved)
    summary = _environmental(loaded.document, resolved, plan, results.energy, activity)
    manifest = _manifest(loaded, catalog, plan, time.perf_counter() - began, results.manifest["inputs_sha256"])
    return Results(
        summary={**summary, **activity, "events": results.summary["events"]},
        scenario=loaded.resolved(),
        manifest={
            **{name: results.manifest[name] for name in ("bin_chosen",) if name in results.manifest},
            **manifest,
            "repriced_from": results.manifest["scenario_sha256"],
        },
        energy=results.energy,
        start_ns=results.start_ns,
        job_table=results.job_table,
        request_table=results.request_table,
    )


def _request_energies(scenario: Scenario, outcome: Outcome, ledger: Ledger) -> dict[str, RequestEnergy]:
    """Of serving workloads whose requests all have rows."""
    if scenario.outputs.requests != "all":
        return {}
    return {log.workload: request_energy(log, ledger) for log in outcome.serving}


def _activity(outcome: Outcome, ledger: Ledger, energies: Mapping[str, RequestEnergy]) -> dict[str, Any]:
    services = {log.workload: queue_metrics(log, ledger) for log in outcome.services}
    services |= {log.workload: serving_metrics(log, ledger, energies.get(log.workload)) for log in outcome.serving}
    activity: dict[str, Any] = {
        "serving": services,
        "jobs": {record.workload: job_metrics([record]) for record in outcome.jobs},
    }
    if outcome.throttling:
        activity["throttling"] = [throttle_metrics(record) for record in outcome.throttling]
    return activity


def _environmental(
    document: Document,
    resolved: Resolved,
    plan: AccountingPlan,
    ledger: Ledger,
    activity: Mapping[str, Any],
) -> dict[str, Any]:
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
    summary = environmental_summary(ledger, plan, not_metered, _unit(resolved.scenario, activity, ledger))
    moves = [moved for part in ("placements", "routes") for moved in activity.get(part, {}).values()]
    egress = [moved["egress"] for moved in moves if "egress" in moved]  # a route that moves nothing pays nothing
    if egress:
        summary["egress_cost"] = {
            currency: sum(one["cost"] for one in egress if one["currency"] == currency)
            for currency in sorted({one["currency"] for one in egress})
        }
    return summary


def _unit(scenario: Scenario, activity: Mapping[str, Any], ledger: Ledger) -> Unit | None:
    wanted = scenario.accounting.functional_unit
    if wanted is None:
        return None
    if wanted.per == "output-token":
        done = activity["serving"][wanted.of]["output_tokens"]
    elif wanted.per in ("request", "image"):
        done = activity["serving"][wanted.of]["completed"] * (wanted.images_per_request or 1.0)
    elif wanted.per == "user-hour":
        done = (wanted.users or 0.0) * ledger.end_ns / HOUR_NS
    elif wanted.per == "gpu-hour":
        done = activity["jobs"][wanted.of]["gpu_hours"]
    else:
        job = activity.get("jobs", {}).get(wanted.of)
        done = float(job["completed"]) if job is not None else 1.0
    count = f"{wanted.count:g} " if wanted.count != 1.0 else ""
    return Unit(f"{count}{wanted.per}{'s' if wanted.count != 1.0 else ''} of {wanted.of}", done / wanted.count)


def _requests(
    scenario: Scenario, outcome: Outcome, energies: Mapping[str, RequestEnergy], streams: Streams
) -> RequestTables | None:
    wanted = scenario.outputs.requests
    if wanted == "none":
        return None
    from sim.results.frames import request_table
    from sim.results.requests import request_tables

    sample = wanted.sample if isinstance(wanted, Sample) else None
    queues = None
    if outcome.services or not outcome.serving:
        queues = request_table(outcome.services, sample, streams("outputs/requests"))
    return request_tables(outcome.serving, energies, queues)


def _manifest(
    loaded: Loaded,
    catalog: Catalog,
    plan: AccountingPlan,
    wall_s: float,
    known_sha256: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Who ran what, from which inputs: everything that may differ between two runs of equal results, and more."""
    import hashlib

    from sim.results.files import sha256, to_json

    scenario = loaded.scenario
    profiles = profiles_used(scenario, catalog)
    inputs = sorted({Path(file) for file in input_files(scenario)})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    packages = ("coldaisle", "simpy", "numpy", "pydantic", "pint", "ruamel.yaml", "pyarrow", "scipy", "numba")
    return {
        "scenario": loaded.source,
        "seed": scenario.seed,
        "scenario_sha256": hashlib.sha256(to_json(loaded.resolved()).encode()).hexdigest(),
        "profiles_sha256": {name: sha256(catalog.path(name)) for name in profiles},
        "inputs_sha256": {
            str(path): sha256(path) if path.is_file() else (known_sha256 or {})[str(path)] for path in inputs
        },
        "series": {
            site: {name: asdict(report) for name, report in own.reports.items()}
            | ({"weather": {"filled": own.weather_filled}} if own.weather_filled else {})
            for site, own in plan.sites.items()
            if own.reports or own.weather_filled
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
        **({"plugins": added} if (added := plugins()) else {}),
        **({"bin_chosen": loaded.bin_chosen} if loaded.bin_chosen is not None else {}),
        "wall_s": wall_s,
        "peak_memory_bytes": peak,
    }


@lru_cache(maxsize=64)
def _version(package: str) -> str:
    return version(package)


def profiles_used(scenario: Scenario, catalog: Catalog) -> Sequence[str]:
    """Names of the profiles that a scenario rests on."""
    names: set[str] = set()
    for pool in scenario.cluster.nodes:
        node = catalog.node(pool.profile)
        names |= {node.name, node.cpus.profile} | ({node.gpus.profile} if node.gpus is not None else set())
    for workload in scenario.workloads.values():
        if isinstance(workload, Serving):
            names |= {workload.stack} | ({workload.model} if isinstance(workload.model, str) else set())
            guess = workload.speculative
            names |= {guess.draft_model} if guess is not None and guess.draft_model is not None else set()
    return sorted(names)


def input_files(scenario: Scenario) -> list[str]:
    """Every file that a scenario reads, as it names them."""
    files = list(_named_files([place.model_dump(mode="json") for place in scenario.places.values()]))
    for workload in scenario.asked.values():
        if isinstance(workload, Inference) and not isinstance(workload.arrivals, PoissonArrivals):
            files.append(workload.arrivals.file)
        elif isinstance(workload, Serving):
            files += [file for _, file in request_files(workload.arrivals, workload.lengths)]
            files += [workload.step_time.file] if isinstance(workload.step_time, MeasuredSteps) else []
    return files


def _named_files(data: Any) -> Iterator[str]:
    """Every ``file:`` in plain data."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            if key == "file" and isinstance(value, str):
                yield value
            else:
                yield from _named_files(value)
    elif isinstance(data, list):
        for item in data:
            yield from _named_files(item)
