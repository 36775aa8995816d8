"""A served model laid out on GPUs: what memory holds, and what an iteration costs. Refuses what does not fit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sim.build.step_table import read_step_table
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import GPUProfile, NodeProfile, Precision, clock_curve
from sim.profiles.kv import Blocks, Kept, blocks, kept
from sim.profiles.model import ModelShape, shape, with_index_keys
from sim.profiles.sourced import Sourced
from sim.profiles.stack import StackProfile
from sim.profiles.step import BLOCK, Drafting, IterationCost, iteration_cost
from sim.profiles.terms import Device, Layout, Stack, Tiles
from sim.profiles.terms import Precision as Bytes
from sim.spec.serving import MeasuredSteps, Replicas, Serving
from sim.units import SECONDS_PER_NS

BITS = {"bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "int8": 8.0, "int4": 4.125, "mxfp4": 4.25, "nvfp4": 4.5}
"""Of a weight. int4 with a 16-bit scale for 128 weights; mxfp4 with an 8-bit scale for 32 (OCP MX v1.0), nvfp4 with one
for 16 (Pretraining Large Language Models with NVFP4, arXiv:2509.25149, section 2)."""

ARITHMETIC: dict[str, Precision] = {
    "bf16": "bf16", "fp16": "fp16", "fp8": "fp8", "int8": "int8", "int4": "bf16", "mxfp4": "bf16", "nvfp4": "fp4",
}  # fmt: skip
"""What weights are multiplied in where nothing is said: int4 and mxfp4 are unpacked to 16 bits, which are fp16 on GPUs
without bf16."""


@dataclass(frozen=True)
class Deployment:
    """One group of replicas on its GPUs."""

    spec: Serving
    replicas: Replicas
    model: ModelShape
    gpu: GPUProfile
    node: NodeProfile
    stack: StackProfile
    draft: ModelShape | None

    @classmethod
    def of(cls, spec: Serving, replicas: Replicas, gpu: GPUProfile, node: NodeProfile, catalog: Catalog) -> Deployment:
        """Raises ``InputError`` for a model or a stack that is not in the catalog."""
        architecture = (
            catalog.model(spec.model).architecture if isinstance(spec.model, str) else spec.model.architecture
        )
        guess = spec.speculative.draft_model if spec.speculative is not None else None
        draft = shape(catalog.model(guess).architecture) if guess is not None else None
        model = with_index_keys(shape(architecture), BITS[spec.precision.kv] / 8.0)
        return cls(spec, replicas, model, gpu, node, catalog.stack(spec.stack), draft)

    def problems(self) -> list[tuple[str, str]]:
        """What speaks against it: the field of the workload, and why."""
        found = []
        r, spec, gpu = self.replicas, self.spec, self.gpu
        if r.data_parallel > 1 and not self.model.moe_layers:
            found.append(("data_parallel", "is for mixtures of experts; for a dense model raise 'count'"))
        if r.expert_parallel and not self.model.moe_layers:
            found.append(("expert_parallel", "the model has no experts"))
        if self.model.heads % r.tensor_parallel and r.tensor_parallel % self.model.heads:
            found.append(("tensor_parallel", f"does not divide the model's {self.model.heads} heads"))
        if r.pipeline_parallel > self.model.layers:
            found.append(("pipeline_parallel", f"the model has {self.model.layers} layers"))
        if r.gpus > self.node.slots and spec.network is None:
            message = f"a replica of {r.gpus} GPUs leaves a node of {self.node.slots}: give the workload a 'network'"
            found.append((self._widest(), message))
        if self.arithmetic not in gpu.peak or self.arithmetic not in gpu.power.energy_per_flop:
            known = ", ".join(name for name in gpu.peak if name in gpu.power.energy_per_flop)
            found.append(
                ("precision", f"'{gpu.name}' has no peak rate and energy per FLOP for {self.arithmetic}  ({known})")
            )
        if self.model.moe_layers and self.stack.tiles is not None and "fp32" not in gpu.peak:
            found.append(("stack", f"'{self.stack.name}' needs the fp32 peak of '{gpu.name}' for a mixture's tiles"))
        if r.gpus > 1 and gpu.link.energy_per_byte is None:
            found.append((self._widest(), f"'{gpu.name}' has no energy per byte of its link in its profile"))
        for cap in self.caps():
            if not gpu.power.loaded.value < cap <= gpu.tdp.value:
                limits = f"{gpu.power.loaded.value:g} W loaded and its TDP of {gpu.tdp.value:g} W"
                found.append(("power_cap", f"{cap:g} W is not between the {limits} of '{gpu.name}'"))
        misfit = self.misfit()
        return [*found, ("precision", misfit)] if misfit else found

    def _widest(self) -> str:
        """The field that spreads a replica the most."""
        r = self.replicas
        return max(("tensor_parallel", "pipeline_parallel", "data_parallel"), key=lambda name: int(getattr(r, name)))

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
        """Bytes of resident weights, an expert, and a KV value.

        The output head keeps 16 bits beside quantised weights. In mxfp4 a mixture quantises its experts alone: that is
        how gpt-oss is published (arXiv:2508.10925, section 2.1: 60.8 GiB for the larger one).
        """
        bits = BITS[self.spec.precision.weights]
        experts_alone = self.spec.precision.weights == "mxfp4" and self.model.moe_layers
        kept = self.model.resident_parameters if experts_alone else self.model.vocabulary * self.model.hidden
        resident_bits = self.model.resident_parameters * bits + kept * (16.0 - bits)
        return Bytes(resident_bits / 8.0, self.model.expert_parameters * bits / 8.0, BITS[self.spec.precision.kv] / 8.0)

    def weights_bytes_per_gpu(self) -> float:
        """B on one GPU. The input embeddings, which no iteration reads as a whole, are held in 16 bits too."""
        r, m, size = self.replicas, self.model, self.bytes()
        held_only = m.parameters - m.resident_parameters - m.moe_layers * m.experts * m.expert_parameters
        dense = (size.resident_bytes + 2.0 * held_only) / r.tensor_parallel
        experts = m.moe_layers * m.experts * size.expert_bytes / (r.tensor_parallel * r.data_parallel)
        return (dense + experts) / r.pipeline_parallel

    def draft_bytes_per_gpu(self) -> float:
        """B of the draft model's weights on one GPU, in 16 bits and spread like the model's; 0 without one."""
        r = self.replicas
        return (
            2.0 * self.draft.parameters / (r.tensor_parallel * r.pipeline_parallel) if self.draft is not None else 0.0
        )

    def kv_bytes_per_gpu(self) -> float:
        """B of one GPU that are left for the KV cache; negative where the weights alone do not fit."""
        usable = float(self.stack.gpu_memory_utilization.value) - float(self.stack.activation_reserve.value)
        return self.gpu.memory.held_bytes * usable - self.weights_bytes_per_gpu() - self.draft_bytes_per_gpu()

    def kept(self) -> Kept:
        """What a tensor-parallel group keeps of a sequence; of a draft model's, as if it had no window."""
        tensor = self.replicas.tensor_parallel
        found = kept(self.model, self.bytes(), tensor)
        if self.draft is not None:
            found = found.plus(kept(self.draft, _bytes_of_draft(self.draft), tensor).as_if_full())
        return found

    @cached_property
    def blocks(self) -> Blocks:
        """How the KV cache is counted."""
        spec = self.spec.speculative
        return blocks(
            self.kept(),
            self.model,
            block_tokens=self.spec.batching.block_tokens,
            verified_tokens=1 + (spec.draft_tokens if spec is not None else 0),
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

    def misfit(self) -> str | None:
        """Why the model does not fit, with the arithmetic; None if it does."""
        tokens = self.longest_context() if self.kv_bytes_per_gpu() > 0 else 0.0
        if tokens >= 64 * self.spec.batching.block_tokens:
            return None
        gigabyte = 1e9
        r = self.replicas
        per_gpu = self.weights_bytes_per_gpu() / gigabyte
        memory = self.gpu.memory
        capacity = memory.held_bytes / gigabyte
        by = "as its driver reports" if memory.usable is not None else "by name: its profile has no memory.usable"
        usable = float(self.stack.gpu_memory_utilization.value) - float(self.stack.activation_reserve.value)
        drafts = self.draft_bytes_per_gpu() / gigabyte
        beside = f" and the draft model {drafts:.1f} GB" if drafts else ""
        blocks = max(0, int(tokens // self.spec.batching.block_tokens))
        left = f"{capacity * usable - per_gpu - drafts:.1f} GB for the KV cache, {blocks} blocks"
        bits = self.spec.precision.weights
        return (
            f"does not fit: {self.model.parameters / 1e9:.4g} B parameters in {bits} over {r.gpus} GPUs are "
            f"{per_gpu:.1f} GB each{beside}; '{self.gpu.name}' has {capacity:.1f} GB ({by}), of which the stack takes "
            f"{100 * usable:.0f} % = {capacity * usable:.1f} GB, which leaves {left}; "
            f"use more GPUs a replica or fewer bits a weight"
        )

    # Time and energy

    def layout(self) -> Layout:
        """Degrees of parallelism and the hop between pipeline stages."""
        r, network = self.replicas, self.spec.network
        leaves = r.gpus > self.node.slots and network is not None
        link = float(self.gpu.link.bandwidth.value) / 2.0  # the profile's is both directions together
        rate = float(network.bandwidth) if leaves and network is not None else link
        latency_s = (
            network.latency * SECONDS_PER_NS
            if leaves and network is not None
            else float(self.stack.link_latency.value) * SECONDS_PER_NS
        )
        joule = float(self.gpu.link.energy_per_byte.value) if self.gpu.link.energy_per_byte is not None else 0.0
        if leaves and network is not None:
            joule = float(network.energy_per_byte)
        return Layout(
            r.tensor_parallel, r.data_parallel, r.pipeline_parallel, r.expert_parallel, rate, latency_s, joule
        )

    def device(self, cap_w: float) -> Device:
        """The GPU under a power cap; its link is the network where a stage leaves the node."""
        gpu, network, r = self.gpu, self.spec.network, self.replicas
        rate = float(gpu.link.bandwidth.value) / 2.0
        joule = float(gpu.link.energy_per_byte.value) if gpu.link.energy_per_byte is not None else 0.0
        if r.tensor_parallel * r.data_parallel > self.node.slots and network is not None:
            rate, joule = min(rate, float(network.bandwidth)), float(network.energy_per_byte)
        return Device(
            peak_flop_per_s=float(gpu.peak[self.arithmetic].value),
            byte_per_s=float(gpu.memory.bandwidth.value),
            link_byte_per_s=rate,
            loaded_w=float(gpu.power.loaded.value),
            cap_w=cap_w,
            joule_per_flop=float(gpu.power.energy_per_flop[self.arithmetic].value),
            joule_per_byte=float(gpu.power.energy_per_byte.value),
            joule_per_link_byte=joule,
            clock=clock_curve(gpu),
            waiting_w=float(gpu.power.waiting.value) if gpu.power.waiting is not None else 0.0,
            vector_flop_per_s=float(gpu.peak["fp32"].value) if "fp32" in gpu.peak else 0.0,
        )

    def coefficients(self) -> Stack:
        """The stack's, in SI; between nodes a message takes the network's latency."""
        s, network, r = self.stack, self.spec.network, self.replicas
        latency_s = float(s.link_latency.value) * SECONDS_PER_NS
        if r.tensor_parallel * r.data_parallel > self.node.slots and network is not None:
            latency_s = network.latency * SECONDS_PER_NS
        kernels = {str(name): own for name, own in s.quantised.items()}.get(self.spec.precision.weights)
        return Stack(
            compute_efficiency=float(s.compute_efficiency.value),
            memory_efficiency=float(s.memory_efficiency.value),
            expert_efficiency=float((kernels.expert_efficiency if kernels is not None else s.expert_efficiency).value),
            link_efficiency=float(s.link_efficiency.value),
            overlap=float(s.overlap.value),
            iteration_s=float(s.iteration.value) * SECONDS_PER_NS,
            layer_s=_seconds(s.layer),
            sequence_s=float(s.sequence.value) * SECONDS_PER_NS,
            link_latency_s=latency_s,
            swap_byte_per_s=float(s.swap_bandwidth.value),
            expert_layer_s=_seconds(s.expert_layer),
            launch_s=_seconds(s.launch) + (_seconds(kernels.launch) if kernels is not None else 0.0),
            graph_tokens=int(s.graph_tokens.value) if s.graph_tokens is not None else 0,
            prompt_s=_seconds(s.prompt) + self.spec.prompt_work * SECONDS_PER_NS,
            link_latency_per_gpu_s=_seconds(s.link_latency_per_gpu),
            expert_power=_number(kernels.expert_power if kernels is not None else s.expert_power, 1.0),
            expert_imbalance=_number(s.expert_imbalance),
            expert_skew=_number(s.expert_skew),
            expert_floor=_number(kernels.expert_floor) if kernels is not None and not self.tuned else 0.0,
            expert_launch_s=_seconds(s.expert_launch),
            quantise_s=_seconds(kernels.layer) if kernels is not None else 0.0,
            quantise_power=_number(kernels.layer_power, 1.0) if kernels is not None else 1.0,
            encoder_s=self.spec.encoder_work * SECONDS_PER_NS,
            routed_passes=_number(s.routed_passes),
            context_power=_number(s.context_power, 1.0),
            tiles=self._tiles(kernels.tiles if kernels is not None else "as-other-weights"),
        )

    @property
    def tuned(self) -> bool:
        """Whether the stack's authors tuned its tiles to the experts as one GPU holds them."""
        return self.stack.is_tuned(*self.held_experts, self.spec.precision.weights, self.gpu.name)

    @property
    def held_experts(self) -> tuple[int, int]:
        """Experts that a GPU holds (parts of, where they are sliced), and the width of each; 0, 0 of a dense model."""
        m, r = self.model, self.replicas
        gpus = r.tensor_parallel * r.data_parallel
        width = m.expert_width
        return (m.experts // gpus, width) if r.expert_parallel else (m.experts, width // gpus)

    def _tiles(self, how: str) -> Tiles | None:
        tiles = self.stack.tiles
        if tiles is None or how == "none":
            return None
        few, many = int(tiles.few.value), int(tiles.many.value)
        if self.tuned:
            return Tiles(few, float(tiles.tuned_until.value), many, 0.0)
        return Tiles(few, 0.0 if how == "large" else float(tiles.few_until.value), many, float(tiles.issue.value))

    def most_tokens(self, longest_prompt: int) -> int:
        """The largest batch an iteration can hold."""
        batching, spec = self.spec.batching, self.spec.speculative
        verified = batching.max_num_seqs * (1 + (spec.draft_tokens if spec is not None else 0))
        whole = 0 if batching.prefill == "chunked" else longest_prompt
        most = max(batching.max_num_batched_tokens, verified, whole)
        return most * self.ranks + verified + (self.ranks if self.ranks > 1 else 0)

    @property
    def ranks(self) -> int:
        """Data-parallel ranks that are padded to the largest; a measured table says what it says."""
        return 1 if self.spec.step_time.kind == "measured" else self.replicas.data_parallel

    def cost(self, cap_w: float, longest_prompt: int) -> IterationCost:
        """Cost of an iteration under a power cap. Raises ``InputError`` for a table of times that cannot be read."""
        tokens = self.most_tokens(longest_prompt)
        device, stack, layout = self.device(cap_w), self.coefficients(), self.layout()
        draft = self._drafting(self.draft, device, stack, layout) if self.draft is not None else None
        size = self.spec.batching.block_tokens
        cost = iteration_cost(
            self.model, device, stack, layout, self.bytes(), most_tokens=tokens, block_tokens=size, draft=draft
        )
        cost.slope[:, BLOCK] /= self.blocks.step  # of a token's KV in all layers before
        if self.spec.step_time.kind == "measured":
            return self._measured(cost, self.spec.step_time)
        return cost

    def _drafting(self, model: ModelShape, device: Device, stack: Stack, layout: Layout) -> Drafting:
        """The draft model's iterations, one token a sequence: exact for one sequence and for ``max_num_seqs``, linear
        between. Its contexts and its own prefill are left out: it is small."""
        assert self.spec.speculative is not None
        guesses, most = self.spec.speculative.draft_tokens, self.spec.batching.max_num_seqs
        alone = iteration_cost(model, device, stack, layout, _bytes_of_draft(model), most_tokens=most, block_tokens=16)
        seconds, joules = alone.table[0, :, :3].max(axis=1), alone.table[0, :, 3]
        rise = 1.0 / max(most - 1, 1)
        slower_s, more_j = float(seconds[most] - seconds[1]) * rise, float(joules[most] - joules[1]) * rise
        return Drafting(
            seconds=guesses * (float(seconds[1]) - slower_s),
            joules=guesses * (float(joules[1]) - more_j),
            seconds_per_sequence=guesses * slower_s,
            joules_per_sequence=guesses * more_j,
        )

    def _measured(self, cost: IterationCost, steps: MeasuredSteps) -> IterationCost:
        """Times from a table, energy from the roofline; a cap still lengthens what would exceed it."""
        times = read_step_table(steps.file)
        tokens = np.arange(cost.table.shape[1], dtype=np.float64)
        table, slope = cost.table.copy(), cost.slope.copy()
        slope[:2] = 0.0
        table[:, :, 1] = 0.0
        prompt_s = times.at("prompt", tokens)
        table[0, :, 0], table[1, :, 0], table[2, :, 0] = times.at("decode", tokens), prompt_s, steps.mixed * prompt_s
        return replace(cost, table=table, slope=slope)


def _seconds(duration: Sourced[Any] | None) -> float:
    return float(duration.value) * SECONDS_PER_NS if duration is not None else 0.0


def _number(entry: Sourced[Any] | None, otherwise: float = 0.0) -> float:
    return float(entry.value) if entry is not None else otherwise


def _bytes_of_draft(model: ModelShape) -> Bytes:
    return Bytes(2.0 * model.resident_parameters, 2.0 * model.expert_parameters, 2.0)
