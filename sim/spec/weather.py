"""Where a site's weather comes from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim.kinds import Choice
from sim.spec.times import TableZone

GapPolicy = Annotated[
    Literal["refuse", "hold", "interpolate"],
    Field(description="What to do about missing values: refuse them, repeat the one before, or draw a line."),
]


class WeatherSource(Choice):
    """Where a site's weather comes from; ``file`` holds it."""

    family: ClassVar[str] = "weather"


class TypicalWeather(WeatherSource):
    """A typical year of hours (an EPW or TMY3 file), laid on the run by month, day and hour."""

    file: str
    gaps: GapPolicy = "refuse"


class OpenMeteo(WeatherSource):
    """Hours that were, from Open-Meteo (JSON or CSV). ``repeat: calendar`` uses them for other years."""

    file: str
    gaps: GapPolicy = "refuse"
    repeat: Literal["calendar"] | None = None


class MonthHours(WeatherSource):
    """Twelve typical days: a CSV of ``month``, ``hour_utc``, ``dry_bulb_c``, ``relative_humidity`` (0..1) and others.

    With a ``zone`` its hours are ``hour_local``, by that zone's clock. Small, and without extremes: peaks and limits
    come out milder than they are.
    """

    file: str
    latitude: float = Field(ge=-90, le=90, description="Degrees north.")
    longitude: float = Field(ge=-180, le=180, description="Degrees east.")
    zone: TableZone = None
