"""Where the jobs of a workload come from: a recorded trace in its native format, or a law that draws them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice, NameIn
from sim.quantities import Duration, PositiveDuration
from sim.spec.times import Zone
from sim.validation import Spec

Rate = Annotated[float, Field(gt=0.0, le=1e6)]


class JobSource(Choice):
    """What jobs there are: when each is submitted, what it asks for and how long it runs."""

    family: ClassVar[str] = "job source"

    @property
    def endless(self) -> bool:
        """Whether jobs come until the run ends, so that the run must say when."""
        return False

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that is read for it, with its path below the source."""
        return ()


class JobWindow(Spec):
    """The jobs submitted from ``start`` to before ``end``, both since the first job of the trace was."""

    start: Duration = Field(default="0 s", validate_default=True, description="E.g. '2 d' after the first job.")
    end: PositiveDuration | None = Field(default=None, description="The end of the trace, if absent.")

    @model_validator(mode="after")
    def _ordered(self) -> JobWindow:
        if self.end is not None and self.end <= self.start:
            raise PydanticCustomError("window", "ends before it starts: needs start < end")
        return self


class TraceJobs(JobSource):
    """The jobs of a recorded trace, in its native format, told by its header.

    What a trace leaves open is asked for where it does, and never guessed: jobs that never started, had not ended, or
    ran for no time at all have no run time to replay.
    """

    file: str
    tasks: str | None = Field(default=None, description="The table of tasks beside Alibaba's table of jobs of 2020.")
    loads: str | None = Field(
        default=None, description="A table of what jobs draw over time: job_id, offset_s, gpu_w, cpu_load."
    )
    format: Annotated[str, NameIn("job trace")] | None = None
    zone: Zone = None
    processors: Literal["slots", "cores"] | None = Field(
        default=None,
        description="What a processor of SWF (a cpu of GAIA) takes here: a slot (a GPU, or a socket of a node without "
        "GPUs), or a core.",
    )
    time_unit: Literal["seconds", "hours"] | None = Field(
        default=None, description="Of a format whose files differ in it, as GAIA's do."
    )
    on_bad_rows: Literal["fail", "skip"] = "fail"
    never_started: Literal["leave-out"] | PositiveDuration | None = Field(
        default=None, description="Jobs that never started: leave them out, or how long they would have run."
    )
    unfinished: Literal["leave-out", "as-recorded"] | PositiveDuration | None = Field(
        default=None,
        description="Jobs that still ran when the trace ended, or of an unknown run time: leave them out, let them run "
        "for as long as they are seen to, or for so long.",
    )
    zero_runtime: Literal["leave-out"] | PositiveDuration | None = Field(
        default=None, description="Jobs that started and ran for 0 s: leave them out, or how long they run."
    )
    align: Literal["start", "clock"] = Field(
        default="start",
        description="Whether the run starts with the trace (or its window), or by the trace's clock: jobs submitted "
        "before the run starts are left out then.",
    )
    window: JobWindow | None = None
    rate_scale: Rate = 1.0
    jobs: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | None = Field(
        default=None, description="At most so many, from the first on."
    )

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """The trace, and the tables beside it."""
        beside: dict[str, str | None] = {"file": self.file, "tasks": self.tasks, "loads": self.loads}
        return tuple(((name,), file) for name, file in beside.items() if file is not None)
