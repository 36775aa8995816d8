"""A network so slow that times over it are more than is counted is refused; else time goes with 1 / bandwidth."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import sim
from sim.engine.serving.plan import LONGEST_S, StepCost
from sim.errors import RunError
from tests.small import small


def served(**changes: Any) -> dict[str, Any]:
    """Ten requests to Llama 3.1 8B on H100s, prefilled on one and decoded on another."""
    scenario = small()
    del scenario["workloads"], scenario["duration"]
    scenario["cluster"]["nodes"] = [{"profile": "dgx-h100", "count": 2}]
    lengths = {"kind": "constant", "tokens": 100}
    replica = {"count": 1, "tensor_parallel": 1}
    scenario["workloads"] = {
        "chat": {
            "kind": "serving",
            "model": "llama-3.1-8b",
            "stack": "vllm-2025",
            "precision": {"weights": "bf16"},
            "prefill": replica,
            "decode": replica,
            "network": {"bandwidth": "50 GB/s", "latency": "5 us", "energy_per_byte": "60 pJ/B"},
            "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 2048},
            "routing": "round-robin",
            "arrivals": {"kind": "gamma", "rate": "10 request/s", "cv": 1.0, "requests": 10},
            "lengths": {"kind": "separate", "prompt": lengths, "output": lengths},
            "cpu_load": 0.1,
            **changes,
        }
    }
    return scenario


def network(bandwidth: str = "50 GB/s", latency: str = "5 us", energy: str = "60 pJ/B") -> dict[str, str]:
    """Between the two."""
    return {"bandwidth": bandwidth, "latency": latency, "energy_per_byte": energy}


@pytest.mark.parametrize(
    ("over", "says"),
    [
        (network("1 kB/s"), r"handing a full KV cache over takes 1\d,\d\d\d h; at most 20 h can be counted"),
        (network("1 B/s"), "handing a full KV cache over takes"),
        (network("1e-6 B/s"), "handing a full KV cache over takes"),
        (network(latency="1 year"), "takes 8,766 h"),
        (
            network(energy="0.01 kWh/GB"),
            r"would draw 1\.8e\+06 W of each GPU .* has 578\.3 W between loaded and",
        ),
    ],
)
def test_a_hand_over_beyond_what_is_counted_is_refused(over: dict[str, str], says: str) -> None:
    """At 1 B/s ten of them took 4 h in place of 155 days, as 64 bits ran over; at 1e-6 B/s there was a traceback."""
    (problem,) = sim.check(served(network=over))
    assert problem.path == "workloads.chat.network"
    assert re.search(says, problem.message)


def test_requests_take_as_much_longer_as_the_network_is_slower() -> None:
    """10 hand-overs, one after the other, of 100 tokens of 128 KiB: 131 s at 1 MB/s."""
    spans_s = [sim.run(served(network=network(bandwidth))).at("simulated_s") for bandwidth in ("1 MB/s", "2 MB/s")]
    assert spans_s[0] - spans_s[1] == pytest.approx(10 * 100 * 131072 / 2e6, rel=0.01)


def test_an_iteration_beyond_what_is_counted_is_refused() -> None:
    """Stages on two nodes: 2,056 tokens of 16,384 values are 67 MB on each of two hops."""
    spread = {"count": 1, "tensor_parallel": 8, "pipeline_parallel": 2}
    scenario = served(model="llama-3.1-405b", precision={"weights": "fp8"}, replicas=spread, network=network("1 B/s"))
    for field in ("prefill", "decode"):
        del scenario["workloads"]["chat"][field]
    (problem,) = sim.check(scenario)
    assert "a full iteration takes 37,428 h; at most 20 h can be counted" in str(problem)


def test_a_cost_beyond_what_is_counted_is_told() -> None:
    table = np.full((3, 2, 4), 0.01)
    StepCost.of(table, np.zeros((4, 7)))
    table[0, 1, 0] = LONGEST_S
    with pytest.raises(RunError, match=r"a full iteration takes up to 19\.5 h and 0\.01 J"):
        StepCost.of(table, np.zeros((4, 7)))
