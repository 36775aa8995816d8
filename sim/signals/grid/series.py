"""What every format of grid data comes to: signals on the clock of the run, and what was done to get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.complaints import Complaints
from sim.signals.labels import AS_DOCUMENTED, Labels
from sim.signals.signal import Signal

if TYPE_CHECKING:
    from sim.signals.gaps import Bools, GapReport, Policy, Rows

Floats = npt.NDArray[np.float64]
Basis = Literal["life-cycle", "direct"]
"""Whether an intensity holds the making of fuels and plants, or what leaves the stack alone."""

ONLY_STORAGE = (
    "has nothing but storage generating, and what storage gives back is not counted: it was, when it was generated; "
    "so this hour has no mix of its own"
)
NOTHING = "has no fuel generating, so it has no mix"


@dataclass(frozen=True)
class Terms:
    """On which terms a file is read: what becomes of its gaps, where the run begins (``origin_ns``, since 1970), how
    its times are meant, and which of its rows are wanted: those with the words of ``only`` in the columns it names."""

    gaps: Policy
    origin_ns: int
    labels: Labels = AS_DOCUMENTED
    only: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class GridSeries:
    """What one file says of a grid, on edges in ns from the start of the run.

    ``intensity`` in g/J, of ``basis``; ``marginal`` says whether it is that of the plants that follow the load, or the
    average of all of them, and is None where the file does not say.
    ``price`` in currency/J. ``mix``: the share of each fuel in what is generated, summing to 1. ``report`` is None
    where no series was read.
    """

    intensity: Signal | None = None
    price: Signal | None = None
    mix: Mapping[str, Signal] | None = None
    basis: Basis | None = None
    marginal: bool | None = None
    report: GapReport | None = None


def read_signal(
    rows: Rows, terms: Terms, *, si_per_value: float, unit: str, may_be_negative: bool
) -> tuple[Signal, GapReport]:
    """The one column of ``rows`` as a signal in ``unit``. Raises ``InputError``."""
    from sim.signals.gaps import without_gaps

    if not may_be_negative:
        _refuse_negative(rows, rows.values[:, 0] < 0, "is below zero")
    edges, values, report = without_gaps(rows, terms.gaps)
    return Signal(edges - terms.origin_ns, values[:, 0] * si_per_value, unit), report


def price_series(rows: Rows, terms: Terms, si_per_value: float, currency: str) -> GridSeries:
    """The one column of ``rows`` as a price; one of its values is ``si_per_value`` per J. Raises ``InputError``."""
    price, report = read_signal(rows, terms, si_per_value=si_per_value, unit=f"{currency}/J", may_be_negative=True)
    return GridSeries(price=price, report=report)


def intensity_series(rows: Rows, terms: Terms, si_per_value: float, *, basis: Basis, marginal: bool) -> GridSeries:
    """The one column of ``rows`` as an intensity; one of its values is ``si_per_value`` g/J. Raises ``InputError``."""
    intensity, report = read_signal(rows, terms, si_per_value=si_per_value, unit="g/J", may_be_negative=False)
    return GridSeries(intensity=intensity, basis=basis, marginal=marginal, report=report)


def _refuse_negative(rows: Rows, below: Bools, message: str) -> None:
    complaints = Complaints(rows.file)
    for i in np.flatnonzero(below):
        complaints.add(rows.lines[int(i)], message, rows.path(int(i)))
    complaints.raise_if_any()


def read_mix(
    rows: Rows, fuels: Sequence[str], terms: Terms, *, storage: Floats | None = None
) -> tuple[Mapping[str, Signal], GapReport]:
    """The shares of ``fuels`` (k,), whose generation stands in the columns of ``rows``, in any one unit.

    A plant that draws more than it makes supplies nobody: its generation below zero counts as none, except under
    ``refuse``. A row without any generation has no shares, and is blank; where ``storage`` (n,), what storages gave
    back, is above zero it is told that they alone did. Gaps are filled in generation, not in shares.
    Raises ``InputError``.
    """
    from sim.signals.gaps import REMEDY, without_gaps

    below: Bools = np.asarray((rows.values < 0).any(axis=1))
    if terms.gaps == "refuse":
        _refuse_negative(
            rows, below, "has a generation below zero; mend it, or write gaps: hold, which takes it as none"
        )
    generation: Floats = np.maximum(rows.values, 0.0)  # NaN stays NaN
    idle: Bools = np.asarray(generation.sum(axis=1) == 0)
    stored: Bools = np.zeros(len(idle), dtype=np.bool_) if storage is None else idle & (storage > 0)
    generation[idle] = np.nan
    filled = replace(
        rows,
        values=generation,
        below_zero=int(below.sum()),
        names=rows.names or list(fuels),
        blank_because={ONLY_STORAGE + REMEDY: stored, NOTHING + REMEDY: idle & ~stored},
    )
    edges, values, report = without_gaps(filled, terms.gaps)
    shares = values / values.sum(axis=1, keepdims=True)
    own: dict[str, list[int]] = {}
    for index, fuel in enumerate(fuels):
        own.setdefault(fuel, []).append(index)
    return {
        fuel: Signal(edges - terms.origin_ns, shares[:, columns].sum(axis=1), "J/J") for fuel, columns in own.items()
    }, report
