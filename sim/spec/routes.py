"""Routes: one stream of users served by several workloads, at several sites."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.later import later
from sim.quantities import (
    Bytes,
    DataPrice,
    Duration,
    Energy,
    EnergyPerByte,
    Fraction,
    LookInterval,
    PositiveDuration,
    RequestRate,
)
from sim.spec.schedules import SignalName
from sim.validation import Spec

with later():
    from sim.spec.difficulty import Difficulty, Level
    from sim.spec.requests import Lengths, OpenArrivals, Prefix, Tokens
    from sim.spec.result_cache import RouteCache


class Destination(Spec):
    """A serving workload: how far it is, and how much it may be sent."""

    latency: Duration | None = Field(
        default=None,
        description="Round trip between users and its site, e.g. '40 ms'. Of workloads at one site it may be left out.",
    )
    most: RequestRate | None = Field(
        default=None,
        description="New requests or conversations; no limit, if absent. Only 'lowest' and 'nearest' keep one.",
    )


class RouteRule(Choice):
    """How a route shares its requests out. Whether it needs the latency of each place, and what else it goes by."""

    family: ClassVar[str] = "route rule"
    needs_latency: ClassVar[bool] = False

    @property
    def sees(self) -> SignalName | None:
        """The signal of each place's site that it goes by."""
        return None

    @property
    def difficulty_column(self) -> str | None:
        """The column of the trace it goes by."""
        return None


class ByLowest(RouteRule):
    """Sends requests to the site with the lowest present value of a signal, decided once an interval."""

    signal: SignalName
    interval: LookInterval = Field(description="e.g. '15 min'.")

    @property
    def sees(self) -> SignalName:
        """The one that is written."""
        return self.signal


class ByNearest(RouteRule):
    """Sends requests to the place of the shortest latency."""

    needs_latency: ClassVar[bool] = True

    interval: PositiveDuration = Field(description="Over which 'most' is kept, e.g. '1 min'.")


class ByShares(RouteRule):
    """Sends requests to places drawn with these chances, whatever happens."""

    shares: dict[str, Fraction] = Field(min_length=2)

    @model_validator(mode="after")
    def _whole(self) -> ByShares:
        total = sum(self.shares.values())
        if abs(total - 1.0) > 1e-9:
            raise PydanticCustomError("shares", "must sum to 1, and sum to {total}", {"total": f"{total:g}"})
        return self


class _ByLimits(RouteRule):
    """To different places by a number that each request has: up to a limit to one, beyond all limits to another.

    Conversations ``move`` when a later turn exceeds a limit (what was cached of them is then computed anew), or
    ``stay`` where their first turn went.
    """

    beyond: str = Field(description="The workload that takes what exceeds every limit.")
    conversations: Literal["move", "stay"] = "move"


def _rise(limits: Mapping[str, float], beyond: str) -> None:
    if len(set(limits.values())) < len(limits):
        raise PydanticCustomError(
            "up_to", "two workloads have the same limit: one of them would never be sent anything"
        )
    if beyond in limits:
        raise PydanticCustomError("beyond", "'{name}' has a limit in 'up_to' already", {"name": beyond})


def _drawn_within(of: Difficulty, limits: Mapping[str, float]) -> None:
    if of.of_trace is None and not all(0.0 <= limit <= 1.0 for limit in limits.values()):
        raise PydanticCustomError("up_to", "must lie between 0 and 1, as the difficulties drawn do")


class BySize(_ByLimits):
    """Sends requests by their prompt's tokens: to the first workload whose limit holds them."""

    up_to: dict[str, Tokens] = Field(min_length=1, description="The longest prompt that each takes, in tokens.")

    @model_validator(mode="after")
    def _apart(self) -> BySize:
        _rise(self.up_to, self.beyond)
        return self


class ByDifficulty(_ByLimits):
    """Sends requests by how hard they are: to the first workload whose limit holds their difficulty."""

    of: Difficulty
    up_to: dict[str, Level] = Field(min_length=1, description="The hardest request that each takes.")

    @property
    def difficulty_column(self) -> str | None:
        """Where the difficulty is in one."""
        return self.of.of_trace

    @model_validator(mode="after")
    def _apart(self) -> ByDifficulty:
        _rise(self.up_to, self.beyond)
        _drawn_within(self.of, self.up_to)
        return self


class Verifier(Spec):
    """What judges an answer before it is given: how long that takes, and what energy of the CPU beside the model."""

    time: Duration
    energy: Energy


class ByCascade(RouteRule):
    """Asks the place of the lowest limit first, and the next where that cannot answer; who asks waits for all of them.

    An answer is judged by the ``verifier`` of its place, and given if the request is no harder than the limit there.
    The last place is not judged. Which requests a model answers well is the user's to say.
    """

    of: Difficulty
    up_to: dict[str, Level] = Field(min_length=1, description="The hardest request that each answers.")
    beyond: str = Field(description="The workload that answers what exceeds every limit.")
    verifier: Verifier

    @property
    def difficulty_column(self) -> str | None:
        """Where the difficulty is in one."""
        return self.of.of_trace

    @model_validator(mode="after")
    def _apart(self) -> ByCascade:
        _rise(self.up_to, self.beyond)
        _drawn_within(self.of, self.up_to)
        return self


class RouteTransfer(Spec):
    """What a request served away from home takes on the way."""

    bytes_per_token: Bytes = Field(description="Of prompt and output, e.g. '8 B'.")
    energy: EnergyPerByte = Field(description="Of the network between the sites, e.g. '0.06 kWh/GB'.")
    cost: DataPrice = Field(description="Of leaving the home site (egress), e.g. '0.05 USD/GB'.")


class Route(Spec):
    """A stream of requests, the workloads that serve it, and how it is shared out among them.

    They may stand at one site (a small and a large model) or at several. Latency comes on top of what a site's requests
    take, and is taken off the SLO that its workload is held to.
    """

    arrivals: OpenArrivals
    lengths: Lengths | None = None
    prefix: Prefix | None = None
    to: dict[str, Destination] = Field(min_length=2, max_length=100)
    by: RouteRule
    home: str | None = Field(
        default=None, description="Needed with 'transfer': what is served at its site is not moved."
    )
    transfer: RouteTransfer | None = None
    cache: RouteCache | None = Field(default=None, description="A memo of results that is looked into first.")

    @property
    def relayed(self) -> bool:
        """Whether what becomes of a request at one place decides where it goes, or whether it goes anywhere."""
        return self.cache is not None or isinstance(self.by, ByCascade)

    @property
    def key_column(self) -> str | None:
        """The column of its trace that says which requests are the same, where a memo goes by one."""
        return self.cache.keys.of_trace if self.cache is not None else None

    @property
    def difficulty_column(self) -> str | None:
        """The column of its trace that says how hard each request is, where it is shared out by one."""
        return self.by.difficulty_column

    @model_validator(mode="after")
    def _moves_from_somewhere(self) -> Route:
        if (self.home is None) != (self.transfer is None):
            raise PydanticCustomError("home", "give 'home' and 'transfer' together, or neither")
        if self.arrivals.kind == "clients" and self.lengths is not None:
            raise PydanticCustomError("lengths", "clients bring their own lengths")
        return self

    @model_validator(mode="after")
    def _far_or_not(self) -> Route:
        without = [name for name, there in self.to.items() if there.latency is None]
        if without and (len(without) < len(self.to) or self.by.needs_latency):
            names = ", ".join(without)
            raise PydanticCustomError("to", "latency is missing for {names}: give it for all or none", {"names": names})
        return self

    @model_validator(mode="after")
    def _difficulty_is_there(self) -> Route:
        if self.difficulty_column is not None and self.arrivals.kind != "trace":
            raise PydanticCustomError("by", "a column of difficulties needs arrivals: {k}", {"k": "{kind: trace, ...}"})
        if self.key_column is not None and self.arrivals.kind != "trace":
            raise PydanticCustomError("cache", "a column of keys needs arrivals: {k}", {"k": "{kind: trace, ...}"})
        if self.relayed and self.transfer is not None:
            message = "what a cascade or a memo sends between sites is not known: leave 'transfer' out"
            raise PydanticCustomError("transfer", message)
        return self
