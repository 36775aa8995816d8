"""The ledger: exactly integrated joules, and slot-time held, by time bin x what drew them x for whom.

``LedgerRecorder`` is what a run writes into; ``Ledger`` is the frozen table that everything else reads. Both keep a
dense (keys x bins) layout: memory is meters x bins, whatever the number of events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from sim.accounting.bins import Bins
from sim.accounting.repeated import added, added_each
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
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


class Drawing(Protocol):
    """The fields of a draw that a ledger reads (see ``sim.engine.meter.Draw``)."""

    @property
    def hardware(self) -> str: ...
    @property
    def component(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def watts(self) -> float: ...
    @property
    def slots(self) -> int: ...
    @property
    def milli(self) -> int: ...
    def of(self, owner: str) -> Self: ...


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
        """Slots times time of each row, over the whole run."""
        held: list[int] = self.slot_ns.sum(axis=1).tolist()
        return held

    def _summed(self, name: Callable[[Key], Name]) -> dict[Name, Floats]:
        sums: dict[Name, Floats] = {}
        for key, energy_j in zip(self.keys, self.energy_j, strict=True):
            label = name(key)
            sums[label] = sums[label] + energy_j if label in sums else energy_j
        return sums

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


class LedgerRecorder:
    """Books draws into bins. Every booking splits exactly at bin edges, in integer nanoseconds."""

    def __init__(self, site_of: Mapping[str, str], bins: Bins) -> None:
        """An empty ledger for a run; ``site_of`` names the site of each pool."""
        self._site_of = site_of
        self._bins = bins
        self._rows: dict[tuple[str, str, str, str, str], int] = {}
        self._energy: list[Floats] = []
        self._slots: list[Ints] = []
        self._milli: dict[int, Ints] = {}  # of rows that held parts of slots: thousandths of them x ns, below 1000
        self._columns = 0

    def record(self, pool: str, draws: Sequence[Drawing], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike one after the other."""
        if count > 1 and any(draw.milli for draw in draws):
            for _ in range(count):
                self.record(pool, draws, start_ns, end_ns)
            return
        self._reach(end_ns)
        edges = self._bins.edges
        first = self._bins.index(start_ns)
        if end_ns <= edges[first + 1]:
            self._record_within(pool, draws, first, end_ns - start_ns, count)
        else:
            self._record_across(pool, draws, first, start_ns, end_ns, count)

    def edges_ns(self, end_ns: int) -> Ints:
        """Edges of the bins up to ``end_ns`` > 0, which is the last of them."""
        self._reach(end_ns)
        count = self._bins.index(end_ns - 1) + 1
        return np.array([*self._bins.edges[:count], end_ns], dtype=np.int64)

    def add(self, pool: str, draw: Drawing, energy_j: Floats, slot_ns: Ints, milli_ns: Ints) -> None:
        """Books what was integrated elsewhere, in the first bins: J, slots x ns, and thousandths of slots x ns beyond
        them, below 2**62. Of ``draw`` only its names count."""
        row, count = self._row(pool, draw), len(energy_j)
        self._energy[row][:count] += energy_j
        self._slots[row][:count] += slot_ns
        if milli_ns.any():
            self._add_milli(row, slice(count), milli_ns)

    def ledger(self, end_ns: int) -> Ledger:
        """The ledger of what was booked, its last bin ending at ``end_ns``."""
        self._bins.reach(end_ns)
        self._widen(max(self._columns, len(self._bins.edges) - 1))
        count = self._bins.index(end_ns - 1) + 1 if end_ns else 0
        edges = np.array([*self._bins.edges[:count], end_ns], dtype=np.int64)
        self._round_parts()
        rows = [
            (Key(self._site_of[key[0]], *key), self._energy[row][:count], self._slots[row][:count])
            for key, row in self._rows.items()
        ]
        return Ledger.of(edges, rows)

    def _reach(self, end_ns: int) -> None:
        self._bins.reach(end_ns)
        if len(self._bins.edges) - 1 > self._columns:
            self._widen(len(self._bins.edges) - 1)

    def _row(self, pool: str, draw: Drawing) -> int:
        key = (pool, draw.hardware, draw.component, draw.owner, draw.state)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = len(self._energy)
            self._energy.append(np.zeros(self._columns))
            self._slots.append(np.zeros(self._columns, dtype=np.int64))
        return row

    def _record_within(self, pool: str, draws: Sequence[Drawing], column: int, span_ns: int, count: int) -> None:
        seconds = span_ns * SECONDS_PER_NS
        for draw in draws:
            row = self._row(pool, draw)
            energy_j = self._energy[row]
            if count == 1:
                energy_j[column] += draw.watts * seconds
            else:
                energy_j[column] = added(float(energy_j[column]), draw.watts * seconds, count)
            self._slots[row][column] += draw.slots * span_ns * count
            if draw.milli:
                whole, rest = divmod(draw.milli * span_ns, MILLI)
                self._slots[row][column] += whole
                self._add_milli(row, slice(column, column + 1), np.array([rest], dtype=np.int64))

    def _record_across(
        self, pool: str, draws: Sequence[Drawing], first: int, start_ns: int, end_ns: int, count: int
    ) -> None:
        last = self._bins.index(end_ns - 1)
        edges = np.array([start_ns, *self._bins.edges[first + 1 : last + 1], end_ns], dtype=np.int64)
        spans = edges[1:] - edges[:-1]
        seconds = spans * SECONDS_PER_NS
        for draw in draws:
            row = self._row(pool, draw)
            energy_j = self._energy[row][first : last + 1]
            if count == 1:
                energy_j += draw.watts * seconds
            else:
                energy_j[:] = added_each(energy_j, draw.watts * seconds, count)
            self._slots[row][first : last + 1] += draw.slots * count * spans
            if draw.milli:
                thousands, ns = np.divmod(spans, MILLI)
                self._slots[row][first : last + 1] += draw.milli * thousands
                self._add_milli(row, slice(first, last + 1), draw.milli * ns)

    def _add_milli(self, row: int, columns: slice, milli_ns: Ints) -> None:
        parts = self._milli.get(row)
        if parts is None:
            parts = self._milli[row] = np.zeros(self._columns, dtype=np.int64)
        whole, parts[columns] = np.divmod(parts[columns] + milli_ns, MILLI)
        self._slots[row][columns] += whole

    def _round_parts(self) -> None:
        """Rounds parts of slots x ns, which are whole over all rows of a component, so that they stay so."""
        together: dict[tuple[str, str, str], list[tuple[tuple[str, str], int]]] = {}
        for (pool, hardware, component, owner, state), row in self._rows.items():
            if row in self._milli:
                together.setdefault((pool, hardware, component), []).append(((owner, state), row))
        for named in together.values():
            carried = np.zeros(self._columns, dtype=np.int64)
            for _, row in sorted(named):
                whole, carried = np.divmod(carried + self._milli.pop(row), MILLI)
                self._slots[row] += whole

    def _widen(self, columns: int) -> None:
        more = columns - self._columns
        if more > 0:
            self._energy = [np.concatenate([row, np.zeros(more)]) for row in self._energy]
            nothing = np.zeros(more, dtype=np.int64)
            self._slots = [np.concatenate([row, nothing]) for row in self._slots]
            self._milli = {row: np.concatenate([parts, nothing]) for row, parts in self._milli.items()}
            self._columns = columns
