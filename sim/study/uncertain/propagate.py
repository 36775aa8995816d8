"""A run with intervals: the scenario's uncertain inputs drawn, and every draw priced under every seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.errors import InputError
from sim.loading.scenario import Loaded, load_scenario
from sim.results.results import Results
from sim.running.run import run_of
from sim.running.simulation import Simulated
from sim.study.uncertain.draws import Watch, drawn
from sim.study.uncertain.intervals import interval
from sim.study.uncertain.scenario import UncertainScenario

Floats = npt.NDArray[np.float64]
ESTIMATOR = (
    "Crossed design: each draw under each seed. from_parameters = (MS_draws - MS_residual) / seeds, "
    "from_chance = mean over draws of the variance over seeds, both as shares of their sum."
)


@dataclass(frozen=True)
class Uncertainty:
    """What came of the draws of one scenario.

    ``intervals`` by result and how they came about, as the summary has them, and all draws.
    """

    intervals: dict[str, dict[str, float]]
    about: dict[str, Any]
    draws: pa.Table


def propagated(loaded: Loaded, run: Simulated, workers: int = 1, watch: Watch | None = None) -> Uncertainty:
    """Every draw of an uncertain scenario of which ``run`` is the simulation as it stands.

    Simulates once a further seed where all that is uncertain only prices. Raises ``InputError`` for a distribution that
    does not fit the scenario, ``RunError`` where hardly a draw is possible.
    """
    uncertain = UncertainScenario(loaded)
    uncertain.know(run, loaded)
    scores, refused = uncertain.drawn()
    seeds = uncertain.seeds()
    found = drawn(loaded, uncertain, scores, workers, watch)
    about = {
        "draws": len(scores),
        "seeds": len(seeds),
        "refused_draws": refused,
        "simulations": found.simulations,
        "estimator": ESTIMATOR,
    }
    intervals = {path: interval(values).as_dict() for path, values in found.outputs.items()}
    return Uncertainty(intervals, about, _table(uncertain, scores, seeds, found.outputs))


def with_intervals(loaded: Loaded, results: Results, workers: int = 1, watch: Watch | None = None) -> Results:
    """``results`` of ``loaded``, whose scenario is uncertain, with ``intervals`` in its summary and all draws.

    ``workers`` processes share out draws that need simulations of their own; ``watch`` hears how many draws are done,
    of how many. Raises as ``propagated``.
    """
    return _with(results, propagated(loaded, run_of(results), workers, watch))


def repriced_intervals(results: Results, watch: Watch | None = None) -> Results:
    """A run priced anew, with every draw priced anew, too; its manifest says so where that would take simulating.

    ``watch`` hears how many draws are priced, of how many.
    """
    try:
        loaded = load_scenario(results.scenario, activity_files=False)
        uncertain = UncertainScenario(loaded)
        run = run_of(results)
        uncertain.know(run, loaded)
        missing = uncertain.to_simulate(uncertain.drawn()[0], uncertain.seeds())
    except InputError as error:
        return _without(results, f"the scenario's inputs cannot be read again: {error}")
    if missing:
        return _without(results, f"the draws need {missing} simulations, and pricing makes none: run again")
    return _with(results, propagated(loaded, run, watch=watch))


def _with(results: Results, found: Uncertainty) -> Results:
    summary = {**results.summary, "intervals": found.intervals, "uncertainty": found.about}
    return replace(results, summary=summary, draw_table=found.draws)


def _without(results: Results, why: str) -> Results:
    return replace(results, manifest={**results.manifest, "intervals_left_out": why})


def _table(uncertain: UncertainScenario, scores: Floats, seeds: list[int], outputs: Mapping[str, Floats]) -> pa.Table:
    """One row a draw and seed: inputs as written (or as normal scores, where many numbers are drawn at once)."""
    columns: dict[str, Any] = {
        "draw": np.repeat(np.arange(len(scores)), len(seeds)),
        "seed": np.tile(np.array(seeds, dtype=np.int64), len(scores)),
    }
    where = 0
    for one in uncertain.inputs:
        for column in one.columns:
            columns[f"input:{column}"] = np.repeat(np.array(one.shown(scores[:, where])), len(seeds))
            where += 1
    columns |= {path: values.ravel() for path, values in outputs.items()}
    return pa.table(columns)
