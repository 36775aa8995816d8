"""Replicas that come up together share what has waited for them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from tests.test_serving_service import SMALL, SMALL_LENGTHS


def seconds(count: int, requests: int, stages: int = 1, **fields: Any) -> float:
    """How long so many replicas take for so many requests that all come at once."""
    scenario: dict[str, Any] = copy.deepcopy(SMALL)
    del scenario["duration"]
    scenario["workloads"]["chat"].update(
        {
            "replicas": {"count": count, "pipeline_parallel": stages},
            "arrivals": {"kind": "closed-loop", "concurrency": requests, "requests": requests},
            "lengths": SMALL_LENGTHS,
            **fields,
        }
    )
    return float(sim.run(scenario).summary["simulated_s"])


@pytest.mark.parametrize("fields", [{}, {"start_up": "90 s"}, {"engine": "reference"}, {"routing": "round-robin"}])
def test_all_replicas_that_come_up_at_an_instant_share_what_waited(fields: dict[str, Any]) -> None:
    assert seconds(4, 40, **fields) == seconds(1, 10, **fields) < seconds(1, 40, **fields)


def test_a_run_ends_when_its_last_request_does_however_soon_that_is() -> None:
    assert 90.0 < seconds(1, 2, start_up="90 s") < 91.0
    assert seconds(1, 2) < 1.0


def test_batches_of_a_pipeline_begin_together() -> None:
    """Two batches of 20 are through sooner than one of 40, whose prompts are computed one after another."""
    assert seconds(1, 40, stages=2) < seconds(1, 40)
