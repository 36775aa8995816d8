"""What the meter shows where it is known what a GPU did in the second before: the mean of that second, run by run.

A GPU's time is laid out run by run: a pause in which the next kernel is set up, the warm-up, the measured loop. Every
sample is the mean of the second before it, and a reading is the mean of the samples. This needs who ran what, and all
that ran: lanes (``kernel_lanes``) and the runs that are not in a file (``kernel_absent``). Where the order of a file
leaves in doubt which GPU did which of its neighbours, a ``blur`` of the past is the mean of what stands before in the queue.
"""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from benchmarks.accuracy.kernel_meter import MEMORY_S, Floats, Habit, Ints, Runs, queue_w, samples, shares

DOUBT_S = 4.0
"""Of a queue's runs that are averaged where it is in doubt whose past they are."""


def second_w(beyond: Floats, runs: Runs, pause_s: Floats, habit: Habit) -> Floats:
    """What the meter shows beyond rest, W, of kernels that draw ``beyond``: linear in it."""
    taken, step = samples(runs.loop_s)
    shown = np.empty_like(beyond)
    for lane in np.unique(runs.lane):
        rows = np.flatnonzero(runs.lane == lane)
        parts = np.stack([pause_s[rows], runs.warm_s[rows], runs.loop_s[rows]], axis=1)
        watts = np.stack([np.full(len(rows), habit.pause_w), beyond[rows], beyond[rows]], axis=1)
        ends = np.concatenate([[0.0], np.cumsum(parts)])
        joules = np.concatenate([[0.0], np.cumsum(parts * watts)])
        start = ends[2:-1:3]
        total = np.zeros(len(rows))
        for sample in range(int(taken[rows].max())):
            use = np.flatnonzero(taken[rows] > sample)
            now = start[use] + sample * step[rows][use]
            total[use] += np.interp(now, ends, joules) - np.interp(now - MEMORY_S, ends, joules, left=0.0)
        shown[rows] = total / taken[rows] / MEMORY_S
    if not habit.blur:
        return shown
    own, before = shares(runs.loop_s, runs.warm_s, pause_s)
    around = before * queue_w(beyond, runs, runs.queue, pause_s, replace(habit, span_s=DOUBT_S))
    rested = (1.0 - own - before) * habit.pause_w
    return (1.0 - habit.blur) * shown + habit.blur * (own * beyond + around + rested)


def queued(end: Floats, run_s: Floats, gpus: int) -> Ints:
    """The lane of each run of a queue, in the order of starts, from the rows' order of ends (NaN: not in the file).

    As long as runs end in the order in which they were started, one GPU does them (lane 0). From the first that does
    not, all of a node do, as when a campaign is resumed: whoever is free takes the next.
    """
    lanes = np.zeros(len(end), dtype=np.int64)
    here = np.flatnonzero(np.isfinite(end))
    late = np.argsort(np.argsort(end[here])) != np.arange(len(here))
    if not late.any():
        return lanes
    first = int(here[int(np.argmax(late))])
    free = [(0.0, lane) for lane in range(1, gpus + 1)]
    for run in range(first, len(end)):
        since, lane = heapq.heappop(free)
        lanes[run] = lane
        heapq.heappush(free, (since + float(run_s[run]), lane))
    return lanes
