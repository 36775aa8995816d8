"""Which replica a request goes to: the compiled twins of the rules in ``sim.workload.routers``."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import fetch, inner
from sim.engine.serving.kernel.blocks import find, hits_at_most, hits_of
from sim.engine.serving.kernel.holders import first_holder_of
from sim.engine.serving.kernel.opening import first_from
from sim.engine.serving.kernel.runs import cut
from sim.engine.serving.kernel.sketches import draw, mix, unmix
from sim.engine.serving.kernel.slots import hashes_of
from sim.engine.serving.kernel.weights import close_leaf, lightest, set_weight, spread, weight_of
from sim.engine.serving.records import MANY
from sim.workload.routers import ROUTERS

ROUND_ROBIN = ROUTERS.index("round-robin")
RANDOM = ROUTERS.index("random")
FEWEST_TOKENS = ROUTERS.index("fewest-tokens")
POWER_OF_TWO = ROUTERS.index("power-of-two")
LEAST_KV = ROUTERS.index("least-kv")
SESSION = ROUTERS.index("session-affinity")
PREFIX = ROUTERS.index("prefix-affinity")


@inner
def route(pool, request, role, turn):
    """Index of the replica a request for ``role`` goes to, by its ``turn``-th choice, or -1 where none is up."""
    choices = pool.open[role]
    if choices.n == 0:
        return np.int64(-1)
    router = pool.router
    if router == ROUND_ROBIN:
        return in_turn_of_many(pool, choices)
    if router == FEWEST_TOKENS:
        return lightest(pool, role)
    if router == RANDOM:
        return at_random(pool, choices, request.ordinal, turn)
    if router == POWER_OF_TWO:
        return better_of_two(pool, choices, request.ordinal, turn)
    if router == LEAST_KV:
        return least_kv(pool, role)
    if role != p.DECODE and router == SESSION and pool.more[request.slot].session >= 0:
        return of_session(pool, choices, request)
    if role != p.DECODE and router == PREFIX and hashes_of(pool, request):
        best = most_cached(pool, request, role)
        if best >= 0:
            return best
    return lightest(pool, role)


@inner
def route_blindly(pool, choices, ordinal, turn):
    """The same by a router that does not look at replicas; one has to be up."""
    if pool.router == ROUND_ROBIN:
        return in_turn(choices)
    return at_random(pool, choices, ordinal, turn)


@inner
def at_random(pool, choices, ordinal, turn):
    """Any of them."""
    return choices.replicas[np.int64(draw(pool.seed, ordinal, turn) % np.uint64(choices.n))]


@inner
def in_turn(choices):
    """The one after the last chosen; after the last of them, the first."""
    at, n = choices.place, choices.n
    following = choices.following
    if at > n or (at < n and choices.replicas[at] < following) or (at and choices.replicas[at - 1] >= following):
        at = first_from(choices, following)
    if at == n:
        at = np.int64(0)
    choices.place = at + 1
    chosen = choices.replicas[at]
    choices.following = chosen + 1
    return chosen


@inner
def in_turn_of_many(pool, choices):
    """The same. Where they are many, those that follow are on their way to the processor's caches by when it is their
    turn."""
    chosen = in_turn(choices)
    at, n = choices.place, choices.n
    if n >= MANY:
        fetch(pool.replicas[choices.replicas[min(at + 1, n - 1)]])
        fetch_queues(pool, choices.replicas[min(at, n - 1)])
    return chosen


@inner
def fetch_queues(pool, index):
    """Where the first class waits at a replica is on its way; that replica itself is here."""
    fetch(pool.replicas[index].waiting[0])


@inner
def fetch_next(pool, choices, request, role, turn):
    """Whom the next to arrive will most likely be given to is on its way, where replicas are many."""
    router = pool.router
    if router == RANDOM:
        index = at_random(pool, choices, request.ordinal + 1, turn)
    elif router == POWER_OF_TWO:
        index = better_of_two(pool, choices, request.ordinal + 1, turn)
    elif pool.compared:
        index = lightest(pool, role)
    else:
        return
    fetch(pool.replicas[index])


@inner
def better_of_two(pool, choices, ordinal, turn):
    """Of two at random the one with fewer requests."""
    a, b = two_at_random(pool, choices, ordinal, turn)
    return a if pool.loads[a].assigned <= pool.loads[b].assigned else b


@inner
def two_at_random(pool, choices, ordinal, turn):
    """Any two of them, or the only one twice."""
    n = choices.n
    if n == 1:
        return choices.replicas[0], choices.replicas[0]
    a = np.int64(draw(pool.seed, ordinal, turn) % np.uint64(n))
    b = np.int64(draw(pool.seed, ordinal, turn + (1 << 32)) % np.uint64(n - 1))
    if b >= a:
        b += 1
    return choices.replicas[a], choices.replicas[b]


@inner
def least_kv(pool, role):
    """The one whose requests use and await the fewest KV blocks; of several, the first.

    Who seems least is brought up to the present: if it is what it seemed, no other can be less.
    """
    while True:
        replica = pool.replicas[lightest(pool, role)]
        seemed = pool.weights[2 * pool.n_leaves * replica.role + pool.n_leaves + replica.index]
        cut(pool, replica)
        weight = weight_of(pool, replica)
        if weight == seemed:
            return replica.index
        set_weight(pool, replica, weight)


@inner
def of_session(pool, choices, request):
    """The one whose hash with the session weighs most, so that few sessions move when a replica comes or goes."""
    here = mix(np.uint64(pool.more[request.slot].session) ^ np.uint64(pool.seed))
    most = np.uint64(0)
    for i in range(choices.n):
        most = max(most, mix(here ^ np.uint64(choices.replicas[i])))
    return np.int64(unmix(most) ^ here)  # no two weigh the same


@inner
def most_cached(pool, request, role):
    """The one that holds most of the prompt's prefix, of several the one with fewest requests, of these the first; -1
    where none holds any, or where loads differ too much."""
    if spread(pool, role) > pool.balance_requests:
        return np.int64(-1)
    depth, limit = np.int64(0), hits_at_most(pool, request)
    first = pool.more[request.slot].first_hash
    while depth < limit and first_holder_of(pool, pool.hashes[first + depth]) >= 0:
        depth += 1
    while depth > 0:
        best = best_holder(pool, request, role, depth)
        if best >= 0:
            return best
        depth -= 1  # who seemed to hold so much is closed, or has given up some of it by now
    return np.int64(-1)


@inner
def best_holder(pool, request, role, depth):
    """The one with fewest requests of those that hold the first ``depth`` hashed blocks of the prompt, or -1.

    Where few replicas have the last of them, these are looked at; else all, the one with fewest requests first.
    """
    entry_at = first_holder_of(pool, pool.hashes[pool.more[request.slot].first_hash + depth - 1])
    if entry_at < 0:
        return np.int64(-1)
    if 4 * pool.entries[entry_at].holders > pool.open[role].n:
        return first_holder(pool, request, role, depth)
    best, least = np.int64(-1), np.int64(0)
    while entry_at >= 0:
        entry = pool.entries[entry_at]
        following = entry.alike
        replica = pool.replicas[entry.replica]
        fits = (replica.role == role or replica.role == p.ANY) and replica.up and not replica.draining
        assigned = replica.load.assigned
        better = best < 0 or assigned < least or (assigned == least and replica.index < best)
        if fits and better and holds(pool, replica, request, depth):
            best, least = replica.index, assigned
        entry_at = following
    return best


@inner
def first_holder(pool, request, role, depth):
    """The same, found by setting aside those that have fewer requests and do not hold them."""
    n = np.int64(0)
    found = np.int64(-1)
    while found < 0 and n < pool.open[role].n:
        replica = pool.replicas[lightest(pool, role)]
        if holds(pool, replica, request, depth):
            found = replica.index
        else:
            pool.aside[n] = replica.index
            n += 1
            close_leaf(pool, replica)
    for i in range(n):
        replica = pool.replicas[pool.aside[i]]
        set_weight(pool, replica, weight_of(pool, replica))
    return found


@inner
def holds(pool, replica, request, depth):
    """Whether a replica holds the first ``depth`` hashed blocks of the prompt: now, when its decodes have taken what
    they took."""
    if find(pool, replica, pool.more[request.slot].first_hash + depth - 1) < 0:
        return False
    cut(pool, replica)
    return hits_of(pool, replica, request) >= depth
