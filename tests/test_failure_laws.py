"""Laws of failures and of checkpoints by themselves: their means, their limits, and the figures that were published."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from itertools import takewhile

import numpy as np
import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.build.machines.failures import failure_plan
from sim.engine.machines.failures import ComponentFailures, Hazard, new_weibull, renewals, settled_weibull, superposed
from sim.profiles.catalog import Catalog
from sim.spec import failures as spec
from sim.training.checkpoints import daly_interval_s, expected_s, young_interval_s
from sim.units import DAY_NS, HOUR_NS

YEAR_NS = 365 * DAY_NS


def until(end_ns: int, times: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    return list(takewhile(lambda failure: failure[0] < end_ns, times))


def hazard(**changes: object) -> Hazard:
    values: dict[str, object] = {
        "component": "part",
        "per_node": 1,
        "nodes": 1,
        "mtbf_ns": 1000 * HOUR_NS,
        "shape": None,
        "settled": True,
        "shows": "crash",
        "repair_ns": 0,
    }
    return Hazard(**{**values, **changes})  # type: ignore[arg-type]  # fields of several types in one mapping


def poisson_bounds(mean: float, confidence: float) -> tuple[float, float]:
    low, high = stats.poisson.interval(confidence, mean)
    return float(low), float(high)


@pytest.mark.parametrize("parts", [1, 7, 2048])
def test_failures_of_many_parts_are_one_poisson_process_that_strikes_all_alike(parts: int) -> None:
    mtbf_ns = 500 * parts * HOUR_NS
    failures = until(20 * YEAR_NS, superposed(parts, mtbf_ns, np.random.default_rng(parts)))
    low, high = poisson_bounds(20 * YEAR_NS / (500 * HOUR_NS), 0.999)
    assert low <= len(failures) <= high
    gaps = np.diff([0, *(at_ns for at_ns, _ in failures)])
    assert stats.kstest(gaps, "expon", args=(0, 500 * HOUR_NS)).pvalue > 0.001
    if parts == 7:
        assert stats.chisquare(np.bincount([part for _, part in failures], minlength=7)).pvalue > 0.001


def test_superposed_failures_are_those_of_parts_one_by_one() -> None:
    """In distribution: the gaps between failures of forty parts, each with exponential times of its own."""
    rng, mtbf_ns = np.random.default_rng(2), 4000 * HOUR_NS
    one_by_one = sorted(
        int(at) for _ in range(40) for at in np.cumsum(rng.exponential(mtbf_ns, 400)) if at < 60 * YEAR_NS
    )
    together = [at for at, _ in until(60 * YEAR_NS, superposed(40, mtbf_ns, np.random.default_rng(3)))]
    assert stats.ks_2samp(np.diff(one_by_one), np.diff(together)).pvalue > 0.001


def _slow_renewals(
    first_ns: list[int], repair_ns: int, scale_ns: float, shape: float, seed: int
) -> list[tuple[int, int]]:
    """The same by a process for every part, all drawing from one stream as they fail."""
    env, rng, seen = simpy.Environment(), np.random.default_rng(seed), []

    def fail(part: int, first: int) -> Generator[simpy.Event, object, None]:
        delay = first
        while True:
            yield env.timeout(delay)
            seen.append((int(env.now), part))
            delay = repair_ns + new_weibull(rng, scale_ns, shape, 1)[0]

    for part, first in enumerate(first_ns):
        env.process(fail(part, first))
    env.run(until=YEAR_NS)
    return seen


@pytest.mark.parametrize("shape", [0.7, 1.0, 3.0])
def test_the_heap_of_parts_equals_a_process_for_every_part(shape: float) -> None:
    scale_ns = 2000.0 * HOUR_NS
    first_ns = new_weibull(np.random.default_rng(5), scale_ns, shape, 50)
    fast = until(YEAR_NS, renewals(first_ns, 7 * HOUR_NS, scale_ns, shape, np.random.default_rng(6)))
    assert fast == _slow_renewals(first_ns, 7 * HOUR_NS, scale_ns, shape, 6)
    assert len(fast) > 100


def test_a_weibull_law_of_shape_one_is_exponential() -> None:
    drawn = new_weibull(np.random.default_rng(1), 100.0 * HOUR_NS, 1.0, 20_000)
    assert stats.kstest(drawn, "expon", args=(0, 100 * HOUR_NS)).pvalue > 0.001
    settled = settled_weibull(np.random.default_rng(1), 100.0 * HOUR_NS, 1.0, 20_000)
    assert stats.kstest(settled, "expon", args=(0, 100 * HOUR_NS)).pvalue > 0.001, "without memory there is no age"


@pytest.mark.parametrize("shape", [0.6, 1.0, 2.5])
def test_a_settled_fleet_fails_at_a_constant_rate_from_the_start(shape: float) -> None:
    """A new one does not: it fails early below shape 1, and late above."""
    month = 30 * DAY_NS
    first, counts = {}, {}
    for settled in (True, False):
        law = hazard(shape=shape, settled=settled, mtbf_ns=3000 * HOUR_NS)
        failures = until(10 * month, law.times(4000, np.random.default_rng(9)))
        first[settled] = sum(at_ns < month // 10 for at_ns, _ in failures)
        counts[settled] = len(failures)
    low, high = poisson_bounds(4000 * (month // 10) / (3000 * HOUR_NS), 0.9999)
    assert low <= first[True] <= high
    if shape < 1.0:
        assert first[False] > first[True]
    if shape > 1.0:
        assert first[False] < first[True]
    spread = 4.0 * math.sqrt(4000 * 10 * month / (3000 * HOUR_NS)) * max(1.0, 1.5 / shape)
    assert abs(counts[True] - 4000 * 10 * month / (3000 * HOUR_NS)) < spread


def test_a_switch_takes_the_nodes_that_hang_on_it() -> None:
    law = hazard(nodes=4)
    assert law.parts(10) == 3
    names = [f"n{i}" for i in range(10)]
    assert law.struck(1, names) == ("n4", "n5", "n6", "n7")  # type: ignore[arg-type,comparison-overlap]  # names stand in for nodes
    assert law.struck(2, names) == ("n8", "n9")  # type: ignore[arg-type,comparison-overlap]  # names stand in for nodes
    gpus = hazard(per_node=8)
    assert gpus.parts(10) == 80
    assert [gpus.struck(part, names) for part in (0, 7, 8, 79)] == [("n0",), ("n0",), ("n1",), ("n9",)]  # type: ignore[arg-type,comparison-overlap]  # names stand in for nodes


def test_the_profile_of_llama_3_gives_419_interruptions_in_54_days() -> None:
    written = spec.ComponentFailures.model_validate({"kind": "components", "profile": "llama-3-herd", "repair": "1 d"})
    plan = failure_plan(written, 8, Catalog())
    assert isinstance(plan, ComponentFailures)
    assert plan.interruptions_per_ns(2048) * 54 * DAY_NS == pytest.approx(419.0, rel=1e-6)  # digits of its hours
    drawn = [
        len(until(54 * DAY_NS, law.times(2048, np.random.default_rng([seed, i]))))
        for seed in range(20)
        for i, law in enumerate(plan.hazards)
    ]
    low, high = poisson_bounds(20 * 419.0, 0.999)
    assert low <= sum(drawn) <= high


def test_published_optima_of_daly() -> None:
    """Figures 3 to 5 of Daly 2006: M of 24 h, 6 h and 15 min with dumps of 5 min -> 117, 57 and 9.1 min."""
    for mtbf_min, best_min in ((1440.0, 117.0), (360.0, 57.0), (15.0, 9.1)):
        assert daly_interval_s(300.0, mtbf_min * 60.0) / 60.0 == pytest.approx(best_min, rel=0.01)  # as printed
    assert young_interval_s(300.0, 86400.0) == pytest.approx(7200.0)  # sqrt(2 x 300 x 86400)


@given(st.floats(1.0, 600.0), st.floats(3600.0, 1e6))
def test_dalys_interval_takes_least_time_by_his_own_formula(stall_s: float, mtbf_s: float) -> None:
    """To the order of the expansion: no interval a tenth off is better by more than the formula's flatness there."""
    best_s = daly_interval_s(stall_s, mtbf_s)
    at_best, shorter, longer = (expected_s(1e6, share * best_s, stall_s, 300.0, mtbf_s) for share in (1.0, 0.9, 1.1))
    assert at_best <= min(shorter, longer) * (1.0 + 1e-9)


def test_both_laws_meet_where_checkpoints_are_short() -> None:
    for stall_s in (10.0, 1.0, 0.1):
        daly, young = daly_interval_s(stall_s, 1e6), young_interval_s(stall_s, 1e6)
        assert abs(daly / young - 1.0) < 1.1 * math.sqrt(stall_s / 2e6)  # 1/3 of it from the series, less stall / tau
    assert daly_interval_s(100.0, 40.0) == 40.0


def test_without_failures_the_formula_leaves_work_and_checkpoints() -> None:
    assert expected_s(1000.0, 100.0, 5.0, 60.0, 1e12) == pytest.approx(1050.0, rel=1e-6)
