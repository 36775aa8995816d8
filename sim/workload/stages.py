"""How requests go through stages on devices and at places: legs, what moves between them, and how long that takes.

Values in integer ns, B and J; the engine follows them and nothing here draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.units import ns_from
from sim.workload.laws import Law

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
ON_DEVICE = -1
"""The place of a leg on the device itself."""


@dataclass(frozen=True)
class Network:
    """J of a byte, B/s to and from a device, and ns that anything takes, one way."""

    joule_per_byte: float
    up_byte_per_s: float
    down_byte_per_s: float
    latency_ns: int


Way = Literal["up", "down"]


@dataclass(frozen=True)
class Move:
    """Bytes on their way: ns in which they pass, ns until the first is there, J of the networks. ``way`` is that of
    the device's own part in it, None where it moves between places."""

    pass_ns: int
    latency_ns: int
    joules: float
    byte: float
    way: Way | None


def move(byte: float, path: Sequence[tuple[Network, Way]], way: Way | None) -> Move | None:
    """``byte`` over networks one after another: they pass at the rate of the slowest while it lasts, latencies and
    energies add up. Nothing is sent where there is nothing to send or nowhere to go."""
    if not byte or not path:
        return None
    slowest = min(net.up_byte_per_s if going == "up" else net.down_byte_per_s for net, going in path)
    return Move(
        pass_ns=max(1, ns_from(byte / slowest)),
        latency_ns=sum(net.latency_ns for net, _ in path),
        joules=byte * sum(net.joule_per_byte for net, _ in path),
        byte=byte,
        way=way,
    )


@dataclass(frozen=True)
class DeviceKind:
    """``count`` devices of one kind: W at each use (see ``split_records.USES``). Those that are ``kept`` for this work
    draw their standby between requests, and are held all the time; others count only while they have to do with it."""

    name: str
    count: int
    watts: tuple[float, float, float, float]
    kept: bool


@dataclass(frozen=True)
class Leg:
    """Stages ``first`` to ``last`` one after another at one place, or on the device.

    ``device_ns`` (kinds, stages) is how long each takes on a device; of a place its queue knows. ``into`` is the move
    that brings what the first of them reads, ``back`` that of the reply from here, each by kind of device.
    """

    place: int
    first: int
    last: int
    device_ns: tuple[tuple[int, ...], ...]
    into: tuple[Move | None, ...]
    back: tuple[Move | None, ...]


@dataclass(frozen=True)
class Course:
    """All legs, the share of requests that leave after each stage, and the law of a request's time on its device.

    ``answered``: something comes back from places, so that a device waits for it.
    """

    legs: tuple[Leg, ...]
    leaves: tuple[float, ...]
    factors: Law | None
    answered: bool

    def left_after(self, rng: np.random.Generator, count: int) -> Ints:
        """The stage after which each of ``count`` requests leaves (count,): the last, if none before is enough."""
        last = len(self.leaves) - 1
        if not any(self.leaves):
            return np.full(count, last, dtype=np.int64)
        leaves = rng.random((count, last)) < np.array(self.leaves[:-1])
        return np.where(leaves.any(axis=1), leaves.argmax(axis=1), last).astype(np.int64)
