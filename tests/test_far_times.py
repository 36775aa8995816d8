"""What is drawn or stretched beyond the 146 years that a clock holds comes then, and never before it began."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import sim
from sim.rng import Streams
from sim.workload.exact import FAR_NS, at_most_ns
from sim.workload.jobs.limits import Multiple
from sim.workload.prefixes import LONG
from tests.test_unmet_limits import world


@pytest.fixture(autouse=True)
def _no_cast_runs_over() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("turns", [3, 10 * LONG], ids=["few", "many"])
@pytest.mark.parametrize("think", ["1 year", "140 years"])
def test_conversations_of_long_thoughts_go_on_after_the_run(turns: int, think: str) -> None:
    """Turns came before their first, at -292 years."""
    scenario = world("chat")
    chat = scenario["workloads"]["chat"]
    chat["prefix"] = {"kind": "conversations", "turns": turns, "think_time": think, "max_tokens": 4096}
    chat["batching"]["prefix_cache"] = True
    chat["arrivals"] = {"kind": "poisson", "rate": "0.1 request/s"}
    results = sim.run({**scenario, "duration": "10 min"})
    asked = results.at("serving.chat.requests")
    assert 40 < asked < 80  # the first turn of 60 conversations: 60 +- 8
    assert results.at("serving.chat.completed") + results.at("serving.chat.unfinished") == asked


def generated(**kind: Any) -> dict[str, Any]:
    """20 jobs at the start of a day."""
    scenario = world("tune")
    job = {"name": "job", "share": 1.0, "gpus": {"kind": "constant", "gpus": 1}, **kind}
    source = {"kind": "generated", "jobs": [job], "limits": {"kind": "exact"}}
    source["arrivals"] = {"kind": "poisson", "rate": "1 job/h"}
    load = {"kind": "measured", "active": "300 W"}
    scenario["workloads"] = {"jobs": {"kind": "jobs", "source": source, "load": load, "cpu_load": 0.1}}
    return {**scenario, "duration": "1 d"}


def test_jobs_that_run_for_ages_do_not_end() -> None:
    run = {"kind": "lognormal", "median": "100 years", "mean": "140 years"}
    batch = sim.run(generated(run=run)).at("batch.jobs")
    assert batch["completed"] == 0
    assert batch["unfinished"] == batch["jobs"] > 0


def test_a_limit_of_many_times_a_long_run_is_no_limit_of_before() -> None:
    run_ns = np.full(10, FAR_NS // 2)
    assert (Multiple(1000.0)(run_ns, Streams(1)("limits")) > 0).all()


def test_whole_ns_stop_where_they_are_told() -> None:
    assert at_most_ns(np.array([1.4, 1e30, np.inf]), FAR_NS).tolist() == [1, FAR_NS, FAR_NS]
