"""A whole scenario: what machines do what work at which sites, and how it is accounted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from sim.instants import FIRST_YEAR, LAST_YEAR, epoch_ns
from sim.later import later
from sim.quantities import Nanoseconds, PositiveDuration
from sim.spec.accounting import Accounting
from sim.spec.cluster import Cluster
from sim.spec.site import Place, Site
from sim.spec.work import Workload
from sim.units import HOUR_NS
from sim.validation import LONGEST_NAME, Spec, mapping_or

with later():
    from sim.spec.growth import Growth
    from sim.spec.policies import Policy
    from sim.spec.published import PublishedRecord
    from sim.spec.requests import RoutedArrivals
    from sim.spec.routes import Route
    from sim.spec.serving import Serving
    from sim.spec.uncertainty import Uncertainty


def _as_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("instant", "must be a time such as '2022-03-11T00:00:00Z'")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        message = "cannot be read as a time; write it like '2022-03-11T00:00:00Z'"
        raise PydanticCustomError("instant", message) from None
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        message = "must lie between the years {a} and {b}"
        raise PydanticCustomError("instant", message, {"a": str(FIRST_YEAR), "b": str(LAST_YEAR)})
    return moment


def _with_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise PydanticCustomError("zone", "needs a time zone; write 'Z' at its end for UTC")
    return moment.astimezone(UTC)


Instant = Annotated[
    datetime,
    BeforeValidator(_as_text),
    AfterValidator(_with_zone),
    PlainSerializer(lambda moment: moment.isoformat().replace("+00:00", "Z")),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2022-03-11T00:00:00Z"]}),
]

LONGEST_WORKLOAD_NAME = 10_240
"""Characters: it is shown as text wherever it stands, and cut short where there is no room."""
PlainName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST_NAME)]


WorkloadName = Annotated[
    str,
    Field(
        pattern="^[^\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]+$",
        min_length=1,
        max_length=LONGEST_WORKLOAD_NAME,
        description='Any text without control characters; in a path, one with a point or a mark stands in "...".',
    ),
]


class Sample(Spec):
    """A uniform random sample of the finished requests."""

    sample: int = Field(ge=1, le=10**9, strict=True)


DEFAULT_BIN = Nanoseconds.of(HOUR_NS, "1 h")


class Outputs(Spec):
    """What a run writes: the reporting interval of the ledger, and which requests get a row."""

    bin: PositiveDuration | None = Field(
        default=None, description="An hour unless written; longer where the ledger would not fit memory, and told then."
    )
    requests: Annotated[
        Annotated[Literal["none", "all"], Tag("@word")] | Annotated[Sample, Tag("@mapping")], mapping_or("@word")
    ] = "none"

    iterations: int = Field(
        default=0,
        ge=0,
        le=10**7,
        strict=True,
        description="How many iterations of each service of a language model are kept, the first ones. The plain "
        "engine runs those services, with the same results in more time.",
    )

    @property
    def bin_ns(self) -> int:
        """The reporting interval of the ledger in ns."""
        return int(self.bin if self.bin is not None else DEFAULT_BIN)


class Scenario(Spec):
    """One run. Without ``duration`` or ``end`` it lasts until its work is done."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    description: str = Field(default="", max_length=20_000)
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)
    start: Instant
    end: Instant | None = None
    duration: PositiveDuration | None = None
    site: Site | None = None
    sites: dict[PlainName, Place] | None = Field(
        default=None, min_length=1, description="Several places by name, in place of 'site'; pools name theirs."
    )
    profiles: str | None = Field(
        default=None, description="A folder of profiles of one's own, which come before those that ship."
    )
    cluster: Cluster
    workloads: dict[WorkloadName, Workload] = Field(min_length=1)
    routes: dict[PlainName, Route] = Field(
        default_factory=dict, description="Streams of requests that several workloads share."
    )
    policies: list[Policy] = Field(default_factory=list, description="Power caps and demand response.")
    accounting: Accounting
    outputs: Outputs = Field(default_factory=Outputs)
    uncertainty: Uncertainty | None = Field(
        default=None, description="Distributions of numbers in this scenario, for intervals and sensitivities."
    )

    growth: Growth | None = Field(
        default=None, description="The year that is meant, and how its numbers come from those of another year."
    )
    published: PublishedRecord | None = Field(
        default=None, description="What a paper reports of this; changes no run, and is held against it by 'reproduce'."
    )

    @property
    def places(self) -> dict[str, Place]:
        """Every place by its name."""
        if self.site is not None:
            return {self.site.name: self.site}
        return dict(self.sites or {})

    @property
    def asked(self) -> dict[str, Workload]:
        """Every workload with the requests that it is asked: those of its route in place of ``routed`` arrivals."""
        return {name: self._asked(workload) for name, workload in self.workloads.items()}

    def _asked(self, workload: Workload) -> Workload:
        if not (isinstance(workload, Serving) and isinstance(workload.arrivals, RoutedArrivals)):
            return workload
        route = self.routes.get(workload.arrivals.route)
        if route is None:
            return workload
        return workload.model_copy(
            update={"arrivals": route.arrivals, "lengths": route.lengths, "prefix": route.prefix}
        )

    @property
    def duration_ns(self) -> int | None:
        """How long it lasts in ns, or None for until its work is done."""
        if self.duration is not None:
            return int(self.duration)
        if self.end is None:
            return None
        return epoch_ns(self.end) - self.start_ns

    @property
    def bin_ns(self) -> int:
        """The reporting interval of the ledger in ns."""
        return self.outputs.bin_ns

    @property
    def start_ns(self) -> int:
        """The start in ns since 1970."""
        return epoch_ns(self.start)
