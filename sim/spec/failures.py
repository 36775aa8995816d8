"""How the machines of a pool fail, which of them are spares, and how a job goes on afterwards."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.later import later
from sim.plain import as_mapping
from sim.quantities import MTBF, Duration, PositiveDuration
from sim.validation import Spec

with later():
    from sim.profiles.machines.failures import PlainPart


class Failures(Spec):
    """Exponential times to failure of each node, and a constant time to repair before it boots again."""

    mtbf: MTBF
    repair: Duration


class FailureLaw(Choice):
    """How the machines of a pool fail, where that is told by more than the MTBF of a node."""

    family: ClassVar[str] = "failures"


class ComponentFailures(FailureLaw):
    """Failures by component: those of a profile, or of a list of one's own. Nodes that break are away for ``repair``.

    ``repairs`` are those of components that take another time. Jobs on the pool need a ``recovery``.
    """

    profile: str | None = Field(default=None, description="E.g. llama-3-herd, meta-rsc-1, azure-servers.")
    parts: dict[str, PlainPart] = Field(default_factory=dict)
    repair: Duration = Field(description="From taking a node out to booting it again, e.g. '12 h'.")
    repairs: dict[str, Duration] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some(self) -> ComponentFailures:
        if self.profile is None and not self.parts:
            raise PydanticCustomError("failures", "needs a 'profile', 'parts' of its own, or both")
        return self


def _which(value: object) -> str:
    told = as_mapping(value)
    return "@kinds" if isinstance(value, FailureLaw) or (told is not None and "kind" in told) else "@plain"


NodesFail = Annotated[
    Annotated[Failures, Tag("@plain")] | Annotated[FailureLaw, Tag("@kinds")],
    Discriminator(_which),
]
"""``{mtbf: 2000 h, repair: 4 h}`` of each node, or ``{kind: components, ...}``."""


class SpareNodes(Spec):
    """Nodes of a pool's ``count`` that are kept to stand in for others that fail, its last.

    ``hot`` ones have their GPUs loaded, ``warm`` ones are up and idle, ``cold`` ones are off and boot first.
    """

    count: int = Field(ge=1, le=100_000, strict=True)
    state: Literal["hot", "warm", "cold"]
    replace: Duration = Field(description="From deciding to use a spare to its being in place, e.g. '2 min'.")


class Detection(Spec):
    """How long it takes until a fault is noticed, by how it shows. Needed for what may happen on the job's pool."""

    crash: Duration | None = Field(default=None, description="A process or node is gone, e.g. '1 min'.")
    hang: Duration | None = Field(default=None, description="The watchdog's timeout; the GPUs wait, e.g. '10 min'.")
    silent: Duration | None = Field(default=None, description="Wrong results go on until then, e.g. '6 h'.")
    slow: Duration | None = Field(default=None, description="The slow node is found and taken out, e.g. '1 h'.")


class PlannedStops(Spec):
    """Stops on purpose (firmware, changes of the configuration): the job saves, stands by, and restarts."""

    every: PositiveDuration
    takes: Duration


class RecoveryTimes(Spec):
    """How a job goes on after a fault: it keeps the nodes that are well, and has the others replaced.

    After ``schedule`` (GPUs idle) comes ``load`` and ``warm_up`` (GPUs loaded), and work goes on from a checkpoint.
    """

    detection: Detection
    schedule: Duration = Field(description="Tearing down and launching anew; GPUs idle, e.g. '1 min'.")
    load: Duration = Field(description="Loading the checkpoint, e.g. '3 min'.")
    warm_up: Duration = Field(description="From there to full speed: compiling, filling of pipelines, e.g. '2 min'.")
    planned: PlannedStops | None = None

    @model_validator(mode="after")
    def _works_between_stops(self) -> RecoveryTimes:
        away = sum(map(int, (self.schedule, self.load, self.warm_up)))
        if self.planned is not None and self.planned.every <= self.planned.takes + away:
            raise PydanticCustomError(
                "planned",
                "'planned' stops leave no time for work: raise 'every' above 'takes' + 'schedule' + 'load' + 'warm_up'",
            )
        return self
