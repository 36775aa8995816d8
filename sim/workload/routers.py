"""Which replica a request goes to: the names of the routers, and the plain rule of each.

Here, beside the engines, the schema finds the names and the reference engine the rules. The compiled engine says each
rule again in ``sim.engine.serving.kernel.routing``: a new router is a name and a rule here, and its twin there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Router = Literal[
    "round-robin",
    "random",
    "join-shortest-queue",
    "fewest-tokens",
    "power-of-two",
    "least-kv",
    "session-affinity",
    "prefix-affinity",
]
ROUTERS: tuple[Router, ...] = get_args(Router)


class Request(Protocol):
    """What routers see of a request."""

    ordinal: int
    session: int
    hashes: tuple[int, ...]


class Replica(Protocol):
    """What routers see of a replica: its index, requests it has, and tokens these have still to compute."""

    index: int
    assigned: int
    pending: int


@dataclass(frozen=True)
class Choice:
    """The replicas a request may go to, by index; at least one.

    ``turn`` tells the choices of a request apart; ``following`` is the least index whose turn it is. ``balance`` is the
    difference in requests beyond which no replica is given more for what it has cached. ``kv_demand`` are the KV blocks
    that a replica's requests use and await, and ``hits`` the leading hashed blocks of the prompt that it has cached.
    """

    replicas: Sequence[Replica]
    request: Request
    seed: int
    turn: int
    following: int
    balance: int
    kv_demand: Callable[[Replica], int]
    hits: Callable[[Replica], int]


def choose(router: Router, choice: Choice, *, decodes: bool) -> int:
    """Index of the replica; a hand-over to one that only ``decodes`` is of no session and no prefix."""
    sticks = router in ("session-affinity", "prefix-affinity")
    return _fewest_requests(choice) if decodes and sticks else _RULES[router](choice)


def _in_turn(choice: Choice) -> int:
    later = [r.index for r in choice.replicas if r.index >= choice.following]
    return later[0] if later else choice.replicas[0].index


def _random(choice: Choice) -> int:
    return choice.replicas[_draw(choice, choice.turn) % len(choice.replicas)].index


def _fewest_requests(choice: Choice) -> int:
    return min(choice.replicas, key=lambda r: r.assigned).index


def _fewest_tokens(choice: Choice) -> int:
    return min(choice.replicas, key=lambda r: r.pending).index


def _better_of_two(choice: Choice) -> int:
    n = len(choice.replicas)
    if n == 1:
        return choice.replicas[0].index
    first = _draw(choice, choice.turn) % n
    second = _draw(choice, choice.turn + (1 << 32)) % (n - 1)
    second += second >= first
    a, b = choice.replicas[first], choice.replicas[second]
    return a.index if a.assigned <= b.assigned else b.index


def _least_kv(choice: Choice) -> int:
    return min(choice.replicas, key=choice.kv_demand).index


def _of_session(choice: Choice) -> int:
    """The one whose hash with the session weighs most, so that few sessions move when a replica comes or goes."""
    if choice.request.session < 0:
        return _fewest_requests(choice)
    here = mix(choice.request.session ^ choice.seed)
    return max(choice.replicas, key=lambda r: (mix(here ^ r.index), -r.index)).index


def _most_cached(choice: Choice) -> int:
    """The one that holds most of the prompt's prefix, unless loads differ too much."""
    if choice.request.hashes:
        loads = [r.assigned for r in choice.replicas]
        found = [choice.hits(r) for r in choice.replicas]
        if max(loads) - min(loads) <= choice.balance and max(found):
            return min(zip(found, choice.replicas, strict=True), key=lambda pair: (-pair[0], pair[1].assigned))[1].index
    return _fewest_requests(choice)


_RULES: Mapping[Router, Callable[[Choice], int]] = {
    "round-robin": _in_turn,
    "random": _random,
    "join-shortest-queue": _fewest_requests,
    "fewest-tokens": _fewest_tokens,
    "power-of-two": _better_of_two,
    "least-kv": _least_kv,
    "session-affinity": _of_session,
    "prefix-affinity": _most_cached,
}


def _draw(choice: Choice, turn: int) -> int:
    return draw(choice.seed, choice.request.ordinal, turn)


def mix(value: int) -> int:
    """A 64-bit hash (the finalizer of SplitMix64; Steele, Lea, Flood, OOPSLA 2014, doi 10.1145/2660193.2660195)."""
    mask = (1 << 64) - 1
    z = (value + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def draw(seed: int, request: int, turn: int) -> int:
    """A hash of a request and its n-th choice, so that no choice depends on how the run was cut into pieces."""
    return mix(mix(mix(seed) ^ request) ^ turn)
