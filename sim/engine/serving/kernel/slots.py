"""Slots of requests: which one a request gets, and what is known of it by its workload."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.records import LOOKING, SLOTS_AT_ONCE


@inner
def lacks_slots(pool):
    """Whether there may be no slot for one more."""
    return pool.free_slot < 0 and pool.n_slots + SLOTS_AT_ONCE > pool.slots_room


@inner
def take_slot(pool):
    """A slot for one more: that which was given back last is the warmest."""
    slot = pool.free_slot
    if slot >= 0:
        pool.free_slot = pool.requests[slot].next
        pool.n_free -= 1
    else:
        slot = pool.n_slots
        pool.n_slots += 1
    return slot


@inner
def take_own_slot(pool, replica):
    """The same, of those of a replica: where it is followed again and again, as far as the router looks at it, what it
    has lies together, and whoever comes takes the lines of one that has just left it."""
    slot = replica.free_slot
    if slot >= 0:
        replica.free_slot = pool.requests[slot].next
    elif pool.free_slot >= 0 or pool.early != LOOKING:
        return take_slot(pool)
    else:
        if replica.next_slot == replica.end_slot:
            replica.next_slot = pool.n_slots
            pool.n_slots += SLOTS_AT_ONCE
            pool.n_free += SLOTS_AT_ONCE
            replica.end_slot = pool.n_slots
        slot = np.int64(replica.next_slot)
        replica.next_slot += 1
    pool.n_free -= 1
    return slot


@inner
def give_back_slot(pool, request):
    """The request is no more."""
    request.arrival_ns = -1
    if pool.early == LOOKING and pool.followed >= 0 and request.replica >= 0:
        replica = pool.replicas[request.replica]
        request.next, replica.free_slot = replica.free_slot, request.slot
    else:
        request.next, pool.free_slot = pool.free_slot, request.slot
    pool.n_free += 1


@inner
def begin_more(pool, request):
    """There is a row of what is kept of a few for this one, too."""
    if not request.has_more:
        request.has_more = 1
        more = pool.more[request.slot]
        more.session = -1
        more.decode_ns = more.decode_nj = more.own_nj = 0
        more.hashes = more.priority = more.padded_prompt = more.cached = more.preemptions = more.turns = 0
        more.attempts = 1
        clear_more(more)


@inner
def clear_more(more):
    """As nothing had been done for its request yet, in this attempt."""
    more.held = more.padded_output = more.steps = 0
    more.kv_grows = more.abandoned = more.swapped = 0


@inner
def class_of(pool, request):
    """Its class; 0 goes first."""
    if pool.priorities == 1:
        return np.int64(0)
    return np.int64(pool.more[request.slot].priority)


@inner
def attempts_of(pool, request):
    """How often it has been sent to the router by its client."""
    return np.int64(pool.more[request.slot].attempts) if request.has_more else np.int64(1)


@inner
def hashes_of(pool, request):
    """How many hashed blocks its prompt has."""
    return np.int64(pool.more[request.slot].hashes) if pool.hash_blocks else np.int64(0)


@inner
def output_of(pool, request):
    """Tokens after which it leaves its batch; a closed one pads."""
    if pool.prefill == p.STATIC:
        return np.int64(pool.more[request.slot].padded_output)
    return np.int64(request.output)
