"""What routers compare of the replicas that may be given requests, in trees of the least: by role of the replica.

A tree has its root at 1 of its rows and the children of i at 2 i and 2 i + 1; the leaves are replicas by index, and
what may be given nothing weighs ``NEVER``. Where KV blocks are compared, a leaf may lag behind decodes, which only take
blocks as time goes by: it is never too high, and who seems least is looked at before it is chosen.
"""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.records import BY_KV, BY_TOKENS, NEVER


@inner
def set_leaf(rows, first, leaves, leaf, value):
    """A leaf of the tree whose rows begin at ``first`` has another value."""
    node = leaves + leaf
    rows[first + node] = value
    least = value
    while node > 1:
        least = min(least, rows[first + (node ^ 1)])
        node >>= 1
        if rows[first + node] == least:
            break
        rows[first + node] = least


@inner
def first_least(rows, first, leaves):
    """The leaf of least value; of several, the first."""
    least = rows[first + 1]
    node = np.int64(1)
    while node < leaves:
        node *= 2
        if rows[first + node] != least:
            node += 1
    return node - leaves


@inner
def least_but(rows, first, leaves, leaf):
    """The leaf of least value but for one, in a tree of two leaves and more."""
    node = leaves + leaf
    found = node ^ 1
    node >>= 1
    while node > 1:
        if rows[first + (node ^ 1)] < rows[first + found]:
            found = node ^ 1
        node >>= 1
    least = rows[first + found]
    while found < leaves:
        found *= 2
        found += np.int64(rows[first + found] != least)
    return found - leaves


@inner
def weight_of(pool, replica):
    """What routers compare of a replica."""
    if pool.compared == BY_TOKENS:
        return replica.load.pending
    if pool.compared == BY_KV:
        return replica.used + replica.awaited
    return replica.load.assigned


@inner
def set_weight(pool, replica, weight):
    """What is compared of a replica is this from now on."""
    set_leaf(pool.weights, 2 * pool.n_leaves * replica.role, pool.n_leaves, replica.index, weight)
    if pool.balances:
        heavy = NEVER if weight == NEVER else -weight
        set_leaf(pool.heaviest, 2 * pool.n_leaves * replica.role, pool.n_leaves, replica.index, heavy)


@inner
def close_leaf(pool, replica):
    """The replica may be given nothing, as far as the trees are concerned."""
    set_weight(pool, replica, np.int64(NEVER))


@inner
def weigh(pool, replica):
    """Requests or tokens of a replica have changed."""
    if pool.compared and pool.compared != BY_KV:
        weigh_now(pool, replica)


@inner
def weigh_now(pool, replica):
    """What is compared of a replica has changed."""
    if replica.up and not replica.draining and pool.followed < 0:
        set_weight(pool, replica, weight_of(pool, replica))


@inner
def weigh_tokens(pool, replica):
    """Tokens of a replica have changed, and no requests."""
    if pool.compared == BY_TOKENS:
        weigh(pool, replica)


@inner
def used_less(pool, replica):
    """A replica's requests use or await fewer KV blocks."""
    if pool.compared == BY_KV and replica.up and not replica.draining and pool.followed < 0:
        weight = weight_of(pool, replica)
        if weight < pool.weights[2 * pool.n_leaves * replica.role + pool.n_leaves + replica.index]:
            set_weight(pool, replica, weight)


@inner
def weigh_blocks(pool, replica):
    """A replica's requests use and await other KV blocks, more or fewer."""
    if pool.compared == BY_KV:
        weigh_now(pool, replica)


@inner
def weigh_all(pool):
    """The weights of all, who were followed one after the other, in which time nobody compares them."""
    if pool.compared:
        for i in range(pool.n_replicas):
            replica = pool.replicas[i]
            if replica.up and not replica.draining:
                set_weight(pool, replica, weight_of(pool, replica))


@inner
def raise_ends(pool):
    """The tree of earliest ends from those of all replicas, for the same reason."""
    for i in range(pool.n_replicas):
        pool.ends[pool.n_leaves + i] = pool.replicas[i].end_ns
    raise_nodes(pool)


@inner
def raise_nodes(pool):
    """The nodes of that tree from its leaves."""
    for node in range(pool.n_leaves - 1, 0, -1):
        pool.ends[node] = min(pool.ends[2 * node], pool.ends[2 * node + 1])


@inner
def lightest(pool, role):
    """Index of the replica of least weight among those that serve a role; of several, the first; one has to be open."""
    leaves = pool.n_leaves
    own, of_all = pool.weights[2 * leaves * role + 1], pool.weights[2 * leaves * p.ANY + 1]
    if own > of_all:
        return first_least(pool.weights, 2 * leaves * p.ANY, leaves)
    found = first_least(pool.weights, 2 * leaves * role, leaves)
    if own < of_all:
        return found
    return min(found, first_least(pool.weights, 2 * leaves * p.ANY, leaves))


@inner
def spread(pool, role):
    """Difference between the most and the least weight among those that serve a role."""
    leaves = pool.n_leaves
    own, of_all = 2 * leaves * role + 1, 2 * leaves * p.ANY + 1
    return -min(pool.heaviest[own], pool.heaviest[of_all]) - min(pool.weights[own], pool.weights[of_all])
