"""coldaisle: what an ML data center will cost in energy, carbon and water, before it is built.

    >>> import sim
    >>> results = sim.run("bloom-training")                              # a path, a shipped name, or a plain mapping
    >>> round(results.summary["carbon_kg"]["total"] / 1000, 1)
    50.5

``run``, ``check``, ``load``, ``account`` and ``compare`` print nothing, write nothing and hold no global state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.errors import Problem
    from sim.results.compare import Comparison
    from sim.results.results import Results
    from sim.spec.loader import Loaded

Source = str | Path | Mapping[str, Any]

__all__ = ["account", "check", "compare", "load", "run"]


def load(source: Source, *, set: Mapping[str, Any] | None = None) -> Loaded:
    """A checked scenario. Raises ``sim.errors.InputError`` naming every problem."""
    from sim.spec.loader import load_scenario

    return load_scenario(source, set)


def check(source: Source, *, set: Mapping[str, Any] | None = None) -> tuple[Problem, ...]:
    """Every problem of a scenario; empty if there is none."""
    from sim.errors import InputError

    try:
        loaded = load(source, set=set)
    except InputError as error:
        return error.problems
    from sim.runner import unseen_signals

    return unseen_signals(loaded)


def run(source: Source, *, set: Mapping[str, Any] | None = None, seed: int | None = None) -> Results:
    """Simulates and accounts a scenario. Raises ``InputError`` or ``RunError`` from ``sim.errors``."""
    from sim.runner import run_loaded

    overrides = {**(set or {}), **({} if seed is None else {"seed": seed})}
    return run_loaded(load(source, set=overrides))


def account(results: Results | str | Path, *, set: Mapping[str, Any]) -> Results:
    """A finished run (or the folder of one) priced anew under other grids, prices or conventions."""
    from sim.runner import reprice

    return reprice(_results(results), set)


def compare(first: Results | str | Path, *others: Results | str | Path) -> Comparison:
    """The difference of each of ``others`` from ``first``, by component and workload."""
    from sim.results.compare import Comparison

    return Comparison.of(_results(first), [_results(other) for other in others])


def _results(given: Results | str | Path) -> Results:
    if isinstance(given, str | Path):
        from sim.results.files import read

        return read(Path(given))
    return given
