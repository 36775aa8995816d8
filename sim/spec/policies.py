"""What reacts to the world outside: schedules of training jobs, and power caps by signal, hour or event.

A policy sees the signals of the site where its GPUs stand: ``carbon`` (the grid's average intensity), ``marginal`` and
``price``. It decides during the run; pricing the finished run under another grid does not decide again. A deadline
counts on GPUs that are there: a queue, a boot, a failure or a cap may still make a job late, and its record says so.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.quantities import (
    Allowance,
    ByteRate,
    Bytes,
    CapLevel,
    DataPrice,
    Duration,
    EnergyPerByte,
    EnergyPrice,
    Fraction,
    PositiveDevicePower,
    PositiveDuration,
    PositivePower,
    Price,
    Share,
    SignalLevel,
    ZoneName,
)
from sim.units import DAY_NS, HOUR_NS
from sim.validation import Spec

SignalName = Literal["carbon", "marginal", "price"]


class ForecastSpec(Choice):
    """What is known of the future, when something is decided."""

    family: ClassVar[str] = "forecast"
    needs_day_before: ClassVar[bool] = False
    """Whether it must know the 24 h before it is made."""


class PerfectForecast(ForecastSpec):
    """The truth, which nobody has: a bound on what any forecast could reach."""

    kind: Literal["perfect"]


class PersistenceForecast(ForecastSpec):
    """Persistence: the same hour of the day before the forecast is made. Needs a series that begins a day earlier."""

    needs_day_before: ClassVar[bool] = True

    kind: Literal["persistence"]


class NoisyForecast(ForecastSpec):
    """The truth with an error: its mean absolute size as a share of the truth, growing up to a lead of 24 h."""

    kind: Literal["noisy"]
    mape_at_once: Fraction = Field(description="Mean absolute error at a lead of none, e.g. '2 %'.")
    mape_day_ahead: Fraction = Field(description="Mean absolute error at leads of 24 h and more, e.g. '10 %'.")
    correlation_time: PositiveDuration = Field(description="Errors this far apart correlate by 1/e, e.g. '6 h'.")

    @model_validator(mode="after")
    def _grows(self) -> NoisyForecast:
        if self.mape_at_once > self.mape_day_ahead:
            raise PydanticCustomError("order", "needs mape_at_once <= mape_day_ahead: no forecast improves with lead")
        return self


Forecast = Annotated[
    ForecastSpec,
    Field(description="What is known of the future: {kind: persistence}, {kind: noisy, ...}, or {kind: perfect}."),
]


class Hold(Spec):
    """The GPUs are kept through a pause, loaded: nothing is saved, and work goes on at once."""

    kind: Literal["hold"]

    @property
    def save_and_restart_ns(self) -> None:
        """Nothing is saved."""


class Release(Spec):
    """The job is saved and its GPUs are given back; afterwards it restarts on others. Both at loaded power."""

    kind: Literal["release"]
    save: Duration = Field(description="Writing the checkpoint before the pause.")
    restart: Duration = Field(description="From holding GPUs again to the first step.")

    @property
    def save_and_restart_ns(self) -> tuple[int, int]:
        """Both in ns."""
        return int(self.save), int(self.restart)


Paused = Annotated[
    Hold | Release,
    Field(discriminator="kind", description="Give {kind: hold}, or {kind: release, save: ..., restart: ...}."),
]


class JobSchedule(Choice):
    """When a training job may work, by a signal of its site."""

    family: ClassVar[str] = "schedule"

    if TYPE_CHECKING:
        signal: SignalName

    @property
    def level(self) -> object:
        """What the signal is compared with; None where it is not."""
        return None


class Windowed(JobSchedule):
    """A schedule whose work is done within a delay allowed, or by a deadline."""

    if TYPE_CHECKING:
        forecast: Forecast | None
        within: Allowance | None
        deadline: PositiveDuration | None

    def deadline_ns(self, submit_ns: int, needs_ns: int) -> int:
        """When a job must be done that is submitted then and takes so long if it starts at once."""
        if self.deadline is not None:
            return int(self.deadline)
        assert self.within is not None
        delay_ns = int(self.within) if isinstance(self.within, int) else round(float(self.within) * needs_ns)
        return submit_ns + needs_ns + delay_ns


def _one_end(spec: Windowed) -> None:
    if (spec.within is None) == (spec.deadline is None):
        raise PydanticCustomError("window", "needs either 'within' (the delay allowed) or 'deadline', and not both")


class FlexibleStart(Windowed):
    """Starts, within the delay allowed, when the forecast mean of the signal over the job is lowest, and runs through.

    ``within`` is a duration, or a share of how long the job takes if it starts at once; ``deadline`` counts from the
    start of the run.
    """

    kind: Literal["flexible-start"]
    signal: SignalName
    within: Allowance | None = None
    deadline: PositiveDuration | None = None
    forecast: Forecast

    @model_validator(mode="after")
    def _window(self) -> FlexibleStart:
        _one_end(self)
        return self


class Quantile(Spec):
    """A share of the time of the forecast in which the signal is no higher."""

    quantile: Fraction


class Transfer(Spec):
    """What moving the job's data to another pool takes; its energy is booked to the job over the network."""

    data: Bytes = Field(description="Training set and checkpoint, e.g. '2 TB'.")
    bandwidth: ByteRate = Field(description="Of the path, e.g. '1 GB/s'.")
    energy: EnergyPerByte = Field(description="Of the network between the sites, e.g. '0.06 kWh/GB'.")
    cost: DataPrice = Field(description="Of leaving the site (egress), e.g. '0.05 USD/GB'.")


class LowestPlace(Spec):
    """Chooses, at submission, the pool whose site has the lowest forecast mean of the signal over the job.

    From ``home`` nothing is moved. Elsewhere the job begins after its data has arrived; the mean is taken from then.
    """

    kind: Literal["lowest"]
    signal: SignalName
    pools: list[str] = Field(min_length=2, max_length=100)
    home: str = Field(description="The pool where the data lies.")
    transfer: Transfer
    forecast: Forecast


def _threshold_as(value: Any) -> str:
    if isinstance(value, dict | Spec):
        return "@mapping"
    return "@word" if value == "fit" else "@quantity"


Threshold = Annotated[
    Annotated[SignalLevel, Tag("@quantity")]
    | Annotated[Quantile, Tag("@mapping")]
    | Annotated[Literal["fit"], Tag("@word")],
    Discriminator(_threshold_as),
]


class PauseResume(Windowed):
    """Works while the signal is at most the threshold, and pauses above it until it must run to be done in time.

    The threshold is a level, a quantile of the forecast, or ``fit``: the hours with the lowest forecast that are just
    enough for the work.
    """

    kind: Literal["pause-resume"]
    signal: SignalName
    threshold: Threshold = Field(description="A level such as '300 gCO2e/kWh', {quantile: 0.5}, or 'fit'.")
    within: Allowance | None = None
    deadline: PositiveDuration | None = None
    forecast: Forecast | None = None
    while_paused: Paused

    @property
    def level(self) -> object:
        """The threshold."""
        return self.threshold

    @model_validator(mode="after")
    def _whole(self) -> PauseResume:
        _one_end(self)
        level = not isinstance(self.threshold, Quantile | str)
        if level and self.forecast is not None:
            raise PydanticCustomError("forecast", "a threshold that is a level needs no 'forecast'; leave it out")
        if not level and self.forecast is None:
            raise PydanticCustomError("forecast", "needs a 'forecast' to find its threshold; none is taken as perfect")
        if level:
            _matches(self.signal, self.threshold, "threshold")
        return self


class Suspend(JobSchedule):
    """Pauses for as long as electricity costs more than ``above``, however long that is."""

    kind: Literal["suspend"]
    signal: Literal["price"] = "price"
    above: EnergyPrice
    while_paused: Paused

    @property
    def level(self) -> EnergyPrice:
        """The price."""
        return self.above


def _matches(signal: SignalName, level: object, field: str) -> None:
    if (signal == "price") != isinstance(level, Price):
        wanted = "a price such as '0.12 USD/kWh'" if signal == "price" else "an intensity such as '300 gCO2e/kWh'"
        raise PydanticCustomError("level", "the {f} of {s} is {w}", {"f": field, "s": signal, "w": wanted})


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

    kind: Literal["above"]
    signal: SignalName
    level: SignalLevel

    @property
    def compared(self) -> tuple[SignalName, object]:
        """The signal, and its level."""
        return self.signal, self.level

    @model_validator(mode="after")
    def _of_the_signal(self) -> Above:
        _matches(self.signal, self.level, "level")
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

    kind: Literal["daily"]
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

    kind: Literal["power-cap"]
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

    kind: Literal["demand-response"]
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

    kind: Literal["throttle"]
    site: str | None = Field(default=None, description="Needed where there are several.")
    limit: PositivePower | None = Field(default=None, description="W of IT; what the plant carries, if absent.")
