"""What the meter shows where it is known what a GPU did in the second before: the mean of that second, run by run.

A GPU's time is laid out run by run: a pause in which the next kernel is set up, the warm-up, the measured loop. Every
sample is the mean of the second before it, and a reading is the mean of the samples. This needs who ran what, and all
that ran: lanes (``kernel_lanes``) and the runs that are not in a file (``kernel_absent``). Where the order of a file
leaves in doubt which GPU did which of its neighbours, a ``blur`` of the past is the mean of what stands before in the
queue.
"""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from benchmarks.accuracy.kernel_meter import MEMORY_S, Floats, Habit, Ints, Runs, queue_w, samples, shares

DOUBT_S = 4.0
"""Of a queue's runs that are averaged where it is in doubt whose past they are."""


class Second:
    """The seconds before the samples of all runs. Lanes stand one after the other, each after a second at rest."""

    def __init__(self, runs: Runs, pause_s: Floats, habit: Habit) -> None:
        self.runs, self.pause_s, self.habit = runs, pause_s, habit
        self.order = np.argsort(runs.lane, kind="stable")
        lane = runs.lane[self.order]
        apart = np.where(np.diff(lane, prepend=lane[:1] - 1) != 0, MEMORY_S, 0.0)
        lasts = np.stack([apart, pause_s[self.order], runs.warm_s[self.order], runs.loop_s[self.order]], axis=1)
        self.lasts = lasts.ravel()
        self.ends = np.concatenate([[0.0], np.cumsum(self.lasts)])
        taken, step = samples(runs.loop_s[self.order])
        self.run = np.repeat(np.arange(len(lane)), taken)
        sample = np.arange(len(self.run)) - np.repeat(np.cumsum(taken) - taken, taken)
        now = self.ends[3:-1:4][self.run] + sample * step[self.run]
        self.now, self.before = self._at(now), self._at(now - MEMORY_S)
        self.taken = taken
        self.shares = shares(runs.loop_s, runs.warm_s, pause_s)

    def _at(self, time_s: Floats) -> tuple[Ints, Floats]:
        """In which part of the line these times lie, and how long after its start."""
        part = np.clip(np.searchsorted(self.ends, time_s, side="right") - 1, 0, len(self.lasts) - 1)
        return part, time_s - self.ends[part]

    def shown(self, beyond: Floats) -> Floats:
        """What the meter shows beyond rest, W, of kernels that draw ``beyond``: linear in it."""
        mine = beyond[self.order]
        watts = np.stack([np.zeros_like(mine), np.full_like(mine, self.habit.pause_w), mine, mine], axis=1).ravel()
        joules = np.concatenate([[0.0], np.cumsum(self.lasts * watts)])
        drawn = np.zeros(len(self.run))
        for sign, (part, since) in ((1.0, self.now), (-1.0, self.before)):
            drawn += sign * (joules[part] + since * watts[part])
        result = np.empty_like(beyond)
        result[self.order] = np.bincount(self.run, drawn, minlength=len(mine)) / self.taken / MEMORY_S
        if not self.habit.blur:
            return result
        own, before = self.shares
        habit = replace(self.habit, span_s=DOUBT_S)
        around = before * queue_w(beyond, self.runs, self.runs.queue, self.pause_s, habit)
        rested = (1.0 - own - before) * self.habit.pause_w
        return np.asarray((1.0 - self.habit.blur) * result + self.habit.blur * (own * beyond + around + rested))


def resumed(end: Floats) -> int:
    """The first run, in the order of starts, that did not end in turn, from the rows' order of ends (NaN: not in the
    file); all runs where none did."""
    here = np.flatnonzero(np.isfinite(end))
    late = np.argsort(np.argsort(end[here])) != np.arange(len(here))
    return int(here[int(np.argmax(late))]) if late.any() else len(end)


def queued(end: Floats, run_s: Floats, gpus: int) -> Ints:
    """The lane of each run of a queue, in the order of starts.

    As long as runs end in the order in which they were started, one GPU does them (lane 0). From the first that does
    not, all of a node do, as when a campaign is resumed: whoever is free takes the next.
    """
    lanes = np.zeros(len(end), dtype=np.int64)
    free = [(0.0, lane) for lane in range(1, gpus + 1)]
    for run in range(resumed(end), len(end)):
        since, lane = heapq.heappop(free)
        lanes[run] = lane
        heapq.heappush(free, (since + float(run_s[run]), lane))
    return lanes
