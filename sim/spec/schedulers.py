"""Who of those that wait starts next: the schedulers that a scenario may choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.later import later
from sim.quantities import LookInterval, PositiveDuration
from sim.spec.cluster import SchedulerSpec
from sim.validation import Spec

with later():
    from sim.spec.placements import PlacementSpec


MOST_SLOTS = 10_000_000
"""The largest sites that are announced hold some 1e6."""
Weight = Annotated[float, Field(gt=0.0, le=1e12, allow_inf_nan=False)]
Backfill = Annotated[
    Literal["none", "easy", "greedy"],
    Field(
        description="Behind the first that has no room: nobody starts; those that do not delay it; or whoever has room."
    ),
]


class Placed(SchedulerSpec):
    """A scheduler that has a placement."""

    placement: PlacementSpec | None = Field(
        default=None, description="On which nodes a job starts; {kind: anywhere}, if absent."
    )

    @property
    def names_pools(self) -> tuple[str, ...]:
        """Those of its placement."""
        return self.placement.names_pools if self.placement is not None else ()


class Fifo(Placed):
    """First come first served: whoever waits for GPUs holds up those behind it."""


class EasyBackfill(Placed):
    """EASY backfill: first come first served, but whoever does not delay the first may start before it, by the times
    that users ask for."""

    candidates: Literal["first-come", "shortest"] = Field(
        default="first-come", description="In what order those behind the first are tried."
    )


class Conservative(Placed):
    """Conservative backfill: every job that waits is promised a time, and nobody passes who would move one."""

    depth: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        strict=True,
        description="How many of the queue are promised something; no others start.",
    )


class Passing(Placed):
    """A scheduler with an order of its own."""

    backfill: Backfill


class Shortest(Passing):
    """Shortest first, by the time that users ask for; those without a time limit last."""

    example: ClassVar[Mapping[str, Any]] = {"backfill": "greedy"}


class Deadline(Passing):
    """Earliest deadline first, or least slack first; jobs without a deadline come after those that have one."""

    example: ClassVar[Mapping[str, Any]] = {"urgency": "deadline", "late": "last", "backfill": "easy"}

    urgency: Literal["deadline", "slack"] = Field(
        description="By the deadline, or by how long a job can still wait, by the time that it asks for."
    )
    late: Literal["first", "last"] = Field(
        description="Whether jobs that can meet their deadline no more keep their place, or come last."
    )


class FairShare(Passing):
    """Fair share: who has held least over its share of late comes first, with all its jobs."""

    example: ClassVar[Mapping[str, Any]] = {
        "by": "account",
        "half_life": "7 d",
        "shares": {"physics": 2},
        "others": 1,
        "backfill": "easy",
    }

    by: Literal["user", "account", "queue"]
    half_life: PositiveDuration | Literal["never"] = Field(
        description="How long until half of what was held is forgotten; 'never': nothing is."
    )
    shares: dict[str, Weight] = Field(default_factory=dict, description="Shares of those that are named.")
    others: Weight = Field(description="The share of each that is not named.")

    @property
    def names_of_jobs(self) -> tuple[tuple[KeyPath, str, tuple[str, ...]], ...]:
        """Who has a share of its own."""
        return ((("shares",), self.by, tuple(self.shares)),)


class Priority(Passing):
    """The highest priority first; those that run at a lower one may have to make room."""

    example: ClassVar[Mapping[str, Any]] = {"preemption": "lower", "backfill": "easy"}

    preemption: Literal["none", "lower"] = Field(
        description="Whether jobs of lower priority make room, by their workload's own rule: saved, or killed."
    )
    aging: float = Field(
        default=0.0, ge=0.0, le=1e9, description="Priority that is added for each hour since submission."
    )


class Spot(Placed):
    """Spot jobs take what all others leave, and make room at once; ``regular`` schedules the others."""

    example: ClassVar[Mapping[str, Any]] = {"regular": {"kind": "easy"}}

    regular: SchedulerSpec

    @property
    def looks_at(self) -> tuple[str, ...]:
        """What the other looks at."""
        return self.regular.looks_at

    @property
    def names_pools(self) -> tuple[str, ...]:
        """Its own and those of the other."""
        return super().names_pools + self.regular.names_pools

    @property
    def names_of_jobs(self) -> tuple[tuple[KeyPath, str, tuple[str, ...]], ...]:
        """Those of the other."""
        return tuple((("regular", *at), by, names) for at, by, names in self.regular.names_of_jobs)


class CarbonAware(SchedulerSpec):
    """Jobs with slack wait for the cleanest (or cheapest) time within it; ``then`` schedules those that may start."""

    example: ClassVar[Mapping[str, Any]] = {"signal": "carbon", "then": {"kind": "easy"}}

    signal: Literal["carbon", "marginal", "price"]
    then: SchedulerSpec

    @property
    def looks_at(self) -> tuple[str, ...]:
        """Its signal, and what the other looks at."""
        return (self.signal, *self.then.looks_at)

    @property
    def names_pools(self) -> tuple[str, ...]:
        """Those of the other."""
        return self.then.names_pools

    @property
    def names_of_jobs(self) -> tuple[tuple[KeyPath, str, tuple[str, ...]], ...]:
        """Those of the other."""
        return tuple((("then", *at), by, names) for at, by, names in self.then.names_of_jobs)


class Quota(Spec):
    """Slots of a queue: its own, and how many more it may borrow of those that others in its cohort do not use."""

    slots: int = Field(ge=0, le=MOST_SLOTS, strict=True)
    borrow: int = Field(ge=0, le=MOST_SLOTS, strict=True)
    cohort: str = Field(default="", description="Queues of one cohort borrow from each other; all are, if absent.")

    @model_validator(mode="after")
    def _some(self) -> Quota:
        if not self.slots + self.borrow:
            raise PydanticCustomError("quota", "has no slots and may borrow none: its jobs would wait for ever")
        return self


class Quotas(Placed):
    """Queues with quotas, in GPUs, that borrow from each other and take back what is theirs."""

    example: ClassVar[Mapping[str, Any]] = {
        "queues": {"research": {"slots": 4, "borrow": 4}},
        "others": {"slots": 12, "borrow": 4},
        "reclaim": "any",
        "within": "passing",
    }

    queues: dict[str, Quota] = Field(min_length=1)
    others: Quota = Field(description="What all queues that are not named have together.")
    reclaim: Literal["never", "lower-priority", "any"] = Field(
        description="From which jobs of queues that have borrowed, a queue takes back its own."
    )
    within: Literal["strict", "passing"] = Field(
        description="Whether the first of a queue holds up those behind it in that queue."
    )

    @property
    def names_of_jobs(self) -> tuple[tuple[KeyPath, str, tuple[str, ...]], ...]:
        """Queues with quotas."""
        return ((("queues",), "queue", tuple(self.queues)),)


class Elastic(Placed):
    """First come first served; elastic jobs shrink to let others in, and grow into what is free."""

    example: ClassVar[Mapping[str, Any]] = {"every": "10 min"}

    every: LookInterval = Field(description="How often sizes are chosen anew, while nobody waits.")
