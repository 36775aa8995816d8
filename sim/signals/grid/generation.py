"""Generation by fuel as every mix is read: rows of fuels, and beside them what storages gave back, which is no fuel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.gaps import Rows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Generation:
    """Generation by fuel, as one file gives it.

    ``rows`` hold what ``fuels`` (k,), each once or more, generate; ``storage`` (n,) is what storages give back.
    """

    rows: Rows
    fuels: Sequence[str]
    storage: Floats

    def named(self, names: Sequence[str]) -> Generation:
        """The same generation, its columns called ``names`` (k,) in messages, as the publisher calls them."""
        return replace(self, rows=replace(self.rows, names=names))

    def of_reported(self) -> Generation:
        """The same generation without columns that no row fills: what a grid never reports is not in its mix.

        Raises ``InputError`` where no column is left.
        """
        stated = np.flatnonzero(~np.isnan(self.rows.values).all(axis=0))
        if not len(stated):
            raise InputError.one(self.rows.file, "has no generation in any row")
        names = [self.rows.names[int(i)] for i in stated] if self.rows.names else ()
        kept = replace(self.rows, values=self.rows.values[:, stated], names=names)
        return Generation(kept, [self.fuels[int(i)] for i in stated], self.storage)


class Stored:
    """Energy that storages gave back, row by row as a file is read; charging and blanks count as nothing."""

    def __init__(self) -> None:
        self._given: list[float] = []

    def add(self, start: int | None, cells: Sequence[float]) -> None:
        """One row, unless it has no start (and is left out)."""
        if start is not None:
            self._given.append(sum(max(cell, 0.0) for cell in cells if not np.isnan(cell)))

    def given_back(self) -> Floats:
        """Energy given back in each row (n,), in the unit of the rows."""
        return np.array(self._given, dtype=np.float64)
