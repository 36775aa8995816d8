"""What every format of grid data comes to: signals on the clock of the run, and what was done to get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.errors import InputError, Problem
from sim.signals.gaps import GapReport, Policy, Rows, without_gaps
from sim.signals.signal import Signal

Floats = npt.NDArray[np.float64]
Basis = Literal["life-cycle", "direct"]
"""Whether an intensity holds the making of fuels and plants, or what leaves the stack alone."""


@dataclass(frozen=True, eq=False)
class GridSeries:
    """What one file says of a grid, on edges in ns from the start of the run.

    ``intensity`` in g/J, of ``basis``, and of the plants that follow the load where ``marginal``, else of all of them.
    ``price`` in currency/J. ``mix``: the share of each fuel in what is generated, summing to 1. ``report`` is None
    where no series was read.
    """

    intensity: Signal | None = None
    price: Signal | None = None
    mix: Mapping[str, Signal] | None = None
    basis: Basis | None = None
    marginal: bool = False
    report: GapReport | None = None


def read_signal(
    rows: Rows, *, policy: Policy, si_per_value: float, unit: str, origin_ns: int, may_be_negative: bool
) -> tuple[Signal, GapReport]:
    """The one column of ``rows`` as a signal in ``unit``. Raises ``InputError``."""
    if not may_be_negative:
        below = np.flatnonzero(rows.values[:, 0] < 0)
        if len(below):
            raise InputError(
                [Problem(rows.file, rows.lines[int(i)], _path(rows, int(i)), "is below zero") for i in below]
            )
    edges, values, report = without_gaps(rows, policy)
    return Signal(edges - origin_ns, values[:, 0] * si_per_value, unit), report


def _path(rows: Rows, i: int) -> str:
    return rows.paths[i] if rows.paths else ""


def read_mix(
    rows: Rows, fuels: Sequence[str], *, policy: Policy, origin_ns: int
) -> tuple[Mapping[str, Signal], GapReport]:
    """The shares of ``fuels`` (k,), whose generation stands in the columns of ``rows``, in any one unit.

    A plant that draws more than it makes supplies nobody: its generation below zero counts as none, except under
    ``refuse``. A row without any generation has no shares, and is blank. Gaps are filled in generation, not in shares.
    Raises ``InputError``.
    """
    below = (rows.values < 0).any(axis=1)
    if policy == "refuse" and bool(below.any()):
        message = "has a generation below zero; mend it, or write gaps: hold, which takes it as none"
        raise InputError([Problem(rows.file, rows.lines[int(i)], "", message) for i in np.flatnonzero(below)])
    generation: Floats = np.maximum(rows.values, 0.0)  # NaN stays NaN
    generation[generation.sum(axis=1) == 0] = np.nan
    filled = Rows(
        file=rows.file,
        starts_ns=rows.starts_ns,
        values=generation,
        lines=rows.lines,
        ends_ns=rows.ends_ns,
        below_zero=int(below.sum()),
        estimated=rows.estimated,
    )
    edges, values, report = without_gaps(filled, policy)
    shares = values / values.sum(axis=1, keepdims=True)
    own: dict[str, list[int]] = {}
    for index, fuel in enumerate(fuels):
        own.setdefault(fuel, []).append(index)
    return {
        fuel: Signal(edges - origin_ns, shares[:, columns].sum(axis=1), "J/J") for fuel, columns in own.items()
    }, report
