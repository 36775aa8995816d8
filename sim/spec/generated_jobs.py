"""Jobs drawn by laws: kinds of jobs with their sizes and run times, who submits them when, and wrong time limits."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import (
    AtLeastOne,
    Bytes,
    Fraction,
    JobRate,
    PositiveDuration,
    PositiveFraction,
    PositiveRatio,
    ZoneName,
)
from sim.spec.job_laws import ConstantRun, FittedRun, Gpus, JobSize, OnCPUs, RunTime, TimeLimits, whole
from sim.spec.job_source import JobSource
from sim.validation import Spec

CV = Annotated[float, Field(ge=0.05, le=20.0)]
Weight = Annotated[float, Field(ge=0.0, le=1e6)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class JobEnds(Spec):
    """Shares of jobs that fail by themselves and that are given up."""

    failed: Fraction
    cancelled: Fraction
    at: Literal["any-instant", "run-time"] = Field(
        description="At any instant of what would have been their run, or at its end: the law is of all jobs then, as "
        "those of traces are."
    )

    @model_validator(mode="after")
    def _no_more_than_all(self) -> JobEnds:
        if self.failed + self.cancelled > 1.0:
            raise PydanticCustomError("ends", "'failed' and 'cancelled' are more than all jobs")
        return self


class JobDeadline(Spec):
    """Jobs that must be done some multiple of their run after they were submitted."""

    share: PositiveFraction
    low: AtLeastOne = Field(description="The tightest, times the run, e.g. 1.5.")
    high: AtLeastOne = Field(description="The loosest; each multiple between both is as likely.")

    @model_validator(mode="after")
    def _rises(self) -> JobDeadline:
        if self.low > self.high:
            raise PydanticCustomError("deadline", "needs low <= high")
        return self


class JobSlack(Spec):
    """Jobs that may start so much later than they could: for cleaner or cheaper power."""

    share: PositiveFraction
    wait: PositiveDuration


class JobElasticity(Spec):
    """Jobs that may have other numbers of GPUs than they ask for, as multiples of that."""

    share: PositiveFraction
    least: PositiveFraction
    most: AtLeastOne


class JobKind(Spec):
    """A kind of job."""

    name: Name
    share: PositiveFraction = Field(description="Of all jobs; the shares sum to 1.")
    gpus: JobSize
    run: RunTime
    size_exponent: Annotated[float, Field(ge=-2.0, le=2.0)] | None = Field(
        default=None,
        description="A job of g GPUs runs g to this power as long; all alike, if absent. Not with a fitted run.",
    )
    longest: PositiveDuration | None = Field(
        default=None, description="No job is longer: the law is cut there and scaled. Not with a fitted run."
    )
    ends: JobEnds | None = Field(default=None, description="All complete, if absent.")
    per_node: Annotated[int, Field(ge=1, le=1024, strict=True)] | None = Field(
        default=None, description="Jobs of whole multiples of this ask for whole nodes, of so many GPUs each."
    )
    cores: Annotated[int, Field(ge=1, le=4096, strict=True)] | None = Field(
        default=None, description="CPU cores for each GPU; those of the node are no limit, if absent."
    )
    memory: Bytes | None = Field(
        default=None, description="For each GPU, or of a job on CPUs; that of the node is no limit, if absent."
    )
    queue: Name | None = None
    gpu_type: Name | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000, strict=True)] = 0
    spot: Fraction | None = Field(default=None, description="Share that may be preempted; none, if absent.")
    deadline: JobDeadline | None = None
    slack: JobSlack | None = None
    elastic: JobElasticity | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> JobKind:
        if isinstance(self.run, FittedRun):
            for name in ("size_exponent", "longest"):
                if getattr(self, name) is not None:
                    raise PydanticCustomError("fitted", "a fitted run brings its own '{name}'", {"name": name})
        if isinstance(self.gpus, OnCPUs):
            for name in ("size_exponent", "per_node", "cores", "gpu_type", "elastic"):
                if getattr(self, name) is not None:
                    raise PydanticCustomError("cpus", "a job on CPUs has no '{name}'", {"name": name})
        if self.longest is not None and isinstance(self.run, ConstantRun) and self.longest < self.run.time:
            raise PydanticCustomError("longest", "is shorter than the constant run")
        return self


class Load(Spec):
    """As many jobs as ask for a share of so many GPUs."""

    utilisation: PositiveRatio = Field(description="GPU time asked for over that of all GPUs, e.g. 80 %.")
    gpus: Gpus


class WeekPattern(Spec):
    """By which local hours and weekdays jobs come: weights, or those of a public trace. Whose clock is asked for."""

    hours: list[Weight] | None = Field(default=None, min_length=24, max_length=24, description="From midnight on.")
    days: list[Weight] | None = Field(default=None, min_length=7, max_length=7, description="From Monday on.")
    trace: Literal["nasa-ipsc-1993"] | None = None
    zone: ZoneName = Field(description="Whose clock it is, e.g. Europe/Berlin.")

    @model_validator(mode="after")
    def _written_or_fitted(self) -> WeekPattern:
        written = self.hours is not None or self.days is not None
        if written == (self.trace is not None):
            raise PydanticCustomError("pattern", "give either 'hours', 'days' or both, or a 'trace'")
        if any(weights is not None and not sum(weights) > 0.0 for weights in (self.hours, self.days)):
            raise PydanticCustomError("pattern", "needs a weight above 0")
        return self


class JobArrivals(Choice):
    """When jobs are submitted."""

    family: ClassVar[str] = "job arrivals"

    rate: JobRate | None = Field(default=None, description="Mean over a whole week, e.g. 40 jobs/h.")
    load: Load | None = Field(default=None, description="Instead of a rate: as many jobs as ask for this.")
    until: PositiveDuration | None = Field(
        default=None, description="No jobs come after this, since the start; to the end of the run, if absent."
    )
    pattern: WeekPattern | None = Field(default=None, description="All hours alike, if absent.")

    @model_validator(mode="after")
    def _how_many(self) -> JobArrivals:
        if (self.rate is None) == (self.load is None):
            raise PydanticCustomError("arrivals", "give either a 'rate' or a 'load'")
        return self


class PoissonJobs(JobArrivals):
    """A Poisson process, of a rate that varies with the hours where there is a pattern."""


class GammaJobs(JobArrivals):
    """Gamma gaps with a coefficient of variation: above 1 jobs come in bursts."""

    cv: CV


class WeibullJobs(JobArrivals):
    """Weibull gaps with a coefficient of variation."""

    cv: CV


class JobAccount(Spec):
    """For whom jobs are, and how many people submit them."""

    name: Name
    share: PositiveFraction = Field(description="Of all jobs; the shares sum to 1.")
    users: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    zipf: Annotated[float, Field(ge=0.0, le=5.0)] = Field(
        description="The k-th busiest of them submits in proportion to k to minus this; 0: all alike."
    )


class GeneratedJobs(JobSource):
    """Jobs drawn by laws, each of them written or fitted to a public trace."""

    arrivals: JobArrivals
    jobs: list[JobKind] = Field(min_length=1, max_length=100, description="Kinds of jobs.")
    limits: TimeLimits
    accounts: list[JobAccount] = Field(
        default_factory=list, max_length=10_000, description="Nobody knows whose the jobs are, if absent."
    )

    @property
    def endless(self) -> bool:
        """Unless it says until when."""
        return self.arrivals.until is None

    @model_validator(mode="after")
    def _shares_and_names(self) -> GeneratedJobs:
        whole([float(kind.share) for kind in self.jobs], "'jobs'")
        if self.accounts:
            whole([float(account.share) for account in self.accounts], "'accounts'")
        for what, names in (("jobs", [k.name for k in self.jobs]), ("accounts", [a.name for a in self.accounts])):
            if len(set(names)) < len(names):
                raise PydanticCustomError("names", "each of '{what}' needs a name of its own", {"what": what})
        if self.arrivals.load is not None and all(isinstance(kind.gpus, OnCPUs) for kind in self.jobs):
            raise PydanticCustomError("load", "a 'load' is of GPUs, and no kind of job takes any; give a 'rate'")
        return self
