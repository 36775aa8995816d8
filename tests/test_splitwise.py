"""The Azure conversations on Splitwise's own measured latencies, beside its scheduling rules told a second time."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from benchmarks import splitwise, splitwise_rules
from sim.workload.traces import read_trace

pytestmark = pytest.mark.shared_data


def test_medians_are_those_of_splitwise_s_rules(tmp_path: Path) -> None:
    """Within 15 %: by the rules, a prompt of over 2,048 tokens waits for a whole run of decodes to end."""
    splitwise.write_step_table(tmp_path / "steps.csv")
    found = sim.run(splitwise.scenario(tmp_path / "steps.csv")).summary["serving"]["conv"]
    assert found["completed"] == 19_366
    rules = splitwise_rules.medians(read_trace(splitwise.TRACE).requests, splitwise.LATENCIES)
    for name in ("ttft_s", "tpot_s", "e2e_s"):
        assert found[name]["p50"] == pytest.approx(rules[name], rel=0.15)


def test_a_slower_machine_is_slower_on_the_same_work(tmp_path: Path) -> None:
    """A100 against H100 in all; half the GPUs a replica in the prompts (their token times hardly differ)."""
    medians = {}
    for hardware, gpus in (("h100-80gb", 8), ("a100-80gb", 8), ("h100-80gb", 4)):
        splitwise.write_step_table(tmp_path / "steps.csv", hardware, gpus)
        medians[hardware, gpus] = sim.run(splitwise.scenario(tmp_path / "steps.csv")).summary["serving"]["conv"]
    best, old, half = medians.values()
    assert all(old[name]["p50"] > best[name]["p50"] for name in ("ttft_s", "tpot_s", "e2e_s"))
    assert half["ttft_s"]["p50"] > best["ttft_s"]["p50"]
