"""Attention by one kernel for prompts and decodes: tiles of queries of which a sequence that decodes fills one row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.build.serving.attention import query_rows
from sim.build.serving.deployment import Deployment
from sim.engine.serving.plan import Settings
from sim.profiles.catalog import Catalog
from sim.spec.serving import Replicas, Serving
from sim.workload.serving_records import ROW_COLUMNS
from tests.serving_worlds import build, chunk, linear_cost

CATALOG = Catalog()
END = 10**17
PAIR_NS = 5.0


def rows_of(model: str, board: str, stack: str) -> int:
    """Of a deployment on one GPU."""
    workload = {
        "kind": "serving", "model": model, "stack": stack, "precision": {"weights": "bf16"},
        "replicas": {"count": 1}, "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 512},
        "routing": "round-robin", "arrivals": {"kind": "closed-loop", "concurrency": 8}, "cpu_load": 0.1,
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 64}, "output": {"kind": "constant", "tokens": 64},
        },
    }  # fmt: skip
    spec = Serving.model_validate(workload)
    assert isinstance(spec.replicas, Replicas)
    gpu, node = CATALOG.gpu(f"nvidia-{board}"), CATALOG.node("dgx-a100")
    return query_rows(Deployment.of(spec, spec.replicas, gpu, node, CATALOG))


def gap_beside_a_prompt(engine: str, query_rows: int) -> int:
    """ns of the iteration in which a sequence of 1,000 tokens decodes beside a prompt of 64."""
    settings = Settings(max_num_seqs=4, max_num_batched_tokens=1000, rows=True)
    cost = replace(linear_cost(fixed_ms=10.0, per_token_ms=0.0, per_pair_ns=PAIR_NS), query_rows=query_rows)
    # the second arrives while the first's prompt is read, and is read beside its first decode
    trace = chunk(np.array([0, 1000]), np.array([1000, 64]), np.array([2, 1]))
    pool = build(engine, settings, [trace], costs=[cost], blocks=10**6)
    pool.start(0)
    pool.advance(END)
    rows = pool.take_rows()
    second = rows[np.argsort(rows[:, 0])][1]
    reading_ns = 10_000_000 + 1000 * 1001 // 2 * PAIR_NS
    return int(second[ROW_COLUMNS.index("first_token_ns")] - reading_ns)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_decode_fills_one_row_of_a_tile_beside_a_prompt(engine: str) -> None:
    prompt_ns = 64 * 65 // 2 * PAIR_NS
    for rows, counted in ((0, 1001), (1, 1001), (64, 64 * 1001)):
        assert gap_beside_a_prompt(engine, rows) == pytest.approx(10_000_000 + prompt_ns + counted * PAIR_NS, abs=2)


def test_vllm_packs_heads_on_hopper_and_not_before() -> None:
    assert rows_of("llama-3.1-8b", "a100-sxm-80gb", "vllm-2025") == 64
    assert rows_of("llama-3.1-8b", "l40s", "vllm-2026") == 64
    assert rows_of("llama-3.1-8b", "h100-sxm-80gb", "vllm-2025") == 0
    assert rows_of("llama-3.1-8b", "a100-sxm-80gb", "trtllm-2026") == 0
    assert rows_of("gpt-oss-20b", "a100-sxm-80gb", "vllm-2025") == 0  # Triton's, for its sinks
