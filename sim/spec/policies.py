"""What holds down power while a run goes on: caps by signal, by hour or by event, and throttles of a site.

A policy sees the signals of the site where its GPUs stand: ``carbon`` (the grid's average intensity), ``marginal`` and
``price``. It decides during the run; pricing the finished run under another grid does not decide again.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.later import later
from sim.quantities import (
    CapLevel,
    Duration,
    PositiveDevicePower,
    PositiveDuration,
    PositivePower,
    Share,
    SignalLevel,
    ZoneName,
)
from sim.spec.schedules import SignalName
from sim.units import DAY_NS, HOUR_NS
from sim.validation import Spec

with later():
    from sim.spec.schedules import refuse_level_of_another


class Condition(Choice):
    """When a cap is in force. ``signal`` and ``level`` are what it compares, ``endless`` one that never ends by
    itself."""

    family: ClassVar[str] = "condition"
    endless: ClassVar[bool] = False

    @property
    def compared(self) -> tuple[SignalName, object] | None:
        """A signal of the site, and what it is compared with; None where the clock decides."""
        return None


class Above(Condition):
    """A condition: while a signal is above a level."""

    signal: SignalName
    level: SignalLevel

    @property
    def compared(self) -> tuple[SignalName, object]:
        """The signal, and its level."""
        return self.signal, self.level

    @model_validator(mode="after")
    def _of_the_signal(self) -> Above:
        refuse_level_of_another(self.signal, self.level, "level")
        return self


def _clock_time(written: str) -> str:
    hours, _, minutes = written.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and len(minutes) == 2 and int(hours) < 24 and int(minutes) < 60):
        raise PydanticCustomError("clock", "must be a time of day such as '16:00'")
    return written


ClockTime = Annotated[str, AfterValidator(_clock_time)]


def of_day_ns(written: str) -> int:
    """ns since midnight of a checked ``ClockTime``."""
    hours, _, minutes = written.partition(":")
    return int(hours) * HOUR_NS + int(minutes) * HOUR_NS // 60


class Daily(Condition):
    """A condition: every day while the clock of ``zone`` (or UTC) reads from ``since`` to ``until``.

    It goes through midnight if need be. A time that a change of clock doubles counts twice, one that it skips not at
    all.
    """

    endless: ClassVar[bool] = True

    since: ClockTime
    until: ClockTime
    zone: ZoneName | None = Field(default=None, description="Whose clock that is, e.g. Europe/Berlin; UTC, if absent.")

    @property
    def length_ns(self) -> int:
        """How long it lasts on a day without a change of clock."""
        return (of_day_ns(self.until) - of_day_ns(self.since)) % DAY_NS

    @model_validator(mode="after")
    def _lasts(self) -> Daily:
        if not self.length_ns:
            raise PydanticCustomError("clock", "'since' and 'until' are the same time of day")
        return self


class Policy(Choice):
    """What acts on a run while it goes on."""

    family: ClassVar[str] = "policy"


class Cap(Policy):
    """What holds down the power of GPUs: of a workload, or of all workloads of a pool."""

    kind: str
    target: str = Field(description="A workload or a pool.")

    @property
    @abstractmethod
    def levels(self) -> Sequence[CapLevel]:
        """The caps of one GPU, in the order of the events."""

    def path_of(self, _level: int) -> KeyPath:
        """Where one of the levels, by its number, is written below the policy."""
        return ("cap",)

    @property
    def condition(self) -> Condition | None:
        """While what it holds; None where it says the times itself."""
        return None

    def watts(self, tdp_w: float) -> list[float]:
        """The levels in W; shares are of the TDP."""
        return [float(level) * tdp_w if isinstance(level, Share) else float(level) for level in self.levels]


class PowerCap(Cap):
    """GPUs of a workload, or of all workloads of a pool, draw at most ``cap`` each while a condition holds."""

    cap: PositiveDevicePower = Field(description="W of one GPU.")
    when: Condition

    @property
    def levels(self) -> Sequence[CapLevel]:
        """The one cap of the policy."""
        return [self.cap]

    @property
    def condition(self) -> Condition:
        """That of the cap."""
        return self.when


class ResponseEvent(Spec):
    """A call to draw less. ``start`` counts from the start of the run."""

    start: Duration
    duration: PositiveDuration
    reduce_to: CapLevel = Field(description="W of one GPU, or a share of its TDP such as '60 %'.")


class DemandResponse(Cap):
    """GPUs of a workload, or of all workloads of a pool, draw less during announced events."""

    events: list[ResponseEvent] = Field(min_length=1)

    @property
    def levels(self) -> Sequence[CapLevel]:
        """A cap for each event, in their order."""
        return [event.reduce_to for event in self.events]

    def path_of(self, level: int) -> KeyPath:
        """Of the event."""
        return ("events", level, "reduce_to")


class Throttle(Policy):
    """Holds the machines of a site under what it carries, slowing all of its training jobs alike.

    Without ``limit``, that is what cooling, power chain and feed carry in the weather of the hour, as the plant models
    it; what warm inlet air adds to the servers' own power is not foreseen.
    """

    site: str | None = Field(default=None, description="Needed where there are several.")
    limit: PositivePower | None = Field(default=None, description="W of IT; what the plant carries, if absent.")
