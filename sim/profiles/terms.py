"""What an iteration's cost is made of: a device, a stack, how a replica is laid out and how its numbers are kept."""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.clock import ClockCurve


@dataclass(frozen=True)
class Device:
    """One GPU in SI: peaks, state power, energies of work, its link (B/s in one direction) and its power cap.

    Without ``clock``, a cap lengthens iterations and saves no energy. ``waiting_w`` is what a clocked-up GPU draws
    beyond loaded while it waits within an iteration: for the host, for launches, for the links. ``vector_flop_per_s``
    (single precision, without tensor cores) stands for how fast its multiprocessors issue anything at all.
    """

    peak_flop_per_s: float
    byte_per_s: float
    link_byte_per_s: float
    loaded_w: float
    cap_w: float
    joule_per_flop: float
    joule_per_byte: float
    joule_per_link_byte: float
    clock: ClockCurve | None = None
    waiting_w: float = 0.0
    vector_flop_per_s: float = 0.0


@dataclass(frozen=True)
class Tiles:
    """How kernels cut the tokens of experts: ``few`` rows a tile for up to ``few_until`` tokens in an iteration for
    each expert that a GPU holds, ``many`` beyond. A tile is computed whole. Large tiles keep too few bytes in flight:
    a byte then takes as long as ``issue`` FLOP of the GPU's vector units, where memory alone would be faster.
    """

    few: int
    few_until: float
    many: int
    issue: float


@dataclass(frozen=True)
class Stack:
    """A serving stack's share in the cost: achieved fractions of the peaks in (0, 1], and times in s.

    ``overlap`` 1 lets compute hide behind memory or the other way round (the roofline); 0 adds them up. ``layer_s`` is
    a layer's launch gaps from a graph, ``expert_layer_s`` a mixture's on top; beyond ``graph_tokens`` (of
    a data-parallel rank) kernels are launched one by one, ``launch_s`` a layer and ``expert_launch_s`` a mixture's on
    top, which shows only as far as the GPU is faster than that. ``quantise_s`` is what quantising activations adds to a
    layer of a graph, at ``quantise_power`` times the power of waiting. ``prompt_s`` is host work for a chunk of a
    prompt, ``sequence_s`` for a sequence of a rank, ``encoder_s`` is spent by an iteration with prompts, however many.
    ``expert_power`` is what kernels of experts draw for as long as they fall short of the memory's speed, relative to
    waiting, and ``context_power`` the energy of a byte of the KV cache relative to one of weights. ``tiles`` cut the
    tokens of experts; without them, not at all. ``expert_skew`` makes experts unequally popular (``model.popularity``);
    ``expert_floor`` is the share of all of a GPU's experts that kernels stream whatever is asked for. With expert
    parallelism the GPU with most experts to read decides: ``expert_imbalance`` standard deviations count fully at 1.
    ``routed_passes``: where attention is data parallel, every GPU moves each token that any rank has through its
    memory for every expert that the token asks, as many times as this, in vectors of the hidden size.
    """

    compute_efficiency: float
    memory_efficiency: float
    expert_efficiency: float
    link_efficiency: float
    overlap: float
    iteration_s: float
    layer_s: float
    sequence_s: float
    link_latency_s: float
    swap_byte_per_s: float
    expert_layer_s: float = 0.0
    launch_s: float = 0.0
    graph_tokens: int = 0
    prompt_s: float = 0.0
    link_latency_per_gpu_s: float = 0.0
    expert_power: float = 1.0
    expert_imbalance: float = 0.0
    expert_skew: float = 0.0
    expert_floor: float = 0.0
    expert_launch_s: float = 0.0
    quantise_s: float = 0.0
    quantise_power: float = 1.0
    encoder_s: float = 0.0
    routed_passes: float = 0.0
    context_power: float = 1.0
    tiles: Tiles | None = None


@dataclass(frozen=True)
class Layout:
    """How one lane of a replica is spread: tensor and data parallel degrees, pipeline stages, experts over all GPUs.

    The hop is what lies between two pipeline stages: a link within a node, or the network where they span several.
    """

    tensor: int
    data: int
    pipeline: int
    expert: bool
    hop_byte_per_s: float
    hop_latency_s: float
    hop_joule_per_byte: float

    @property
    def gpus(self) -> int:
        """GPUs that work on one token's layer at a time."""
        return self.tensor * self.data


@dataclass(frozen=True)
class Precision:
    """Bytes of the whole model's resident weights, of one expert in one layer, and of one cached KV value."""

    resident_bytes: float
    expert_bytes: float
    kv_value_bytes: float
