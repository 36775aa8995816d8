"""What every draw of an uncertain scenario comes to, on one core or on many: the same numbers either way.

Draws that only price share the ledger of their seed, and one process prices them all. Where draws decide the run, each
needs a simulation of its own; then processes share them out, and each reads the scenario once.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sim.documents import Document
from sim.errors import RunError
from sim.loading.scenario import Loaded
from sim.loading.variants import Variants
from sim.paths import joined
from sim.results.catalogue import COMPARED_JOBS, COMPARED_SERVICES, COMPARED_STAGED, COMPARED_STEPS, INTERVALS
from sim.results.catalogue.quantity import value_in
from sim.study.processes import Processes
from sim.study.uncertain.scenario import UncertainScenario

Floats = npt.NDArray[np.float64]
FEWEST_PER_WORKER = 2

T = TypeVar("T")
Watch = Callable[[int, int], None]
"""Hears how many are done, of how many."""


@dataclass(frozen=True)
class Drawn:
    """``outputs`` by dotted path (draws, seeds), of the results that every draw has, and simulations made for them."""

    outputs: Mapping[str, Floats]
    simulations: int


def results_of(summary: Mapping[str, Any]) -> dict[str, float]:
    """The results of a summary that intervals are made of, by dotted path: energy, carbon, water, cost, latency."""
    paths = [one.keys for one in INTERVALS]
    paths += [("serving", name, *one.keys) for name in summary.get("serving", {}) for one in COMPARED_SERVICES]
    stepping = [name for name, job in summary.get("jobs", {}).items() if "step" in job]
    paths += [("jobs", name, *one.keys) for name in stepping for one in COMPARED_STEPS]
    paths += [("batch", name, *one.keys) for name in summary.get("batch", {}) for one in COMPARED_JOBS]
    paths += [("split", name, *one.keys) for name in summary.get("split", {}) for one in COMPARED_STAGED]
    values = {joined(path): value_at(summary, path) for path in paths}
    return {path: value for path, value in values.items() if value is not None}


def value_at(summary: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    """A number of a summary, None where it has none."""
    value = value_in(summary, path)
    return float(value) if isinstance(value, int | float) else None


def drawn(loaded: Loaded, uncertain: UncertainScenario, scores: Floats, workers: int, watch: Watch | None) -> Drawn:
    """The results of every draw under every seed."""
    seeds = uncertain.seeds()
    needed = uncertain.to_simulate(scores, seeds)
    rows = of_each(loaded, uncertain, scores, seeds, results_of, workers if needed > len(seeds) else 1, watch)
    shared = [path for path in rows[0][0] if all(path in row for of_seed in rows for row in of_seed)]
    return Drawn({path: np.array([[row[path] for row in of_seed] for of_seed in rows]).T for path in shared}, needed)


def of_each(
    loaded: Loaded,
    uncertain: UncertainScenario,
    scores: Floats,
    seeds: list[int],
    read: Callable[[Mapping[str, Any]], T],
    workers: int,
    watch: Watch | None,
) -> list[list[T]]:
    """What ``read`` makes of the summary of every draw under every seed: for each seed, a list of draws.

    Raises ``RunError`` where a worker was killed, and whatever a draw raises.
    """
    total = len(scores) * len(seeds)
    workers = min(workers, len(scores) // FEWEST_PER_WORKER)
    if workers > 1 and uncertain.can_travel:
        sent = pickle.dumps((loaded.document, loaded.source))
        together: dict[str, list[int]] = {}  # draws that share a simulation go to one process
        for i, score in enumerate(scores):
            together.setdefault(uncertain.key(score), []).append(i)
        found: dict[int, list[T]] = {}
        processes = Processes(workers)
        try:
            asked = [
                (draws, processes.submit(_of_draws, sent, [scores[i].tobytes() for i in draws], tuple(seeds), read))
                for draws in together.values()
            ]
            for draws, future in asked:
                found |= zip(draws, future.result(), strict=True)
                _tell(watch, len(found) * len(seeds), total)
        except BrokenProcessPool:
            raise RunError("a process of work was killed; was there memory for so many?  (--workers)") from None
        finally:
            processes.close()
        return [[found[i][j] for i in range(len(scores))] for j in range(len(seeds))]
    rows: list[list[T]] = []
    for seed in seeds:  # one after the other, so that its ledger serves all draws that only price
        rows.append([])
        for score in scores:
            rows[-1].append(read(uncertain.summary(score, seed)))
            _tell(watch, (len(rows) - 1) * len(scores) + len(rows[-1]), total)
    return rows


def _tell(watch: Watch | None, done: int, total: int) -> None:
    if watch is not None:
        watch(done, total)


@lru_cache(maxsize=1)
def _scenario(sent: bytes) -> UncertainScenario:
    document, source = pickle.loads(sent)
    known: Document = document
    return UncertainScenario(Variants(known, source, {}).at({}, {}))


def _of_draws(
    sent: bytes, scores: list[bytes], seeds: tuple[int, ...], read: Callable[[Mapping[str, Any]], T]
) -> list[list[T]]:
    """Draws, each under each seed, by a worker; one seed after the other, as they share its simulation."""
    uncertain, rows = _scenario(sent), [np.frombuffer(score, dtype=np.float64) for score in scores]
    of_seeds = [[read(uncertain.summary(row, seed)) for row in rows] for seed in seeds]
    return [list(of_draw) for of_draw in zip(*of_seeds, strict=True)]
