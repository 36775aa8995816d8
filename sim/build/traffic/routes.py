"""Routes as written -> the requests that each workload is sent, and what moving them took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import WAN, Key, Ledger
from sim.build.resolved import Resolved
from sim.build.traffic.requests import Asked, request_source
from sim.kinds import builder
from sim.later import later
from sim.quantities import Nanoseconds
from sim.rng import Streams
from sim.signals import Signal
from sim.spec.requests import Lengths, SeparateLengths
from sim.spec.serving import Serving
from sim.workload.requests import RequestSource

with later():
    from sim.workload.routing import Difficulties, Limits, Lowest, Routed, Shares, tokens_by_bin


if TYPE_CHECKING:
    from sim.spec.difficulty import BetaDifficulty, DifficultyColumn, UniformDifficulty
    from sim.spec.routes import (
        ByCascade,
        ByDifficulty,
        ByLowest,
        ByNearest,
        ByShares,
        BySize,
        Destination,
        Route,
        RouteTransfer,
    )
    from sim.workload.routing import Rule


Floats = npt.NDArray[np.float64]
Signals = Mapping[str, Mapping[str, Signal]]


@dataclass(frozen=True, eq=False)
class Sent:
    """A workload at the end of a route: its requests, its pool and site, the latency of its users.

    Where it is ``relayed`` these are all requests of the route, of which it is handed its own while the run goes on.
    """

    pool: str
    site: str
    requests: RequestSource
    latency_ns: int
    relayed: bool = False


@dataclass(frozen=True)
class Transfer:
    """What a route sends away from home: bytes and joules a token, and what a byte costs."""

    bytes_per_token: float
    joule_per_byte: float
    cost_per_byte: float
    currency: str


class Told(NamedTuple):
    """What a request is held to limits by; ``drawn`` where nothing of it says."""

    by: Literal["prompt-tokens", "told", "drawn"]
    drawn: Difficulties | None = None


@dataclass(frozen=True, eq=False)
class RoutePlan:
    """A route and the workloads it leads to. Those at ``home``, a site, are reached without a ``transfer``.

    ``rule`` shares requests out, and ``told`` says how hard they are where they go from one place to the next.
    """

    to: Mapping[str, Sent]
    home: str | None
    transfer: Transfer | None
    rule: Rule | None = None
    told: Told | None = None


def route_plans(resolved: Resolved, signals: Signals, streams: Streams) -> dict[str, RoutePlan]:
    """Every route by name. The checks have said before where a site lacks a signal."""
    parts = resolved.parts
    found = {}
    for name, route in parts.routes.items():
        pools = {to: resolved.pool(to) for to in route.to}
        sites = {to: resolved.sites[pool] for to, pool in pools.items()}
        between = Between(name, route.to, {to: signals[site] for to, site in sites.items()}, streams)
        made = builder(route.by)(route.by, between)
        rule: Rule | None = None if isinstance(made, Told) else made
        told = made if isinstance(made, Told) else None
        asked = Asked(
            name,
            _lengths(route, resolved),
            route.prefix,
            parts.start_ns,
            parts.duration_ns,
            streams,
            route.difficulty_column,
            key=route.key_column,
        )
        source = request_source(route.arrivals, asked)
        sent = {}
        for place, (to, destination) in enumerate(route.to.items()):
            latency_ns = int(destination.latency or 0)  # left out at one site, whose users are as far from all
            own = source if route.relayed or rule is None else Routed(source, rule, place, latency_ns // 2)
            sent[to] = Sent(pools[to], sites[to], own, latency_ns, route.relayed)
        home = sites[route.home] if route.home is not None else None
        transfer = _transfer(route.transfer) if route.transfer is not None else None
        found[name] = RoutePlan(sent, home, transfer, rule if route.relayed else None, told)
    return found


ONE_TOKEN = {"kind": "constant", "tokens": 1}


def _lengths(route: Route, resolved: Resolved) -> Lengths | None:
    """Those that are written; of a token each where queues serve the route, for which tokens mean nothing."""
    if any(to in resolved.services for to in route.to) and not route.arrivals.brings_lengths:
        return SeparateLengths.model_validate({"kind": "separate", "prompt": ONE_TOKEN, "output": ONE_TOKEN})
    return route.lengths


def _transfer(written: RouteTransfer) -> Transfer:
    return Transfer(float(written.bytes_per_token), float(written.energy), float(written.cost), written.cost.currency)


@dataclass(frozen=True, eq=False)
class Between:
    """What a rule decides between: a route by its name, the signals of each place's site, and random streams."""

    name: str
    to: Mapping[str, Destination]
    signals: Mapping[str, Mapping[str, Signal]]
    streams: Streams


def by_lowest(by: ByLowest, between: Between) -> Lowest:
    """In the order of a signal."""
    return _ordered([between.signals[to][by.signal] for to in between.to], between, int(by.interval))


def by_nearest(by: ByNearest, between: Between) -> Lowest:
    """In the order of latency."""
    near = [Signal.constant(float(int(there.latency or 0)), "ns") for there in between.to.values()]
    return _ordered(near, between, int(by.interval))


def _ordered(order_by: Sequence[Signal], between: Between, interval_ns: int) -> Lowest:
    most = np.array([np.inf if there.most is None else float(there.most) for there in between.to.values()])
    return Lowest(tuple(order_by), most, interval_ns)


def by_shares(by: ByShares, between: Between) -> Shares:
    """By chance, which goes by names: where a place stands in the file draws nothing else."""
    names = list(between.to)
    shares = np.array([float(by.shares[to]) for to in names])
    return Shares(shares, np.array(np.argsort(names)), between.streams.named(f"route/{between.name}"))


def by_size(by: BySize, between: Between) -> Limits:
    """By the tokens of the prompt."""
    return _limits(by.up_to, by.beyond, by.conversations, between, Told("prompt-tokens"))


def by_difficulty(by: ByDifficulty, between: Between) -> Limits:
    """By how hard a request is."""
    return _limits(by.up_to, by.beyond, by.conversations, between, builder(by.of)(by.of, between))


def by_cascade(by: ByCascade, between: Between) -> Told:
    """One place after the other; what tells how hard requests are."""
    told: Told = builder(by.of)(by.of, between)
    return told


def _limits(up_to: Mapping[str, float], beyond: str, conversations: str, between: Between, told: Told) -> Limits:
    rising, to = sorted(up_to, key=lambda place: up_to[place]), list(between.to)
    limits = np.array([up_to[place] for place in rising], dtype=np.float64)
    places = np.array([to.index(place) for place in (*rising, beyond)], dtype=np.int64)
    return Limits(limits, places, told.by, conversations == "stay", told.drawn)


def uniform(_law: UniformDifficulty, between: Between) -> Told:
    """Equally likely."""
    return Told("drawn", Difficulties(None, between.streams.named(f"difficulty/{between.name}")))


def beta(law: BetaDifficulty, between: Between) -> Told:
    """By a beta law."""
    return Told("drawn", Difficulties((law.alpha, law.beta), between.streams.named(f"difficulty/{between.name}")))


def column(_law: DifficultyColumn, _between: Between) -> Told:
    """As its trace says."""
    return Told("told")


def as_users_see(workload: Serving, latency_ns: int) -> Serving:
    """The workload under an SLO that leaves the latency between its site and its users out."""
    if workload.slo is None:
        return workload
    limits = {}
    for field in ("ttft", "e2e"):
        limit = getattr(workload.slo, field)
        if limit is not None:
            left_ns = int(limit) - latency_ns
            limits[field] = Nanoseconds.of(left_ns, f"{left_ns} ns")
    return workload.model_copy(update={"slo": workload.slo.model_copy(update=limits)})


def moved_tokens(ledger: Ledger, routes: Mapping[str, RoutePlan]) -> dict[str, Floats]:
    """Tokens of requests served away from home, by the workload that served them, in the bin (n,) they arrive in.

    Workloads at the site of the route's home are at home.
    """
    return {
        name: tokens_by_bin(to.requests, ledger.edges_ns)
        for route in routes.values()
        if route.transfer is not None and route.home is not None
        for name, to in route.to.items()
        if to.site != route.home
    }


def with_network(ledger: Ledger, routes: Mapping[str, RoutePlan], moved: Mapping[str, Floats]) -> Ledger:
    """The ledger with what networks draw for ``moved`` tokens."""
    rows = list(zip(ledger.keys, ledger.energy_j, ledger.slot_ns, strict=True))
    for route in routes.values():
        for name, to in route.to.items():
            if name in moved and route.transfer is not None:
                joules = moved[name] * (route.transfer.bytes_per_token * route.transfer.joule_per_byte)
                key = Key(to.site, to.pool, "", WAN, name, "active")
                rows.append((key, joules, np.zeros_like(ledger.slot_ns[0])))
    return Ledger.of(ledger.edges_ns, rows) if moved else ledger
