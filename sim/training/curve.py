"""Power over time as pieces that are straight: exact energy, exact means over any window, no sampling.

A curve begins at 0 and may repeat. Between kernels and waiting power jumps, so a piece has a W at each of its ends and
neighbours need not meet. What limits ramps makes slopes of some pieces; all else is constant between jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curve:
    """W over ``edges_s`` (n + 1,), which rise from 0: of each piece (n,) at its beginning and at its end."""

    edges_s: Floats
    first_w: Floats
    last_w: Floats

    @classmethod
    def steps(cls, seconds: Sequence[float] | Floats, watts: Sequence[float] | Floats) -> Curve:
        """Constant W for so many s each, one after the other; what takes no time is left out."""
        lasting, level = np.asarray(seconds, dtype=np.float64), np.asarray(watts, dtype=np.float64)
        kept = lasting > 0.0
        edges = np.concatenate([[0.0], np.cumsum(lasting[kept])])
        return cls(edges, level[kept], level[kept])

    def then(self, more: Curve) -> Curve:
        """This, and ``more`` after it."""
        edges = np.concatenate([self.edges_s, self.edges_s[-1] + more.edges_s[1:]])
        first, last = np.concatenate([self.first_w, more.first_w]), np.concatenate([self.last_w, more.last_w])
        return Curve(edges, first, last)

    def times(self, factor: float) -> Curve:
        """So many times the power."""
        return Curve(self.edges_s, factor * self.first_w, factor * self.last_w)

    @property
    def seconds(self) -> float:
        """From the first edge to the last."""
        return float(self.edges_s[-1])

    @property
    def joules(self) -> float:
        """J of all pieces."""
        return float(self._piece_j.sum())

    @property
    def mean_w(self) -> float:
        """W over all of it."""
        return self.joules / self.seconds

    @property
    def peak_w(self) -> float:
        """The highest W."""
        return float(max(self.first_w.max(), self.last_w.max()))

    @property
    def trough_w(self) -> float:
        """The lowest W."""
        return float(min(self.first_w.min(), self.last_w.min()))

    @property
    def swing_w(self) -> float:
        """From the lowest W to the highest."""
        return self.peak_w - self.trough_w

    @property
    def _piece_j(self) -> Floats:
        return np.asarray(0.5 * (self.first_w + self.last_w) * np.diff(self.edges_s))

    def joules_to(self, at_s: Floats) -> Floats:
        """J from 0 to each of ``at_s`` (any shape, not below 0), the curve repeating without end."""
        rounds = np.floor(at_s / self.seconds)
        within = at_s - rounds * self.seconds
        piece = np.clip(np.searchsorted(self.edges_s, within, side="right") - 1, 0, len(self.first_w) - 1)
        sums = np.concatenate([[0.0], np.cumsum(self._piece_j)])
        into = within - self.edges_s[piece]
        lasting = np.diff(self.edges_s)[piece]
        slope = (self.last_w - self.first_w)[piece] / lasting
        begun = (self.first_w[piece] + 0.5 * slope * into) * into
        return np.asarray(rounds * sums[-1] + sums[piece] + begun)

    def means(self, edges_s: Floats) -> Floats:
        """Mean W between each two of ``edges_s`` (n + 1,), the curve repeating: (n,)."""
        return np.asarray(np.diff(self.joules_to(edges_s)) / np.diff(edges_s))

    def above(self, watts: float) -> Curve:
        """The larger of the curve and a constant; pieces that cross it are cut there."""
        cut = self._cut_at(watts)
        return Curve(cut.edges_s, np.maximum(cut.first_w, watts), np.maximum(cut.last_w, watts))

    def seconds_within(self, low_w: float, high_w: float) -> float:
        """s in which the curve lies between two W, these included."""
        cut = self._cut_at(low_w)._cut_at(high_w)
        middle = 0.5 * (cut.first_w + cut.last_w)
        return float(np.diff(cut.edges_s)[(middle >= low_w) & (middle <= high_w)].sum())

    def _cut_at(self, watts: float) -> Curve:
        crossing = (self.first_w - watts) * (self.last_w - watts) < 0.0
        if not crossing.any():
            return self
        share = (watts - self.first_w[crossing]) / (self.last_w - self.first_w)[crossing]
        at_s = self.edges_s[:-1][crossing] + share * np.diff(self.edges_s)[crossing]
        return self.cut(at_s)

    def cut(self, at_s: Floats) -> Curve:
        """The same with more edges."""
        edges = np.union1d(self.edges_s, at_s[(at_s > 0.0) & (at_s < self.seconds)])
        piece = np.searchsorted(self.edges_s, edges[:-1], side="right") - 1
        begin, lasting = self.edges_s[piece], np.diff(self.edges_s)[piece]
        slope = (self.last_w - self.first_w)[piece] / lasting
        first = self.first_w[piece] + slope * (edges[:-1] - begin)
        last = self.first_w[piece] + slope * (edges[1:] - begin)
        flat = slope == 0.0
        return Curve(edges, first, np.where(flat, self.last_w[piece], last))


def total(curves: Sequence[Curve], counts: Sequence[float]) -> Curve:
    """The sum of curves of the same length, each so many times."""
    edges = curves[0].edges_s
    for curve in curves[1:]:
        edges = np.union1d(edges, curve.edges_s)
    end_s = min(curve.seconds for curve in curves)
    inner = edges[edges < end_s * (1.0 - 1e-12)]
    cut = [_on(curve, inner) for curve in curves]
    first = sum((n * c.first_w for c, n in zip(cut, counts, strict=True)), np.zeros(len(inner)))
    last = sum((n * c.last_w for c, n in zip(cut, counts, strict=True)), np.zeros(len(inner)))
    return Curve(np.append(inner, end_s), np.asarray(first), np.asarray(last))


def _on(curve: Curve, inner: Floats) -> Curve:
    """On edges that hold its own, but for the last few units of rounding."""
    whole = np.append(inner, curve.seconds)
    piece = np.searchsorted(curve.edges_s, inner, side="right") - 1
    begin, lasting = curve.edges_s[piece], np.diff(curve.edges_s)[piece]
    slope = (curve.last_w - curve.first_w)[piece] / lasting
    first = curve.first_w[piece] + slope * (inner - begin)
    last = curve.first_w[piece] + slope * (whole[1:] - begin)
    return Curve(whole, first, last)
