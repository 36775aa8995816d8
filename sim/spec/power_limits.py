"""Power that is shared: limits of GPUs, nodes, racks, rows, feeds and sites, what answers an excess, ramps, breakers
and calls to draw less.

All power is IT power, in W at the plugs of the nodes. What lies between them and the feed (supplies without a break,
transformers) loses some more: a limit behind them is written as what it leaves at the plugs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import AtLeastOne, Duration, PositiveDuration, PositiveFraction, PositivePower, PowerRamp
from sim.spec.cluster import MOST_NODES
from sim.spec.policies import Policy
from sim.validation import LONGEST_NAME, Spec

Whom = Literal["training", "serving", "all"]


class CapAnswer(Spec):
    """GPUs are capped, those of the lowest priority first: all of one priority at one level, none below ``floor``."""

    kind: Literal["cap"]
    whom: Whom
    floor: PositiveFraction = Field(description="The lowest cap, as a share of a GPU's TDP.")


class PauseAnswer(Spec):
    """Jobs stand still with their state loaded, the lowest priority and the last to come first."""

    kind: Literal["pause"]
    whom: Whom


class ShedAnswer(Spec):
    """Jobs lose their machines, the lowest priority and the last to come first, and wait for others.

    Ahead of a call they save their state, where there is time for it; else they go back to their last checkpoint.
    """

    kind: Literal["shed"]
    whom: Whom


AnswerSpec = Annotated[CapAnswer | PauseAnswer | ShedAnswer, Field(discriminator="kind")]


class Release(Spec):
    """Once a domain has drawn less than ``below`` its limit ``after`` so long, what is asked of its jobs is taken back
    as far as the target has room for."""

    below: PositiveFraction = Field(description="Share of the limit.")
    after: Duration


class LimitChange(Spec):
    """From ``at`` on, counted from the start of the run, the limit is another."""

    at: PositiveDuration
    limit: PositivePower


class PowerCall(Spec):
    """A call to draw no more than ``limit`` for a time, known ``notice`` before its ``start``, which counts from the
    start of the run."""

    start: Duration
    duration: PositiveDuration
    limit: PositivePower
    notice: Duration


class RampSpec(Spec):
    """Power rises by no more than ``up`` over any span of time and one ``step`` beyond it."""

    up: PowerRamp = Field(description="E.g. '50 kW/min'.")
    step: PositiveDuration = Field(
        description="Power goes up once in so long, e.g. '10 s'; what a host adds must fit in one such step."
    )


class BreakerCurve(Choice):
    """For how long a breaker carries which multiple of its rating."""

    family: ClassVar[str] = "breaker curve"

    @property
    def carries(self) -> float | None:
        """Of its rating, what it carries for ever; None where it does not say."""
        return None


class ThermalMagneticCurve(BreakerCurve):
    """A bimetal and a magnet: it carries ``holds`` for ever, opens ``after`` a time at ``opens_at`` from cold, and at
    once from ``at_once`` on. E.g. IEC 60898-1 up to 32 A, type C: holds 1.13, and 2.55 for at most 60 s."""

    example: ClassVar[Mapping[str, Any]] = {"holds": 1.13, "opens_at": 2.55, "after": "60 s", "at_once": 10}

    holds: AtLeastOne
    opens_at: AtLeastOne
    after: PositiveDuration
    at_once: AtLeastOne

    @property
    def carries(self) -> float:
        """Up to where it does not open."""
        return self.holds

    @model_validator(mode="after")
    def _rising(self) -> ThermalMagneticCurve:
        _in_order(self.holds, self.opens_at, self.at_once)
        return self


class ElectronicCurve(BreakerCurve):
    """A trip unit that counts I²t above ``pickup``: it opens ``after`` a time at ``opens_at``, and at once from
    ``at_once`` on."""

    example: ClassVar[Mapping[str, Any]] = {"pickup": 1.05, "opens_at": 3, "after": "96 s", "at_once": 15}

    pickup: AtLeastOne
    opens_at: AtLeastOne
    after: PositiveDuration
    at_once: AtLeastOne

    @property
    def carries(self) -> float:
        """Up to where it does not open."""
        return self.pickup

    @model_validator(mode="after")
    def _rising(self) -> ElectronicCurve:
        _in_order(self.pickup, self.opens_at, self.at_once)
        return self


def _in_order(holds: float, opens_at: float, at_once: float) -> None:
    if not holds < opens_at < at_once:
        raise PydanticCustomError("curve", "what it holds, where it opens and where it opens at once must rise")


class BreakerSpec(Spec):
    """A breaker: what it carries at its rated current, how it opens, and how long until it is closed again."""

    rating: PositivePower
    curve: BreakerCurve
    reclose: PositiveDuration = Field(description="From its opening until its nodes have power again, and boot.")


FromPlant = Annotated[
    Annotated[Literal["plant"], Tag("@word")] | Annotated[PositivePower, Tag("@quantity")],
    Discriminator(lambda value: "@word" if value == "plant" else "@quantity"),
    WithJsonSchema({"description": "power, or plant", "examples": ["17 kW", "plant"]}),
]


class PowerDomain(Spec):
    """Machines that share power: each GPU, node, rack, row or feed of some pools, or all of a site.

    A rack is as large as its pool says (``rack_nodes``) or as ``nodes`` says; a row, feed or site without ``nodes`` is
    all nodes of its pools together. Racks, rows and feeds of so many ``nodes`` are counted from the first of each pool.
    """

    per: Literal["gpu", "node", "rack", "row", "feed", "site"]
    pools: list[str] | None = Field(default=None, min_length=1, description="All, if absent.")
    nodes: int | None = Field(default=None, ge=1, le=MOST_NODES, strict=True, description="In each rack, row or feed.")
    limit: FromPlant | None = Field(default=None, description="'plant': what the site's plant carries in its weather.")
    changes: list[LimitChange] = Field(default_factory=list, description="Of the limit, in the course of the run.")
    calls: list[PowerCall] = Field(default_factory=list)
    answers: list[AnswerSpec] = Field(default_factory=list, description="The ladder, climbed in this order.")
    answer_time: Duration | None = Field(default=None, description="From an excess to when its answer works.")
    target: PositiveFraction = Field(
        default="100 %", validate_default=True, description="What an answer comes down to, as a share of the limit."
    )
    release: Release | None = None
    ramp: RampSpec | None = None
    breaker: BreakerSpec | None = None

    @model_validator(mode="after")
    def _whole(self) -> PowerDomain:
        limited = self.limit is not None or bool(self.calls)
        if not (limited or self.ramp or self.breaker):
            raise PydanticCustomError("domain", "does nothing: give it a 'limit', 'calls', a 'ramp' or a 'breaker'")
        if self.changes and not isinstance(self.limit, float):
            raise PydanticCustomError("domain", "'changes' need a 'limit' in W that they change")
        times = [int(change.at) for change in self.changes]
        if times != sorted(set(times)):
            raise PydanticCustomError("domain", "'changes' must be in the order of their times")
        if self.answers and not limited:
            raise PydanticCustomError("domain", "'answers' need a 'limit' or 'calls' that may be exceeded")
        if self.answers and (self.answer_time is None or self.release is None):
            raise PydanticCustomError("domain", "'answers' need an 'answer_time' and a 'release'")
        if not self.answers and (self.answer_time is not None or self.release is not None):
            raise PydanticCustomError("domain", "'answer_time' and 'release' are of 'answers': give it some")
        if self.release is not None and float(self.release.below) > float(self.target):
            raise PydanticCustomError("domain", "'release' must not be above the 'target'")
        return self._of_its_size()

    def _of_its_size(self) -> PowerDomain:
        if self.per == "gpu":
            others = (self.nodes, self.ramp, self.breaker, self.release, self.answer_time)
            if not isinstance(self.limit, float) or self.calls or self.answers or self.changes or any(others):
                raise PydanticCustomError("domain", "a limit of each GPU is set on the boards: it has only a 'limit'")
        if self.nodes is not None and self.per not in ("rack", "row", "feed"):
            raise PydanticCustomError("domain", "'nodes' is of racks, rows and feeds")
        if self.limit == "plant" and (self.per != "site" or self.pools is not None):
            raise PydanticCustomError("domain", "only a whole 'site' has a plant: give the limit in W")
        return self


Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000, strict=True)]
DomainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


class PowerLimits(Policy):
    """Power that jobs share: domains by name, with their limits and what is done when they are exceeded."""

    example: ClassVar[Mapping[str, Any]] = {
        "domains": {
            "rack": {
                "per": "rack",
                "nodes": 1,
                "limit": "5 kW",
                "answers": [{"kind": "cap", "whom": "all", "floor": "50 %"}],
                "answer_time": "10 s",
                "release": {"below": "90 %", "after": "1 min"},
            }
        }
    }

    domains: dict[DomainName, PowerDomain] = Field(min_length=1)
    serving: list[str] = Field(
        default_factory=list,
        description="Kinds of jobs that serve; all others are taken for training. Services serve, trainings and "
        "campaigns do not.",
    )
    priorities: dict[str, Priority] = Field(
        default_factory=dict,
        description="Of workloads that are no tables of jobs, whose jobs have their own: the lowest is asked first. "
        "0, if absent.",
    )
    readings: PositiveDuration | None = Field(
        default=None,
        description="What serving replicas draw is read in means over so long, e.g. '3 s'. If absent, their GPUs count "
        "at the limit of their boards, so that a limit holds whatever they do.",
    )
