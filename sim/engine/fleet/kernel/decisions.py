"""Who starts next, and in which pool: the rules of ``FirstCome``, ``Shortest`` and ``Easy``."""

import numpy as np

from sim.engine.fleet.kernel import dues, ends
from sim.engine.fleet.kernel.places import fits, take
from sim.engine.fleet.kernel.waiting import (
    first_come,
    first_of,
    first_within,
    is_before,
    shortest,
    shortest_of,
    stop_waiting,
)
from sim.engine.fleet.records import BY_LIMIT, DONE, EASY, FIFO, NEED_PLACES, NEVER, SHORTEST
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
    stop_waiting(fleet, row)
    take(fleet, row, p)
    job.start_ns = fleet.now_ns
    fleet.stints[fleet.n_stints] = row
    fleet.n_stints += 1
    ends.push(fleet, fleet.now_ns + job.run_ns, row)
    if fleet.scheduler == EASY:
        dues.insert(fleet, fleet.pools[p], due_of(job), row)


@inner
def due_of(job):
    """When a job that runs will give back what it holds, if its user is right."""
    return job.start_ns + job.limit_ns if job.limit_ns < NEVER else np.int64(NEVER)


@inner
def ask(fleet):
    """Starts who may start, until nobody does; returns NEED_PLACES where there is no room to write that down."""
    fleet.asking = 1
    while fleet.n_waiting:
        if fleet.n_places + fleet.most_places > fleet.places_room:
            return NEED_PLACES
        head = shortest(fleet) if fleet.scheduler == SHORTEST else first_come(fleet)
        p = pool_for(fleet, fleet.sizes[fleet.jobs[head].size])
        if p >= 0:
            start(fleet, head, p)
        elif fleet.scheduler != EASY or not backfill(fleet, head):
            break
    fleet.asking = 0
    return DONE


@inner
def backfill(fleet, head):
    """Starts one that waits behind the head, if any may."""
    if not has_candidates(fleet, head):
        return False
    held, shadow_ns, extra = reserve(fleet, fleet.sizes[fleet.jobs[head].size])
    span_ns = shadow_ns - fleet.now_ns
    found = np.int64(-1)
    where = np.int64(-1)
    for i in range(fleet.n_sizes):
        size = fleet.sizes[i]
        if size.waiting == 0:
            continue
        # It cannot be the head: that fits nowhere.
        for j in range(size.n_pools):
            p = size.pools[j]
            pool = fleet.pools[p]
            if not fits(fleet, size, pool):
                continue
            within = span_ns if p == held and size.slots > extra else np.int64(NEVER)
            if size.limits[1] > within:
                continue
            row = candidate(fleet, size, within)
            if is_before(fleet, row, found, fleet.order == BY_LIMIT) and row != found:
                found, where = row, p
    if found < 0:
        return False
    start(fleet, found, where)
    return True


@inner
def candidate(fleet, size, within_ns):
    """Of those of a size whose limit is within this, the one that is looked at first."""
    if fleet.order == BY_LIMIT:
        return shortest_of(size)
    return first_of(size) if within_ns >= NEVER else first_within(size, within_ns)


@inner
def has_candidates(fleet, head):
    """Whether anybody that waits would find room now."""
    for i in range(fleet.n_sizes):
        size = fleet.sizes[i]
        if size.waiting and pool_for(fleet, size) >= 0:
            return True
    return False


@inner
def reserve(fleet, size):
    """Where and when the head will start, by what users say, and how many slots are left beside it then: a pool, an
    instant and slots; pool -1 and ``NEVER`` where no end is in sight."""
    held, at_ns, extra = np.int64(-1), np.int64(NEVER), np.int64(0)
    for i in range(size.n_pools):
        p = size.pools[i]
        pool = fleet.pools[p]
        if size.slots > pool.count * pool.slots:
            continue
        when, left = room_at(fleet, size, pool)
        if held < 0 or when < at_ns:
            held, at_ns, extra = p, when, left
    return held, at_ns, extra


@inner
def room_at(fleet, size, pool):
    """When there will be so many free slots in a pool, if users are right, and how many are left beside them then."""
    free = pool.free
    place = np.int64(0)
    while place < pool.n_blocks and free + fleet.blocks[pool.order[place]].slots < size.slots:
        free += fleet.blocks[pool.order[place]].slots
        place += 1
    at_ns = np.int64(NEVER)
    while place < pool.n_blocks:
        block = fleet.blocks[pool.order[place]]
        for i in range(block.n):
            due = block.dues[i]
            if free >= size.slots and due.at_ns > at_ns:
                return at_ns, free - size.slots
            free += dues.slots_of(fleet, due)
            at_ns = max(due.at_ns, fleet.now_ns)
        place += 1
    return at_ns, free - size.slots
