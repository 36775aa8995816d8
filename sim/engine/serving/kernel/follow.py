"""One replica, followed by itself: through the requests in its inbox and its own iterations."""

from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.arrivals import come_in, give, is_too_long, refuse
from sim.engine.serving.kernel.batches import begin_touched
from sim.engine.serving.kernel.ends import end
from sim.engine.serving.kernel.queues import touch
from sim.engine.serving.kernel.slots import lacks_slots, take_own_slot
from sim.engine.serving.records import DONE, NEED_BUCKETS, NEED_ENDED, NEED_ROWS, NEED_SLOTS, NEVER


@inner
def follow(pool, replica, until, is_last):
    """Everything up to and including an instant; an iteration begins then if that ``is_last``, or nobody else will come
    in it. Returns as ``advance``, and goes on when it is called again.

    A request that begins or ends to wait, or to run, does so for the rest of the time: what it lacks of the whole is
    noted.
    """
    pool.now = replica.now_ns
    if not replica.busy and replica.n_waiting + replica.n_running:
        touch(pool, replica)
    inbox = pool.inboxes[replica.index]
    reason = DONE
    while True:
        i = inbox.head
        arrival = pool.arrivals[i].at_ns if i >= 0 else NEVER
        now = min(replica.end_ns, arrival)
        waiting, running = pool.n_waiting, pool.n_running
        if pool.n_touched and now > pool.now and (is_last or pool.now < until):
            begin_touched(pool)
            note(pool, waiting, running)
            continue
        if now > until:
            break
        reason = lacks(pool, now == replica.end_ns)
        if reason != DONE:
            break
        if now > pool.now:
            pool.now = now
            if now > pool.since_ns:
                pool.ended[pool.n_ended] = now
                pool.n_ended += 1
        if now == replica.end_ns:
            end(pool, replica)
        else:
            inbox.head = pool.after[i]
            if inbox.head >= 0:
                fetch(pool.arrivals[inbox.head])
            request = come_in(pool, i, take_own_slot(pool, replica))
            if is_too_long(pool, pool.arrivals[i]):
                refuse(pool, request)
            else:
                give(pool, replica, request)
        note(pool, waiting, running)
    pool.n_touched = replica.touched = 0
    replica.now_ns = pool.now
    pool.latest_ns = max(pool.latest_ns, pool.now)
    return reason


@inner
def lacks(pool, is_end):
    """What ``fast`` must see to before anything happens, or ``DONE``."""
    if pool.n_ended == pool.ended_room:
        return NEED_ENDED
    if pool.n_finished + pool.max_num_seqs + 8 > pool.finished_room:
        return NEED_ROWS
    if pool.n_entries > 2 * pool.n_buckets and pool.n_buckets < pool.most_buckets:
        return NEED_BUCKETS
    if not is_end and lacks_slots(pool):
        return NEED_SLOTS
    return DONE


@inner
def note(pool, waiting, running):
    """So many waited and ran before this instant."""
    past = pool.now - pool.apart_ns
    pool.left_waiting += (pool.n_waiting - waiting) * past
    pool.left_running += (pool.n_running - running) * past
