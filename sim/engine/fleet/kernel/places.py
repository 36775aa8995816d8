"""Where a job goes: the rules of ``Anywhere`` and ``Packed``, over the sets of nodes by free slots."""

import numpy as np

from sim.engine.fleet.kernel.bits import drop, following, put
from sim.engine.fleet.records import ANYWHERE, SLOT_BITS
from sim.engine.serving.compiled import inner


@inner
def fits(fleet, size, pool):
    """Whether a job of this size could start in a pool now."""
    return has_room(fleet, size, pool, pool.free, pool.counts)


@inner
def fits_later(fleet, size, pool):
    """Whether one could start in a pool as that is imagined."""
    return has_room(fleet, size, pool, pool.later_free, pool.later_counts)


@inner
def has_room(fleet, size, pool, free, counts):
    """Whether a job could start where ``free`` slots are on so many nodes with each number of them."""
    if size.slots > free:
        return False
    if size.nodes:
        return nodes_with(pool, counts, size.slots // size.nodes) >= size.nodes
    if fleet.placement == ANYWHERE:
        return True
    whole = size.slots // pool.slots
    rest = size.slots - whole * pool.slots
    return counts[pool.slots] >= whole and (rest == 0 or nodes_with(pool, counts, rest) > whole)


@inner
def nodes_with(pool, counts, slots):
    """How many nodes have at least so many free slots."""
    n = np.int64(0)
    for free in range(slots, pool.slots + 1):
        n += counts[free]
    return n


@inner
def choose(fleet, size, pool):
    """Writes the places of a job that fits behind all others; returns how many."""
    if size.nodes:
        return choose_nodes(fleet, pool, size.slots // size.nodes, size.nodes)
    if fleet.placement == ANYWHERE:
        return choose_any(fleet, pool, size.slots)
    whole = size.slots // pool.slots
    rest = size.slots - whole * pool.slots
    n = np.int64(0)
    i = np.int64(-1)
    while n < whole:
        i = following(pool.levels[pool.slots], pool.n_full, i + 1)
        note(fleet, n, pool.first + i, pool.slots)
        n += 1
    if rest:
        free = rest
        while free < pool.slots and pool.counts[free] == 0:
            free += 1
        after = i + 1 if free == pool.slots else np.int64(0)
        note(fleet, n, pool.first + following(pool.levels[free], pool.n_full, after), rest)
        n += 1
    return n


@inner
def choose_any(fleet, pool, missing):
    """Any slots, of the fullest nodes first."""
    n = np.int64(0)
    for free in range(1, pool.slots + 1):
        i = following(pool.levels[free], pool.n_full, 0)
        while i >= 0:
            taken = min(free, missing)
            note(fleet, n, pool.first + i, taken)
            n += 1
            missing -= taken
            if missing == 0:
                return n
            i = following(pool.levels[free], pool.n_full, i + 1)
    return n


@inner
def choose_nodes(fleet, pool, each, nodes):
    """Equal parts on so many nodes, the fullest that have room first."""
    n = np.int64(0)
    for free in range(each, pool.slots + 1):
        i = following(pool.levels[free], pool.n_full, 0)
        while i >= 0:
            note(fleet, n, pool.first + i, each)
            n += 1
            if n == nodes:
                return n
            i = following(pool.levels[free], pool.n_full, i + 1)
    return n


@inner
def note(fleet, n, node, slots):
    """One more place, behind those that count."""
    fleet.places[fleet.n_places + n] = (node << SLOT_BITS) | slots


@inner
def node_of(place):
    """The node of a place."""
    return place >> SLOT_BITS


@inner
def slots_of(place):
    """The slots of a place."""
    return place & ((1 << SLOT_BITS) - 1)


@inner
def change(fleet, pool, first, count, sign):
    """The nodes of places have more free slots (``sign`` 1), or fewer (-1)."""
    for at in range(first, first + count):
        place = fleet.places[at]
        node = node_of(place)
        before = fleet.free[node]
        after = before + sign * slots_of(place)
        fleet.free[node] = after
        pool.free += after - before
        pool.counts[before] -= 1
        pool.counts[after] += 1
        drop(pool.levels[before], node - pool.first)
        put(pool.levels[after], node - pool.first)


@inner
def change_later(fleet, pool, first, count, sign):
    """The same of the nodes as they are imagined."""
    for at in range(first, first + count):
        place = fleet.places[at]
        node = node_of(place)
        before = fleet.later[node]
        after = before + sign * slots_of(place)
        fleet.later[node] = after
        pool.later_free += after - before
        pool.later_counts[before] -= 1
        pool.later_counts[after] += 1
