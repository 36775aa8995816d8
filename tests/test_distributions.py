"""Draws follow the laws they name, streams are common between variants, and intervals cover what they claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.results.intervals import difference
from sim.rng import Streams
from sim.study.uncertain import distributions as laws
from sim.study.uncertain.intervals import interval, variances

SHARES = np.linspace(0.001, 0.999, 999)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (laws.normal(5.0, 2.0), stats.norm(5.0, 2.0)),
        (laws.uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
        (laws.triangular(1.0, 1.5, 4.0), stats.triang((1.5 - 1.0) / 3.0, loc=1.0, scale=3.0)),
        (laws.triangular(1.0, 1.0, 4.0), stats.triang(0.0, loc=1.0, scale=3.0)),
        (laws.triangular(1.0, 4.0, 4.0), stats.triang(1.0, loc=1.0, scale=3.0)),
        # s^2 = ln(1 + 0.5^2), scale = the median
        (laws.lognormal(0.5, median=7.0), stats.lognorm(np.sqrt(np.log(1.25)), scale=7.0)),
    ],
)
def test_quantile_functions_invert_the_distribution_functions(ours: laws.Quantile, theirs: Any) -> None:
    np.testing.assert_allclose(theirs.cdf(ours(SHARES)), SHARES, atol=1e-9)  # rounding of both


@given(mean=st.floats(0.1, 1e4), cv=st.floats(0.01, 2.0))
def test_a_lognormal_has_the_mean_and_the_cv_that_it_names(mean: float, cv: float) -> None:
    variance = float(np.log1p(cv * cv))
    median = float(laws.lognormal(cv, mean=mean)(np.array([0.5]))[0])
    law = stats.lognorm(np.sqrt(variance), scale=median)
    assert law.mean() == pytest.approx(mean)
    assert law.std() / law.mean() == pytest.approx(cv)


def test_an_empirical_law_gives_back_its_values_by_weight() -> None:
    drawn = laws.empirical([3.0, 1.0, 2.0], [1.0, 2.0, 1.0])((np.arange(4000) + 0.5) / 4000)
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert counts.tolist() == [2000, 1000, 1000]


@pytest.mark.parametrize("design", ["latin-hypercube", "antithetic", "random"])
def test_an_input_draws_the_same_whoever_else_does(design: laws.Design) -> None:
    alone = laws.joint(Streams(3), ["a"], 50, design, [])
    among = laws.joint(Streams(3), ["b", "a", "c"], 50, design, [(("b", "c"), 0.5)])
    assert np.array_equal(alone["a"], among["a"])
    assert not np.array_equal(among["a"], among["b"])


@given(seed=st.integers(0, 2**32), draws=st.integers(8, 200))
def test_a_latin_hypercube_has_one_draw_in_each_stratum(seed: int, draws: int) -> None:
    strata = np.floor(laws.shares(laws.scores(Streams(seed), "x", draws, "latin-hypercube")) * draws)
    # a draw within rounding of an edge may fall to its neighbour on the way through the normal score
    assert len(set(strata.tolist())) >= draws - 1


def test_antithetic_draws_mirror_each_other() -> None:
    scores = laws.scores(Streams(1), "x", 100, "antithetic")
    np.testing.assert_allclose(scores[0::2], -scores[1::2], atol=1e-8)  # 1 - u loses digits of small u


@pytest.mark.parametrize("correlation", [-0.4, 0.0, 0.8, 1.0])
def test_a_group_has_its_correlation_and_keeps_its_margins(correlation: float) -> None:
    count = 20_000
    names = ["a", "b", "c"]
    found = laws.joint(Streams(0), names, count, "random", [(names, correlation)])
    matrix = np.corrcoef([found[name] for name in names])
    error = 4.0 * (1.0 - correlation**2) / np.sqrt(count) + 1e-9  # four standard errors of a correlation
    np.testing.assert_allclose(matrix[np.triu_indices(3, 1)], correlation, atol=error)
    for name in names:
        assert stats.kstest(found[name], "norm").pvalue > 1e-4


def test_comonotone_inputs_are_at_one_place_of_their_laws() -> None:
    found = laws.joint(Streams(0), ["a", "b"], 100, "latin-hypercube", [(("a", "b"), "comonotone")])
    assert np.array_equal(found["a"], found["b"])


@given(st.lists(st.lists(st.floats(-3, 3), min_size=3, max_size=3), min_size=1, max_size=3))
def test_the_root_of_any_covariance_gives_it_back_even_a_singular_one(rows: list[list[float]]) -> None:
    matrix = np.array(rows).T @ np.array(rows)  # of rank 1 to 3
    root = laws.semidefinite_root(matrix)
    # a pivot of 1e-12 of its diagonal counts as zero: entries are off by its root at most
    np.testing.assert_allclose(root @ root.T, matrix, atol=1e-5 * (1.0 + matrix.max()))


def test_refused_draws_truncate_the_law_and_are_counted() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((20_000, 1))
    kept, refused = laws.redrawn(values, lambda row: bool(row[0] > 0.0), lambda r: r.standard_normal(1), rng)
    assert (kept > 0).all()
    # half of a normal law lies below 0: geometrically many refusals, as many as draws in the mean, variance 2
    assert abs(refused - 20_000) < 4 * np.sqrt(2 * 20_000)
    assert stats.kstest(kept[:, 0], "halfnorm").pvalue > 1e-4
    with pytest.raises(ValueError, match="none was valid"):
        laws.redrawn(values[:1], lambda _row: False, lambda r: r.standard_normal(1), rng)


def crossed(rng: np.random.Generator, draws: int, seeds: int, *, a: float, s: float, both: float) -> np.ndarray:
    """Y = theta + chance + their interaction, normal, with these standard deviations."""
    return (
        10.0
        + a * rng.standard_normal((draws, 1))
        + s * rng.standard_normal((1, seeds))
        + both * rng.standard_normal((draws, seeds))
    )


@pytest.mark.parametrize(("a", "s", "both"), [(2.0, 1.0, 0.5), (0.5, 2.0, 0.0), (1.0, 0.0, 3.0)])
def test_variance_is_split_without_bias(a: float, s: float, both: float) -> None:
    rng = np.random.default_rng(7)
    runs = 800
    found = np.array([variances(crossed(rng, 30, 6, a=a, s=s, both=both)) for _ in range(runs)])
    errors = 4.0 * found.std(axis=0) / np.sqrt(runs)
    # what is cut off below zero lifts the first a little, at most by the mean of what is cut
    assert abs(found[:, 0].mean() - a * a) < errors[0] + 0.02 * (a * a + both * both)
    assert abs(found[:, 1].mean() - (s * s + both * both)) < errors[1]


def test_a_nominal_90_percent_interval_covers_nine_tenths_of_the_truth() -> None:
    """A new outcome of a known law falls within p05 to p95 in 90 % of repetitions, within binomial error."""
    runs, draws = 2000, 400
    covered = 0
    for run in range(runs):
        scores = laws.joint(Streams(run), ["intensity", "energy"], draws, "latin-hypercube", [])
        carbon = laws.lognormal(0.2, mean=0.4)(laws.shares(scores["intensity"])) * (100.0 + 5.0 * scores["energy"])
        found = interval(carbon[:, None])
        rng = np.random.default_rng([99, run])
        truth = laws.lognormal(0.2, mean=0.4)(rng.uniform(size=1))[0] * (100.0 + 5.0 * rng.standard_normal())
        covered += found.p05 <= truth <= found.p95
    # the percentiles themselves have an error of order 1/draws; 4 binomial standard errors are 2.7 %
    assert abs(covered / runs - 0.9) < 4.0 * np.sqrt(0.9 * 0.1 / runs) + 1.0 / draws


def test_chance_alone_and_parameters_alone_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    chance = interval(np.repeat(rng.standard_normal((1, 8)), 50, axis=0))
    assert (chance.from_parameters, chance.from_chance) == (0.0, 1.0)
    parameters = interval(np.repeat(rng.standard_normal((50, 1)), 8, axis=1))
    assert (parameters.from_parameters, parameters.from_chance) == (1.0, 0.0)
    constant = interval(np.full((50, 8), 0.1))
    assert constant.as_dict() == {"p05": 0.1, "p50": 0.1, "p95": 0.1}


def test_common_random_numbers_narrow_the_interval_of_a_difference() -> None:
    """A saves 2 % of B's energy under one uncertain intensity: shared draws leave only the 2 % in the difference."""
    law = laws.lognormal(0.2, mean=0.4)
    common = law(laws.shares(laws.scores(Streams(0), "site.grid.intensity", 500, "random")))
    other = law(laws.shares(laws.scores(Streams(1), "site.grid.intensity", 500, "random")))
    paired, loose = difference(100.0 * common, 102.0 * common), difference(100.0 * common, 102.0 * other)
    assert paired.p95 - paired.p05 < 0.1 * (loose.p95 - loose.p05)
    assert paired.first_below == 1.0
    assert loose.first_below < 0.7
