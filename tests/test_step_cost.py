"""What the coefficients of a stack do to an iteration: each is a law of its own, and without it nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.engine.serving.plan import padded_tokens
from sim.profiles.iteration.capped import BLOCK, CHUNK, PAIR, READ, SEQUENCE, WINDOW_PAIR, WINDOW_READ
from sim.profiles.iteration.cost import BOTH, COMPUTE, DECODES, ENERGY, MEMORY, PROMPTS, IterationCost, iteration_cost
from sim.profiles.iteration.terms import Device, Layout, Precision, Stack, Terms, columns
from sim.profiles.kernels.time import CHOOSING_CYCLES, CHOOSING_ROW_CYCLES, DECODING
from sim.profiles.language_models.architecture import Transformer
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.model import Architecture, shape
from sim.profiles.power_laws.clock import ClockCurve
from tests.iterations import H100, IN_16_BITS, PLAIN, cost_of, layout, named

Floats = npt.NDArray[np.float64]

MIXTURE = named("qwen3-30b-a3b")
DENSE = named("llama-3.1-8b")


def seconds_and_joules(
    stack: Stack, device: Device = H100, *, model: Architecture = MIXTURE, at: Layout | None = None
) -> tuple[Floats, Floats]:
    """Of decode iterations by tokens (1..4096)."""
    cost = cost_of(model, stack, device, at=at if at is not None else layout(4, expert=True), most_tokens=4096)
    table = cost.table[DECODES, 1:]
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
    """Beyond the largest graph the host's 600 us a layer show only as far as the GPU's kernels are faster."""
    eager = replace(PLAIN, launch_s=600e-6, graph_tokens=512)
    seconds, plain = seconds_and_joules(eager, model=DENSE, at=layout(1))[0], seconds_and_joules(
        PLAIN, model=DENSE, at=layout(1)
    )[0]  # fmt: skip
    assert seconds[:512] == pytest.approx(plain[:512])
    layers = shape(DENSE).layers
    assert seconds[512] >= 600e-6 * layers
    assert seconds[512] > plain[512]
    gaps_s = PLAIN.layer_s * layers
    assert seconds[-1] == pytest.approx(plain[-1] - gaps_s)  # 4,096 tokens keep the GPU busy longer than the host


def test_waiting_draws_power_for_as_long_as_it_lasts() -> None:
    device = replace(H100, waiting_w=100.0)
    patient = replace(PLAIN, iteration_s=PLAIN.iteration_s + 0.01)
    (_, before), (_, after) = seconds_and_joules(PLAIN, device), seconds_and_joules(patient, device)
    assert after - before == pytest.approx(np.full(len(before), 4 * 100.0 * 0.01))
    assert seconds_and_joules(PLAIN)[1] == pytest.approx(seconds_and_joules(patient)[1])  # without it, none


def test_a_kernel_draws_power_for_as_long_as_it_runs() -> None:
    """Half the memory's efficiency moves the same bytes: what is more is multiprocessors at work for longer."""
    working = replace(H100, active_w=200.0)
    same = replace(PLAIN, expert_efficiency=PLAIN.memory_efficiency, expert_power=1.5)
    once_s, once = seconds_and_joules(same, working)
    slow = replace(same, expert_efficiency=0.5 * PLAIN.memory_efficiency)
    slow_s, slower = seconds_and_joules(slow, working)
    lost_s = slow_s[:64] - once_s[:64]  # few tokens: memory decides the time of an iteration
    assert slower[:64] - once[:64] == pytest.approx(4 * 1.5 * 200.0 * lost_s, rel=1e-6)
    assert (lost_s > 0.0).all()


def test_the_boards_limit_holds_power_and_not_time() -> None:
    """Times are measured under it: a lower limit takes no longer. What decodes with contexts half as long to read as
    the weights asks for some 560 W, and gets 400 at most."""
    free, held = (cost_of(DENSE, device=replace(H100, active_w=400.0, cap_w=w, limit_w=w)) for w in (2000.0, 400.0))
    assert (held.table[..., :2] == free.table[..., :2]).all()

    def watts(cost: IterationCost) -> float:
        reads = 0.5 * cost.table[DECODES, 64, MEMORY] / cost.slope[MEMORY, READ]
        a_read = cost.slope[:, READ] + cost.slope[:, PAIR]
        whole = cost.table[DECODES, 64] + reads * a_read + 64 * cost.slope[:, SEQUENCE]
        return float(H100.loaded_w + whole[ENERGY] / whole[:ENERGY].max())

    assert watts(free) > 500.0
    assert 370.0 < watts(held) <= 400.0 * (1 + 1e-9)


def test_sampling_goes_with_the_logits_of_those_sampled() -> None:
    """All tokens of decodes, one of a prompt alone."""
    stack = replace(PLAIN, logit_s=1e-10, logit_byte=100.0)
    plain, sorting = (cost_of(DENSE, each, most_tokens=64).table for each in (PLAIN, stack))
    vocabulary, tokens = shape(DENSE).vocabulary, np.arange(65.0)
    more_s, more_j = (sorting[..., row] - plain[..., row] for row in (COMPUTE, ENERGY))
    assert more_s[DECODES] == pytest.approx(1e-10 * vocabulary * tokens)
    assert more_s[PROMPTS, 1:] == pytest.approx(np.full(64, 1e-10 * vocabulary))
    assert more_j[DECODES] == pytest.approx(100.0 * H100.joule_per_byte * vocabulary * tokens)


def test_sampling_moves_its_bytes_no_faster_than_the_memory_does() -> None:
    """However many logits a second a kernel might take."""
    plain, sampling = (cost_of(DENSE, each, most_tokens=64).table for each in (PLAIN, replace(PLAIN, logit_byte=26.0)))
    more_s = sampling[DECODES, :, MEMORY] - plain[DECODES, :, MEMORY]
    byte = 26.0 * shape(DENSE).vocabulary * np.arange(65.0)
    assert more_s == pytest.approx(byte / (H100.byte_per_s * PLAIN.memory_efficiency))


@given(st.floats(1e-6, 1e-4), st.sampled_from([0, 5]))
def test_a_host_that_schedules_ahead_is_waited_for_only_where_it_takes_longer(sequence_s: float, guesses: int) -> None:
    """The longer of both counts, and what is waited draws what waiting draws; verified tokens are one sequence's."""
    sequences = np.arange(513.0) / (1 + guesses)
    free, ahead = (
        cost_of(DENSE, replace(PLAIN, sequence_s=each, ahead=1.0), most_tokens=512, guesses=guesses)
        for each in (0.0, sequence_s)
    )
    assert (ahead.slope == free.slope).all()
    kernels_s = free.table[DECODES, :, COMPUTE] - PLAIN.iteration_s
    more_s = ahead.table[DECODES, :, COMPUTE] - free.table[DECODES, :, COMPUTE]
    assert more_s == pytest.approx(np.maximum(sequence_s * sequences - kernels_s, 0.0), abs=1e-12)
    more_j = ahead.table[DECODES, :, ENERGY] - free.table[DECODES, :, ENERGY]
    assert more_j == pytest.approx(more_s * H100.waiting_w, abs=1e-6)


def test_what_contexts_draw_is_a_matter_of_reading_them_and_not_of_the_largest_batch() -> None:
    """The board's limit holds large products; reading alone stays below it."""
    busy = replace(H100, active_w=200.0, joule_per_byte=80e-12, limit_w=700.0)
    few, many = (cost_of(DENSE, device=busy, most_tokens=most, most_sampled=most) for most in (8, 1024))
    assert many.slope[ENERGY] == pytest.approx(few.slope[ENERGY])
    a_read = few.slope[ENERGY, READ] / few.slope[MEMORY, READ]
    asked_w = busy.waiting_w + busy.active_w + 0.8 * busy.byte_per_s * busy.joule_per_byte
    assert 0.95 * asked_w < a_read < asked_w


@given(
    st.sampled_from(["llama-3.2-1b", "llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b"]),
    st.lists(st.floats(0.2, 1.1), min_size=2, max_size=4, unique=True).map(sorted),
    st.integers(1, 512),
    st.floats(0.0, 20000.0),
    st.booleans(),
)
@example("llama-3.1-8b", [0.75, 1.0], 1, 0.0, True)
def test_a_lower_cap_is_never_faster(model: str, caps: list[float], users: int, context: float, prompts: bool) -> None:
    """Of whatever batch and context, beside prompts or not; and what is drawn keeps to the cap."""
    board = replace(
        H100, active_w=200.0, waiting_w=20.0, joule_per_flop=0.9e-12, joule16_per_flop=0.9e-12, joule_per_byte=80e-12,
        joule_per_score=60e-12, joule_per_l2_byte=50e-12, limit_w=700.0, clock=ClockCurve(0.66, 1.4, 0.375, 20.0),
    )  # fmt: skip
    fastest = np.inf
    for share in caps:
        cap_w = share * board.limit_w
        cost = cost_of(named(model), device=replace(board, cap_w=cap_w), most_tokens=1024, most_sampled=512)
        tokens, kind = (users + 300, BOTH) if prompts else (users, DECODES)
        both = [PAIR, READ, WINDOW_PAIR, WINDOW_READ]
        whole = cost.table[kind, tokens] + users * (cost.slope[:, SEQUENCE] + context * cost.slope[:, both].sum(axis=1))
        whole = whole + (cost.slope[:, CHUNK] + 300 * 150 * cost.slope[:, PAIR] if prompts else 0.0)
        seconds = float(whole[:ENERGY].max())
        assert seconds <= fastest * (1 + 1e-9)
        fastest = seconds
        assert whole[ENERGY] / seconds <= (cap_w - board.loaded_w) * (1 + 1e-9)


def test_host_work_comes_by_the_chunk_and_by_the_sequence() -> None:
    """And by tiles of attention: one for each layer and cached head of a sequence."""
    cost, calm = cost_of(DENSE, replace(PLAIN, prompt_s=0.02)), cost_of(DENSE, replace(PLAIN, sequence_s=0.0))
    assert cost.slope[COMPUTE, CHUNK] == cost.slope[MEMORY, CHUNK] == pytest.approx(0.02)
    assert cost.slope[COMPUTE, SEQUENCE] - calm.slope[COMPUTE, SEQUENCE] == pytest.approx(PLAIN.sequence_s)
    assert calm.slope[COMPUTE, SEQUENCE] == pytest.approx(32 * 8 * DECODING.tile_s(H100.machine))


def test_recurrent_state_is_read_and_written_whole_by_every_token() -> None:
    state = replace(shape(DENSE), state_values=10_000_000)
    with_state, without = (cost_of(DENSE, model=model) for model in (state, shape(DENSE)))
    more = with_state.slope[MEMORY, SEQUENCE] - without.slope[MEMORY, SEQUENCE]
    assert more == pytest.approx(2 * 4 * 10_000_000 / (3.35e12 * 0.8))


def test_only_data_parallel_ranks_send_tokens_to_their_experts() -> None:
    """Where attention is sliced, all GPUs have all tokens: expert parallelism adds no messages."""
    late = replace(PLAIN, link_latency_s=1e-3)
    sliced, spread = (
        seconds_and_joules(late, at=at)[0] - seconds_and_joules(PLAIN, at=at)[0]
        for at in (layout(4), layout(4, expert=True))
    )
    assert spread == pytest.approx(sliced)
    ranks = layout(1, data=4, expert=True)
    slower = (
        seconds_and_joules(replace(PLAIN, link_latency_s=1e-3), at=ranks)[0] - seconds_and_joules(PLAIN, at=ranks)[0]
    )
    assert slower == pytest.approx(np.full(len(slower), 2 * shape(MIXTURE).moe_layers * (1e-3 - PLAIN.link_latency_s)))


def test_quantised_experts_take_time_in_graphs() -> None:
    """Small kernels, at work: a layer of a mixture each. One by one, launches hide them or cost more than that."""
    working = replace(H100, waiting_w=50.0, active_w=200.0)
    stack = replace(PLAIN, launch_s=600e-6, graph_tokens=512)
    plain_s, plain_j = seconds_and_joules(stack, working)
    with_s, with_j = seconds_and_joules(replace(stack, quantise_s=50e-6), working)
    more_s = 50e-6 * shape(MIXTURE).moe_layers
    assert with_s[:512] == pytest.approx(plain_s[:512] + more_s)
    assert with_j[:512] == pytest.approx(plain_j[:512] + 4 * 250.0 * more_s)
    assert with_s[512:] == pytest.approx(plain_s[512:])


def test_an_encoder_runs_once_for_all_prompts_of_an_iteration() -> None:
    waiting = replace(H100, waiting_w=200.0)
    costs = [cost_of(DENSE, stack, waiting, at=layout(2)) for stack in (PLAIN, replace(PLAIN, encoder_s=30e-3))]
    more = costs[1].table - costs[0].table
    assert (more[DECODES] == 0.0).all()
    assert more[[PROMPTS, BOTH], 1:, :2] == pytest.approx(30e-3)
    assert more[[PROMPTS, BOTH], 1:, ENERGY] == pytest.approx(2 * 30e-3 * (700.0 - H100.loaded_w))  # at the limit
    assert (costs[1].slope == costs[0].slope).all()


def test_data_parallel_ranks_pay_for_what_all_of_them_route() -> None:
    """With as many tokens a rank, time in memory grows with the number of ranks; a single rank pays nothing."""
    stack = replace(PLAIN, routed_passes=5.0)
    for data, costs in ((1, False), (4, True)):
        at = layout(1, data=data, expert=True) if data > 1 else layout(4, expert=True)
        plain, routed = seconds_and_joules(PLAIN, at=at)[0], seconds_and_joules(stack, at=at)[0]
        assert (routed > plain).all() if costs else (routed == plain).all()
    more = []
    for data in (4, 8):
        both = [
            cost_of(MIXTURE, each, at=layout(1, data=data, expert=True), most_tokens=8000).table[1, 1000 * data, MEMORY]
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


def test_the_output_head_has_rows_for_what_is_sampled() -> None:
    """Of a prompt its last token alone: a prompt of 512 tokens costs less than 512 sequences that decode, by what the
    head takes more for 512 rows than for one; beside sequences, no more rows than there can be sequences."""
    table = cost_of(DENSE, most_tokens=512).table[:, :, COMPUTE]
    a, s = layers_of(DENSE), shape(DENSE)
    terms = Terms(a, s, H100, PLAIN, layout(1), IN_16_BITS)
    few = iteration_cost(terms, tokens=np.arange(513.0), most_sampled=32.0, block_tokens=16).table[:, :, COMPUTE]
    assert (table[DECODES, 2:] > table[PROMPTS, 2:]).all()
    head_flop = 2.0 * 511 * s.vocabulary * s.hidden
    assert table[DECODES, 512] - table[PROMPTS, 512] < head_flop / (0.65 * 989.5e12)
    assert (few[[DECODES, PROMPTS]] == table[[DECODES, PROMPTS]]).all()
    assert few[BOTH, 32] == table[BOTH, 32]
    assert few[BOTH, 512] < table[BOTH, 512]


def test_kernels_follow_one_another() -> None:
    """An iteration takes at least the bytes' time and the FLOP's time of each of its products, added up."""
    seconds = seconds_and_joules(PLAIN, model=DENSE, at=layout(1))[0]
    for tokens in (1, 64, 512, 4096):
        parts = sum(
            p.count * max(2.0 * tokens * p.n * p.k / (0.65 * 989.5e12), 2.0 * p.n * p.k / (0.8 * 3.35e12))
            for p in layers_of(DENSE).products
            if p.rows == "tokens"
        )
        assert parts < seconds[tokens - 1] < 1.6 * parts + PLAIN.iteration_s + 32 * 60e-6


def test_many_configurations_at_once_cost_what_each_costs() -> None:
    """Whatever they are made of: dense and mixtures, other boards, other numbers of GPUs."""
    rows = []
    for name, at, device, precision in (
        ("llama-3.1-8b", layout(1), H100, IN_16_BITS),
        ("qwen3-30b-a3b", layout(4, expert=True), H100, IN_16_BITS),
        ("deepseek-v3", layout(8), replace(H100, byte_per_s=8e12, peak_flop_per_s=2e15), Precision(1.0, 1.0, 1.0, 1.0)),
        ("qwen3-235b-a22b", layout(1, data=8, expert=True), replace(H100, multiprocessors=148.0), IN_16_BITS),
    ):
        a = named(name)
        rows.append(Terms(layers_of(a).on(int(np.asarray(at.tensor))), shape(a), device, PLAIN, at, precision))
    tokens = np.array([1.0, 7.0, 64.0, 513.0, 3000.0])
    each = [iteration_cost(row, tokens=tokens, most_sampled=100.0, block_tokens=16) for row in rows]
    most = np.full((len(rows), 1), 100.0)
    once = iteration_cost(columns(rows), tokens=tokens, most_sampled=most, block_tokens=16)
    for place, one in enumerate(each):
        assert once.table[:, place] == pytest.approx(one.table, rel=1e-12)
        assert once.slope[:, :, place, 0] == pytest.approx(one.slope, rel=1e-12)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b", "deepseek-v3"])
def test_more_tokens_never_take_less(name: str) -> None:
    """Tiles make steps, and no step leads down: libraries take the tile and the split that serve best."""
    seconds = cost_of(named(name), at=layout(4, expert=name != "llama-3.1-8b"), most_tokens=2048).table[:, 1:, COMPUTE]
    assert (np.diff(seconds, axis=1) >= -1e-12).all()


@pytest.mark.parametrize("name", ["llama-3.1-70b", "qwen3-32b"])
def test_two_gpus_have_half_of_the_work_each(name: str) -> None:
    """But for all-reduces and what every kernel and iteration takes: large products take half as long, to tiles."""
    free = replace(PLAIN, iteration_s=0.0, layer_s=0.0, link_latency_s=0.0)
    wide = replace(H100, link_byte_per_s=1e18)
    one, two = (cost_of(named(name), free, wide, at=layout(n), most_tokens=4096).table[1, 4096, MEMORY] for n in (1, 2))
    assert one / two == pytest.approx(2.0, rel=0.02)


def test_data_parallel_ranks_gather_tokens_however_experts_are_spread() -> None:
    """Whole experts or slices of all: either way every GPU needs the tokens of all ranks."""
    mixture = named("mixtral-8x7b")
    for expert in (False, True):
        free = replace(H100, link_byte_per_s=1e30)
        slow, fast = (cost_of(mixture, device=device, at=layout(1, data=4, expert=expert)) for device in (H100, free))
        assert (slow.table[0, 8:, COMPUTE] > fast.table[0, 8:, COMPUTE]).all()


def test_a_cache_that_is_copied_costs_as_often_as_it_is_moved() -> None:
    """Time and energy of what attention reads go with the passes over it; what is swapped or kept does not."""
    once, often = cost_of(DENSE).slope, cost_of(DENSE, replace(PLAIN, context_passes=11.0)).slope
    for row in (MEMORY, ENERGY):
        assert often[row, READ] == pytest.approx(11.0 * once[row, READ], rel=1e-6)
        assert often[row, BLOCK] == pytest.approx(once[row, BLOCK])
        assert often[row, SEQUENCE] == pytest.approx(once[row, SEQUENCE])


def test_choosing_costs_a_launch_a_layer_and_a_row_a_token() -> None:
    """GLM-5 beside the same with an indexer that chooses in no layer: what one adds goes with layers and tokens."""
    sparse = named("glm-5")
    assert isinstance(sparse, Transformer)
    index = sparse.sparse_attention
    assert index is not None
    half = sparse.model_copy(update={"sparse_attention": index.model_copy(update={"layers": index.layers // 2})})
    tables = [cost_of(model, most_tokens=2048).table[DECODES, :, COMPUTE] for model in (sparse, half)]
    gained = tables[0] - tables[1]
    a_row = CHOOSING_ROW_CYCLES / (H100.clock_hz * H100.multiprocessors)
    layers = index.layers - index.layers // 2
    assert gained[8] > layers * CHOOSING_CYCLES / H100.clock_hz
    assert gained[2048] - gained[1024] > layers * 1024 * a_row


@pytest.mark.parametrize("tensor", [2, 8])
def test_heads_that_attend_to_what_was_chosen_fill_tiles(tensor: int) -> None:
    """GLM-5's 64 heads, split over more GPUs, take each of them as long as all of them do on one."""
    model = named("glm-5")
    whole, split = (cost_of(model, at=layout(n)).slope[COMPUTE, WINDOW_PAIR] for n in (1, tensor))
    assert split == pytest.approx(whole)


@pytest.mark.parametrize("guesses", [0, 1, 4])
def test_a_host_is_late_for_sequences_and_not_for_their_guesses(guesses: int) -> None:
    """It takes a second for each, and works on the next iteration meanwhile: the GPU is through long before."""
    cost = cost_of(DENSE, replace(PLAIN, sequence_s=1.0, ahead=1.0), guesses=guesses)
    taken_s = cost.table[DECODES, 8 * (1 + guesses)][[COMPUTE, MEMORY]].max()
    assert taken_s == pytest.approx(8.0 * 1.0 + PLAIN.iteration_s, rel=1e-12)
