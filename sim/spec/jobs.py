"""Jobs as rows: a trace or a law of jobs on one or more pools, with what they draw, keep and are allowed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.later import later
from sim.quantities import Duration, Fraction, PositiveDuration, PositiveFraction, SmallRatio
from sim.spec.cluster import Wanted
from sim.spec.work import Workload
from sim.spec.workloads import MeasuredLoad, NameplateLoad, ThroughputLoad
from sim.validation import Spec

with later():
    from sim.spec.job_source import JobSource
    from sim.spec.workloads import Load


class TraceLoad(Spec):
    """W of each job's GPUs at work as the trace recorded them; one that recorded none for a job is refused."""

    kind: Literal["trace"]


class LoadByKind(Spec):
    """What a job's GPUs draw by the kind of job that the trace or the law says it is."""

    kind: Literal["by-kind"]
    kinds: dict[str, Load] = Field(min_length=1)
    other: Load | None = Field(default=None, description="Of jobs of any other kind; refused, if absent.")


JobLoad = Annotated[ThroughputLoad | MeasuredLoad | NameplateLoad | TraceLoad | LoadByKind, Field(discriminator="kind")]

FromTrace = Annotated[
    Annotated[Literal["trace"], Tag("@word")] | Annotated[Fraction, Tag("@quantity")],
    Discriminator(lambda value: "@word" if value == "trace" else "@quantity"),
    WithJsonSchema({"description": "a fraction, or trace", "examples": [0.1, "trace"]}),
]


class KillJob(Spec):
    """A job that must make room is killed and its work is lost; it waits again from the start, or is gone."""

    kind: Literal["kill"]
    then: Literal["wait-again", "gone"] = "wait-again"


class SaveJob(Spec):
    """A job that must make room writes its state first, and goes on from there on other machines.

    A node that fails leaves no time to save: the job goes back to the last of its checkpoints ``every`` so much work,
    or to its start where it takes none.
    """

    kind: Literal["checkpoint"]
    save: Duration = Field(description="Writing its state; the machines are held for so long.")
    restart: Duration = Field(description="From holding machines again to going on.")
    every: PositiveDuration | None = None


Preemption = Annotated[KillJob | SaveJob, Field(discriminator="kind")]


class SpeedUp(Choice):
    """How much faster a job works on more slots than it asks for, or slower on fewer."""

    family: ClassVar[str] = "speed-up"


class Amdahl(SpeedUp):
    """A share of the work runs in parallel, the rest on one slot's worth of time (Amdahl 1967)."""

    parallel: PositiveFraction


class Goodput(SpeedUp):
    """n^exponent: what batches that grow with the slots leave of linear speed (cf. Qiao et al., Pollux, OSDI 2021)."""

    exponent: PositiveFraction


class Jobs(Workload):
    """Jobs as rows: each waits in the queue of the cluster for slots of one of the pools, holds them, and is gone."""

    counts: ClassVar[tuple[str, ...]] = ("gpu-hour",)

    source: JobSource
    pool: str | None = Field(default=None, description="Which pool of nodes; needed where there are several.")
    pools: list[str] | None = Field(
        default=None, min_length=1, description="Several, in place of 'pool'; first choice first."
    )
    gpu_types: dict[str, str] = Field(
        default_factory=dict,
        description="The pool for jobs that ask for a type of GPU, by the type's name in the trace.",
    )
    node_map: dict[str, str] = Field(
        default_factory=dict,
        description="The pool of the nodes that a trace has jobs on, by lists of their names such as node[001-064]: a "
        "job runs in the pool where it ran, and 'validate' compares what each node did.",
    )
    speeds: dict[str, SmallRatio] = Field(
        default_factory=dict,
        description="How fast jobs run in each pool relative to their run times; needed where their GPUs differ.",
    )
    load: JobLoad | None = Field(default=None, description="What a GPU draws at work; needed where there are GPUs.")
    cpu_load: FromTrace = Field(description="Load of the CPUs that are a job's while it works, e.g. 0.1; or trace.")
    communication: Fraction | None = Field(
        default=None,
        description="Of the run time of a job on one island of a node, the share in which its GPUs exchange and "
        "compute nothing; needed where the GPUs of a node are in several islands, and of no use elsewhere.",
    )
    setup: Duration = Field(
        default="0 s", validate_default=True, description="From holding machines to the first work."
    )
    time_limits: Literal["kill", "run-on"] = Field(
        default="kill",
        description="What happens to a job that has held its machines for as long as its user asked for, since it last "
        "began from the start; boots of its nodes do not count.",
    )
    preemption: Preemption = Field(
        default_factory=lambda: KillJob(kind="kill"), description="What becomes of one that must make room."
    )
    speed_up: SpeedUp | None = Field(default=None, description="Of elastic jobs; they keep their size, if absent.")

    @model_validator(mode="after")
    def _one_way(self) -> Jobs:
        if self.pool is not None and self.pools is not None:
            raise PydanticCustomError("pools", "give 'pool' or 'pools', not both")
        if self.pools is not None and len(set(self.pools)) < len(self.pools):
            raise PydanticCustomError("pools", "names a pool twice in 'pools'")
        if self.gpu_types and self.node_map:
            raise PydanticCustomError(
                "pools", "give 'gpu_types' or 'node_map', not both: each says where a job may run"
            )
        return self

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Those of its source."""
        return tuple((("source", *path), file) for path, file in self.source.files)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """A slot of each of its pools at least; how many depends on its jobs."""
        if self.pools is None:
            return (Wanted("", self.pool, 1, any_node=True),)
        return tuple(Wanted(f"pools.{i}", pool, 1, any_node=True) for i, pool in enumerate(self.pools))
