"""coldaisle: what an ML data center will cost in energy, carbon and water, before it is built.

    >>> import sim
    >>> results = sim.run("bloom-training")                              # a path, a shipped name, or a plain mapping
    >>> round(results.summary["carbon_kg"]["total"] / 1000, 1)
    50.5

``run``, ``check``, ``load``, ``account``, ``compare`` and ``explain`` print
nothing, write nothing and hold no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.errors import Problem
    from sim.loading.scenario import Loaded
    from sim.results.compare import Comparison
    from sim.results.explain.explanation import Explanation
    from sim.results.results import Results
    from sim.study.sweep.run import StudyResults

Source = str | Path | Mapping[str, Any]

__all__ = ["account", "check", "compare", "explain", "load", "run", "sweep"]


def load(source: Source, *, set: Mapping[str, Any] | None = None) -> Loaded:
    """A scenario, read and checked.

    ``source`` is a path, the name of a shipped scenario, or a plain mapping; ``set`` maps dotted paths to values that
    take the place of the file's. Raises ``sim.errors.InputError`` naming every problem with file, line and path.
    """
    from sim.loading.scenario import load_scenario

    return load_scenario(source, set)


def check(source: Source, *, set: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """Every problem of a scenario, in the order of its files and lines; empty if there is none.

    ``source`` and ``set`` are those of ``load``. Problems of an uncertain scenario's draws are among them.
    """
    from sim.errors import InputError

    try:
        loaded = load(source, set=set)
    except InputError as error:
        return error.problems
    from sim.study.sweep.problems import problems_of

    return problems_of(loaded)


def run(source: Source, *, set: Mapping[str, Any] | None = None, seed: int | None = None, workers: int = 1) -> Results:
    """Simulates and accounts a scenario, with intervals where it is uncertain.

    ``source`` and ``set`` are those of ``load``; ``seed`` takes the place of the scenario's own. The same scenario and
    seed give the same results to the byte.

    ``workers`` processes share out uncertain draws that need simulations of their own; with more than one, a script
    calls this under ``if __name__ == "__main__":``.

    Raises ``InputError`` or ``RunError`` from ``sim.errors``.
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
    """
    from sim.running.explain import explanations

    return explanations(results, path)
