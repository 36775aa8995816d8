"""What a training framework makes of the hardware: the constants of a step's time, shared by all models and layouts.

Shares are achieved fractions of the data sheet's peaks and never exceed 1. Those of arithmetic are an H100's; boards
that could compute more for each watt that they may draw are throttled more (``watt_exponent``), those that could
compute less, less, until they are not throttled at all (``unthrottled``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

from sim.profiles.stacks.training import TensorsApart, TrainingStackProfile
from sim.training.protocols import Library
from sim.training.tensors import FLATTENED, Tensors
from sim.units import SECONDS_PER_NS

REFERENCE_FLOP_PER_J = 989.5e12 / 700.0
"""An H100's peak in 16 bits over its power limit (data sheet): where efficiencies are stated."""


@dataclass(frozen=True)
class TrainingStack:
    """Constants of a framework.

    ``compute16``, ``compute8`` and ``compute4``: of products in 16 (and 32), 8 and 4 bits. ``attention`` of attention's
    products, in 16 bits. ``memory`` of the memory's rate. ``passes``: how often values between products pass through
    memory, 1 being kernels that fuse all they can; ``expert_passes`` the same of what is routed, between and around
    the experts' products; ``logit_bytes`` of memory for each logit, with loss and gradient. ``layer_s`` and
    ``expert_layer_s`` are the host's for a layer forward and backward, and more where it has experts.
    ``tensor_exposed``, ``expert_exposed`` and ``data_exposed`` are the shares of collectives that no computation hides:
    of tensor-parallel ranks, of experts over the network while another chunk computes, and of data-parallel and
    pipeline ranks. ``shared_out``: as which tensors parameters are gathered that data-parallel ranks share out.
    ``head_imbalance``: how much of the output head's time the last stage is behind the others. ``straggling``: what the
    slowest GPU adds to a step, for each factor e of GPUs. ``progress``: by which rate a year the host's times and
    experts' handling fall from release to release, ``year`` the release the constants are of. Before ``first_year``,
    the earliest release that tells of it, all that is not the network's got faster by ``kernel_progress`` a year.
    ``unthrottled``: of an H100's shares, what a board achieves that its limit never holds.
    """

    compute16: float
    compute8: float
    compute4: float
    attention: float
    memory: float
    watt_exponent: float
    attention_watt_exponent: float
    unthrottled: float
    passes: float
    expert_passes: float
    logit_bytes: float
    layer_s: float
    expert_layer_s: float
    link_efficiency: float
    network_efficiency: float
    latency: float
    tensor_exposed: float
    expert_exposed: float
    data_exposed: float
    shared_out: Tensors
    head_imbalance: float
    straggling: float
    progress: float
    kernel_progress: float
    first_year: float
    year: float

    @property
    def library(self) -> Library:
        """Of collectives."""
        return Library(self.link_efficiency, self.network_efficiency, self.latency)

    def as_of(self, year: float) -> TrainingStack:
        """The same framework as released in another ``year`` (2025.75 is September 2025)."""
        first = self.first_year
        early = exp(self.kernel_progress * (min(self.year, first) - min(year, first)))
        slower = exp(self.progress * (max(self.year, first) - max(year, first))) * early
        return replace(
            self,
            compute16=self.compute16 / early,
            compute8=self.compute8 / early,
            compute4=self.compute4 / early,
            attention=self.attention / early,
            passes=self.passes * early,
            layer_s=self.layer_s * slower,
            expert_layer_s=self.expert_layer_s * slower,
            expert_passes=self.expert_passes * slower,
            year=year,
        )


def training_stack(profile: TrainingStackProfile) -> TrainingStack:
    """The constants of a profile, in SI."""
    return TrainingStack(
        compute16=profile.compute_efficiency.value,
        compute8=profile.compute8_efficiency.value,
        compute4=profile.compute4_efficiency.value,
        attention=profile.attention_efficiency.value,
        memory=profile.memory_efficiency.value,
        watt_exponent=profile.watt_exponent.value,
        attention_watt_exponent=profile.attention_watt_exponent.value,
        unthrottled=profile.unthrottled.value,
        passes=profile.passes.value,
        expert_passes=profile.expert_passes.value,
        logit_bytes=profile.logit_bytes.value,
        layer_s=profile.layer.value * SECONDS_PER_NS,
        expert_layer_s=profile.expert_layer.value * SECONDS_PER_NS,
        link_efficiency=profile.link_efficiency.value,
        network_efficiency=profile.network_efficiency.value,
        latency=profile.latency.value,
        tensor_exposed=profile.tensor_exposed.value,
        expert_exposed=profile.expert_exposed.value,
        data_exposed=profile.data_exposed.value,
        shared_out=_shared_out(profile.tensors_apart),
        head_imbalance=profile.head_imbalance.value,
        straggling=profile.straggling.value,
        progress=profile.progress.value,
        kernel_progress=profile.kernel_progress.value,
        first_year=profile.first_year.value,
        year=profile.year.value,
    )


def _shared_out(told: TensorsApart | None) -> Tensors:
    if told is None:
        return FLATTENED
    return Tensors(
        matrices=told.matrices.value,
        vectors=told.vectors.value,
        collective_s=told.collective.value * SECONDS_PER_NS,
        rank_s=told.rank.value * SECONDS_PER_NS,
        reuse=told.reuse.value,
    )
