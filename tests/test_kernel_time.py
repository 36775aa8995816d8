"""Times of kernels: their limits, what they rise with, and where tiles make steps. Efficiencies stay below 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.iteration.message_time import quickest_time, reduce_time
from sim.profiles.kernels import time as kt
from sim.profiles.kernels.time import (
    DECODING,
    LATENT,
    PREFILLING,
    KernelTime,
    Machine,
    ProductLaw,
    chunks_time,
    context_time,
    generation_time,
    latent_time,
    product_time,
    quantise_time,
    recurrence_time,
)

MACHINE = Machine(132.0, 1.83e9, 3.35e12)
PEAK = 989.5e12
LAW = ProductLaw(compute=0.8, memory=0.9)
FLOOR_S = LAW.floor_cycles / MACHINE.clock_hz
STATE_FLOOR_S = kt.CHUNKS_CYCLES / MACHINE.clock_hz
sizes = st.integers(1, 20_000)


def product(m: float, n: float, k: float, law: ProductLaw = LAW, **changes: Any) -> KernelTime:
    of: dict[str, Any] = {"weight_bytes": 2.0, "operand_bytes": 2.0, "flop_per_s": PEAK, "machine": MACHINE, "law": law}
    return product_time(m, n, k, **{**of, **changes})


def seconds(m: float, n: float, k: float, **changes: Any) -> float:
    return float(np.asarray(product(m, n, k, **changes).seconds))


def test_a_large_product_computes_at_its_efficiency() -> None:
    """16,384 cubed: 8.8 TFLOP at 0.8 of 989.5 TFLOP/s; memory and floors are small beside that."""
    assert seconds(16384, 16384, 16384) == pytest.approx(2 * 16384.0**3 / (0.8 * PEAK), rel=0.01)


def test_one_row_streams_the_matrix() -> None:
    """A row times 16,384 squared: 537 MB at 0.9 of 3.35 TB/s, after the floor; the tiles take some on top."""
    assert seconds(1, 16384, 16384) == pytest.approx(2 * 16384.0**2 / (0.9 * 3.35e12) + FLOOR_S, rel=0.1)


def test_the_smallest_product_takes_the_floor() -> None:
    assert seconds(1, 32, 32) == pytest.approx(FLOOR_S, rel=0.02)
    assert 2e-6 < FLOOR_S < 3e-6


def test_one_row_of_weights_that_are_unpacked_streams_them() -> None:
    """A row times 16,384 squared in half a byte: 134 MB at 0.9 of 3.35 TB/s. In tiles of 32 rows it would compute for
    24 us on top of 45, in those of 16 for half as long, hidden for the most; small ones pay more before they begin."""
    streams_s = 0.5 * 16384.0**2 / (0.9 * 3.35e12)
    unpacked = replace(LAW, unpacked=1.0)
    assert seconds(1, 16384, 16384, law=unpacked, weight_bytes=0.5) == pytest.approx(
        streams_s + kt.UNPACKING_FLOOR_CYCLES / MACHINE.clock_hz, rel=0.15
    )
    assert seconds(1, 16384, 16384, weight_bytes=0.5) - FLOOR_S > 1.15 * streams_s
    assert seconds(1, 1024, 1024, law=unpacked, weight_bytes=0.5) > 1.5 * seconds(1, 1024, 1024, weight_bytes=0.5)


@given(sizes, sizes, sizes, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0]))
def test_no_product_beats_its_roofline(m: int, n: int, k: int, choosy: float, unpacked: float) -> None:
    """Each part keeps its efficiency, and the parts are not less than the longer nor more than both in sequence."""
    took = seconds(m, n, k, law=replace(LAW, choosy=choosy, unpacked=unpacked))
    computing, streaming = 2.0 * m * n * k / (0.8 * PEAK), 2.0 * (n * k + m * k + m * n) / (0.9 * 3.35e12)
    assert took >= max(computing, streaming) + FLOOR_S - 1e-15


@given(sizes, sizes, sizes, st.integers(1, 5000))
def test_more_terms_take_longer(m: int, n: int, k: int, more: int) -> None:
    """Terms beyond do not, where one more split spreads them better: by no more than the split's own cycles."""
    spread_s = (LAW.split_cycles + LAW.step_cycles * k / kt.TERMS) / MACHINE.clock_hz
    assert seconds(m, n, k + more) >= seconds(m, n, k) - spread_s
    unsplit = replace(LAW, choosy=0.0)
    assert seconds(m, n, k + more, law=unsplit) >= seconds(m, n, k, law=unsplit)


@given(st.sampled_from([1.0, 64.0, 300.0, 4096.0]), sizes, sizes)
def test_more_columns_take_longer_by_whole_tiles(m: float, n: int, k: int) -> None:
    """Without splits, a column more never takes less, and within a tile of all sizes only its bytes."""
    unsplit = replace(LAW, choosy=0.0)
    assert seconds(m, n + 1, k, law=unsplit) >= seconds(m, n, k, law=unsplit)
    whole = 256.0 * (n // 256 + 1)
    inside = product(m, whole - 1, k, law=unsplit), product(m, whole, k, law=unsplit)
    more_byte = 2.0 * (k + m) / (0.9 * 3.35e12)
    assert float(np.asarray(inside[1].seconds)) - float(np.asarray(inside[0].seconds)) <= more_byte * (1 + 1e-6)


def test_rows_make_steps_where_another_tile_begins() -> None:
    """By rows: 64 rows are one tile of 64; 65 take tiles of 64 by 128 (of fewer columns each), 129 of 128 by 128."""
    law = replace(LAW, choosy=0.0)
    compute = [float(np.asarray(product(m, 65536, 8192, law=law).computing_s)) for m in (1, 63, 64, 65, 128)]
    assert compute[0] == pytest.approx(compute[2], rel=0.02)
    assert compute[3] > 1.5 * compute[2]
    assert compute[3] == pytest.approx(compute[4], rel=0.02)


def test_few_tiles_leave_multiprocessors_idle_unless_the_sum_is_split() -> None:
    """128 by 128 with 65,536 terms is one tile of 132 multiprocessors' work; splits are what saves it."""
    whole, split = seconds(128, 128, 65536, law=replace(LAW, choosy=0.0)), seconds(128, 128, 65536)
    assert whole > 65536 / 64 * LAW.step_cycles / MACHINE.clock_hz
    assert split < 0.3 * whole


@given(sizes, sizes, sizes)
def test_the_clock_lengthens_what_computes(m: int, n: int, k: int) -> None:
    """To first order exactly: at a per mille less, the whole grows by a per mille of the computing part."""
    now = product(m, n, k)
    slow = product(m, n, k, flop_per_s=PEAK / 1.001, machine=replace(MACHINE, clock_hz=1.83e9 / 1.001))
    floors_s = float(np.asarray(now.floor_s)) * 1e-3
    grown = float(np.asarray(slow.seconds)) - float(np.asarray(now.seconds)) - floors_s
    assert grown == pytest.approx(1e-3 * float(np.asarray(now.computing_s)), rel=0.01, abs=1e-12)


@given(sizes, sizes)
def test_quantising_moves_five_bytes_a_value(m: int, k: int) -> None:
    blocks = quantise_time(m, k, machine=MACHINE, memory=0.9)
    rows = quantise_time(m, k, machine=MACHINE, memory=0.9, value_cycles=kt.ROWWISE_CYCLES)
    assert np.asarray(blocks.streaming_s) >= 5.0 * m * k / (0.9 * 3.35e12) * (1 - 1e-12)
    assert np.asarray(rows.streaming_s) >= np.asarray(blocks.streaming_s)


def generation(sequences: float, context: float, *, heads: float = 32, kv_heads: float = 8) -> float:
    time = generation_time(
        sequences, context, heads=heads, kv_heads=kv_heads, head_dim=128, kv_bytes=2.0, flop_per_s=PEAK,
        machine=MACHINE, law=DECODING,
    )  # fmt: skip
    return float(np.asarray(time.seconds))


def test_attention_over_the_cache_streams_it() -> None:
    """64 sequences of 32,768 tokens, 8 cached heads of 128: 8.6 GB at 0.95 of 3.35 TB/s."""
    byte = 2.0 * 64 * 32768 * 8 * 128 * 2.0
    assert generation(64, 32768) == pytest.approx(byte / (0.95 * 3.35e12), rel=0.1)


@given(st.integers(1, 512), st.integers(1, 100_000), st.sampled_from([1, 2, 8, 32]))
def test_attention_over_the_cache_rises_with_all_it_has_to_read(sequences: int, context: int, kv_heads: int) -> None:
    took = generation(sequences, context, kv_heads=kv_heads)
    assert generation(sequences + 1, context, kv_heads=kv_heads) > took
    assert generation(sequences, context + 1, kv_heads=kv_heads) >= took
    assert took >= 2.0 * sequences * context * kv_heads * 128 * 2.0 / 3.35e12


@given(st.integers(1, 64), st.integers(128, 30_000), st.integers(1, 8192))
def test_a_window_never_costs_more_than_the_whole(prompts: int, tokens: int, window: int) -> None:
    def took(near: float, length: float = tokens) -> float:
        time = context_time(
            prompts, length, near, heads=32, kv_heads=8, head_dim=128, flop_per_s=PEAK, machine=MACHINE, law=PREFILLING
        )
        return float(np.asarray(time.seconds))

    assert took(window) <= took(0) * (1 + 1e-12)
    assert took(0, tokens + 1) >= took(0)
    assert took(0) >= 2.0 * prompts * 32 * 128 * tokens**2 / (PREFILLING.compute * PEAK)


def test_decoding_a_recurrence_reads_and_writes_its_states() -> None:
    """1,024 sequences, 32 heads of 128 by 128 values of 4 bytes: 4.3 GB, measured on an H100 in 1.44 ms."""
    time = recurrence_time(1024.0, 4.0 * 32 * 128 * 128, machine=MACHINE)
    assert float(np.asarray(time.seconds)) == pytest.approx(1.44e-3, rel=0.05)


def test_a_prompts_chunks_follow_one_another() -> None:
    """A single prompt leaves multiprocessors idle: as many prompts as fill them take no longer, further ones do."""

    def took(prompts: float) -> float:
        time = chunks_time(prompts, 8192.0, heads=33.0, flop=33 * 155_648.0, channels=0.0, machine=MACHINE)
        return float(np.asarray(time.seconds))

    assert took(1) == took(4)
    assert took(8) - took(4) == pytest.approx(took(4) - STATE_FLOOR_S, rel=1e-9)


def test_latent_attention_streams_one_vector_for_all_heads() -> None:
    """64 sequences of 8,192 tokens, 576 values each: 16 heads read as much as 64 do, 128 compute twice as much."""

    def time(heads: float) -> KernelTime:
        return latent_time(
            64.0, 8192.0, heads=heads, key_dim=576, value_dim=512, kv_bytes=2.0, flop_per_s=PEAK, machine=MACHINE,
            law=LATENT,
        )  # fmt: skip

    few, some, many = (float(np.asarray(time(heads).seconds)) for heads in (16, 64, 128))
    assert few == some < many < 2.0 * some
    assert some > 64 * 8192 * 576 * 2.0 / (0.9 * 3.35e12)


def test_the_quickest_way_is_taken_whatever_the_size() -> None:
    """Of a way that is soon there and one that is fast, each where it is the quicker; an empty buffer takes nothing."""
    ways = ((10e-6, 1e-9), (50e-6, 1e-10))
    found = quickest_time(np.array([0.0, 1.0, 1e4, 1e6]), ways)
    assert np.asarray(found.seconds) == pytest.approx([0.0, 10.001e-6, 20e-6, 150e-6])
    assert np.asarray(found.floor_s) == pytest.approx([0.0, 10e-6, 10e-6, 50e-6])


def test_an_all_reduce_is_latency_and_bytes() -> None:
    """Alone there is none; 8 GPUs send 2 x 7/8 of the bytes, 2 GPUs as many as there are."""

    def took(byte: float, gpus: float) -> float:
        return float(np.asarray(reduce_time(byte, gpus, latency_s=5e-6, byte_per_s=1e11).seconds))

    assert took(1e9, 1) == 0.0
    assert took(0.0, 8) == 0.0
    assert took(1e9, 2) == pytest.approx(5e-6 + 1e9 / 1e11)
    assert took(1e9, 8) == pytest.approx(5e-6 + 1.75e9 / 1e11)


def test_shapes_broadcast() -> None:
    """Rows of configurations against tokens."""
    m, n = np.array([[1.0, 64.0, 512.0]]), np.array([[4096.0], [8192.0]])
    found: npt.NDArray[np.float64] = np.asarray(product(m, n, 4096.0).seconds)  # type: ignore[arg-type]
    assert found.shape == (2, 3)
    assert found[1, 2] == seconds(512, 8192, 4096)


@pytest.mark.parametrize("name", ["vllm-2025", "vllm-2026", "sglang-2026", "trtllm-2026", "generic-2025"])
def test_efficiencies_of_shipped_stacks_are_shares(name: str) -> None:
    """Of peaks: none above 1, with ranges around them."""
    stack = Catalog().stack(name).model_dump()

    def check(entry: Any, path: str) -> int:
        if isinstance(entry, dict) and "efficiency" in path and "value" in entry:
            assert 0.0 < entry["value"] <= 1.0
            return 1
        inner = entry.items() if isinstance(entry, dict) else ()
        return sum(check(value, f"{path}.{key}") for key, value in inner)

    assert check(stack, "") >= 4
    assert DECODING.memory <= 1.0
    assert PREFILLING.compute <= 1.0
