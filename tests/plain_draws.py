"""``engine.metering.draws.node_draws`` as it is to be read: component by component, each share on its own."""

from __future__ import annotations

from sim.engine.metering.draws import (
    CLOCKED_UP,
    NO_SLOTS,
    UNALLOCATED,
    NodeHardware,
    NodeState,
    Share,
    Slots,
    _in_transition,
    _standing,
    total,
)
from sim.engine.metering.meter import Draw
from sim.profiles.power_laws.devices import cpu_power_w, psu_loss_w
from sim.workload.allocations import MILLI


def plain_node_draws(hardware: NodeHardware, state: NodeState, shares: tuple[Share, ...]) -> tuple[Draw, ...]:
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


def _working(hardware: NodeHardware, shares: tuple[Share, ...], free: Slots, idle_state: str) -> list[Draw]:
    draws: list[Draw] = []
    if hardware.gpu is not None:
        scale, offset_w = hardware.gpu_scale, hardware.gpu_offset_w
        for share in shares:
            watts = share.amount * share.gpu_w * scale + share.amount * offset_w
            draws.append(Draw(hardware.gpu, "gpu", share.owner, share.state, watts, share.slots, share.milli))
        if free != NO_SLOTS:
            watts = _free_w(hardware, shares, free) * scale + free.amount * offset_w
            draws.append(Draw(hardware.gpu, "gpu", UNALLOCATED, idle_state, watts, *free))
    loads = [
        share.cpu_load * share.amount / hardware.slots + share.host_load if share.state == "active" else 0.0
        for share in shares
    ]
    idle_w = hardware.sockets * hardware.cpu_idle_w
    socket_w = cpu_power_w(
        total(loads), idle_w=hardware.cpu_idle_w, full_w=hardware.cpu_full_w, exponent=hardware.cpu_exponent
    )
    draws += _shared(hardware, "cpu", shares, free, idle_state, idle_w, hardware.sockets * socket_w - idle_w, loads)
    at_work = [share.amount / hardware.slots if share.state == "active" else 0.0 for share in shares]
    on_gpus = [0.0 if share.on_hosts else weight for share, weight in zip(shares, at_work, strict=True)]
    for part in hardware.parts:
        weights = at_work if hardware.gpu is None or part.component == "dram" else on_gpus
        work_w = (part.active_w - part.idle_w) * total(weights)
        draws += _shared(hardware, part.component, shares, free, idle_state, part.idle_w, work_w, weights)
    return draws


def _free_w(hardware: NodeHardware, shares: tuple[Share, ...], free: Slots) -> float:
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
    shares: tuple[Share, ...],
    free: Slots,
    idle_state: str,
    idle_w: float,
    work_w: float,
    weights: list[float],
) -> list[Draw]:
    """Rest power by slots, and what work adds to it by ``weights``."""
    in_all = total(weights)
    draws = []
    for share, weight in zip(shares, weights, strict=True):
        watts = idle_w * share.amount / hardware.slots + (work_w * weight / in_all if in_all else 0.0)
        draws.append(Draw(hardware.name, component, share.owner, share.state, watts, share.slots, share.milli))
    if free != NO_SLOTS:
        watts = idle_w * free.amount / hardware.slots
        draws.append(Draw(hardware.name, component, UNALLOCATED, idle_state, watts, *free))
    return draws


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
    draws = []
    for (owner, state), slots in holders.items():
        own_w = total(draw.watts for draw in dc if draw.owner == owner and draw.state == state)
        share = own_w / dc_w if dc_w > 0.0 else slots.amount / hardware.slots
        draws.append(Draw(hardware.name, "psu_loss", owner, state, loss_w * share, *slots))
    return draws
