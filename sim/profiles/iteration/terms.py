"""What an iteration's cost is made of: a model's kernels, a device, a stack, how a replica is laid out and how its
numbers are kept.

Every number may be one value, or an array (rows, 1) of many configurations that are reckoned at once (``columns``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np

from sim.profiles.iteration.message_time import Ways
from sim.profiles.kernels.aligned_experts import Aligned
from sim.profiles.kernels.time import Machine, Number
from sim.profiles.language_models.layers import Layers
from sim.profiles.language_models.model import ModelShape
from sim.profiles.power_laws.clock import ClockCurve


@dataclass(frozen=True)
class Device:
    """One GPU in SI: peaks, state power, energies of work, its link (B/s in one direction) and its power cap.

    ``peak_flop_per_s`` is of the precision that weights are multiplied in, ``peak16_flop_per_s`` of what stays in 16
    bits (output head, router, attention). ``clock_hz`` is the one the peaks are stated at. Without ``clock``, a cap
    lengthens iterations and saves no energy. ``waiting_w`` is what a clocked-up GPU draws beyond loaded while it waits
    within an iteration: for the host, for launches, for the links; ``active_w`` what it draws more while a kernel runs,
    beside the energies of its work (``kernels.power``; ``joule16_per_flop`` in 16 bits, ``joule_per_byte`` from memory
    into a multiprocessor). Kernels' times are as measured at the board's own limit, ``limit_w``, which holds their
    power.
    """

    peak_flop_per_s: Number
    peak16_flop_per_s: Number
    byte_per_s: Number
    link_byte_per_s: Number
    multiprocessors: Number
    clock_hz: Number
    loaded_w: Number
    cap_w: Number
    joule_per_flop: Number
    joule_per_byte: Number
    joule_per_link_byte: Number
    clock: ClockCurve | None = None
    waiting_w: Number = 0.0
    active_w: Number = 0.0
    joule16_per_flop: Number = 0.0
    joule_per_l2_byte: Number = 0.0
    joule_per_score: Number = 0.0
    limit_w: Number = np.inf

    @property
    def machine(self) -> Machine:
        """What times of kernels follow from."""
        return Machine(self.multiprocessors, self.clock_hz, self.byte_per_s)


@dataclass(frozen=True)
class Stack:
    """A serving stack's share in the cost: achieved fractions of the peaks by large kernels in (0, 1], and times in s.

    ``compute_efficiency`` and ``memory_efficiency`` are of products with weights, ``compute16_efficiency`` of those
    that stay in 16 bits; ``expert_compute_efficiency`` and ``expert_efficiency`` the same of a mixture's experts;
    ``attention_efficiency`` of the peak by attention over prompts, ``context_efficiency`` of the memory by attention
    over the cache, every byte of which is moved ``context_passes`` times. ``choosy`` kernels pick their tiles by shape
    (1) or by rows alone (0). A mixture's kernels launch for ``expert_cycles`` of the multiprocessors' clock, and move
    what is routed through memory ``expert_passes`` times; where there are more tokens than experts on a GPU they take
    ``expert_crowded`` times as long. Or experts' tokens are ``aligned`` in one buffer, by kernels that are others.

    Beside the kernels: ``layer_s`` is what a layer launches more (norms, rotations, gaps) from a graph,
    ``expert_layer_s`` a mixture's on top; beyond ``graph_tokens`` (of a data-parallel rank) kernels are launched one by
    one, ``launch_s`` a layer, ``expert_launch_s`` a mixture's and ``index_launch_s`` an indexer's on top, which shows
    only as far as the GPU is faster than that. ``quantise_s`` is what quantised experts add to a mixture's layer of a
    graph beside their kernels. ``prompt_s`` is host work for a chunk of a prompt, ``sequence_s`` for a sequence of a
    rank, ``encoder_s`` is spent by an iteration with prompts, however many. A host that schedules ``ahead`` (1) works
    on the next iteration's sequences while the GPU is at this one's: what is waited for is only what takes it longer
    than the kernels.

    ``expert_power`` is what kernels of experts draw beyond loaded, relative to other kernels of the same work.
    ``logit_s`` and ``logit_byte`` are what sampling takes and moves for every entry of the vocabulary, of every
    sequence. ``expert_skew`` makes experts unequally popular (``model.popularity``). With expert parallelism the GPU
    with most experts to read decides: ``expert_imbalance`` standard deviations count fully at 1. ``routed_passes``:
    where attention is data parallel, every GPU moves each token that any rank has through its memory for every expert
    that the token asks, as many times as this, in vectors of the hidden size.

    Where a library and no kernel of the stack's own sums over PCIe, ``reduces`` are its ways to do so, of which the
    quickest is taken (s, and s for each B of the buffer), and ``gathers`` those to gather or scatter.
    """

    compute_efficiency: Number
    memory_efficiency: Number
    expert_efficiency: Number
    link_efficiency: Number
    iteration_s: Number
    layer_s: Number
    sequence_s: Number
    link_latency_s: Number
    swap_byte_per_s: Number
    compute16_efficiency: Number | None = None
    expert_compute_efficiency: Number | None = None
    attention_efficiency: Number | None = None
    context_efficiency: Number | None = None
    context_passes: Number = 1.0
    choosy: Number = 1.0
    expert_cycles: Number = 50000.0
    expert_passes: Number = 3.0
    expert_crowded: Number = 1.0
    expert_layer_s: Number = 0.0
    launch_s: Number = 0.0
    graph_tokens: Number = np.inf
    prompt_s: Number = 0.0
    link_latency_per_gpu_s: Number = 0.0
    expert_power: Number = 1.0
    expert_imbalance: Number = 0.0
    expert_skew: Number = 0.0
    expert_launch_s: Number = 0.0
    index_launch_s: Number = 0.0
    quantise_s: Number = 0.0
    encoder_s: Number = 0.0
    routed_passes: Number = 0.0
    logit_s: Number = 0.0
    logit_byte: Number = 0.0
    ahead: Number = 0.0
    aligned: Aligned = field(default_factory=Aligned)
    reduces: Ways = ()
    gathers: Ways = ()


@dataclass(frozen=True)
class Layout:
    """How one lane of a replica is spread: tensor and data parallel degrees, pipeline stages, experts over all GPUs.

    The hop is what lies between two pipeline stages: a link within a node, or the network where they span several.
    ``routed`` is 1 where data-parallel ranks send tokens to the GPUs of their experts alone.
    """

    tensor: Number
    data: Number
    pipeline: Number
    expert: Number
    hop_byte_per_s: Number
    hop_latency_s: Number
    hop_joule_per_byte: Number
    routed: Number = 0.0

    @property
    def gpus(self) -> Number:
        """GPUs that work on one token's layer at a time."""
        return self.tensor * self.data


@dataclass(frozen=True)
class Precision:
    """Bytes of a weight of the dense layers, of the experts', of a cached KV value, and of an operand of products
    (below 2: activations are quantised before each)."""

    dense_bytes: Number
    expert_bytes: Number
    kv_value_bytes: Number
    operand_bytes: Number = 2.0


@dataclass(frozen=True)
class Terms:
    """All of it together. ``layers`` are one GPU's (``Layers.on``), ``model`` the whole model's shape."""

    layers: Layers
    model: ModelShape
    device: Device
    stack: Stack
    layout: Layout
    precision: Precision


T = TypeVar("T")


def columns(rows: Sequence[T]) -> T:
    """Many of a dataclass as one whose numbers are arrays (rows, 1), inner ones likewise.

    Tuples of different lengths are filled up with things that are there no times (``count`` or ``layers`` 0). Words
    must be the same in all rows; what is None in some rows is there no times in them.
    """
    first: Any = next((row for row in rows if row is not None), None)
    found: Any = first
    # To a checker, ``first`` is what any dataclass or number may be: which it is, is asked here.
    if is_dataclass(first):
        there = [_none_of(first) if row is None else row for row in rows]
        found = replace(first, **{f.name: columns([getattr(row, f.name) for row in there]) for f in fields(first)})  # type: ignore[type-var]
    elif isinstance(first, tuple):
        found = _filled_up(rows)
    elif isinstance(first, str):
        if any(row != first for row in rows):
            raise ValueError(f"rows differ in {first!r}")
    elif first is not None:
        found = np.array([[float(row)] for row in rows])  # type: ignore[arg-type]
    return cast(T, found)


def _filled_up(rows: Sequence[Any]) -> tuple[Any, ...]:
    """Lists of things as a tuple of columns: the first of each kind beside one another, then the second."""
    kinds = list(dict.fromkeys(_kind(item) for row in rows for item in row))
    found: list[Any] = []
    for kind in kinds:
        of_kind = [[item for item in row if _kind(item) == kind] for row in rows]
        example = next(item for row in of_kind for item in row)
        longest = max(map(len, of_kind))
        filled = [row + [_none_of(example)] * (longest - len(row)) for row in of_kind]
        found += [columns(things) for things in zip(*filled, strict=True)]
    return tuple(found)


def _kind(item: Any) -> tuple[Any, ...]:
    """What must not differ within a column: the type, and words."""
    return (type(item), *(getattr(item, f.name) for f in fields(item) if isinstance(getattr(item, f.name), str)))


def _none_of(example: Any) -> Any:
    """The same, no times."""
    name = "count" if hasattr(example, "count") else "layers"
    return replace(example, **{name: 0})
