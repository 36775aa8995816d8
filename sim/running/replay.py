"""A run of a scenario with the jobs of a given trace, for whoever holds what it recorded against what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.loading.scenario import load_scenario, read_scenario
from sim.paths import joined
from sim.running.run import Watch, built_of, simulated_under
from sim.workload.jobs.batch import Batch
from sim.workload.jobs.node_map import NodeMap


def replayed(
    scenario: str | Path | Mapping[str, Any],
    trace: Path,
    overrides: Mapping[str, Any],
    *,
    workload: str | None,
    zone: str | None,
    watch: Watch | None = None,
) -> tuple[Batch, str, NodeMap | None]:
    """The jobs of ``trace`` as a run of the scenario had them, in the place of those of its workload of jobs; and the
    scenario's name and which of its nodes are which of the trace's, where it says so.

    ``workload`` says which, where it has several; ``zone`` is that of the trace's local times; ``watch`` is told how
    far it is. Raises ``InputError`` for a scenario that has none, or whose jobs come from elsewhere than a trace, and
    what a run raises.
    """
    name = _workload(scenario, workload)
    source = joined(("workloads", name, "source"))
    given = {f"{source}.file": str(trace), **({f"{source}.zone": zone} if zone is not None else {})}
    loaded = load_scenario(scenario, {**overrides, **given})
    batches = {batch.workload: batch for batch in simulated_under(built_of(loaded), watch).batches}
    spec = loaded.answers.batches[name]
    return batches[name], loaded.scenario.name, NodeMap.of(spec.node_map) if spec.node_map else None


def _workload(scenario: str | Path | Mapping[str, Any], wanted: str | None) -> str:
    """The workload whose jobs are replaced. Raises ``InputError`` where it is not clear, or takes no trace."""
    document, file, _ = read_scenario(scenario)
    names = [name for name in document.mapping("workloads") if document.text("workloads", name, "kind") == "jobs"]
    sources = {name: document.mapping("workloads", name, "source") for name in names}
    if not sources:
        raise InputError.one(file, "has no workload of the kind 'jobs' in which the jobs of a trace could run")
    if wanted is None and len(sources) > 1:
        raise InputError.one("--workload", f"needed: the scenario has jobs in {', '.join(sources)}")
    name = next(iter(sources)) if wanted is None else wanted
    if name not in sources:
        raise InputError.one("--workload", f"'{name}' is no workload of jobs; there are: {', '.join(sources)}")
    if sources[name].get("kind") != "trace":
        message = "takes its jobs from no trace; write 'kind: trace' with the rules that the trace needs"
        raise InputError([document.problem(("workloads", name, "source"), message)])
    return name
