"""How jobs that share one GPU slow each other, and what it draws: pure functions of what each would do alone.

Of a unit of time that a job has a whole GPU to itself, multiprocessors are at work for ``compute``, memory for
``memory``, and the host and all waiting fill the rest. That the three overlap in part is taken as a sum of squares,
``host**2 = 1 - compute**2 - memory**2``. With less of a resource, or others on it, its term is stretched:

    slowdown**2 = host**2 + (compute x a)**2 + (memory x b)**2

An instance of MIG has its own part of both: ``a`` is 1 over its share of the multiprocessors, ``b`` 1 over its share of
memory. Under MPS all use all of it at once, as a processor that is shared: a job finds the others there, each for the
part of its time that it has work there,

    a = 1 + sum over the others of (compute x a / slowdown)

which is approximate mean value analysis of a closed network with one customer a class (Bard, "Some extensions to
multiclass queueing network analysis", 1979; Schweitzer, "Approximate analysis of multiclass closed networks of queues",
1979). Time slices give the GPU to one after the other, however little of it he uses: the same, of the time that each
has any kernel there, and a switch costs.

The law has the limits that it must have: alone 1; n that each fill the GPU, n; nothing is ever used beyond what there
is; who needs little of it is slowed little. Its one constant is the exponent, 2, the nearest whole one: of five
trainings on an A100 (Li et al., MISO, arXiv:2207.11428, iteration times in its repository), with both needs read off 1g
and 3g, times on 2g and 4g are met to 4.2 %. ``tests/test_sharing.py`` holds it against those and against others.

Power follows the work: what a job adds to the GPU's rest is in proportion to its rate, since a kernel takes the joules
that it takes; more than the board's limit is taken from all alike. Left out: that a clock falls before the limit binds,
PCIe (which instances share, too), and the order of kernels within a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sim.profiles.shared_gpu.slices import Geometry

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """A job on a GPU, by what it would do on a whole one alone; all but ``work_w`` are shares in 0..1.

    ``compute`` of the multiprocessors' time, ``memory`` of the bandwidth, ``busy`` of the time there is any kernel on
    it; ``reserved`` of the GPU, and ``held`` of its memory's capacity. ``work_w`` is what it then adds to rest power.
    """

    compute: float
    memory: float
    busy: float
    reserved: float
    held: float = 0.0
    work_w: float = 0.0

    def __post_init__(self) -> None:
        assert self.compute**2 + self.memory**2 <= 1.0 + 1e-9, "more than all of its time"
        assert max(self.compute, self.memory) <= self.busy + 1e-9 <= 1.0 + 2e-9, "works while nothing of it runs"

    @classmethod
    def asked(cls, reserved: float, *, memory_bound: float = 0.0, held: float = 0.0, work_w: float = 0.0) -> Demand:
        """Of a job of which no more is known than the part of a GPU that it asked for: it keeps that busy and no more.

        ``memory_bound`` (0..1) of what it does there is memory's, and the rest is the multiprocessors'.
        """
        compute, memory = reserved * sqrt(1.0 - memory_bound), reserved * sqrt(memory_bound)
        return cls(compute, memory, reserved, reserved, held, work_w)

    @property
    def host(self) -> float:
        """The square of what is neither."""
        return max(0.0, 1.0 - self.compute**2 - self.memory**2)


class Sharing(Protocol):
    """A way of sharing one GPU."""

    def asked(self, reserved: float, work_w: float) -> Demand:
        """What a job does of which no more is known than its part of a GPU, and the W that it adds on a whole one."""
        ...

    def fits(self, demands: Sequence[Demand]) -> bool:
        """Whether all of them may be on one GPU at once."""
        ...

    def slowdowns(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """Time of each, relative to a whole GPU alone; at least 1. They fit."""
        ...

    def rest_shares(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """Which part of the GPU's rest power each answers for, in sum at most 1; what is left is nobody's."""
        ...


class _ByPart:
    def asked(self, reserved: float, work_w: float) -> Demand:
        """See ``Sharing``."""
        return Demand.asked(reserved, work_w=work_w)


@dataclass(frozen=True)
class Exclusive(_ByPart):
    """One job a GPU, whatever part of it it asked for."""

    def fits(self, demands: Sequence[Demand]) -> bool:
        """See ``Sharing``."""
        return len(demands) <= 1

    def slowdowns(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """None."""
        return (1.0,) * len(demands)

    def rest_shares(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """All of it."""
        return (1.0,) * len(demands)


@dataclass(frozen=True)
class Instances(_ByPart):
    """Each job on the smallest instance that has what it asked for, isolated from all others (MIG).

    ``multiprocessors`` are the shares of the whole board that a kind of instance has; a cut board does not give all
    away. Rest power goes by compute slices, so that what no instance can hold is nobody's.
    """

    geometry: Geometry
    multiprocessors: Mapping[str, float]

    def kinds(self, demands: Sequence[Demand]) -> tuple[str | None, ...]:
        """The kind of instance of each; None of one that no instance has room for."""
        return tuple(self.geometry.smallest(one.reserved, one.held) for one in demands)

    def fits(self, demands: Sequence[Demand]) -> bool:
        """Whether there are places for all of their instances at once."""
        kinds = [kind for kind in self.kinds(demands) if kind is not None]
        return len(kinds) == len(demands) and self.geometry.arrange(kinds) is not None

    def slowdowns(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """By the instance alone: nobody else's work is in it."""
        return tuple(self.slowdown(one, kind) for one, kind in zip(demands, self.kinds(demands), strict=True) if kind)

    def slowdown(self, demand: Demand, kind: str) -> float:
        """Time on an instance of one kind, relative to a whole GPU alone."""
        memory = self.geometry.kinds[kind].memory / self.geometry.memory
        return _slowdown(demand, demand.compute / self.multiprocessors[kind], demand.memory / memory)

    def rest_shares(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """Compute slices over those of the whole."""
        kinds = (self.geometry.kinds[kind] for kind in self.kinds(demands) if kind)
        return tuple(kind.compute / self.geometry.compute for kind in kinds)


@dataclass(frozen=True)
class AtOnce:
    """All jobs at once, their kernels side by side (MPS).

    ``contention``: a byte of others costs so much more than its share of the bandwidth, because it takes a cache line.
    ``memory_bound`` is of jobs of which only the part is known.
    """

    contention: float
    clients: int
    memory_bound: float = 0.0

    def asked(self, reserved: float, work_w: float) -> Demand:
        """See ``Sharing``."""
        return Demand.asked(reserved, memory_bound=self.memory_bound, work_w=work_w)

    def fits(self, demands: Sequence[Demand]) -> bool:
        """No more than the whole GPU is given away, nor more of its memory than there is."""
        return len(demands) <= self.clients and _within(demands)

    def slowdowns(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """By who else is at the multiprocessors and at memory, where others' traffic displaces what one has cached."""
        compute, memory = (np.array([getattr(one, what) for one in demands]) for what in ("compute", "memory"))
        return _settled(
            _hosts(demands),
            (compute, memory),
            (lambda found: 1.0 + _others(found), lambda found: 1.0 + (1.0 + self.contention) * _others(found)),
        )

    def rest_shares(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """By what each reserved."""
        return tuple(one.reserved for one in demands)


@dataclass(frozen=True)
class TimeSlices(_ByPart):
    """One job after the other for ``quantum_ns``, and ``switch_ns`` lost wherever another has work too.

    ``replicas`` is how many may share the GPU, whatever they ask for; memory is not shared out, but all must fit.
    """

    quantum_ns: int
    switch_ns: int
    replicas: int

    def fits(self, demands: Sequence[Demand]) -> bool:
        """No more than there are replicas, and no more memory than there is."""
        return len(demands) <= self.replicas and sum(one.held for one in demands) <= 1.0 + _HAIR

    def slowdowns(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """By who else has work, and what is lost wherever another has."""
        busy, lost = np.array([one.busy for one in demands]), self.switch_ns / self.quantum_ns
        return _settled(1.0 - busy**2, (busy,), (lambda found: (1.0 + _others(found)) * (1.0 + lost * _any(found)),))

    def rest_shares(self, demands: Sequence[Demand]) -> tuple[float, ...]:
        """By the time that each has it, and what nobody has alike."""
        held = [one.busy / slower for one, slower in zip(demands, self.slowdowns(demands), strict=True)]
        return tuple(part + (1.0 - sum(held)) / len(held) for part in held)


class Shared(NamedTuple):
    """A GPU that is shared: of each job its rate (relative to a whole GPU alone) and its W; and W that are nobody's."""

    rates: tuple[float, ...]
    watts: tuple[float, ...]
    unallocated_w: float

    @property
    def gpu_w(self) -> float:
        """What the GPU draws."""
        return sum(self.watts) + self.unallocated_w


def shared(sharing: Sharing, demands: Sequence[Demand], *, rest_w: float, limit_w: float) -> Shared:
    """Jobs that fit on one GPU, whose rest power (loaded, no work) is ``rest_w`` and whose limit ``limit_w``, W.

    ``rest_w < limit_w``. Work beyond the limit is held back in all jobs alike.
    """
    rates = [min(1.0, 1.0 / slower) for slower in sharing.slowdowns(demands)]  # 1 but for rounding, alone
    work_w = sum(rate * one.work_w for rate, one in zip(rates, demands, strict=True))
    held = min(1.0, (limit_w - rest_w) / work_w) if work_w > 0.0 else 1.0
    shares = sharing.rest_shares(demands)
    watts = tuple(
        rest_w * share + held * rate * one.work_w for share, rate, one in zip(shares, rates, demands, strict=True)
    )
    at_limit = tuple(rate * (held if one.work_w else 1.0) for rate, one in zip(rates, demands, strict=True))
    return Shared(at_limit, watts, rest_w * (1.0 - sum(shares)))


_HAIR = 1e-9
MOST_ROUNDS = 10_000
SETTLED = 1e-13


def _within(demands: Sequence[Demand]) -> bool:
    return all(sum(getattr(one, what) for one in demands) <= 1.0 + _HAIR for what in ("reserved", "held"))


def _hosts(demands: Sequence[Demand]) -> Floats:
    return np.array([one.host for one in demands])


def _slowdown(one: Demand, compute: float, memory: float) -> float:
    """``compute`` and ``memory`` are what the terms have grown to."""
    return sqrt(one.host + compute**2 + memory**2)


def _others(found: Floats) -> Floats:
    """How many of the others are there: the sum of the parts of their time."""
    return np.asarray(found.sum() - found)


def _any(found: Floats) -> Floats:
    """How often any of the others is."""
    away = 1.0 - found
    return 1.0 - np.array([away[:i].prod() * away[i + 1 :].prod() for i in range(len(found))])


def _settled(
    host: Floats, needs: Sequence[Floats], stretches: Sequence[Callable[[Floats], Floats]]
) -> tuple[float, ...]:
    """Slowdowns (n,) at which everybody finds the others there as often as they are; ``host`` (n,) is squared.

    ``needs`` are of each resource (n,), and ``stretches`` what finding others there does to it.
    """
    terms = [need.copy() for need in needs]
    for _ in range(MOST_ROUNDS):
        slower = np.sqrt(host + sum(term**2 for term in terms))
        again = [need * stretch(term / slower) for need, term, stretch in zip(needs, terms, stretches, strict=True)]
        moved = max((float(np.abs(new - old).max(initial=0.0)) for new, old in zip(again, terms, strict=True)))
        terms = [0.5 * (new + old) for new, old in zip(again, terms, strict=True)]
        if moved < SETTLED:
            break
    return tuple(np.sqrt(host + sum(term**2 for term in terms)).tolist())
