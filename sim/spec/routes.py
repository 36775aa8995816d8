"""Routes: one stream of users served by several workloads, at several sites."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.quantities import (
    Bytes,
    DataPrice,
    Duration,
    EnergyPerByte,
    PositiveDuration,
    PositiveFraction,
    RequestRate,
)
from sim.spec.policies import SignalName
from sim.spec.requests import Clients, Lengths, OpenArrivals, Prefix
from sim.validation import Spec


class Destination(Spec):
    """A serving workload: how far it is, and how much it may be sent."""

    latency: Duration = Field(description="Round trip between users and its site, e.g. '40 ms'.")
    most: RequestRate | None = Field(
        default=None, description="New requests or conversations; no limit, if absent. Shares keep none."
    )


class ByLowest(Spec):
    """To the site with the lowest present value of a signal, decided once an interval."""

    kind: Literal["lowest"]
    signal: SignalName
    interval: PositiveDuration = Field(description="e.g. '15 min'.")


class ByNearest(Spec):
    """To the place of the shortest latency."""

    kind: Literal["nearest"]
    interval: PositiveDuration = Field(description="Over which 'most' is kept, e.g. '1 min'.")


class ByShares(Spec):
    """To places drawn with these chances, whatever happens."""

    kind: Literal["shares"]
    shares: dict[str, PositiveFraction] = Field(min_length=2)

    @model_validator(mode="after")
    def _whole(self) -> ByShares:
        total = sum(self.shares.values())
        if abs(total - 1.0) > 1e-9:
            raise PydanticCustomError("shares", "must sum to 1, and sum to {total}", {"total": f"{total:g}"})
        return self


class RouteTransfer(Spec):
    """What a request served away from home takes on the way."""

    bytes_per_token: Bytes = Field(description="Of prompt and output, e.g. '8 B'.")
    energy: EnergyPerByte = Field(description="Of the network between the sites, e.g. '0.06 kWh/GB'.")
    cost: DataPrice = Field(description="Of leaving the home site (egress), e.g. '0.05 USD/GB'.")


class Route(Spec):
    """A stream of requests, the workloads that serve it, and how it is shared out among them.

    Latency comes on top of what a site's requests take, and is taken off the SLO that its workload is held to.
    """

    arrivals: OpenArrivals
    lengths: Lengths | None = None
    prefix: Prefix | None = None
    to: dict[str, Destination] = Field(min_length=2, max_length=100)
    by: Annotated[ByLowest | ByNearest | ByShares, Field(discriminator="kind")]
    home: str | None = Field(default=None, description="Needed with 'transfer': what is served there is not moved.")
    transfer: RouteTransfer | None = None

    @model_validator(mode="after")
    def _moves_from_somewhere(self) -> Route:
        if (self.home is None) != (self.transfer is None):
            raise PydanticCustomError("home", "give 'home' and 'transfer' together, or neither")
        if isinstance(self.arrivals, Clients) and self.lengths is not None:
            raise PydanticCustomError("lengths", "clients bring their own lengths")
        return self
