"""Pictures by denoising: what networks compute and hold, host before device, limits, times measured by others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.serving.denoising import batch_of_pictures, batches_of_pictures, within_limit
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.denoisers.layers import Launched, Pass, Product, transformer, unet
from sim.profiles.denoisers.network import DiffusionTransformer, UNet
from sim.profiles.denoisers.time import Arithmetic, Reached, cost
from sim.profiles.kernels.time import Machine
from sim.spec.passes import Denoising
from tests.small import backlog_of

CATALOG = Catalog()
A100 = "nvidia-a100-sxm-80gb"
CPU = CATALOG.cpu("amd-epyc-7742")


def _launched(name: str, places: int, *, fused: bool = False, channels_last: bool = False) -> Launched:
    profile = CATALOG.denoiser(name)
    found, net = Launched(fused, channels_last), profile.network
    if isinstance(net, UNet):
        channels = profile.latent_channels
        unet(net, found, pictures=1, height=places, width=places, channels=channels, text=profile.text_tokens)
    else:
        transformer(net, found, pictures=1, places=places * places, text=profile.text_tokens)
    return found


def _products(launched: Launched) -> list[Product]:
    return [one for one in launched.kernels if isinstance(one, Product)]


@pytest.mark.parametrize(
    ("name", "places", "flop"), [("stable-diffusion-xl", 128, 5979.10e9), ("flux.1-dev", 128, 59523.04e9)]
)
def test_a_pass_computes_what_hugging_face_counts(name: str, places: int, flop: float) -> None:
    """Of products and convolutions, without attention: diffusers/benchmarks, collated_results.csv, flops_G of 2025."""
    counted = sum(2.0 * one.rows * one.columns * one.depth for one in _products(_launched(name, places)))
    assert counted == pytest.approx(flop, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("stable-diffusion-1.5", 859.5e6),
        ("stable-diffusion-2.1", 865.9e6),
        ("stable-diffusion-xl", 2567.5e6),
        ("flux.1-dev", 11901.4e6),
    ],
)
def test_a_network_holds_the_parameters_that_are_published(name: str, parameters: float) -> None:
    """Of its matrices; biases, norms and embeddings of the step are the rest, under 1 %."""
    held = sum(one.columns * one.depth for one in _products(_launched(name, 64)))
    assert 0.99 * parameters < held < parameters


def test_a_compiler_leaves_products_and_takes_passes_away() -> None:
    eager, compiled = (
        _launched("stable-diffusion-1.5", 64, fused=fused, channels_last=fused) for fused in (False, True)
    )
    assert _products(eager) == _products(compiled)
    moved = [sum(one.values for one in each.kernels if isinstance(one, Pass)) for each in (eager, compiled)]
    assert moved[1] < 0.5 * moved[0]


@given(
    st.lists(st.floats(1e3, 1e8), min_size=1, max_size=30),
    st.floats(0.0, 1e-4),
)
def test_a_host_runs_ahead_of_long_kernels_and_is_overtaken_by_short_ones(values: list[float], launch_s: float) -> None:
    """The end of the last kernel, played one by one."""
    machine = Machine(108.0, 1.41e9, 1.555e12)
    rates = Arithmetic(1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0)
    reached = Reached(0.5, 0.5, 0.5, 0.66, 0.9)
    whole = cost([Pass(each) for each in values], reached, rates, machine, launch_s=launch_s)
    end = 0.0
    for i, each in enumerate(values):
        end = max(end, (i + 1) * launch_s) + cost([Pass(each)], reached, rates, machine, launch_s=0.0).seconds
    assert whole.seconds == pytest.approx(end, rel=1e-9)
    assert whole.busy_s <= whole.seconds * (1 + 1e-12)


@given(st.integers(1, 12), st.sampled_from([256, 512, 768]), st.sampled_from(["fp16", "fp32"]))
def test_a_batch_is_never_slower_than_its_pictures_one_by_one(size: int, height: int, precision: str) -> None:
    spec = _denoising(height=height, precision=precision)
    found = batches_of_pictures(spec, size, CATALOG.gpu(A100), CPU, CATALOG)
    (one_ns, _), (all_ns, _) = found[0], found[-1]
    assert one_ns * (1 - 1e-6) <= all_ns <= size * one_ns * (1 + 1e-6)
    gpu = CATALOG.gpu(A100)
    assert all(float(gpu.power.loaded.value) <= watts <= float(gpu.tdp.value) for _, watts in found)


def test_steps_add_up_and_guidance_asks_twice() -> None:
    seconds = [_seconds(_denoising(steps=steps)) for steps in (10, 20, 30)]
    assert seconds[2] - seconds[1] == pytest.approx(seconds[1] - seconds[0], rel=1e-9)
    alone, asked_twice = (_seconds(_denoising(guided=guided, height=1024, width=1024)) for guided in (False, True))
    assert 1.8 < asked_twice / alone < 2.0


def test_a_film_is_a_picture_of_more_places() -> None:
    """81 frames are 21 of the latent film; attention over all of them grows with their square."""
    film, picture = (
        _seconds(_denoising(network="wan2.1-t2v-1.3b", frames=frames, height=480, width=832)) for frames in (81, 1)
    )
    assert film > 21 * picture


def test_a_small_board_lowers_its_clock_at_its_limit() -> None:
    """A T4 would draw 125 of its 70 W; an A100 stays below its 400."""
    for name, slower in (("nvidia-t4", True), ("nvidia-a100-sxm-40gb", False)):
        gpu, stack = CATALOG.gpu(name), CATALOG.denoising_stack("diffusers-2023-compiled")
        whole = batch_of_pictures(_denoising(), 16, gpu, CATALOG.denoiser("stable-diffusion-1.5"), stack)
        seconds, watts = within_limit(whole, gpu, host_s=0.0)
        assert (seconds > 1.1 * whole.seconds) == slower
        assert watts <= float(gpu.tdp.value)


@pytest.mark.parametrize(
    ("gpu", "stack", "size", "step_s"),
    [
        ("nvidia-v100-sxm2-32gb", "diffusers-2023-compiled", 4, 1 / 6.86),
        ("nvidia-v100-sxm2-32gb", "diffusers-2023-compiled", 16, 1 / 1.90),
        ("nvidia-v100-sxm2-32gb", "diffusers-2023", 16, 1 / 1.66),
        ("nvidia-a100-sxm-40gb", "diffusers-2023", 4, 3.89 / 50),
        ("nvidia-a100-sxm-40gb", "diffusers-2023", 2, 2.38 / 50),
    ],
)
def test_stable_diffusion_takes_the_time_that_others_measured(gpu: str, stack: str, size: int, step_s: float) -> None:
    """None of these was fitted; the two that were are batches of 16 and 8 on an A100. Sources: the stacks'."""
    whole = batch_of_pictures(
        _denoising(steps=50),
        size,
        CATALOG.gpu(gpu),
        CATALOG.denoiser("stable-diffusion-1.5"),
        CATALOG.denoising_stack(stack),
    )
    assert within_limit(whole, CATALOG.gpu(gpu), host_s=0.0)[0] / 50 == pytest.approx(step_s, rel=0.12)


@pytest.mark.parametrize(
    ("stack", "steps", "measured_s"),
    [
        ("diffusers-2023", 50, 5.933),
        ("diffusers-2023-compiled", 50, 5.132),
        ("diffusers-2024", 30, 3.31),
        ("diffusers-2024-compiled", 30, 2.54),
    ],
)
def test_stable_diffusion_xl_takes_the_time_that_others_measured(stack: str, steps: int, measured_s: float) -> None:
    """One picture on an A100: fal.ai with PyTorch 2.1, Hugging Face's diffusion-fast with 2.3. Nothing is fitted."""
    spec = _denoising(network="stable-diffusion-xl", stack=stack, steps=steps, height=1024, width=1024)
    assert _seconds(spec) == pytest.approx(measured_s, rel=0.13)


@pytest.mark.parametrize(
    ("gpu", "measured_s"),
    [(A100, 15.65), ("nvidia-l40s", 16.0), ("nvidia-h100-sxm-80gb", 6.47), ("nvidia-b200-sxm-180gb", 4.4)],
)
def test_flux_takes_the_time_that_others_measured(gpu: str, measured_s: float) -> None:
    """28 steps of 1,024 pixels in bf16 by diffusers as it comes. A100: varadrane1707/BenchmarkFlux; the others: the
    original in the tables of TheStageAI/Elastic-FLUX.1-dev. Nothing is fitted."""
    spec = _denoising(
        network="flux.1-dev", stack="diffusers-2024", precision="bf16", steps=28, height=1024, width=1024, guided=False
    )
    profile = CATALOG.gpu(gpu)
    whole = batch_of_pictures(spec, 1, profile, CATALOG.denoiser(spec.network), CATALOG.denoising_stack(spec.stack))
    assert within_limit(whole, profile, host_s=0.0)[0] == pytest.approx(measured_s, rel=0.2)


def test_a_run_takes_what_the_law_says() -> None:
    data = _world()
    summary = sim.run(data).summary
    ((ns, watts),) = batches_of_pictures(_denoising(), 1, CATALOG.gpu(A100), CPU, CATALOG)
    assert summary["simulated_s"] == pytest.approx(5 * ns * 1e-9, rel=1e-9)
    others_w = 15 * float(CATALOG.gpu(A100).power.idle.value)
    assert summary["energy_kwh"]["by_component"]["gpu"] == pytest.approx((watts + others_w) * 5 * ns * 1e-9 / 3.6e6)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"service_time.network": "stable-difusion-xl"}, "service_time.network: .*did you mean 'stable-diffusion-xl'"),
        ({"service_time.network": "llama-3.1-8b"}, "is a model profile where a denoiser is needed"),
        ({"service_time.stack": "vllm-2025"}, "is a stack profile where a denoising-stack is needed"),
        ({"service_time.frames": 16}, "makes pictures, no films"),
        ({"service_time.steps": 0}, "steps"),
        (
            {"service_time.height": 8, "service_time.width": 8, "service_time.network": "flux.1-dev"},
            "at least 16 pixels",
        ),
        ({"load": {"kind": "measured", "active": "300 W"}}, "leave 'load' out"),
        ({"gpus_per_replica": 2}, "is that of one GPU: raise 'replicas'"),
        ({"gpus_per_replica": 0, "sockets_per_replica": 1}, "is that of a GPU"),
        ({"batching": {"max_batch": 300}}, "'max_batch' is at most 256"),
        ({"service_time.precision": "bf16", "node": "jean-zay-v100-node"}, "has no peak .and power. for bf16"),
        ({"node": "tpu-v5e-host"}, "has no 'chip'"),
        ({"service_time.network": "flux.1-dev", "node": "t4-server"}, "23.9 GB of weights do not fit the 16.1 GB"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    data = _world()
    for path, value in changes.items():
        if path == "node":
            data["cluster"]["nodes"][0]["profile"] = value
            continue
        *into, last = path.split(".")
        place = data["workloads"]["api"]
        for key in into:
            place = place[key]
        place[last] = value
    with pytest.raises(InputError, match=says):
        sim.run(data)


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        (UNet, {"transformers": [1]}, "one for each level"),
        (UNet, {"head_dim": [48, 64, 64]}, "must divide its channels"),
        (DiffusionTransformer, {"heads": 7}, "heads must divide hidden"),
        (DiffusionTransformer, {"joint": 0, "single": 0}, "has no layers"),
    ],
)
def test_a_network_that_cannot_be_is_refused(kind: Any, changes: dict[str, Any], says: str) -> None:
    name = "stable-diffusion-xl" if kind is UNet else "flux.1-dev"
    written = CATALOG.denoiser(name).network.model_dump() | changes
    if kind is UNet and "head_dim" in changes:
        written["transformers"] = [1, 2, 10]
    with pytest.raises(ValueError, match=says):
        kind.model_validate(written)


def test_a_run_names_the_profiles_it_rests_on() -> None:
    profiles = sim.run(_world()).manifest["profiles_sha256"]
    assert {"stable-diffusion-1.5", "diffusers-2023"} <= set(profiles)


def _seconds(spec: Denoising) -> float:
    gpu = CATALOG.gpu(A100)
    whole = batch_of_pictures(spec, 1, gpu, CATALOG.denoiser(spec.network), CATALOG.denoising_stack(spec.stack))
    return float(np.float64(whole.seconds))


def _denoising(**changes: Any) -> Denoising:
    written = {
        "law": "denoising",
        "network": "stable-diffusion-1.5",
        "stack": "diffusers-2023",
        "precision": "fp16",
        "height": 512,
        "width": 512,
        "steps": 20,
        "guided": True,
    }
    return Denoising.model_validate(written | changes)


def _world() -> dict[str, Any]:
    return backlog_of(_denoising().model_dump())
