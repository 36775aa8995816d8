"""A campaign: many trainings of a kind under one budget, and the rule that stops some of them early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.later import later
from sim.quantities import Duration, Fraction, PositiveFraction
from sim.spec.cluster import Wanted
from sim.spec.methods import MethodChoice, Methods
from sim.spec.work import Workload
from sim.spec.workloads import MOST_GPUS
from sim.validation import Spec

with later():
    from sim.spec.factors import FactorLaw
    from sim.spec.workloads import Checkpoint, JobWork, Training


MOST_TRIALS = 100_000
Trials = Annotated[int, Field(ge=1, le=MOST_TRIALS, strict=True)]
Eta = Annotated[int, Field(ge=2, le=100, strict=True, description="Of each rung, one in so many goes on, e.g. 3.")]
Rungs = Annotated[int, Field(ge=1, le=20, strict=True, description="Each 'eta' times as far as the one before.")]
Noise = Annotated[
    float,
    Field(
        ge=0,
        le=1000,
        description="Standard deviation of the error of what a trial shows after half of its training, relative to the "
        "spread of the trials' qualities. What is shown at a share p correlates with the quality by "
        "1/sqrt(1 + noise^2 (1/p - 1)).",
    ),
]
Promotion = Annotated[
    Literal["continue", "anew"],
    Field(description="Whether who goes on from a rung trains on from its checkpoint there, or from the beginning."),
]


class SelectionSpec(Choice):
    """Which trials of a campaign are trained how far."""

    family: ClassVar[str] = "selection"

    @property
    def trained_anew(self) -> bool:
        """Whether a trial that goes on begins from nothing."""
        return False

    @property
    def noise_of_curves(self) -> float:
        """The error of what is shown; 0 where nothing is judged."""
        return 0.0


class AllTrials(SelectionSpec):
    """Every trial is trained to its end: random search, a grid, an ensemble, many fine-tunings."""

    trials: Trials


class _Judged(SelectionSpec):
    """Trials are judged by what they show on the way."""

    noise: Noise

    @property
    def noise_of_curves(self) -> float:
        """As it is written."""
        return self.noise


class _Rungs(_Judged):
    """Trials are judged at rungs, the last of which is the whole training."""

    eta: Eta
    rungs: Rungs
    promoted: Promotion

    @property
    def trained_anew(self) -> bool:
        """As it is written."""
        return self.promoted == "anew"

    @model_validator(mode="after")
    def _is_a_ladder(self) -> _Rungs:
        if self.eta ** (self.rungs - 1) > MOST_TRIALS:
            raise PydanticCustomError(
                "rungs", "{eta} to the {n} is more than the most trials, {most}",
                {"eta": self.eta, "n": self.rungs - 1, "most": f"{MOST_TRIALS:,}"},
            )  # fmt: skip
        return self


def _reach_the_top(spec: SuccessiveHalving | AsynchronousHalving) -> None:
    needed = spec.eta ** (spec.rungs - 1)
    if spec.trials < needed:
        raise PydanticCustomError(
            "trials", "of {n} trials none reaches the last of {rungs} rungs; give {needed} or more, or fewer rungs",
            {"n": spec.trials, "rungs": spec.rungs, "needed": f"{needed:,}"},
        )  # fmt: skip


class SuccessiveHalving(_Rungs):
    """Successive halving: of each rung the best 1/eta go on, once all of it are there (arXiv:1502.07943)."""

    trials: Trials

    @model_validator(mode="after")
    def _one_gets_there(self) -> SuccessiveHalving:
        _reach_the_top(self)
        return self


class AsynchronousHalving(_Rungs):
    """ASHA: a trial goes on as soon as it is among the best 1/eta that its rung has seen (arXiv:1810.05934)."""

    trials: Trials

    @model_validator(mode="after")
    def _one_gets_there(self) -> AsynchronousHalving:
        _reach_the_top(self)
        return self


class HyperbandSelection(_Rungs):
    """Hyperband: successive halving in as many brackets as rungs, from many short trials to few whole ones
    (arXiv:1603.06560). The rule says how many trials there are."""


class MedianStopping(_Judged):
    """A trial worse than the median of those before it at the same share of its training is stopped, and gives its GPUs
    back at that instant (Golovin et al. 2017, doi:10.1145/3097983.3098043)."""

    trials: Trials
    grace: PositiveFraction = Field(description="Share of the training at which it is first looked at, e.g. 10 %.")
    every: PositiveFraction = Field(description="And every such share further.")
    least: int = Field(ge=1, le=MOST_TRIALS, strict=True, description="Others that must have been there before.")

    @model_validator(mode="after")
    def _not_too_often(self) -> MedianStopping:
        if self.every < 1e-3:
            raise PydanticCustomError("every", "'every' must be at least 0.1 %")
        return self


class Growth(Spec):
    """From a share of its training on, a trial is larger: the rest of ``work``, on ``gpus``."""

    at: PositiveFraction
    gpus: int = Field(ge=1, le=MOST_GPUS, strict=True)
    work: JobWork = Field(description="All of a training of that size; the share that is left of it is done.")


class TrialKind(Spec):
    """A kind of trial: the gang and the work of a whole training of it, and how it grows."""

    share: PositiveFraction = Field(description="Of all trials; the shares sum to 1.")
    gpus: int = Field(ge=1, le=MOST_GPUS, strict=True)
    work: JobWork
    growth: list[Growth] = Field(default_factory=list, max_length=100)
    methods: Methods

    @property
    def sizes(self) -> tuple[tuple[KeyPath, float, int, JobWork], ...]:
        """Where each size is written below the kind, from which share of the training on, its gang and its work."""
        grown = ((("growth", i), float(g.at), g.gpus, g.work) for i, g in enumerate(self.growth))
        return (((), 0.0, self.gpus, self.work), *grown)

    @model_validator(mode="after")
    def _grows_in_order(self) -> TrialKind:
        shares = [float(growth.at) for growth in self.growth]
        if shares != sorted(set(shares)) or shares[-1:] == [1.0]:
            raise PydanticCustomError("growth", "'growth' must be in the order of 'at', each below 1 and once")
        return self


class EvaluationSpec(Spec):
    """Forward passes over held-out samples, as shares of the samples that a whole training goes through."""

    each: Fraction = Field(description="After every rung, of each trial there.")
    last: Fraction = Field(description="After a whole training.")


class FailedRuns(Spec):
    """Trials that come to nothing: code that crashes, trainings that diverge. Each fails, or does not, by itself.

    It does so at a share of its training that is uniform between none and ``within``; what it held until then is spent,
    and it shows nothing.
    """

    share: PositiveFraction = Field(description="Of all trials that begin.")
    within: PositiveFraction = Field(description="Latest share of the training at which one fails, e.g. 5 % or 1.")


class GPUBudget(Spec):
    """What ends a campaign, whatever is under way: GPU time held by its trials, evaluations included."""

    gpu_hours: float = Field(gt=0, le=1e10)


class CampaignSpec(Workload):
    """Many trainings under one budget: a search for hyper-parameters or architectures, AutoML, fine-tunings, models
    that grow. A rule may stop some early."""

    counts: ClassVar[tuple[str, ...]] = ("gpu-hour", "trial")

    pool: str | None = Field(default=None, description="Which pool of nodes; needed where several have GPUs.")
    trials: list[TrialKind] = Field(min_length=1, max_length=1000, description="Kinds of trials.")
    size: FactorLaw = Field(description="A trial's work, relative to that of its kind.")
    selection: SelectionSpec
    at_once: int = Field(ge=1, le=MOST_TRIALS, strict=True, description="Trials that may be under way together.")
    budget: GPUBudget | None = Field(default=None, description="No limit, if absent.")
    evaluation: EvaluationSpec | None = Field(default=None, description="None, if absent.")
    failed: FailedRuns | None = Field(default=None, description="None fails of itself, if absent.")
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while a trial works, e.g. 0.1.")
    start_after: Duration = Field(default="0 s", validate_default=True)
    setup: Duration = Field(description="From holding a gang to the first step: whenever a trial gets one.")
    checkpoint: Checkpoint | None = None

    @model_validator(mode="after")
    def _shares_are_all(self) -> CampaignSpec:
        total = sum(kind.share for kind in self.trials)
        if abs(total - 1.0) > 1e-9:
            raise PydanticCustomError(
                "trials", "shares of 'trials' must sum to 1, and sum to {sum}", {"sum": f"{total:g}"}
            )
        return self

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The largest gang of one trial: others wait where there is no room."""
        return (Wanted("", self.pool, max(gpus for _, _, gpus, _ in self.sizes)),)

    @property
    def sizes(self) -> Iterator[tuple[KeyPath, float, int, JobWork]]:
        """Every size of every kind: where it is written, from which share on, its gang and its work."""
        for i, kind in enumerate(self.trials):
            for path, since, gpus, work in kind.sizes:
                yield ("trials", i, *path), since, gpus, work

    def job(self, gpus: int, work: JobWork, methods: Sequence[MethodChoice] = ()) -> Training:
        """A whole training of one size, as a job by itself."""
        return Training(
            kind="training",
            pool=self.pool,
            gpus=gpus,
            work=work,
            cpu_load=self.cpu_load,
            setup=self.setup,
            checkpoint=self.checkpoint,
            methods=list(methods),
        )
