"""Where a job goes: the rules of ``Anywhere`` and ``Packed``, over the sets of nodes by free slots."""

import numpy as np

from sim.engine.fleet.kernel.bits import drop, following, put
from sim.engine.fleet.records import ANYWHERE, SLOT_BITS
from sim.engine.serving.compiled import inner


@inner
def fits(fleet, size, pool):
    """Whether a job of this size could start in a pool now."""
    if size.slots > pool.free:
        return False
    if size.nodes:
        return nodes_with(pool, size.slots // size.nodes) >= size.nodes
    if fleet.placement == ANYWHERE:
        return True
    whole = size.slots // pool.slots
    rest = size.slots - whole * pool.slots
    if rest:
        return pool.levels[pool.slots].n >= whole and nodes_with(pool, rest) > whole
    return pool.levels[pool.slots].n >= whole


@inner
def nodes_with(pool, slots):
    """How many nodes have at least so many free slots."""
    n = np.int64(0)
    for free in range(slots, pool.slots + 1):
        n += pool.levels[free].n
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
    level = pool.levels[pool.slots]
    i = np.int64(-1)
    while n < whole:
        i = following(level, pool.n_full, i + 1)
        note(fleet, n, pool.first + i, pool.slots)
        n += 1
    if rest:
        free = rest
        while free < pool.slots and pool.levels[free].n == 0:
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
        level = pool.levels[free]
        i = following(level, pool.n_full, 0) if level.n else np.int64(-1)
        while i >= 0:
            note(fleet, n, pool.first + i, min(free, missing))
            n += 1
            missing -= min(free, missing)
            if missing == 0:
                return n
            i = following(level, pool.n_full, i + 1)
    return n


@inner
def choose_nodes(fleet, pool, each, nodes):
    """Equal parts on so many nodes, the fullest that have room first."""
    n = np.int64(0)
    for free in range(each, pool.slots + 1):
        level = pool.levels[free]
        i = following(level, pool.n_full, 0) if level.n else np.int64(-1)
        while i >= 0:
            note(fleet, n, pool.first + i, each)
            n += 1
            if n == nodes:
                return n
            i = following(level, pool.n_full, i + 1)
    return n


@inner
def note(fleet, n, node, slots):
    """One more place, behind those that count."""
    fleet.places[fleet.n_places + n] = (node << SLOT_BITS) | slots


@inner
def change(fleet, pool, node, slots):
    """A node has so many more free slots."""
    before = fleet.free[node]
    fleet.free[node] = before + slots
    drop(pool.levels[before], node - pool.first)
    put(pool.levels[before + slots], node - pool.first)


@inner
def take(fleet, row, p):
    """A job takes the places that ``choose`` gives it in this pool."""
    job = fleet.jobs[row]
    pool = fleet.pools[p]
    size = fleet.sizes[job.size]
    job.pool = p
    job.first_place = fleet.n_places
    job.places = choose(fleet, size, pool)
    fleet.n_places += job.places
    pool.free -= size.slots
    for at in range(job.first_place, job.first_place + job.places):
        place = fleet.places[at]
        change(fleet, pool, place >> SLOT_BITS, -(place & ((1 << SLOT_BITS) - 1)))


@inner
def give(fleet, row):
    """A job gives back all that it holds."""
    job = fleet.jobs[row]
    pool = fleet.pools[job.pool]
    pool.free += fleet.sizes[job.size].slots
    for at in range(job.first_place, job.first_place + job.places):
        place = fleet.places[at]
        change(fleet, pool, place >> SLOT_BITS, place & ((1 << SLOT_BITS) - 1))
