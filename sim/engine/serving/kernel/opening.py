"""Replicas that may be given requests: lists by role, in the order of indices, and what routers compare of them."""

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.compiled import inner
from sim.engine.serving.kernel.weights import close_leaf, set_weight, weight_of


@inner
def open_or_close(pool, replica):
    """A replica may be given requests from now on, or none any longer."""
    is_open = replica.up and not replica.draining
    for role in range(p.DECODE + 1):
        if replica.role == p.ANY or replica.role == role:
            list_or_drop(pool.open[role], replica.index, is_open)
    if pool.compared:
        if is_open:
            set_weight(pool, replica, weight_of(pool, replica))
        else:
            close_leaf(pool, replica)


@inner
def list_or_drop(choices, index, is_open):
    """A replica is in a list, or in it no longer."""
    n, listed = choices.n, choices.replicas
    at = n
    if n and listed[n - 1] >= index:  # else all come up, one after the other
        at = first_from(choices, index)
    was_open = at < n and listed[at] == index
    if is_open and not was_open:
        for i in range(n, at, -1):
            listed[i] = listed[i - 1]
        listed[at] = index
        choices.n = n + 1
    elif was_open and not is_open:
        for i in range(at, n - 1):
            listed[i] = listed[i + 1]
        choices.n = n - 1


@inner
def first_from(choices, index):
    """Where the first of an index or more stands."""
    low, high = np.int64(0), choices.n
    while low < high:
        middle = (low + high) >> 1
        if choices.replicas[middle] < index:
            low = middle + 1
        else:
            high = middle
    return low
