"""For what the models of a run are known to hold, and where the run stood in it: a table, as far as both are known.

A model refuses what lies outside the range in which it can compute at all; this is about ranges in which its numbers
are known. Where nobody states one, or the run kept nothing to tell by, the row says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.build.serving.host_times import reference_cpu
from sim.errors import InputError
from sim.plain import as_mapping, as_text, under
from sim.profiles.catalog import Catalog
from sim.profiles.machines.host import host_slowdown
from sim.results.formats import number, percent
from sim.results.results import Results
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.profiles.machines.node import CPUProfile
    from sim.profiles.stacks.denoising import DenoisingStackProfile
    from sim.profiles.stacks.serving import StackProfile

HEADER = ("model", "of", "known for", "in this run", "")
WITHIN, BEYOND, UNTOLD = "within", "beyond", "not known"
NO_REQUESTS = "not kept (outputs.requests: all)"
Row = tuple[str, str, str, str, str]


def ranges(results: Results) -> list[Row]:
    """A row a model and quantity: what it is of, its range, what the run had, and whether that lies within."""
    catalog = Catalog()
    scenario = results.scenario
    return [*_services(results, catalog), *_hosts(scenario, catalog), *_gpus(results, catalog), *_buildings(scenario)]


def _services(results: Results, catalog: Catalog) -> Iterator[Row]:
    """Contexts against what the model was published for, batches against the scenario's own limit, KV cache."""
    for name, service in (results.summary.get("serving") or {}).items():
        spec = as_mapping(results.scenario["workloads"].get(name)) or {}
        if "batch_size_mean" not in service:
            continue
        model = as_text(spec.get("model"))
        known = _read(lambda model=model: catalog.model(str(model)).context_tokens) if model else None
        if known is not None:
            longest = _longest(results, name)
            told = f"{longest:,}" if longest is not None else NO_REQUESTS
            yield f"model {model}", "tokens of a context", f"up to {known:,}", told, _verdict(longest, 0, known)
        most = under(spec, "batching", "max_num_seqs")
        if isinstance(most, int):
            mean = float(service["batch_size_mean"])
            verdict = _verdict(mean, 0, most)
            yield f"batches of {name}", "sequences in a batch, mean", f"up to {most:,}", number(mean), verdict
        for key, what in (("kv_occupancy", "blocks in use, mean"), ("kv_occupancy_peak", "blocks in use, most")):
            if key in service:  # the peak is known of some ways to admit requests alone
                share = float(service[key])
                yield f"KV cache of {name}", what, "up to 100 %", percent(share), _verdict(share, 0.0, 1.0)


def _hosts(scenario: Mapping[str, Any], catalog: Catalog) -> Iterator[Row]:
    """CPUs of the servers that a stack's host times are of, and those of its pools. Denoising stacks that launch graphs
    have no such times."""
    for workload in scenario["workloads"].values():
        asked, stack = under(workload, "pool"), _stack(workload, catalog)
        if stack is None:
            continue
        for pool in scenario["cluster"]["nodes"]:
            node = _read(lambda pool=pool: catalog.node(str(pool["profile"])))
            if node is None or node.gpus is None or asked not in (None, pool.get("name"), pool["profile"]):
                continue
            cpu = _read(lambda node=node: catalog.cpu(node.cpus.profile))
            if cpu is not None:
                yield _host(stack, cpu, _read(lambda stack=stack: reference_cpu(stack, catalog)))


def _stack(workload: Any, catalog: Catalog) -> StackProfile | DenoisingStackProfile | None:
    name = under(workload, "stack")
    if name is not None:
        served: StackProfile | None = _read(lambda: catalog.stack(str(name)))
        return served
    drawn: DenoisingStackProfile | None = _read(
        lambda: catalog.denoising_stack(str(under(workload, "service_time", "stack")))
    )
    return drawn if drawn is not None and drawn.launch is not None else None


def _host(stack: StackProfile | DenoisingStackProfile, cpu: CPUProfile, reference: CPUProfile | None) -> Row:
    known = "no CPU is named"
    if reference is not None and stack.host is not None:
        known = f"{reference.name} ({stack.host.confidence})"
        if reference.name == cpu.name:
            return f"stack {stack.name}", "work of its host", known, cpu.name, WITHIN
    slower = host_slowdown(reference, cpu)
    told = "taken to be as fast" if slower is None else f"taken to need {number(slower)} times as long"
    return f"stack {stack.name}", "work of its host", known, f"{cpu.name}, {told}", UNTOLD


def _longest(results: Results, name: str) -> int | None:
    """Tokens of the longest request that was kept with all others; None where they were not."""
    if results.request_table is None or under(results.scenario, "outputs", "requests") != "all":
        return None
    table = results.request_table.table()
    if not {"prompt_tokens", "output_tokens"} <= {*table.column_names}:
        return None
    own = table.filter(pc.equal(table["workload"].cast(pa.string()), name))
    most: int | None = pc.max(pc.add(own["prompt_tokens"], own["output_tokens"])).as_py()
    return most


def _gpus(results: Results, catalog: Catalog) -> Iterator[Row]:
    """W of a board, mean of its pool by bin, between rest and TDP."""
    ledger = results.energy
    seconds = np.diff(ledger.edges_ns) * SECONDS_PER_NS
    for pool in results.scenario["cluster"]["nodes"]:
        node = _read(lambda pool=pool: catalog.node(str(pool["profile"])))
        if node is None or node.gpus is None:
            continue
        gpu = _read(lambda node=node: catalog.gpu(node.gpus.profile))
        named = pool.get("name") or pool["profile"]
        rows = [i for i, key in enumerate(ledger.keys) if key.component == "gpu" and key.pool == named]
        if gpu is None or not rows or not len(seconds):
            continue
        boards = int(pool["count"]) * node.gpus.count
        watts = ledger.energy_j[rows].sum(axis=0) / seconds / boards
        low, high = float(gpu.power.idle.value), float(gpu.tdp.value)
        told = f"{number(float(watts.min()))} to {number(float(watts.max()))} W"
        verdict = BEYOND if watts.max() > high * (1.0 + 1e-9) else WITHIN
        yield f"power of {gpu.name}", f"W a board, mean of {named}", f"{number(low)} to {number(high)} W", told, verdict
        held = gpu.calibration
        what = f"{len(held.constants)} constants fitted to readings" if held is not None else "not calibrated"
        yield f"power of {gpu.name}", "work", what, "see its sources", UNTOLD


def _buildings(scenario: Mapping[str, Any]) -> Iterator[Row]:
    """A PUE that is one number holds at the load and in the weather that it was read in, which nobody states."""
    several: Mapping[str, Any] = scenario.get("sites") or {}
    for name, site in {**({"site": scenario["site"]} if scenario.get("site") else {}), **several}.items():
        kind = under(site, "facility", "kind")
        if kind == "fixed-pue":
            yield f"building of {name}", "load and weather", "no range is stated of a fixed PUE", "any", UNTOLD
        elif kind is not None:
            refused = "its curves; beyond them it refuses"
            yield f"building of {name}", f"load and weather ({kind})", refused, "the whole of it", WITHIN


def _verdict(value: float | None, low: float, high: float) -> str:
    return UNTOLD if value is None else WITHIN if low <= value <= high else BEYOND


def _read(ask: Any) -> Any:
    """What the catalog has; None where a profile is not of this installation."""
    try:
        return ask()
    except InputError:
        return None


def beyond(rows: Sequence[Row]) -> list[str]:
    """In sentences, what lay outside."""
    return [
        f"{model}: {what} {had}, known for {known}: exceeded."
        for model, what, known, had, told in rows
        if told == BEYOND
    ]
