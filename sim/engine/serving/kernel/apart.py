"""Replicas that are followed one after the other, each as far as time shall pass, once nothing more arrives.

From then on none knows of another: neither a router nor anything that is due brings them together. The whole pool event
by event has each of them, of many, come back to lines of memory that have left the processor's caches; alone, it works
in a few lines that stay. What is counted of all, how many wait and run as time goes by and at how many instants
anything happens, is put together from what each does.
"""

from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.batches import begin_touched
from sim.engine.serving.kernel.ends import end
from sim.engine.serving.records import DONE, NEED_BUCKETS, NEED_ENDED, NEED_ROWS, SLOT


@inner
def are_apart(pool):
    """Whether no replica will know of another any more; ``Pool.apart`` says what of that follows from the settings."""
    return pool.apart and pool.closed and pool.next_arrival == pool.n_arrivals and pool.n_future == 0


@inner
def follow_all(pool, until):
    """Everything up to and including ``until``; returns as ``advance``, and goes on when it is called again."""
    if pool.followed < 0:
        pool.followed = 0
        pool.apart_ns = pool.latest_ns = pool.now
        pool.left_waiting = pool.left_running = 0
    while pool.followed < pool.n_replicas:
        reason = follow(pool, pool.replicas[pool.followed], until)
        if reason != DONE:
            return reason
        pool.latest_ns = max(pool.latest_ns, pool.now)
        pool.now = pool.apart_ns
        pool.followed += 1
    pool.followed = -1
    pool.now = pool.latest_ns if pool.idle_ends and pool.n_free == pool.n_slots else until
    span = pool.now - pool.apart_ns
    pool.counts.waiting_area_ns += pool.n_waiting * span - pool.left_waiting
    pool.counts.running_area_ns += pool.n_running * span - pool.left_running
    return DONE


@inner
def follow(pool, replica, until):
    """The same of one replica. A request that begins or ends to wait, or to run, does so for the rest of the time: what
    it lacks of the whole is noted."""
    fetch(pool.replicas[min(replica.index + 1, pool.n_replicas - 1)])
    fetch_running(pool, replica)
    while replica.end_ns <= until:
        if pool.n_ended == pool.ended_room:
            return NEED_ENDED
        if pool.n_finished + pool.max_num_seqs + 8 > pool.finished_room:
            return NEED_ROWS
        if pool.n_entries > 2 * pool.n_buckets and pool.n_buckets < pool.most_buckets:
            return NEED_BUCKETS
        if replica.end_ns > pool.now:
            pool.now = replica.end_ns
            pool.ended[pool.n_ended] = pool.now
            pool.n_ended += 1
        waiting, running = pool.n_waiting, pool.n_running
        end(pool, replica)
        begin_touched(pool)
        past = pool.now - pool.apart_ns
        pool.left_waiting += (pool.n_waiting - waiting) * past
        pool.left_running += (pool.n_running - running) * past
    return DONE


@inner
def fetch_running(pool, replica):
    """What is kept of those who decode is on its way, all at the same time."""
    for i in range(replica.n_finishes):
        fetch(pool.requests[replica.finishes[i] & SLOT])
    for i in range(replica.n_finishes):
        fetch(pool.seats[pool.requests[replica.finishes[i] & SLOT].seat])
