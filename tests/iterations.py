"""One iteration of a model on H100s, in the fewest words, for tests of what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.profiles.catalog import Catalog
from sim.profiles.iteration.cost import IterationCost, iteration_cost
from sim.profiles.iteration.terms import Device, Layout, Precision, Stack, Terms
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.model import Architecture, ModelShape, shape

Floats = npt.NDArray[np.float64]

H100 = Device(
    peak_flop_per_s=989.5e12, peak16_flop_per_s=989.5e12, byte_per_s=3.35e12, link_byte_per_s=450e9,
    multiprocessors=132.0, clock_hz=1.83e9, loaded_w=121.7, cap_w=700.0, joule_per_flop=0.57e-12,
    joule_per_byte=150e-12, joule_per_link_byte=52e-12,
)  # fmt: skip
PLAIN = Stack(
    compute_efficiency=0.65, memory_efficiency=0.8, expert_efficiency=0.7, link_efficiency=0.75, iteration_s=1e-3,
    layer_s=2e-5, sequence_s=1e-5, link_latency_s=1.2e-5, swap_byte_per_s=25e9,
)  # fmt: skip
IN_16_BITS = Precision(2.0, 2.0, 2.0)


def named(name: str) -> Architecture:
    """The architecture of a model in the catalog."""
    return Catalog().model(name).architecture


def layout(gpus: int, *, expert: bool = False, data: int = 1) -> Layout:
    """Tensor parallel over so many GPUs, or over as many data-parallel ranks of them."""
    return Layout(gpus, data, 1, expert, 450e9, 1e-5, 0.0)


def cost_of(
    architecture: Architecture,
    stack: Stack = PLAIN,
    device: Device = H100,
    *,
    at: Layout | None = None,
    most_tokens: int = 64,
    precision: Precision = IN_16_BITS,
    model: ModelShape | None = None,
    most_sampled: float | None = None,
    **changes: Any,
) -> IterationCost:
    """For 0 to ``most_tokens`` tokens, of which ``most_sampled`` or all are sampled at most; ``model`` in place of the
    architecture's."""
    where = at if at is not None else layout(1)
    return iteration_cost(
        Terms(
            layers_of(architecture).on(int(np.asarray(where.tensor))),
            model if model is not None else shape(architecture),
            device,
            stack,
            where,
            precision,
        ),
        tokens=np.arange(most_tokens + 1.0),
        most_sampled=float(most_tokens) if most_sampled is None else most_sampled,
        block_tokens=16,
        **changes,
    )
