"""Which GPU of a node measured which row of a campaign's file, from the order of its rows alone.

The campaign measures on all GPUs of a node at once, each in a process that takes the next task from one queue and
writes its row when it is done; rows stand in the order of their ends. Every end is followed by the start of the next
task on the same GPU, so that the order of starts, which is that of the campaign's loops, and the order of ends say who
did what. A check that nothing was told beforehand: the mixtures' tasks of both files come out as eight lanes, as many
as their nodes have GPUs.
"""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.kernel_meter import Ints


def in_tasks(task: Ints) -> Ints:
    """The lane of each row where one GPU does a whole ``task`` (rows in the file's order): a task follows the one that
    ended first among those before its first row that nothing has followed yet, or starts a lane."""
    names, first, code = np.unique(task, return_index=True, return_inverse=True)
    last = np.zeros(len(names), dtype=np.int64)
    last[code] = np.arange(len(task))
    lane = np.zeros(len(names), dtype=np.int64)
    ends = iter(sorted(zip(last.tolist(), range(len(names)), strict=True)))
    free: list[int] = []
    ended = next(ends, None)
    lanes = 0
    for name in np.argsort(first):
        while ended is not None and ended[0] < first[name]:
            free.append(ended[1])
            ended = next(ends, None)
        if free:
            lane[name] = lane[free.pop(0)]
        else:
            lane[name], lanes = lanes, lanes + 1
    return np.asarray(lane[code], dtype=np.int64)


def in_turn(start: Ints, gpus: int) -> Ints:
    """The lane of each row where every row is a task, and row i (in the order of ends) was the ``start[i]``-th to be
    started of all: the first ``gpus`` start at once, and each later one where a row has ended.

    A row that ends before it could have started (rows that failed are not in the file) is given to the lane whose row
    is overdue the longest.
    """
    count = len(start)
    who = np.full(count, -1, dtype=np.int64)
    who[:gpus] = np.arange(min(gpus, count))
    at = {lane: lane for lane in range(gpus)}
    following = gpus
    lane = np.zeros(count, dtype=np.int64)
    for row, place in enumerate(start.tolist()):
        if who[place] < 0:
            who[place] = min(at, key=at.__getitem__)
        own = int(who[place])
        lane[row] = own
        while following < count and who[following] >= 0:
            following += 1
        if following < count:
            who[following] = own
        at[own] = following
        following += 1
    return lane


def places(*keys: Ints) -> Ints:
    """The place of each row in the order of these keys, the first of which counts most."""
    order = np.lexsort(keys[::-1])
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.arange(len(order))
    return found
