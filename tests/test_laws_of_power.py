"""No board draws more than its limit, whatever times its work is given, however it is laid out and whatever caps it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim
from sim.build.serving.deployment import Deployment
from sim.loading.scenario import load_scenario
from sim.profiles.iteration.capped import CHUNK, PAIR, READ, SEQUENCE, WINDOW_PAIR, WINDOW_READ
from sim.profiles.iteration.cost import DECODES, ENERGY, PROMPTS
from tests.board_power import limit_w, sending_w, watts

ROUNDING = 1e-3
"""Relative: energies are whole nJ for each pair of tokens."""


BOARDS = {  # and the precisions of weights that their profiles and stacks know
    "dgx-h100": ("bf16", "fp8", "int8", "int4"),
    "dgx-a100": ("bf16", "int4"),
    "hgx-h200": ("bf16", "fp8"),
    "dgx-b200": ("bf16", "fp8", "nvfp4", "mxfp4"),
    "l40s-server": ("bf16", "fp8"),
    "mi300x-8-gpu": ("bf16", "fp8"),
    "rtx-pro-6000-server": ("bf16", "fp8"),
}
MODELS = {
    "llama-3.2-1b": 1, "llama-3.1-8b": 1, "qwen3-30b-a3b": 2, "gemma-3-12b": 1, "gpt-oss-20b": 2, "qwen3-32b": 2,
    "kimi-linear-48b-a3b": 2, "nemotron-nano-9b-v2": 1, "mixtral-8x7b": 4, "llama-2-7b": 1,
}  # fmt: skip
"""And GPUs that hold them."""
MIXTURES = ("qwen3-30b-a3b", "gpt-oss-20b", "kimi-linear-48b-a3b", "mixtral-8x7b")


@st.composite
def served(draw: st.DrawFn) -> dict[str, Any]:
    """A served model in all ways that bear on what an iteration takes and draws; ``step_time`` may be a table, then as
    its two times of prompts and decodes in ms."""

    def one(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    def seldom() -> bool:
        return draw(st.integers(0, 3)) == 3

    node = one(*BOARDS)
    board_w = limit_w(node)
    model = one(*MODELS)
    stack = one("vllm-2025", "vllm-2026", "generic-2025", "sglang-2026", "trtllm-2026", "transformers-2025")
    group: dict[str, Any] = {"count": one(1, 1, 2), "tensor_parallel": max(MODELS[model], one(1, 2, 4))}
    if model in MIXTURES and seldom():
        group |= {"data_parallel": 2, "expert_parallel": one(True, False), "tensor_parallel": one(1, 2)}
    elif seldom():
        group |= {"pipeline_parallel": 2, "tensor_parallel": MODELS[model]}
    caps = one(None, None, 0.95, 0.7, 0.55, "schedule")
    if caps == "schedule":
        first, then = sorted((one(0.6, 0.8), one(0.9, 1.0)), reverse=one(True, False))
        group["power_cap"] = [
            {"after": "0 s", "cap": f"{first * board_w} W"},
            {"after": "20 s", "cap": f"{then * board_w} W"},
        ]
    elif caps is not None:
        group["power_cap"] = f"{caps * board_w} W"
    users = one(1, 16, 128, 256)
    batching = {"max_num_seqs": 256, "max_num_batched_tokens": one(2048, 8192),
                "prefill": one("chunked", "chunked", "mixed", "prioritized", "static")}  # fmt: skip
    prompt, output = one((30, 20), (500, 100), (100, 1000), (8000, 20), (30000, 10))
    law = one("constant", "lognormal")

    def tokens(mean: int) -> dict[str, Any]:
        return {"kind": law, "tokens": mean} if law == "constant" else {"kind": law, "mean": mean, "cv": 0.7}

    workload: dict[str, Any] = {
        "kind": "serving", "model": model, "stack": stack, "precision": {"weights": one(*BOARDS[node])},
        "batching": batching, "routing": "round-robin", "cpu_load": 0.1,
        "arrivals": {"kind": "closed-loop", "concurrency": users, "requests": 3 * users},
        "lengths": {"kind": "separate", "prompt": tokens(prompt), "output": tokens(output)},
    }  # fmt: skip
    if seldom() and "power_cap" not in group:
        workload |= {"prefill": {**group, "count": 1}, "decode": {**group, "count": 1}}
        workload["network"] = {"bandwidth": "50 GB/s", "latency": "5 us", "energy_per_byte": one("60 pJ/B", "1 nJ/B")}
    else:
        workload["replicas"] = group
    if seldom():
        workload["speculative"] = {"draft_tokens": one(1, 4), "acceptance": 0.7} | one(
            {}, {"draft_model": "llama-3.2-1b"}
        )
        batching["max_num_batched_tokens"] = 8192
    if seldom():
        workload["encoder_work"] = "20 ms"
    if seldom():
        workload["prompt_work"] = "5 ms"
    if one(True, False):
        workload["step_time"] = {"kind": "measured", "mixed": one(1.0, 1.5)}
        workload["step_time"]["file"] = one((1, 1), (40, 20), (5, 3), (300, 6), (0.2, 40))
    elif seldom():
        workload["eager"] = True
    policies = []
    if seldom():
        policies = [
            {"kind": "power-cap", "target": "chat", "cap": f"{0.75 * board_w} W",
             "when": {"kind": "daily", "since": "00:00", "until": "00:01"}}
        ]  # fmt: skip
    return {
        "name": "power", "start": "2026-01-05T00:00:00Z", "duration": "2 min",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": node, "count": 2, "name": "pool"}]},
        "workloads": {"chat": workload}, "policies": policies, "outputs": {"bin": "1 min"},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }  # fmt: skip


def with_its_table(scenario: dict[str, Any], folder: Path) -> dict[str, Any]:
    """With the table written that a drawn scenario has as two times."""
    step_time = scenario["workloads"]["chat"].get("step_time")
    if step_time is not None and not isinstance(step_time["file"], str):
        prompt, decode = step_time["file"]
        rows = [
            f"prompt,1,{prompt / 4}",
            f"prompt,8192,{20 * prompt}",
            f"decode,1,{decode}",
            f"decode,256,{2 * decode}",
        ]
        path = folder / f"steps-{prompt}-{decode}.csv"
        path.write_text("phase,tokens,time_ms\n" + "\n".join(rows) + "\n")
        step_time["file"] = str(path)
    return scenario


def cap_w(scenario: dict[str, Any]) -> float:
    """What holds all the time of each GPU."""
    workload = scenario["workloads"]["chat"]
    cap = workload.get("replicas", {}).get("power_cap")
    if isinstance(cap, list):
        return max(float(each["cap"].split()[0]) for each in cap)
    return limit_w(scenario["cluster"]["nodes"][0]["profile"]) if cap is None else float(cap.split()[0])


def work(deployment: Deployment, rng: np.random.Generator) -> Iterator[tuple[int, int, list[int]]]:
    """Iterations that may be: what is in them, their tokens, and what they attend to, by slope."""
    verified, longest = 1 + deployment.guesses, int(min(deployment.longest_context(), 100_000))
    most, model = deployment.most_tokens(1), deployment.model
    for _ in range(200):
        what = int(rng.integers(3))
        decodes = int(rng.integers(1, deployment.spec.batching.max_num_seqs + 1)) if what != PROMPTS else 0
        prompt = int(rng.integers(8, max(most - decodes * verified, 9))) if what != DECODES else 0
        chunks = int(rng.integers(1, 9)) if prompt else 0
        parts = [(int(rng.integers(1, longest)), verified)] * decodes
        parts += [(int(rng.integers(0, longest)), prompt // chunks)] * chunks if chunks else []
        of = dict.fromkeys(range(7), 0)
        for context, new in parts:
            of[PAIR] += new * context + new * (new + 1) // 2
            of[READ] += context + new
            if model.window:
                reached = min(context + 1, model.window)
                of[WINDOW_PAIR] += new * reached
                of[WINDOW_READ] += reached + new - 1
        of[SEQUENCE], of[CHUNK] = len(parts), chunks
        yield what, min(decodes * verified + prompt, most), list(of.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(served(), st.integers(0, 1000))
def test_no_iteration_draws_more_than_its_cap(tmp_path: Path, scenario: dict[str, Any], seed: int) -> None:
    """Whatever it attends to: energy is within what the board may draw for as long as it takes."""
    scenario = with_its_table(scenario, tmp_path)
    if sim.check(scenario):
        return
    for deployment in load_scenario(scenario).answers.deployments["chat"].values():
        for cap in deployment.caps():
            cost = deployment.cost(cap, 1)
            headroom_w = deployment.replicas.gpus * (cap - float(deployment.gpu.power.loaded.value))
            for what, tokens, attended in work(deployment, np.random.default_rng(seed)):
                row = cost.table[what, tokens] + cost.slope @ attended
                assert row[ENERGY] <= headroom_w * row[:ENERGY].max() * (1 + 1e-9), (what, tokens, attended)


@settings(
    max_examples=max(20, settings().max_examples // 4), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(served())
def test_no_board_that_serves_draws_more_than_its_limit(tmp_path: Path, scenario: dict[str, Any]) -> None:
    scenario = with_its_table(scenario, tmp_path)
    if sim.check(scenario):
        return
    for (_, owner, state), drawn in watts(sim.run(scenario)).items():
        assert drawn <= cap_w(scenario) * (1 + ROUNDING) + sending_w(scenario), (owner, state)
