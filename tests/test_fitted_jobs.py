"""Laws of public traces: that they have the moments that are published, and that fits find what was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from sim.workload.jobs import fitting
from sim.workload.jobs.fitted import MOMENTS, RUNS, WEEKS, FittedRuns, FittedSizes, FittedWeeks, fitted_sizes_of
from sim.workload.jobs.runtimes import Lognormal, Mixture, RunLaw, Weibull, mean_s
from sim.workload.jobs.sizes import MILLI
from tests.job_laws import drawn, law, of_kind

ALL_SIZES = (*MOMENTS, "alibaba-gpu-2023", "nasa-ipsc-1993", "gaia-pai-1k")


@pytest.mark.parametrize("trace", MOMENTS)
def test_a_law_from_moments_has_them(trace: str) -> None:
    """Mean and median run, mean size and GPU time of a job, in closed form, to the digits that ship."""
    told, sizes, runs = MOMENTS[trace], fitted_sizes_of(trace).sizes, RUNS[trace]
    gpus, shares = np.array(sizes.milli) / MILLI, np.array(sizes.shares)
    longer = gpus**runs.exponent
    top = told.longest_s / longer
    means = longer * mean_s(runs.law, top)
    assert sizes.mean_gpus == pytest.approx(told.mean_gpus, rel=1e-9)
    assert sizes.milli[-1] == told.most_gpus * MILLI
    assert shares @ means == pytest.approx(told.mean_s, rel=1e-6)
    assert shares @ (gpus * means) == pytest.approx(told.mean_gpu_s, rel=1e-5)
    shorter = runs.law.cdf(np.minimum(told.median_s / longer, top)) / runs.law.cdf(top)
    assert shares @ shorter == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("trace", MOMENTS)
def test_constants_are_what_the_moments_give(trace: str) -> None:
    told = MOMENTS[trace]
    found, exponent = fitting.from_moments(told.sizes, told.mean_s, told.median_s, told.mean_gpu_s, told.longest_s)
    shipped = RUNS[trace].law
    assert isinstance(shipped, Lognormal)
    assert (shipped.median_s, shipped.sigma) == pytest.approx((found.median_s, found.sigma), rel=1e-5)
    assert RUNS[trace].exponent == pytest.approx(exponent, rel=1e-5)


def test_the_law_of_pai_has_its_moments() -> None:
    """4,787.109 s on average, half below 480.667 s, as published."""
    runs = RUNS["alibaba-pai-2020"]
    top = np.array(runs.longest_s)
    assert float(mean_s(runs.law, top)) == pytest.approx(4787.109, rel=1e-6)
    assert float(runs.law.cdf(np.array(480.667)) / runs.law.cdf(top)) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("trace", ALL_SIZES)
def test_what_is_drawn_is_the_law_of_the_trace(trace: str) -> None:
    """Sizes by their shares, and half of the jobs shorter than half of the law is."""
    fitted = {"kind": "fitted", "trace": trace}
    made = law(
        arrivals={"kind": "poisson", "rate": "1000 jobs/h", "until": "5 d"}, jobs=of_kind(gpus=fitted, run=fitted)
    )
    jobs = made.draw()
    sizes = fitted_sizes_of(trace).sizes
    # the law of the Kolmogorov statistic: it exceeds 2.2 / sqrt(n) in one of ten thousand samples
    assert fitting.distance_of_sizes(sizes, jobs.gpus * MILLI + jobs.gpu_milli) < 2.2 / np.sqrt(len(jobs))
    assert jobs.run_ns.max() <= RUNS[trace].longest_s * 1e9


def test_every_law_says_where_it_comes_from() -> None:
    sizes = [fitted_sizes_of(trace) for trace in ALL_SIZES]
    told: list[FittedSizes | FittedRuns | FittedWeeks] = [*sizes, *RUNS.values(), *WEEKS.values()]
    for one in told:
        assert one.source
        assert one.confidence in ("cited", "derived", "assumed")
        assert one.note, "a derived number says how"


@pytest.mark.parametrize(
    ("family", "truth"),
    [
        ("exponential", Weibull(500.0, 1.0)),
        ("weibull", Weibull(500.0, 0.6)),
        ("lognormal", Lognormal(200.0, 1.7)),
        ("two-lognormals", Mixture((0.4, 0.6), (Lognormal(30.0, 0.5), Lognormal(3000.0, 1.0)))),
    ],
)
def test_a_family_finds_the_law_that_was_drawn_from(family: str, truth: RunLaw) -> None:
    runs = truth.draw(np.full(20_000, np.inf), np.random.default_rng(7))
    found = fitting.FAMILIES[family](runs)
    at = np.geomspace(1.0, 1e5, 200)
    # each of some five constants is known to about its value / sqrt(n): the shares to a few times 1 / sqrt(20,000)
    assert np.abs(found.cdf(at) - truth.cdf(at)).max() < 0.02


def test_the_exponent_of_the_size_is_found() -> None:
    sizes = {"kind": "powers-of-two", "mean": 4, "most": 64}
    run = {"kind": "lognormal", "median": "10 min", "sigma": 1.0}
    jobs = drawn(jobs=of_kind(gpus=sizes, run=run, size_exponent=0.4))
    found = fitting.fitted_exponent(jobs.run_ns / 1e9, jobs.gpus.astype(np.float64))
    # standard error sigma / (sd(ln g) sqrt(n)) = 1 / (0.98 x 98) = 0.0104, of which four
    assert found == pytest.approx(0.4, abs=0.042)
    assert fitting.fitted_exponent(np.array([3.0, 4.0]), np.array([2.0, 2.0])) == 0.0


def test_a_distance_is_0_from_itself_and_1_from_the_farthest() -> None:
    law_of_two = fitting.fitted_sizes(np.array([1000, 2000]))
    assert fitting.distance_of_sizes(law_of_two, np.array([1000, 2000])) == 0.0
    assert fitting.distance_of_sizes(law_of_two, np.array([8000])) == 1.0
    assert fitting.distance(Lognormal(1e-3, 0.1), np.array([100.0])) == pytest.approx(0.0)
    assert fitting.distance(Lognormal(1e6, 0.1), np.array([100.0])) == pytest.approx(1.0)
