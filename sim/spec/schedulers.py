"""Who of those that wait starts next: the schedulers that a scenario may choose."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sim.spec.cluster import SchedulerSpec
from sim.spec.placements import PlacementSpec


class Placed(SchedulerSpec):
    """A scheduler that has a placement."""

    placement: PlacementSpec | None = Field(
        default=None, description="On which nodes a job starts; {kind: anywhere}, if absent."
    )


class Fifo(Placed):
    """First come first served: whoever waits for GPUs holds up those behind it."""

    kind: Literal["fifo"]


class EasyBackfill(Placed):
    """EASY backfill: first come first served, but whoever does not delay the first may start before it, by the times
    that users ask for."""

    kind: Literal["easy"]
    candidates: Literal["first-come", "shortest"] = Field(
        default="first-come", description="In what order those behind the first are tried."
    )
