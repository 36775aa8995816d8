"""What shows only when parts of a scenario are held against each other and the catalog.

Each check takes what it needs from ``Parts`` and is skipped where that part is missing because it did not parse, so one
mistake does not hide another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from sim.build.resolved import Resolved
from sim.build.site.plates import left_to_profiles, standing
from sim.checks import above_tdp
from sim.checks.campaigns import intensities_outside, many_start
from sim.checks.carbon_price import carbon_price_problems
from sim.checks.conventions import convention_problems
from sim.checks.denoising import pictures_fit
from sim.checks.fabric import fabrics_fit
from sim.checks.failures import failure_problems
from sim.checks.files import file_problems
from sim.checks.jobs import jobs_fit, tables_fit
from sim.checks.ledger_size import bin_problems
from sim.checks.loads import loads_fit, work_fits
from sim.checks.methods import methods_fit
from sim.checks.named_profiles import faults
from sim.checks.phases import phases_whole
from sim.checks.policies import cap_problems
from sim.checks.pools import draw_together, pools_are_there, slots_suffice
from sim.checks.power_limits import shared_power_problems
from sim.checks.routes import held_to, links, relays, where_written
from sim.checks.serving import against_catalog, stands_alone
from sim.checks.slices import instances_alone, shared_by_somebody
from sim.checks.split import devices_are_made, split_problems
from sim.checks.training import models_fit
from sim.checks.turns import turn_problems
from sim.checks.unit_effects import units_fit
from sim.documents import Document, KeyPath
from sim.errors import InputError, Problem
from sim.later import later
from sim.plain import as_mapping, as_text, under
from sim.profiles.catalog import Catalog
from sim.quantities import Price
from sim.spec.parts import Parts
from sim.units import MAX_NS, SECONDS_PER_NS
from sim.validation import nearest

with later():
    from sim.spec.battery import Battery, StatedStock
    from sim.spec.grid import MixWater
    from sim.spec.passes import Denoising, Roofline
    from sim.spec.workloads import Training


RESERVED = ("unallocated",)
MOST_REQUESTS = 100_000_000
OF_ROUTES = ("request", "image", "user-hour", "run")
"""What may be counted of a route: answers that users got, and what needs no counting."""


Found = Iterator[tuple[KeyPath, str]]


def crosscheck(
    resolved: Resolved, document: Document, *, activity_files: bool, priced_only: bool = False
) -> list[Problem]:
    """Every problem between the parts of a scenario; without ``activity_files`` the logs of arrivals are not opened,
    and tables of kernels need not be installed.

    ``priced_only`` leaves out all that a run is given, where the same has held together before.
    """
    document = document.without_nulls()
    parts, catalog = resolved.parts, resolved.catalog
    checks = [
        _places(document),
        _weather_needed(parts),
        _stock_stated(parts),
        _plates(resolved),
        _gpu_lifetime(document, catalog),
        _bill(parts, document, catalog),
        _functional_unit(parts),
        phases_whole(resolved),
        intensities_outside(resolved),
        devices_are_made(resolved),
        convention_problems(resolved),
        carbon_price_problems(resolved),
    ]
    if not priced_only:
        checks += _of_what_runs(resolved.of_run, document, kernel_tables=activity_files)
    found = [document.problem(where_written(document, path), message) for path, message in chain(*checks)]
    found += file_problems(resolved, document, activity_files=activity_files, most_requests=MOST_REQUESTS)
    return list(dict.fromkeys(found))  # workloads of one route have the same requests, and the same mistakes in them


def _iterations_of(resolved: Resolved) -> Found:
    """Iterations are of services of language models alone."""
    outputs = resolved.parts.outputs
    if outputs is not None and outputs.iterations and not resolved.serving:
        message = "no workload is of the kind 'serving', and no other has iterations; leave it out"
        yield ("outputs", "iterations"), message


def _of_what_runs(resolved: Resolved, document: Document, *, kernel_tables: bool) -> list[Found]:
    """Checks of the machines and of the work, wherever they stand and whatever they are counted at."""
    checks = [
        links(document),
        held_to(resolved),
        relays(resolved),
        _times_and_names(resolved),
        _iterations_of(resolved),
        many_start(resolved),
        bin_problems(resolved),
        _service_laws(resolved),
        _serving(resolved),
    ]
    if resolved.parts.cluster is None:
        return [*checks, _named_profiles(document, resolved.catalog)]
    checks += [_machines(resolved), draw_together(resolved), pools_are_there(resolved)]
    checks += [_choices(resolved), slots_suffice(resolved)]
    checks += [failure_problems(resolved), fabrics_fit(resolved), instances_alone(resolved)]
    checks += [shared_by_somebody(resolved), units_fit(resolved)]
    checks += [
        loads_fit(resolved),
        pictures_fit(resolved),
        above_tdp.stated(resolved),
        models_fit(resolved),
        methods_fit(resolved),
        split_problems(resolved),
    ]
    checks += [jobs_fit(resolved), *([tables_fit(resolved)] if kernel_tables else [])]
    checks.append(against_catalog(resolved, kernel_tables=kernel_tables))
    if not resolved.hardware.unread:
        checks.append(cap_problems(resolved))
        checks.append(shared_power_problems(resolved))
    return checks


def _machines(resolved: Resolved) -> Found:
    """Pools that share a name, and profiles that cannot be read."""
    assert resolved.parts.cluster is not None
    for i in resolved.hardware.twice:
        label = resolved.parts.cluster.nodes[i].label
        yield ("cluster", "nodes", i), f"duplicate name '{label}'; give each pool a 'name' of its own"
    for i, field, error in resolved.hardware.unread.values():
        yield from ((("cluster", "nodes", i, field), fault) for fault in faults(error))


def _times_and_names(resolved: Resolved) -> Found:
    parts = resolved.parts
    if parts.end is not None and parts.duration_written:
        yield ("end",), "give either 'end' or 'duration', not both"
    elif parts.end is not None and parts.start is not None and parts.end <= parts.start:
        yield ("end",), f"must be after the start ({parts.start.isoformat()})"
    duration_ns = parts.duration_ns
    if duration_ns is not None and duration_ns >= MAX_NS:
        yield ("end",), f"is longer after the start ({parts.start}) than the 146 years that a simulated clock can hold"
    for name, arrivals in parts.arrivals.items():
        path: KeyPath = ("workloads", name, "arrivals")
        if arrivals.kind == "poisson":
            if parts.open_ended:
                yield path, "Poisson arrivals never end; give the scenario a 'duration'"
            elif duration_ns is not None and arrivals.rate * duration_ns * SECONDS_PER_NS > MOST_REQUESTS:
                yield (*path, "rate"), f"gives more than {MOST_REQUESTS:,} requests over this duration"
    for name in parts.names:
        if name in RESERVED:
            yield ("workloads", name), f"'{name}' is the ledger's own name for what nobody holds; choose another"
    for name, job in resolved.jobs.items():
        if duration_ns is not None and job.start_after >= duration_ns:
            yield ("workloads", name, "start_after"), "is not before the end of the run: the job would never start"


def _places(document: Document) -> Found:
    """One 'site' or several 'sites', and every pool in one of them; off the plain data, which may not parse."""
    if "site" in document.data and "sites" in document.data:
        yield ("sites",), "give 'site' or 'sites', not both"
        return
    if "site" not in document.data and "sites" not in document.data:
        yield ("site",), "required. We do not guess where the machines stand: give its 'grid' and 'facility'."
        return
    names = list(document.mapping("sites"))
    for i, written in enumerate(document.items("cluster", "nodes")):
        pool = as_mapping(written)
        path: KeyPath = ("cluster", "nodes", i, "site")
        if pool is None:
            continue  # told when it was parsed
        if "sites" not in document.data and "site" in pool:
            yield path, "the scenario has one site, which is where every pool stands; leave this out"
        elif len(names) > 1 and "site" not in pool:
            yield path, f"required where there are several sites  ({', '.join(names)})"
        elif "site" in pool and names and pool["site"] not in names:
            yield path, f"unknown site '{pool['site']}'{nearest(pool['site'], names)}  ({', '.join(names)})"


def _weather_needed(parts: Parts) -> Found:
    for path, place in parts.places.items():
        if place.weather is not None:
            continue
        if place.facility.needs_weather:
            yield (*path, "weather"), "required by a plant, e.g. {kind: epw, file: ...}"
        for i, unit in enumerate(place.on_site):
            if unit.needs_sky:
                yield (*path, "on_site", i), f"{unit.kind} needs the site's 'weather'; or give {unit.kind}-series"


def _plates(resolved: Resolved) -> Found:
    """A facility may leave what cold plates take to its nodes, each of which has to know."""
    for path, place in resolved.parts.places.items():
        if not left_to_profiles(place.facility):
            continue
        nodes = [machine.node for machine in standing(resolved, str(path[1]) if len(path) > 1 else None)]
        lacking = next((f"the profile of '{node.name}' has none" for node in nodes if node.liquid_share is None), None)
        if lacking is not None or not nodes:
            at = (*path, "facility", "cooling", "liquid_share")
            yield at, f"required: {lacking or 'no node stands there'} to take its place; give e.g. 0.75"


def _stock_stated(parts: Parts) -> Found:
    """A battery whose first charge is stated says it for every account that its site keeps."""
    for path, place in parts.places.items():
        kept = {
            "market": (place.grid.market, "grid.market"),
            "marginal": (place.grid.marginal, "grid.marginal"),
            "price": (place.grid.price, "grid.price"),
            "water": (place.water.ewif, "water.ewif"),
            "withdrawal": (place.water.ewif if isinstance(place.water.ewif, MixWater) else None, "water.ewif"),
        }
        for i, unit in enumerate(place.on_site):
            if isinstance(unit, Battery) and isinstance(unit.stock, StatedStock):
                for field, (there, why) in kept.items():
                    at: KeyPath = (*path, "on_site", i, "stock", field)
                    stated = getattr(unit.stock, field)
                    if there is not None and stated is None:
                        yield at, f"required: what it took then, since the site has '{why}'"
                    elif isinstance(there, Price) and stated.currency != there.currency:
                        yield at, f"is in {stated.currency}, the grid's price in {there.currency}"


def _written_profiles(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """The node profiles a document names, read off its plain data: it may not parse as a whole."""
    for i, pool in enumerate(document.items("cluster", "nodes")):
        name = as_text(under(pool, "profile"))
        if name is not None:
            yield ("cluster", "nodes", i, "profile"), name


def _named_profiles(document: Document, catalog: Catalog) -> Found:
    for path, name in _written_profiles(document):
        try:
            catalog.node(name)
        except InputError as error:
            yield from ((path, fault) for fault in faults(error))


def _gpu_lifetime(document: Document, catalog: Catalog) -> Found:
    accounting = as_mapping(document.at("accounting"))
    if accounting is None or "gpu_lifetime" in accounting:
        return
    for _, name in _written_profiles(document):
        try:
            has_gpus = catalog.node(name).gpus is not None
        except InputError:
            continue  # reported where it is named
        if has_gpus:
            yield ("accounting", "gpu_lifetime"), "required. We do not guess a lifetime: give e.g. '5 years'."
            return


def _bill(parts: Parts, document: Document, catalog: Catalog) -> Found:
    """A bill of materials needs nodes that say what they hold."""
    if parts.accounting is None or parts.accounting.embodied.nodes != "bill-of-materials":
        return
    for path, name in _written_profiles(document):
        try:
            lacks = catalog.node(name).materials is None
        except InputError:
            continue  # reported where it is named
        if lacks:
            message = f"'{name}' has no 'materials' (drives, power_supplies, rack_units) to make a bill of; "
            yield path, f"{message}write accounting.embodied.nodes: profile"


def _serving(resolved: Resolved) -> Found:
    for name, workload in resolved.serving.items():
        yield from stands_alone(name, workload, open_ended=resolved.parts.open_ended)
        yield from turn_problems(("workloads", name), workload, resolved.parts.duration_ns)


def _choices(resolved: Resolved) -> Found:
    """A job that chooses its pool must fit every one of them."""
    for name, place in resolved.choosing.items():
        job, at = resolved.jobs[name], ("workloads", name, "place")
        if place.home not in place.pools:
            yield (*at, "home"), f"is none of its 'pools'{nearest(place.home, place.pools)}  ({', '.join(place.pools)})"
        for i, label in enumerate(place.pools):
            if label in resolved.hardware.unread:
                continue
            if label not in resolved.gpus:
                known = ", ".join(resolved.gpus)
                hint = f"{nearest(label, resolved.gpus)}  ({known})"
                yield (*at, "pools", i), f"no pool with GPUs is called '{label}'{hint}"
                continue
            slots = resolved.machines[label].slots
            if job.gpus > slots:
                yield (*at, "pools", i), f"'{label}' has {slots:,} of the {job.gpus:,} GPUs"
            yield from work_fits(("workloads", name, "work"), job.work, resolved.gpus[label])


def _service_laws(resolved: Resolved) -> Found:
    for name, service in resolved.services.items():
        if isinstance(service.service_time, (Roofline, Denoising)):
            continue
        law, cv = service.service_time.law, service.service_time.cv
        if law == "lognormal" and (cv is None or cv <= 0):
            yield ("workloads", name, "service_time", "cv"), "required above zero for a lognormal law, e.g. 0.8"
        if law != "lognormal" and cv is not None:
            yield ("workloads", name, "service_time", "cv"), f"a {law} law takes no 'cv'"


def _functional_unit(parts: Parts) -> Found:
    unit = parts.accounting.functional_unit if parts.accounting is not None else None
    if unit is None:
        return
    path: KeyPath = ("accounting", "functional_unit")
    known = (*parts.names, *parts.routes)
    if unit.of not in known:
        what = "workload or route" if parts.routes else "workload"
        yield (*path, "of"), f"unknown {what} '{unit.of}'{nearest(unit.of, known)}  ({', '.join(known)})"
        return
    if unit.of not in parts.names and unit.per not in OF_ROUTES:
        yield (*path, "per"), f"'{unit.of}' is a route and counts no {unit.per}s"
    workload = parts.workloads.get(unit.of)
    if workload is not None and unit.per not in ("run", *workload.counts):
        yield (*path, "per"), f"'{unit.of}' is {workload.kind} and counts no {unit.per}s"
    elif unit.per == "trained-token" and isinstance(workload, Training) and workload.work.kind != "model":
        yield (*path, "per"), f"'{unit.of}' has work of kind {workload.work.kind}, in which tokens are not known"
