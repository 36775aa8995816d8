"""What shows only when parts of a scenario are held against each other, the catalog, and the files they name.

Each check takes what it needs from ``Parts`` and is skipped where that part is missing because it did not parse, so one
mistake does not hide another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sim.documents import Document, KeyPath
from sim.errors import InputError, Problem
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import GPUProfile, NodeProfile
from sim.spec.accounting import Accounting
from sim.spec.cluster import Cluster, NodePool
from sim.spec.inputs import covers, intensity_signal, interval_counts, price_signal, rate_signal, request_times
from sim.spec.loads import gpu_watts
from sim.spec.scenario import Outputs, Scenario
from sim.spec.site import IntensitySeries, PriceSeries, Site
from sim.spec.workloads import (
    Inference,
    IntervalLog,
    PoissonArrivals,
    RateLog,
    RequestLog,
    Steps,
    Training,
    Workload,
)
from sim.units import MAX_NS
from sim.validation import nearest, validate

RESERVED = ("unallocated",)
MOST_BINS = 2_000_000


@dataclass(frozen=True)
class Parts:
    """The parts of a scenario that parsed; None (or left out of ``workloads``) where one did not."""

    scenario: Scenario | None = None
    site: Site | None = None
    cluster: Cluster | None = None
    accounting: Accounting | None = None
    outputs: Outputs | None = None
    workloads: Mapping[str, Training | Inference] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario) -> Parts:
        """All of them."""
        return cls(scenario, scenario.site, scenario.cluster, scenario.accounting, scenario.outputs, scenario.workloads)

    @classmethod
    def salvaged(cls, document: Document) -> Parts:
        """Those that parse by themselves; their complaints have been heard already."""
        heard: list[Problem] = []
        data = document.data

        def part(kind: Any, *path: str) -> Any:
            return validate(kind, document, path, problems=heard) if path[0] in data else None

        written = data.get("workloads")
        names = list(written) if isinstance(written, dict) else []
        parsed = {name: part(Workload, "workloads", name) for name in names}
        return cls(
            site=part(Site, "site"),
            cluster=part(Cluster, "cluster"),
            accounting=part(Accounting, "accounting"),
            outputs=part(Outputs, "outputs"),
            workloads={name: workload for name, workload in parsed.items() if workload is not None},
        )


class _Hardware:
    """Node and GPU profiles of each pool that could be read."""

    def __init__(self, cluster: Cluster, catalog: Catalog, complain: Callable[[KeyPath, str], None]) -> None:
        self.nodes: dict[str, tuple[NodePool, NodeProfile]] = {}
        self.gpus: dict[str, GPUProfile] = {}
        self.complete = True
        for i, pool in enumerate(cluster.nodes):
            path: KeyPath = ("cluster", "nodes", i, "profile")
            if pool.label in self.nodes:
                complain(("cluster", "nodes", i), f"duplicate name '{pool.label}'; give each pool a 'name' of its own")
                continue
            try:
                node = catalog.node(pool.profile)
                self.nodes[pool.label] = (pool, node)
                catalog.cpu(node.cpus.profile)
                if node.gpus is not None:
                    self.gpus[pool.label] = catalog.gpu(node.gpus.profile)
            except InputError as error:
                self.complete = False
                for problem in error.problems:
                    inside = problem.file != "<profiles>"
                    complain(path, f"{problem}" if inside else problem.message)


def crosscheck(parts: Parts, document: Document, catalog: Catalog) -> list[Problem]:
    """Every problem between the parts."""
    problems: list[Problem] = []

    def complain(path: KeyPath, message: str) -> None:
        problems.append(document.problem(path, message))

    for path, message in _times(parts):
        complain(path, message)
    for name in parts.workloads:
        if name in RESERVED:
            complain(("workloads", name), f"'{name}' is the ledger's own name for what nobody holds; choose another")
    if parts.cluster is not None:
        hardware = _Hardware(parts.cluster, catalog, complain)
        for path, message in _against_hardware(parts, hardware):
            complain(path, message)
    else:
        for path, message in _named_profiles(document, catalog):
            complain(path, message)
    for path, message in (*_gpu_lifetime(document, catalog), *_service_laws(parts), *_functional_unit(parts)):
        complain(path, message)
    if parts.scenario is not None:
        problems += _files(parts.scenario, document)
    return problems


Found = Iterator[tuple[KeyPath, str]]


def _times(parts: Parts) -> Found:
    scenario = parts.scenario
    if scenario is None:
        return
    if scenario.end is not None and scenario.duration is not None:
        yield ("end",), "give either 'end' or 'duration', not both"
    elif scenario.end is not None and scenario.end <= scenario.start:
        yield ("end",), f"must be after the start ({scenario.start.isoformat()})"
    duration = scenario.duration_ns
    if duration is not None and duration // scenario.outputs.bin > MOST_BINS:
        yield ("outputs", "bin"), f"gives more than {MOST_BINS:,} bins over this duration; choose a longer bin"
    for name, workload in parts.workloads.items():
        if isinstance(workload, Inference) and isinstance(workload.arrivals, PoissonArrivals) and duration is None:
            yield ("workloads", name, "arrivals"), "Poisson arrivals never end; give the scenario a 'duration'"


def _written_profiles(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """The node profiles a document names, read off its plain data: it may not parse as a whole."""
    cluster = document.data.get("cluster")
    nodes = cluster.get("nodes") if isinstance(cluster, dict) else None
    for i, pool in enumerate(nodes if isinstance(nodes, list) else []):
        if isinstance(pool, dict) and isinstance(pool.get("profile"), str):
            yield ("cluster", "nodes", i, "profile"), pool["profile"]


def _named_profiles(document: Document, catalog: Catalog) -> Found:
    for path, name in _written_profiles(document):
        try:
            catalog.node(name)
        except InputError as error:
            yield path, error.problems[0].message


def _gpu_lifetime(document: Document, catalog: Catalog) -> Found:
    accounting = document.data.get("accounting")
    if not isinstance(accounting, dict) or "gpu_lifetime" in accounting:
        return
    for _, name in _written_profiles(document):
        try:
            has_gpus = catalog.node(name).gpus is not None
        except InputError:
            continue  # reported where it is named
        if has_gpus:
            yield ("accounting", "gpu_lifetime"), "required. We do not guess a lifetime: give e.g. '5 years'."
            return


def _against_hardware(parts: Parts, hardware: _Hardware) -> Found:
    if not hardware.complete:
        return
    services: dict[str, int] = {}
    placed: dict[str, str] = {}
    for name, workload in parts.workloads.items():
        path: KeyPath = ("workloads", name)
        if workload.pool is not None and workload.pool not in hardware.nodes:
            known = ", ".join(hardware.nodes)
            yield (*path, "pool"), f"unknown pool '{workload.pool}'{nearest(workload.pool, hardware.nodes)}  ({known})"
            continue
        if workload.pool is None and len(hardware.gpus) > 1:
            yield (*path, "pool"), f"required where several pools have GPUs  ({', '.join(hardware.gpus)})"
            continue
        label = workload.pool if workload.pool is not None else next(iter(hardware.gpus), None)
        if label is None or label not in hardware.gpus:
            yield path, "needs GPUs, and its pool has none"
            continue
        placed[name] = label
        if isinstance(workload, Inference):
            services[label] = services.get(label, 0) + workload.replicas * workload.gpus_per_replica
        yield from _load_fits(path, workload, hardware.gpus[label])
    for name, label in placed.items():
        workload = parts.workloads[name]
        pool, node = hardware.nodes[label]
        there = pool.count * node.slots
        held = services.get(label, 0)
        if isinstance(workload, Training) and workload.gpus + held > there:
            services_hold = f", of which services hold {held:,}" if held else ""
            yield (
                ("workloads", name, "gpus"),
                f"asks for {workload.gpus:,} GPUs; '{label}' has {there:,}{services_hold}",
            )
        elif isinstance(workload, Inference) and held > there:
            yield ("workloads", name, "replicas"), f"services ask for {held:,} GPUs of '{label}', which has {there:,}"


def _load_fits(path: KeyPath, workload: Training | Inference, gpu: GPUProfile) -> Found:
    work = workload.work if isinstance(workload, Training) else None
    if isinstance(work, Steps):
        for table, what in ((gpu.peak, "peak rate"), (gpu.power.energy_per_flop, "energy per FLOP")):
            if work.precision not in table:
                known = ", ".join(table)
                yield (*path, "work", "precision"), f"'{gpu.name}' has no {what} for {work.precision}  ({known})"
        if work.link_traffic and gpu.link.energy_per_byte is None:
            yield (*path, "work", "link_traffic"), f"'{gpu.name}' has no energy per byte of its link in its profile"
        return
    load = work.load if work is not None else workload.load if isinstance(workload, Inference) else None
    at = (*path, "work", "load") if work is not None else (*path, "load")
    if load is None:
        return
    if load.kind == "throughput":
        if load.precision not in gpu.power.energy_per_flop or load.precision not in gpu.peak:
            known = ", ".join(set(gpu.power.energy_per_flop) & set(gpu.peak))
            yield (*at, "precision"), f"'{gpu.name}' has no power and peak for {load.precision}  ({known})"
            return
        peak = gpu.peak[load.precision].value
        if load.compute > peak:
            yield (*at, "compute"), f"{load.compute.text} is above the peak of '{gpu.name}', {peak.text}"
            return
        if load.memory_traffic > gpu.memory.bandwidth.value:
            yield (*at, "memory_traffic"), f"is above the bandwidth of '{gpu.name}', {gpu.memory.bandwidth.value.text}"
            return
    active_w, loaded_w = gpu_watts(load, gpu)
    if load.kind == "throughput" and active_w > gpu.tdp.value:
        yield at, f"would draw {active_w:.0f} W on '{gpu.name}', above its TDP of {gpu.tdp.value.text}; lower the rates"
    elif active_w < loaded_w:
        yield at, f"draws {active_w:g} W at work and {loaded_w:g} W loaded without work; work cannot lower power"


def _service_laws(parts: Parts) -> Found:
    for name, workload in parts.workloads.items():
        if not isinstance(workload, Inference):
            continue
        law, cv = workload.service_time.law, workload.service_time.cv
        if law == "lognormal" and (cv is None or cv <= 0):
            yield ("workloads", name, "service_time", "cv"), "required above zero for a lognormal law, e.g. 0.8"
        if law != "lognormal" and cv is not None:
            yield ("workloads", name, "service_time", "cv"), f"a {law} law takes no 'cv'"


def _functional_unit(parts: Parts) -> Found:
    unit = parts.accounting.functional_unit if parts.accounting is not None else None
    if unit is None or (parts.scenario is None and not parts.workloads):
        return
    path: KeyPath = ("accounting", "functional_unit")
    workload = parts.workloads.get(unit.of)
    if workload is None:
        if parts.scenario is not None:
            known = ", ".join(parts.workloads)
            yield (*path, "of"), f"unknown workload '{unit.of}'{nearest(unit.of, parts.workloads)}  ({known})"
        return
    if unit.per != "run" and (unit.per == "request") != isinstance(workload, Inference):
        yield (*path, "per"), f"'{unit.of}' is {workload.kind} and counts no {unit.per}s"


def _files(scenario: Scenario, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    start_ns, duration_ns = scenario.start_ns, scenario.duration_ns

    def clock(ns: int) -> str:
        return (scenario.start + timedelta(microseconds=ns // 1000)).isoformat() if abs(ns) < MAX_NS else "ever"

    def covered(path: KeyPath, what: str, first_ns: int, last_ns: int) -> None:
        if not covers(first_ns, last_ns, duration_ns):
            until = "its end" if duration_ns is None else clock(duration_ns)
            message = f"{what} covers {clock(first_ns)} .. {clock(last_ns)}; the run lasts from {clock(0)} to {until}"
            problems.append(document.problem(path, message))

    def reading(path: KeyPath, read: Callable[[], Any]) -> Any | None:
        try:
            return read()
        except InputError as error:
            place = document.place(path)
            problems.extend(
                Problem(place.file, place.line, ".".join(map(str, path)), str(problem)) for problem in error.problems
            )
            return None

    grid = scenario.site.grid
    if isinstance(grid.intensity, IntensitySeries):
        at: KeyPath = ("site", "grid", "intensity", "file")
        signal = reading(at, lambda: intensity_signal(grid.intensity, start_ns))
        if signal is not None:
            covered(at, "the series", signal.first_ns, signal.last_ns)
    if isinstance(grid.price, PriceSeries):
        at = ("site", "grid", "price", "file")
        price = grid.price
        signal = reading(at, lambda: price_signal(price, start_ns, price.unit.currency))
        if signal is not None:
            covered(at, "the series", signal.first_ns, signal.last_ns)
    for name, workload in scenario.workloads.items():
        if not isinstance(workload, Inference):
            continue
        at = ("workloads", name, "arrivals", "file")
        arrivals = workload.arrivals
        if isinstance(arrivals, IntervalLog):
            counts = reading(at, lambda log=arrivals: interval_counts(log, start_ns))  # type: ignore[misc]
            if counts is not None:
                covered(at, "the log", int(counts.edges_ns[0]), int(counts.edges_ns[-1]))
        elif isinstance(arrivals, RateLog):
            rates = reading(at, lambda log=arrivals: rate_signal(log, start_ns))  # type: ignore[misc]
            if rates is not None:
                covered(at, "the series", rates.first_ns, rates.last_ns)
        elif isinstance(arrivals, RequestLog):
            times = reading(at, lambda log=arrivals: request_times(log, start_ns))  # type: ignore[misc]
            if times is not None and (times[-1] < 0 or (duration_ns is not None and times[0] >= duration_ns)):
                message = f"the log covers {clock(int(times[0]))} .. {clock(int(times[-1]))}, all of it outside the run"
                problems.append(document.problem(at, message))
    return problems
