"""Replicas that are followed one after the other, each as far as time shall pass, while none knows of another.

Once nothing more arrives neither a router nor anything that is due brings them together. Nor do arrivals, where the
router does not look at replicas: whom each goes to is known before anything has happened to them. Where it looks at
their requests, tokens or KV blocks, only those need to be brought up to an arrival that may have changed by then
(``handing``).
The whole pool event by event has each of them, of many, come back to lines of memory that have left the processor's
caches; alone, it works in a few lines that stay, and its requests in the memory of the last one's, or in that of those
that have just left it (``slots``). What is counted of
all, how many wait and run as time goes by and at how many instants anything happens, is put together from what each
does.
"""

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.ahead import fetch_running
from sim.engine.serving.kernel.follow import follow
from sim.engine.serving.kernel.handing import expect_all, hand_out
from sim.engine.serving.kernel.weights import raise_ends, weigh_all
from sim.engine.serving.records import DONE


@inner
def are_apart(pool, now, until):
    """Whether no replica will know of another from the next event, at ``now``, on; sets ``horizon_ns``, up to where.
    ``Pool.apart`` and ``Pool.early`` say what of that follows from the settings."""
    if not pool.apart or pool.n_future:
        return False
    pool.horizon_ns = until
    if pool.next_arrival == pool.n_arrivals:
        return pool.closed == 1
    if not pool.early or pool.n_touched or pool.open[p.PREFILL].n == 0:
        return False
    if not pool.closed:  # more may arrive at the last instant that is known of
        pool.horizon_ns = min(until, pool.arrivals[pool.n_arrivals - 1].at_ns - 1)
    return now <= pool.horizon_ns


@inner
def follow_all(pool):
    """Everything up to and including the horizon; returns as ``advance``, and goes on when it is called again."""
    if pool.followed < 0:
        pool.followed = pool.handed = 0
        pool.apart_ns = pool.latest_ns = pool.now
        pool.left_waiting = pool.left_running = 0
        for i in range(pool.n_replicas):
            pool.replicas[i].now_ns = pool.now
        if pool.next_arrival < pool.n_arrivals:
            expect_all(pool)
    if not pool.handed:
        reason = hand_out(pool)
        if reason != DONE:
            return reason
        pool.handed = 1
    while pool.followed < pool.n_replicas:
        replica = pool.replicas[pool.followed]
        following = pool.replicas[min(replica.index + 1, pool.n_replicas - 1)]
        fetch(pool.replicas[min(replica.index + 2, pool.n_replicas - 1)])
        fetch(pool.arrivals[max(pool.inboxes[following.index].head, 0)])
        fetch_running(pool, following)
        reason = follow(pool, replica, pool.horizon_ns, 1)
        if reason != DONE:
            return reason
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
