"""Messages of an iteration between GPUs: all-reduces, gathers and scatters, and hops between pipeline stages.

Reference: Shoeybi et al., "Megatron-LM", arXiv:1909.08053 (two all-reduces a layer).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.profiles.iteration.message_time import Ways, quickest_time, reduce_time
from sim.profiles.iteration.runs import Collective, Run
from sim.profiles.iteration.terms import Device, Layout, Stack
from sim.profiles.kernels.time import ACTIVATION_BYTES, KernelTime
from sim.profiles.language_models.model import ModelShape

Floats = npt.NDArray[np.float64]


def collective_runs(model: ModelShape, device: Device, stack: Stack, layout: Layout, tokens: Floats) -> Iterator[Run]:
    """All-reduces of tensor-parallel groups, and gathering for experts between data-parallel ranks."""
    rate = device.link_byte_per_s * stack.link_efficiency
    rows = tokens / layout.data
    latency_s = stack.link_latency_s + stack.link_latency_per_gpu_s * layout.gpus
    a_token = model.hidden * ACTIVATION_BYTES
    tensor, data = layout.tensor, layout.data
    if np.any(np.asarray(tensor) > 1.0):
        time = reduce_time(a_token * rows, tensor, latency_s=latency_s, byte_per_s=rate)
        time = _no_quicker(time, a_token * rows, stack.reduces)
        sent = 2.0 * (tensor - 1.0) / tensor * a_token * rows
        yield Run(Collective("tensor", a_token), rows, 2.0 * model.layers, time, link_byte=sent)
    # Where attention is sliced (tensor parallelism alone), every GPU has all tokens, and the second all-reduce brings
    # the experts' results together. Data-parallel ranks gather all tokens before the experts and scatter the results'
    # sums after them (vLLM's default way, "Expert Parallel Deployment" in its documentation), or send each to the GPUs
    # of its experts and sum what comes back (DeepEP; DeepSeek-AI, arXiv:2412.19437, section 3.4).
    spread = (np.asarray(model.moe_layers) > 0) & (np.asarray(data) > 1.0)  # sliced experts need all tokens, too
    if spread.any():
        others = np.where(np.asarray(layout.routed) > 0.0, np.minimum(data - 1.0, model.experts_per_token), data - 1.0)
        sent = others * rows * a_token * spread
        time = KernelTime(0.0, sent / rate, np.where(rows > 0.0, latency_s, 0.0))
        time = _no_quicker(time, (others + 1.0) * rows * a_token * spread, stack.gathers)
        count = np.where(spread, 2.0 * model.moe_layers, 0.0)
        yield Run(Collective("data", a_token), rows, count, time, link_byte=sent)


def _no_quicker(own: KernelTime, byte: Floats, ways: Ways) -> KernelTime:
    """The stack's own time, or a library's where there are such ``ways`` and all take longer."""
    if not ways:
        return own
    library = quickest_time(byte, ways)
    late = library.seconds > own.seconds
    streaming_s = np.where(late, library.streaming_s, own.streaming_s)
    return KernelTime(0.0, streaming_s, np.where(late, library.floor_s, own.floor_s))


def hops(model: ModelShape, layout: Layout, tokens: Floats) -> tuple[Floats, Floats]:
    """Seconds and joules, of the shape of ``tokens``, of passing them from one pipeline stage to the next."""
    hop = tokens * model.hidden * ACTIVATION_BYTES
    hops = layout.pipeline - 1.0
    seconds = hops * (layout.hop_latency_s * (tokens > 0.0) + hop / layout.hop_byte_per_s)
    return seconds, hops * hop * layout.hop_joule_per_byte
