"""When and where a training job may run: its schedule by a signal, what it forecasts, and the choice of its pool.

A schedule sees the signals of the site where its GPUs stand: ``carbon`` (the grid's average intensity), ``marginal``
and ``price``. A deadline counts on GPUs that are there: a queue, a boot, a failure or a cap may still make a job late,
and its record says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import (
    Allowance,
    ByteRate,
    Bytes,
    DataPrice,
    Duration,
    EnergyPerByte,
    EnergyPrice,
    Fraction,
    PositiveDuration,
    Price,
    SignalLevel,
)
from sim.validation import Spec

SignalName = Literal["carbon", "marginal", "price"]


class ForecastSpec(Choice):
    """What is known of the future, when something is decided."""

    family: ClassVar[str] = "forecast"
    needs_day_before: ClassVar[bool] = False
    """Whether it must know the 24 h before it is made."""


class PerfectForecast(ForecastSpec):
    """The truth, which nobody has: a bound on what any forecast could reach."""


class PersistenceForecast(ForecastSpec):
    """Persistence: the same hour of the day before the forecast is made. Needs a series that begins a day earlier."""

    needs_day_before: ClassVar[bool] = True


class NoisyForecast(ForecastSpec):
    """The truth with an error: its mean absolute size as a share of the truth, growing up to a lead of 24 h."""

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
            refuse_level_of_another(self.signal, self.threshold, "threshold")
        return self


class Suspend(JobSchedule):
    """Pauses for as long as electricity costs more than ``above``, however long that is."""

    signal: Literal["price"] = "price"
    above: EnergyPrice
    while_paused: Paused

    @property
    def level(self) -> EnergyPrice:
        """The price."""
        return self.above


def refuse_level_of_another(signal: SignalName, level: object, field: str) -> None:
    """A level is in the unit of its signal."""
    if (signal == "price") != isinstance(level, Price):
        wanted = "a price such as '0.12 USD/kWh'" if signal == "price" else "an intensity such as '300 gCO2e/kWh'"
        raise PydanticCustomError("level", "the {f} of {s} is {w}", {"f": field, "s": signal, "w": wanted})
