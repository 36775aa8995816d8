"""Named random streams: adding a failure or a second workload leaves the first one's arrivals untouched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.rng import Streams
from tests.small import small


def _api_arrivals(data: dict[str, Any]) -> list[int]:
    rows = sim.run(data).requests()
    return sorted(rows[rows.workload == "api"].arrival_ns.tolist())


def test_neither_failures_nor_another_workload_move_an_arrival() -> None:
    alone = small()
    del alone["workloads"]["tune"]
    failing, crowded = small(), small()
    failing["cluster"]["nodes"][0]["failures"] = {"mtbf": "20 h", "repair": "5 min"}
    crowded["workloads"]["second"] = {**crowded["workloads"]["api"], "replicas": 1}
    expected = _api_arrivals(alone)
    assert _api_arrivals(small()) == expected
    assert _api_arrivals(crowded) == expected
    kept = _api_arrivals(failing)
    assert set(kept) <= set(expected)  # the last few may still be open at the end, and none is new


def test_the_service_times_of_a_workload_are_its_own() -> None:
    base, crowded = small(), small()
    crowded["workloads"]["second"] = {**crowded["workloads"]["api"], "replicas": 1}
    one, two = (sim.run(data).requests() for data in (base, crowded))
    mine = two[two.workload == "api"]
    assert (one.done_ns - one.start_ns).tolist() == (mine.done_ns - mine.start_ns).tolist()


@given(st.integers(0, 2**63 - 1), st.lists(st.text(max_size=12), min_size=2, max_size=6, unique=True))
def test_a_stream_depends_on_seed_and_name_alone(seed: int, names: list[str]) -> None:
    one, other = Streams(seed), Streams(seed)
    forward = {name: one(name).random(4) for name in names}
    backward = {name: other(name).random(4) for name in reversed(names)}
    assert all((forward[name] == backward[name]).all() for name in names)
    assert len({tuple(values) for values in forward.values()}) == len(names)
    assert not (Streams(seed + 1)(names[0]).random(4) == forward[names[0]]).all()


def test_poisson_gaps_are_exponential_and_not_clipped() -> None:
    from scipy import stats

    from sim.workload.arrivals import poisson

    times = poisson(2.0, 50_000 * 10**9, Streams(0)("arrivals/x"))
    gaps = np.diff(times) / 1e9
    assert stats.kstest(gaps, "expon", args=(0, 0.5)).pvalue > 0.01
    assert gaps.max() > 4.0  # eight means: among 100,000 gaps, one in 3,000 lies beyond
    assert abs(len(times) - 100_000) < 4 * 100_000**0.5


def test_a_rate_log_is_poisson_at_each_of_its_rates(tmp_path: Path) -> None:
    """Three hours at 0.5, 0 and 2 requests/s: counts within four standard deviations, none where the rate is 0."""
    log = tmp_path / "rates.csv"
    log.write_text("datetime_utc,rate\n2022-07-04T00:00Z,30\n2022-07-04T01:00Z,0\n2022-07-04T02:00Z,120\n")
    data = small()
    del data["workloads"]["tune"]
    data["duration"] = "3 h"
    data["workloads"]["api"]["arrivals"] = {"kind": "rate-log", "file": str(log), "unit": "1 request/min"}
    data["workloads"]["api"]["replicas"] = 5
    hours = np.array(_api_arrivals(data)) // (3600 * 10**9)
    counts = np.bincount(hours, minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - 1800) < 4 * 1800**0.5
    assert abs(counts[2] - 7200) < 4 * 7200**0.5 + 20  # and the few still open at the end
    data["duration"] = "4 h"
    assert any("the series covers" in problem.message for problem in sim.check(data))
    log.write_text("datetime_utc,rate\n2022-07-04T00:00Z,30\n2022-07-04T01:00Z,-1\n")
    assert any("is below zero" in problem.message for problem in sim.check(data))
