"""Experts' tokens in one buffer: how long it is, and that all of it is gone through, asked or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.build.serving.deployment import Deployment
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.experts import expert_work
from sim.profiles.iteration.runs import Run
from sim.profiles.iteration.terms import Precision, Stack
from sim.profiles.kernels.aligned_experts import Aligned, AlignedWork, aligned_work, buffer_rows
from sim.profiles.kernels.power import CONSTANT_OPERANDS
from sim.profiles.kernels.time import together
from sim.profiles.language_models.layers import Mixture
from sim.spec.serving import Replicas, Serving
from tests.iterations import H100, PLAIN, layout

SKIPPING = Aligned(rows=128.0, compute=0.58, memory=0.87, unused=0.0)
MULTIPLYING = replace(SKIPPING, unused=1.0)
IN_8_BITS = Precision(1.0, 1.0, 2.0, 1.0)
HIDDEN, WIDTH = 4096.0, 1536.0
AN_EXPERT = 3.0 * HIDDEN * WIDTH
RATE, MEMORY, FLOOR_S = 1979e12 * 0.58, 3.35e12 * 0.87, 40e-6
MIXTURE = Mixture(layers=94, experts=128, per_token=8, hidden=4096, width=1536)


def work(routed: float, asked: float, kept: float, *, aligned: Aligned = SKIPPING, **other: Any) -> AlignedWork:
    """A layer of an H100 that keeps every eighth expert and gets every eighth row, unless told otherwise."""
    given_ = {"share": routed / 8.0, "matrices": 3.0, "bytes_each": 1.0, "floor_s": FLOOR_S} | other
    return aligned_work(
        asked,
        HIDDEN,
        WIDTH,
        routed=routed,
        kept=kept,
        flop_per_s=1979e12,
        byte_per_s=3.35e12,
        aligned=aligned,
        **given_,
    )


def test_the_buffer_is_as_long_as_vllm_makes_it() -> None:
    """compute_aligned_M: tokens x experts each, 127 rows for every expert that is kept, rounded up to whole blocks."""
    assert buffer_rows(8.0 * 8.0, 64.0, 128.0) == 64 + 64 * 127 == 64 * 128
    assert buffer_rows(9.0 * 8.0, 64.0, 128.0) == 65 * 128
    assert buffer_rows(0.0, 64.0, 128.0) == 0.0


@given(st.lists(st.integers(0, 300), min_size=1, max_size=32), st.integers(0, 500))
def test_any_choice_of_experts_fits_the_buffer(tokens: list[int], elsewhere: int) -> None:
    """However many rows each of the experts here gets, beside what goes elsewhere; and a block less would not do where
    each gets one row."""
    routed = float(sum(tokens) + elsewhere)
    assert sum(-(-each // 128) * 128 for each in tokens) <= buffer_rows(routed, float(len(tokens)), 128.0)
    assert buffer_rows(float(len(tokens)), float(len(tokens)), 128.0) == 128 * len(tokens)


def test_few_tokens_wait_for_all_experts_that_are_kept() -> None:
    """Eight more experts that nobody asks are eight blocks of 128 rows more, and what is moved between the products."""
    few, more = (np.asarray(work(64.0, 5.0, kept).time.seconds) for kept in (16.0, 24.0))
    between = 2.0 * WIDTH * 2.0 * 2.0 + 2.0 * WIDTH + 2.0 * HIDDEN
    assert more - few == pytest.approx(8 * 128 * (2.0 * AN_EXPERT / RATE + between / MEMORY))


def test_what_is_skipped_takes_as_long_and_draws_less() -> None:
    """Of 16 blocks 5 have rows of somebody, half of which are in waves without: 64 rows of them are multiplied."""
    skipped, multiplied = (work(64.0, 5.0, 16.0, aligned=aligned) for aligned in (SKIPPING, MULTIPLYING))
    assert skipped.time == multiplied.time
    assert np.all(skipped.again == multiplied.again)
    assert skipped.flop == pytest.approx(2.0 * AN_EXPERT * (8.0 + CONSTANT_OPERANDS * (5 * 64 - 8)))
    assert multiplied.flop == pytest.approx(2.0 * AN_EXPERT * (8.0 + CONSTANT_OPERANDS * (17 * 128 - 8)), rel=0.07)


@given(st.integers(1, 20_000), st.integers(1, 16), st.sampled_from([SKIPPING, MULTIPLYING]))
def test_no_buffer_beats_its_roofline(routed: int, asked: int, aligned: Aligned) -> None:
    """What was asked is read once, and every row is multiplied; more tokens are never quicker, nor cheaper."""
    asked = min(asked, routed)
    found, next_ = (work(float(rows), float(asked), 16.0, aligned=aligned) for rows in (routed, routed + 8))
    took = float(np.asarray(found.time.seconds))
    assert took > asked * AN_EXPERT / MEMORY + FLOOR_S
    assert took > 2.0 * (routed / 8.0) * AN_EXPERT / RATE + FLOOR_S
    assert found.flop >= 2.0 * (routed / 8.0) * AN_EXPERT
    assert float(np.asarray(next_.time.seconds)) >= took
    assert next_.flop >= found.flop


def test_nothing_takes_no_time() -> None:
    """Not even an undefined one."""
    nothing = work(0.0, 0.0, 16.0)
    assert nothing.time.seconds == 0.0
    assert [nothing.flop, nothing.byte, nothing.again] == [0.0, 0.0, 0.0]
    assert together(0.0, 0.0, 2.0, 0.0).seconds == 0.0


def test_every_gpu_goes_through_what_all_were_asked() -> None:
    """Spread over twice the GPUs, experts that are kept halve, and rows that are routed do not: of many tokens nothing
    is gained by more GPUs but the rows' weights."""
    stack = replace(PLAIN, aligned=SKIPPING)
    tokens = np.array([8.0, 65536.0])
    four, eight = (
        np.asarray(expert_work(MIXTURE, H100, stack, layout(n, expert=True), IN_8_BITS, tokens).own.computing_s)
        for n in (4, 8)
    )
    assert eight[0] / four[0] == pytest.approx(0.5, rel=0.1)
    assert eight[1] / four[1] == pytest.approx(1.0, rel=0.05)


def test_configurations_with_and_without_are_reckoned_at_once() -> None:
    """As each by itself."""
    at, tokens = layout(4, expert=True), np.array([8.0, 512.0])
    rows = np.array([[128.0], [0.0]])
    both = expert_work(MIXTURE, H100, replace(PLAIN, aligned=replace(SKIPPING, rows=rows)), at, IN_8_BITS, tokens)
    for index, aligned in enumerate((SKIPPING, Aligned())):
        alone = expert_work(MIXTURE, H100, replace(PLAIN, aligned=aligned), at, IN_8_BITS, tokens)
        assert np.asarray(both.time.seconds)[index] == pytest.approx(np.asarray(alone.time.seconds))
        assert np.asarray(both.flop)[index] == pytest.approx(alone.flop)
        assert np.asarray(both.again)[index] == pytest.approx(alone.again)


def deployment(stack: str, weights: str) -> Deployment:
    """Qwen3-235B on four B200."""
    nine = {"kind": "constant", "tokens": 9}
    replicas = {"count": 1, "tensor_parallel": 4, "expert_parallel": True}
    spec = Serving.model_validate(
        {
            "kind": "serving",
            "model": "qwen3-235b-a22b",
            "stack": stack,
            "precision": {"weights": weights},
            "replicas": replicas,
            "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 8192},
            "routing": "round-robin",
            "arrivals": {"kind": "closed-loop", "concurrency": 8},
            "lengths": {"kind": "separate", "prompt": nine, "output": nine},
            "cpu_load": 0.1,
        }
    )
    catalog = Catalog()
    assert isinstance(spec.replicas, Replicas)
    gpu, node = catalog.gpu("nvidia-b200-sxm-180gb"), catalog.node("dgx-b200")
    return Deployment.of(spec, spec.replicas, gpu, node, catalog)


def coefficients(stack: str, weights: str) -> Stack:
    return deployment(stack, weights).coefficients()


def test_a_stack_says_which_of_its_kernels_align() -> None:
    assert coefficients("vllm-2025", "fp8").aligned == Aligned(128.0, 0.5, 0.87, 1.0)
    assert coefficients("vllm-2025-flashinfer", "fp8") == replace(coefficients("vllm-2025", "fp8"), aligned=Aligned())
    assert coefficients("vllm-2025", "bf16").aligned == coefficients("vllm-2026", "fp8").aligned == Aligned()


class Unmeasured:
    """Tables without a single kernel."""

    def seconds(self, run: Run) -> None:
        """Of none."""


def test_measured_kernels_are_of_tokens_that_are_not_aligned() -> None:
    """So what no table tells is reckoned in the same way as what they do."""
    eight = np.array([8.0])
    tables = deployment("vllm-2025", "fp8").roofline(1000.0, 9, known=Unmeasured(), tokens=eight)
    without = deployment("vllm-2025-flashinfer", "fp8").roofline(1000.0, 9, tokens=eight)
    aligned = deployment("vllm-2025", "fp8").roofline(1000.0, 9, tokens=eight)
    assert (tables.table == without.table).all()
    assert (aligned.table > without.table).all()
