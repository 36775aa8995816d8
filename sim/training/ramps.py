"""What the grid sees of a training job: its swing and how often it comes, its ramps, and what smoothing them costs.

Power here is a curve that repeats with the step. A floor burns what a phase draws less than it (as boards do that can
be given a least power: NVIDIA GB200 takes 20 to 90 % of the TDP, NVML's power smoothing). A ramp limit lets no board's
power rise or fall faster than so many W/s, without slowing any work: the board burns after work has ended, and before
it begins. That is the least power that obeys the limit and is nowhere below the work's.

Sources: Choukse and others, "Power stabilization for AI training datacenters", arXiv:2508.14318 (swings of synchronous
jobs, specifications of utilities in time and frequency, floors and their costs, 0.1 to 20 Hz as the critical band);
NVIDIA, "How new GB300 NVL72 features provide steady power for AI", 2025 (a floor that burns while power falls, and a
cap that rises with it; its energy storage is left out).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.training.curve import Curve, total

CRITICAL_HZ = (0.1, 20.0)
"""The band in which utilities limit oscillations (arXiv:2508.14318, section 3)."""
SAMPLES = 8192
"""Means of a step that its spectrum is taken of."""
WINDOWS_S = (1.0, 10.0, 60.0)
"""Over which ramps are told."""
FLOORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Shares of a board's most for which the cost of a floor is told."""
LIMITS_W_PER_S = (100.0, 1_000.0, 10_000.0)
"""Ramps of one board for which the cost of such a limit is told."""
NEAR = 0.1
"""Of the mean; the time in which power is as near to it is told."""
SAME = 1e-12
"""Instants closer than this, relative, are one."""


@dataclass(frozen=True)
class Floor:
    """A board draws no less than ``share`` of the most that it draws in its step."""

    share: float

    def of(self, curve: Curve) -> Curve:
        """One step of one GPU with it."""
        return curve.above(self.share * curve.peak_w)

    def least_w(self, peak_w: float, watts: float) -> float:
        """W while a phase would draw ``watts``, of a step whose most is ``peak_w``."""
        return max(watts, self.share * peak_w)


@dataclass(frozen=True)
class RampLimit:
    """A board's power rises and falls by no more than ``w_per_s``."""

    w_per_s: float

    def of(self, curve: Curve) -> Curve:
        """One step of one GPU with it: the least curve with such slopes that is nowhere below, the step repeating.

        At every instant it is the highest of what any other instant demands less the time between at the limit's slope.
        """
        # Plain floats: what is looked at one by one is many times as quick in a list as in an array.
        n, edges_s, lasting = len(curve.first_w), curve.edges_s.tolist(), np.diff(curve.edges_s).tolist()
        levels = np.maximum(curve.first_w, curve.last_w).tolist()
        at = np.maximum(curve.first_w, np.roll(curve.last_w, 1)).tolist()  # demanded at the beginning of each piece
        for _ in range(2):  # twice round, as the step repeats
            for i in range(n):
                at[i] = max(at[i], at[i - 1] - self.w_per_s * lasting[i - 1])
            for i in range(n - 1, -1, -1):
                at[i] = max(at[i], at[(i + 1) % n] - self.w_per_s * lasting[i])
        edges, watts = [0.0], [at[0]]
        for i in range(n):
            for time_s, power_w in self._corners(edges_s[i], edges_s[i + 1], at[i], at[(i + 1) % n], levels[i]):
                edges.append(time_s)
                watts.append(power_w)
        return Curve(np.array(edges), np.array(watts[:-1]), np.array(watts[1:]))

    def _corners(
        self, begin_s: float, end_s: float, first_w: float, last_w: float, level_w: float
    ) -> list[tuple[float, float]]:
        """Corners of the curve after the beginning of a piece: down to its level or as far as time allows, then up."""
        slope, lasting, least_s = self.w_per_s, end_s - begin_s, SAME * (1.0 + end_s)
        low_w = max(level_w, 0.5 * (first_w + last_w - slope * lasting))
        down_s, up_s = (first_w - low_w) / slope, (last_w - low_w) / slope
        corners = []
        if least_s < down_s < lasting - least_s:
            corners.append((begin_s + down_s, low_w))
        if least_s < up_s < lasting - least_s and end_s - up_s > (corners[-1][0] if corners else begin_s) + least_s:
            corners.append((end_s - up_s, low_w))
        return [*corners, (end_s, last_w)]


Smoothing = Floor | RampLimit


def largest_ramp(curve: Curve, window_s: float) -> float:
    """The most by which power changes between two instants no more than ``window_s`` apart, over that time, W/s.

    The curve repeats; a window as long as a step sees all of its swing.
    """
    if window_s >= curve.seconds:
        return curve.swing_w / window_s
    # Pieces are straight: the most lies between two edges, or an edge and the instant a window from it.
    cut = curve.cut(np.concatenate([curve.edges_s - window_s, curve.edges_s + window_s]) % curve.seconds)
    twice = np.concatenate([cut.edges_s[:-1], cut.edges_s[:-1] + curve.seconds]).tolist()
    before = np.roll(cut.last_w, 1)  # power may jump at an edge
    low = np.tile(np.minimum(cut.first_w, before), 2).tolist()
    high = np.tile(np.maximum(cut.first_w, before), 2).tolist()
    reach_s = window_s + SAME * curve.seconds
    highest: deque[int] = deque()
    lowest: deque[int] = deque()
    most, end = 0.0, 0
    for begin in range(len(cut.first_w)):
        while end < len(low) and twice[end] <= twice[begin] + reach_s:
            _push(highest, high, end, 1.0)
            _push(lowest, low, end, -1.0)
            end += 1
        while highest and highest[0] < begin:
            highest.popleft()
        while lowest and lowest[0] < begin:
            lowest.popleft()
        most = max(most, high[highest[0]] - low[lowest[0]])
    return most / window_s


def _push(kept: deque[int], values: Sequence[float], index: int, sign: float) -> None:
    while kept and sign * values[kept[-1]] <= sign * values[index]:
        kept.pop()
    kept.append(index)


@dataclass(frozen=True)
class Spectrum:
    """Of a curve that repeats: Hz of its step, of its strongest harmonic, and the share of all oscillation (of the
    sum of squares of amplitudes) that lies within the critical band."""

    step_hz: float
    strongest_hz: float
    amplitude_w: float
    critical_share: float


def spectrum(curve: Curve) -> Spectrum:
    """By Fourier's series of the means of a step's ``SAMPLES`` equal parts; a constant curve has none."""
    step_hz = 1.0 / curve.seconds
    means = curve.means(np.linspace(0.0, curve.seconds, SAMPLES + 1))
    amplitude = 2.0 * np.abs(np.fft.rfft(means - means.mean()))[1:] / SAMPLES
    if amplitude.max() <= 1e-12 * abs(float(means.mean())):
        return Spectrum(step_hz, step_hz, 0.0, 0.0)
    hertz = step_hz * np.arange(1, len(amplitude) + 1)
    inside = (hertz >= CRITICAL_HZ[0]) & (hertz <= CRITICAL_HZ[1])
    strongest = int(np.argmax(amplitude))
    share = float((amplitude[inside] ** 2).sum() / (amplitude**2).sum())
    return Spectrum(step_hz, float(hertz[strongest]), float(amplitude[strongest]), share)


def smoothed(stages: Sequence[Curve], smoothing: Smoothing) -> list[Curve]:
    """Each stage's GPU with its board's smoothing."""
    return [smoothing.of(curve) for curve in stages]


@dataclass(frozen=True)
class Cost:
    """What a smoothing leaves and takes: the swing of all GPUs in W, and what is burned of the energy without it."""

    swing_w: float
    burned: float


def cost_of(before: Curve, stages: Sequence[Curve], counts: Sequence[float], smoothing: Smoothing) -> Cost:
    """Of a smoothing on every board of a job, of which ``counts`` are in each stage; ``before`` is all without it."""
    after = total(smoothed(stages, smoothing), counts)
    return Cost(after.swing_w, max(0.0, after.joules / before.joules - 1.0))


def burned_j(stages: Sequence[Curve], smoothing: Smoothing) -> float:
    """J that a step of one GPU takes more with a smoothing, in the mean over stages of as many GPUs each."""
    extra = [max(0.0, smoothing.of(curve).joules - curve.joules) for curve in stages]
    return sum(extra) / len(extra)


def statistics(
    stages: Sequence[Curve], counts: Sequence[float], smoothing: Smoothing | None, loaded_w: float
) -> dict[str, Any]:
    """What a summary tells of a job's power within its steps; W are of all its GPUs together.

    ``stages`` are without smoothing, of one GPU each; ``loaded_w`` is what one draws whose job has stopped.
    """
    bare = total(stages, counts)
    drawn = bare if smoothing is None else total(smoothed(stages, smoothing), counts)
    mean_w, found = drawn.mean_w, spectrum(drawn)
    near_s = drawn.seconds_within((1.0 - NEAR) * mean_w, (1.0 + NEAR) * mean_w)
    told: dict[str, Any] = {
        "mean_w": mean_w,
        "peak_w": drawn.peak_w,
        "trough_w": drawn.trough_w,
        "swing_w": drawn.swing_w,
        "stop_w": drawn.peak_w - sum(counts) * loaded_w,
        "step_hz": found.step_hz,
        "strongest_hz": found.strongest_hz,
        "strongest_w": found.amplitude_w,
        "critical_share": found.critical_share,
        "near_mean_share": near_s / drawn.seconds,
        "largest_ramp_w_per_s": {f"{window:g}s": largest_ramp(drawn, window) for window in WINDOWS_S},
    }
    if smoothing is not None:
        told["burned_share"] = max(0.0, drawn.joules / bare.joules - 1.0)
        told["unsmoothed_swing_w"] = bare.swing_w
    costs = {share: cost_of(bare, stages, counts, Floor(share)) for share in FLOORS}
    told["floors"] = [{"share": s, "swing_w": c.swing_w, "burned_share": c.burned} for s, c in costs.items()]
    limits = {ramp: cost_of(bare, stages, counts, RampLimit(ramp)) for ramp in LIMITS_W_PER_S}
    told["ramp_limits"] = [
        {"board_w_per_s": ramp, "swing_w": c.swing_w, "burned_share": c.burned} for ramp, c in limits.items()
    ]
    return told
