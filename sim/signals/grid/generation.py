"""Generation by fuel as every mix is read: rows of fuels, and beside them what storages gave back, which is no fuel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.gaps import Rows
from sim.signals.grid.series import GridSeries, Terms, read_mix

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

    def mix(self, terms: Terms) -> GridSeries:
        """The mix of what is reported. Raises ``InputError``."""
        read = self.of_reported()
        mix, report = read_mix(read.rows, read.fuels, terms, storage=read.storage)
        return GridSeries(mix=mix, marginal=False, report=report)
