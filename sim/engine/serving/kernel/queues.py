"""What is kept in order: requests in linked lists, events and ends of decodes in heaps, ends of plans in a tree."""

import numpy as np

from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.shapes import blocks_of
from sim.engine.serving.kernel.slots import class_of, output_of
from sim.engine.serving.kernel.weights import first_least, least_but, set_leaf, used_less
from sim.engine.serving.records import BY_KV, RUNNING, SLOT, SLOT_BITS, WAITING

# When the present plan of each replica ends


@inner
def set_end(pool, replica, end):
    """When the replica's present plan ends, in the tree of earliest ends, if anybody asks that."""
    replica.end_ns = end
    if pool.followed < 0:
        set_leaf(pool.ends, 0, pool.n_leaves, replica.index, end)


@inner
def first_to_end(pool):
    """Index of the replica whose plan ends first; of several, the first."""
    return first_least(pool.ends, 0, pool.n_leaves)


@inner
def second_to_end(pool, first):
    """Index of another, the plan of which ends first of all but that of ``first``."""
    return least_but(pool.ends, 0, pool.n_leaves, first)


@inner
def touch(pool, replica):
    """The replica may begin an iteration at this instant."""
    if not replica.touched:
        replica.touched = 1
        pool.touched[pool.n_touched] = replica.index
        pool.n_touched += 1


# Events: a heap by time, then by the order in which they were pushed


@inner
def push(pool, time_ns, kind, slot, stamp):
    """Something will happen to a request (or, with slot -1, to a user), unless its stamp has changed by then."""
    future = pool.future
    pushed = pool.pushed
    pool.pushed += 1
    i = pool.n_future
    pool.n_future += 1
    while i:
        up = (i - 1) >> 1
        above = future[up]
        if above.time_ns < time_ns or (above.time_ns == time_ns and above.pushed < pushed):
            break
        copy_event(above, future[i])
        i = up
    event = future[i]
    event.time_ns, event.pushed, event.kind, event.slot, event.stamp = time_ns, pushed, kind, slot, stamp


@inner
def copy_event(event, to):
    """Overwrites one event with another."""
    to.time_ns, to.pushed, to.kind, to.slot, to.stamp = (
        event.time_ns,
        event.pushed,
        event.kind,
        event.slot,
        event.stamp,
    )


@inner
def is_before(event, other):
    """Whether an event happens before another."""
    return event.time_ns < other.time_ns or (event.time_ns == other.time_ns and event.pushed < other.pushed)


@inner
def drop_first(pool):
    """Takes the earliest event off its heap."""
    future = pool.future
    n = pool.n_future - 1
    pool.n_future = n
    last = future[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        below = future[child]
        if child + 1 < n:
            other = future[child + 1]
            if is_before(other, below):
                child += 1
                below = other
        if is_before(last, below):
            break
        copy_event(below, future[i])
        i = child
    copy_event(last, future[i])


# The iterations at which sequences finish: a heap with entries that may be stale


@inner
def plan_finish(pool, replica, request, iteration):
    """The request will have decoded its output with so many iterations of its replica."""
    key = (iteration << SLOT_BITS) | request.slot
    if replica.n_finishes == pool.finishes_room:
        sweep_finishes(pool, replica)
    push_finish(replica, key)


@inner
def push_finish(replica, key):
    """Puts one more on."""
    replica.n_finishes += 1
    rise(replica.finishes, replica.n_finishes - 1, key)


@inner
def rise(finishes, i, key):
    """Puts a key at ``i``, or above it."""
    while i:
        up = (i - 1) >> 1
        above = finishes[up]
        if above <= key:
            break
        finishes[i] = above
        i = up
    finishes[i] = key


@inner
def pop_finish(replica):
    """Takes the earliest off: the lesser of two follows all the way down, without a branch that nobody can foresee; the
    last then goes up from there, hardly ever far."""
    finishes = replica.finishes
    n = replica.n_finishes - 1
    replica.n_finishes = n
    i, child = np.int64(0), np.int64(1)
    while child + 1 < n:
        child += np.int64(finishes[child + 1] < finishes[child])
        finishes[i] = finishes[child]
        i, child = child, 2 * child + 1
    if child < n:
        finishes[i] = finishes[child]
        i = child
    rise(finishes, i, finishes[n])


@inner
def is_stale(pool, replica, key):
    """Whether the request no longer decodes here, or will finish at another iteration."""
    request = pool.requests[key & SLOT]
    if not request.decodes or request.replica != replica.index:
        return True
    return request.joined_at + output_of(pool, request) - request.emitted != key >> SLOT_BITS


@inner
def sweep_finishes(pool, replica):
    """Drops the stale entries: the heap is built anew, in the place of those already looked at."""
    n = replica.n_finishes
    replica.n_finishes = 0
    for i in range(n):
        key = replica.finishes[i]
        if not is_stale(pool, replica, key):
            push_finish(replica, key)


# Linked lists of requests


@inner
def append(pool, queue, request):
    """The request is the last of the queue."""
    last = queue.tail
    request.prev, request.next = last, -1
    if last >= 0:
        pool.requests[last].next = request.slot
    else:
        queue.head = request.slot
    queue.tail = request.slot


@inner
def prepend(pool, queue, request):
    """The request is the first of the queue."""
    first = queue.head
    request.prev, request.next = -1, first
    if first >= 0:
        pool.requests[first].prev = request.slot
    else:
        queue.tail = request.slot
    queue.head = request.slot


@inner
def unlink(pool, queue, request):
    """The request leaves the queue."""
    before, after = request.prev, request.next
    if before >= 0:
        pool.requests[before].next = after
    else:
        queue.head = after
    if after >= 0:
        pool.requests[after].prev = before
    else:
        queue.tail = before


@inner
def wait(pool, replica, request, first):
    """The request waits at a replica, before or behind all others of its class."""
    queue = replica.waiting[class_of(pool, request)]
    if first:
        prepend(pool, queue, request)
    else:
        append(pool, queue, request)
    replica.n_waiting += 1
    pool.n_waiting += 1
    request.where = WAITING
    if pool.compared == BY_KV:
        replica.awaited += awaited_by(pool, request)


@inner
def awaited_by(pool, request):
    """KV blocks that a request which waits will take."""
    return blocks_of(pool, request.context if request.ready else request.target)


@inner
def stop_waiting(pool, replica, request):
    """The request leaves the queue of its replica."""
    unlink(pool, replica.waiting[class_of(pool, request)], request)
    replica.n_waiting -= 1
    pool.n_waiting -= 1
    if pool.compared == BY_KV:
        replica.awaited -= awaited_by(pool, request)
        used_less(pool, replica)


@inner
def head_of_queue(pool, replica):
    """Slot of the next to be admitted, or -1."""
    if not replica.n_waiting:
        return np.int64(-1)
    for c in range(pool.priorities):
        if replica.waiting[c].head >= 0:
            return replica.waiting[c].head
    return np.int64(-1)


@inner
def enter(pool, replica, request):
    """The request is admitted."""
    stop_waiting(pool, replica, request)
    append(pool, replica.running[class_of(pool, request)], request)
    replica.n_running += 1
    pool.n_running += 1
    request.where = RUNNING
    if request.scheduled_ns < 0:
        request.scheduled_ns = pool.now


@inner
def next_decoding(pool, replica, slot):
    """Slot of the next sequence that decodes, by class and order of admission, or -1; after -1 comes the first."""
    c = np.int64(-1)
    if slot >= 0:
        request = pool.requests[slot]
        c, slot = class_of(pool, request), request.next
    while True:
        while slot >= 0:
            request = pool.requests[slot]
            if request.ready:
                return slot
            slot = request.next
        c += 1
        if c == pool.priorities:
            return np.int64(-1)
        slot = replica.running[c].head


@inner
def stop_running(pool, replica, request):
    """The request leaves those admitted; the pool counts it as running until its KV cache is free."""
    unlink(pool, replica.running[class_of(pool, request)], request)
    replica.n_running -= 1
