"""Whom rules of early stopping keep, by any rule, and what trials show of themselves."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.rng import Stream
from sim.workload.laws import Choice, Exponential, Lognormal, LogUniform, Same
from sim.workload.selection import Asha, Halving, Hyperband, Median, Rule, Throughout, Turn
from sim.workload.trials import Trials, shown


def through(rule: Rule, shows: np.ndarray, workers: int) -> dict[int, int]:
    """How far a rule lets each trial come, where ``workers`` finish in the order in which they began."""
    selector = rule.begun()
    at_work: list[Turn] = []
    reached: dict[int, int] = {}
    while True:
        while len(at_work) < workers and (turn := selector.next()) is not None:
            at_work.append(turn)
        if not at_work:
            return reached
        turn = at_work.pop(0)
        verdict = "on"
        while verdict == "on":
            reached[turn.trial] = turn.rung
            verdict = selector.report(turn, float(shows[turn.trial, turn.rung]))
            turn = turn._replace(rung=turn.rung + 1)


RULES = st.one_of(
    st.builds(Throughout, st.integers(1, 40)),
    st.builds(Halving, st.integers(27, 90), st.integers(2, 3), st.integers(1, 4)),
    st.builds(Asha, st.integers(27, 90), st.integers(2, 3), st.integers(1, 4)),
    st.builds(Hyperband, st.integers(2, 4), st.integers(1, 4)),
    st.builds(Median, st.integers(1, 60), st.sampled_from([0.1, 0.3]), st.sampled_from([0.1, 0.35]), st.integers(1, 5)),
)


@given(rule=RULES, workers=st.integers(1, 20), seed=st.integers(0, 1000))
def test_without_noise_every_rule_keeps_the_best(rule: Rule, workers: int, seed: int) -> None:
    """What is best at every rung is stopped by none. Every trial begins, one at least is trained to the end."""
    quality = np.random.default_rng(seed).permutation(400).astype(float)
    shows = np.repeat(quality[:, None], len(rule.rungs), axis=1)
    reached = through(rule, shows, workers)
    assert sorted(reached) == list(range(len(reached)))
    last = len(rule.rungs) - 1
    kept = [trial for trial, rung in reached.items() if rung == last]
    assert kept
    if not isinstance(rule, Hyperband):  # whose best may be in a bracket of few, or in one of many: both are kept
        best = min(reached, key=lambda trial: quality[trial])
        assert best in kept
    assert rule.rungs[-1] == 1.0
    assert list(rule.rungs) == sorted(set(rule.rungs))


@given(trials=st.integers(27, 90), eta=st.integers(2, 3), steps=st.integers(2, 4), seed=st.integers(0, 1000))
def test_who_waits_for_nobody_promotes_no_fewer(trials: int, eta: int, steps: int, seed: int) -> None:
    """Of each rung of asynchronous halving one in eta goes on at least: the best of it in the end were of the best
    when they came, and some that were then are no longer."""
    rule = Asha(trials, eta, steps)
    reached = through(rule, np.random.default_rng(seed).normal(size=(trials, steps)), 8)
    there = [sum(at >= rung for at in reached.values()) for rung in range(steps)]
    assert there[0] == trials
    for here, on in pairwise(there):
        assert here // eta <= on <= here


def test_the_median_stops_half_of_those_that_come_late() -> None:
    """With equal chances, a trial after ``least`` others is above their median half of the time: looked at once, of
    n trials n/2 are stopped, as a binomial count of standard deviation sqrt(n)/2."""
    trials = 2000
    rule = Median(trials, grace=0.5, every=0.5, least=1)
    shows = np.random.default_rng(3).normal(size=(trials, 2))
    stopped = sum(rung == 0 for rung in through(rule, shows, 1).values())
    assert abs(stopped - trials / 2) < 4 * math.sqrt(trials) / 2


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.2, 1.0])
def test_what_is_shown_correlates_as_its_law_says(noise: float) -> None:
    """1 / sqrt(1 + noise^2 (1/p - 1)) at a share p, and no error at the end; 20,000 draws tell it to 0.01."""
    rungs = (1 / 9, 1 / 3, 1.0)
    rng = np.random.default_rng(1)
    quality = rng.standard_normal(20_000)
    shows = np.array([shown(q, noise, rungs, rng) for q in quality.tolist()])
    assert np.array_equal(shows[:, 2], quality)
    for i, share in enumerate(rungs):
        expected = 1.0 / math.sqrt(1.0 + noise**2 * (1.0 / share - 1.0))
        assert abs(np.corrcoef(shows[:, i], quality)[0, 1] - expected) < 0.02
    errors = shows - quality[:, None]
    # of running means: the later error is the part of the earlier that has not been averaged away
    covariance = np.cov(errors[:, 0], errors[:, 1])[0, 1]
    assert math.isclose(covariance, noise**2 * (1.0 / rungs[1] - 1.0), rel_tol=0.05)


def test_a_rule_changes_nothing_of_who_the_trials_are() -> None:
    def trials(rungs: tuple[float, ...]) -> Trials:
        return Trials(Stream(1, "campaign/search"), (0.5, 0.5), Lognormal(0.5), 0.4, rungs)

    for number in (5, 0, 17):
        one, other = trials((1.0,))[number], trials((0.1, 1.0))[number]
        assert (one.variant, one.factor, one.quality) == (other.variant, other.factor, other.quality)


def test_laws_have_their_means_and_ends() -> None:
    for law, mean in (
        (Same(), 1.0),
        (Exponential(), 1.0),
        (Lognormal(0.7), 1.0),
        (LogUniform(0.25, 4.0), 3.75 / math.log(16.0)),
        (Choice((0.5, 2.0), (0.25, 0.75)), 1.625),
    ):
        drawn = law(np.random.default_rng(2), 50_000)
        assert drawn.min() > 0.0
        assert math.isclose(drawn.mean(), mean, rel_tol=0.02)
    assert math.isclose(Lognormal(0.7)(np.random.default_rng(2), 50_000).std(), 0.7, rel_tol=0.05)
