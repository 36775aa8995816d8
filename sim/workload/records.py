"""What is known of a request or a job once it is over; none of these types has a half-filled state."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Literal

JobStatus = Literal["completed", "killed", "unfinished"]


@dataclass(frozen=True)
class JobRecord:
    """One training job. Times in ns from the start of the run; ``started_ns`` is None if it never held its gang.

    ``done_ns`` is the productive time kept, ``lost_ns`` productive time that a failure or a kill threw away,
    ``held_ns`` the time its gang was held, from being placed to being released: ``done + lost <= held``, and the rest
    is booting, setting up and checkpoints.
    """

    workload: str
    status: JobStatus
    gpus: int
    submitted_ns: int
    started_ns: int | None
    ended_ns: int
    work_ns: int
    done_ns: int
    lost_ns: int
    held_ns: int
    interruptions: int
    checkpoints: int


@dataclass
class ServiceLog:
    """Every request of one service as columns of int64, appended in the order in which requests finish.

    ``arrival <= start <= done`` for each finished request. ``rejected_ns`` holds the arrivals turned away at a full
    queue, ``open_ns`` the arrivals still waiting or in service when the run ended. ``batches`` counts service starts.
    """

    workload: str
    replicas: int
    arrival_ns: array[int] = field(default_factory=lambda: array("q"))
    start_ns: array[int] = field(default_factory=lambda: array("q"))
    done_ns: array[int] = field(default_factory=lambda: array("q"))
    rejected_ns: array[int] = field(default_factory=lambda: array("q"))
    open_ns: array[int] = field(default_factory=lambda: array("q"))
    batches: int = 0
    busy_ns: int = 0
    retries: int = 0

    @property
    def requests(self) -> int:
        """All that arrived."""
        return len(self.done_ns) + len(self.rejected_ns) + len(self.open_ns)
