"""A run with intervals: the scenario's uncertain inputs drawn, and every draw priced under every seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.results.compare import COMPARED, SERVED
from sim.results.results import Results
from sim.runner import Simulated
from sim.spec.loader import Loaded
from sim.study.intervals import interval
from sim.study.uncertain import ByPath, UncertainScenario

Floats = npt.NDArray[np.float64]
RESULTS = (*(path for path, _, _ in COMPARED), "water_l.total")
ESTIMATOR = (
    "Crossed design: each draw under each seed. from_parameters = (MS_draws - MS_residual) / seeds, "
    "from_chance = mean over draws of the variance over seeds, both as shares of their sum."
)


def results_of(summary: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The results of a summary that intervals are made of, by dotted path: energy, carbon, water, cost, latency."""
    paths = [(*path.split("."),) for path in RESULTS]
    paths += [("serving", name, *path.split(".")) for name in summary.get("serving", {}) for path, _, _ in SERVED]
    for path in paths:
        value = value_at(summary, path)
        if value is not None:
            yield ".".join(path), value


def value_at(summary: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """A number of a summary, None where it has none."""
    here: Any = summary
    for part in path:
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return float(here) if isinstance(here, int | float) else None


def with_intervals(loaded: Loaded, results: Results) -> Results:
    """``results`` of ``loaded``, whose scenario is uncertain, with ``intervals`` in its summary and all draws.

    Simulates once a seed where all that is uncertain only prices. Raises ``InputError`` for a distribution that does
    not fit the scenario, ``RunError`` where hardly a draw is possible.
    """
    uncertain = UncertainScenario(loaded)
    services: Mapping[str, Any] = {
        n: results.summary[n] for n in ("serving", "jobs", "throttling", "policies") if n in results.summary
    }
    uncertain.know(Simulated(results.energy, services, results.summary["events"]), loaded)
    scores, refused = uncertain.drawn()
    seeds = uncertain.seeds()
    # one seed after the other, so that its ledger serves all draws that only price
    rows = [[dict(results_of(uncertain.summary(draw, seed))) for draw in scores] for seed in seeds]
    shared = [path for path in rows[0][0] if all(path in row for of_seed in rows for row in of_seed)]
    outputs = {path: np.array([[row[path] for row in of_seed] for of_seed in rows]).T for path in shared}
    about = {
        "draws": len(scores),
        "seeds": len(seeds),
        "refused_draws": refused,
        "simulations": uncertain.simulations,
        "estimator": ESTIMATOR,
    }
    intervals = {path: interval(values).as_dict() for path, values in outputs.items()}
    return replace(
        results,
        summary={**results.summary, "intervals": intervals, "uncertainty": about},
        draw_table=_table(uncertain, scores, seeds, outputs),
    )


def _table(uncertain: UncertainScenario, scores: Floats, seeds: list[int], outputs: Mapping[str, Floats]) -> pa.Table:
    """One row a draw and seed: inputs as written (or as normal scores, where many numbers are drawn at once)."""
    columns: dict[str, Any] = {
        "draw": np.repeat(np.arange(len(scores)), len(seeds)),
        "seed": np.tile(np.array(seeds, dtype=np.int64), len(scores)),
    }
    where = 0
    for one in uncertain.inputs:
        for column in one.columns:
            own: list[Any] = scores[:, where].tolist()
            if isinstance(one, ByPath):
                own = [str(one.written(score)) for score in own]
            columns[f"input:{column}"] = np.repeat(np.array(own), len(seeds))
            where += 1
    columns |= {path: values.ravel() for path, values in outputs.items()}
    return pa.table(columns)
