"""What every draw of an uncertain scenario comes to, on one core or on many: the same numbers either way.

Draws that only price share the ledger of their seed, and one process prices them all. Where draws decide the run, each
needs a simulation of its own; then processes share them out, and each reads the scenario once.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.documents import Document
from sim.results.compare import COMPARED, SERVED
from sim.spec.loader import Loaded
from sim.spec.variants import Variants
from sim.study.processes import worker_context
from sim.study.uncertain import UncertainScenario

Floats = npt.NDArray[np.float64]
RESULTS = (*(path for path, _, _ in COMPARED), "water_l.total")
FEWEST_PER_WORKER = 2


@dataclass(frozen=True)
class Drawn:
    """``outputs`` by dotted path (draws, seeds), of the results that every draw has, and simulations made for them."""

    outputs: Mapping[str, Floats]
    simulations: int


def results_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """The results of a summary that intervals are made of, by dotted path: energy, carbon, water, cost, latency."""
    paths = [(*path.split("."),) for path in RESULTS]
    paths += [("serving", name, *path.split(".")) for name in summary.get("serving", {}) for path, _, _ in SERVED]
    values = {".".join(path): value_at(summary, path) for path in paths}
    return {path: value for path, value in values.items() if value is not None}


def value_at(summary: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """A number of a summary, None where it has none."""
    here: Any = summary
    for part in path:
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return float(here) if isinstance(here, int | float) else None


def drawn(loaded: Loaded, uncertain: UncertainScenario, scores: Floats, workers: int) -> Drawn:
    """The results of every draw under every seed."""
    seeds = uncertain.seeds()
    needed = uncertain.to_simulate(scores, seeds)
    workers = min(workers, len(scores) // FEWEST_PER_WORKER)
    if workers > 1 and needed > len(seeds) and uncertain.can_travel:
        sent = pickle.dumps((loaded.document, loaded.source))
        with ProcessPoolExecutor(workers, worker_context(["sim.study.draws"])) as pool:
            asked = [pool.submit(_of_draw, sent, score.tobytes(), tuple(seeds)) for score in scores]
            of_draws = [one.result() for one in asked]
        rows = [[of_draw[i] for of_draw in of_draws] for i in range(len(seeds))]
    else:
        # one seed after the other, so that its ledger serves all draws that only price
        rows = [[results_of(uncertain.summary(score, seed)) for score in scores] for seed in seeds]
    shared = [path for path in rows[0][0] if all(path in row for of_seed in rows for row in of_seed)]
    return Drawn({path: np.array([[row[path] for row in of_seed] for of_seed in rows]).T for path in shared}, needed)


@lru_cache(maxsize=1)
def _scenario(sent: bytes) -> UncertainScenario:
    document, source = pickle.loads(sent)
    known: Document = document
    return UncertainScenario(Variants(known, source, {}).at({}, {}))


def _of_draw(sent: bytes, scores: bytes, seeds: tuple[int, ...]) -> list[dict[str, float]]:
    """One draw under each seed, by a worker."""
    uncertain, row = _scenario(sent), np.frombuffer(scores, dtype=np.float64)
    return [results_of(uncertain.summary(row, seed)) for seed in seeds]
