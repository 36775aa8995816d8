"""Power over time of a training job, within its steps: samples whose energy is what its meters booked.

Meters book a job at work at the mean power of its step. Here that mean is drawn as the step it is of: at any instant
the GPUs are where the work done so far has brought them, through stops and changes of caps. What else a job's nodes
draw (hosts, fans, losses of supplies) is as it was booked, at the mean, and so is what GPUs are booked beside their
step (bytes between nodes, units that draw more than others): the energy of a whole number of steps is the ledger's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.accounting.watch import Piece, Watched
from sim.training.curve import Curve
from sim.units import SECONDS_PER_NS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SERIES = 4
"""W of one GPU of the first pipeline stage, of one node, of all GPUs of the job, and of all IT booked to it."""


@dataclass(frozen=True, eq=False)
class StepCurves:
    """A step as W over time: of one GPU of the first stage, of the GPUs of one node, and of the mean GPU of the job."""

    gpu: Curve
    node: Curve
    mean: Curve


class Pattern(Protocol):
    """Knows the step behind a mean power."""

    def behind(self, gpu_w: float) -> StepCurves:
        """The step of a job whose GPUs were booked at ``gpu_w`` each: its mean need not be just that."""


@dataclass(frozen=True)
class Sampling:
    """Which instants are sampled, in ns from the start of the run, and over how long the meter averages (0: over the
    resolution)."""

    start_ns: int
    end_ns: int
    resolution_ns: int
    meter_ns: int

    @property
    def watched_from_ns(self) -> int:
        """A meter looks back."""
        return max(0, self.start_ns - self.meter_ns)

    def edges_ns(self, run_ns: int) -> Ints:
        """Of samples (samples + 1,), as far as the run goes; none where it ends before."""
        count = max(0, (min(self.end_ns, run_ns) - self.start_ns) // self.resolution_ns)
        return self.start_ns + self.resolution_ns * np.arange(count + 1, dtype=np.int64)


def samples(watched: Watched, pattern: Pattern, sampling: Sampling, gpus: int, node_gpus: int, run_ns: int) -> Floats:
    """W by series (4, samples): means between edges, or over what the meter averages before the end of each."""
    edges = sampling.edges_ns(run_ns)
    if len(edges) < 2:
        return np.zeros((SERIES, 0))
    ends, begins = edges[1:], edges[:-1]
    if sampling.meter_ns:
        begins = np.maximum(ends - sampling.meter_ns, sampling.watched_from_ns)
    at_ns = np.union1d(begins, ends)
    joules = np.concatenate(
        [np.zeros((SERIES, 1)), np.cumsum(_between(watched, pattern, at_ns, gpus, node_gpus), axis=1)], axis=1
    )
    over_s = (ends - begins) * SECONDS_PER_NS
    return np.asarray((joules[:, np.searchsorted(at_ns, ends)] - joules[:, np.searchsorted(at_ns, begins)]) / over_s)


def _between(watched: Watched, pattern: Pattern, at_ns: Ints, gpus: int, node_gpus: int) -> Floats:
    """J by series (4, n - 1) between each two of ``at_ns`` (n,)."""
    found = np.zeros((SERIES, len(at_ns) - 1))
    steps = sum(slot_s / gpus / pattern.behind(each_w).mean.seconds for each_w, slot_s in watched.worked_before.items())
    for piece in _intervals(watched.pieces):
        first = max(0, int(np.searchsorted(at_ns, piece.start_ns, side="right")) - 1)
        last = min(len(at_ns) - 1, int(np.searchsorted(at_ns, piece.end_ns, side="left")))
        each_w, part = piece.gpus_w / piece.slots, min(node_gpus, piece.slots)
        inside_s = SECONDS_PER_NS * (np.clip(at_ns[first : last + 1], piece.start_ns, piece.end_ns) - piece.start_ns)
        lasting_s = np.diff(inside_s)
        others_w = piece.others_w
        if piece.at_work:
            curves = pattern.behind(each_w)
            period_s, beside_w = curves.mean.seconds, each_w - curves.mean.mean_w
            at_s = np.asarray((steps % 1.0) * period_s + inside_s, dtype=np.float64)
            of_gpu, of_node, of_mean = (
                np.diff(curve.joules_to(at_s)) + gpus_there * beside_w * lasting_s
                for curve, gpus_there in ((curves.gpu, 1), (curves.node, part), (curves.mean, 1))
            )
            steps += (piece.end_ns - piece.start_ns) * SECONDS_PER_NS / period_s
        else:
            of_gpu = of_mean = each_w * lasting_s
            of_node = part * of_gpu
        found[0, first:last] += of_gpu
        found[1, first:last] += of_node + others_w * part / piece.slots * lasting_s
        found[2, first:last] += piece.slots * of_mean
        found[3, first:last] += piece.slots * of_mean + others_w * lasting_s
    return found


def _intervals(pieces: Sequence[Piece]) -> list[Piece]:
    """In order of time, those of one interval and state together: nodes are booked one by one, at instants of their
    own."""
    edges = sorted({edge for piece in pieces for edge in (piece.start_ns, piece.end_ns)})
    place = {edge: i for i, edge in enumerate(edges)}
    sums: dict[tuple[int, bool], list[float]] = {}
    for piece in pieces:
        for i in range(place[piece.start_ns], place[piece.end_ns]):
            own = sums.setdefault((i, piece.at_work), [0, 0.0, 0.0])
            own[0] += piece.slots
            own[1] += piece.gpus_w
            own[2] += piece.others_w
    return [
        Piece(edges[i], edges[i + 1], at_work, int(slots), gpus_w, others_w)
        for (i, at_work), (slots, gpus_w, others_w) in sorted(sums.items())
    ]
