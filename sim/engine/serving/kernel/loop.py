"""Arrivals and events, one after the other, and the one way into the compiled kernel."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import at, entry, inner
from sim.engine.serving.kernel.ahead import look_ahead
from sim.engine.serving.kernel.apart import are_apart, follow_all
from sim.engine.serving.kernel.arrivals import arrive, attempt, dispatch
from sim.engine.serving.kernel.batches import begin_touched
from sim.engine.serving.kernel.blocks import give_back_blocks, pending_of, rehash
from sim.engine.serving.kernel.ends import end
from sim.engine.serving.kernel.lives import give_up, lose
from sim.engine.serving.kernel.losing import kill
from sim.engine.serving.kernel.opening import open_or_close
from sim.engine.serving.kernel.queues import drop_first, first_to_end, push, stop_waiting, touch, unlink
from sim.engine.serving.kernel.runs import settle, shorten
from sim.engine.serving.kernel.slots import lacks_slots
from sim.engine.serving.kernel.weights import weigh
from sim.engine.serving.records import (
    ADVANCE,
    AWAY,
    DONE,
    HANDED_OVER,
    KILL,
    MANY,
    MOVING,
    NEED_ARRIVALS,
    NEED_BUCKETS,
    NEED_FUTURE,
    NEED_ROWS,
    NEED_SLOTS,
    NEVER,
    OPEN_OR_CLOSE,
    PAUSED,
    REHASH,
    RESUME,
    RETRY,
    RUNNING,
    SEND_AGAIN,
    SETTLE_ALL,
    START,
    START_ALL,
    UP,
    USER,
    WAITING,
    Pool,
)

pool_at = at(Pool)

# Events


@inner
def handed_over(pool, request):
    """The KV cache of a computed prompt has come to those that decode."""
    source = pool.replicas[request.replica]
    give_back_blocks(pool, source, request)
    touch(pool, source)
    energy = pool.transfer_nj + request.context * pool.transfer_nj_per_token
    energy += min(request.context, pool.window) * pool.transfer_nj_per_window_token
    source.link_nj += energy
    request.prefill_nj += energy
    pool.counts.transferred_tokens += request.context
    pool.n_running -= 1
    request.where = AWAY
    if pool.more[request.slot].abandoned:
        give_up(pool, request, p.TIMED_OUT)
    elif pool.open[p.DECODE].n == 0:
        lose(pool, request)
        attempt(pool, request)
    else:
        dispatch(pool, request, p.DECODE, 1)


@inner
def deadline(pool, request):
    """The request's user gives up."""
    where, r = request.where, request.replica
    if where == WAITING:
        if r < 0:
            pool.n_waiting -= 1
            pool.n_backlog -= 1
            unlink(pool, pool.backlog, request)
        else:
            replica = pool.replicas[r]
            stop_waiting(pool, replica, request)
            replica.load.pending -= pending_of(request)
            replica.load.assigned -= 1
            weigh(pool, replica)
            shorten(pool, replica)  # another head of the queue may fit
            if not replica.busy:
                touch(pool, replica)
        give_up(pool, request, p.TIMED_OUT)
    elif where == RUNNING:
        replica = pool.replicas[r]
        pool.more[request.slot].abandoned = 1
        replica.abandoned += 1
        shorten(pool, replica)
    elif where == MOVING:
        pool.more[request.slot].abandoned = 1


# The loop


@inner
def pass_to(pool, now):
    """Time goes by."""
    dt = now - pool.now
    if dt > 0:
        pool.counts.waiting_area_ns += pool.n_waiting * dt
        pool.counts.running_area_ns += pool.n_running * dt
        pool.now = now


@inner
def move_to(pool, now):
    """Something happens by itself."""
    if now > pool.now:
        pool.instants += 1
        pass_to(pool, now)


@inner
def advance(pool, until):
    """Everything up to and including ``until``; returns DONE, or what the caller must see to before it calls again."""
    if not pool.began:
        pool.began = 1
        for _ in range(pool.concurrency):
            push(pool, pool.now, USER, -1, 0)
    open_arrivals = pool.concurrency == 0
    if pool.followed >= 0:
        reason = follow_all(pool)
        if reason != DONE or pool.horizon_ns == until:
            return reason
    while True:
        ends = pool.ends[1]
        due = pool.future[0].time_ns if pool.n_future else NEVER
        arrival = NEVER
        if open_arrivals:
            if pool.next_arrival < pool.n_arrivals:
                arrival = pool.arrivals[pool.next_arrival].at_ns
            elif not pool.closed:
                return NEED_ARRIVALS
        now = min(min(ends, due), arrival)
        if pool.n_touched and now > pool.now:
            if pool.n_leaves >= MANY:
                look_ahead(pool)
            begin_touched(pool)
            continue
        if pool.idle_ends and pool.n_free == pool.n_slots:  # what may still be due is due to nobody
            nothing_known = pool.next_arrival == pool.n_arrivals
            if nothing_known and not pool.closed:
                return NEED_ARRIVALS
            if nothing_known or now == NEVER:
                return DONE
        if now > until:
            break
        if are_apart(pool, now, until):
            reason = follow_all(pool)
            if reason != DONE or pool.horizon_ns == until:
                return reason
            continue
        if pool.n_future + pool.max_num_seqs + 8 > pool.future_room:
            return NEED_FUTURE
        if pool.n_finished + pool.max_num_seqs + 8 > pool.finished_room:
            return NEED_ROWS
        if pool.n_entries > 2 * pool.n_buckets and pool.n_buckets < pool.most_buckets:
            return NEED_BUCKETS
        if now == ends:
            move_to(pool, now)
            end(pool, pool.replicas[first_to_end(pool)])
        elif now == due:
            event = pool.future[0]
            kind, slot, stamp = event.kind, event.slot, event.stamp
            if kind == USER:
                if pool.next_arrival >= pool.n_arrivals and not pool.closed:
                    return NEED_ARRIVALS
                if lacks_slots(pool):
                    return NEED_SLOTS
            move_to(pool, now)
            drop_first(pool)
            if kind == USER:
                if pool.next_arrival < pool.n_arrivals:
                    arrive(pool)
            else:
                happen(pool, kind, pool.requests[slot], stamp)
        else:
            if lacks_slots(pool):
                return NEED_SLOTS
            move_to(pool, now)
            arrive(pool)
    pass_to(pool, until)
    return DONE


@inner
def happen(pool, kind, request, stamp):
    """What was due to a request, if it still is."""
    if pool.more[request.slot].stamp == stamp:
        if kind == RETRY:
            attempt(pool, request)
        elif kind == HANDED_OVER:
            handed_over(pool, request)
        else:
            deadline(pool, request)


@inner
def start(pool, replica):
    """The replica is up; what waited for one is handed out."""
    stood = replica.up == PAUSED
    replica.up, replica.draining = UP, 0
    open_or_close(pool, replica)
    hand_out_backlog(pool)
    if stood:
        resume(pool, replica)


@inner
def resume(pool, replica):
    """The replica, which stood still, may go on."""
    settle(pool, replica)
    replica.stood = 1
    touch(pool, replica)
    begin_touched(pool)


@inner
def hand_out_backlog(pool):
    """Dispatches what waited for a replica to come up, then begins iterations."""
    slot = pool.backlog.head
    pool.backlog.head = pool.backlog.tail = -1
    pool.n_waiting -= pool.n_backlog
    pool.n_backlog = 0
    while slot >= 0:
        request = pool.requests[slot]
        slot = request.next
        request.where = AWAY
        dispatch(pool, request, p.PREFILL, 0)
    begin_touched(pool)


@inner
def send_again(pool, count):
    """The requests that ``kill`` found lost, back to the router."""
    for i in range(count):
        attempt(pool, pool.requests[pool.sent[i]])
    begin_touched(pool)


@entry
def call(address, command, argument):
    """The one way in, by the address of the pool: every entry more would be compiled with all it calls."""
    pool = pool_at(address)
    if command == ADVANCE:
        return advance(pool, argument)
    if command == SEND_AGAIN:
        send_again(pool, argument)
    elif command == REHASH:
        rehash(pool)
    elif command == SETTLE_ALL:
        for i in range(argument):
            settle(pool, pool.replicas[i])
        begin_touched(pool)
    elif command == START_ALL:
        for i in range(argument):
            start(pool, pool.replicas[i])
    else:
        replica = pool.replicas[argument]
        if command == KILL:
            return kill(pool, replica)
        if command == OPEN_OR_CLOSE:
            open_or_close(pool, replica)
            return np.int64(DONE)
        if command == START:
            start(pool, replica)
            return np.int64(DONE)
        if command == RESUME:
            resume(pool, replica)
            return np.int64(DONE)
        settle(pool, replica)
        begin_touched(pool)
    return np.int64(DONE)
