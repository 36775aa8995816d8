"""Which points a study has: every combination, or a sample spread over all axes at once.

Points come in one order that nothing but the study file decides, so a point's number names it. Replications of a point
follow one another; replication ``r`` has the same seed at every point (common random numbers), and the first has the
scenario's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import Problem
from sim.spec.study import AxisPlan, LatinHypercube, LoadedStudy, Random, Sobol

Sample = LatinHypercube | Sobol | Random
Lookup = Callable[[str], Any]


@dataclass(frozen=True)
class Point:
    """One row of a study. ``values`` are what its axes say, by path; an axis whose ``when`` fails says nothing."""

    index: int
    values: Mapping[str, Any]
    replication: int


def replication_seed(seed: int, replication: int) -> int:
    """The seed of a replication of a scenario with ``seed``, derived by name; the first is the scenario's own."""
    if replication == 0:
        return seed
    digest = hashlib.sha256(f"{seed}/replication/{replication}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def points(study: LoadedStudy, base: Lookup) -> Iterator[Point]:
    """Every point in order. ``base`` gives the base scenario's value at a path, None where it has none."""
    index = 0
    for values in combinations(study, base):
        for replication in range(study.spec.replications):
            yield Point(index, values, replication)
            index += 1


def combinations(study: LoadedStudy, base: Lookup) -> Iterator[dict[str, Any]]:
    """What the axes say at each point, without replications."""
    design = study.spec.design
    if design.kind == "grid":
        return _grid(study.axes, {}, base)
    return _sampled(study.axes, design, base)


def applies(axis: AxisPlan, values: Mapping[str, Any], base: Lookup) -> bool:
    """Whether an axis speaks beside ``values`` of the axes before it."""
    return all((values[path] if path in values else base(path)) in wanted for path, wanted in axis.when.items())


def idle_conditions(study: LoadedStudy, base: Lookup) -> Iterator[Problem]:
    """Conditions that hold at no point, misspelt as a rule: their axes would be left out without a word."""
    for number, axis in enumerate(study.axes):
        for path, wanted in axis.when.items():
            before = [other for other in study.axes[:number] if path in other.paths]
            possible = [value for other in before for value in _spoken(other, path)]
            if all(other.when for other in before):
                possible.append(base(path))
            if any(value in wanted for value in possible) or any(_open(other) for other in before):
                continue
            written = [str(value) for value in possible if value is not None]
            if written:
                message = f"never holds: there it is {' or '.join(dict.fromkeys(written))}"
            else:
                message = "never holds: neither an axis nor the base says it; give it under 'set'"
            yield study.document.problem(("axes", axis.name, "when", path), message)


def _open(axis: AxisPlan) -> bool:
    """Whether an axis takes any value of a range."""
    return axis.span is not None and axis.span.count is None


def _spoken(axis: AxisPlan, path: str) -> list[Any]:
    if axis.span is not None:
        return [] if _open(axis) else axis.span.levels()
    return [row[axis.paths.index(path)] for row in axis.rows]


def _grid(axes: Sequence[AxisPlan], values: dict[str, Any], base: Lookup) -> Iterator[dict[str, Any]]:
    if not axes:
        yield dict(values)
        return
    axis, rest = axes[0], axes[1:]
    if not applies(axis, values, base):
        yield from _grid(rest, values, base)
        return
    rows = axis.rows if axis.span is None else [(level,) for level in axis.span.levels()]
    for row in rows:
        yield from _grid(rest, {**values, **dict(zip(axis.paths, row, strict=True))}, base)


def unit_cube(design: Sample, dimensions: int) -> npt.NDArray[np.float64]:
    """``(design.points, dimensions)`` in [0, 1), the same for the same seed."""
    from scipy.stats import qmc

    rng = np.random.default_rng(design.seed)
    if design.kind == "latin-hypercube":
        sample = qmc.LatinHypercube(dimensions, rng=rng).random(design.points)
    elif design.kind == "sobol":
        sample = qmc.Sobol(dimensions, rng=rng).random_base2(design.points.bit_length() - 1)
    else:
        sample = rng.random((design.points, dimensions))
    return np.minimum(sample, np.nextafter(1.0, 0.0))


def _sampled(axes: Sequence[AxisPlan], design: Sample, base: Lookup) -> Iterator[dict[str, Any]]:
    if not axes:
        for _ in range(design.points):
            yield {}
        return
    for row in unit_cube(design, len(axes)).tolist():
        values: dict[str, Any] = {}
        for axis, u in zip(axes, row, strict=True):
            if not applies(axis, values, base):
                continue
            if axis.span is not None:
                values[axis.paths[0]] = axis.span.drawn(u)
            else:
                values |= zip(axis.paths, axis.rows[int(u * len(axis.rows))], strict=True)
        yield values
