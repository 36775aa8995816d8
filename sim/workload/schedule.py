"""When a job may work, decided from a signal that it cannot change: flexible start, pause and resume, suspension.

Everything here is a pure function of signals and forecasts; the engine then follows the plan, pays for saving and
restarting, and keeps the deadline. A decision is made once, at submission, or (against a threshold) by looking at the
present value alone. It belongs to the run: pricing the run under another grid later does not decide again.

After Dodge et al., "Measuring the carbon intensity of AI in cloud instances", FAccT 2022, doi 10.1145/3531146.3533234:
flexible start, and pause and resume, by windows of 6 to 24 h or 25 to 100 % of the job. They knew the future; here a
forecast stands for what is known of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.signals.forecast import cut
from sim.signals.signal import Signal
from sim.units import MAX_NS, SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Spans = npt.NDArray[np.int64]
"""(n, 2): start and end in ns, in order and apart."""

TIE = 1e-9
"""Of the largest value: means closer than this are equal, and the earlier start wins."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """What a job follows. ``may_run`` is 1 where it may be at work and 0 where it pauses if the deadline lets it.

    ``hold`` keeps the gang through pauses; otherwise it is saved (``save_ns``), given back, and restarted
    (``restart_ns``) on another. ``truth`` is the signal itself, for the record, and the means are in its unit.
    """

    signal: str
    truth: Signal
    may_run: Signal
    deadline_ns: int | None
    hold: bool
    save_ns: int
    restart_ns: int
    forecast_mean: float | None
    immediate_mean: float | None


def expected_ns(work_ns: int, setup_ns: int, checkpoint_every_ns: int | None, checkpoint_ns: int) -> int:
    """How long a job holds its gang if nothing happens to it: set-up, work, and checkpoints but after the last work."""
    writes = (work_ns - 1) // checkpoint_every_ns if checkpoint_every_ns is not None and work_ns else 0
    return setup_ns + work_ns + writes * checkpoint_ns


def best_start(forecast: Signal, duration_ns: int, last_ns: int) -> int:
    """The start in ``[forecast.first_ns, last_ns]`` of the ``duration_ns`` with the lowest mean; of equals, the first.

    The mean over a sliding window is piecewise linear in its start, and bends only where an end of the window meets an
    edge: the best of those few starts is the best of all.
    """
    first = forecast.first_ns
    edges = forecast.edges_ns
    bends = np.concatenate([[first, last_ns], edges, edges - duration_ns])
    starts = np.unique(bends[(bends >= first) & (bends <= last_ns)])
    means = window_means(forecast, starts, duration_ns)
    lowest = float(means.min())
    return int(starts[np.argmax(means <= lowest + TIE * float(np.abs(forecast.values).max()))])


def window_means(signal: Signal, starts_ns: Ints, duration_ns: int) -> npt.NDArray[np.float64]:
    """Mean of ``signal`` over ``[start, start + duration_ns)`` for starts of any shape; all must lie within it."""
    origin = signal.first_ns
    seconds = (signal.edges_ns - origin) * SECONDS_PER_NS
    middle = float(np.mean(signal.values))  # taken out of the sums, which then lose no digits to it
    integral = np.concatenate([[0.0], np.cumsum(np.diff(seconds) * (signal.values - middle))])
    begin = (starts_ns - origin) * SECONDS_PER_NS
    long = duration_ns * SECONDS_PER_NS
    upto = np.interp(np.stack([begin, begin + long]), seconds, integral)
    return np.asarray(middle + (upto[1] - upto[0]) / long)


def lowest_spans(forecast: Signal, needed_ns: int) -> Spans:
    """The ``needed_ns`` of ``forecast`` with the lowest values, the earlier of equals, joined into spans."""
    starts, lengths = forecast.edges_ns[:-1], np.diff(forecast.edges_ns)
    order = np.lexsort((starts, forecast.values))
    before = np.concatenate([[0], np.cumsum(lengths[order])[:-1]])
    taken = np.zeros(len(starts), dtype=np.int64)
    taken[order] = np.clip(needed_ns - before, 0, lengths[order])
    used = taken > 0
    return _joined(np.stack([starts[used], starts[used] + taken[used]], axis=1), 0)


def planned_spans(forecast: Signal, needed_ns: int, switch_ns: int) -> Spans:
    """The lowest spans for ``needed_ns`` of work where each pause costs ``switch_ns``; pauses as short are dropped."""
    total = forecast.last_ns - forecast.first_ns
    wanted = needed_ns
    while True:
        spans = _joined(lowest_spans(forecast, min(wanted, total)), switch_ns)
        cost = needed_ns + (len(spans) - 1) * switch_ns
        if int(np.diff(spans, axis=1).sum()) >= cost or wanted >= total:
            return spans
        wanted = max(wanted + 1, cost)


def _joined(spans: Spans, gap_ns: int) -> Spans:
    """Spans with gaps of at most ``gap_ns`` closed."""
    apart = spans[1:, 0] - spans[:-1, 1] > gap_ns
    starts = spans[np.concatenate([[True], apart]), 0]
    ends = spans[np.concatenate([apart, [True]]), 1]
    return np.stack([starts, ends], axis=1)


def mean_over(signal: Signal, spans: Spans) -> float:
    """Mean of ``signal`` over all of ``spans``."""
    seconds = float(np.diff(spans, axis=1).sum()) * SECONDS_PER_NS
    return sum(signal.integral(int(start), int(end)) for start, end in spans) / seconds


def quantile(signal: Signal, share: float) -> float:
    """The lowest value that ``signal`` does not exceed for at least ``share`` of its time."""
    order = np.argsort(signal.values, kind="stable")
    upto = np.cumsum(np.diff(signal.edges_ns)[order].astype(np.float64))
    at = int(np.searchsorted(upto, share * float(upto[-1]) * (1.0 - TIE)))
    return float(signal.values[order][at])


def only_within(spans: Spans) -> Signal:
    """1 within ``spans`` and after the last of them, else 0."""
    edges = np.unique(np.concatenate([[-MAX_NS], spans.ravel()[:-1], [MAX_NS]]).astype(np.int64))
    inside = np.searchsorted(spans[:, 0], edges[:-1], side="right")
    ends = np.append(spans[:-1, 1], MAX_NS)
    at_work = (inside > 0) & (edges[:-1] < ends[np.maximum(inside, 1) - 1])
    return Signal(edges, at_work.astype(np.float64), "may run")


def while_at_most(signal: Signal, level: float, from_ns: int) -> Signal:
    """1 while ``signal`` is at most ``level``, else 0, from ``from_ns`` to the end of the signal; changes alone."""
    known = cut(signal, from_ns, signal.last_ns)
    allowed = known.values <= level
    changes = np.concatenate([[True], allowed[1:] != allowed[:-1]])
    edges = np.append(known.edges_ns[:-1][changes], known.last_ns)
    return Signal(edges, allowed[changes].astype(np.float64), f"permission by {signal.unit}")
