"""A footprint: lines that sum to the whole, and their sums by whatever names them.

The lines are one table, because a study prices the same ledger thousands of times: what each line is about stays, and
only the numbers change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Floats, Key
from sim.accounting.site import SiteAccount

Part = Literal["it", "building", "network", "devices"]
OUTSIDE_PARTS: tuple[Part, ...] = ("network", "devices")
Name = Callable[[Key, Part], str]
Ints = npt.NDArray[np.int64]

QUANTITIES = (
    "energy_j",
    "import_j",
    "operational_g",
    "scope1_g",
    "escaped_g",
    "market_g",
    "marginal_g",
    "embodied_g",
    "embodied_low_g",
    "embodied_high_g",
    "embodied_l",
    "credit_g",
    "onsite_l",
    "offsite_l",
    "withdrawal_l",
    "cost",
    "carbon_cost",
)
"""Of a line. Energies in J, carbon in g, water in L; zero where a plan does not model a quantity.

``operational_g`` is location-based and includes scope 1: ``scope1_g``, the fuel burnt on site, and ``escaped_g``,
refrigerants. ``cost`` is of energy, ``carbon_cost`` what a price of carbon asks.
"""
_COLUMN = {name: i for i, name in enumerate(QUANTITIES)}
NO_LINES: Floats = np.zeros((0, len(QUANTITIES)))
LAST_DIGITS = 1e-12
"""Of the sum of magnitudes: what is left of lines of both signs below that is rounding."""


def columns(quantities: Sequence[str]) -> list[int]:
    """Column numbers of some quantities in the values of a line."""
    return [_COLUMN[quantity] for quantity in quantities]


@dataclass(frozen=True, eq=False)
class Labels:
    """Names of every line; ``parts`` tells IT equipment from the building, from networks and from users' devices.

    How lines group is worked out once: the prices of one ledger share their labels.
    """

    keys: tuple[Key, ...]
    parts: tuple[Part, ...]
    _known: dict[tuple[Name, Part | None], tuple[list[str], Ints, Ints]] = field(default_factory=dict)

    @cached_property
    def of_site(self) -> Mapping[str, list[int]]:
        """The lines of each site, in order."""
        lines: dict[str, list[int]] = {}
        for i, key in enumerate(self.keys):
            lines.setdefault(key.site, []).append(i)
        return lines

    def groups(self, name: Name, part: Part | None) -> tuple[list[str], Ints, Ints]:
        """The lines of a part grouped by ``name``.

        The names in alphabetical order; the lines, group by group; and where each group begins among them.
        """
        known = self._known.get((name, part))
        if known is None:
            about = zip(self.keys, self.parts, strict=True)
            named = sorted((name(key, of), i) for i, (key, of) in enumerate(about) if part is None or of == part)
            begins = [at for at, (label, _) in enumerate(named) if at == 0 or named[at - 1][0] != label]
            lines = np.array([i for _, i in named], dtype=np.int64)
            known = ([named[at][0] for at in begins], lines, np.array(begins, dtype=np.int64))
            self._known[name, part] = known
        return known


@lru_cache(maxsize=64)
def labels(keys: tuple[Key, ...], parts: tuple[Part, ...]) -> Labels:
    """The labels of these lines; the same object for the same lines."""
    return Labels(keys, parts)


def _part(_key: Key, part: Part) -> str:
    return part


@dataclass(frozen=True, eq=False)
class Footprint:
    """Energy, carbon, water and cost in lines that sum to the whole; adding two footprints keeps every line.

    ``values`` is (lines, ``QUANTITIES``), each line of what ``labels`` says. ``accounts`` keeps each site's bins, by
    its name. The empty footprint is zero.
    """

    labels: Labels = field(default_factory=lambda: labels((), ()))
    values: Floats = field(default_factory=lambda: NO_LINES)
    accounts: Mapping[str, SiteAccount] = field(default_factory=dict)

    def __add__(self, other: Footprint) -> Footprint:
        both = labels(self.labels.keys + other.labels.keys, self.labels.parts + other.labels.parts)
        return Footprint(both, np.concatenate([self.values, other.values]), {**self.accounts, **other.accounts})

    def at(self, site: str) -> Footprint:
        """The lines of one site."""
        accounts = {site: self.accounts[site]} if site in self.accounts else {}
        return self._only(self.labels.of_site.get(site, []), accounts)

    def inside(self) -> Footprint:
        """The lines of sites, without networks and users' devices."""
        return self._only([i for i, part in enumerate(self.labels.parts) if part not in OUTSIDE_PARTS], self.accounts)

    def _only(self, lines: list[int], accounts: Mapping[str, SiteAccount]) -> Footprint:
        keys, parts = self.labels.keys, self.labels.parts
        those = labels(tuple(keys[i] for i in lines), tuple(parts[i] for i in lines))
        return Footprint(those, self.values[lines], accounts)

    def column(self, quantity: str) -> Floats:
        """One quantity of every line (lines,)."""
        return self.values[:, _COLUMN[quantity]]

    def total(self, *quantities: str, part: Part | None = None) -> float:
        """Sum of quantities, by their names, over all lines or those of one part."""
        totals = self._totals.get(part)
        return sum(totals[_COLUMN[quantity]] for quantity in quantities) if totals is not None else 0.0

    def by(self, name: Name, *quantities: str, part: Part | None = None) -> dict[str, float]:
        """Sums of quantities over all lines or those of a part, by what ``name`` says of a line; names in order."""
        names, sums = self._grouped(name, part)
        wanted = columns(quantities)
        return {label: sum(row[i] for i in wanted) for label, row in zip(names, sums.tolist(), strict=True)}

    @cached_property
    def _totals(self) -> Mapping[str | None, list[float]]:
        parts, sums = self._grouped(_part, None)
        return {**dict(zip(parts, sums.tolist(), strict=True)), None: self.values.sum(axis=0).tolist()}

    def _grouped(self, name: Name, part: Part | None) -> tuple[list[str], Floats]:
        """Names, and the sums of every quantity (names, ``QUANTITIES``).

        What lines take away from one another to the last digits (the fans of servers in a bath) is nothing.
        """
        names, lines, begins = self.labels.groups(name, part)
        if not names:
            return names, NO_LINES
        values = self.values[lines]
        sums = np.add.reduceat(values, begins, axis=0)
        if values.min() < 0.0:
            sums[np.abs(sums) < LAST_DIGITS * np.add.reduceat(np.abs(values), begins, axis=0)] = 0.0
        return names, sums


class Lines:
    """Lines of a footprint while they come together."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._parts: list[Part] = []
        self._values: list[Floats] = [NO_LINES]

    def add(self, part: Part, keys: Sequence[Key], quantities: Sequence[str], values: Floats) -> None:
        """Adds a line for each of ``keys``, with ``values`` (keys, quantities)."""
        lines = np.zeros((len(keys), len(QUANTITIES)))
        lines[:, columns(quantities)] = values
        self._keys += keys
        self._parts += [part] * len(keys)
        self._values.append(lines)

    def __len__(self) -> int:
        return len(self._keys)

    def footprint(self, accounts: Mapping[str, SiteAccount] | None = None, *, since: int = 0) -> Footprint:
        """The footprint of all lines so far, or of those after the first ``since``."""
        values: list[Floats] = []
        missing = len(self._keys) - since
        for added in reversed(self._values):
            if missing <= 0:
                break
            values.append(added[-missing:])
            missing -= len(added)
        there = labels(tuple(self._keys[since:]), tuple(self._parts[since:]))
        return Footprint(there, np.concatenate([NO_LINES, *reversed(values)]), accounts or {})
