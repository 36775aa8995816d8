"""Power of the same training on few and on many GPUs, as others read it, relative to the fewest.

A training that is spread farther waits more, and draws less: by how much follows from the phases of its step alone
(``sim.training.power``). Nothing is fitted to these runs (``several_nodes.yaml``, each set with its source and what
about it is assumed). Naive is that a GPU draws what it did on few.

The runs of MLPerf are of the machines whose one-node runs the other table has (``training_power``): a page gives their
means, and the meters' own readings on several nodes are left to whoever judges this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.published_runs import run_of
from benchmarks.accuracy.training_power import Nodes
from benchmarks.table import Row
from sim.documents import read_document
from sim.measure.fit.training_table import Run
from sim.profiles.catalog import Catalog
from sim.training.power import phase_watts
from sim.training.stack import TrainingStack, training_stack
from sim.training.step import step_cost

FILE = Path(__file__).with_name("several_nodes.yaml")


@dataclass(frozen=True)
class Read:
    """A run beside the first of its set: W and, where it was told, tokens a second of each GPU, read and predicted."""

    name: str
    watts: float
    predicted_watts: float
    rate: float | None
    predicted_rate: float


def read() -> list[Read]:
    """All runs but the first of each set."""
    told: Any = read_document(FILE).data
    return [each for one in told["sets"] for each in _of_set(one, told)]


def rows() -> list[Row]:
    """The mean, then each run."""
    runs = read()
    off = [abs(run.predicted_watts / run.watts - 1.0) for run in runs]
    naive = [abs(1.0 / run.watts - 1.0) for run in runs]
    note = f"{len(runs)} runs, nothing fitted; naive {100 * float(np.mean(naive)):.0f} % (as on few)"
    found = [Row("power of training on several nodes, beside fewer", 100 * float(np.mean(off)), "%", None, note)]
    for run, error in zip(runs, off, strict=True):
        note = f"{run.predicted_watts:.3f} for {run.watts:.3f}; rate {run.predicted_rate:.2f}"
        note += "" if run.rate is None else f" for {run.rate:.2f}"
        found.append(Row(f"  {run.name}", 100 * error, "%", None, note))
    return found


def _of_set(told: Mapping[str, Any], file: Mapping[str, Any]) -> list[Read]:
    stack = training_stack(Catalog().training_stack(told["stack"]))
    system = file["systems"][told["system"]]
    shapes = [{**told["shared"], **each, "tokens_per_s": 1.0} for each in told["runs"]]
    predicted = [_watts_and_rate(run_of(shape, told, system, {}), stack, told["meters"]) for shape in shapes]
    (first_w, first_rate), *_ = predicted
    return [
        Read(
            f"{told['name']}: {shape['gpus']} GPUs",
            float(shape["watts"]),
            watts / first_w,
            shape.get("rate"),
            rate / first_rate,
        )
        for shape, (watts, rate) in zip(shapes[1:], predicted[1:], strict=True)
    ]


def _watts_and_rate(run: Run, stack: TrainingStack, meters: str) -> tuple[float, float]:
    """Mean W of a GPU, or of its node, and tokens a second of each GPU."""
    cost = step_cost(run.architecture, run.gpu, run.topology, stack.as_of(run.year), run.spread, run.recipe)
    watts = phase_watts(run.gpu, cost).mean_w
    if meters == "node":
        nodes = _nodes()
        watts = float(np.interp(watts, nodes.gpu_w, nodes.node_w))
    return watts, run.recipe.tokens / cost.step_s / run.gpus


@lru_cache(maxsize=1)
def _nodes() -> Nodes:
    return Nodes.simulated()
