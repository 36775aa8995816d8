"""What a run writes its ledger into: bookings of draws, split exactly at bin edges, in integer nanoseconds.

What falls into few bins waits and is added with much else at once, in the order in which it came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Protocol, Self

import numpy as np

from sim.accounting.bins import Bins
from sim.accounting.ledger import Floats, Ints, Key, Ledger
from sim.accounting.repeated import added, added_each
from sim.accounting.waiting import Waited, Waiting
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

_Drawn = tuple[list[int], list[float], list[int], bool]
"""Rows, W and slots of draws, and whether any of them are of parts of slots."""


class Drawing(Protocol):
    """The fields of a draw that a ledger reads (see ``sim.engine.metering.meter.Draw``)."""

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


class Columns(Protocol):
    """Draws of P pieces of time in columns (see ``sim.engine.metering.columns.Columns``)."""

    @property
    def components(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def who(self) -> Sequence[tuple[str, str]]: ...
    @property
    def code(self) -> Ints: ...
    @property
    def watts(self) -> Floats: ...
    @property
    def slots(self) -> Ints: ...
    @property
    def turn(self) -> Ints: ...
    @property
    def start_ns(self) -> Ints: ...
    @property
    def end_ns(self) -> Ints: ...


class Later(Protocol):
    """Where draws are left that are worked out when they are wanted (see ``sim.engine.metering.deferred.Later``)."""

    def take(self) -> tuple[Sequence[Columns], Sequence[tuple[int, Sequence[Drawing], int, int]]]:
        """All that was left since the last call: in columns, and one by one, with turn, draws, start and end in ns."""


class LedgerRecorder:
    """Books draws into bins. Every booking splits exactly at bin edges, in integer nanoseconds.

    What falls into one bin, or a few, waits and is added with much else at once, in the order in which it came: the
    same bits as one by one.
    """

    def __init__(self, site_of: Mapping[str, str], bins: Bins) -> None:
        """An empty ledger for a run; ``site_of`` names the site of each pool."""
        self._site_of = site_of
        self._bins = bins
        self._rows: dict[str, dict[tuple[str, str, str, str], int]] = {}  # by pool
        self._count = 0  # of rows
        self._energy: Floats = np.zeros((0, 0))
        self._slots: Ints = np.zeros((0, 0), dtype=np.int64)
        self._milli: dict[int, Ints] = {}  # of rows that held parts of slots: thousandths of them x ns, below 1000
        self._waiting = Waiting()
        self._blocks: dict[tuple[str, tuple[tuple[str, str], ...]], _Block] = {}
        self._edges: Ints = np.zeros(1, dtype=np.int64)
        self.left: dict[Any, Any] = {}
        """Where those whose draws are worked out later keep what they leave; they know it by keys of their own."""
        self._leaving: dict[Later, str] = {}
        self._drawn: dict[int, tuple[Sequence[Drawing], str, _Drawn]] = {}  # by identity

    def record(self, pool: str, draws: Sequence[Drawing], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike one after the other."""
        rows, watts, slots, parts = self._known(pool, draws)
        if parts and count > 1:
            for _ in range(count):
                self.record(pool, draws, start_ns, end_ns)
            return
        self._bins.reach(end_ns)
        edges = self._bins.edges
        first = self._bins.index(start_ns)
        last = first if end_ns <= edges[first + 1] else self._bins.index(end_ns - 1)
        if parts:
            self._add_parts(rows, draws, first, start_ns, end_ns)
        if count == 1 and last - first < FEW_BINS:
            self._waiting.add(rows, watts, slots, start_ns, end_ns)
            if self._waiting.draws > MOST_WAITING:
                self._settle()
            return
        self._settle()
        spans = self._spans(first, last, start_ns, end_ns)
        seconds = spans * SECONDS_PER_NS
        for row, w, held in zip(rows, watts, slots, strict=True):
            energy_j = self._energy[row, first : last + 1]
            if count == 1:
                energy_j += w * seconds
            elif first == last:
                energy_j[0] = added(float(energy_j[0]), w * float(seconds[0]), count)
            else:
                energy_j[:] = added_each(energy_j, w * seconds, count)
            self._slots[row, first : last + 1] += held * count * spans

    def turn(self, pool: str, later: Later, end_ns: int, draws: int, count: int = 1) -> int:
        """The turn in which what is about to be left with ``later``, so many draws up to ``end_ns``, will be booked, or
        the first of so many."""
        if self._waiting.draws > MOST_WAITING:
            self._settle()
        self._bins.reach(end_ns)
        self._leaving[later] = pool
        return self._waiting.turn(draws, count)

    def edges_ns(self, end_ns: int) -> Ints:
        """Edges (bins + 1,) up to ``end_ns`` > 0, which is the last of them."""
        self._bins.reach(end_ns)
        count = self._bins.index(end_ns - 1) + 1
        return np.array([*self._bins.edges[:count], end_ns], dtype=np.int64)

    def add(self, pool: str, draw: Drawing, energy_j: Floats, slot_ns: Ints, milli_ns: Ints) -> None:
        """Books what was integrated elsewhere, in the first bins: J, slots x ns, and thousandths of slots x ns beyond
        them, below 2**62. Of ``draw`` only its names count."""
        (row,), count = self._rows_of(pool, [draw]), len(energy_j)
        self._settle()
        self._energy[row, :count] += energy_j
        self._slots[row, :count] += slot_ns
        if milli_ns.any():
            self._add_milli(row, slice(count), milli_ns)

    def ledger(self, end_ns: int) -> Ledger:
        """The ledger of what was booked, its last bin ending at ``end_ns``."""
        self._bins.reach(end_ns)
        self._settle()
        count = self._bins.index(end_ns - 1) + 1 if end_ns else 0
        edges = np.array([*self._bins.edges[:count], end_ns], dtype=np.int64)
        self._round_parts()
        keys: list[Key] = []
        rows: list[int] = []
        for site, pool in sorted((self._site_of[pool], pool) for pool in self._rows):
            own = self._rows[pool]
            names = sorted(own)
            keys += [Key(site, pool, *name) for name in names]
            rows += map(own.__getitem__, names)
        return Ledger(edges, tuple(keys), self._energy[rows, :count], self._slots[rows, :count])

    def _known(self, pool: str, draws: Sequence[Drawing]) -> _Drawn:
        """What is booked of draws: worked out once, where somebody draws the same again and again."""
        if type(draws) is not tuple:
            return self._drawn_of(pool, draws)
        known = self._drawn.get(id(draws))
        if known is None or known[0] is not draws or known[1] != pool:
            if len(self._drawn) >= MOST_KNOWN:
                self._drawn.clear()
            known = self._drawn[id(draws)] = (draws, pool, self._drawn_of(pool, draws))
        return known[2]

    def _drawn_of(self, pool: str, draws: Sequence[Drawing]) -> _Drawn:
        watts, slots = [draw.watts for draw in draws], [draw.slots for draw in draws]
        return self._rows_of(pool, draws), watts, slots, any(draw.milli for draw in draws)

    def _rows_of(self, pool: str, draws: Sequence[Drawing]) -> list[int]:
        """The row of each draw."""
        own = self._rows.setdefault(pool, {})
        named = list(map(_NAMES, draws))
        try:
            return [own[names] for names in named]
        except KeyError:
            for names in named:
                if names not in own:
                    own[names] = self._count
                    self._count += 1
            return [own[names] for names in named]

    def _spans(self, first: int, last: int, start_ns: int, end_ns: int) -> Ints:
        """ns in each of the bins from ``first`` to ``last``."""
        edges = np.array([start_ns, *self._bins.edges[first + 1 : last + 1], end_ns], dtype=np.int64)
        spans: Ints = edges[1:] - edges[:-1]
        return spans

    def _settle(self) -> None:
        """Adds what waits; there is room for all rows and bins then."""
        leaving, self._leaving = self._leaving, {}
        columns: list[Waited] = []
        for later, pool in leaving.items():
            together, apart = later.take()
            columns += [self._in_rows(pool, one) for one in together]
            for turn, draws, start_ns, end_ns in apart:
                rows = self._rows_of(pool, draws)
                if any(draw.milli for draw in draws):
                    self._make_room()
                    self._add_parts(rows, draws, self._bins.index(start_ns), start_ns, end_ns)
                watts, slots = [draw.watts for draw in draws], [draw.slots for draw in draws]
                self._waiting.add(rows, watts, slots, start_ns, end_ns, turn)
        self._make_room()
        if len(self._edges) != len(self._bins.edges):
            self._edges = np.array(self._bins.edges, dtype=np.int64)
        self._waiting.settle(self._edges, self._energy, self._slots, columns)

    def _make_room(self) -> None:
        rows, columns = self._energy.shape
        if self._count > rows or len(self._bins.edges) - 1 > columns:
            more = max(self._count, 2 * rows) if self._count > rows else rows
            shape = more, max(columns, len(self._bins.edges) - 1)
            energy, slots = np.zeros(shape), np.zeros(shape, dtype=np.int64)
            energy[:rows, :columns], slots[:rows, :columns] = self._energy, self._slots
            self._energy, self._slots = energy, slots
            widened = np.zeros(shape[1] - columns, dtype=np.int64)
            self._milli = {row: np.concatenate([parts, widened]) for row, parts in self._milli.items()}

    def _in_rows(self, pool: str, columns: Columns) -> Waited:
        """Draws in columns with the rows of the ledger that they belong to."""
        block = self._blocks.setdefault((pool, columns.components), _Block(len(columns.components)))
        own = self._rows.setdefault(pool, {})
        used = np.flatnonzero(np.bincount(columns.code.reshape(-1), minlength=len(columns.who)))
        names = [columns.who[i] for i in used.tolist()]
        for who in names:
            if who not in block.known:
                self._count = block.add(columns.components, who, own, self._count)
        of_who = np.zeros((len(columns.who), len(columns.components)), dtype=np.int64)
        of_who[used] = block.rows[[block.known[who] for who in names]]
        rows = of_who[columns.code].transpose(0, 2, 1)
        drawn = (rows.reshape(-1), columns.watts.reshape(-1), columns.slots.reshape(-1))
        counts = np.full(len(rows), rows.shape[1] * rows.shape[2])
        return Waited(*drawn, counts, columns.start_ns, columns.end_ns, columns.turn)

    def _add_parts(self, rows: Sequence[int], draws: Sequence[Drawing], first: int, start_ns: int, end_ns: int) -> None:
        """Books the time that parts of slots were held."""
        self._make_room()
        last = self._bins.index(end_ns - 1)
        thousands, ns = np.divmod(self._spans(first, last, start_ns, end_ns), MILLI)
        for row, draw in zip(rows, draws, strict=True):
            if draw.milli:
                self._slots[row, first : last + 1] += draw.milli * thousands
                self._add_milli(row, slice(first, last + 1), draw.milli * ns)

    def _add_milli(self, row: int, columns: slice, milli_ns: Ints) -> None:
        parts = self._milli.get(row)
        if parts is None:
            parts = self._milli[row] = np.zeros(self._slots.shape[1], dtype=np.int64)
        whole, parts[columns] = np.divmod(parts[columns] + milli_ns, MILLI)
        self._slots[row, columns] += whole

    def _round_parts(self) -> None:
        """Rounds parts of slots x ns, which are whole over all rows of a component, so that they stay so."""
        together: dict[tuple[str, str, str], list[tuple[tuple[str, str], int]]] = {}
        for pool, own in self._rows.items():
            for (hardware, component, owner, state), row in own.items():
                if row in self._milli:
                    together.setdefault((pool, hardware, component), []).append(((owner, state), row))
        for named in together.values():
            carried = np.zeros(self._slots.shape[1], dtype=np.int64)
            for _, row in sorted(named):
                whole, carried = np.divmod(carried + self._milli.pop(row), MILLI)
                self._slots[row] += whole


_NAMES = attrgetter("hardware", "component", "owner", "state")
FEW_BINS = 8
"""Draws over fewer bins wait and are added with others; those over more are added to all their bins at once."""
MOST_WAITING = 100_000
MOST_KNOWN = 4096
"""Draws whose rows are kept."""


class _Block:
    """Rows of the ledger of all components of a kind of node: of each owner in each state, one after the other."""

    def __init__(self, components: int) -> None:
        self.known: dict[tuple[str, str], int] = {}
        self.rows: Ints = np.zeros((8, components), dtype=np.int64)

    def add(
        self,
        components: tuple[tuple[str, str], ...],
        who: tuple[str, str],
        own: dict[tuple[str, str, str, str], int],
        count: int,
    ) -> int:
        """Adds those of ``who``, an owner and a state, to ``own``, the rows of a pool: ``count`` rows of all pools
        there were, and as many as it returns there are."""
        at = self.known[who] = len(self.known)
        if at == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        found = []
        for component in components:
            row = own.setdefault((*component, *who), count)
            count += row == count
            found.append(row)
        self.rows[at] = found
        return count
