"""Serving inside the simulated cluster: its joules, its control plane, and what is refused before a run."""

from __future__ import annotations

import copy
import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.engine.serving import service
from sim.engine.serving.pools import make_pool
from sim.errors import InputError
from sim.profiles import Catalog
from sim.profiles.iteration.terms import Device
from sim.profiles.language_models.model import shape
from sim.results.files import to_json, write
from sim.results.results import Results
from sim.workload.replay import Replay
from tests.iterations import H100, PLAIN, cost_of, layout, named

SMALL_LENGTHS: dict[str, Any] = {
    "kind": "separate",
    "prompt": {"kind": "constant", "tokens": 400},
    "output": {"kind": "constant", "tokens": 100},
}

SMALL: dict[str, Any] = {
    "name": "a small service",
    "seed": 5,
    "start": "2025-03-03T00:07:00Z",
    "duration": "40 min",
    "site": {"name": "here", "grid": {"intensity": "300 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 2}]},
    "workloads": {
        "chat": {
            "kind": "serving",
            "model": "llama-3.1-8b",
            "stack": "generic-2025",
            "precision": {"weights": "bf16"},
            "replicas": {"count": 4},
            "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 1024},
            "routing": "join-shortest-queue",
            "arrivals": {"kind": "poisson", "rate": "6 request/s"},
            "lengths": {
                "kind": "separate",
                "prompt": {"kind": "lognormal", "mean": 400, "cv": 1.0},
                "output": {"kind": "lognormal", "mean": 120, "cv": 1.0},
            },
            "cpu_load": 0.15,
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    "outputs": {"requests": "all"},
}


def changed(**fields: Any) -> dict[str, Any]:
    """``SMALL`` with other fields in its workload; ``a__b`` goes further down, ``top__`` starts at the top."""
    scenario = copy.deepcopy(SMALL)
    for path, value in fields.items():
        names = path.split("__")
        here = scenario if names[0] == "top" else scenario["workloads"]["chat"]
        names = names[1:] if names[0] == "top" else names
        for name in names[:-1]:
            here = here.setdefault(name, {})
        if value is None:
            here.pop(names[-1], None)
        else:
            here[names[-1]] = value
    return scenario


def served(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = results.summary["serving"]["chat"]
    return found


def test_rows_and_the_remainder_are_the_ledger() -> None:
    results = sim.run(SMALL)
    rows = results.requests()
    ledger = results.ledger()
    own_j = ledger[ledger["owner"] == "chat"]["energy_j"].sum()
    rows_j = rows[["prefill_j", "decode_j", "overhead_j"]].sum().sum()
    split = served(results)["energy_split_kwh"]
    assert sum(split.values()) * 3.6e6 == pytest.approx(own_j, rel=1e-12)
    assert split["prefill"] * 3.6e6 == pytest.approx(rows["prefill_j"].sum(), rel=1e-9)
    # Only what was still under way at the end is left: less than half a minute of 40.
    assert 0 <= own_j - rows_j < 0.02 * own_j
    assert (rows[["prefill_j", "decode_j", "overhead_j"]] >= 0).all().all()


def test_a_pool_goes_with_its_run_and_waits_for_no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study of a thousand services would else hold as many pools as happen to be made between two collections."""
    pools: list[weakref.ref[Any]] = []

    def watched(*how: Any) -> Any:
        pool = make_pool(*how)
        pools.append(weakref.ref(pool))
        return pool

    monkeypatch.setattr(service, "make_pool", watched)
    gc.collect()
    gc.disable()
    try:
        sim.run(SMALL)
        assert [pool() for pool in pools] == [None]
    finally:
        gc.enable()
    gc.collect()  # replicas that still had their GPUs give them back, and find no fault with that


def test_gpus_draw_what_the_pool_says() -> None:
    """Loaded power for all the time they are held, and the dynamic energy of every iteration on top."""
    results = sim.run(changed(lengths__output={"kind": "constant", "tokens": 1}))
    ledger = results.ledger()
    gpu = ledger[(ledger["owner"] == "chat") & (ledger["component"] == "gpu")]
    loaded_w = float(Catalog().gpu("nvidia-h100-sxm-80gb").power.loaded.value)
    held_s = gpu["slot_ns"].sum() * 1e-9
    assert held_s == pytest.approx(4 * 2400, rel=1e-12)
    dynamic_j = gpu["energy_j"].sum() - loaded_w * held_s
    rows = results.requests()
    work_ns = gpu[gpu["state"] == "active"]["slot_ns"].sum()
    shares_j = rows["prefill_j"].sum() + rows["decode_j"].sum() - loaded_w * work_ns * 1e-9
    assert shares_j == pytest.approx(dynamic_j, rel=1e-3)  # but for the one or two requests under way at the end


@pytest.mark.parametrize("bin_", ["15 min", "30 min", "1 d"])
def test_energy_does_not_depend_on_the_reporting_interval(bin_: str) -> None:
    hourly = sim.run(SMALL).summary
    other = sim.run(changed(top__outputs__bin=bin_)).summary
    assert other["energy_kwh"]["it"] == pytest.approx(hourly["energy_kwh"]["it"], rel=1e-12)
    assert other["energy_kwh"]["by_state"] == pytest.approx(hourly["energy_kwh"]["by_state"], rel=1e-12)
    assert other["serving"]["chat"]["e2e_s"] == hourly["serving"]["chat"]["e2e_s"]


def test_both_engines_write_the_same_run(tmp_path: Path) -> None:
    short = {"top__duration": "3 min", "top__outputs__bin": "1 min"}
    fast, plain = sim.run(changed(**short)), sim.run(changed(**short, engine="reference"))
    summaries = [copy.deepcopy(results.summary) for results in (fast, plain)]
    for summary in summaries:
        del summary["serving"]["chat"]["engine"], summary["events"]
    assert to_json(summaries[0]) == to_json(summaries[1])
    assert fast.ledger().equals(plain.ledger())
    assert fast.requests().equals(plain.requests())
    again = sim.run(changed(**short))
    assert to_json(again.summary) == to_json(fast.summary)
    write(fast, tmp_path / "one")
    write(again, tmp_path / "two")
    for name in ("ledger.parquet", "summary.json", "requests.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_without_a_duration_the_run_ends_with_its_last_request() -> None:
    results = sim.run(changed(top__duration=None, arrivals__requests=500))
    assert served(results)["completed"] == 500
    assert results.summary["simulated_s"] == pytest.approx(results.requests()["done_ns"].max() * 1e-9, abs=1e-9)


def test_a_closed_loop_keeps_its_users_busy() -> None:
    arrivals = {"kind": "closed-loop", "concurrency": 12, "requests": 800}
    results = sim.run(changed(top__duration=None, arrivals=arrivals))
    found = served(results)
    assert found["completed"] == 800
    in_system = (found["batch_size_mean"] * found["replicas_mean"]) + found["queue_length_mean"]
    assert in_system == pytest.approx(12, rel=0.05)  # until the last requests run out


def test_failures_lose_no_request() -> None:
    nodes = [{"profile": "dgx-h100", "count": 2, "failures": {"mtbf": "10 min", "repair": "2 min"}}]
    found = served(sim.run(changed(top__cluster__nodes=nodes, start_up="30 s")))
    assert found["killed"] > 0
    assert found["requests"] == found["completed"] + found["rejected"] + found["timed_out"] + found["unfinished"]


def test_autoscaling_follows_the_load_and_pays_for_cold_starts() -> None:
    rule = {"on": "queue", "target": 1.0, "interval": "10 s", "settle": "60 s"}
    start_up = {"image": "10 GB", "image_bandwidth": "1 GB/s", "weights_bandwidth": "2 GB/s"}
    scaled = changed(
        replicas={"count": {"min": 1, "max": 6}}, autoscale=rule, start_up=start_up,
        batching={"max_num_seqs": 8, "max_num_batched_tokens": 512},
        arrivals={
            "kind": "mmpp",
            "states": [{"rate": "1 request/s", "dwell": "4 min"}, {"rate": "20 request/s", "dwell": "4 min"}],
        },
    )  # fmt: skip
    found = served(sim.run(scaled))
    fixed = copy.deepcopy(scaled)
    del fixed["workloads"]["chat"]["autoscale"]
    fixed["workloads"]["chat"]["replicas"] = {"count": 6}
    always = served(sim.run(fixed))
    assert 1.0 < found["replicas_mean"] < 6.0
    assert found["replicas_most"] > 1
    assert found["cold_starts"] >= found["replicas_most"]
    assert found["gpu_hours"] < always["gpu_hours"]
    assert found["ttft_s"]["p99"] > always["ttft_s"]["p99"]


def test_a_power_cap_lengthens_iterations_and_saves_power() -> None:
    free = served(sim.run(SMALL))
    capped = served(sim.run(changed(replicas={"count": 4, "power_cap": "320 W"})))
    later = served(sim.run(changed(replicas={"count": 4, "power_cap": [{"after": "20 min", "cap": "320 W"}]})))
    assert free["itl_s"]["mean"] < later["itl_s"]["mean"] < capped["itl_s"]["mean"]
    assert capped["power_w_mean"] < free["power_w_mean"]


def test_prefix_caching_saves_the_prefill_of_what_is_shared() -> None:
    prefix = {"kind": "documents", "count": 5, "tokens": 1600, "zipf": 1.0}
    plain = served(sim.run(changed(prefix=prefix)))
    batching = {"max_num_seqs": 64, "max_num_batched_tokens": 1024, "prefix_cache": True}
    cached = served(sim.run(changed(prefix=prefix, batching=batching)))
    assert "prefix_cache_hit_rate" not in plain
    # 1,600 of about 2,000 tokens are shared; five documents fit every cache
    assert cached["prefix_cache_hit_rate"] == pytest.approx(0.8, abs=0.03)
    assert cached["ttft_s"]["mean"] < plain["ttft_s"]["mean"]
    assert cached["energy_split_kwh"]["prefill"] < 0.5 * plain["energy_split_kwh"]["prefill"]


def test_disaggregation_takes_prompts_out_of_the_way_of_decodes() -> None:
    together = served(sim.run(changed(arrivals__rate="12 request/s")))
    apart = served(
        sim.run(
            changed(
                arrivals__rate="12 request/s", replicas=None, prefill={"count": 1}, decode={"count": 3},
                network={"bandwidth": "25 GB/s", "latency": "10 us", "energy_per_byte": "60 pJ/B"},
            )
        )
    )  # fmt: skip
    assert apart["itl_s"]["p99"] < together["itl_s"]["p99"]
    assert apart["completed"] > 0.99 * together["completed"]


def test_p95_is_what_19_of_20_requests_waited_less_than() -> None:
    results = sim.run(changed() | {"outputs": {"requests": "all"}})
    rows = results.requests().query("status == 'completed'")
    waits = (rows["first_token_ns"] - rows["arrival_ns"]) / 1e9
    assert len(waits) > 1000
    p95 = served(results)["ttft_s"]["p95"]
    assert p95 == pytest.approx(np.quantile(waits, 0.95), rel=0.02)


NOWHERE = {"kind": "trace", "file": "nowhere.csv"}
LOOP = {"kind": "closed-loop", "concurrency": 4}
HOURS = {"of": "chat", "per": "gpu-hour"}


@pytest.mark.parametrize(
    ("fields", "path", "says"),
    [
        ({"model": "llama-3.1-80b"}, "workloads.chat.model", "llama-3.1-8b"),
        ({"stack": "vllm"}, "workloads.chat.stack", "generic-2025"),
        ({"model": "llama-3.1-70b"}, "workloads.chat.precision", "141.1 GB each"),
        ({"replicas__count": 17}, "workloads.chat.replicas.count", "has 16"),
        ({"replicas__tensor_parallel": 3}, "workloads.chat.replicas.tensor_parallel", "32 heads"),
        ({"replicas__data_parallel": 2}, "workloads.chat.replicas.data_parallel", "mixtures"),
        ({"replicas__power_cap": "900 W"}, "workloads.chat.replicas.power_cap", "700 W"),
        ({"lengths": None}, "workloads.chat.lengths", "required"),
        ({"decode": {"count": 1}}, "workloads.chat", "both 'prefill' and 'decode'"),
        ({"batching__max_num_batched_tokens": 32}, "workloads.chat.batching.max_num_batched_tokens", "at least 64"),
        ({"batching__prefix_cache": True}, "workloads.chat.batching.prefix_cache", "share beginnings"),
        ({"replicas__count": {"min": 1, "max": 3}}, "workloads.chat.replicas.count", "autoscale"),
        ({"top__duration": None}, "workloads.chat.arrivals", "never end"),
        ({"routing": "join-shortest"}, "workloads.chat.routing", "join-shortest-queue"),
        ({"arrivals": NOWHERE, "lengths": None}, "workloads.chat.arrivals.file", "no such file"),
        ({"arrivals": LOOP, "queue_limit": 3}, "workloads.chat.queue_limit", "at once"),
        ({"client": {"retries": 3}}, "workloads.chat.client.retries", "never happen"),
        ({"top__accounting__functional_unit": HOURS}, "accounting.functional_unit.per", "counts no"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_with_the_reason(fields: dict[str, Any], path: str, says: str) -> None:
    found = [problem for problem in sim.check(changed(**fields)) if problem.path == path]
    assert found, [str(problem) for problem in sim.check(changed(**fields))]
    assert says in " ".join(problem.message for problem in found)


def test_a_model_may_be_given_by_its_size_alone() -> None:
    size = {
        "kind": "parameters", "total": 30_000_000_000, "active": 3_000_000_000, "layers": 48, "hidden": 2048,
        "heads": 32, "kv_heads": 4, "head_dim": 128, "kv_values_per_token": 49_152, "vocabulary": 150_000,
        "experts": 128, "experts_per_token": 8,
    }  # fmt: skip
    found = served(sim.run(changed(model={"name": "mine", "architecture": size}, top__duration="2 min")))
    assert found["completed"] > 0
    with pytest.raises(InputError, match="kv_values_per_token"):
        sim.load(changed(model={"architecture": {k: v for k, v in size.items() if k != "kv_values_per_token"}}))


@given(
    st.sampled_from(["llama-3.1-8b", "llama-3.1-70b", "mixtral-8x7b", "qwen3-235b-a22b", "deepseek-v3", "gemma-2-27b"]),
    st.integers(0, 3),
    st.floats(0.3, 1.0),
    st.floats(0.3, 1.0),
)
def test_no_iteration_beats_the_roofline(name: str, doublings: int, compute: float, memory: float) -> None:
    """Neither FLOP/s nor bytes/s of an iteration exceed the GPUs' peaks, and power does not exceed the cap."""
    model = shape(named(name))
    gpus = 2**doublings
    stack = replace(PLAIN, compute_efficiency=compute, memory_efficiency=memory)
    cost = cost_of(named(name), stack, at=layout(gpus), most_tokens=2048)
    tokens = np.arange(1, 2049)
    seconds = cost.table[0, 1:, :3].max(axis=1)
    assert (tokens * model.matmul_flop_per_token / seconds <= gpus * H100.peak_flop_per_s).all()
    assert (2.0 * model.resident_parameters / seconds <= gpus * H100.byte_per_s).all()
    watts = H100.loaded_w * gpus + cost.table[0, 1:, 3] / seconds
    assert (watts <= gpus * H100.cap_w * (1 + 1e-12)).all()
    assert (np.diff(cost.table[0, :, 3]) > 0).all()
    # the same within a long context: a read takes its bytes, a pair its FLOP
    assert cost.slope[1, 1] * H100.byte_per_s * gpus >= model.kv_values_per_token_full * 2.0


def test_more_gpus_are_faster_until_they_only_talk() -> None:
    def decode_s(gpus: int, device: Device = H100) -> float:
        return float(cost_of(named("llama-3.1-70b"), device=device, at=layout(gpus)).table[0, 8, :3].max())

    assert decode_s(2) > decode_s(4) > decode_s(8)
    assert decode_s(2) / decode_s(8) < 4.0  # launches and all-reduces do not shrink
    slow = replace(H100, cap_w=300.0)
    assert decode_s(8, slow) >= decode_s(8)


AUTOSCALED: dict[str, Any] = {
    "arrivals": {
        "kind": "mmpp",
        "states": [{"rate": "0.3 request/s", "dwell": "40 s"}, {"rate": "40 request/s", "dwell": "2 s"}],
    },
    "lengths": {
        "kind": "separate",
        "prompt": {"kind": "constant", "tokens": 300},
        "output": {"kind": "constant", "tokens": 300},
    },
    "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 1024},
}


TWO_CLIENTS: dict[str, Any] = {
    "arrivals": {
        "kind": "clients",
        "clients": [
            {"name": "a", "arrivals": {"kind": "poisson", "rate": "1 request/s"}, "lengths": SMALL_LENGTHS},
            {
                "name": "a",
                "arrivals": {"kind": "poisson", "rate": "1 request/s"},
                "lengths": SMALL_LENGTHS,
                "priority": 3,
            },
        ],
    },
    "lengths": None,
}


@pytest.mark.parametrize(
    ("fields", "path", "says"),
    [
        (TWO_CLIENTS, "workloads.chat.arrivals.clients.1.name", "is taken"),
        (TWO_CLIENTS, "workloads.chat.arrivals.clients.1.priority", "priorities: 4"),
        (
            {
                "replicas__count": {"min": 1, "max": 2},
                "autoscale": {"on": "kv", "target": 50, "interval": "1 s", "settle": "1 s"},
            },
            "workloads.chat.autoscale.target",
            "at most 1",
        ),
        ({"replicas__power_cap": []}, "workloads.chat.replicas.power_cap", "no changes"),
        (
            {"speculative": {"draft_tokens": 3, "acceptance": 0.7, "draft_model": "llama-3.1-70b"}},
            "workloads.chat.precision",
            "and the draft model 141.1 GB",
        ),
    ],
)  # fmt: skip
def test_contradictions_are_refused(fields: dict[str, Any], path: str, says: str) -> None:
    found = [problem for problem in sim.check(changed(**fields)) if problem.path == path]
    assert found, [str(problem) for problem in sim.check(changed(**fields))]
    assert says in " ".join(problem.message for problem in found)


def test_turns_that_memory_is_not_for_are_refused_with_the_arithmetic() -> None:
    """1,000 conversations/s of 32,768 / 2 turns that fit, an hour apart, for a year: all of a year's would wait."""
    prefix = {"kind": "conversations", "turns": 1e6, "think_time": "1 h", "max_tokens": 32768}
    tiny = {"kind": "constant", "tokens": 1}
    lengths = {"kind": "separate", "prompt": tiny, "output": tiny}
    scenario = changed(arrivals__rate="1000 request/s", prefix=prefix, lengths=lengths)
    scenario["duration"] = "300 days"
    (problem,) = [problem for problem in sim.check(scenario) if problem.path == "workloads.chat.prefix.turns"]
    assert "turns would wait at once (1000 conversations/s of 16,384 turns that fit, 1 h apart)" in problem.message
    assert "at most 10,000,000 are held" in problem.message
    scenario["duration"] = "1 min"
    assert not [problem for problem in sim.check(scenario) if problem.path == "workloads.chat.prefix.turns"]


def test_an_unknown_model_is_the_only_problem() -> None:
    assert [problem.path for problem in sim.check(changed(model="llama-3-70b"))] == ["workloads.chat.model"]


def trace(tmp_path: Path, rows: str, **fields: Any) -> dict[str, Any]:
    """``SMALL`` asked by an Azure trace of these rows."""
    file = tmp_path / "trace.csv"
    file.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + rows)
    return changed(arrivals={"kind": "trace", "file": str(file), **fields}, lengths=None)


def test_bad_rows_are_named_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = "".join(f"2025-03-03 00:10:{i:02d},{100 if i % 2 else 'x'},10\n" for i in range(12))
    problems = sim.check(trace(tmp_path, rows))
    assert [problem.line for problem in problems if problem.file.endswith("trace.csv")] == [2, 4, 6, 8, 10, 12]
    assert all("not a whole number of tokens: 'x'" in p.message for p in problems if p.line and p.path == "")
    assert "on_bad_rows: skip" in " ".join(problem.message for problem in problems)
    results = sim.run(trace(tmp_path, rows, on_bad_rows="skip"))
    assert served(results)["trace_rows_skipped"] == 6
    assert served(results)["trace_problems"][0].endswith(
        "trace.csv:2: ContextTokens is not a whole number of tokens: 'x'"
    )
    from sim.results.services import service_remarks

    assert "6 rows of its trace were left out" in service_remarks({"chat": served(results)})[0]


def test_a_service_that_falls_behind_says_so() -> None:
    from sim.results.services import service_remarks

    few, many = (served(sim.run(changed(arrivals={"kind": "poisson", "rate": rate}))) for rate in ("1 /s", "2000 /s"))
    assert not any("unanswered" in remark for remark in service_remarks({"chat": few}))
    (told,) = (remark for remark in service_remarks({"chat": many}) if "unanswered" in remark)
    assert f"{many['unfinished']:,} of {many['requests']:,} requests" in told
    assert "more replicas" in told


def test_a_run_whose_slowest_waited_for_the_first_start_says_so() -> None:
    from sim.results.services import service_remarks

    long = {
        "start_up": {"image": "15 GB", "image_bandwidth": "1 GB/s", "weights_bandwidth": "1 GB/s", "launch": "30 s"},
        "arrivals": {"kind": "poisson", "rate": "2 /s"},
    }
    cold, up = (served(sim.run(changed(**fields))) for fields in (long, {"arrivals": long["arrivals"]}))
    assert any("replicas were started in the beginning" in remark for remark in service_remarks({"chat": cold}))
    assert not any("were started" in remark for remark in service_remarks({"chat": up}))


@pytest.mark.parametrize("engine", ["fast", "reference"])
@pytest.mark.parametrize("prefill", ["mixed", "prioritized"])
def test_costs_go_no_further_than_a_trace_can_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefill: str, engine: str
) -> None:
    """Whole prompts, and those who are preempted with what they had answered: the same run as with costs of any prompt
    that fits into memory."""
    rows = "".join(f"2025-03-03 00:10:00.{i:03d},{700 + 37 * i},{260 - 3 * i}\n" for i in range(40))
    asked = trace(tmp_path, rows)
    chat = asked["workloads"]["chat"]
    chat |= {"model": "qwen3-32b", "engine": engine, "replicas": {"count": 1}}
    chat["batching"]["prefill"] = prefill
    short = sim.run(asked)
    monkeypatch.setattr(Replay, "longest_sequence", lambda _: 1 << 17)
    assert served(short)["preemptions"] > 0
    assert to_json(sim.run(asked).summary) == to_json(short.summary)


def test_a_trace_of_another_day_is_not_played_to_nobody(tmp_path: Path) -> None:
    (problem,) = sim.check(trace(tmp_path, "2023-11-16 18:17:00,100,10\n", align="clock"))
    assert problem.path == "workloads.chat.arrivals.align"
    assert "begins at 2023-11-16T18:17:00Z" in problem.message


def test_prefix_caching_of_a_trace_without_hashes_is_refused(tmp_path: Path) -> None:
    scenario = trace(tmp_path, "2025-03-03 00:10:00,100,10\n")
    scenario["workloads"]["chat"]["batching"]["prefix_cache"] = True
    assert "no hashed blocks" in " ".join(problem.message for problem in sim.check(scenario))


def test_requests_that_no_cache_could_hold_are_told_apart() -> None:
    lengths = {
        "kind": "separate",
        "prompt": {"kind": "constant", "tokens": 1_500_000},
        "output": {"kind": "constant", "tokens": 10},
    }
    found = served(sim.run(changed(lengths=lengths, top__duration="1 min")))
    assert found["rejected_too_long"] == found["rejected"] == found["requests"]
    with pytest.raises(sim.errors.RunError, match="fits the KV cache"):
        sim.run(
            changed(
                lengths=lengths, top__duration=None, arrivals={"kind": "closed-loop", "concurrency": 2, "requests": 9}
            )
        )


def test_guessing_costs_every_iteration_that_decodes() -> None:
    """With a draft model: no request answers for less than nothing, and the larger the draft, the slower."""

    def guessed(model: str) -> dict[str, Any]:
        rule = {"draft_tokens": 4, "acceptance": 0.7, "draft_model": model}
        results = sim.run(changed(speculative=rule, top__duration="5 min"))
        rows = results.requests()
        assert (rows[["prefill_j", "decode_j", "overhead_j"]] >= 0).all().all()
        return served(results)

    small, large = guessed("llama-3.2-1b"), guessed("llama-2-13b")
    assert large["tpot_s"]["p50"] > small["tpot_s"]["p50"]
    assert large["energy_split_kwh"]["decode"] > small["energy_split_kwh"]["decode"]


def test_stages_on_two_nodes_pay_the_network() -> None:
    def joules(per_byte: str) -> float:
        scenario = changed(
            model="llama-3.1-405b",
            precision={"weights": "fp8"},
            replicas={"count": 1, "tensor_parallel": 8, "pipeline_parallel": 2},
            network={"bandwidth": "50 GB/s", "latency": "20 us", "energy_per_byte": per_byte},
            top__duration="5 min",
        )
        return float(sim.run(scenario).summary["energy_kwh"]["by_component"]["gpu"])

    assert joules("6 nJ/B") > joules("60 pJ/B")


def test_two_runs_of_a_service_are_compared_by_what_it_did() -> None:
    first, other = sim.run(SMALL), sim.run(changed(replicas__power_cap="250 W"))
    found = {row.path: row for row in sim.compare(first, other).differences[0]}
    assert found["serving.chat.ttft_s.p50"].change is not None
    assert found["serving.chat.energy_j_per_output_token"].other == served(other)["energy_j_per_output_token"]


@pytest.mark.parametrize("on", ["queue", "kv"])
@pytest.mark.parametrize(("interval", "settle", "start_up"), [("2 s", "0 s", "60 s"), ("10 s", "60 s", "3 min")])
def test_no_request_is_served_by_gpus_that_nobody_holds(on: str, interval: str, settle: str, start_up: str) -> None:
    """However replicas come and go, what requests answer for is at most what was metered."""
    rule = {"on": on, "target": 1 if on == "queue" else 0.002, "interval": interval, "settle": settle}
    results = sim.run(changed(**AUTOSCALED, replicas__count={"min": 1, "max": 4}, autoscale=rule, start_up=start_up))
    split = served(results)["energy_of_requests_kwh"]
    assert sum(split.values()) == pytest.approx(results.summary["energy_kwh"]["by_workload"]["chat"], rel=1e-12)
    assert split["unattributed"] >= 0
    assert served(results)["cold_starts"] > 2
    assert served(results)["replicas_most"] > 1


def test_replicas_never_fall_below_the_least_once_up() -> None:
    """Those that are still starting are given up first, as they serve nobody."""
    rule = {"on": "queue", "target": 1, "interval": "10 s", "settle": "30 s"}
    results = sim.run(changed(**AUTOSCALED, replicas__count={"min": 1, "max": 4}, autoscale=rule, start_up="3 min"))
    # one replica at least from the third minute on: 37 of 40 minutes
    assert served(results)["replicas_mean"] >= 37 / 40 * (1 - 1e-12)


def test_a_service_scales_from_nothing_and_back() -> None:
    rule = {"on": "queue", "target": 2, "interval": "10 s", "settle": "30 s"}
    few = {"kind": "poisson", "rate": "0.005 request/s"}
    results = sim.run(changed(arrivals=few, replicas__count={"min": 0, "max": 4}, autoscale=rule, start_up="20 s"))
    found = served(results)
    assert found["requests"] > 3
    assert found["completed"] >= found["requests"] - 1
    assert found["replicas_mean"] < 0.7  # gone between requests
    assert found["ttft_s"]["p99"] > 20.0  # and each waits for a cold start
    ended = changed(
        arrivals={**few, "requests": 3}, replicas__count={"min": 0, "max": 4}, autoscale=rule, top__duration=None
    )
    assert served(sim.run(ended))["completed"] == 3


@pytest.mark.parametrize("hand_over", ["60 pJ/B", "5 nJ/B"])
def test_disaggregated_rows_are_the_ledger_too(hand_over: str) -> None:
    """Prefill and decode on different GPUs, whose loaded power differs; a dear hand-over is nobody's twice."""
    scenario = changed(
        replicas=None,
        prefill={"pool": "p", "count": 1},
        decode={"pool": "d", "count": 2},
        network={"bandwidth": "50 GB/s", "latency": "20 us", "energy_per_byte": hand_over},
    )
    scenario["cluster"]["nodes"] = [
        {"profile": "dgx-h100", "count": 1, "name": "p"},
        {"profile": "hgx-h200", "count": 1, "name": "d"},
    ]
    results = sim.run(scenario)
    rows, split = results.requests(), served(results)["energy_of_requests_kwh"]
    assert rows["prefill_j"].sum() / 3.6e6 == pytest.approx(split["prefill"], rel=1e-12)
    assert split["prefill"] == pytest.approx(served(results)["energy_split_kwh"]["prefill"], rel=1e-6)
    assert split["unattributed"] >= 0
    assert sum(split.values()) == pytest.approx(results.summary["energy_kwh"]["by_workload"]["chat"], rel=1e-12)


def test_what_fits_only_one_of_two_pools_is_rejected() -> None:
    scenario = changed(
        replicas=None,
        prefill={"pool": "p", "count": 1},
        decode={"pool": "d", "count": 1, "tensor_parallel": 2},
        network={"bandwidth": "50 GB/s", "latency": "20 us", "energy_per_byte": "60 pJ/B"},
        arrivals={"kind": "poisson", "rate": "1 request/s", "requests": 60},
        lengths={
            "kind": "separate",
            "prompt": {"kind": "histogram", "tokens": [300000, 500], "weights": [1, 5]},
            "output": {"kind": "constant", "tokens": 20},
        },
    )
    scenario["cluster"]["nodes"] = [
        {"profile": "l40s-server", "count": 1, "name": "p"},
        {"profile": "l40s-server", "count": 1, "name": "d"},
    ]
    found = served(sim.run(scenario))
    assert found["rejected"] > 3
    assert found["completed"] == found["requests"] - found["rejected"]


def test_without_a_queue_idle_replicas_still_serve() -> None:
    """A queue limit of 0 refuses who would wait. One request at a time on four replicas: the Erlang loss system."""
    found = served(
        sim.run(
            changed(
                queue_limit=0,
                batching__max_num_seqs=1,
                arrivals={"kind": "poisson", "rate": "1 request/s"},
                top__duration="6 h",
                top__outputs={"requests": "none"},
            )
        )
    )
    service_s = found["e2e_s"]["mean"]
    load = 1.0 * service_s
    erlang_b = (load**4 / 24) / sum(load**k / f for k, f in enumerate((1, 1, 2, 6, 24)))
    assert found["rejected"] / found["requests"] == pytest.approx(erlang_b, rel=0.1)
