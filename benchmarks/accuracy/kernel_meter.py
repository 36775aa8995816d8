"""What the meter shows of a kernel: NVML's mean of the last second, sampled during a short run of launches.

On Hopper and Blackwell ``nvmlDeviceGetPowerUsage`` is the mean of one second. The campaign (NVIDIA's AIConfigurator,
``collector/helper.py``, Apache-2.0) samples it every 0.1 s from the first launch to the last, of so many launches as
take one second, but never more than 3,000: 30 ms for a kernel of 10 us. So the reading of a short kernel is mostly of
what ran in the second before: warm-up launches of the same kernel, a pause in which the next kernel is set up (and now
and then compiled, for seconds), and the kernels measured before it. Checked on kernels whose run follows a pause of
seconds: their readings rise with the run as the mean of one second does, with nothing fitted. Rows stand in the files
in the order in which they were done. Half of the rows are not here, and several GPUs shared one queue, so what ran
before on the same GPU is known on average only, as the mean of what stands before; where it is known run by run, the
second itself is taken (``kernel_second``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MEMORY_S = 1.0
SAMPLE_S = 0.1
MOST_RUNS = 3000
FEWEST_RUNS = 6
AIM_S, BRIEF_AIM_S, BRIEF_S = 1.0, 0.3, 1e-4
"""A run aims at the first; at the second where one iteration takes less than the third."""
WARM_ITERATIONS = 6
"""Three to estimate the time, three of the graph."""
ESTIMATING = 3
MOST_SAMPLES = 50


@dataclass(frozen=True)
class Runs:
    """Rows of a file in their order: s of the measured loop and of the warm-up before it.

    ``lane`` tells apart what was measured by different GPUs, ``queue`` what was at different times.
    """

    loop_s: Floats
    warm_s: Floats
    lane: Ints
    queue: Ints

    @property
    def busy_s(self) -> Floats:
        """In which the kernel runs."""
        return self.loop_s + self.warm_s


@dataclass(frozen=True)
class Habit:
    """How a campaign went on: s of a pause, W beyond rest in it, and s of the queue that a GPU's last second is spread
    over. A span of 0 is that second itself, of which a ``blur`` is the queue's mean, where it is in doubt whose it was.
    ``sequence_s`` is what each sequence of a batch adds to the pause, as it is filled by itself; ``other_s``, if it is
    more than 0, the pause of what was measured at another time."""

    pause_s: float
    pause_w: float
    span_s: float
    blur: float = 0.0
    sequence_s: float = 0.0
    other_s: float = 0.0


def loops(seconds: Floats, launches: Floats | int, host_s: float, first_s: float = 0.0) -> tuple[Floats, Floats]:
    """s of the measured loop and of the warm-up, for iterations of ``launches`` launches of ``seconds`` each.

    How many iterations is decided from a few without a graph, which take at least ``host_s`` a launch, and the first of
    them ``first_s`` more: what it asks for is not there yet.
    """
    iteration = seconds * launches
    eager = np.maximum(iteration, host_s * launches) + first_s / ESTIMATING
    aim = np.where(eager < BRIEF_S, BRIEF_AIM_S, AIM_S)
    runs = np.minimum(np.maximum(FEWEST_RUNS, np.floor(aim / eager) + 1.0), MOST_RUNS)
    return runs * iteration, WARM_ITERATIONS * iteration


def samples(loop_s: Floats) -> tuple[Ints, Floats]:
    """How many samples of each run are taken, and s between them."""
    count = np.floor(loop_s / SAMPLE_S) + 1.0
    taken = np.minimum(count, MOST_SAMPLES)
    return taken.astype(np.int64), SAMPLE_S * count / taken


def shares(loop_s: Floats, warm_s: Floats, pause_s: Floats) -> tuple[Floats, Floats]:
    """Of the mean of all samples: the share of the kernel's own launches, and of what ran before its pause."""
    taken, step = samples(loop_s)
    own, before = np.zeros_like(loop_s), np.zeros_like(loop_s)
    for sample in range(int(taken.max())):
        mine = np.clip(warm_s + sample * step, 0.0, MEMORY_S) / MEMORY_S
        use = sample < taken
        own += np.where(use, mine, 0.0)
        before += np.where(use, np.clip(1.0 - mine - pause_s / MEMORY_S, 0.0, 1.0), 0.0)
    return own / taken, before / taken


def queue_w(watts: Floats, runs: Runs, lanes: Ints, pause_s: Floats, habit: Habit) -> Floats:
    """Mean W beyond rest of what stands before each row, over ``habit.span_s`` of runs and pauses of its lane; at
    rest before the first."""
    result = np.empty_like(watts)
    for lane in np.unique(lanes):
        rows = np.flatnonzero(lanes == lane)
        ends = np.concatenate([[0.0], np.cumsum(runs.busy_s[rows] + pause_s[rows])])
        joules = np.concatenate([[0.0], np.cumsum(runs.busy_s[rows] * watts[rows] + pause_s[rows] * habit.pause_w)])
        since = np.maximum(ends[:-1] - habit.span_s, 0.0)
        result[rows] = (joules[:-1] - np.interp(since, ends, joules)) / habit.span_s
    return result


def reading_w(watts: Floats, rest_w: float, runs: Runs, pause_s: Floats, habit: Habit) -> Floats:
    """What the meter shows, W, where kernels draw ``watts``: linear in what they draw beyond ``rest_w``."""
    own, before = shares(runs.loop_s, runs.warm_s, pause_s)
    beyond = watts - rest_w
    past = queue_w(beyond, runs, runs.lane, pause_s, habit)
    return rest_w + own * beyond + before * past + (1.0 - own - before) * habit.pause_w
