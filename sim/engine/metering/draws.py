"""What each component of a node draws, and for whom: a pure function of the node's state and its reservations.

The rest power of a component belongs to owners by the slots they hold, and what work adds to it belongs to those at
work. Slots nobody holds are ``unallocated``. A part of a slot is held in thousandths and draws so much of a whole one.
Who has work on the host's CPUs alone, and no slots, answers for what it adds to them and to the supplies' losses.

While a node boots or shuts down it draws its transition power; off or failed, its standby power at the wall, booked
under ``board`` (the management controller) or ``cpu`` where the profile meters no board. Power-supply loss follows from
the DC sum, so it is not linear in load, and is shared by DC power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial, reduce
from operator import add
from typing import Literal, NamedTuple

from sim.engine.metering.meter import Draw
from sim.profiles.power_laws.devices import cpu_power_w, psu_loss_w
from sim.workload.allocations import MILLI

UNALLOCATED = "unallocated"

NodeState = Literal["off", "booting", "on", "stopping", "failed"]
ShareState = Literal["booting", "idle", "loaded", "waiting", "active"]
CLOCKED_UP: frozenset[ShareState] = frozenset(("loaded", "waiting", "active"))


@dataclass(frozen=True)
class Rest:
    """A component's power, W: at rest, and with every slot of the node at work."""

    component: str
    idle_w: float
    active_w: float


@dataclass(frozen=True)
class Supply:
    """Power supplies: rated DC W, and efficiency by load (see ``profiles.power_laws.devices.psu_loss_w``)."""

    rated_w: float
    loads: tuple[float, ...]
    efficiencies: tuple[float, ...]


@dataclass(frozen=True)
class NodeHardware:
    """One kind of node in SI. ``gpu`` is None for a node without accelerators; ``slots`` are then its sockets.

    ``gpu_scale`` is what the units of one node draw, relative to their model, and ``gpu_offset_w`` what each slot draws
    beside that. Where GPUs are cut, ``gpu_slots`` of the
    slots are one GPU, which is clocked up as soon as one of them is in use: those that are free then draw
    ``gpu_awake_w``.
    """

    name: str
    slots: int
    gpu: str | None
    gpu_idle_w: float
    sockets: int
    cpu_idle_w: float
    cpu_full_w: float
    cpu_exponent: float
    parts: tuple[Rest, ...]
    supply: Supply | None
    standby_w: float
    boot_ns: int
    boot_w: float
    shutdown_ns: int
    shutdown_w: float
    gpu_scale: float = 1.0
    gpu_offset_w: float = 0.0
    gpu_slots: int = 1
    gpu_awake_w: float = 0.0

    @property
    def as_model(self) -> NodeHardware:
        """The same hardware with GPUs that draw as their model does."""
        alike = self.gpu_scale == 1.0 and self.gpu_offset_w == 0.0
        return self if alike else replace(self, gpu_scale=1.0, gpu_offset_w=0.0)

    @property
    def standing(self) -> str:
        """The component that stands for the server itself: it takes standby power, and its slots are the node's."""
        return "board" if any(part.component == "board" for part in self.parts) else "cpu"


@dataclass(frozen=True)
class Share:
    """Slots of a node held by one owner: W of each of its GPUs, and its load 0..1 on the CPUs that go with them.

    ``milli`` are thousandths of a slot beyond the whole ones. ``host_load`` is load on all CPUs of the host beyond
    those that go with its slots, 0..1 of them all. ``on_hosts``: it works on the CPUs alone, so that its GPUs are idle
    and of the rest of the node only the memory works with it.
    """

    owner: str
    slots: int
    state: ShareState
    gpu_w: float
    cpu_load: float
    milli: int = 0
    host_load: float = 0.0
    on_hosts: bool = False

    @property
    def amount(self) -> float:
        """Slots, with parts of them."""
        return self.slots + self.milli / MILLI


class Slots(NamedTuple):
    """Slots, and thousandths of one beyond them."""

    slots: int
    milli: int

    @property
    def amount(self) -> float:
        """Slots, with parts of them."""
        return self.slots + self.milli / MILLI


NO_SLOTS = Slots(0, 0)
_draw: Callable[[tuple[str, str, str, str, float, int, int]], Draw] = partial(tuple.__new__, Draw)  # in half the time


@lru_cache(maxsize=4096)
def node_draws(hardware: NodeHardware, state: NodeState, shares: tuple[Share, ...]) -> tuple[Draw, ...]:
    """Every draw of a node. In each component the slots add up to ``hardware.slots``, all watts to the wall power."""
    held = sum(share.slots * MILLI + share.milli for share in shares)
    free = Slots(*divmod(hardware.slots * MILLI - held, MILLI))
    # Outside "on" the slots are unallocated, unless an owner has the node boot for it.
    idle_state = "idle" if state == "on" else state
    holders: dict[tuple[str, str], Slots] = {}
    for share in shares:
        before = holders.get((share.owner, share.state), NO_SLOTS)
        holders[share.owner, share.state] = Slots(before.slots + share.slots, before.milli + share.milli)
    if free != NO_SLOTS:
        holders[UNALLOCATED, idle_state] = free
    if state in ("off", "failed"):
        return _standing(hardware, holders)
    dc = _working(hardware, shares, free, idle_state)
    if state in ("booting", "stopping"):
        dc = _in_transition(hardware, dc, hardware.boot_w if state == "booting" else hardware.shutdown_w)
    return (*dc, *_losses(hardware, dc, holders))


def total(terms: Iterable[float]) -> float:
    """Their sum, added up from the left: Python's own rounds otherwise from 3.12 on."""
    return reduce(add, terms, 0.0)


def _components(hardware: NodeHardware) -> list[tuple[str, str]]:
    gpus = [("gpu", hardware.gpu)] if hardware.gpu is not None else []
    rest = [("cpu", hardware.name), *((part.component, hardware.name) for part in hardware.parts)]
    return [*gpus, *rest, *([("psu_loss", hardware.name)] if hardware.supply is not None else [])]


def _standing(hardware: NodeHardware, holders: dict[tuple[str, str], Slots]) -> tuple[Draw, ...]:
    draws = []
    for component, device in _components(hardware):
        watts = hardware.standby_w if component == hardware.standing else 0.0
        for (owner, state), slots in holders.items():
            draws.append(Draw(device, component, owner, state, watts * slots.amount / hardware.slots, *slots))
    return tuple(draws)


def _working(hardware: NodeHardware, shares: tuple[Share, ...], free: Slots, idle_state: str) -> list[Draw]:
    slots = hardware.slots
    held = [Slots(share.slots, share.milli).amount for share in shares]
    who: list[tuple[str, str, int, int]] = [(share.owner, share.state, share.slots, share.milli) for share in shares]
    draws: list[Draw] = []
    if hardware.gpu is not None:
        scale, offset_w = hardware.gpu_scale, hardware.gpu_offset_w
        for amount, share in zip(held, shares, strict=True):
            watts = amount * share.gpu_w * scale + amount * offset_w
            draws.append(Draw(hardware.gpu, "gpu", share.owner, share.state, watts, share.slots, share.milli))
        if free != NO_SLOTS:
            watts = free_w(hardware, shares, free) * scale + free.amount * offset_w
            draws.append(Draw(hardware.gpu, "gpu", UNALLOCATED, idle_state, watts, *free))
    at_work = [amount / slots if share.state == "active" else 0.0 for amount, share in zip(held, shares, strict=True)]
    loads = [
        share.cpu_load * amount / slots + share.host_load if share.state == "active" else 0.0
        for amount, share in zip(held, shares, strict=True)
    ]
    if free != NO_SLOTS:
        who.append((UNALLOCATED, idle_state, *free))
        held.append(free.amount)
        loads.append(0.0)
        at_work.append(0.0)
    idle_w = hardware.sockets * hardware.cpu_idle_w
    socket_w = cpu_power_w(
        total(loads), idle_w=hardware.cpu_idle_w, full_w=hardware.cpu_full_w, exponent=hardware.cpu_exponent
    )
    draws += _shared(hardware, "cpu", who, held, idle_w, hardware.sockets * socket_w - idle_w, loads)
    on_gpus = at_work
    if any(share.on_hosts for share in shares):
        on_gpus = [0.0 if share.on_hosts else weight for share, weight in zip(shares, at_work, strict=False)]
        on_gpus += at_work[len(shares) :]
    for part in hardware.parts:
        weights = at_work if hardware.gpu is None or part.component == "dram" else on_gpus
        work_w = (part.active_w - part.idle_w) * total(weights)
        draws += _shared(hardware, part.component, who, held, part.idle_w, work_w, weights)
    return draws


def free_w(hardware: NodeHardware, shares: Sequence[Share], free: Slots) -> float:
    """W of the slots that nobody holds: those on GPUs that somebody uses in part are clocked up with them.

    Slots are taken to fill one GPU after the other, so that as few as can be are in use.
    """
    if hardware.gpu_slots == 1:
        return free.amount * hardware.gpu_idle_w
    used = sum(share.amount for share in shares if share.state in CLOCKED_UP and not share.on_hosts)
    awake = min(free.amount, -used % hardware.gpu_slots)
    return awake * hardware.gpu_awake_w + (free.amount - awake) * hardware.gpu_idle_w


def _shared(
    hardware: NodeHardware,
    component: str,
    who: list[tuple[str, str, int, int]],
    held: list[float],
    idle_w: float,
    work_w: float,
    weights: list[float],
) -> list[Draw]:
    """Rest power by the slots held, and what work adds to it by ``weights``; ``who`` are owner, state and slots."""
    name, slots, weight_in_all = hardware.name, hardware.slots, total(weights)
    if weight_in_all:
        watts = [
            idle_w * amount / slots + work_w * weight / weight_in_all
            for amount, weight in zip(held, weights, strict=True)
        ]
    else:
        watts = [idle_w * amount / slots + 0.0 for amount in held]
    return [_draw((name, component, o, s, w, n, m)) for (o, s, n, m), w in zip(who, watts, strict=True)]


def _in_transition(hardware: NodeHardware, rest: list[Draw], total_w: float) -> list[Draw]:
    """The node's transition power: what it exceeds the rest power by is the host's CPUs at work.

    Where it is below the rest power (parts still unpowered), every component is scaled down alike.
    """
    rest_w = total(draw.watts for draw in rest)
    if total_w < rest_w:
        return [draw._replace(watts=draw.watts * total_w / rest_w) for draw in rest]
    surplus = (total_w - rest_w) / hardware.slots
    return [
        draw._replace(watts=draw.watts + surplus * Slots(draw.slots, draw.milli).amount)
        if draw.component == "cpu"
        else draw
        for draw in rest
    ]


def _losses(hardware: NodeHardware, dc: list[Draw], holders: dict[tuple[str, str], Slots]) -> list[Draw]:
    if hardware.supply is None:
        return []
    dc_w = total(draw.watts for draw in dc)
    loss_w = psu_loss_w(
        dc_w,
        rated_w=hardware.supply.rated_w,
        loads=hardware.supply.loads,
        efficiencies=hardware.supply.efficiencies,
    )
    own: dict[tuple[str, str], list[float]] = {}
    for draw in dc:
        own.setdefault((draw.owner, draw.state), []).append(draw.watts)
    draws = []
    for (owner, state), slots in holders.items():
        share = total(own[owner, state]) / dc_w if dc_w > 0.0 else slots.amount / hardware.slots
        draws.append(_draw((hardware.name, "psu_loss", owner, state, loss_w * share, *slots)))
    return draws
