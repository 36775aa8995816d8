"""Batches of very many tokens: costs that are told for some of their numbers are those of all, nearly."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.serving import iteration_costs

WIDE: dict[str, Any] = {
    "name": "experts over sixteen GPUs",
    "seed": 1,
    "start": "2025-01-01T00:00:00Z",
    "duration": "30 s",
    "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.1}},
    "cluster": {"nodes": [{"profile": "hgx-h200", "count": 2}]},
    "workloads": {
        "api": {
            "kind": "serving",
            "model": "qwen3-235b-a22b",
            "stack": "sglang-2026",
            "precision": {"weights": "fp8"},
            "replicas": {"count": 1, "data_parallel": 16, "expert_parallel": True},
            "network": {"bandwidth": "50 GB/s", "latency": "5 us", "energy_per_byte": "340 pJ/B"},
            "batching": {"max_num_seqs": 256, "max_num_batched_tokens": 4096},
            "routing": "round-robin",
            "arrivals": {"kind": "closed-loop", "concurrency": 64},
            "lengths": {
                "kind": "separate",
                "prompt": {"kind": "constant", "tokens": 1000},
                "output": {"kind": "constant", "tokens": 20},
            },
            "cpu_load": 0.1,
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
}


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Costs are told for one number of tokens in 64 from 256 on."""
    iteration_costs.of_all_tokens.cache_clear()
    monkeypatch.setattr(iteration_costs, "FINE_TOKENS", 256)
    yield
    iteration_costs.of_all_tokens.cache_clear()


def figures() -> list[float]:
    run = sim.run(WIDE)
    return [float(run.at(name)) for name in ("serving.api.throughput_tok_per_s", "energy_kwh.by_component.gpu")]


def test_costs_between_those_that_are_told_lie_on_a_line(request: pytest.FixtureRequest) -> None:
    exact = figures()
    request.getfixturevalue("coarse")
    coarser = figures()
    assert exact[0] > 0.0
    assert coarser != exact
    assert coarser == pytest.approx(exact, rel=2e-3)
