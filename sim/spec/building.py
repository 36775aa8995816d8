"""What the building adds to the IT load, and the building that is one number; one that is a plant is a ``facility``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from sim.kinds import Choice
from sim.quantities import PUE


class Facility(Choice):
    """What the building adds to the IT load. Whether it asks for weather, and whether it knows what it can carry."""

    family: ClassVar[str] = "facility"
    needs_weather: ClassVar[bool] = False
    has_limits: ClassVar[bool] = False


class FixedPUE(Facility):
    """A building that takes the same share of the IT load at every load and in any weather."""

    pue: PUE = Field(description="We do not guess a PUE: give the site's own, e.g. 1.2 (1.0 counts the IT alone).")
