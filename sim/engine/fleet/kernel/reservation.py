"""When the head of the queue will have room, if users are right, and who leaves it its room.

Where free slots are all that counts they are summed over the blocks of dues. Else machines are imagined as they will
be at an instant, the ``later_ns`` of their pool, which is moved to and fro over the dues: from one question to the next
it hardly moves.
"""

import numpy as np

from sim.engine.fleet.kernel import dues
from sim.engine.fleet.kernel.places import change_later, choose, fits_later
from sim.engine.fleet.records import ABSENT, ANYWHERE
from sim.engine.serving.compiled import inner


@inner
def counts_alone(fleet, size):
    """Whether free slots are all that counts for a job, in all of its pools."""
    if size.nodes:
        return False
    if fleet.placement == ANYWHERE or size.slots == 1:
        return True
    most = np.int64(1)
    for i in range(size.n_pools):
        most = max(most, fleet.pools[size.pools[i]].slots)
    return most == 1


@inner
def reserve(fleet, size):
    """The shadow time of a head of this size that has no room: the earliest due at which some pool has it.

    ``later_ns`` of each of its pools stands there afterwards, and ``later_free`` is right; so is all else that is
    imagined, where not just slots are counted.
    """
    at_ns = np.int64(ABSENT)
    counted = counts_alone(fleet, size)
    for i in range(size.n_pools):
        pool = fleet.pools[size.pools[i]]
        at_ns = min(at_ns, counted_at(fleet, pool, size.slots) if counted else imagined_at(fleet, pool, size, at_ns))
    for i in range(size.n_pools):
        pool = fleet.pools[size.pools[i]]
        if counted:
            pool.spare = free_at(fleet, pool, at_ns) - size.slots
        else:
            move_to(fleet, pool, at_ns)
    return at_ns


@inner
def leaves_room(fleet, head, size, p):
    """Whether a job that starts in pool ``p`` now and is there at the shadow time leaves the head its room."""
    counted = counts_alone(fleet, head)
    for i in range(head.n_pools):
        pool = fleet.pools[head.pools[i]]
        here = head.pools[i] == p
        if counted:
            if pool.spare >= (size.slots if here else 0):
                return True
        elif here:
            count = choose(fleet, size, pool)
            change_later(fleet, pool, fleet.n_places, count, -1)
            room = fits_later(fleet, head, pool)
            change_later(fleet, pool, fleet.n_places, count, 1)
            if room:
                return True
        elif fits_later(fleet, head, pool):
            return True
    return False


# By counting


@inner
def counted_at(fleet, pool, slots):
    """The earliest due at which so many slots will be free, or ABSENT."""
    free = pool.free
    for place in range(pool.n_blocks):
        block = fleet.blocks[pool.order[place]]
        if free + block.slots < slots:
            free += block.slots
            continue
        for i in range(block.n):
            free += dues.slots_of(fleet, block.dues[i])
            if free >= slots:
                return max(block.dues[i].at_ns, fleet.now_ns + 1)
    return np.int64(ABSENT)


@inner
def free_at(fleet, pool, at_ns):
    """Slots that will be free once all have ended that are due at an instant or before."""
    free = pool.free
    for place in range(pool.n_blocks):
        block = fleet.blocks[pool.order[place]]
        if block.dues[block.n - 1].at_ns <= at_ns:
            free += block.slots
            continue
        for i in range(block.n):
            if block.dues[i].at_ns > at_ns:
                return free
            free += dues.slots_of(fleet, block.dues[i])
    return free


# By imagining


@inner
def imagined_at(fleet, pool, size, before_ns):
    """The earliest due before ``before_ns`` at which a pool will have room, or else that."""
    soonest_ns = fleet.now_ns + 1
    if before_ns <= soonest_ns:
        return before_ns
    move_to(fleet, pool, min(max(pool.later_ns, soonest_ns), before_ns))
    while not fits_later(fleet, size, pool):
        next_ns = dues.next_due(fleet, pool, pool.later_ns)
        if next_ns >= before_ns:
            return before_ns
        move_to(fleet, pool, next_ns)
    # Back, as long as there is room at an earlier due.
    while True:
        at_ns = dues.last_due(fleet, pool, pool.later_ns)
        if at_ns <= soonest_ns:
            return soonest_ns
        move_to(fleet, pool, at_ns - 1)
        if not fits_later(fleet, size, pool):
            return at_ns


@inner
def move_to(fleet, pool, at_ns):
    """Imagines a pool at an instant."""
    if pool.n_blocks == 0:
        pool.later_ns = at_ns
        return
    if at_ns > pool.later_ns:
        place, i = dues.position(fleet, pool, pool.later_ns)
        while place < pool.n_blocks:
            block = fleet.blocks[pool.order[place]]
            while i < block.n and block.dues[i].at_ns <= at_ns:
                imagine(fleet, pool, block.dues[i].row, 1)
                i += 1
            if i < block.n:
                break
            place += 1
            i = 0
    else:
        place, i = dues.position(fleet, pool, pool.later_ns)
        while True:
            if i == 0:
                place -= 1
                if place < 0:
                    break
                i = fleet.blocks[pool.order[place]].n
            due = fleet.blocks[pool.order[place]].dues[i - 1]
            if due.at_ns <= at_ns:
                break
            imagine(fleet, pool, due.row, -1)
            i -= 1
    pool.later_ns = at_ns


@inner
def imagine(fleet, pool, row, sign):
    """A job that runs has given back its places, or has not."""
    job = fleet.jobs[row]
    change_later(fleet, pool, job.first_place, job.places, sign)
