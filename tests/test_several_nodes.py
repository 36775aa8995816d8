"""Power on several nodes: what is read is what was published, and a training that waits longer is told to draw less."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.accuracy import several_nodes
from sim.documents import read_document


def test_what_is_read_is_what_its_sources_print() -> None:
    """Averages of a node of 6.741, 5.847 and 4.745 kW; 5.87 % less power and 37.22 % less of the rate."""
    data: Any = read_document(several_nodes.FILE).data
    lora, fsdp = (one["runs"] for one in data["sets"])
    assert [run["watts"] for run in lora] == pytest.approx([1.0, 5.847 / 6.741, 4.745 / 6.741], abs=5e-4)
    assert (fsdp[1]["watts"], fsdp[1]["rate"]) == pytest.approx((1.0 - 0.0587, 1.0 - 0.3722))
    assert {one["source"] for one in data["sets"]} <= set(data["sources"])
    assert all(one["assumed"] for one in data["sets"])


def test_who_is_spread_farther_is_slower_and_draws_less() -> None:
    runs = several_nodes.read()
    assert len(runs) == 3
    assert all(run.predicted_watts < 1.0 and run.predicted_rate < 1.0 for run in runs)
    assert runs[1].predicted_watts < runs[0].predicted_watts  # 64 nodes and 8 of one training
