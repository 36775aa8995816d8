"""The serving model against published measurements: what the accuracy table stands on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from benchmarks.accuracy import form, mlenergy, training_steps
from benchmarks.accuracy.campaign import drawn, window
from benchmarks.accuracy.mean_field import Configurations, asked_of, predict, records
from benchmarks.accuracy.prefix_cache import RECOMPUTED, Cache, found
from benchmarks.accuracy.serving_stack import CONSTANTS, Bench, Configuration
from benchmarks.accuracy.sweeps import SETS, repeats_of, requests_of
from benchmarks.accuracy.whole_run import lines, median_s
from sim.build.serving.deployment import Deployment
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.capped import PAIR, READ, SEQUENCE
from sim.profiles.iteration.cost import DECODES, ENERGY
from sim.spec.serving import Replicas, Serving

measured = pytest.mark.shared_data
MEASURED = ["watts", "itl_s", "mean_s"]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return mlenergy.measurements()


@pytest.fixture(scope="module")
def constants(table: pd.DataFrame) -> dict[str, float]:
    return dict(mlenergy.fitted(table))


def agrees_with_the_mean_field(chosen: pd.DataFrame, constants: dict[str, float]) -> None:
    """The medians of what the two differ by. A closed loop is not quite at its mean."""
    found = mlenergy.simulated(chosen, constants)
    rows = Configurations.of(chosen, [mlenergy.model_of(model) for model in chosen["model_id"]])
    watts, mean_s, step_s = predict(rows, constants)
    joules = watts * chosen["num_gpus"].to_numpy() * mean_s / chosen["avg_batch_size"].to_numpy()
    for ours, theirs in ((found["watts"], watts), (found["joules"], joules), (found["itl_s"], step_s)):
        assert float(np.median(np.abs(ours.to_numpy() / theirs - 1.0))) < 0.02


@measured
def test_the_simulator_agrees_with_the_mean_field(table: pd.DataFrame, constants: dict[str, float]) -> None:
    """By which it is fitted. Every 36th row."""
    agrees_with_the_mean_field(table.iloc[::36], constants)


@measured
@pytest.mark.proof
def test_the_simulator_agrees_with_the_mean_field_over_more_rows(
    table: pd.DataFrame, constants: dict[str, float]
) -> None:
    """Every twelfth."""
    agrees_with_the_mean_field(table.iloc[::12], constants)


@measured
def test_held_out_families_are_predicted_better_than_by_their_neighbours_mean(table: pd.DataFrame) -> None:
    """The naive guess: the mean of the other families on the same board with as many GPUs."""
    judged = table["arch_group"] == "32.0_32.0_Qwen"
    known = mlenergy.fitted(table[~judged])
    clean = table[judged & table["clean"]]
    found = mlenergy.simulated(clean, known)
    others = table[~judged].groupby(["gpu_model", "num_gpus"])
    for ours, theirs in (("watts", "watts"), ("joules", "energy_per_token_joules"), ("itl_s", "itl_s")):
        truth = clean[theirs].to_numpy()
        means = others[theirs].mean()
        naive = np.array([means[key] for key in zip(clean["gpu_model"], clean["num_gpus"], strict=True)])
        off, guess = np.abs(found[ours].to_numpy() / truth - 1.0), np.abs(naive / truth - 1.0)
        assert off.mean() < guess.mean()
        assert off.mean() < 0.11


@measured
@pytest.mark.parametrize("name", ["vllm-2025", "vllm-2025-flashinfer", "vllm-2025-without-8b"])
def test_stacks_that_ship_are_fits_to_the_rows_that_they_name(
    name: str, table: pd.DataFrame, constants: dict[str, float]
) -> None:
    """All of them; and all but those of models of 8e9 parameters, by which the published record judges such."""
    eight = table["arch_group"].str.startswith("8.0_")
    assert set(table[eight]["nickname"]) == {"Qwen 3 8B", "Qwen 3 VL 8B Instruct"}
    if name.endswith("without-8b"):
        constants = dict(mlenergy.fitted(table[~eight]))
    stack = Catalog().stack(name)
    told = {
        "iteration_s": stack.iteration,
        "layer_s": stack.layer,
        "launch_s": stack.launch,
        "expert_launch_s": stack.expert_launch,
        "prompt_s": stack.prompt,
        "fp8_layer_s": stack.quantised["fp8"].layer,
    }
    for constant, entry in told.items():
        assert entry is not None
        assert float(entry.value) * 1e-9 == pytest.approx(constants[constant], rel=0.02)
    plain = {
        "expert_crowded": stack.expert_crowded,
        "expert_skew": stack.expert_skew,
        "expert_imbalance": stack.expert_imbalance,
        "routed_passes": stack.routed_passes,
        "logit_bytes": stack.logit_bytes,
        "mxfp4_power": stack.quantised["mxfp4"].expert_power,
    }
    for constant, share in plain.items():
        assert share is not None
        assert float(share.value) == pytest.approx(constants[constant], rel=0.02)
    assert stack.logits_per_second is not None
    assert 1.0 / float(stack.logits_per_second.value) == pytest.approx(constants["logit_s"], rel=0.02)


SPLITS = {"alternate": mlenergy.alternate, "other_board": mlenergy.other_board}


def deceived_about_what_is_judged(table: pd.DataFrame, split: str) -> tuple[pd.DataFrame, pd.Series[bool]]:
    """With rows that lie about what was measured, and which they are."""
    lying = table.copy()
    judged = lying["turn"] % 2 == 0 if split == "alternate" else lying["gpu_model"] == "B200"
    lying.loc[judged, MEASURED] *= 3.0
    return lying, judged


@measured
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_judged_is_not_seen_by_the_fit(table: pd.DataFrame, split: str) -> None:
    """What a fit is given is the same where the judged rows lie about what was measured, and so is what is predicted
    for these. (For families the masks are those of ``fitting.held_out``, which has a test of its own.)"""
    lying, judged = deceived_about_what_is_judged(table, split)
    (honest, asked), (deceived, asked_of_it) = (part for of in (table, lying) for part in SPLITS[split](of))
    assert len(honest) + len(asked) == len(table)
    assert judged[asked.index].all()
    assert not judged[honest.index].any()
    pd.testing.assert_frame_equal(deceived, honest, check_exact=True)
    assert (asked_of_it[MEASURED] == 3.0 * asked[MEASURED]).all(axis=None)
    few, few_of_it = (part.iloc[:: len(part) // 4] for part in (asked, asked_of_it))
    assert (mlenergy.simulated(few_of_it, STARTS) == mlenergy.simulated(few, STARTS)).all(axis=None)


@measured
@pytest.mark.proof
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_judged_changes_nothing_of_a_fit(table: pd.DataFrame, split: str) -> None:
    """All the way through fits, which do believe the rows that they are given."""
    splits = SPLITS[split]
    some = table.iloc[::4]

    def constants_of(of: pd.DataFrame) -> tuple[Mapping[str, float], pd.DataFrame]:
        ((known, part),) = splits(of)
        return mlenergy.fitted(known), part.iloc[::15]

    honest, asked = constants_of(some)
    lying, judged = deceived_about_what_is_judged(some, split)
    assert len(asked) > 0
    assert judged[asked.index].all()
    deceived, asked_of_it = constants_of(lying)
    assert deceived == honest
    assert (mlenergy.simulated(asked_of_it, deceived) == mlenergy.simulated(asked, honest)).all(axis=None)
    lying.loc[~judged, MEASURED] *= 3.0
    assert constants_of(lying)[0] != honest  # those that are fitted are believed


def test_a_window_ends_young_where_few_wait_and_is_stationary_where_many_do() -> None:
    """Lengths all alike: 2 n requests in n slots end their first generation together, half a length behind on average;
    mixed ones in a long queue have E[L^2] / 2 E[L] tokens behind them (renewal theory)."""
    alike = window(np.array([1000.0]), np.ones(1), batch=100, requests=200)
    assert alike.age == pytest.approx(500.0, rel=0.01)
    assert alike.iterations == pytest.approx(1000.0)
    lengths = np.array([100.0, 900.0])
    long = window(lengths, np.ones(2), batch=20, requests=20_000)
    assert long.age == pytest.approx((lengths**2).mean() / 2.0 / lengths.mean(), rel=0.02)
    assert long.begun == pytest.approx(20 / 500.0, rel=0.05)


@measured
def test_servers_were_sent_more_than_they_batch(table: pd.DataFrame) -> None:
    """A window begins with a full batch, and ends when the last request is taken up."""
    for row in records(table):
        batch = int(row["max_num_seqs"])
        sent = requests_of(row["task"], row["model_id"], row["gpu_model"], batch)
        assert sent > batch + 1
        assert row["avg_batch_size"] > 0.85 * min(batch, sent)  # which was measured


def test_a_set_is_sent_again_as_the_sweeps_of_a_model_and_board_say() -> None:
    assert requests_of("video-chat", "Qwen/Qwen3-VL-8B-Instruct", "H100", 192) == 2 * 512
    assert repeats_of("lm-arena-chat", "meta-llama/Llama-3.1-405B-Instruct", "B200", 512) == 1
    assert repeats_of("lm-arena-chat", "Qwen/Qwen3-8B", "B200", 512) == 2
    assert repeats_of("image-chat", "Qwen/Qwen3-VL-30B-A3B-Instruct", "B200", 512) == 2  # as a sibling's
    assert repeats_of("gpqa", "some/model", "H100", 9999) == 4  # as the largest by default


def cached(tokens: float, *, batch: int = 10, several: int = 40, repeats: int = 3, ranks: int = 1) -> float:
    """Of 200 tokens, with answers of 100 each."""
    cache = Cache(tokens, full=1.0, window=np.inf, ranks=ranks)
    return found((100,) * (several * repeats), batch=batch, several=several, prompt=200, cache=cache)


def test_a_prompt_is_found_if_less_was_written_since_than_was_free() -> None:
    """All of 120 requests in tens: 40 are new, of which 10 begin before the window; 80 of 110 are met again, 40
    requests later. Ten run at a time, so each prompt has ended 30 requests before: 9,000 tokens were written since."""
    share = 80 / 110
    assert cached(1e9) == pytest.approx(share * (200 - RECOMPUTED))
    assert cached(12_000) == cached(1e9)  # 40 requests of 300 tokens
    assert 0.0 < cached(11_000) < cached(1e9)
    assert cached(9_000) == 0.0  # used in turn, the oldest is always gone before it is met
    assert cached(1e9, repeats=1) == 0.0
    assert cached(-1.0) == 0.0  # where nothing is left for a cache


def test_what_runs_is_shared_and_ranks_have_a_cache_each() -> None:
    assert cached(0.001, batch=60, several=20, repeats=5) == pytest.approx(200 - RECOMPUTED)  # its copies are running
    assert cached(1e9, ranks=8) < 0.45 * cached(1e9)


def test_windows_of_layers_leave_room() -> None:
    """Of 300 tokens a sequence holds those of its window in half of the layers."""
    cache = Cache(1000.0, full=0.5, window=100.0, ranks=1)
    assert cache.held(2, 600.0) == pytest.approx(0.5 * 600.0 + 0.5 * 2 * 100.0)


def test_draws_are_the_same_for_the_same_row() -> None:
    lengths, weights = np.array([10.0, 1000.0]), np.ones(2)
    assert (drawn(lengths, weights, requests=50) == drawn(lengths, weights, requests=50)).all()


@measured
def test_hits_are_where_the_set_was_sent_again_and_boards_hold_it(table: pd.DataFrame) -> None:
    rows = Configurations.of(table, [mlenergy.model_of(model) for model in table["model_id"]])
    share = (rows.cached(np.full((len(table), 1), 320.0)) / 320.0)[:, 0]
    sent = np.array([asked_of(row) > SETS[row["task"]] for row in records(table)])
    assert (share[~sent] == 0.0).all()
    assert (share[table["model_id"].str.contains("Nemotron")] == 0.0).all()  # states: no prefixes
    assert share[sent].max() > 0.95
    small = table["model_id"].str.endswith("Qwen3-32B") & (table["gpu_model"] == "B200") & sent
    assert small.any()
    assert (share[small] < 0.1).all()  # written over before it is met again


def test_each_request_of_a_run_brings_what_it_finds_and_nothing_that_another_has() -> None:
    at = closed_loop(4, tokens=50)
    traced = [json.loads(line) for line in lines(at, np.array([10, 20, 30]), [0, 2, 3])]
    blocks = [row["hash_ids"] for row in traced]
    assert [row["output_length"] for row in traced] == [10, 20, 30]
    assert [len(each) for each in blocks] == [4, 4, 4]  # the last in part: 50 tokens
    assert blocks[1][:2] == blocks[2][:2] == [0, 1]
    own = [*blocks[0], *blocks[1][2:], *blocks[2][3:]]
    assert len({*own, 0, 1, 2}) == len(own) + 3


def test_the_median_of_a_whole_run_is_of_where_most_tokens_are_written() -> None:
    """1,024 requests, 512 at a time. Where all answers are alike, two waves run full; where a few are long, most tokens
    are written while the last of them run alone."""
    alike, uneven = (run_median_s(np.array(lengths), np.array(counts)) for lengths, counts in CASES)
    with Bench(STARTS) as bench:
        full, few = (decode_s(bench, users) for users in (512, 26))
    assert alike == pytest.approx(full, rel=0.05)
    assert few < uneven < 0.6 * full  # contexts are longer than those of the loop


STARTS = {name: bound.start for name, bound in CONSTANTS.items()}
CASES = (([200.0], [1.0]), ([20.0, 2000.0], [0.95, 0.05]))


def closed_loop(users: int, tokens: int = 64) -> Configuration:
    """Qwen3 8B on one H100."""
    return Configuration(
        board="H100", model="qwen3-8b", gpus=1, expert_parallel=False, data_parallel=False, weights="bf16",
        users=users, prompt_tokens=tokens, prompt_work_s=0.0, encoder_s=0.0,
        output={"kind": "constant", "tokens": 200}, seconds=30.0,
    )  # fmt: skip


def run_median_s(lengths: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> float:
    """Of 1,024 chats, 512 at a time."""
    row = {
        "task": "lm-arena-chat", "model_id": "Qwen/Qwen3-8B", "gpu_model": "H100", "num_gpus": 1,
        "expert_parallel": 1, "data_parallel": 1, "weight_precision": "bfloat16", "max_num_seqs": 512,
        "bins": (lengths, counts), "avg_output_len": float((lengths * counts).sum()),
    }  # fmt: skip
    with Bench(STARTS) as bench:
        return median_s(bench, row, closed_loop(512))


def decode_s(bench: Bench, users: int) -> float:
    """Of an iteration without a prompt in a loop."""
    return float(bench.run(closed_loop(users)).summary["serving"]["w"]["decode_iteration_s"]["p50"])


def test_graphs_end_at_twice_the_sequences() -> None:
    """vLLM captures up to min(2 max_num_seqs, 512) tokens."""
    for most, tokens in ((8, 16.0), (128, 256.0), (512, 512.0)):
        assert graph_tokens("vllm-2025", most) == tokens
    assert graph_tokens("vllm-2026", 8, draft_tokens=3) == 64.0
    assert graph_tokens("sglang-2026", 8) == 512.0
    assert graph_tokens("vllm-2025", 8, eager=True) == 0.0


@pytest.mark.parametrize("judged", [form, training_steps])
def test_the_form_is_the_frozen_one(judged: ModuleType) -> None:
    assert judged.told().startswith("form frozen 2026-"), f"freeze it anew: python -m {judged.__name__}"


# What whole servers do, without any data beside


def one_gpu(
    model: str,
    gpus: int = 1,
    stack: str = "vllm-2025",
    board: str = "h100-sxm-80gb",
    guess: dict[str, object] | None = None,
) -> Deployment:
    workload = {
        "kind": "serving", "model": model, "stack": stack, "precision": {"weights": "bf16"},
        "replicas": {"count": 1, "tensor_parallel": gpus},
        "batching": {"max_num_seqs": 512, "max_num_batched_tokens": 8192},
        "routing": "round-robin", "arrivals": {"kind": "closed-loop", "concurrency": 8}, "cpu_load": 0.1,
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 64}, "output": {"kind": "constant", "tokens": 64},
        },
    } | ({"speculative": guess} if guess is not None else {})  # fmt: skip
    spec, catalog = Serving.model_validate(workload), Catalog()
    assert isinstance(spec.replicas, Replicas)
    node = catalog.node("dgx-a100" if board.startswith("a100") else "dgx-h100")
    return Deployment.of(spec, spec.replicas, catalog.gpu(f"nvidia-{board}"), node, catalog)


def graph_tokens(stack: str, most: int, draft_tokens: int = 0, eager: bool = False) -> float:
    guess: dict[str, object] | None = {"draft_tokens": draft_tokens, "acceptance": 0.5} if draft_tokens else None
    at = one_gpu("llama-3.1-8b", stack=stack, guess=guess)
    spec = at.spec.model_copy(
        update={"batching": at.spec.batching.model_copy(update={"max_num_seqs": most}), "eager": eager}
    )
    return float(replace(at, spec=spec).coefficients().graph_tokens)


def decoding(at: Deployment, users: int, context: int, guesses: int = 0) -> tuple[float, float]:
    """s of an iteration in which ``users`` decode, and J of all GPUs."""
    limit_w = float(at.gpu.tdp.value)
    cost = at.cost(limit_w, 64)
    verified = users * (1 + guesses)
    whole = cost.table[DECODES, verified] + verified * context * (cost.slope[:, PAIR] + cost.slope[:, READ])
    whole = whole + users * cost.slope[:, SEQUENCE]
    seconds = float(whole[:ENERGY].max())
    loaded_w = float(at.gpu.power.loaded.value) * at.replicas.gpus
    return seconds, float(whole[ENERGY]) + seconds * loaded_w


def test_power_climbs_with_the_batch_towards_the_limit() -> None:
    """A dense 8B model on one H100; ML.ENERGY measured 610 to 691 W at 64 to 512 with prompts in between."""
    watts = [j / s for s, j in (decoding(one_gpu("llama-3.1-8b"), users, 500) for users in (1, 8, 64, 128))]
    assert watts == sorted(watts)
    assert 560.0 < watts[-1] < 700.0


@pytest.mark.parametrize("stack", ["vllm-2026", "sglang-2026", "trtllm-2026"])
def test_power_stays_up_at_large_batches_where_hosts_schedule_ahead(stack: str) -> None:
    """As measured by ML.ENERGY, prompts in between, of which nothing is fitted here."""
    measured_w = {64: 610.0, 128: 669.0, 256: 691.0, 512: 688.0}
    for users, watts in measured_w.items():
        seconds, joules = decoding(one_gpu("llama-3.1-8b", stack=stack), users, 400)
        assert joules / seconds == pytest.approx(watts, rel=0.08)


@pytest.mark.parametrize(("gpus", "low", "high"), [(2, -0.45, -0.30), (4, -0.66, -0.48)])
def test_tensor_parallelism_shortens_the_time_between_tokens(gpus: int, low: float, high: float) -> None:
    """Of an 8B model for one user; published -40 and -61 % (Fernandez and others, arXiv:2504.17674)."""
    alone_s, alone_j = decoding(one_gpu("llama-3.1-8b", board="a100-sxm-80gb"), 1, 500)
    shared_s, shared_j = decoding(one_gpu("llama-3.1-8b", gpus, board="a100-sxm-80gb"), 1, 500)
    assert low < shared_s / alone_s - 1.0 < high
    assert shared_j > alone_j


def test_speculation_saves_energy_for_one_user_and_loses_it_for_many() -> None:
    """Published: -29 % alone, +26 % at 128 (the same paper): verifying multiplies compute-bound work."""
    guess: dict[str, object] = {"draft_tokens": 5, "acceptance": 0.7, "draft_model": "llama-3.2-1b"}
    accepted = sum(0.7**n for n in range(6))
    for users, saves in ((1, True), (128, False)):
        plain = decoding(one_gpu("llama-3.1-8b", stack="vllm-2026"), users, 500)[1]
        guessing = decoding(one_gpu("llama-3.1-8b", stack="vllm-2026", guess=guess), users, 500, guesses=5)[1]
        assert (guessing / accepted < 0.85 * plain) if saves else (guessing / accepted > 1.1 * plain)
