"""A mixture's experts in an iteration: how many each GPU is asked for, and how long its kernels take.

Experts are as popular as ``model.popularity`` has them, and the GPU with most of them to read decides. How kernels cut
tokens into tiles, and what they pad, is in ``kernels.time.mixture_time``, and in ``aligned_experts`` where all experts'
tokens stand in one buffer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sim.profiles.iteration.terms import Device, Layout, Precision, Stack
from sim.profiles.kernels.aligned_experts import AlignedWork, aligned_work
from sim.profiles.kernels.time import KernelTime, MixtureLaw, Number, mixture_time
from sim.profiles.language_models.layers import Mixture
from sim.profiles.language_models.model import distinct_experts, popularity

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExpertWork:
    """A mixture's layer on one GPU, by tokens.

    ``time`` is of the GPU with most to read and to compute, ``own`` the mean GPU's. B and FLOP are the mean's; B of
    ``again`` are read once more from the second-level cache.
    """

    time: KernelTime
    own: KernelTime
    byte: Number
    flop: Number
    again: Number = 0.0


def expert_work(
    mixture: Mixture, device: Device, stack: Stack, layout: Layout, precision: Precision, tokens: Floats
) -> ExpertWork:
    """What experts take in iterations of so many ``tokens`` of all data-parallel ranks; arrays have their shape."""
    asked = asked_experts(mixture.experts, mixture.per_token, tokens, stack.expert_skew)
    mean, most = _experts_read(mixture.experts, stack, layout, asked)
    spread = np.where(np.asarray(layout.expert) > 0.0, layout.gpus, 1.0)
    width = mixture.width * spread / layout.gpus
    everyones = tokens * mixture.per_token
    compute = (
        stack.expert_compute_efficiency if stack.expert_compute_efficiency is not None else stack.compute_efficiency
    )
    law = MixtureLaw(compute, stack.expert_efficiency, stack.expert_passes, stack.expert_cycles)
    crowded = np.where(tokens > mixture.experts / spread, stack.expert_crowded, 1.0)

    def layer(experts: Floats, busier: Number) -> KernelTime:
        time = mixture_time(
            np.minimum(everyones / spread * busier, tokens * np.maximum(experts, 1.0)),
            experts,
            mixture.hidden,
            width,
            everyones=everyones,
            first=mixture.matrices - 1,
            bytes_each=precision.expert_bytes,
            flop_per_s=device.peak_flop_per_s,
            machine=device.machine,
            law=law,
        )
        return KernelTime(time.computing_s * crowded, time.streaming_s * crowded, time.floor_s)

    an_expert = mixture.matrices * mixture.hidden * width
    byte = mean * an_expert * precision.expert_bytes
    busier = np.maximum(most / np.maximum(mean, 1e-30), _busier(mixture, stack, layout))
    tiled = ExpertWork(layer(most, busier), layer(mean, 1.0), byte, 2.0 * an_expert * everyones / spread)
    which = np.asarray(stack.aligned.rows) > 0.0
    if not which.any():
        return tiled
    padded = _aligned_work(mixture, device, stack, precision, everyones, spread, width, mean, most)
    return padded if which.all() else _either(which, padded, tiled)


def _aligned_work(
    mixture: Mixture,
    device: Device,
    stack: Stack,
    precision: Precision,
    everyones: Floats,
    spread: Number,
    width: Number,
    mean: Floats,
    most: Floats,
) -> ExpertWork:
    """The same in one buffer, whose length is every GPU's: the slowest one has more of its weights to read."""

    def layer(experts: Floats) -> AlignedWork:
        return aligned_work(
            experts,
            mixture.hidden,
            width,
            routed=everyones,
            share=everyones / spread,
            kept=mixture.experts / spread,
            matrices=mixture.matrices,
            bytes_each=precision.expert_bytes,
            flop_per_s=device.peak_flop_per_s,
            byte_per_s=device.byte_per_s,
            floor_s=stack.expert_cycles / device.clock_hz,
            aligned=stack.aligned,
        )

    own = layer(mean)
    return ExpertWork(layer(most).time, own.time, own.byte, own.flop, own.again)


def _either(which: npt.NDArray[np.bool_], one: ExpertWork, other: ExpertWork) -> ExpertWork:
    """Of many configurations, the one's where it says so, and the other's elsewhere."""

    def chosen(a: Number, b: Number) -> Floats:
        return np.where(which, a, b)

    def time(a: KernelTime, b: KernelTime) -> KernelTime:
        return KernelTime(*(chosen(getattr(a, f.name), getattr(b, f.name)) for f in fields(KernelTime)))

    numbers = (chosen(getattr(one, name), getattr(other, name)) for name in ("byte", "flop", "again"))
    return ExpertWork(time(one.time, other.time), time(one.own, other.own), *numbers)


def asked_experts(experts: Number, per_token: Number, tokens: Floats, skew: Number) -> Floats:
    """``model.distinct_experts`` of one configuration, or of each row of many."""
    if not (np.ndim(experts) or np.ndim(per_token) or np.ndim(skew)):
        return distinct_experts(int(experts), int(per_token), tokens, float(skew))
    rows = np.stack(np.broadcast_arrays(experts, per_token, skew))[:, :, 0].T
    tokens = np.broadcast_to(tokens, (len(rows), np.shape(tokens)[-1]))
    found = np.zeros(tokens.shape)
    for own in np.unique(rows, axis=0):
        same = (rows == own).all(axis=1)
        found[same] = distinct_experts(int(own[0]), int(own[1]), tokens[same], float(own[2]))
    return found


def _busier(mixture: Mixture, stack: Stack, layout: Layout) -> Number:
    """How many more rows than the mean GPU's the busiest has, however many tokens there are: its experts happen to be
    the popular ones. Spreads and their largest are reckoned as in ``_experts_read``."""
    own = mixture.experts / layout.gpus
    spread = np.sqrt(np.maximum(1.0 - own / mixture.experts, 0.0) / np.maximum(own, 1e-30))
    unequal = _unequal(mixture.experts, mixture.per_token, stack.expert_skew)
    from scipy.special import ndtri  # a fifth of a second to import

    above = np.maximum(ndtri((layout.gpus - 0.375) / (layout.gpus + 0.25)), 0.0)
    busier = 1.0 + stack.expert_imbalance * above * unequal * spread
    return np.where(np.asarray(layout.expert) > 0.0, busier, 1.0)


def _unequal(experts: Number, per_token: Number, skew: Number) -> Number:
    """Standard deviation of experts' popularity, relative to its mean."""
    if not (np.ndim(experts) or np.ndim(per_token) or np.ndim(skew)):
        chance = popularity(int(experts), int(per_token), float(skew))
        return float(chance.std() / chance.mean()) if per_token else 0.0
    wide = np.broadcast_arrays(experts, per_token, skew)
    rows, own = np.unique(np.stack([part.ravel() for part in wide]), axis=1, return_inverse=True)
    found = np.array([_unequal(*(float(part) for part in row)) for row in rows.T])
    return found[own].reshape(wide[0].shape)


def _experts_read(experts: Number, stack: Stack, layout: Layout, asked: Floats) -> tuple[Floats, Floats]:
    """Experts (parts of them, where they are sliced) that a GPU reads: the mean one, and the one with most, by tokens.

    How many of its experts a GPU is asked for spreads like draws without replacement; the largest of n such numbers
    is ``ndtri((n - 3/8) / (n + 1/4))`` standard deviations above the mean (Blom, Statistical Estimates and
    Transformed Beta-Variables, 1958). Sliced experts (tensor parallelism alone) are read by all alike.
    """
    gpus = layout.gpus
    whole = np.asarray(layout.expert) > 0.0
    mean = np.where(whole, asked / gpus, asked)
    own = np.maximum(experts / gpus, 1e-30)
    share = asked / experts
    variance = own * share * (1.0 - share) * (1.0 - own / experts) / np.maximum(1.0 - 1.0 / experts, 1e-30)
    from scipy.special import ndtri  # a fifth of a second to import

    above = ndtri((gpus - 0.375) / (gpus + 0.25))
    ahead = stack.expert_imbalance * above * np.sqrt(np.maximum(variance, 0.0))
    return mean, np.where(whole & (np.asarray(gpus) > 1.0), np.minimum(own, mean + ahead), mean)
