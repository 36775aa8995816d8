"""What a scenario may say of the times in a file: what they label, and on which clock they are without an offset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.quantities import ZoneName

Stamps = Annotated[
    Literal["start", "end"] | None,
    Field(description="What a row's time labels, the start or the end of its interval; else as the format documents."),
]
StampsOfAny = Annotated[
    Literal["start", "end"], Field(description="What a row's time labels: the start or the end of its interval.")
]
Zone = Annotated[
    ZoneName | None,
    Field(description="Zone of the clock of times without an offset from UTC, e.g. Europe/Berlin."),
]
TableZone = Annotated[
    ZoneName | None, Field(description="The clock of a table by 'hour_local', e.g. Europe/Berlin; else 'hour_utc'.")
]
