"""Replicas that are followed one after the other, each as far as time shall pass, while none knows of another.

Once nothing more arrives neither a router nor anything that is due brings them together. Nor do arrivals, where the
router does not look at replicas: whom each goes to is known before anything has happened to them. The whole pool event
by event has each of them, of many, come back to lines of memory that have left the processor's caches; alone, it works
in a few lines that stay, and its requests in the memory of the last one's. What is counted of all, how many wait and
run as time goes by and at how many instants anything happens, is put together from what each does.
"""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.arrivals import come_in, give, is_too_long, refuse
from sim.engine.serving.kernel.batches import begin_touched
from sim.engine.serving.kernel.ends import end
from sim.engine.serving.kernel.routing import route_blindly
from sim.engine.serving.kernel.weights import raise_ends, weigh_all
from sim.engine.serving.records import DONE, NEED_BUCKETS, NEED_ENDED, NEED_ROWS, NEED_SLOTS, NEVER, SLOT


@inner
def are_apart(pool, now, until):
    """Whether no replica will know of another from the next event, at ``now``, on; sets ``horizon_ns``, up to where.
    ``Pool.apart`` and ``Pool.blind`` say what of that follows from the settings."""
    if not pool.apart or pool.n_future:
        return False
    pool.horizon_ns = until
    if pool.next_arrival == pool.n_arrivals:
        return pool.closed == 1
    if not pool.blind or pool.n_touched or pool.open[p.PREFILL].n == 0:
        return False
    if not pool.closed:  # more may arrive at the last instant that is known of
        pool.horizon_ns = min(until, pool.arrivals[pool.n_arrivals - 1].at_ns - 1)
    return now <= pool.horizon_ns


@inner
def follow_all(pool):
    """Everything up to and including the horizon; returns as ``advance``, and goes on when it is called again."""
    if pool.followed < 0:
        pool.followed = 0
        pool.apart_ns = pool.latest_ns = pool.now
        pool.left_waiting = pool.left_running = 0
        hand_out(pool)
    while pool.followed < pool.n_replicas:
        reason = follow(pool, pool.replicas[pool.followed])
        if reason != DONE:
            return reason
        pool.latest_ns = max(pool.latest_ns, pool.now)
        pool.now = pool.apart_ns
        pool.followed += 1
    pool.followed = -1
    raise_ends(pool)
    weigh_all(pool)
    is_idle = pool.closed and pool.next_arrival == pool.n_arrivals and pool.n_free == pool.n_slots
    pool.now = pool.latest_ns if pool.idle_ends and is_idle else pool.horizon_ns
    span = pool.now - pool.apart_ns
    pool.counts.waiting_area_ns += pool.n_waiting * span - pool.left_waiting
    pool.counts.running_area_ns += pool.n_running * span - pool.left_running
    return DONE


@inner
def hand_out(pool):
    """Every arrival up to the horizon into the inbox of the replica that it goes to; who is too long for any, whom the
    router does not see, into that of the first."""
    i = pool.next_arrival
    while i < pool.n_arrivals and pool.arrivals[i].at_ns <= pool.horizon_ns:
        r = np.int64(0)
        if not is_too_long(pool, pool.arrivals[i]):
            r = route_blindly(pool, pool.open[p.PREFILL], pool.ordinal + i, 4)
        inbox = pool.inboxes[r]
        if inbox.head < 0:
            inbox.head = i
        else:
            pool.after[inbox.tail] = i
        inbox.tail = i
        pool.after[i] = -1
        i += 1
    pool.next_arrival = i


@inner
def follow(pool, replica):
    """The same of one replica. A request that begins or ends to wait, or to run, does so for the rest of the time: what
    it lacks of the whole is noted."""
    fetch(pool.replicas[min(replica.index + 1, pool.n_replicas - 1)])
    fetch_running(pool, replica)
    inbox = pool.inboxes[replica.index]
    while True:
        i = inbox.head
        arrival = pool.arrivals[i].at_ns if i >= 0 else NEVER
        now = min(replica.end_ns, arrival)
        waiting, running = pool.n_waiting, pool.n_running
        if pool.n_touched and now > pool.now:
            begin_touched(pool)
            note(pool, waiting, running)
            continue
        if now > pool.horizon_ns:
            break
        if pool.n_ended == pool.ended_room:
            return NEED_ENDED
        if pool.n_finished + pool.max_num_seqs + 8 > pool.finished_room:
            return NEED_ROWS
        if pool.n_entries > 2 * pool.n_buckets and pool.n_buckets < pool.most_buckets:
            return NEED_BUCKETS
        is_end = now == replica.end_ns
        if not is_end and pool.n_free == 0 and pool.n_slots == pool.slots_room:
            return NEED_SLOTS
        if now > pool.now:
            pool.now = now
            pool.ended[pool.n_ended] = now
            pool.n_ended += 1
        if is_end:
            end(pool, replica)
        else:
            inbox.head = pool.after[i]
            if inbox.head >= 0:
                fetch(pool.arrivals[inbox.head])
            request = come_in(pool, i)
            if is_too_long(pool, pool.arrivals[i]):
                refuse(pool, request)
            else:
                give(pool, replica, request)
        note(pool, waiting, running)
    return DONE


@inner
def note(pool, waiting, running):
    """So many waited and ran before this instant."""
    past = pool.now - pool.apart_ns
    pool.left_waiting += (pool.n_waiting - waiting) * past
    pool.left_running += (pool.n_running - running) * past


@inner
def fetch_running(pool, replica):
    """What is kept of those who decode is on its way, all at the same time."""
    for i in range(replica.n_finishes):
        fetch(pool.requests[replica.finishes[i] & SLOT])
    for i in range(replica.n_finishes):
        fetch(pool.seats[pool.requests[replica.finishes[i] & SLOT].seat])
