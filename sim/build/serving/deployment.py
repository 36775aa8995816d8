"""A served model laid out on GPUs: what memory holds, and what an iteration costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sim.build.serving.compression import (
    compressed_layers,
    compressed_shape,
    left_of,
    unstored_bytes,
)
from sim.build.serving.cut_cores import in_16_bits, on_cut_cores
from sim.build.serving.drafter import IN_16_BITS
from sim.build.serving.host_times import host_times, slowdown_of
from sim.build.serving.iteration_costs import Iterations, of_all_tokens
from sim.build.serving.messages import over_pcie
from sim.build.serving.number_formats import ARITHMETIC, BITS, OPERAND_BYTES
from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.cost import Floats, IterationCost, Known
from sim.profiles.iteration.kv import Blocks, Kept, blocks, kept
from sim.profiles.iteration.terms import Device, Layout, Stack, Terms
from sim.profiles.iteration.terms import Precision as Bytes
from sim.profiles.kernels.aligned_experts import Aligned
from sim.profiles.language_models.layers import Layers, layers_of
from sim.profiles.language_models.model import Architecture, ModelShape, shape, with_index_keys
from sim.profiles.machines.gpu import GPUProfile, Precision, clock_curve
from sim.profiles.machines.node import NodeProfile, link_of
from sim.profiles.machines.reach import product_rate, stream_rate
from sim.profiles.sourced import Sourced
from sim.profiles.stacks.serving import StackProfile
from sim.spec.serving import Replicas, Serving
from sim.units import SECONDS_PER_NS

with later():
    from sim.build.serving.drafter import Drafter
    from sim.profiles.iteration.locked_clock import locked


@dataclass(frozen=True)
class Deployment:
    """One group of replicas on its GPUs."""

    spec: Serving
    replicas: Replicas
    architecture: Architecture
    gpu: GPUProfile
    node: NodeProfile
    stack: StackProfile
    drafter: Architecture | None
    written: Architecture
    """As it was before anything was taken away of it."""
    host_slowdown: float = 1.0
    """Times of the stack's host on the node's CPU, relative to the CPU that they are of."""

    @classmethod
    def of(cls, spec: Serving, replicas: Replicas, gpu: GPUProfile, node: NodeProfile, catalog: Catalog) -> Deployment:
        """Raises ``InputError`` for a model or a stack that is not in the catalog."""
        architecture = (
            catalog.model(spec.model).architecture if isinstance(spec.model, str) else spec.model.architecture
        )
        written = architecture
        pruning = spec.compression.pruning if spec.compression is not None else None
        architecture = left_of(architecture, pruning)
        guess = spec.speculative.draft_model if spec.speculative is not None else None
        draft = catalog.model(guess).architecture if guess is not None else None
        stack = catalog.stack(spec.stack)
        slowdown = slowdown_of(stack, catalog.cpu(node.cpus.profile), catalog)
        return cls(spec, replicas, architecture, gpu, node, stack, draft, written, slowdown)

    @cached_property
    def model(self) -> ModelShape:
        """The model summed up."""
        left = compressed_shape(shape(self.architecture), self.architecture, self.spec.compression)
        return with_index_keys(left, BITS[self.spec.precision.kv] / 8.0)

    @cached_property
    def draft(self) -> ModelShape | None:
        """The draft model summed up, where there is one."""
        return shape(self.drafter) if self.drafter is not None else None

    @property
    def arithmetic(self) -> Precision:
        """What the weights are multiplied in."""
        weights = self.spec.precision.weights
        if self.spec.precision.compute is not None:
            return self.spec.precision.compute
        if weights in ("int4", "mxfp4") and "bf16" not in self.gpu.peak:
            return "fp16"
        return ARITHMETIC[weights]

    def caps(self) -> list[float]:
        """W of each GPU, in the order of the schedule; the TDP first where the schedule begins later."""
        written = self.replicas.power_cap
        if written is None:
            return [float(self.gpu.tdp.value)]
        if not isinstance(written, list):
            return [float(written)]
        from_start = [change for change in written if change.after == 0]
        first = [] if from_start else [float(self.gpu.tdp.value)]
        return [*first, *(float(change.cap) for change in written)]

    # Memory

    def bytes(self) -> Bytes:
        """Bytes of a dense weight, one of an expert, a KV value, and an operand.

        In mxfp4 a mixture quantises its experts alone: that is how gpt-oss is published (arXiv:2508.10925, section 2.1:
        60.8 GiB for the larger one).
        """
        bits = BITS[self.spec.precision.weights]
        experts_alone = self.spec.precision.weights == "mxfp4" and self.model.moe_layers
        dense = 16.0 if experts_alone else bits
        return Bytes(
            dense / 8.0, bits / 8.0, BITS[self.spec.precision.kv] / 8.0, OPERAND_BYTES.get(self.arithmetic, 2.0)
        )

    def weights_bytes_per_gpu(self) -> float:
        """B on one GPU. The input embeddings, which no iteration reads as a whole, are held as the output head is."""
        r, m, size = self.replicas, self.model, self.bytes()
        held_only = m.parameters - m.resident_parameters - m.moe_layers * m.experts * m.expert_parameters
        head = m.vocabulary * m.hidden
        beside = size.dense_bytes if self.spec.precision.quantises_head else 2.0
        resident_bytes = (m.resident_parameters - head) * size.dense_bytes + beside * head
        resident_bytes -= unstored_bytes(self.architecture, self.spec.compression, BITS[self.spec.precision.weights])
        dense = (resident_bytes + beside * held_only) / r.tensor_parallel
        experts = m.moe_layers * m.experts * m.expert_parameters * size.expert_bytes
        experts = experts / (r.tensor_parallel * r.data_parallel)
        return float((dense + experts) / r.pipeline_parallel)

    def draft_bytes_per_gpu(self) -> float:
        """B of the draft model's weights on one GPU, in 16 bits and spread like the model's; 0 without one."""
        r = self.replicas
        return (
            2.0 * self.draft.parameters / (r.tensor_parallel * r.pipeline_parallel) if self.draft is not None else 0.0
        )

    def usable_bytes_per_gpu(self) -> float:
        """B of one GPU that the stack gives to weights and cache: its share, less what libraries of collectives keep
        where there are several."""
        usable = float(self.stack.gpu_memory_utilization.value) - float(self.stack.activation_reserve.value)
        kept = _number(self.stack.group_reserve) if self.replicas.gpus > 1 else 0.0
        return self.gpu.memory.held_bytes * usable - kept

    def kv_bytes_per_gpu(self) -> float:
        """B of one GPU that are left for the KV cache; negative where the weights alone do not fit."""
        left = self.usable_bytes_per_gpu() - self.weights_bytes_per_gpu() - self.draft_bytes_per_gpu()
        return left * _number(self.stack.cache_share, 1.0)

    def kept(self) -> Kept:
        """What a tensor-parallel group keeps of a sequence; of a draft model's, as if it had no window."""
        tensor = self.replicas.tensor_parallel
        found = kept(self.model, self.bytes(), tensor)
        if self.draft is not None:
            found = found.plus(kept(self.draft, IN_16_BITS, tensor).as_if_full())
        return found

    @cached_property
    def blocks(self) -> Blocks:
        """How the KV cache is counted."""
        return blocks(
            self.kept(),
            self.model,
            block_tokens=self.spec.batching.block_tokens,
            verified_tokens=1 + self.guesses,
            whole_prefixes=self.spec.batching.prefix_cache,
        )

    def kv_blocks(self) -> int:
        """Blocks of a pipeline lane."""
        r = self.replicas
        a_gpu = self.blocks.byte / r.tensor_parallel  # layers and lanes both count pipeline stages once
        return max(0, int(self.kv_bytes_per_gpu() * r.data_parallel // a_gpu))

    def longest_context(self) -> float:
        """Tokens of the longest sequence that fits; without end where all layers have a window."""
        held = self.blocks
        most: float = (self.kv_blocks() - held.state) // held.step
        if most >= held.window_blocks and held.windowed:
            spent = held.state + held.windowed * held.window_blocks
            most = (self.kv_blocks() - spent) // held.full if held.full else math.inf
        return most * self.spec.batching.block_tokens

    # Time and energy

    def layout(self) -> Layout:
        """Degrees of parallelism and the hop between pipeline stages."""
        r, network = self.replicas, self.spec.network
        leaves = r.gpus > self.node.slots and network is not None
        joined = link_of(self.node, self.gpu, r.gpus)
        link = float(joined.bandwidth.value) / 2.0  # the profile's is both directions together
        rate = float(network.bandwidth) if leaves and network is not None else link
        latency_s = (
            network.latency * SECONDS_PER_NS
            if leaves and network is not None
            else float(self.stack.link_latency.value) * SECONDS_PER_NS
        )
        joule = float(joined.energy_per_byte.value) if joined.energy_per_byte is not None else 0.0
        if leaves and network is not None:
            joule = float(network.energy_per_byte)
        routed = float(r.exchange == "all-to-all")
        return Layout(
            r.tensor_parallel, r.data_parallel, r.pipeline_parallel, r.expert_parallel, rate, latency_s, joule, routed
        )

    def device(self, cap_w: float) -> Device:
        """The GPU under a power cap; its link is the network where a stage leaves the node."""
        gpu, network, r = self.gpu, self.spec.network, self.replicas
        link = link_of(self.node, gpu, r.tensor_parallel * r.data_parallel)
        rate = float(link.bandwidth.value) / 2.0
        joule = float(link.energy_per_byte.value) if link.energy_per_byte is not None else 0.0
        if r.tensor_parallel * r.data_parallel > self.node.slots and network is not None:
            rate, joule = min(rate, float(network.bandwidth)), float(network.energy_per_byte)
        assert gpu.chip is not None  # a problem otherwise
        half = in_16_bits(gpu)
        stack = self.coefficients()
        device = Device(
            peak_flop_per_s=product_rate(gpu, self.arithmetic, float(stack.compute_efficiency)),
            peak16_flop_per_s=product_rate(gpu, half, float(stack.compute16_efficiency or 1.0)),
            multiprocessors=float(gpu.chip.multiprocessors.value),
            clock_hz=float(gpu.chip.clock.value),
            byte_per_s=stream_rate(gpu, float(stack.memory_efficiency)),
            link_byte_per_s=rate,
            loaded_w=float(gpu.power.loaded.value),
            cap_w=cap_w,
            joule_per_flop=float(gpu.power.energy_per_flop[self.arithmetic].value),
            joule_per_byte=float(gpu.power.energy_per_byte.value),
            joule_per_link_byte=joule,
            clock=clock_curve(gpu),
            waiting_w=float(gpu.power.waiting.value) if gpu.power.waiting is not None else 0.0,
            active_w=_number(gpu.power.active),
            joule_per_l2_byte=_number(gpu.power.energy_per_l2_byte),
            joule_per_score=_number(gpu.power.energy_per_score),
            joule16_per_flop=float(gpu.power.energy_per_flop[half].value),
            limit_w=float(gpu.tdp.value),
        )
        if r.clock is None or device.clock is None:
            return device
        return locked(device, float(r.clock) / float(gpu.chip.clock.value), device.clock)

    def coefficients(self) -> Stack:
        """The stack's, in SI, on the host's CPU; between nodes a message takes the network's latency."""
        s, network, r = self.stack, self.spec.network, self.replicas
        latency_s = float(s.link_latency.value) * SECONDS_PER_NS
        if r.tensor_parallel * r.data_parallel > self.node.slots and network is not None:
            latency_s = network.latency * SECONDS_PER_NS
        kernels = {str(name): own for name, own in s.quantised.items()}.get(self.spec.precision.weights)
        own = kernels if kernels is not None else s
        experts = own.experts.get(self.gpu.chip.generation) if self.gpu.chip is not None else None
        host = host_times(s, kernels, r.data_parallel, self.host_slowdown)
        stack = Stack(
            compute_efficiency=_number(own.compute_efficiency, float(s.compute_efficiency.value)),
            compute16_efficiency=float(s.compute_efficiency.value),
            memory_efficiency=_number(own.memory_efficiency, float(s.memory_efficiency.value)),
            expert_efficiency=float((experts.memory_efficiency if experts else own.expert_efficiency).value),
            expert_compute_efficiency=_some(
                experts.compute_efficiency if experts else None,
                own.expert_compute_efficiency,
                s.expert_compute_efficiency,
            ),
            expert_passes=_number(experts.passes if experts else None, float(Stack.expert_passes)),
            expert_cycles=_number(experts.cycles if experts else None, float(Stack.expert_cycles)),
            expert_crowded=_number(experts.crowded if experts else None, _number(own.expert_crowded, 1.0)),
            attention_efficiency=_some(s.attention_efficiency),
            context_efficiency=_some(s.context_efficiency),
            context_passes=_number(s.context_passes, 1.0),
            choosy=0.0 if kernels is not None and kernels.tiles == "by-rows" else 1.0,
            link_efficiency=float(s.link_efficiency.value),
            iteration_s=host.iteration_s,
            layer_s=_seconds(s.layer),
            sequence_s=host.sequence_s,
            link_latency_s=latency_s,
            swap_byte_per_s=float(s.swap_bandwidth.value),
            expert_layer_s=_seconds(s.expert_layer),
            launch_s=host.launch_s,
            graph_tokens=self._graph_tokens(),
            prompt_s=host.prompt_s + self.spec.prompt_work * SECONDS_PER_NS,
            link_latency_per_gpu_s=_seconds(s.link_latency_per_gpu),
            expert_power=_number(kernels.expert_power if kernels is not None else s.expert_power, 1.0),
            expert_imbalance=_number(s.expert_imbalance),
            expert_skew=_number(s.expert_skew),
            expert_launch_s=host.expert_launch_s,
            index_launch_s=host.index_launch_s,
            quantise_s=_seconds(kernels.layer) if kernels is not None else 0.0,
            encoder_s=self.spec.encoder_work * SECONDS_PER_NS,
            routed_passes=_number(s.routed_passes),
            logit_byte=_number(s.logit_bytes),
            logit_s=1.0 / float(s.logits_per_second.value) if s.logits_per_second is not None else 0.0,
            ahead=float(s.scheduling is not None and s.scheduling.value == "ahead"),
            aligned=experts.of_buffers() if experts is not None else Aligned(),
            reduces=over_pcie("all-reduce", r.tensor_parallel, self.node, self.gpu, s),
            gathers=over_pcie("all-gather", r.data_parallel, self.node, self.gpu, s),
        )
        return on_cut_cores(stack, self.gpu, self.arithmetic)

    def _graph_tokens(self) -> float:
        """The largest batch of a rank that is launched as a graph."""
        if self.spec.eager:
            return 0.0
        s = self.stack
        a_rank = self.verified / self.replicas.data_parallel
        return min(_number(s.graph_tokens, np.inf), _number(s.graph_tokens_per_sequence, np.inf) * a_rank)

    def most_tokens(self, longest_prompt: int) -> int:
        """The largest batch an iteration can hold."""
        batching = self.spec.batching
        whole = 0 if batching.prefill == "chunked" else longest_prompt
        most = max(batching.max_num_batched_tokens, self.verified, whole)
        return most * self.ranks + self.verified + (self.ranks if self.ranks > 1 else 0)

    @property
    def verified(self) -> int:
        """Tokens that decode at most: one of each sequence, and those guessed."""
        return self.spec.batching.max_num_seqs * (1 + self.guesses)

    @property
    def guesses(self) -> int:
        """Tokens that are guessed of each sequence."""
        return self.spec.speculative.draft_tokens if self.spec.speculative is not None else 0

    def _layers(self, architecture: Architecture) -> Layers:
        """One GPU's kernels of a model."""
        return layers_of(architecture).on(self.replicas.tensor_parallel)

    @property
    def ranks(self) -> int:
        """Data-parallel ranks that are padded to the largest; a measured table says what it says."""
        return self.replicas.data_parallel if self.spec.step_time.pads_ranks else 1

    @property
    def layers(self) -> Layers:
        """The kernels of one GPU."""
        bits = BITS[self.spec.precision.weights]
        whole = compressed_layers(self.architecture, self.spec.compression, bits)
        whole = whole.with_quantised_head() if self.spec.precision.quantises_head else whole
        return whole.on(self.replicas.tensor_parallel)

    def terms(self, cap_w: float) -> Terms:
        """What an iteration's cost is made of, under a power cap."""
        return Terms(self.layers, self.model, self.device(cap_w), self.coefficients(), self.layout(), self.bytes())

    def cost(self, cap_w: float, longest_prompt: int) -> IterationCost:
        """Cost of an iteration under a power cap. Raises ``InputError`` for a table of times that cannot be read."""
        made: IterationCost = builder(self.spec.step_time)(self.spec.step_time, Stepping(self, cap_w, longest_prompt))
        return made

    def roofline(
        self,
        cap_w: float,
        longest_prompt: int,
        *,
        known: Known | None = None,
        layers: Layers | None = None,
        tokens: Floats | None = None,
    ) -> IterationCost:
        """The same from profiles alone, or with kernels as ``known``; of ``layers`` where not of all that a GPU has,
        and of these numbers of ``tokens`` where not of all that there may be."""
        terms, most_tokens = self.terms(cap_w), self.most_tokens(longest_prompt)
        if known is not None:  # kernels are measured with each expert's tokens by themselves
            terms = replace(terms, stack=replace(terms.stack, aligned=Aligned()))
        iterations = Iterations(
            terms if layers is None else replace(terms, layers=layers),
            self._drafter(terms),
            verified=self.verified * self.ranks,
            block_tokens=self.spec.batching.block_tokens,
            blocks_step=self.blocks.step,
            guesses=self.guesses,
        )
        if known is None and layers is None and tokens is None:
            return of_all_tokens(most_tokens, iterations)
        return iterations.of_tokens(np.arange(most_tokens + 1.0) if tokens is None else tokens, known)

    def _drafter(self, verifying: Terms) -> Drafter | None:
        """The draft model on the GPUs of the one that verifies, where there is one."""
        if self.drafter is None:
            return None
        terms = replace(verifying, layers=self._layers(self.drafter), model=shape(self.drafter), precision=IN_16_BITS)
        batching = self.spec.batching
        return Drafter(terms, self.guesses, batching.max_num_seqs, batching.block_tokens)


@dataclass(frozen=True)
class Stepping:
    """What the times of iterations are built for: a deployment under a power cap, and the longest prompt it meets."""

    deployment: Deployment
    cap_w: float
    longest_prompt: int


def _seconds(duration: Sourced[Any] | None) -> float:
    return float(duration.value) * SECONDS_PER_NS if duration is not None else 0.0


def _some(*entries: Sourced[Any] | None) -> float | None:
    """The first there is."""
    return next((float(entry.value) for entry in entries if entry is not None), None)


def _number(entry: Sourced[Any] | None, otherwise: float = 0.0) -> float:
    return float(entry.value) if entry is not None else otherwise
