"""The sensitivity of a scenario's results to its uncertain inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.errors import InputError, RunError
from sim.loading.scenario import Loaded
from sim.paths import keys_of
from sim.results.explain.absent import why_absent
from sim.study.uncertain.distributions import correlate, from_shares
from sim.study.uncertain.draws import Watch, of_each, results_of, value_at
from sim.study.uncertain.scenario import UncertainScenario
from sim.study.uncertain.sensitivity import Method, Sensitivity, analyse

Floats = npt.NDArray[np.float64]
FURTHEST = 0.005
"""Morris and Sobol ask for the ends of the cube, where an unbounded distribution has no quantile."""


def scenario_sensitivity(
    loaded: Loaded, method: Method, output: str, *, samples: int, workers: int = 1, watch: Watch | None = None
) -> Sensitivity:
    """Which uncertain input of ``loaded`` moves ``output``, a dotted path of its summary, under its own seed.

    Variance cannot be shared out between inputs that depend on each other: those of a group count as one, by all their
    names. One at a time, the first of a group goes to its ends and the others to where they then lie on average.
    ``workers`` processes share out points that need simulations of their own; ``watch`` hears how many points are done,
    of how many. Raises ``InputError`` for an unknown output, and ``RunError``, with the inputs, where they reach what
    no scenario can have: an interval would be truncated there, and effects cannot be.
    """
    uncertain = UncertainScenario(loaded)
    cube = _Cube.of(uncertain, method)
    read = partial(value_at, path=keys_of(output))
    median = uncertain.summary(np.zeros(len(uncertain.columns)))

    def known(value: float | None) -> float:
        if value is None:
            absent = why_absent(output, median)
            there = f"is no number of this scenario's summary  ({', '.join(results_of(median))})"
            message = f"'{output}' {absent or there}"
            raise InputError.one("--output", message)
        return value

    known(read(median))

    def model(points: Floats) -> Floats:
        edge = FURTHEST if method == "morris" else np.finfo(np.float64).epsneg
        scores = cube.scores(from_shares(np.clip(points, edge, 1.0 - edge)))
        _refuse_impossible(uncertain, scores)
        first = scores[: 2 * scores.shape[1] + 2]  # in these every method has moved every input
        share = workers if workers > 1 and uncertain.to_simulate(first, [uncertain.seed]) else 1
        values = of_each(loaded, uncertain, scores, [uncertain.seed], read, share, watch)[0]
        return np.array([known(value) for value in values])

    return analyse(model, cube.names, method, samples=samples, seed=uncertain.seed)


@dataclass(frozen=True)
class _Cube:
    """What is moved: normal scores of ``sources``, by name, and how the scores of all columns follow from them."""

    names: tuple[str, ...]
    sources: tuple[int, ...]
    columns: int
    groups: tuple[tuple[tuple[int, ...], float | Literal["comonotone"]], ...]

    @classmethod
    def of(cls, uncertain: UncertainScenario, method: Method) -> _Cube:
        """Wholly dependent inputs have one source; of partly dependent ones, one at a time moves the first."""
        name = {column: one.path for one in uncertain.inputs for column in one.columns}
        held: set[str] = set()
        groups = []
        for members, correlation in uncertain.groups:
            groups.append((tuple(uncertain.columns.index(member) for member in members), correlation))
            name |= dict.fromkeys(members, " & ".join(members))
            if correlation == "comonotone" or method == "oat":
                held |= set(members[1:])
        sources = [i for i, column in enumerate(uncertain.columns) if column not in held]
        named = tuple(name[uncertain.columns[i]] for i in sources)
        return cls(named, tuple(sources), len(uncertain.columns), tuple(groups))

    def scores(self, moved: Floats) -> Floats:
        """Scores of every column, shape (points, columns)."""
        scores = np.zeros((len(moved), self.columns))
        scores[:, self.sources] = moved
        for members, correlation in self.groups:
            scores[:, members] = correlate(scores[:, members], correlation)
        return scores


def _refuse_impossible(uncertain: UncertainScenario, scores: Floats) -> None:
    impossible = [row for row in scores if not uncertain.possible(row)]
    if not impossible:
        return
    alone = {
        one.path: sum(not uncertain.possible(row, set(one.columns)) for row in impossible) for one in uncertain.inputs
    }
    named = [f"{path} ({count})" for path, count in alone.items() if count] or ["only several inputs together"]
    raise RunError(
        f"{len(impossible)} of {len(scores)} points are such that no scenario can be: {', '.join(named)}; "
        "give these distributions limits within what is possible (uniform, triangular)"
    )
