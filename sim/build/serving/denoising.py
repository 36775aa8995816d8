"""What batches of pictures of each size take on a GPU: prompts encoded, the network once a step, pixels decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.build.serving.host_times import slowdown_of
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.denoisers.layers import Launched, Product, decoder, sampled, text_encoder, transformer, unet
from sim.profiles.denoisers.network import UNet
from sim.profiles.denoisers.time import Arithmetic, Cost, Reached, cost, under_limit
from sim.profiles.kernels.time import Machine
from sim.profiles.machines.board_power import clocked_up_w, cores_active_w, mean_w
from sim.profiles.machines.gpu import GPUProfile, clock_curve
from sim.profiles.machines.reach import product_rate, stream_rate
from sim.units import NS_PER_S, SECONDS_PER_NS

with later():
    from sim.profiles.machines.gpu import Precision

if TYPE_CHECKING:
    from sim.profiles.denoisers.network import DenoiserProfile
    from sim.profiles.machines.node import CPUProfile
    from sim.profiles.stacks.denoising import DenoisingStackProfile
    from sim.spec.passes import Denoising

THRICE = 3.0
VALUE_BYTES: dict[str, float] = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0}


def batches_of_pictures(
    spec: Denoising, most: int, gpu: GPUProfile, cpu: CPUProfile, catalog: Catalog
) -> tuple[tuple[int, float], ...]:
    """ns of batches of 1 to ``most`` pictures, and mean W of the GPU meanwhile, beside a CPU that launches kernels."""
    network, stack = catalog.denoiser(spec.network), catalog.denoising_stack(spec.stack)
    slowdown = slowdown_of(stack, cpu, catalog)
    found = []
    for size in range(1, most + 1):
        whole = batch_of_pictures(spec, size, gpu, network, stack, slowdown=slowdown)
        seconds, watts = within_limit(whole, gpu, host_s=size * spec.host * SECONDS_PER_NS)
        found.append((max(1, round(seconds * NS_PER_S)), watts))
    return tuple(found)


def within_limit(whole: Cost, gpu: GPUProfile, *, host_s: float) -> tuple[float, float]:
    """s of a batch, with ``host_s`` in which the device waits, and mean W of the GPU.

    Shares of peaks are those of boards that their limit hardly holds back. One that kernels ask for more than its limit
    (a T4) lowers its clock until they do not.
    """
    busy_s, joules = under_limit(
        whole,
        clock_curve(gpu),
        limit_w=float(gpu.tdp.value),
        loaded_w=float(gpu.power.loaded.value),
        clocked_up_w=clocked_up_w(gpu),
        active_w=cores_active_w(gpu),
        joule_per_byte=float(gpu.power.energy_per_byte.value),
    )
    seconds = max(whole.seconds, busy_s) + host_s
    return seconds, mean_w(gpu, seconds, busy_s, joules)


def batch_of_pictures(
    spec: Denoising,
    size: int,
    gpu: GPUProfile,
    network: DenoiserProfile,
    stack: DenoisingStackProfile,
    *,
    slowdown: float = 1.0,
) -> Cost:
    """Of so many at once, without the host's part, launched by a CPU that is slower than the stack's by a factor."""
    launch_s = slowdown * float(stack.launch.value) * SECONDS_PER_NS if stack.launch is not None else 0.0
    before, step, after = _launched(spec, size, network, fused=stack.fused, channels_last=stack.channels_last)
    return (
        _cost(before, spec.precision, gpu, stack, launch_s)
        + _cost(step, spec.precision, gpu, stack, launch_s) * spec.steps
        + _cost(after, _of_decoder(spec, network), gpu, stack, launch_s)
    )


def _of_decoder(spec: Denoising, network: DenoiserProfile) -> Precision:
    own = network.decoder.precision if network.decoder is not None else None
    return own if own is not None else spec.precision


def _launched(
    spec: Denoising, size: int, network: DenoiserProfile, *, fused: bool, channels_last: bool
) -> tuple[Launched, Launched, Launched]:
    """What so many pictures at once launch: before the first step, in each, and after the last."""
    place = network.compression
    height, width = -(-spec.height // place), -(-spec.width // place)
    frames = 1 + -(-(spec.frames - 1) // network.frames_compression)
    asked, channels = size * (2 if spec.guided else 1), network.latent_channels
    before, step, after = (Launched(fused, channels_last) for _ in range(3))
    for each in network.text_encoders:
        text_encoder(each, before, prompts=asked, tokens=network.text_tokens)
    net = network.network
    at = {"height": height, "width": width, "channels": channels}
    if isinstance(net, UNet):
        unet(net, step, pictures=asked * frames, text=network.text_tokens, **at)
    else:
        transformer(net, step, pictures=asked, places=frames * height * width, text=network.text_tokens)
    sampled(step, size * frames * height * width * channels)
    if network.decoder is not None:
        decoder(network.decoder, after, pictures=size * frames, **at)
    return before, step, after


def weights_bytes(spec: Denoising, network: DenoiserProfile) -> float:
    """B of all matrices, each in the precision it is computed in."""
    before, step, after = _launched(spec, 1, network, fused=True, channels_last=True)
    own = VALUE_BYTES[spec.precision]
    parts = ((before, own), (step, own), (after, VALUE_BYTES[_of_decoder(spec, network)]))
    return sum(byte * sum(k.columns * k.depth for k in part.kernels if isinstance(k, Product)) for part, byte in parts)


def _cost(
    launched: Launched, precision: Precision, gpu: GPUProfile, stack: DenoisingStackProfile, launch_s: float
) -> Cost:
    assert gpu.chip is not None  # or it would not have passed
    attention = stack.attention_by_generation.get(gpu.chip.generation, stack.attention_efficiency)
    reached = Reached(
        convolutions=float(stack.convolution_efficiency.value),
        products=float(stack.compute_efficiency.value),
        attention=float(attention.value),
        passes=float(stack.pass_efficiency.value),
        memory=float(stack.memory_efficiency.value),
    )
    machine = Machine(gpu.chip.multiprocessors.value, float(gpu.chip.clock.value), stream_rate(gpu, reached.memory))
    return cost(launched.kernels, reached, _arithmetic(gpu, precision, reached), machine, launch_s=launch_s)


def _arithmetic(gpu: GPUProfile, precision: Precision, reached: Reached) -> Arithmetic:
    """In 32 bits convolutions are multiplied in TF32 where there is such a unit, and products are not (PyTorch's
    ``cudnn.allow_tf32`` and ``cuda.matmul.allow_tf32`` unless they are set); attention multiplies there in TF32 three
    times over, for 32 bits' exactness (CUTLASS's ``OpMultiplyAddFastF32``, in its memory-efficient kernels)."""
    convolved = convolution_precision(gpu, precision)
    attended, times = (convolved, THRICE) if convolved != precision else (precision, 1.0)
    joule_per_flop, score = gpu.power.energy_per_flop, gpu.power.energy_per_score
    return Arithmetic(
        convolutions=product_rate(gpu, convolved, reached.convolutions),
        products=product_rate(gpu, precision, reached.products),
        attention=float(gpu.peak[attended].value) / times,
        convolution_j=float(joule_per_flop[convolved].value),
        product_j=float(joule_per_flop[precision].value),
        attention_j=float(joule_per_flop[attended].value) * times,
        score_j=float(score.value) if score is not None else 0.0,
        value_bytes=VALUE_BYTES[precision],
    )


def convolution_precision(gpu: GPUProfile, precision: Precision) -> Precision:
    """What convolutions are multiplied in."""
    both = "tf32" in gpu.peak and "tf32" in gpu.power.energy_per_flop
    return "tf32" if precision == "fp32" and both else precision


def lacking(spec: Denoising, gpu: GPUProfile, network: DenoiserProfile | None) -> str | None:
    """What a GPU's profile lacks for it."""
    if gpu.chip is None:
        return f"'{gpu.name}' has no 'chip' in its profile, from which times of kernels follow: use 'roofline'"
    asked = {spec.precision, *([network.decoder.precision or spec.precision] if network and network.decoder else [])}
    known = [str(one) for one in gpu.peak if one in gpu.power.energy_per_flop]
    missing = sorted(one for one in asked if one not in known)
    if missing:
        return f"'{gpu.name}' has no peak (and power) for {' and '.join(missing)}  ({', '.join(known)})"
    held = weights_bytes(spec, network) if network is not None else 0.0
    if held > gpu.memory.held_bytes:
        return f"{held / 1e9:.1f} GB of weights do not fit the {gpu.memory.held_bytes / 1e9:.1f} GB of '{gpu.name}'"
    return None
