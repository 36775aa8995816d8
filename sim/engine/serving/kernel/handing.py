"""Which replica each arrival goes to, ahead of what happens to them.

A router that looks at replicas needs to know who has changed since. A replica is followed up to an arrival only where
what the router compares of it may be another by then than it was when it was last followed, but for what it has been
given: the leaves of ``Pool.ends`` say from when on, while this lasts.

- How many requests it has: none is done with before as many iterations are over as it lacks tokens, and no iteration
  takes less than ``Pool.least_ns`` (``expected``).
- Their tokens and KV blocks change when an iteration ends and the next begins. An arrival does nothing to the one that
  is under way; a run of many (``Load.in_run``) ends with the one in which somebody arrives, so that such a replica is
  followed once it has been given a request. Its KV blocks only grow meanwhile: if it seems to have least, it is brought
  up to the present and compared again.
"""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.ahead import fetch_due
from sim.engine.serving.kernel.arrivals import is_too_long
from sim.engine.serving.kernel.follow import follow
from sim.engine.serving.kernel.queues import first_to_end, second_to_end
from sim.engine.serving.kernel.routing import POWER_OF_TWO, route_blindly, two_at_random
from sim.engine.serving.kernel.runs import cut
from sim.engine.serving.kernel.shapes import blocks_of
from sim.engine.serving.kernel.weights import lightest, raise_nodes, set_leaf, weight_of
from sim.engine.serving.records import BLIND, BY_KV, BY_TOKENS, DONE, MANY, NEVER, SLOT_BITS

FEW = 8
"""Requests that wait, each of which is looked at."""


@inner
def expect_all(pool):
    """From when on each replica may have changed, of those that there are."""
    if pool.early != BLIND:
        for i in range(pool.n_replicas):
            replica = pool.replicas[i]
            pool.ends[pool.n_leaves + i] = changes(pool, replica, pool.now)
            see(pool, replica)
        raise_nodes(pool)


@inner
def hand_out(pool):
    """Every arrival up to the horizon into the inbox of the replica that it goes to; who is too long for any, whom the
    router does not see, into that of the first. Returns as ``advance``, and goes on when it is called again."""
    while pool.next_arrival < pool.n_arrivals:
        i = pool.next_arrival
        arrival = pool.arrivals[i]
        if arrival.at_ns > pool.horizon_ns:
            break
        r = np.int64(0)
        if not is_too_long(pool, arrival):
            reason = look(pool, i, arrival.at_ns)
            if reason != DONE:
                return reason
            r = chosen(pool, i)
            count(pool, r, arrival)
        inbox = pool.inboxes[r]
        if inbox.head < 0:
            inbox.head = i
        else:
            pool.after[inbox.tail] = i
        inbox.tail = i
        pool.after[i] = -1
        pool.next_arrival += 1
    return DONE


@inner
def look(pool, i, now):
    """Brings those up to the present that may have changed, as far as the router looks at them."""
    if pool.early == BLIND:
        return DONE
    if pool.router == POWER_OF_TWO:
        a, b = two_at_random(pool, pool.open[p.PREFILL], pool.ordinal + i + 1, 4)
        fetch_if_due(pool, a, now)
        fetch_if_due(pool, b, now)
        a, b = two_at_random(pool, pool.open[p.PREFILL], pool.ordinal + i, 4)
        reason = bring(pool, a, now)
        return reason if reason != DONE else bring(pool, b, now)
    while pool.ends[1] <= now:
        r = first_to_end(pool)
        if pool.n_leaves >= MANY:
            fetch(pool.replicas[second_to_end(pool, r)])
        reason = bring(pool, r, now)
        if reason != DONE:
            return reason
        fetch_due(pool)
    if pool.compared == BY_KV:
        while True:
            r = lightest(pool, p.PREFILL)
            if not pool.loads[r].in_run:
                break
            replica = pool.replicas[r]
            pool.now = replica.now_ns = now
            cut(pool, replica)
            pool.n_touched = replica.touched = 0  # as it stands still, it is followed from here
            settled(pool, replica, now)
    return DONE


@inner
def bring(pool, r, now):
    """Brings a replica up to the present, if it may have changed by then."""
    if pool.ends[pool.n_leaves + r] > now:
        return DONE
    replica = pool.replicas[r]
    reason = follow(pool, replica, now, 0)
    if reason == DONE:
        settled(pool, replica, now)
    return reason


@inner
def fetch_if_due(pool, r, now):
    """A replica that will be looked at is on its way, if it will have to be followed for that."""
    if pool.ends[pool.n_leaves + r] <= now:
        fetch(pool.replicas[r])


@inner
def settled(pool, replica, now):
    """A replica has been brought up to the present."""
    set_leaf(pool.ends, 0, pool.n_leaves, replica.index, changes(pool, replica, now))
    see(pool, replica)


@inner
def see(pool, replica):
    """What the router sees of a replica is as it is at present."""
    replica.load.in_run = np.int64(replica.run > 1 and (pool.compared == BY_KV or not replica.closing))
    if pool.compared and replica.up and not replica.draining:
        set_leaf(pool.weights, 2 * pool.n_leaves * p.ANY, pool.n_leaves, replica.index, weight_of(pool, replica))


@inner
def chosen(pool, i):
    """Index of the replica that an arrival goes to."""
    choices, ordinal = pool.open[p.PREFILL], pool.ordinal + i
    if pool.early == BLIND:
        return route_blindly(pool, choices, ordinal, 4)
    if pool.router == POWER_OF_TWO:
        a, b = two_at_random(pool, choices, ordinal, 4)
        return a if pool.loads[a].assigned <= pool.loads[b].assigned else b
    return lightest(pool, p.PREFILL)


@inner
def count(pool, r, arrival):
    """A replica has a request more."""
    load, leaves = pool.loads[r], pool.n_leaves
    load.assigned += 1
    load.pending += arrival.prompt
    if pool.early == BLIND:
        return
    until = arrival.at_ns + arrival.output * pool.least_ns
    if pool.compared >= BY_TOKENS:
        until = arrival.at_ns if load.in_run or load.assigned == 1 else NEVER
    if pool.compared:
        more = np.int64(1)
        if pool.compared == BY_TOKENS:
            more = arrival.prompt
        elif pool.compared == BY_KV:
            more = blocks_of(pool, arrival.prompt)
        first = 2 * leaves * p.ANY
        set_leaf(pool.weights, first, leaves, r, pool.weights[first + leaves + r] + more)
    if until < pool.ends[leaves + r]:
        set_leaf(pool.ends, 0, leaves, r, until)


@inner
def changes(pool, replica, now):
    """Up to when what is compared of a replica, which has been followed to the present, is what it is."""
    if pool.compared < BY_TOKENS:
        return expected(pool, replica, now)
    if replica.busy:
        return replica.end_ns
    return now + 1 if replica.n_waiting + replica.n_running else np.int64(NEVER)


@inner
def expected(pool, replica, now):
    """Up to when a replica will not have lost a request."""
    if not replica.n_waiting + replica.n_running:
        return np.int64(NEVER)
    least = pool.least_ns
    over, done = now, np.int64(0)
    if replica.busy:
        over, done = replica.end_ns, max(replica.run, 1)
        if replica.run > 1 and not replica.closing:
            over, done = replica.start_ns, np.int64(0)
    found = np.int64(NEVER)
    if replica.n_finishes:
        found = over + max((replica.finishes[0] >> SLOT_BITS) - replica.iteration - done, 0) * least
    slot = replica.first_chunk
    for _ in range(replica.n_chunks):
        request = pool.requests[slot]
        found = min(found, over + (request.output - request.emitted - 1) * least)
        slot = request.next_chunk
    if replica.n_waiting > FEW or replica.begun >= 0:
        found = min(found, over + least)
    elif replica.n_waiting:
        for c in range(pool.priorities):
            slot = replica.waiting[c].head
            while slot >= 0:
                request = pool.requests[slot]
                found = min(found, over + (request.output - request.emitted) * least)
                slot = request.next
    return max(found, now + 1)
