"""What the coefficients of a stack do to an iteration: each is a law of its own, and without it nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.serving.plan import padded_tokens
from sim.profiles.capped_step import CHUNK, READ, SEQUENCE
from sim.profiles.catalog import Catalog
from sim.profiles.model import shape
from sim.profiles.step import COMPUTE, ENERGY, MEMORY, iteration_cost
from sim.profiles.terms import Device, Layout, Precision, Stack

Floats = npt.NDArray[np.float64]

H100 = Device(989.5e12, 3.35e12, 450e9, 121.7, 700.0, 0.57e-12, 150e-12, 52e-12)
PLAIN = Stack(0.65, 0.8, 0.7, 0.75, 1.0, 1e-3, 2e-5, 1e-5, 1.2e-5, 25e9)
MIXTURE = shape(Catalog().model("qwen3-30b-a3b").architecture)
DENSE = shape(Catalog().model("llama-3.1-8b").architecture)


def layout(gpus: int, *, expert: bool = False, data: int = 1) -> Layout:
    return Layout(gpus, data, 1, expert, 450e9, 1e-5, 0.0)


def seconds_and_joules(stack: Stack, device: Device = H100, **changes: object) -> tuple[Floats, Floats]:
    """Of decode iterations by tokens (1..4096)."""
    model = changes.get("model", MIXTURE)
    at = changes.get("at", layout(4, expert=True))
    assert isinstance(at, Layout)
    size = Precision(2.0 * model.resident_parameters, 2.0 * model.expert_parameters, 2.0)  # type: ignore[attr-defined]
    cost = iteration_cost(model, device, stack, at, size, most_tokens=4096, block_tokens=16)  # type: ignore[arg-type]
    table = cost.table[0, 1:]
    return table[:, [COMPUTE, MEMORY]].max(axis=1), table[:, ENERGY]


@given(st.floats(0.1, 1.5), st.sampled_from([2, 4, 8]))
def test_uneven_experts_cost_time_and_no_energy(imbalance: float, gpus: int) -> None:
    even_s, even_j = seconds_and_joules(PLAIN, at=layout(gpus, expert=True))
    uneven_s, uneven_j = seconds_and_joules(replace(PLAIN, expert_imbalance=imbalance), at=layout(gpus, expert=True))
    assert (uneven_s >= even_s).all()
    assert uneven_s[7] > even_s[7]  # eight tokens ask some GPUs for more of their experts than others
    assert uneven_s[-1] == pytest.approx(even_s[-1], rel=1e-6)  # thousands ask all for all
    assert uneven_j == pytest.approx(even_j)


def test_sliced_experts_are_even() -> None:
    sliced = layout(4)
    assert (
        seconds_and_joules(PLAIN, at=sliced)[0]
        == seconds_and_joules(replace(PLAIN, expert_imbalance=1.0), at=sliced)[0]
    ).all()


def test_popular_experts_leave_others_untouched() -> None:
    free, alike = seconds_and_joules(PLAIN), seconds_and_joules(replace(PLAIN, expert_skew=1.5))
    assert alike[0][7] < free[0][7]
    assert alike[1][7] < free[1][7]
    assert alike[0][0] == pytest.approx(free[0][0])  # one token asks as many experts, popular or not


def test_kernels_launched_one_by_one_hide_behind_a_busy_gpu() -> None:
    """Beyond the largest graph the host's 600 us a layer show only as far as the GPU is faster."""
    eager = replace(PLAIN, launch_s=600e-6, graph_tokens=512)
    seconds, plain = seconds_and_joules(eager, model=DENSE, at=layout(1))[0], seconds_and_joules(
        PLAIN, model=DENSE, at=layout(1)
    )[0]  # fmt: skip
    assert seconds[:512] == pytest.approx(plain[:512])
    assert seconds[512] >= 600e-6 * DENSE.layers
    assert seconds[512] > plain[512]
    gaps_s = PLAIN.layer_s * DENSE.layers
    assert seconds[-1] == pytest.approx(plain[-1] - gaps_s)  # 4,096 tokens keep the GPU busy longer than the host


def test_waiting_draws_power_for_as_long_as_it_lasts() -> None:
    device = replace(H100, waiting_w=100.0)
    patient = replace(PLAIN, iteration_s=PLAIN.iteration_s + 0.01)
    (_, before), (_, after) = seconds_and_joules(PLAIN, device), seconds_and_joules(patient, device)
    assert after - before == pytest.approx(np.full(len(before), 4 * 100.0 * 0.01))
    assert seconds_and_joules(PLAIN)[1] == pytest.approx(seconds_and_joules(patient)[1])  # without it, none


def test_kernels_of_experts_draw_power_for_as_long_as_they_fall_short_of_memory() -> None:
    """At the memory's own efficiency a byte of experts costs what any byte costs; at half, the time lost draws too."""
    waiting = replace(H100, waiting_w=200.0)
    same = replace(PLAIN, expert_efficiency=PLAIN.memory_efficiency)
    once_s, once = seconds_and_joules(same, waiting)
    assert seconds_and_joules(replace(same, expert_power=3.0), waiting)[1] == pytest.approx(once)
    slow = replace(same, expert_efficiency=0.5 * PLAIN.memory_efficiency, expert_power=3.0)
    slow_s, slower = seconds_and_joules(slow, waiting)
    lost_s = slow_s[:64] - once_s[:64]  # few tokens: memory decides the time of an iteration
    assert slower[:64] - once[:64] == pytest.approx(4 * 3.0 * 200.0 * lost_s)
    assert (lost_s > 0.0).all()


def test_a_byte_of_the_cache_may_cost_more_than_one_of_weights() -> None:
    size = Precision(2.0 * DENSE.resident_parameters, 0.0, 2.0)
    plain, dear = (
        iteration_cost(DENSE, H100, stack, layout(1), size, most_tokens=16, block_tokens=16)
        for stack in (PLAIN, replace(PLAIN, context_power=1.5))
    )
    assert dear.slope[ENERGY, READ] == pytest.approx(1.5 * plain.slope[ENERGY, READ])
    assert (dear.slope[[COMPUTE, MEMORY]] == plain.slope[[COMPUTE, MEMORY]]).all()
    assert (dear.table == plain.table).all()


def test_host_work_comes_by_the_chunk_and_by_the_sequence() -> None:
    size = Precision(2.0 * DENSE.resident_parameters, 0.0, 2.0)
    stack = replace(PLAIN, prompt_s=0.02)
    cost = iteration_cost(DENSE, H100, stack, layout(1), size, most_tokens=16, block_tokens=16)
    assert cost.slope[COMPUTE, CHUNK] == cost.slope[MEMORY, CHUNK] == pytest.approx(0.02)
    assert cost.slope[COMPUTE, SEQUENCE] == pytest.approx(PLAIN.sequence_s)


def test_recurrent_state_is_read_and_written_whole_by_every_token() -> None:
    state = replace(DENSE, state_values=10_000_000)
    size = Precision(2.0 * DENSE.resident_parameters, 0.0, 2.0)
    with_state, without = (
        iteration_cost(model, H100, PLAIN, layout(1), size, most_tokens=16, block_tokens=16) for model in (state, DENSE)
    )
    more = with_state.slope[MEMORY, SEQUENCE] - without.slope[MEMORY, SEQUENCE]
    assert more == pytest.approx(2 * 4 * 10_000_000 / (3.35e12 * 0.8))


def test_only_data_parallel_ranks_send_tokens_to_their_experts() -> None:
    """Where attention is sliced, all GPUs have all tokens: expert parallelism adds no messages."""
    sliced, spread = seconds_and_joules(PLAIN, at=layout(4))[0], seconds_and_joules(PLAIN, at=layout(4, expert=True))[0]
    assert spread == pytest.approx(sliced)
    ranks = Layout(1, 4, 1, True, 450e9, 1e-5, 0.0)
    slower = (
        seconds_and_joules(replace(PLAIN, link_latency_s=1e-3), at=ranks)[0] - seconds_and_joules(PLAIN, at=ranks)[0]
    )
    assert slower == pytest.approx(np.full(len(slower), 2 * MIXTURE.moe_layers * (1e-3 - PLAIN.link_latency_s)))


@given(st.floats(0.0, 1.0))
def test_a_floor_streams_experts_that_nobody_asked_for(floor: float) -> None:
    """Up to all of them, which thousands of tokens ask for anyway."""
    asked_s, asked_j = seconds_and_joules(PLAIN)
    seconds, joules = seconds_and_joules(replace(PLAIN, expert_floor=floor))
    assert (seconds >= asked_s - 1e-12).all()
    assert (joules >= asked_j - 1e-9).all()
    assert seconds[-1] == pytest.approx(asked_s[-1], rel=1e-6)
    every = seconds_and_joules(replace(PLAIN, expert_floor=1.0))[0]
    assert (seconds <= every + 1e-12).all()


def test_quantising_takes_time_in_graphs_and_its_own_power() -> None:
    waiting = replace(H100, waiting_w=200.0)
    stack = replace(PLAIN, launch_s=600e-6, graph_tokens=512)
    plain_s, plain_j = seconds_and_joules(stack, waiting, model=DENSE, at=layout(1))
    with_s, with_j = seconds_and_joules(
        replace(stack, quantise_s=50e-6, quantise_power=2.0), waiting, model=DENSE, at=layout(1)
    )
    more_s = 50e-6 * DENSE.layers
    assert with_s[:512] == pytest.approx(plain_s[:512] + more_s)
    assert with_j[:512] == pytest.approx(plain_j[:512] + 2.0 * 200.0 * more_s)
    assert with_s[512:] == pytest.approx(plain_s[512:])  # one by one, launches hide it or cost more than that


def test_an_encoder_runs_once_for_all_prompts_of_an_iteration() -> None:
    size = Precision(2.0 * DENSE.resident_parameters, 0.0, 2.0)
    waiting = replace(H100, waiting_w=200.0)
    costs = [
        iteration_cost(DENSE, waiting, stack, layout(2), size, most_tokens=64, block_tokens=16)
        for stack in (PLAIN, replace(PLAIN, encoder_s=30e-3))
    ]
    more = costs[1].table - costs[0].table
    assert (more[0] == 0.0).all()
    assert more[1:, 1:, :2] == pytest.approx(30e-3)
    assert more[1:, 1:, ENERGY] == pytest.approx(2 * 30e-3 * 200.0)
    assert (costs[1].slope == costs[0].slope).all()


def test_data_parallel_ranks_pay_for_what_all_of_them_route() -> None:
    """With as many tokens a rank, time in memory grows with the number of ranks; a single rank pays nothing."""
    stack = replace(PLAIN, routed_passes=5.0)
    for data, costs in ((1, False), (4, True)):
        at = Layout(1, data, 1, True, 450e9, 1e-5, 0.0) if data > 1 else layout(4, expert=True)
        plain, routed = seconds_and_joules(PLAIN, at=at)[0], seconds_and_joules(stack, at=at)[0]
        assert (routed > plain).all() if costs else (routed == plain).all()
    more = []
    for data in (4, 8):
        at = Layout(1, data, 1, True, 450e9, 1e-5, 0.0)
        size = Precision(2.0 * MIXTURE.resident_parameters, 2.0 * MIXTURE.expert_parameters, 2.0)
        both = [
            iteration_cost(MIXTURE, H100, each, at, size, most_tokens=8192, block_tokens=16).table[
                1, 1000 * data, MEMORY
            ]
            for each in (PLAIN, stack)
        ]
        more.append(both[1] - both[0])
    assert more[1] == pytest.approx(2.0 * more[0])


@given(st.integers(1, 16), st.integers(0, 4000), st.integers(1, 40), st.data())
def test_ranks_are_padded_to_the_largest(ranks: int, decoded: int, chunks: int, data: st.DataObject) -> None:
    prompt = data.draw(st.integers(chunks, 20_000))
    padded = padded_tokens(ranks, decoded, prompt, chunks)
    assert padded >= decoded + prompt
    assert padded <= decoded + ranks * (prompt + 2)
    if ranks == 1:
        assert padded == decoded + prompt
    if chunks == 1:
        assert padded >= ranks * prompt  # the others compute as much for nothing
    each = ranks * 7
    assert padded_tokens(ranks, each, ranks * chunks * 5, ranks * chunks) == each + ranks * chunks * 5  # spread evenly
