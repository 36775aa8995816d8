"""What speaks against a served model on its GPUs: shapes, rates that nobody knows, and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.later import later
from sim.profiles.machines.gpu import clock_curve
from sim.units import SECONDS_PER_HOUR, SECONDS_PER_NS

with later():
    from sim.spec.steps import KernelSteps, Roofline


if TYPE_CHECKING:
    from sim.build.serving.deployment import Deployment

LONGEST_PROMPT = 1 << 17
"""Tokens of a prompt prefilled whole; longer ones need chunks."""


def objections(deployment: Deployment) -> list[tuple[str, str]]:
    """What speaks against it: the field of the workload, and why."""
    found = []
    r, spec, gpu = deployment.replicas, deployment.spec, deployment.gpu
    found += _compression(deployment)
    if r.data_parallel > 1 and not deployment.model.moe_layers:
        found.append(("data_parallel", "is for mixtures of experts; for a dense model raise 'count'"))
    if r.expert_parallel and not deployment.model.moe_layers:
        found.append(("expert_parallel", "the model has no experts"))
    if r.exchange == "all-to-all" and not r.expert_parallel:
        found.append(("exchange", "'all-to-all' needs 'expert_parallel': sliced experts need all tokens"))
    if deployment.model.heads % r.tensor_parallel and r.tensor_parallel % deployment.model.heads:
        found.append(("tensor_parallel", f"does not divide the model's {deployment.model.heads} heads"))
    if r.pipeline_parallel > deployment.model.layers:
        found.append(("pipeline_parallel", f"the model has {deployment.model.layers} layers"))
    if r.gpus > deployment.node.slots and spec.network is None:
        message = f"a replica of {r.gpus} GPUs leaves a node of {deployment.node.slots}: give the workload a 'network'"
        found.append((_widest(deployment), message))
    if deployment.arithmetic not in gpu.peak or deployment.arithmetic not in gpu.power.energy_per_flop:
        known = ", ".join(name for name in gpu.peak if name in gpu.power.energy_per_flop)
        found.append(
            ("precision", f"'{gpu.name}' has no peak rate and energy per FLOP for {deployment.arithmetic}  ({known})")
        )
    if not {"bf16", "fp16"} & gpu.peak.keys():
        found.append(("precision", f"'{gpu.name}' has no peak rate for bf16 or fp16, in which attention is computed"))
    if gpu.chip is None:
        says = (
            "which times of kernels follow from: give 'multiprocessors', and the 'clock' its peaks are stated at, in a "
            "profile of your own, or describe the service by its times (kind: inference)"
        )
        found.append(("stack", f"'{gpu.name}' has no 'chip' in its profile, {says}"))
    if r.gpus > 1 and gpu.link.energy_per_byte is None:
        found.append((_widest(deployment), f"'{gpu.name}' has no energy per byte of its link in its profile"))
    for cap in deployment.caps():
        if not gpu.power.loaded.value < cap <= gpu.tdp.value:
            limits = f"{gpu.power.loaded.value:g} W loaded and its TDP of {gpu.tdp.value:g} W"
            found.append(("power_cap", f"{cap:g} W is not between the {limits} of '{gpu.name}'"))
    if r.clock is not None:
        found += _locked(deployment, float(r.clock))
    if spec.precision.quantises_head and deployment.bytes().dense_bytes == 2.0:
        found.append(("precision", f"head: in {spec.precision.weights} a mixture quantises its experts alone"))
    found += _slow_network(deployment)
    misfit = _misfit(deployment)
    return [*found, ("precision", misfit)] if misfit else found


def _locked(deployment: Deployment, clock_hz: float) -> list[tuple[str, str]]:
    """What speaks against a locked clock."""
    gpu = deployment.gpu
    curve = clock_curve(gpu)
    if curve is None or gpu.chip is None:
        return [("clock", f"'{gpu.name}' does not say in its profile how its clock acts")]
    highest = float(gpu.chip.clock.value)
    if not float(curve.lowest) * highest <= clock_hz <= highest:
        limits = f"{float(curve.lowest) * highest / 1e6:.0f} and {highest / 1e6:.0f} MHz"
        return [("clock", f"{clock_hz / 1e6:g} MHz is not between the {limits} of '{gpu.name}'")]
    if not isinstance(deployment.spec.step_time, Roofline):
        return [("clock", "measured iterations and kernels are those of the highest clock; use the roofline")]
    return []


def _compression(deployment: Deployment) -> list[tuple[str, str]]:
    """What speaks against what is taken away of it."""
    compression = deployment.spec.compression
    if compression is None:
        return []
    from sim.build.serving.compression import compression_problems

    found = [("compression", f"{field}: {why}") for field, why in compression_problems(deployment.written, compression)]
    if isinstance(deployment.spec.step_time, KernelSteps) and (compression.rank or compression.sparsity):
        found.append(("compression", "measured kernels are those of whole, dense matrices; use the roofline"))
    return found


def _slow_network(deployment: Deployment) -> list[tuple[str, str]]:
    """What would take more time over it than the engine counts (all that can be kept of a sequence, and what an
    iteration of the most tokens sends), or more power than boards have."""
    spec, r = deployment.spec, deployment.replicas
    network = spec.network
    if network is None:
        return []
    from sim.engine.serving.plan import LONGEST_S

    lasting, found = {}, []
    spare_w = float(deployment.gpu.tdp.value) - float(deployment.gpu.power.loaded.value)
    sending_w = float(network.bandwidth) * float(network.energy_per_byte)
    if sending_w > spare_w:
        found.append(
            f"would draw {sending_w:,.4g} W of each GPU that sends at its full bandwidth; '{deployment.gpu.name}' has "
            f"{spare_w:g} W between loaded and its TDP: give 'energy_per_byte' of what joins the nodes, e.g. 60 pJ/B"
        )
    rate, latency_s = float(network.bandwidth), int(network.latency) * SECONDS_PER_NS
    if spec.decode is not None and r is not spec.decode:  # who decodes hands nothing over
        kept = max(0.0, deployment.kv_bytes_per_gpu())
        lasting["handing a full KV cache over"] = latency_s + kept / rate
    if r.gpus > deployment.node.slots:
        sent = 2.0 * deployment.model.hidden * deployment.most_tokens(LONGEST_PROMPT)
        hops = 4 * deployment.model.layers if r.tensor_parallel > deployment.node.slots else r.pipeline_parallel
        lasting["a full iteration"] = hops * (latency_s + sent / rate)
    most = f"at most {LONGEST_S / SECONDS_PER_HOUR:.0f} h can be counted"
    found += [f"{what} takes {s / SECONDS_PER_HOUR:,.0f} h; {most}" for what, s in lasting.items() if s >= LONGEST_S]
    return [("network", message) for message in found]


def _widest(deployment: Deployment) -> str:
    """The field that spreads a replica the most."""
    r = deployment.replicas
    return max(("tensor_parallel", "pipeline_parallel", "data_parallel"), key=lambda name: int(getattr(r, name)))


def _misfit(deployment: Deployment) -> str | None:
    """Why the model does not fit, with the arithmetic; None if it does."""
    tokens = deployment.longest_context() if deployment.kv_bytes_per_gpu() > 0 else 0.0
    if tokens >= 64 * deployment.spec.batching.block_tokens:
        return None
    gigabyte = 1e9
    r = deployment.replicas
    per_gpu = deployment.weights_bytes_per_gpu() / gigabyte
    memory = deployment.gpu.memory
    capacity = memory.held_bytes / gigabyte
    by = "as its driver reports" if memory.usable is not None else "by name: its profile has no memory.usable"
    usable = deployment.usable_bytes_per_gpu() / gigabyte
    drafts = deployment.draft_bytes_per_gpu() / gigabyte
    beside = f" and the draft model {drafts:.1f} GB" if drafts else ""
    blocks = max(0, int(tokens // deployment.spec.batching.block_tokens))
    left = f"{usable - per_gpu - drafts:.1f} GB for the KV cache, {blocks} blocks"
    bits, gpus = deployment.spec.precision.weights, f"{r.gpus} GPU" if r.gpus == 1 else f"{r.gpus} GPUs"
    return (
        f"does not fit: {deployment.model.parameters / 1e9:.4g} B parameters in {bits} over {gpus} are "
        f"{per_gpu:.1f} GB each{beside}; '{deployment.gpu.name}' has {capacity:.1f} GB ({by}), of which the stack "
        f"takes {100 * usable / capacity:.0f} % = {usable:.1f} GB, which leaves {left}; "
        f"use more GPUs a replica or fewer bits a weight"
    )
