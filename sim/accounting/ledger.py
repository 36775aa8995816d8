"""The ledger: exactly integrated joules, and slot-time held, by time bin x what drew them x for whom.

A run writes into a ``LedgerRecorder`` (``accounting.recorder``); ``Ledger`` is the frozen table that everything else
reads. Both keep a dense (keys x bins) layout: memory is meters x bins, whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Name = TypeVar("Name", str, tuple[str, str])


WAN = "wan"
"""The component of energy that networks between sites draw for an owner: no site's IT, and no site's building."""
DEVICES = "devices"
"""That of users' devices, which stand elsewhere. Where a row of either names a class of devices as its ``hardware``,
networks are theirs."""
OUTSIDE = frozenset({WAN, DEVICES})


class Key(NamedTuple):
    """What a row of the ledger is about. ``pool`` is the group of nodes, ``hardware`` a profile's name."""

    site: str
    pool: str
    hardware: str
    component: str
    owner: str
    state: str


MOST = 2**63
HALF_BITS = 32
LOW_HALF = 2**HALF_BITS - 1


@dataclass(frozen=True, eq=False)
class Ledger:
    """Energy, and slot-time held, by what drew it for whom and by time bin.

    ``energy_j`` and ``slot_ns`` are (keys, bins) between ``edges_ns`` (bins + 1,), in ns from the start of the run.
    ``slot_ns`` is accelerator-slots times time, an integer; in the row of a whole-node component it counts the slots of
    the node that the owner held. Where parts of slots were held it is rounded to the ns, so that the rows of a
    component still add up to all slots. Keys are sorted.
    """

    edges_ns: Ints
    keys: tuple[Key, ...]
    energy_j: Floats
    slot_ns: Ints

    @property
    def end_ns(self) -> int:
        """The end of the run."""
        return int(self.edges_ns[-1])

    @cached_property
    def by_component(self) -> Mapping[str, Floats]:
        """Energy of every component in each bin, J (bins,)."""
        return self._summed(lambda key: key.component)

    @cached_property
    def by_owner_and_state(self) -> Mapping[tuple[str, str], Floats]:
        """Energy of every owner in each state, J in each bin (bins,)."""
        return self._summed(lambda key: (key.owner, key.state))

    @cached_property
    def held_ns(self) -> Sequence[int]:
        """Slots times time of each row, over the whole run, exactly: 1,000 nodes of eight slots have more in two weeks
        than 64 bits hold, so that halves of 32 bits are added apart."""
        if int(self.slot_ns.max(initial=0)) * self.slot_ns.shape[1] < MOST:
            held: list[int] = self.slot_ns.sum(axis=1).tolist()
            return held
        low, high = (half.sum(axis=1).tolist() for half in (self.slot_ns & LOW_HALF, self.slot_ns >> HALF_BITS))
        return [(above << HALF_BITS) + below for below, above in zip(low, high, strict=True)]

    def _summed(self, name: Callable[[Key], Name]) -> dict[Name, Floats]:
        sums: dict[Name, Floats] = {}
        for key, energy_j in zip(self.keys, self.energy_j, strict=True):
            label = name(key)
            sums[label] = sums[label] + energy_j if label in sums else energy_j
        return sums

    def total_slot_ns(self) -> int:
        """Slots times time of all rows over the whole run, exactly."""
        return sum(self.held_ns)

    def total_j(self) -> float:
        """Energy of all rows over the whole run, J."""
        return float(self.energy_j.sum())

    def where(self, wanted: Callable[[Key], bool]) -> Ledger:
        """The rows whose key is ``wanted``; the ledger itself, if they all are."""
        return self._only([i for i, key in enumerate(self.keys) if wanted(key)])

    def at(self, site: str, wanted: Callable[[Key], bool]) -> Ledger:
        """The rows of one site whose key is ``wanted``, found without a walk over those of all others."""
        return self._only([i for i in self._rows_of.get(site, ()) if wanted(self.keys[i])])

    @cached_property
    def _rows_of(self) -> Mapping[str, Sequence[int]]:
        """Numbers of the rows of each site, in order."""
        rows: dict[str, list[int]] = {}
        for i, key in enumerate(self.keys):
            rows.setdefault(key.site, []).append(i)
        return rows

    def _only(self, rows: list[int]) -> Ledger:
        if len(rows) == len(self.keys):
            return self
        return Ledger(self.edges_ns, tuple(self.keys[i] for i in rows), self.energy_j[rows], self.slot_ns[rows])

    @classmethod
    def of(cls, edges_ns: Ints, rows: Iterable[tuple[Key, Floats, Ints]]) -> Ledger:
        """A ledger from rows in any order; rows of equal key are added."""
        merged: dict[Key, tuple[Floats, Ints]] = {}
        for key, energy_j, slot_ns in rows:
            before = merged.get(key)
            merged[key] = (energy_j, slot_ns) if before is None else (before[0] + energy_j, before[1] + slot_ns)
        keys = tuple(sorted(merged))
        shape = (len(keys), len(edges_ns) - 1)
        energy = np.array([merged[key][0] for key in keys], dtype=np.float64).reshape(shape)
        slots = np.array([merged[key][1] for key in keys], dtype=np.int64).reshape(shape)
        return cls(edges_ns, keys, energy, slots)
