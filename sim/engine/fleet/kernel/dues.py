"""Who is to end when, if users are right: of each pool, a list in the order of dues, kept in blocks with their sums.

Two blocks that follow one another have more than half a block's entries between them, so that there are few.
"""

import numpy as np

from sim.engine.fleet.records import ABSENT, BLOCK
from sim.engine.serving.compiled import inner


@inner
def is_due_before(due, at_ns, row):
    """Whether an entry stands before another."""
    return due.at_ns < at_ns or (due.at_ns == at_ns and due.row < row)


@inner
def block_of(fleet, pool, at_ns, row):
    """Place in the order of blocks of the one that an entry belongs to: the last that begins with it or before it."""
    low, high = 0, pool.n_blocks
    while high - low > 1:
        middle = (low + high) >> 1
        first = fleet.blocks[pool.order[middle]].dues[0]
        if first.at_ns < at_ns or (first.at_ns == at_ns and first.row <= row):
            low = middle
        else:
            high = middle
    return low


@inner
def entry_of(block, at_ns, row):
    """Where in a block an entry stands, or would."""
    low, high = 0, block.n
    while low < high:
        middle = (low + high) >> 1
        if is_due_before(block.dues[middle], at_ns, row):
            low = middle + 1
        else:
            high = middle
    return low


@inner
def copy(due, to):
    """Overwrites an entry with another."""
    to.at_ns, to.row = due.at_ns, due.row


@inner
def slots_of(fleet, due):
    """Slots of the job of an entry."""
    return fleet.sizes[fleet.jobs[due.row].size].slots


@inner
def insert_block(fleet, pool, place):
    """An empty block, so many places from the front."""
    fleet.n_spare -= 1
    for i in range(pool.n_blocks, place, -1):
        pool.order[i] = pool.order[i - 1]
    pool.order[place] = fleet.spare_blocks[fleet.n_spare]
    pool.n_blocks += 1
    block = fleet.blocks[pool.order[place]]
    block.n = 0
    block.slots = 0


@inner
def remove_block(fleet, pool, place):
    """A block is empty."""
    fleet.spare_blocks[fleet.n_spare] = pool.order[place]
    fleet.n_spare += 1
    pool.n_blocks -= 1
    for i in range(place, pool.n_blocks):
        pool.order[i] = pool.order[i + 1]


@inner
def insert(fleet, pool, at_ns, row):
    """A job is to end then."""
    if pool.n_blocks == 0:
        insert_block(fleet, pool, 0)
    place = block_of(fleet, pool, at_ns, row)
    block = fleet.blocks[pool.order[place]]
    if block.n == BLOCK:
        insert_block(fleet, pool, place + 1)
        move_tail(fleet, block, BLOCK // 2, fleet.blocks[pool.order[place + 1]])
        place = block_of(fleet, pool, at_ns, row)
        block = fleet.blocks[pool.order[place]]
    at = entry_of(block, at_ns, row)
    for i in range(block.n, at, -1):
        copy(block.dues[i - 1], block.dues[i])
    block.dues[at].at_ns, block.dues[at].row = at_ns, row
    block.n += 1
    block.slots += slots_of(fleet, block.dues[at])


@inner
def move_tail(fleet, block, first, to):
    """Entries of a block from ``first`` on go to the end of another."""
    for i in range(first, block.n):
        slots = slots_of(fleet, block.dues[i])
        copy(block.dues[i], to.dues[to.n])
        to.n += 1
        to.slots += slots
        block.slots -= slots
    block.n = first


@inner
def remove(fleet, pool, at_ns, row):
    """A job that was to end then has ended."""
    place = block_of(fleet, pool, at_ns, row)
    block = fleet.blocks[pool.order[place]]
    at = entry_of(block, at_ns, row)
    block.slots -= slots_of(fleet, block.dues[at])
    block.n -= 1
    for i in range(at, block.n):
        copy(block.dues[i + 1], block.dues[i])
    if block.n == 0:
        remove_block(fleet, pool, place)
    elif place + 1 < pool.n_blocks and is_joined(fleet, pool, place):
        pass
    elif place:
        is_joined(fleet, pool, place - 1)


@inner
def is_joined(fleet, pool, place):
    """Joins a block and the next, where they are small."""
    block, other = fleet.blocks[pool.order[place]], fleet.blocks[pool.order[place + 1]]
    if block.n + other.n > BLOCK // 2:
        return False
    move_tail(fleet, other, 0, block)
    remove_block(fleet, pool, place + 1)
    return True


@inner
def position(fleet, pool, at_ns):
    """Where the first stands that is due after an instant: a place in the order of blocks, and one in the block."""
    if pool.n_blocks == 0:
        return np.int64(0), np.int64(0)
    place = block_of(fleet, pool, at_ns, np.int64(ABSENT))
    return place, entry_of(fleet.blocks[pool.order[place]], at_ns, np.int64(ABSENT))


@inner
def next_due(fleet, pool, after_ns):
    """The first due after an instant, or ABSENT."""
    place, i = position(fleet, pool, after_ns)
    if place < pool.n_blocks and i == fleet.blocks[pool.order[place]].n:
        place += 1
        i = np.int64(0)
    return fleet.blocks[pool.order[place]].dues[i].at_ns if place < pool.n_blocks else np.int64(ABSENT)


@inner
def last_due(fleet, pool, until_ns):
    """The last due until an instant, that included, or -1."""
    place, i = position(fleet, pool, until_ns)
    if i == 0:
        return np.int64(-1)  # only in the first block: any other begins with one that is due by then
    return fleet.blocks[pool.order[place]].dues[i - 1].at_ns
