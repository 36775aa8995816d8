"""Who starts next, and in which pool: a head, and those behind it, as ``in_order`` and ``behind`` have it."""

import numpy as np

from sim.engine.fleet.kernel import dues, ends
from sim.engine.fleet.kernel.places import change, change_later, choose, fits
from sim.engine.fleet.kernel.reservation import leaves_room, reserve
from sim.engine.fleet.kernel.waiting import (
    first_come,
    first_of,
    first_within,
    is_before,
    shortest,
    shortest_of,
    stop_waiting,
)
from sim.engine.fleet.records import BY_LIMIT, DONE, EASY, GREEDY, NEED_PLACES, NO_BACKFILL
from sim.engine.serving.compiled import inner


@inner
def pool_for(fleet, size):
    """The first of its pools that has room now, or -1."""
    for i in range(size.n_pools):
        p = size.pools[i]
        if fits(fleet, size, fleet.pools[p]):
            return p
    return np.int64(-1)


@inner
def start(fleet, row, p):
    """A job starts in a pool that has room for it."""
    job = fleet.jobs[row]
    pool = fleet.pools[p]
    stop_waiting(fleet, row)
    job.start_ns = fleet.now_ns
    job.pool = p
    job.first_place = fleet.n_places
    job.places = choose(fleet, fleet.sizes[job.size], pool)
    fleet.n_places += job.places
    change(fleet, pool, job.first_place, job.places, -1)
    fleet.stints[fleet.n_stints] = row
    fleet.n_stints += 1
    ends.push(fleet, fleet.now_ns + pool.held_ns[row], row)
    if fleet.backfill == EASY:
        due_ns = fleet.now_ns + job.limit_ns
        dues.insert(fleet, pool, due_ns, row)
        if fleet.imagines and due_ns > pool.later_ns:
            change_later(fleet, pool, job.first_place, job.places, -1)


@inner
def end(fleet, row):
    """A job gives back what it holds."""
    job = fleet.jobs[row]
    pool = fleet.pools[job.pool]
    job.end_ns = fleet.now_ns
    change(fleet, pool, job.first_place, job.places, 1)
    if fleet.backfill == EASY:
        due_ns = job.start_ns + job.limit_ns
        dues.remove(fleet, pool, due_ns, row)
        if fleet.imagines and due_ns > pool.later_ns:
            change_later(fleet, pool, job.first_place, job.places, 1)


@inner
def ask(fleet):
    """Starts who may start, until nobody does; returns NEED_PLACES where there is no room to write that down."""
    fleet.asking = 1
    while fleet.n_waiting and some_free(fleet):
        if fleet.n_places + fleet.most_places > fleet.places_room:
            return NEED_PLACES
        head = shortest(fleet) if fleet.head_by == BY_LIMIT else first_come(fleet)
        p = pool_for(fleet, fleet.sizes[fleet.jobs[head].size])
        if p >= 0:
            start(fleet, head, p)
        elif fleet.backfill == NO_BACKFILL or not pass_by(fleet, fleet.sizes[fleet.jobs[head].size]):
            break
    fleet.asking = 0
    return DONE


@inner
def some_free(fleet):
    """Whether anything is free at all."""
    return most_free(fleet) > 0


@inner
def most_free(fleet):
    """Free slots of the pool that has most."""
    most = np.int64(0)
    for p in range(fleet.n_pools):
        most = max(most, fleet.pools[p].free)
    return most


@inner
def pass_by(fleet, head):
    """Starts the first behind a head of this size that may, if any."""
    by_limit = fleet.behind_by == BY_LIMIT
    most = most_free(fleet)
    found, where = np.int64(-1), np.int64(-1)
    span_ns = np.int64(-1)
    for i in range(fleet.n_sizes):
        size = fleet.sizes[i]
        if size.slots > most:
            break  # and so are all that follow
        if size.waiting == 0:
            continue
        p = pool_for(fleet, size)
        if p < 0:
            continue
        if fleet.backfill == EASY and span_ns < 0:
            span_ns = reserve(fleet, head) - fleet.now_ns
        row = shortest_of(size) if by_limit else first_of(size)
        if found >= 0 and is_before(fleet, found, row, by_limit):
            continue
        if fleet.backfill != GREEDY and fleet.jobs[row].limit_ns > span_ns and not leaves_room(fleet, head, size, p):
            if size.limits[1] > span_ns:
                continue
            row = first_within(size, span_ns)
            if found >= 0 and is_before(fleet, found, row, by_limit):
                continue
        found, where = row, p
    if found < 0:
        return False
    start(fleet, found, where)
    return True
