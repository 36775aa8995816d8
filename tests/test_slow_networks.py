"""A network so slow that times over it are more than is counted is refused; else time goes with 1 / bandwidth."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import sim
from sim.engine.serving.plan import LONGEST_S, StepCost
from sim.errors import RunError
from sim.results.services import service_remarks
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


def test_the_share_of_time_in_which_the_network_carries_is_told_and_a_full_one_said() -> None:
    """131 s at 1 MB/s for one link; by two links at once as much work is half of the time of each."""
    full = sim.run(served(network=network("1 MB/s")))
    carried_s = 10 * 100 * 131072 / 1e6
    busy = full.at("serving.chat.network_busy")
    assert busy == pytest.approx(carried_s / full.at("simulated_s"), rel=1e-6)
    assert busy > 0.9
    assert any("KV caches waited for the network" in line for line in service_remarks(full.summary["serving"]))
    two = sim.run(served(network=network("1 MB/s"), prefill={"count": 2, "tensor_parallel": 1}))
    assert two.at("serving.chat.network_busy") * two.at("simulated_s") == pytest.approx(carried_s / 2, rel=1e-6)
    fast = sim.run(served())
    assert fast.at("serving.chat.network_busy") < 0.01
    assert service_remarks(fast.summary["serving"]) == []


def test_only_who_prefills_hands_over() -> None:
    """Other GPUs that decode have another KV cache, which was told, too."""
    unlike = served(network=network("1 kB/s"), decode={"count": 1, "tensor_parallel": 2})
    (problem,) = sim.check(unlike)
    assert problem.path == "workloads.chat.network"


def test_what_falls_behind_a_full_network_is_told_to_widen_it() -> None:
    service = {"requests": 100, "unfinished": 60, "network_busy": 0.99}
    [behind, waited] = service_remarks({"chat": service})
    assert "Give it a 'network' of more bandwidth, or more replicas that prefill" in behind
    assert "99.0 % of the time" in waited
    [behind] = service_remarks({"chat": {**service, "network_busy": 0.5}})
    assert "Give it more replicas, or" in behind


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
