"""Bookings of a ledger that wait and are added many at once, in their turns: the same bits as one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.units import SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_AT_ONCE = 1 << 22
"""Cells that are added to at once, at least as many as one booking has."""


class Waited(NamedTuple):
    """Bookings (P,), from ``start_ns`` to ``end_ns``, each in its ``turn``: ``counts`` draws one after the other, whose
    rows, W and slots are (N,)."""

    rows: Ints
    watts: Floats
    slots: Ints
    counts: Ints
    start_ns: Ints
    end_ns: Ints
    turn: Ints


class Waiting:
    """What is to be added to a ledger, in turns."""

    def __init__(self) -> None:
        self.draws = 0
        """How many wait, those included that will be told when their turn comes."""
        self._turns = 0
        self._rows: list[int] = []
        self._watts: list[float] = []
        self._slots: list[int] = []
        self._spells: list[tuple[int, int, int, int]] = []  # how many of these, from when to when, and their turn

    def turn(self, draws: int, count: int = 1) -> int:
        """The next turn, for so many draws, or the first of so many."""
        self.draws += draws
        self._turns += count
        return self._turns - count + 1

    def add(
        self,
        rows: list[int],
        watts: list[float],
        slots: list[int],
        start_ns: int,
        end_ns: int,
        turn: int | None = None,
    ) -> None:
        """Draws between two instants, in a turn that was given before or in the next one."""
        self._rows += rows
        self._watts += watts
        self._slots += slots
        turn = self.turn(len(rows)) if turn is None else turn
        self._spells.append((len(rows), start_ns, end_ns, turn))

    def settle(self, edges_ns: Ints, energy_j: Floats, slot_ns: Ints, more: Sequence[Waited]) -> None:
        """Adds all of it, and ``more`` that had turns, to tables (rows, bins) with edges ``edges_ns``."""
        all_of = [*more]
        if self._spells:
            counts, start_ns, end_ns, turn = np.array(self._spells, dtype=np.int64).T
            drawn = np.array(self._rows, dtype=np.int64), np.array(self._watts), np.array(self._slots, dtype=np.int64)
            all_of.append(Waited(*drawn, counts, start_ns, end_ns, turn))
        self.draws = 0
        for kept in (self._rows, self._watts, self._slots, self._spells):
            kept.clear()
        for waited in _in_turn([waited for waited in all_of if len(waited.turn)]):
            for part in _parts(waited, edges_ns):
                _add(part, edges_ns, energy_j, slot_ns)


def _in_turn(all_of: Sequence[Waited]) -> Sequence[Waited]:
    """All bookings, in their turns."""
    following = sorted(all_of, key=lambda waited: int(waited.turn[0]))
    turns = [waited.turn for waited in following]
    if turns and bool((np.diff(np.concatenate(turns)) >= 0).all()):
        return following
    if not turns:
        return []
    waited = Waited(*map(np.concatenate, zip(*all_of, strict=True)))
    order = np.argsort(waited.turn, kind="stable")
    first = np.cumsum(waited.counts) - waited.counts
    counts = waited.counts[order]
    at = _ranges(first[order], counts)
    spans = (waited.start_ns[order], waited.end_ns[order], waited.turn[order])
    return [Waited(waited.rows[at], waited.watts[at], waited.slots[at], counts, *spans)]


def _parts(waited: Waited, edges_ns: Ints) -> Iterator[Waited]:
    """The same in parts that fit into memory with all their bins."""
    first, last = _bins(waited, edges_ns)
    cells = np.cumsum(waited.counts * (last - first + 1))
    draws = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(waited.counts)])
    begin, done = 0, 0
    while begin < len(cells):
        end = max(begin + 1, int(np.searchsorted(cells, done + MOST_AT_ONCE, side="right")))
        drawn = slice(int(draws[begin]), int(draws[end]))
        counts, start_ns, end_ns, turn = (column[begin:end] for column in waited[3:])
        yield Waited(waited.rows[drawn], waited.watts[drawn], waited.slots[drawn], counts, start_ns, end_ns, turn)
        begin, done = end, int(cells[end - 1])


def _add(waited: Waited, edges_ns: Ints, energy_j: Floats, slot_ns: Ints) -> None:
    rows, watts, slots, counts, start_ns, end_ns, _ = waited
    column, last = _bins(waited, edges_ns)
    bins = last - column + 1
    if bool((bins > 1).any()):
        of = np.repeat(np.arange(len(bins)), bins)
        column = _ranges(column, bins)
        at = _ranges((np.cumsum(counts) - counts)[of], counts[of])
        rows, watts, slots, counts = rows[at], watts[at], slots[at], counts[of]
        start_ns = np.maximum(start_ns[of], edges_ns[column])
        end_ns = np.minimum(end_ns[of], edges_ns[column + 1])
    spans = end_ns - start_ns
    cells = rows * energy_j.shape[1] + np.repeat(column, counts)
    np.add.at(energy_j.reshape(-1), cells, watts * np.repeat(spans * SECONDS_PER_NS, counts))
    np.add.at(slot_ns.reshape(-1), cells, slots * np.repeat(spans, counts))


def _bins(waited: Waited, edges_ns: Ints) -> tuple[Ints, Ints]:
    """The first and the last bin of each booking."""
    first = np.searchsorted(edges_ns, waited.start_ns, side="right") - 1
    return first, np.searchsorted(edges_ns, waited.end_ns, side="left") - 1


def _ranges(first: Ints, counts: Ints) -> Ints:
    """Whole numbers from each of ``first`` on, so many each."""
    begins = np.cumsum(counts) - counts
    return np.repeat(first - begins, counts) + np.arange(int(counts.sum()))
