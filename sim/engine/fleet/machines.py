"""What is free: every node of every pool in arrays, with an index that finds the next place without a walk.

A slot is a GPU, or a socket of a node without. Nodes are numbered over all pools in the order of the scenario. The
index holds, for each pool and each state in which nodes may be given away, the nodes with so many free slots as a set
of bits, so that the first of the fullest is found in a time that hardly grows with their number.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.bit_sets import as_bits, members
from sim.engine.fleet.islands import Islands
from sim.engine.fleet.request import NODE, PART, SLOTS, WHOLE, Place, Places, Request, beside
from sim.engine.fleet.shape import PoolShape
from sim.engine.fleet.slot_parts import SlotParts
from sim.engine.fleet.tenancy import Tenancy

Ints = npt.NDArray[np.int64]

ON, BOOTING, OFF, AWAY = range(4)
"""States as the index sees them, those that are ready soonest first; nodes that are ``AWAY`` are not given away."""
RANKS = (ON, BOOTING, OFF)
SOON = 32
"""Nodes of a set that are found one by one; most who look take the first."""


class PowerRoom(Protocol):
    """What limits of power leave at one instant, to be spent on the places of one request."""

    def left_w(self, node: int) -> float:
        """W that the tightest of a node's domains leaves."""

    def take_w(self, node: int, watts: float) -> None:
        """So much of it is spent on a node."""


class Machines:
    """The nodes of a fleet. ``free`` whole slots, ``cpu_free``, ``memory_free`` and ``rank`` are views of shape
    (nodes,) that change as slots are taken; only ``take``, ``give`` and ``move`` change them."""

    def __init__(self, pools: Sequence[PoolShape]) -> None:
        self.pools = tuple(pools)
        self.number = {pool.name: i for i, pool in enumerate(pools)}
        firsts = np.concatenate([[0], np.cumsum([pool.count for pool in pools])]).astype(np.int64)
        self.first: tuple[int, ...] = tuple(firsts.tolist())
        of_node = np.repeat(np.arange(len(pools)), [pool.count for pool in pools])
        self.pool_of = _column(range(len(pools)), of_node)
        self.slots = _column([pool.slots for pool in pools], of_node)
        self._free = array("q", self.slots)
        self._rank = _column([ON if pool.powered else OFF for pool in pools], of_node)
        self._cpu = _column([_PLENTY if pool.cpu_milli is None else pool.cpu_milli for pool in pools], of_node)
        self._memory = _column([_PLENTY if pool.memory_mib is None else pool.memory_mib for pool in pools], of_node)
        self.free: Ints = np.frombuffer(self._free, np.int64)
        self.rank: Ints = np.frombuffer(self._rank, np.int64)
        self.cpu_free: Ints = np.frombuffer(self._cpu, np.int64)
        self.memory_free: Ints = np.frombuffer(self._memory, np.int64)
        self.rack: Ints = np.concatenate(
            [np.array(pool.rack_of, np.int64) if pool.rack_of else np.zeros(pool.count, np.int64) for pool in pools]
            or [np.empty(0, np.int64)]
        )
        self._shared = SlotParts(self.first, [pool.slots if pool.shared else 0 for pool in pools])
        self._tenancy = Tenancy([pool.sharing for pool in pools])
        self.islands = Islands(self.first, [pool.slots for pool in pools], [pool.island_slots for pool in pools])
        self.parts = self._shared.left
        self.free_slots = [pool.count * pool.slots for pool in pools]
        """Whole slots of each pool that may be given away, in whatever state their nodes are that may be."""
        self._bits = [[[0] * (pool.slots + 1) for _ in RANKS] for pool in pools]
        for i, pool in enumerate(pools):
            self._bits[i][ON if pool.powered else OFF][pool.slots] = (1 << pool.count) - 1
        self.nodes: int = self.first[-1]
        self._closed: dict[int, int] = {}
        self._places: dict[tuple[int, int], list[Place]] = {}
        self.power_room: Callable[[float], PowerRoom] | None = None
        """What limits of power leave now, if a slot that comes to work adds so many W; None where there are none."""

    def __len__(self) -> int:
        return self.nodes

    def of_pool(self, pool: int) -> range:
        """The nodes of a pool."""
        return range(self.first[pool], self.first[pool + 1])

    def copy(self) -> Machines:
        """The same, to be changed on its own: what would be free, if."""
        twin = object.__new__(Machines)
        twin._closed = self._closed.copy()
        twin.power_room = None  # what power there will be then nobody knows
        twin._places = self._places
        twin.pools, twin.number, twin.first, twin.nodes = self.pools, self.number, self.first, self.nodes
        twin.pool_of, twin.slots, twin.rack = self.pool_of, self.slots, self.rack
        twin._free, twin._rank, twin._cpu, twin._memory = self._free[:], self._rank[:], self._cpu[:], self._memory[:]
        twin.free = np.frombuffer(twin._free, np.int64)
        twin.rank = np.frombuffer(twin._rank, np.int64)
        twin.cpu_free = np.frombuffer(twin._cpu, np.int64)
        twin.memory_free = np.frombuffer(twin._memory, np.int64)
        twin._shared = self._shared.copy()
        twin.parts = twin._shared.left
        twin._tenancy = self._tenancy.copy()
        twin.islands = self.islands.copy()
        twin.free_slots = self.free_slots[:]
        twin._bits = [[sets[:] for sets in by_rank] for by_rank in self._bits]
        return twin

    def imagine_plenty(self) -> None:
        """CPUs and memory do not count any more: only for copies."""
        self.cpu_free[:] = _PLENTY
        self.memory_free[:] = _PLENTY

    def imagine_free(self, pool: int, at_least: Sequence[int]) -> None:
        """Nodes of a pool have so many free slots, and are on: only for copies. ``at_least[k]`` is the set of those
        with k or more."""
        low, high = self.first[pool], self.first[pool + 1]
        size = high - low
        free = np.zeros(size, np.int64)
        exact = [a & ~b for a, b in zip(at_least, [*at_least[1:], 0], strict=True)]
        for bits in at_least[1:]:
            raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), np.uint8)
            free += np.unpackbits(raw, count=size, bitorder="little")
        self._bits[pool] = [exact, *([0] * len(exact) for _ in RANKS[1:])]
        self.free_slots[pool] = int(free.sum())
        self.free[low:high] = free
        self.rank[low:high] = np.where(self.rank[low:high] == AWAY, AWAY, ON)
        self.islands.imagine(low, free.tolist())

    def with_free(self, pool: int, rank: int, slots: int) -> Iterator[int]:
        """Nodes of a pool in a state with exactly so many free slots, in the order of the scenario."""
        return self._in_order(pool, self._bits[pool][rank][slots])

    def _in_order(self, pool: int, bits: int) -> Iterator[int]:
        first = self.first[pool]
        soon = SOON
        while bits and soon:
            low = bits & -bits
            yield first + low.bit_length() - 1
            bits ^= low
            soon -= 1
        if bits:  # whoever goes through many is better served by all at once
            yield from (first + members(bits, self.pools[pool].count)).tolist()

    def first_with(self, pool: int, rank: int, slots: int, most: int) -> list[Place]:
        """The first of them, at most so many, with all of their free slots."""
        bits = self._bits[pool][rank][slots]
        if not bits:
            return []
        if most <= SOON:
            return [Place(node, slots) for node in islice(self.with_free(pool, rank, slots), most)]
        known = self._places.get((pool, slots))
        if known is None:  # made once: whoever takes thousands of nodes takes them again
            known = self._places[pool, slots] = [_place((node, slots, 0, -1)) for node in self.of_pool(pool)]
        return list(map(known.__getitem__, members(bits, self.pools[pool].count)[:most].tolist()))

    def with_room(self, pool: int, slots: int) -> int:
        """The nodes of a pool with at least so many free slots, whatever their state, as a set of bits."""
        found = 0
        for by_free in self._bits[pool]:
            for bits in by_free[slots:]:
                found |= bits
        return found

    def fullest_part(self, request: Request, pool: int) -> tuple[int, int] | None:
        """The node and the slot with the least left that has the part of a slot that a request asks for, on a node that
        has what it asks for beside it; a whole one on the fullest such node, where no slot that is shared has it."""
        for left, nodes in self._shared.at_least(pool, request.milli):
            for node in self._in_order(pool, nodes):
                if self._rank[node] != AWAY and self.holds(request, node):
                    for slot, found in enumerate(self.parts[node]):
                        if found == left and self.shares(node, slot, request.milli):
                            return node, slot
        for by_free in self._bits[pool]:
            for bits in filter(None, by_free[1:]):
                for node in self._in_order(pool, bits):
                    if node in self.parts and self.holds(request, node):
                        return node, self.parts[node].index(WHOLE)
        return None

    def shares(self, node: int, slot: int, milli: int) -> bool:
        """Whether those who have parts of a slot leave room for another, as far as it is not a matter of their sum."""
        return self._tenancy.allows(self.pool_of[node], node, slot, milli)

    def whole_slot(self, node: int) -> int:
        """The first slot, of a node whose slots may be shared, that nobody has any of."""
        return self.parts[node].index(WHOLE)

    def first_beside(self, request: Request, pool: int) -> int | None:
        """The first node, of those that are ready soonest, with the CPUs and the memory that a request asks for."""
        low, high = self.first[pool], self.first[pool + 1]
        room = (self.cpu_free[low:high] >= request.cpu_milli) & (self.memory_free[low:high] >= request.memory_mib)
        ranks = self.rank[low:high]
        for rank in RANKS:
            fits = room & (ranks == rank)
            at = int(fits.argmax()) if len(fits) else 0
            if len(fits) and fits[at]:
                return low + at
        return None

    def holds(self, request: Request, node: int) -> bool:
        """Whether a node has the CPUs and the memory for all of a request."""
        return self._cpu[node] >= request.cpu_milli and self._memory[node] >= request.memory_mib

    def has_room(self, request: Request, places: Places) -> bool:
        """Whether places can be given to a request: all of its slots, on nodes of one of its pools that have them."""
        if len(places) > SOON and not (request.cpu_milli or request.memory_mib or request.compact):
            nodes, slots, milli = (np.fromiter(map(of, places), np.int64, len(places)) for of in (NODE, SLOTS, PART))
            if not milli.any():
                return self._has_many(request, nodes, slots)
        return self._has_few(request, places)

    def _has_many(self, request: Request, nodes: Ints, slots: Ints) -> bool:
        """The same for whole slots of nodes with nothing beside."""
        pool = self.pool_of[nodes[0]]
        if (slots.sum() != request.slots and not request.elastic) or pool not in request.pools:
            return False
        low, high = self.first[pool], self.first[pool + 1]
        if nodes.min() < low or nodes.max() >= high or np.bincount(nodes - low).max() > 1:
            return False
        free = (self.rank[nodes] != AWAY) & (slots >= 0) & (slots <= self.free[nodes])
        return bool(free.all())

    def _has_few(self, request: Request, places: Places) -> bool:
        nodes, slots = list(map(NODE, places)), list(map(SLOTS, places))
        if sum(slots) != request.slots and not request.elastic:
            return False
        if not places or len(set(nodes)) < len(places):
            return False
        pool = self.pool_of[places[0].node]
        if request.compact and (len(places) > 1 or self.islands.more_than_needed(places[0].node, request.slots)):
            return False
        if pool not in request.pools or min(nodes) < self.first[pool] or max(nodes) >= self.first[pool + 1]:
            return False
        for place, (cpu, memory) in zip(places, beside(request, places), strict=True):
            node = place.node
            if self._rank[node] == AWAY or not 0 <= place.slots <= self._free[node]:
                return False
            if cpu > self._cpu[node] or memory > self._memory[node]:
                return False
            if place.milli:
                if node not in self.parts or self.parts[node][place.slot] < place.milli:
                    return False
                if self.parts[node][place.slot] == WHOLE and place.slots >= self._free[node]:
                    return False
                if not self.shares(node, place.slot, place.milli):
                    return False
        return True

    def take(self, request: Request, places: Places) -> None:
        """Gives places to a request. Slots of a gang, if not shared, are counted by who meters its nodes (``move``)."""
        self._take(request, places, slots=request.gang is None)
        self.islands.take(request, places)

    def give(self, request: Request, places: Places) -> None:
        """Takes places back from a request."""
        self._give(request, places, slots=request.gang is None)
        self.islands.give(request, places)

    def exchange(self, request: Request, before: Places, after: Places) -> None:
        """A request has other places from now on; what it keeps of a node it keeps of the same islands."""
        self._give(request, before, slots=request.gang is None)
        self._take(request, after, slots=request.gang is None)
        kept = set(before).intersection(after) if self.islands.free else set()
        self.islands.give(request, (place for place in before if place not in kept))
        self.islands.take(request, (place for place in after if place not in kept))

    def imagine_taken(self, request: Request, places: Places) -> None:
        """As ``take``, whoever counts its slots: only for copies."""
        self._take(request, places, slots=True)
        self.islands.take(request, places)

    def imagine_given(self, request: Request, places: Places) -> None:
        """As ``give``, whoever counts its slots: only for copies."""
        self._give(request, places, slots=True)
        self.islands.give(request, places)

    def _metered(self, request: Request, places: Places) -> bool:
        """Whether all of these that is counted here is slots, and those are counted by who meters the nodes."""
        beside = request.cpu_milli or request.memory_mib
        return not beside and (not places or not self.pools[self.pool_of[places[0].node]].shared)

    def _take(self, request: Request, places: Places, *, slots: bool) -> None:
        if not slots and self._metered(request, places):
            return
        for place, (cpu, memory) in zip(places, beside(request, places), strict=True):
            node = place.node
            self._cpu[node] -= cpu
            self._memory[node] -= memory
            if not slots and node not in self.parts:
                continue
            self._change(node, -place.slots, self._rank[node])
            if node in self.parts:
                if self._shared.take(self.pool_of[node], place):
                    self._change(node, -1, self._rank[node])
                if place.milli:
                    self._tenancy.join(self.pool_of[node], request, place)

    def _give(self, request: Request, places: Places, *, slots: bool) -> None:
        if not slots and self._metered(request, places):
            return
        for place, (cpu, memory) in zip(places, beside(request, places), strict=True):
            node = place.node
            self._cpu[node] += cpu
            self._memory[node] += memory
            if not slots and node not in self.parts:
                continue
            if node in self.parts:
                if self._shared.give(self.pool_of[node], place):
                    self._change(node, 1, self._rank[node])
                if place.milli:
                    self._tenancy.leave(request, place)
            self._change(node, place.slots, self._rank[node])

    def move(self, node: int, rank: int, free: int | None = None) -> None:
        """A node is in another state; with ``free``, somebody else counts its slots and says how many are free."""
        if node in self._closed:
            self._closed[node] = rank
            rank = AWAY
        self._change(node, 0 if free is None else free - self._free[node], rank)

    def move_all(self, nodes: Ints, rank: int, free: int) -> None:
        """The same for nodes of one pool, all in one state with so many free slots."""
        pool = self.pool_of[nodes[0]]
        if self._closed or self.pools[pool].shared:
            for node in nodes.tolist():
                self.move(node, rank, None if node in self.parts else free)
            return
        by_rank = self._bits[pool]
        before = self.rank[nodes] * (self.pools[pool].slots + 1) + self.free[nodes]
        for was in np.flatnonzero(np.bincount(before)).tolist():
            there = nodes[before == was]
            was_rank, was_free = divmod(was, self.pools[pool].slots + 1)
            if was_rank != AWAY:
                by_rank[was_rank][was_free] ^= as_bits(there - self.first[pool], self.pools[pool].count)
                self.free_slots[pool] -= was_free * len(there)
        by_rank[rank][free] |= as_bits(nodes - self.first[pool], self.pools[pool].count)
        self.free_slots[pool] += free * len(nodes)
        self.free[nodes] = free
        self.rank[nodes] = rank

    def withhold(self, node: int) -> None:
        """Nothing more of a node is given away, whatever its state, until it is opened; who holds slots keeps them."""
        if node not in self._closed:
            self._closed[node] = self._rank[node]
            self._change(node, 0, AWAY)

    def offer(self, node: int) -> None:
        """A node that was closed is given away again, in the state in which it is."""
        if node in self._closed:
            self._change(node, 0, self._closed.pop(node))

    def _change(self, node: int, slots: int, rank: int) -> None:
        before, was = self._free[node], self._rank[node]
        after = before + slots
        if after == before and was == rank:
            return
        pool = self.pool_of[node]
        bit = 1 << (node - self.first[pool])
        by_rank = self._bits[pool]
        if was != AWAY:
            by_rank[was][before] ^= bit
            self.free_slots[pool] -= before
        if rank != AWAY:
            by_rank[rank][after] |= bit
            self.free_slots[pool] += after
        self._free[node] = after
        self._rank[node] = rank


_PLENTY = 1 << 60
_place: Callable[[tuple[int, int, int, int]], Place] = partial(tuple.__new__, Place)  # in a third of the time


def _column(of_pool: Sequence[int], of_node: Ints) -> array[int]:
    return array("q", np.array(of_pool, np.int64)[of_node].tobytes())
