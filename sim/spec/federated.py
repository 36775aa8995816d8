"""Federated training: rounds over a fleet of users' devices, and the server that takes in their updates."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.later import later
from sim.quantities import (
    Bytes,
    DevicePower,
    Duration,
    Fraction,
    PositiveDuration,
    PositiveFraction,
    SmallRatio,
)
from sim.spec.cluster import Wanted
from sim.spec.work import Workload
from sim.spec.workloads import MOST_GPUS
from sim.validation import Spec, mapping_or

with later():
    from sim.spec.factors import FactorLaw
    from sim.spec.networks import AccessNetwork


MOST_CLIENTS = 1_000_000
MOST_ROUNDS = 10_000_000
Clients = Annotated[int, Field(ge=1, le=MOST_CLIENTS, strict=True)]
Rounds = Annotated[int, Field(ge=1, le=MOST_ROUNDS, strict=True)]


class DeviceKind(Spec):
    """One kind of device: how many of the clients it is, what it draws, and how fast it trains. What is not written of
    its watts stands in its profile."""

    share: PositiveFraction = Field(description="Of all clients; the shares sum to 1.")
    network: str = Field(description="One of 'networks'.")
    profile: str | None = Field(default=None, description="A profile of kind 'device'.")
    training: DevicePower | None = Field(default=None, description="Drawn for it while it trains, e.g. '4 W'.")
    idle: DevicePower | None = Field(
        default=None, description="Drawn for it while it transfers and does not train, e.g. '1 W'."
    )
    samples_per_second: float = Field(gt=0, le=1e12, description="That it trains on.")

    @model_validator(mode="after")
    def _known(self) -> DeviceKind:
        lacking = [name for name in ("training", "idle") if getattr(self, name) is None]
        if self.profile is None and lacking:
            raise PydanticCustomError("watts", "needs {lacking}, or a 'profile'", {"lacking": ", ".join(lacking)})
        return self


class AggregationSpec(Choice):
    """How updates of clients become rounds."""

    family: ClassVar[str] = "aggregation"

    @property
    @abstractmethod
    def clients_per_round(self) -> int:
        """Updates that make a round."""


class SynchronousRounds(AggregationSpec):
    """Rounds begin together: more clients are asked than are needed, and who is late is dropped (arXiv:1902.01046)."""

    clients: Clients = Field(description="Updates that end a round.")
    over_selection: Annotated[SmallRatio, Field(description="Clients asked beyond that, e.g. '30 %'.")]
    deadline: PositiveDuration = Field(description="When a round ends with those who are back, e.g. '10 min'.")
    least: Fraction = Field(description="Share of 'clients' below which a round at its deadline is abandoned.")
    between: Duration = Field(description="From the end of a round to the next one's clients.")

    @property
    def clients_per_round(self) -> int:
        """As many as end a round."""
        return self.clients


class BufferedRounds(AggregationSpec):
    """Clients are at work all the time, and every so many updates are a round (FedBuff, arXiv:2106.06639)."""

    at_once: Clients = Field(description="Clients at work.")
    buffer: Clients = Field(description="Updates that make a round.")
    deadline: PositiveDuration = Field(description="After which a client is given up.")

    @property
    def clients_per_round(self) -> int:
        """The buffer."""
        return self.buffer


class RoundsByClients(Spec):
    """Rounds to a goal that fall with the clients in each: at_large x (1 + critical_clients / clients), the form of
    steps over batch size in arXiv:1812.06162. Both constants are of the task, and the user's to know."""

    at_large: float = Field(ge=1, le=MOST_ROUNDS, description="Rounds with any number of clients.")
    critical_clients: float = Field(ge=0, le=1e9, description="Clients at which twice as many rounds are needed.")


class AggregationServer(Spec):
    """Slots of the cluster (GPUs, or sockets of a node without any), held from the first round to the last."""

    pool: str | None = Field(default=None, description="Which pool of nodes; needed where there are several.")
    slots: int = Field(ge=1, le=MOST_GPUS, strict=True)
    cpu_load: Fraction = Field(description="Load of the hosts' CPUs while updates are taken in, e.g. 0.5.")
    per_round: Duration = Field(description="At work after each round, e.g. '5 s'.")
    per_update: Duration = Field(description="And for each update in it, e.g. '10 ms'.")


class FederatedSpec(Workload):
    """Training on users' devices in rounds, with the server's, the devices' and the networks' energy.

    What devices and networks draw is no IT of a site: ``accounting.outside`` says at what carbon intensity.
    """

    counts: ClassVar[tuple[str, ...]] = ("round",)

    server: AggregationServer
    devices: dict[str, DeviceKind] = Field(min_length=1, max_length=1000)
    networks: dict[str, AccessNetwork] = Field(min_length=1, max_length=1000)
    samples: float = Field(gt=0, le=1e12, description="That a client trains on in a round, epochs multiplied out.")
    spread: FactorLaw = Field(description="A client's time to train, relative to its kind's: stragglers.")
    drop_out: Fraction = Field(description="Share of clients that are never heard of again.")
    download: Bytes = Field(description="Of the model, by each client, e.g. '20 MB'.")
    upload: Bytes = Field(description="Of an update.")
    aggregation: AggregationSpec
    rounds: Annotated[
        Annotated[Rounds, Tag("@number")] | Annotated[RoundsByClients, Tag("@mapping")], mapping_or("@number")
    ]
    start_after: Duration = Field(default="0 s", validate_default=True)

    @model_validator(mode="after")
    def _whole(self) -> FederatedSpec:
        total = sum(kind.share for kind in self.devices.values())
        if abs(total - 1.0) > 1e-9:
            raise PydanticCustomError(
                "devices", "shares of 'devices' must sum to 1, and sum to {sum}", {"sum": f"{total:g}"}
            )
        for name, kind in self.devices.items():
            if kind.network not in self.networks:
                known = {"device": name, "name": kind.network, "known": ", ".join(self.networks)}
                raise PydanticCustomError("network", "'{device}' is on '{name}', none of 'networks'  ({known})", known)
        if self.drop_out == 1.0:
            raise PydanticCustomError("drop_out", "'drop_out' must be below 1: no update would ever come")
        return self

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The slots of its server."""
        return (Wanted("", self.server.pool, self.server.slots, any_node=True),)
