"""Laws of jobs as they are written: how many GPUs, how long, and what users say of how long."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import AtLeastOne, Fraction, PositiveDuration, PositiveFraction
from sim.units import HOUR_NS
from sim.validation import Spec
from sim.workload.jobs.sizes import powers_of_two

Gpus = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
SizedTrace = Literal[
    "philly-2017",
    "helios-2020",
    "acme-seren-2023",
    "acme-kalos-2023",
    "alibaba-gpu-2023",
    "nasa-ipsc-1993",
    "gaia-pai-1k",
]
TimedTrace = Literal[
    "philly-2017",
    "helios-2020",
    "acme-seren-2023",
    "acme-kalos-2023",
    "alibaba-pai-2020",
    "alibaba-gpu-2023",
    "nasa-ipsc-1993",
    "gaia-pai-1k",
]


def whole(shares: list[float], of: str) -> None:
    """Raises a problem where shares do not sum to 1."""
    total = sum(shares)
    if abs(total - 1.0) > 1e-9:
        raise PydanticCustomError(
            "shares", "shares of {of} must sum to 1, and sum to {sum}", {"of": of, "sum": f"{total:g}"}
        )


class JobSize(Choice):
    """How many GPUs a job asks for."""

    family: ClassVar[str] = "job size"


class ConstantSize(JobSize):
    """All the same number of GPUs."""

    gpus: Gpus


class SizeShare(Spec):
    """A number of GPUs, whole or a part of one (of thousandths), and the share of jobs that ask for it."""

    gpus: Annotated[float, Field(ge=0.001, le=1e6)]
    share: PositiveFraction

    @model_validator(mode="after")
    def _whole_or_part(self) -> SizeShare:
        if self.gpus > 1.0 and self.gpus % 1.0:
            raise PydanticCustomError("gpus", "must be a whole number of GPUs, or a part of one below 1")
        if self.gpus < 1.0 and round(self.gpus * 1000.0) != self.gpus * 1000.0:
            raise PydanticCustomError("gpus", "must be whole thousandths of a GPU, such as 0.25")
        return self


class SizeShares(JobSize):
    """Several numbers of GPUs, each with its share of the jobs."""

    of: list[SizeShare] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _all_of_them(self) -> SizeShares:
        whole([float(one.share) for one in self.of], "'of'")
        if len({one.gpus for one in self.of}) < len(self.of):
            raise PydanticCustomError("gpus", "each number of GPUs may stand once in 'of'")
        return self


class PowerSizes(JobSize):
    """1, 2, 4 ... GPUs, each rarer than the last by one factor, with the mean that is written."""

    mean: Annotated[float, Field(ge=1.0, le=1e6)]
    most: Gpus = Field(description="The largest, a power of two.")
    single: PositiveFraction | None = Field(
        default=None, description="Share of one-GPU jobs; as the factor says, if absent."
    )

    @model_validator(mode="after")
    def _there_is_one(self) -> PowerSizes:
        try:
            powers_of_two(self.mean, self.most, self.single)
        except ValueError as error:
            raise PydanticCustomError("mean", "{why}", {"why": str(error)}) from None
        return self


class OnCPUs(JobSize):
    """No GPU: so many cores."""

    cores: Gpus


class FittedSize(JobSize):
    """As in a public trace; which laws these are, and how good, is told in `docs/cluster.md`."""

    trace: SizedTrace


class RunTime(Choice):
    """How long a job of one GPU runs."""

    family: ClassVar[str] = "run time"


class PlainRun(RunTime):
    """One law, that is written."""


class ConstantRun(PlainRun):
    """All as long."""

    time: PositiveDuration


class LognormalRun(PlainRun):
    """Lognormal, by its median and either its mean or the standard deviation of the logarithm."""

    median: PositiveDuration
    mean: PositiveDuration | None = None
    sigma: Annotated[float, Field(gt=0.0, le=6.0)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> LognormalRun:
        if (self.mean is None) == (self.sigma is None):
            raise PydanticCustomError("lognormal", "give either 'mean' or 'sigma'")
        if self.mean is not None and self.mean <= self.median:
            raise PydanticCustomError("lognormal", "the 'mean' of a lognormal law is above its 'median'")
        return self


class WeibullRun(PlainRun):
    """Weibull, by its mean; below a shape of 1 it has a heavy tail."""

    mean: PositiveDuration
    shape: Annotated[float, Field(ge=0.1, le=20.0)]


class ExponentialRun(PlainRun):
    """Exponential: without memory, as the theory of queues likes it."""

    mean: PositiveDuration


class RunShare(Spec):
    """A law and the share of the jobs that have it."""

    share: PositiveFraction
    run: PlainRun


class MixedRun(RunTime):
    """Several laws, each for a share of the jobs."""

    of: list[RunShare] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _all_of_them(self) -> MixedRun:
        whole([float(one.share) for one in self.of], "'of'")
        return self


class FittedRun(RunTime):
    """As in a public trace, with its longest run and how runs grow with the size."""

    trace: TimedTrace


class TimeLimits(Choice):
    """What users say of how long their jobs run; who runs longer is killed."""

    family: ClassVar[str] = "time limits"


class NoLimits(TimeLimits):
    """They say nothing."""


class ExactLimits(TimeLimits):
    """They know: a bound, not a model of users."""


class MultipleLimits(TimeLimits):
    """Between 1 and ``most`` times the run, each as likely (Mu'alem and Feitelson 2001, doi:10.1109/71.932708): tells a
    scheduler more than users do."""

    most: AtLeastOne


class EstimateShare(Spec):
    """A value that users write, and the share of jobs with it."""

    limit: PositiveDuration
    share: PositiveFraction


class EstimatedLimits(TimeLimits):
    """A few round values with their shares of the jobs, given out at random to jobs that are no longer."""

    values: list[EstimateShare] = Field(min_length=1, max_length=1000)
    killed: Fraction = Field(description="Share of jobs that run into their limit, e.g. 10 %.")

    @model_validator(mode="after")
    def _in_order(self) -> EstimatedLimits:
        whole([float(one.share) for one in self.values], "'values'")
        limits = [int(one.limit) for one in self.values]
        if limits != sorted(set(limits)):
            raise PydanticCustomError("values", "'values' must rise")
        return self


class TsafrirLimits(TimeLimits):
    """Twenty round values by the model of Tsafrir et al. 2005 (doi:10.1007/11605300_1), the longest the commonest."""

    longest: PositiveDuration = Field(description="The longest limit that is allowed, an hour at least.")
    killed: Fraction = Field(description="Share of jobs that run into their limit, e.g. 10 %.")

    @model_validator(mode="after")
    def _an_hour(self) -> TsafrirLimits:
        if self.longest < HOUR_NS:
            raise PydanticCustomError("longest", "must be an hour at least: the model knows no shorter systems")
        return self
