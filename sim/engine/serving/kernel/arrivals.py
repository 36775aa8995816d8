"""Arrivals: how a request comes into the system and to the replica that it is given to."""

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.blocks import pending_of
from sim.engine.serving.kernel.lives import finish, give_up, reset
from sim.engine.serving.kernel.queues import append, push, touch, wait
from sim.engine.serving.kernel.routing import ROUND_ROBIN, SESSION, fetch_next, route
from sim.engine.serving.kernel.runs import shorten
from sim.engine.serving.kernel.shapes import blocks_of
from sim.engine.serving.kernel.slots import attempts_of, begin_more, take_slot
from sim.engine.serving.kernel.weights import weigh
from sim.engine.serving.records import DEADLINE, MANY, WAITING


@inner
def arrive(pool):
    """The next arrival is in the system."""
    i = pool.next_arrival
    pool.next_arrival += 1
    request = come_in(pool, i, take_slot(pool))
    if is_too_long(pool, pool.arrivals[i]):
        refuse(pool, request)
    else:
        attempt(pool, request)


@inner
def come_in(pool, i, slot):
    """An arrival has a slot from now on."""
    request, arrival = pool.requests[slot], pool.arrivals[i]
    request.slot = slot
    request.ordinal = pool.ordinal + i
    request.arrival_ns = pool.now
    request.prompt, request.output = arrival.prompt, arrival.output
    request.decode_ns = request.decode_nj = request.prefill_ns = request.prefill_nj = request.has_more = 0
    reset(request)
    if pool.knows_more:
        know_more(pool, i, request)
    pool.counts.arrived += 1
    return request


@inner
def know_more(pool, i, request):
    """What only some workloads know of an arrival."""
    begin_more(pool, request)
    more = pool.more[request.slot]
    more.stamp += 1  # events of the slot's last tenant are stale
    if pool.priorities > 1:
        more.priority = min(pool.classes[i], pool.priorities - 1)
    if pool.router == SESSION:
        more.session = pool.sessions[i]
    if pool.hash_blocks:
        more.first_hash = pool.first_hashes[i]
        more.hashes = min(pool.hash_counts[i], request.prompt // (pool.hash_blocks * pool.block_tokens))


@inner
def is_too_long(pool, arrival):
    """Whether no replica could ever serve it."""
    return blocks_of(pool, arrival.prompt + arrival.output + pool.draft_tokens) > pool.largest


@inner
def refuse(pool, request):
    """The request is done with: it is too long for any replica."""
    pool.counts.too_long += 1
    finish(pool, request, p.REJECTED)


@inner
def attempt(pool, request):
    """The request is sent to the router, with a deadline."""
    if pool.timeout_ns >= 0:
        push(pool, pool.now + pool.timeout_ns, DEADLINE, request.slot, pool.more[request.slot].stamp)
    dispatch(pool, request, p.PREFILL, 0)


@inner
def dispatch(pool, request, role, turn):
    """The request waits at a replica, or for one, or is rejected."""
    r = route(pool, request, role, 4 * attempts_of(pool, request) + turn)
    limit = pool.queue_limit
    if r < 0:
        if limit >= 0 and pool.n_backlog >= limit:
            give_up(pool, request, p.REJECTED)
            return
        request.where, request.replica = WAITING, -1
        pool.n_waiting += 1
        pool.n_backlog += 1
        append(pool, pool.backlog, request)
        return
    replica = pool.replicas[r]
    fetch(replica)
    if limit >= 0 and not request.ready and replica.n_waiting >= limit and (replica.busy or replica.n_waiting):
        give_up(pool, request, p.REJECTED)
        return
    replica.load.assigned += 1
    replica.load.pending += pending_of(request)
    weigh(pool, replica)
    give(pool, replica, request)
    if pool.n_leaves >= MANY and pool.router != ROUND_ROBIN:
        fetch_next(pool, pool.open[role], request, role, 4 + turn)


@inner
def give(pool, replica, request):
    """The request, which has been counted already, waits at a replica."""
    blocked = replica.n_waiting and pool.priorities == 1
    request.replica = replica.index
    wait(pool, replica, request, False)
    # Who cannot enter before the batch changes need not cut the run short.
    if not replica.busy:
        touch(pool, replica)
    elif not blocked and replica.n_running < pool.max_num_seqs and pool.prefill != p.STATIC:
        shorten(pool, replica)
