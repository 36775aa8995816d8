"""Who waits: for each size of job, a tree of the least limits over the order of arrival."""

import numpy as np

from sim.engine.fleet.records import ABSENT, NEVER
from sim.engine.serving.compiled import inner


@inner
def set_limit(size, leaf, limit_ns):
    """What the tree says of a leaf."""
    tree = size.limits
    node = size.leaves + leaf
    tree[node] = limit_ns
    node >>= 1
    while node:
        left, right = tree[2 * node], tree[2 * node + 1]
        least = left if left <= right else right
        if tree[node] == least:
            break
        tree[node] = least
        node >>= 1


@inner
def wait(fleet, row):
    """A job waits from now on."""
    job = fleet.jobs[row]
    size = fleet.sizes[job.size]
    job.waits = 1
    size.waiting += 1
    fleet.n_waiting += 1
    set_limit(size, job.leaf, job.limit_ns)


@inner
def stop_waiting(fleet, row):
    """A job waits no longer."""
    job = fleet.jobs[row]
    size = fleet.sizes[job.size]
    job.waits = 0
    size.waiting -= 1
    fleet.n_waiting -= 1
    set_limit(size, job.leaf, np.int64(ABSENT))


@inner
def first_within(size, limit_ns):
    """Row of the first that came of those that wait with a limit of at most this; there is one."""
    tree = size.limits
    node = np.int64(1)
    while node < size.leaves:
        node *= 2
        if tree[node] > limit_ns:
            node += 1
    return size.members[node - size.leaves]


@inner
def first_of(size):
    """Row of the first that came of those that wait; there is one."""
    return first_within(size, np.int64(NEVER))


@inner
def shortest_of(size):
    """Row of the shortest of those that wait, of several the first that came; there is one."""
    return first_within(size, size.limits[1])


@inner
def is_before(fleet, row, other, by_limit):
    """Whether a job comes before another in the order in which they are looked at."""
    if by_limit:
        limit_ns, than_ns = fleet.jobs[row].limit_ns, fleet.jobs[other].limit_ns
        if limit_ns != than_ns:
            return limit_ns < than_ns
    return row < other


@inner
def first_come(fleet):
    """Row of the first that came of all that wait; there is one."""
    row = fleet.head
    while not fleet.jobs[row].waits:
        row += 1
    fleet.head = row
    return row


@inner
def shortest(fleet):
    """Row of the shortest of all that wait; there is one."""
    found = np.int64(-1)
    for i in range(fleet.n_sizes):
        size = fleet.sizes[i]
        if size.waiting:
            row = shortest_of(size)
            if found < 0 or is_before(fleet, row, found, True):
                found = row
    return found
