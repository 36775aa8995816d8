"""Forecasts err by what they state and use what they may; no plan made by hand beats one made on them."""

from __future__ import annotations

import csv
import gzip
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sim.errors import SignalRangeError
from sim.signals import Signal
from sim.signals.forecast import Forecast, Noisy, Perfect, Persistence, correlated, cut
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.schedule import (
    best_start,
    expected_ns,
    lowest_spans,
    mean_over,
    only_within,
    planned_spans,
    quantile,
    while_at_most,
    window_means,
)

RNG = np.random.default_rng(0)


def hourly(values: list[float], first_h: int = 0) -> Signal:
    """A value an hour, the first of them from ``first_h`` on."""
    edges = np.arange(first_h, first_h + len(values) + 1, dtype=np.int64) * HOUR_NS
    return Signal(edges, np.array(values, dtype=np.float64), "g/J")


levels = st.lists(st.integers(1, 9).map(float), min_size=6, max_size=40)


def test_a_perfect_forecast_is_the_truth() -> None:
    truth = hourly([float(v) for v in RNG.integers(1, 100, 48)])
    made = Perfect().made(truth, 5 * HOUR_NS + 7, 30 * HOUR_NS + 1, RNG)
    assert (made.first_ns, made.last_ns) == (5 * HOUR_NS + 7, 30 * HOUR_NS + 1)
    assert made.integral(made.first_ns, made.last_ns) == truth.integral(made.first_ns, made.last_ns)
    assert all(made.at(t) == truth.at(t) for t in range(made.first_ns, made.last_ns, HOUR_NS // 3))


@given(levels, st.integers(1, 80), st.integers(0, 2**32))
def test_persistence_repeats_the_last_day_and_uses_only_the_past(values: list[float], ahead_h: int, seed: int) -> None:
    past = list(np.resize(values, 30))
    now_ns = 30 * HOUR_NS
    futures = np.random.default_rng(seed).uniform(1.0, 9.0, (2, 80))
    made = [Persistence().made(hourly([*past, *future]), now_ns, now_ns + ahead_h * HOUR_NS, RNG) for future in futures]
    assert np.array_equal(made[0].values, made[1].values)  # whatever comes
    for hour in range(ahead_h):
        assert made[0].at(now_ns + hour * HOUR_NS) == past[30 - 24 + hour % 24]


def test_persistence_without_a_day_behind_it_is_refused() -> None:
    with pytest.raises(SignalRangeError):
        Persistence().made(hourly([1.0] * 40), 23 * HOUR_NS, 30 * HOUR_NS, RNG)


@pytest.mark.parametrize("lead_h", [0, 6, 12, 24, 47])
def test_the_stated_error_is_the_error_one_measures(lead_h: int) -> None:
    """4,000 forecasts: the mean of |error| / truth has a standard error of 0.76 / sqrt(4000) = 1.2 % of itself."""
    truth = hourly([float(200 + 50 * np.sin(h)) for h in range(48)])
    forecast = Noisy(at_once=0.02, day_ahead=0.10, memory_ns=6 * HOUR_NS)
    made = np.array([forecast.made(truth, 0, 48 * HOUR_NS, np.random.default_rng(i)).values for i in range(4000)])
    errors = made[:, lead_h] / truth.values[lead_h] - 1.0
    stated = 0.02 + 0.08 * min((lead_h + 0.5) / 24.0, 1.0)  # linear to 24 h, taken at the middle of the hour
    assert np.abs(errors).mean() == pytest.approx(stated, rel=5 * 0.012)
    assert errors.mean() == pytest.approx(0.0, abs=5 * stated * 1.2533 / 4000**0.5)  # without bias


def test_errors_correlate_as_stated() -> None:
    """Two hours apart at a memory of 6 h: exp(-1/3); the estimate over 20,000 pairs errs by about 1 / sqrt(20000)."""
    t_ns = np.arange(0, 8, 2, dtype=np.int64) * HOUR_NS
    z = np.array([correlated(t_ns, 6 * HOUR_NS, np.random.default_rng(i)) for i in range(20_000)])
    for apart in (1, 2, 3):
        measured = np.corrcoef(z[:, 0], z[:, apart])[0, 1]
        assert measured == pytest.approx(np.exp(-apart / 3.0), abs=5 / 20_000**0.5)


def test_a_noisy_forecast_is_seeded() -> None:
    truth, forecast = hourly([5.0] * 30), Noisy(0.02, 0.1, HOUR_NS)
    made = [forecast.made(truth, 0, 30 * HOUR_NS, np.random.default_rng(seed)).values for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])


@given(levels, st.data())
def test_no_start_beats_the_one_chosen(values: list[float], data: st.DataObject) -> None:
    """Slow twin: every start on a grid of ten minutes, and the mean by exact integration."""
    forecast = cut(hourly(values), data.draw(st.integers(0, HOUR_NS)), len(values) * HOUR_NS)
    span_ns = forecast.last_ns - forecast.first_ns
    duration_ns = data.draw(st.integers(NS_PER_S, span_ns))
    last_ns = forecast.last_ns - duration_ns
    chosen = best_start(forecast, duration_ns, last_ns)
    assert forecast.first_ns <= chosen <= last_ns

    def mean(start_ns: int) -> float:
        return mean_over(forecast, np.array([[start_ns, start_ns + duration_ns]]))

    every = range(forecast.first_ns, last_ns + 1, HOUR_NS // 6)
    assert mean(chosen) <= min(map(mean, every)) * (1 + 1e-9)
    fast = window_means(forecast, np.array(every), duration_ns)
    assert np.allclose(fast, [mean(start) for start in every], rtol=1e-9)


@pytest.mark.parametrize(("work_h", "writes"), [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_a_job_expects_no_checkpoint_where_its_work_ends(work_h: int, writes: int) -> None:
    """Every two hours of work, but after the last: what is done need not be saved."""
    found = expected_ns(work_h * HOUR_NS, 7, 2 * HOUR_NS, 60)
    assert found == 7 + work_h * HOUR_NS + writes * 60
    assert expected_ns(work_h * HOUR_NS, 7, None, 60) == 7 + work_h * HOUR_NS


def test_of_equal_starts_the_first_is_chosen() -> None:
    assert best_start(hourly([0.1] * 30), 7 * HOUR_NS, 20 * HOUR_NS) == 0
    assert best_start(hourly([3.0, 1.0, 3.0, 1.0]), HOUR_NS, 3 * HOUR_NS) == HOUR_NS


KINDS: list[Forecast] = [Perfect(), Persistence(), Noisy(0.03, 0.1, 6 * HOUR_NS)]


@pytest.mark.parametrize("kind", KINDS)
@given(levels, st.integers(24 * HOUR_NS, 30 * HOUR_NS), st.integers(1, 40 * HOUR_NS), st.integers(0, 2**32))
def test_every_forecast_covers_what_is_asked_and_sees_no_further(
    kind: Forecast, values: list[float], now_ns: int, long_ns: int, seed: int
) -> None:
    near = np.resize(values, 72)
    far = near.copy()
    far[-(-(now_ns + long_ns) // HOUR_NS) :] = 1e6  # whatever comes later
    made = [kind.made(hourly(list(v)), now_ns, now_ns + long_ns, np.random.default_rng(seed)) for v in (near, far)]
    assert (made[0].first_ns, made[0].last_ns, made[0].unit) == (now_ns, now_ns + long_ns, "g/J")
    assert np.array_equal(made[0].edges_ns, made[1].edges_ns)
    assert np.array_equal(made[0].values, made[1].values)


@pytest.mark.shared_data
@pytest.mark.parametrize("grid", ["CISO", "ERCO", "NYIS"])
def test_on_real_grids_a_known_future_is_worth_most_and_any_forecast_something(shared_data: Path, grid: str) -> None:
    """A year (2022, EIA mix) of 6 h jobs within 24 h, submitted at all hours; blank hours hold the one before.

    Repeating yesterday needs no service; it gains much where the sun decides (30 of 31 % in California) and little
    where the wind does (4 of 14 % in Texas).
    """
    with gzip.open(shared_data / "grid" / f"eia_2022_{grid}.csv.gz", "rt", encoding="utf-8") as text:
        read: list[float] = []
        for row in csv.DictReader(text):
            read.append(float(row["avg_CI"]) if row["avg_CI"] else read[-1])
    truth, rng = hourly(read), np.random.default_rng(0)
    work_ns, means = 6 * HOUR_NS, []
    for day in range(2, 360, 2):
        submit_ns = (24 * day + 7 * day % 24) * HOUR_NS
        deadline_ns = submit_ns + work_ns + 24 * HOUR_NS
        made = [kind.made(truth, submit_ns, deadline_ns, rng) for kind in KINDS]
        chosen = [submit_ns, *(best_start(forecast, work_ns, deadline_ns - work_ns) for forecast in made)]
        best = mean_over(truth, lowest_spans(cut(truth, submit_ns, deadline_ns), work_ns))
        means.append([*window_means(truth, np.array(chosen), work_ns), best])
    immediate, perfect, persistence, noisy, paused = np.mean(means, axis=0)
    assert paused < perfect < noisy < immediate
    assert perfect < persistence < immediate


@pytest.mark.shared_data
def test_the_best_start_of_a_published_day_is_found(shared_data: Path) -> None:
    """Dodge et al. 2022, table 3: gCO2 of a 6 h, 3.1 kWh job by its start, every three hours of a day.

    The mean over the job is that of two spans of three hours; of the intensities that give all eight, the smoothest.
    """
    with (shared_data / "published" / "literature.yaml").open(encoding="utf-8") as text:
        entries = YAML(typ="safe").load(text)["entries"]
    (entry,) = (e for e in entries if e["id"] == "dodge-t3-time-of-day")
    for grams in entry["outputs"]["emissions"]["value"].values():
        means = np.array(grams, dtype=np.float64) / 3.1
        pairs = 0.5 * (np.eye(8, 9) + np.eye(8, 9, 1))
        one = np.linalg.lstsq(pairs, means, rcond=None)[0]
        free = np.array([(-1.0) ** k for k in range(9)])  # what no pair sees
        smooth = one - free * (np.diff(one) @ np.diff(free)) / (np.diff(free) @ np.diff(free))
        curve = Signal(np.arange(10, dtype=np.int64) * 3 * HOUR_NS, smooth, "g/kWh")
        starts = np.arange(8, dtype=np.int64) * 3 * HOUR_NS
        assert window_means(curve, starts, 6 * HOUR_NS) == pytest.approx(means, rel=1e-9)
        assert best_start(curve, 6 * HOUR_NS, 21 * HOUR_NS) == starts[np.argmin(grams)]
    assert min(entry["outputs"]["emissions"]["value"]["day1"]) == 2210  # at 06:00, 7 % below starting at midnight


@given(st.lists(st.integers(1, 9).map(float), min_size=2, max_size=9), st.data())
def test_no_choice_of_hours_beats_the_lowest_spans(values: list[float], data: st.DataObject) -> None:
    """Slow twin: every subset of the hours that is long enough."""
    hours = data.draw(st.integers(1, len(values)))
    forecast = hourly(values)
    spans = lowest_spans(forecast, hours * HOUR_NS)
    assert int(np.diff(spans, axis=1).sum()) == hours * HOUR_NS
    best = min(sum(chosen) for chosen in combinations(values, hours)) / hours
    assert mean_over(forecast, spans) == pytest.approx(best, rel=1e-12)


@given(levels, st.floats(0.01, 1.0), st.integers(0, 3 * HOUR_NS))
def test_a_plan_leaves_room_for_its_own_restarts(values: list[float], share: float, switch_ns: int) -> None:
    forecast = hourly(values)
    needed_ns = max(1, int(share * len(values) * HOUR_NS))
    spans = planned_spans(forecast, needed_ns, switch_ns)
    assert bool((spans[1:, 0] - spans[:-1, 1] > switch_ns).all())
    long = int(np.diff(spans, axis=1).sum())
    everything = len(values) * HOUR_NS
    assert long >= min(needed_ns + (len(spans) - 1) * switch_ns, everything)


@given(levels, st.floats(0.0, 1.0))
def test_a_quantile_is_not_exceeded_for_its_share_of_the_time(values: list[float], share: float) -> None:
    level = quantile(hourly(values), share)
    at_most = sum(value <= level for value in values) / len(values)
    below = sum(value < level for value in values) / len(values)
    assert at_most >= share - 1e-9
    assert below <= share + 1e-9


@given(levels, st.integers(1, 9).map(float), st.integers(0, 3 * HOUR_NS))
def test_leave_by_a_level_follows_the_signal(values: list[float], level: float, from_ns: int) -> None:
    truth = hourly(values)
    allowed = while_at_most(truth, level, from_ns)
    assert all(allowed.values[1:] != allowed.values[:-1])
    for t in range(from_ns, truth.last_ns, HOUR_NS // 4):
        assert bool(allowed.at(t)) == (truth.at(t) <= level)


def test_leave_by_spans_is_open_after_the_last() -> None:
    spans = np.array([[2, 5], [8, 9]], dtype=np.int64)
    allowed = only_within(spans)
    assert [int(allowed.at(t)) for t in range(12)] == [0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]
