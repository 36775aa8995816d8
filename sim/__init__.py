"""coldaisle: what an ML data center will cost in energy, carbon and water, before it is built.

    >>> import sim
    >>> results = sim.run("bloom-training")                              # a path, a shipped name, or a plain mapping
    >>> round(results.summary["carbon_kg"]["total"] / 1000, 1)
    50.5

``run``, ``check``, ``load``, ``scenario``, ``account``, ``compare`` and ``explain`` print
nothing, write nothing and hold no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sim.errors import Problem
    from sim.loading.scenario import Loaded
    from sim.results.compare import Comparison
    from sim.results.explain.explanation import Explanation
    from sim.results.results import Results
    from sim.spec.accounting import Accounting
    from sim.spec.cluster import Cluster
    from sim.spec.growth import Growth
    from sim.spec.policies import Policy
    from sim.spec.published import PublishedRecord
    from sim.spec.routes import Route
    from sim.spec.scenario import Outputs
    from sim.spec.site import Place, Site
    from sim.spec.uncertainty import Uncertainty
    from sim.spec.work import Workload
    from sim.study.sweep.finished import StudyResults

Source = str | Path | Mapping[str, Any]

Part = Mapping[str, Any]
"""A part of a scenario in the words of a file; parts built from the classes of ``sim.spec`` may stand in it."""

__all__ = ["account", "check", "compare", "explain", "load", "run", "scenario", "sweep"]


def load(source: Source, *, set: Mapping[str, Any] | None = None) -> Loaded:
    """A scenario, read and checked.

    ``source`` is a path, the name of a shipped scenario, or a plain mapping; ``set`` maps dotted paths to values that
    take the place of the file's. Raises ``sim.errors.InputError`` naming every problem with file, line and path.

    >>> import sim
    >>> loaded = sim.load("bloom-training", set={"seed": 7})
    >>> loaded.scenario.seed, loaded.resolved()["site"]["grid"]["intensity"]
    (7, '57 gCO2e/kWh')
    """
    from sim.loading.scenario import load_scenario

    return load_scenario(source, set)


def check(source: Source, *, set: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """Every problem of a scenario, in the order of its files and lines; empty if there is none.

    ``source`` and ``set`` are those of ``load``. Problems of an uncertain scenario's draws are among them.

    >>> import sim
    >>> sim.check("bloom-training")
    ()
    >>> [problem.path for problem in sim.check("bloom-training", set={"site.grid.intensity": "57 m"})]
    ['site.grid.intensity']
    """
    from sim.errors import InputError

    try:
        loaded = load(source, set=set)
    except InputError as error:
        return error.problems
    from sim.study.sweep.problems import problems_of

    return problems_of(loaded)


def scenario(
    *,
    name: str | None = None,
    extends: str | None = None,
    description: str | None = None,
    seed: int | None = None,
    start: str | datetime | None = None,
    end: str | datetime | None = None,
    duration: str | None = None,
    site: Site | Part | None = None,
    sites: Mapping[str, Place | Part] | None = None,
    profiles: str | None = None,
    cluster: Cluster | Part | None = None,
    workloads: Mapping[str, Workload | Part] | None = None,
    routes: Mapping[str, Route | Part] | None = None,
    policies: Sequence[Policy | Part] | None = None,
    accounting: Accounting | Part | None = None,
    outputs: Outputs | Part | None = None,
    uncertainty: Uncertainty | Part | None = None,
    growth: Growth | Part | None = None,
    published: PublishedRecord | Part | None = None,
) -> dict[str, Any]:
    """A scenario built in code: the fields of a file as keywords, checked as a file is, and given back as plain data
    that ``run``, ``check``, ``load`` and ``sweep`` take.

    Each part is a mapping in the words of a file (quantities as text with their unit), or an object of the class of
    ``sim.spec`` that a file's is read into. ``extends`` names a scenario to begin with, or a file.

    Raises ``InputError`` naming every problem with the path that it has in a file. An object of a class refuses by
    itself, where it is made, with pydantic's ``ValidationError``.

    >>> import sim
    >>> from sim.spec.site import Site
    >>> hall = Site(name="hall", grid={"intensity": "30 gCO2e/kWh"}, facility={"kind": "fixed-pue", "pue": 1.2})
    >>> bloom = sim.scenario(extends="bloom-training-physical", name="BLOOM in a hall of ours", site=hall)
    >>> round(sim.run(bloom).at("kpi.pue"), 2)
    1.2
    >>> sim.scenario(extends="bloom-training", seed=-1)
    Traceback (most recent call last):
    ...
    sim.errors.InputError: <mapping>: seed: must be at least 0, and is -1
    """
    from sim.loading.written import checked

    given = {key: value for key, value in locals().items() if key != "checked" and value is not None}
    return checked(given)


def run(source: Source, *, set: Mapping[str, Any] | None = None, seed: int | None = None, workers: int = 1) -> Results:
    """Simulates and accounts a scenario, with intervals where it is uncertain.

    ``source`` and ``set`` are those of ``load``; ``seed`` takes the place of the scenario's own. The same scenario and
    seed give the same results to the byte.

    ``workers`` processes share out uncertain draws that need simulations of their own; with more than one, a script
    calls this under ``if __name__ == "__main__":``.

    Raises ``InputError`` or ``RunError`` from ``sim.errors``.

    >>> import sim
    >>> results = sim.run("bloom-training", set={"site.grid.intensity": "30 gCO2e/kWh"})
    >>> round(results.summary["carbon_kg"]["total"] / 1000, 1)
    31.9
    """
    from sim.running.run import run_loaded

    overrides = {**(set or {}), **({} if seed is None else {"seed": seed})}
    loaded = load(source, set=overrides)
    results = run_loaded(loaded)
    if loaded.scenario.uncertainty is None:
        return results
    from sim.study.uncertain.propagate import with_intervals

    return with_intervals(loaded, results, workers)


def account(results: Results | str | Path, *, set: Mapping[str, Any]) -> Results:
    """A finished run (or the folder of one) priced anew under other grids, prices or conventions; simulates nothing.

    Intervals are priced anew too where their draws need no simulation; otherwise ``manifest["intervals_left_out"]``
    says why not. Raises ``InputError`` where ``set`` names something that decides what happens in a run.

    >>> import sim
    >>> priced = sim.account(sim.run("bloom-training"), set={"site.grid.intensity": "30 gCO2e/kWh"})
    >>> round(priced.at("carbon_kg.total") / 1000, 1)
    31.9
    """
    from sim.running.run import reprice

    priced = reprice(_results(results), set)
    if "uncertainty" not in priced.scenario:
        return priced
    from sim.study.uncertain.propagate import repriced_intervals

    return repriced_intervals(priced)


def sweep(
    study: Source,
    out: str | Path | None = None,
    *,
    workers: int | None = None,
    dask: str | None = None,
    resume: bool = False,
    cache: str | Path | None = None,
) -> StudyResults:
    """Runs a study (a path, a shipped name or a plain mapping) into the folder ``out``, or only into memory.

    Simulations are kept in ``cache``, the user's own by default. With more than a few hundred points, or any to
    simulate, work goes to other processes: a script calls this under ``if __name__ == "__main__":``.
    Raises ``InputError`` naming every problem of the study and of all its points.

    >>> import sim
    >>> study = {"name": "two grids", "base": "bloom-training"}
    >>> study["axes"] = {"site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
    >>> results = sim.sweep(study, workers=1)
    >>> (results.frame()["carbon_kg.total"] / 1000).round(1).tolist()  # of results.polars(), too
    [31.9, 50.5]
    """
    from sim.study.store import store_at
    from sim.study.sweep.run import sweep as swept
    from sim.study.sweep.run import swept_in_memory

    store = store_at(Path(cache) if cache is not None else None)
    if out is None:
        return swept_in_memory(study, workers=workers, dask=dask, cache=store)
    return swept(study, out, workers=workers, dask=dask, resume=resume, cache=store)


def compare(first: Results | str | Path, *others: Results | str | Path) -> Comparison:
    """The difference of each of ``others`` from ``first``, by component and workload.

    Each is the results of a run, or the folder that one was written to. Raises ``InputError`` for a folder of no run.

    >>> import sim
    >>> paper, physical = sim.run("bloom-training"), sim.run("bloom-training-physical")
    >>> sim.compare(paper, physical).names
    ('BLOOM-176B training, as published', 'BLOOM-176B training, physical')
    """
    from sim.results.compare import Comparison

    return Comparison.of(_results(first), [_results(other) for other in others])


def _results(given: Results | str | Path) -> Results:
    if isinstance(given, str | Path):
        from sim.results.files import read

        return read(Path(given))
    return given


def explain(results: Results, path: str) -> list[Explanation]:
    """How numbers of a run came about: formula, inputs with their sources, and how well they are known.

    ``path`` is dotted as in ``Results.at``, with ``*`` for anything; there is an explanation for each number it names.
    Their values are in the summary's units. Raises ``InputError`` with the nearest paths where it names none.

    >>> import sim
    >>> (found,) = sim.explain(sim.run("bloom-training"), "carbon_kg.total")
    >>> found.steps[0].symbols
    'carbon_kg.operational_location + carbon_kg.embodied'
    """
    from sim.running.explain import explanations

    return explanations(results, path)
