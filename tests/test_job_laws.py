"""Laws of generated jobs by themselves: closed forms, limits, shares, and what may not depend on what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import integrate, stats

from sim.units import DAY_NS, HOUR_NS, MINUTE_NS, NS_PER_S
from sim.workload.jobs.laws import offered_load
from sim.workload.jobs.limits import Estimates, Popular
from sim.workload.jobs.runtimes import Lognormal, Mixture, RunLaw, Weibull, mean_s
from sim.workload.jobs.sizes import powers_of_two
from sim.workload.jobs.table import COLUMNS, RECORDED, UNKNOWN, JobTable
from tests.job_laws import drawn, law, of_kind, source

FITTED = {"kind": "fitted", "trace": "helios-2020"}
LAWS: list[RunLaw] = [
    Lognormal(180.0, 2.6),
    Weibull(900.0, 0.5),
    Weibull(900.0, 1.0),
    Mixture((0.3, 0.7), (Lognormal(20.0, 0.4), Weibull(4000.0, 0.7))),
]


def same(one: JobTable, two: JobTable) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True) for name in COLUMNS)


# ---- run times


@pytest.mark.parametrize("made", LAWS)
@pytest.mark.parametrize("top", [60.0, 3600.0, 1e6])
def test_the_mean_below_a_longest_run_is_the_integral_of_the_tail(made: RunLaw, top: float) -> None:
    """E[X; X <= t] = t F(t) - int_0^t F(x) dx, by parts: the closed forms against a quadrature."""
    area, _ = integrate.quad(lambda x: float(made.cdf(np.array(x))), 0.0, top, limit=500, points=[1.0, 30.0])
    expected = top * float(made.cdf(np.array(top))) - area
    assert float(made.below(np.array(top))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("made", LAWS)
def test_draws_follow_the_law_that_is_cut(made: RunLaw) -> None:
    """By the test of Kolmogorov and Smirnov at a level of 1e-4, and never beyond the longest."""
    top = 5000.0
    runs = made.draw(np.full(20_000, top), np.random.default_rng(5))
    assert runs.max() <= top
    uniform = made.cdf(runs) / made.cdf(np.array(top))
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4


def test_each_run_keeps_to_its_own_longest() -> None:
    top = np.geomspace(1.0, 1e6, 10_000)
    for made in LAWS:
        assert (made.draw(top, np.random.default_rng(1)) <= top * (1 + 1e-12)).all()


def test_without_a_longest_run_the_means_are_those_of_textbooks() -> None:
    endless = np.array(np.inf)
    assert float(mean_s(Lognormal(100.0, 1.5), endless)) == pytest.approx(100.0 * np.exp(1.5**2 / 2))
    assert float(mean_s(Weibull(700.0, 1.0), endless)) == pytest.approx(700.0)
    assert float(mean_s(Weibull(700.0, 0.5), endless)) == pytest.approx(1400.0)  # Gamma(3) = 2


# ---- sizes


@given(st.integers(2, 11), st.floats(0.01, 0.99))
def test_powers_of_two_have_their_mean_and_one_ratio(exponent: int, place: float) -> None:
    most = 2**exponent
    mean = 1.0 + place * (most - 1.0)
    shares = np.array(powers_of_two(mean, most, None).shares)
    assert shares.sum() == pytest.approx(1.0)
    assert shares @ 2.0 ** np.arange(exponent + 1) == pytest.approx(mean)
    ratios = shares[1:][shares[:-1] > 1e-12] / shares[:-1][shares[:-1] > 1e-12]
    assert np.allclose(ratios, ratios[0])


def test_a_share_of_one_gpu_jobs_is_kept() -> None:
    made = powers_of_two(26.77, 1024, 0.5)
    assert made.shares[0] == 0.5
    assert made.mean_gpus == pytest.approx(26.77)


def test_larger_jobs_run_longer_by_the_exponent() -> None:
    sizes = {"kind": "shares", "of": [{"gpus": g, "share": 0.25} for g in (1, 4, 16, 64)]}
    run = {"kind": "lognormal", "median": "10 min", "sigma": 1.0}
    jobs = drawn(jobs=of_kind(gpus=sizes, run=run, size_exponent=0.5))
    medians = [float(np.median(jobs.run_ns[jobs.gpus == g])) / NS_PER_S for g in (1, 4, 16, 64)]
    # of some 2,400 jobs each the median of a lognormal law is known to sigma sqrt(pi / 2 / n) = 2.6 %: four of those
    assert np.allclose(np.log(medians), np.log(600.0 * np.array([1, 2, 4, 8])), atol=0.105)


def test_no_job_is_longer_than_the_longest_whatever_its_size() -> None:
    sizes = {"kind": "powers-of-two", "mean": 20, "most": 256}
    run = {"kind": "lognormal", "median": "1 h", "sigma": 2.0}
    jobs = drawn(jobs=of_kind(gpus=sizes, run=run, size_exponent=0.6, longest="8 h"))
    assert jobs.run_ns.max() <= 8 * HOUR_NS
    assert jobs.run_ns[jobs.gpus == 256].max() > 7 * HOUR_NS


def test_parts_of_gpus_and_jobs_on_cpus_stand_in_their_columns() -> None:
    parts = {"kind": "shares", "of": [{"gpus": 0.25, "share": 0.5}, {"gpus": 2, "share": 0.5}]}
    jobs = drawn(
        jobs=[
            of_kind(share=0.5, gpus=parts, cores=8, memory="64 GiB")[0],
            of_kind(share=0.5, name="cpu", gpus={"kind": "cpus", "cores": 16}, memory="4 GiB")[0],
        ]
    )
    kinds = set(zip(*(c.tolist() for c in (jobs.gpus, jobs.gpu_milli, jobs.cpu_milli, jobs.memory_mib)), strict=True))
    assert kinds == {(0, 250, 2000, 16 * 1024), (2, 0, 16_000, 128 * 1024), (0, 0, 16_000, 4 * 1024)}


def test_whole_nodes_are_asked_for_by_whole_multiples() -> None:
    sizes = {"kind": "shares", "of": [{"gpus": g, "share": 0.25} for g in (4, 8, 12, 32)]}
    jobs = drawn(jobs=of_kind(gpus=sizes, per_node=8))
    nodes = {int(g): set(jobs.nodes[jobs.gpus == g].tolist()) for g in (4, 8, 12, 32)}
    assert nodes == {4: {UNKNOWN}, 8: {1}, 12: {UNKNOWN}, 32: {4}}


# ---- when


def test_the_number_of_jobs_is_that_of_a_poisson_process() -> None:
    """Of 60 processes of 9,600 expected jobs, mean and variance of their numbers are both that."""
    counts = np.array([len(drawn(seed=seed)) for seed in range(60)])
    assert abs(counts.mean() - 9600) < 4 * np.sqrt(9600 / 60)
    # (n - 1) s^2 / sigma^2 is chi squared: 1e-4 on each side
    low, high = (float(stats.chi2.ppf(p, 59)) * 9600 / 59 for p in (1e-4, 1 - 1e-4))
    assert low < counts.var(ddof=1) < high


@pytest.mark.parametrize("cv", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["gamma", "weibull"])
def test_gaps_have_their_coefficient_of_variation(kind: str, cv: float) -> None:
    jobs = drawn(arrivals={"kind": kind, "cv": cv, "rate": "500 jobs/h", "until": "10 d"})
    gaps = np.diff(jobs.submit_ns)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.1)
    assert len(jobs) == pytest.approx(500 * 240, rel=0.05)


HOURS = [0.2] * 8 + [2.0] * 10 + [0.5] * 6
DAYS = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.5]


@pytest.mark.parametrize("volume", [{"rate": "100 jobs/h"}, {"load": {"utilisation": 1.0, "gpus": 100}}])
def test_jobs_come_by_local_hours_and_weekdays(volume: dict[str, object]) -> None:
    """Over four weeks each hour and each weekday has its share, none comes on a day of weight 0, and the rate is the
    mean over a week. 2025-03-03 was a Monday; Sydney is 11 hours ahead of UTC then, until April 6th."""
    start_ns = 1_740_960_000 * NS_PER_S  # 2025-03-03T00:00:00Z
    jobs = drawn(
        start_ns,
        arrivals={
            "kind": "poisson",
            **volume,
            "until": "28 d",
            "pattern": {"hours": HOURS, "days": DAYS, "zone": "Australia/Sydney"},
        },
    )
    local = jobs.submit_ns + start_ns + 11 * HOUR_NS
    hour, day = local % DAY_NS // HOUR_NS, (local // DAY_NS + 3) % 7
    assert len(jobs) == pytest.approx(67_200, abs=4 * np.sqrt(67_200))
    for found, weights in ((np.bincount(hour, minlength=24), HOURS), (np.bincount(day, minlength=7), DAYS)):
        expected = np.array(weights) / sum(weights) * len(jobs)
        assert (np.abs(found - expected) <= 5.0 * np.sqrt(expected)).all()


def test_a_rate_that_varies_does_not_change_the_character_of_gaps() -> None:
    """In the time of the process itself gaps stay exponential: the hours only stretch them."""
    pattern = {"hours": HOURS, "zone": "UTC"}
    jobs = drawn(arrivals={"kind": "poisson", "rate": "300 jobs/h", "until": "20 d", "pattern": pattern})
    weights = np.array(HOURS) / np.mean(HOURS)
    passed = np.concatenate([[0.0], np.cumsum(np.tile(weights, 20))])
    own = np.interp(jobs.submit_ns / HOUR_NS, np.arange(len(passed)), passed)
    assert stats.kstest(np.diff(own) * 300.0, "expon").pvalue > 1e-4


def test_no_job_comes_before_the_run_or_after_its_end() -> None:
    for seed in range(20):
        jobs = drawn(seed=seed, arrivals={"kind": "gamma", "cv": 4.0, "rate": "3 jobs/h", "until": "2 d"})
        assert ((jobs.submit_ns >= 0) & (jobs.submit_ns < 2 * DAY_NS)).all()


# ---- how much


@pytest.mark.parametrize("utilisation", [0.3, 0.8, 1.5])
def test_a_load_that_is_asked_for_is_what_is_offered(utilisation: float) -> None:
    """Within half of the largest job, as near as whole jobs come to it, also with wrong limits."""
    jobs = drawn(
        arrivals={"kind": "poisson", "load": {"utilisation": utilisation, "gpus": 512}, "until": "30 d"},
        jobs=of_kind(gpus=FITTED, run=FITTED),
        limits={"kind": "tsafrir", "longest": "2 d", "killed": 0.1},
    )
    held_ns = np.minimum(jobs.run_ns, jobs.limit_ns)
    largest = float((jobs.gpus * held_ns).max()) / (512 * 30 * DAY_NS)
    assert abs(offered_load(jobs, 512, 30 * DAY_NS) - utilisation) <= largest


def test_a_rate_brings_the_mean_of_its_laws() -> None:
    """A rate times the GPU-seconds of a job in closed form is the load that is drawn, on average."""
    kinds = [
        of_kind(share=0.6, gpus={"kind": "powers-of-two", "mean": 4, "most": 64}, longest="4 h", size_exponent=0.3,
                run={"kind": "weibull", "mean": "1 h", "shape": 0.7},
                ends={"failed": 0.2, "cancelled": 0.3, "at": "any-instant"})[0],
        of_kind(name="two", share=0.4, run={"kind": "lognormal", "median": "10 min", "mean": "20 min"})[0],
    ]  # fmt: skip
    made = law(jobs=kinds)
    loads = [offered_load(drawn(seed=seed, jobs=kinds), 64, 10 * DAY_NS) for seed in range(30)]
    expected = 40 / 3600 * made.mean_gpu_s / 64
    assert abs(np.mean(loads) - expected) < 4 * np.std(loads) / np.sqrt(30)


# ---- what users say


def test_all_values_are_those_that_were_written_and_nobody_else_is_killed() -> None:
    values = [("10 min", 0.3), ("1 h", 0.3), ("4 h", 0.2), ("1 d", 0.2)]
    limits = {"kind": "estimates", "values": [{"limit": v, "share": s} for v, s in values], "killed": 0.15}
    run = {"kind": "lognormal", "median": "15 min", "sigma": 1.5}
    jobs = drawn(jobs=of_kind(run=run), limits=limits)
    assert np.mean(jobs.run_ns > jobs.limit_ns) == pytest.approx(0.15, abs=1 / len(jobs))
    assert set(jobs.limit_ns.tolist()) <= {10 * MINUTE_NS, HOUR_NS, 4 * HOUR_NS, DAY_NS}


@given(st.integers(0, 2**32), st.integers(50, 400), st.floats(0.0, 0.4))
def test_shares_of_limits_are_kept_where_they_can_be(seed: int, count: int, killed: float) -> None:
    """Of jobs that are all shorter than the shortest value any shares can be kept; nobody is killed then."""
    rng = np.random.default_rng(seed)
    estimates = Estimates((100, 200, 900), (0.5, 0.3, 0.2), killed)
    limits = estimates(rng.integers(1, 101, count), rng)
    found = np.array([np.sum(limits == value) for value in (100, 200, 900)])
    assert (np.abs(found - count * np.array([0.5, 0.3, 0.2])) <= 1.0).all()


@given(st.integers(0, 2**32), st.lists(st.integers(1, 2000), min_size=1, max_size=300), st.floats(0.0, 0.5))
@example(0, [1, 1, 101, 101, 901], 0.5)  # a half job is rounded once, before the long ones are taken off
def test_limits_are_long_enough_but_for_those_who_are_killed(seed: int, runs: list[int], killed: float) -> None:
    run_ns = np.array(runs)
    limits = Estimates((100, 200, 900), (0.5, 0.3, 0.2), killed)(run_ns, np.random.default_rng(seed))
    beyond = run_ns > 900
    cut = run_ns > limits
    assert (limits[beyond] == 900).all()
    most = max(beyond.sum(), round(killed * len(runs)))
    assert beyond.sum() <= cut.sum() <= most
    could = ((run_ns > 100) & ~beyond).sum()
    assert cut.sum() == min(most, beyond.sum() + could)


def test_every_way_to_give_out_limits_is_equally_likely() -> None:
    """Runs of 1, 1 and 2; limits 1, 2, 2: the last must have 2, and of the others either the first or the second."""
    rng = np.random.default_rng(3)
    seen = [tuple(Estimates((1, 2), (1 / 3, 2 / 3), 0.0)(np.array([1, 1, 2]), rng).tolist()) for _ in range(4000)]
    assert set(seen) == {(1, 2, 2), (2, 1, 2)}
    assert abs(seen.count((1, 2, 2)) - 2000) < 4 * np.sqrt(1000)


def test_twenty_values_of_which_the_longest_is_the_commonest() -> None:
    """What Tsafrir et al. 2005 found in four traces: few values, 5 minutes to 18 hours among them, the longest first
    (22 % of all jobs by their model, 24 % once the jobs beyond the twenty are given to them)."""
    made = Popular(36 * HOUR_NS, 0.0).estimates(np.random.default_rng(1))
    assert len(made.limits_ns) == 20
    assert made.limits_ns[-1] == 36 * HOUR_NS
    assert {5 * MINUTE_NS, HOUR_NS, 18 * HOUR_NS} <= set(made.limits_ns)
    assert max(made.shares) == made.shares[-1]
    # ranks 2..20: sum of 14.0491 exp(-0.177531 x) + 0.462513 = 67.3 %, so that 89 - 67.3 = 21.7 % are left for the 1st
    assert made.shares[-1] == pytest.approx(0.217 / 0.89, abs=0.002)
    assert sum(made.shares) == pytest.approx(1.0)


def test_limits_say_little_of_runs_but_that_they_are_shorter() -> None:
    """Against the model of multiples: a rank correlation of run and limit near 1 there, and far from it here."""
    run = {"kind": "lognormal", "median": "10 min", "sigma": 2.0}
    found = {}
    for limits in ({"kind": "multiple", "most": 5}, {"kind": "tsafrir", "longest": "7 d", "killed": 0.05}):
        jobs = drawn(jobs=of_kind(run=run, longest="7 d"), limits=limits)
        found[limits["kind"]] = float(stats.spearmanr(jobs.run_ns, jobs.limit_ns).statistic)
    assert found["multiple"] > 0.95
    assert 0.0 < found["tsafrir"] < 0.5


# ---- who, and what else


def test_accounts_and_users_have_their_shares() -> None:
    accounts = [
        {"name": "vision", "share": 0.7, "users": 50, "zipf": 1.2},
        {"name": "speech", "share": 0.3, "users": 4, "zipf": 0},
    ]
    jobs = drawn(accounts=accounts)
    n = len(jobs)
    assert abs(np.mean(jobs.account == 0) - 0.7) < 4 * np.sqrt(0.21 / n)
    counts = np.bincount(jobs.user, minlength=54)
    shares = np.arange(1.0, 51.0) ** -1.2
    expected = np.concatenate([0.7 * n * shares / shares.sum(), np.full(4, 0.3 * n / 4)])
    assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4
    assert (counts[:50].sum(), jobs.names["user"][50]) == (np.sum(jobs.account == 0), "speech-1")


def test_shares_of_what_else_a_job_may_be() -> None:
    kind = of_kind(
        gpus={"kind": "constant", "gpus": 6},
        run={"kind": "exponential", "mean": "1 h"},
        ends={"failed": 0.2, "cancelled": 0.1, "at": "run-time"},
        spot=0.3,
        deadline={"share": 0.4, "low": 2, "high": 3},
        slack={"share": 0.25, "wait": "6 h"},
        elastic={"share": 0.5, "least": 0.3, "most": 2.6},
        queue="batch",
        gpu_type="A100",
        priority=7,
    )
    jobs = drawn(jobs=kind)
    has = jobs.deadline_ns != UNKNOWN
    elastic = jobs.min_gpus != UNKNOWN
    for share, found in (
        (0.2, jobs.recorded_state == RECORDED.index("failed")),
        (0.1, jobs.recorded_state == RECORDED.index("cancelled")),
        (0.3, jobs.spot == 1),
        (0.4, has),
        (0.25, jobs.slack_ns == 6 * HOUR_NS),
        (0.5, elastic),
    ):
        assert abs(np.mean(found) - share) < 4 * np.sqrt(share * (1 - share) / len(jobs))
    stretch = (jobs.deadline_ns - jobs.submit_ns)[has] / jobs.run_ns[has]
    assert stretch.min() >= 2.0
    assert stretch.max() == pytest.approx(3.0, abs=0.01)
    assert set(jobs.min_gpus[elastic].tolist()) == {2}  # 1.8, upwards
    assert set(jobs.max_gpus[elastic].tolist()) == {15}  # 15.6, downwards
    assert (jobs.names["queue"], jobs.names["gpu_type"], set(jobs.priority.tolist())) == (("batch",), ("A100",), {7})


def test_half_of_the_run_is_lost_on_average_by_those_who_end_at_any_instant() -> None:
    ends = {"failed": 0.5, "cancelled": 0.5, "at": "any-instant"}
    jobs = drawn(jobs=of_kind(ends=ends))
    assert stats.kstest(jobs.run_ns / HOUR_NS, "uniform").pvalue > 1e-4


# ---- the same again


MIXED = [of_kind(share=0.5, gpus=FITTED, run=FITTED)[0], of_kind(share=0.5, name="two")[0]]


def test_the_same_seed_gives_the_same_jobs_and_another_others() -> None:
    assert same(drawn(jobs=MIXED), drawn(jobs=MIXED))
    assert not same(drawn(jobs=MIXED), drawn(seed=2, jobs=MIXED))


def test_another_law_of_limits_or_accounts_changes_no_other_column() -> None:
    plain = drawn(jobs=MIXED)
    other = drawn(
        jobs=MIXED,
        limits={"kind": "tsafrir", "longest": "2 d", "killed": 0.1},
        accounts=[{"name": "all", "share": 1, "users": 9, "zipf": 1}],
    )
    for name in set(COLUMNS) - {"limit_ns", "user", "account"}:
        assert np.array_equal(getattr(plain, name), getattr(other, name), equal_nan=True), name


# ---- what is refused


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"jobs": of_kind(share=0.9)}, "must sum to 1"),
        ({"arrivals": {"kind": "poisson", "until": "1 d"}}, "either a 'rate' or a 'load'"),
        ({"arrivals": {"kind": "poisson", "rate": "3 requests/s"}}, "is not a job rate"),
        ({"jobs": of_kind(run=FITTED, longest="1 d")}, "brings its own 'longest'"),
        ({"jobs": of_kind(gpus={"kind": "powers-of-two", "mean": 9, "most": 8})}, "does not lie between 1 and 8"),
        ({"jobs": of_kind(gpus={"kind": "powers-of-two", "mean": 3, "most": 12})}, "no power of two"),
        ({"jobs": of_kind(gpus={"kind": "shares", "of": [{"gpus": 1.5, "share": 1}]})}, "whole number of GPUs"),
        ({"jobs": of_kind(run={"kind": "lognormal", "median": "1 h", "mean": "1 h"})}, "above its 'median'"),
        ({"jobs": of_kind(run={"kind": "lognormal", "median": "1 h"})}, "either 'mean' or 'sigma'"),
        ({"jobs": of_kind(longest="10 min")}, "shorter than the constant run"),
        ({"jobs": of_kind(gpus={"kind": "cpus", "cores": 4}, elastic={"share": 1, "least": 1, "most": 1})}, "on CPUs"),
        ({"jobs": of_kind(gpus={"kind": "fitted", "trace": "alibaba-pai-2020"})}, "philly-2017"),
        ({"limits": {"kind": "tsafrir", "longest": "10 min", "killed": 0}}, "an hour at least"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        source(**changes)


def test_a_load_of_jobs_that_take_no_gpu_is_refused() -> None:
    load = {"kind": "poisson", "load": {"utilisation": 0.5, "gpus": 8}, "until": "1 d"}
    with pytest.raises(ValidationError, match="give a 'rate'"):
        source(arrivals=load, jobs=of_kind(gpus={"kind": "cpus", "cores": 4}))
