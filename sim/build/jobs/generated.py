"""Laws of jobs as they are written -> the law that draws them, and the table of what it draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.build.jobs.source import JobsAsked
from sim.instants import named_zone
from sim.kinds import builder
from sim.spec import generated_jobs as spec
from sim.spec import job_laws as written
from sim.units import SECONDS_PER_NS
from sim.workload.jobs import arriving, laws, limits, runtimes, sizes
from sim.workload.jobs.fitted import RUNS, WEEKS, fitted_sizes_of
from sim.workload.jobs.table import JobTable

MIB = 1 << 20


def generated(source: spec.GeneratedJobs, asked: JobsAsked) -> JobTable:
    """The jobs, drawn."""
    return job_law(source, asked).draw()


def job_law(source: spec.GeneratedJobs, asked: JobsAsked) -> laws.JobLaw:
    """The law of all jobs of a source, with its streams."""
    arrivals = source.arrivals
    ends = [end for end in (arrivals.until, asked.duration_ns) if end is not None]
    assert ends, "a source without an end needs a run that has one"
    load = arrivals.load
    return laws.JobLaw(
        kinds=tuple(_kind(kind) for kind in source.jobs),
        accounts=tuple(laws.Account(a.name, float(a.share), a.users, a.zipf) for a in source.accounts),
        limits=time_limits(source.limits),
        submissions=arriving.Submissions(
            gaps=builder(arrivals)(arrivals),
            weeks=_weeks(arrivals.pattern, asked.start_ns) if arrivals.pattern is not None else None,
            until_ns=min(int(end) for end in ends),
            stream=asked.streams.named(f"jobs/{asked.name}/submissions"),
        ),
        volume=laws.OfLoad(float(load.utilisation), load.gpus) if load is not None else laws.AtRate(_rate(arrivals)),
        stream=asked.streams.named(f"jobs/{asked.name}"),
    )


def _rate(arrivals: spec.JobArrivals) -> float:
    assert arrivals.rate is not None
    return float(arrivals.rate)


def job_size(size: written.JobSize) -> sizes.Sizes:
    """A law of sizes."""
    made: sizes.Sizes = builder(size)(size)
    return made


def run_time(run: written.RunTime) -> runtimes.RunLaw:
    """A law of the run times of one GPU."""
    made: runtimes.RunLaw = builder(run)(run)
    return made


def time_limits(limit: written.TimeLimits) -> limits.LimitLaw:
    """A law of what users say."""
    made: limits.LimitLaw = builder(limit)(limit)
    return made


def _kind(kind: spec.JobKind) -> laws.Kind:
    fitted = RUNS[kind.run.trace] if isinstance(kind.run, written.FittedRun) else None
    longest_s = int(kind.longest) * SECONDS_PER_NS if kind.longest is not None else np.inf
    cores = kind.gpus.cores if isinstance(kind.gpus, written.OnCPUs) else kind.cores or 0
    ends, late, slack, elastic = kind.ends, kind.deadline, kind.slack, kind.elastic
    return laws.Kind(
        name=kind.name,
        share=float(kind.share),
        sizes=job_size(kind.gpus),
        run=run_time(kind.run),
        exponent=fitted.exponent if fitted is not None else kind.size_exponent or 0.0,
        longest_s=fitted.longest_s if fitted is not None else longest_s,
        ends=laws.Ends(float(ends.failed), float(ends.cancelled), ends.at == "any-instant") if ends else ALL_COMPLETE,
        nodes_of=kind.per_node or 0,
        cpu_milli=cores * sizes.MILLI,
        memory_mib=int(float(kind.memory) // MIB) if kind.memory is not None else 0,
        queue=kind.queue or "",
        gpu_type=kind.gpu_type or "",
        priority=kind.priority,
        spot=float(kind.spot or 0.0),
        deadlines=laws.Deadlines(float(late.share), float(late.low), float(late.high)) if late else NEVER_LATE,
        slack=float(slack.share) if slack is not None else 0.0,
        slack_ns=int(slack.wait) if slack is not None else 0,
        elastic=laws.Elastic(float(elastic.share), float(elastic.least), float(elastic.most)) if elastic else RIGID,
    )


ALL_COMPLETE = laws.Ends(0.0, 0.0, early=False)
NEVER_LATE = laws.Deadlines(0.0, 1.0, 1.0)
RIGID = laws.Elastic(0.0, 1.0, 1.0)


def _weeks(pattern: spec.WeekPattern, start_ns: int) -> arriving.Weeks:
    fitted = WEEKS[pattern.trace] if pattern.trace is not None else None
    hours = fitted.hours if fitted is not None else pattern.hours or (1.0,) * 24
    days = fitted.days if fitted is not None else pattern.days or (1.0,) * 7
    return arriving.Weeks(_of_mean_one(hours), _of_mean_one(days), named_zone(pattern.zone), start_ns)


def _of_mean_one(weights: Sequence[float]) -> tuple[float, ...]:
    mean = sum(weights) / len(weights)
    return tuple(weight / mean for weight in weights)


def poisson(_arrivals: spec.PoissonJobs) -> arriving.Gaps:
    """Gaps without memory."""
    return arriving.Exponential()


def gamma(arrivals: spec.GammaJobs) -> arriving.Gaps:
    """By their coefficient of variation."""
    return arriving.Gamma(arrivals.cv)


def weibull_gaps(arrivals: spec.WeibullJobs) -> arriving.Gaps:
    """By their coefficient of variation."""
    return arriving.Weibull(arrivals.cv)


def constant_size(size: written.ConstantSize) -> sizes.Sizes:
    """One size."""
    return sizes.Sizes((size.gpus * sizes.MILLI,), (1.0,))


def shares(size: written.SizeShares) -> sizes.Sizes:
    """Several, by their shares."""
    return sizes.Sizes(
        tuple(round(one.gpus * sizes.MILLI) for one in size.of), tuple(float(one.share) for one in size.of)
    )


def powers(size: written.PowerSizes) -> sizes.Sizes:
    """Powers of two, by their mean."""
    return sizes.powers_of_two(size.mean, size.most, None if size.single is None else float(size.single))


def on_cpus(_size: written.OnCPUs) -> sizes.Sizes:
    """No GPU."""
    return sizes.Sizes((0,), (1.0,))


def fitted_size(size: written.FittedSize) -> sizes.Sizes:
    """Those of a trace."""
    return fitted_sizes_of(size.trace).sizes


def constant_run(run: written.ConstantRun) -> runtimes.RunLaw:
    """One time."""
    return runtimes.Constant(int(run.time) * SECONDS_PER_NS)


def lognormal(run: written.LognormalRun) -> runtimes.RunLaw:
    """By its median; the mean is median exp(sigma**2 / 2)."""
    sigma = float(np.sqrt(2.0 * np.log(run.mean / run.median))) if run.mean is not None else run.sigma
    assert sigma is not None
    return runtimes.Lognormal(int(run.median) * SECONDS_PER_NS, sigma)


def weibull_run(run: written.WeibullRun) -> runtimes.RunLaw:
    """By its mean, scale Gamma(1 + 1 / shape)."""
    from scipy.special import gamma as gamma_function

    mean_s = int(run.mean) * SECONDS_PER_NS
    return runtimes.Weibull(mean_s / float(gamma_function(1.0 + 1.0 / run.shape)), run.shape)


def exponential(run: written.ExponentialRun) -> runtimes.RunLaw:
    """By its mean."""
    return runtimes.Weibull(int(run.mean) * SECONDS_PER_NS, 1.0)


def mixture(run: written.MixedRun) -> runtimes.RunLaw:
    """By its shares."""
    return runtimes.Mixture(tuple(float(one.share) for one in run.of), tuple(run_time(one.run) for one in run.of))


def fitted_run(run: written.FittedRun) -> runtimes.RunLaw:
    """That of a trace, on one GPU."""
    return RUNS[run.trace].law


def no_limits(_limit: written.NoLimits) -> limits.LimitLaw:
    """None."""
    return limits.Unlimited()


def exact(_limit: written.ExactLimits) -> limits.LimitLaw:
    """The runs."""
    return limits.Exact()


def multiple(limit: written.MultipleLimits) -> limits.LimitLaw:
    """Up to so many times the run."""
    return limits.Multiple(float(limit.most))


def estimates(limit: written.EstimatedLimits) -> limits.LimitLaw:
    """Values and their shares."""
    return limits.Estimates(
        tuple(int(one.limit) for one in limit.values),
        tuple(float(one.share) for one in limit.values),
        float(limit.killed),
    )


def tsafrir(limit: written.TsafrirLimits) -> limits.LimitLaw:
    """Twenty values."""
    return limits.Popular(int(limit.longest), float(limit.killed))
