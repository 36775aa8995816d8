"""``node_draws`` of many nodes at once: one pass over arrays in place of one over each node.

Every sum adds the same terms in the same order, so that the watts are the same to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.engine.metering.draws import NodeHardware
from sim.profiles.power_laws.devices import cpu_power_w

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Columns(NamedTuple):
    """Draws of P nodes or pieces of their time, each with C components of ``components`` (hardware, component) and W
    holders.

    ``who`` are owners and states, and ``code`` (P, W) which of them each holder is. ``watts`` and ``slots`` are
    (P, C, W). Each was drawn from ``start_ns`` to ``end_ns`` (P,), and its ``turn`` (P,) says when it is to be booked;
    turns rise.
    """

    components: tuple[tuple[str, str], ...]
    who: tuple[tuple[str, str], ...]
    code: Ints
    watts: Floats
    slots: Ints
    turn: Ints
    start_ns: Ints
    end_ns: Ints


class Held(NamedTuple):
    """Who holds slots of nodes that are on: each of S shares as ``Share`` has it, in columns (P, S).

    ``awake``: their GPUs are clocked up. ``gpu_scale`` and ``gpu_offset_w`` (P,) are what each node's units draw. Slots
    that nobody holds are as many in every node, or some in every node: a last column of ``code`` is theirs.
    """

    code: Ints
    slots: Ints
    active: Bools
    awake: Bools
    gpu_w: Floats
    cpu_load: Floats
    gpu_scale: Floats
    gpu_offset_w: Floats


def components_of(hardware: NodeHardware) -> tuple[tuple[str, str], ...]:
    """Hardware and name of each component, in the order of ``node_draws``."""
    gpus = [(hardware.gpu, "gpu")] if hardware.gpu is not None else []
    rest = ["cpu", *(part.component for part in hardware.parts), *(("psu_loss",) if hardware.supply else ())]
    return (*gpus, *((hardware.name, component) for component in rest))


def draws_of(hardware: NodeHardware, held: Held) -> tuple[Floats, Ints]:
    """W and slots (P, C, W) of nodes that are on; supplies' are told of the first of those who are alike."""
    many, shares = held.slots.shape
    width = held.code.shape[1]
    free = hardware.slots - held.slots.sum(axis=1)
    counted = np.concatenate([held.slots, free[:, None]], axis=1) if width > shares else held.slots
    amount = counted.astype(np.float64)
    weight = np.zeros((many, width))
    weight[:, :shares] = np.where(held.active, amount[:, :shares] / hardware.slots, 0.0)
    loads = np.zeros((many, width))
    loads[:, :shares] = np.where(held.active, held.cpu_load * amount[:, :shares] / hardware.slots, 0.0)
    cpus = 0 if hardware.gpu is None else 1
    parts = slice(cpus + 1, cpus + 1 + len(hardware.parts))
    watts = np.empty((many, parts.stop + (hardware.supply is not None), width))
    if hardware.gpu is not None:
        watts[:, 0] = _gpus(hardware, held, amount)
    idle_w = hardware.sockets * hardware.cpu_idle_w
    load = _total(loads)
    added_w = hardware.sockets * _sockets(hardware, load) - idle_w
    watts[:, cpus : cpus + 1] = _shared(hardware.slots, amount, np.array([idle_w]), added_w[:, None], loads, load)
    if hardware.parts:
        work = _total(weight)
        rest_w = np.array([part.idle_w for part in hardware.parts])
        added_w = np.array([part.active_w - part.idle_w for part in hardware.parts]) * work[:, None]
        watts[:, parts] = _shared(hardware.slots, amount, rest_w, added_w, weight, work)
    slots = np.repeat(counted[:, None, :], watts.shape[1], axis=1)
    if hardware.supply is not None:
        watts[:, -1], slots[:, -1] = _losses(hardware, held.code, counted, watts[:, :-1])
    return watts, slots


def _gpus(hardware: NodeHardware, held: Held, amount: Floats) -> Floats:
    shares = held.slots.shape[1]
    scale, offset_w = held.gpu_scale[:, None], held.gpu_offset_w[:, None]
    drawn = np.empty_like(amount)
    drawn[:, :shares] = amount[:, :shares] * held.gpu_w * scale + amount[:, :shares] * offset_w
    if amount.shape[1] == shares:
        return drawn
    free = amount[:, -1]
    if hardware.gpu_slots == 1:
        free_w = free * hardware.gpu_idle_w
    else:
        used = np.where(held.awake, amount[:, :shares], 0.0).sum(axis=1)
        awake = np.minimum(free, np.mod(-used, hardware.gpu_slots))
        free_w = awake * hardware.gpu_awake_w + (free - awake) * hardware.gpu_idle_w
    drawn[:, -1] = free_w * held.gpu_scale + free * held.gpu_offset_w
    return drawn


def _sockets(hardware: NodeHardware, load: Floats) -> Floats:
    """W of a socket: worked out once for each load there is, as powers of arrays may differ in the last bit."""
    values, at = np.unique(load, return_inverse=True)
    law = {"idle_w": hardware.cpu_idle_w, "full_w": hardware.cpu_full_w, "exponent": hardware.cpu_exponent}
    return np.array([cpu_power_w(value, **law) for value in values.tolist()])[at]


def _shared(slots: int, held: Floats, idle_w: Floats, work_w: Floats, weights: Floats, in_all: Floats) -> Floats:
    """W (P, K, W) of components that draw ``idle_w`` (K,) at rest, shared by the slots ``held`` (P, W), and ``work_w``
    (P, K) beyond that, by ``weights`` (P, W), which sum to ``in_all`` (P,)."""
    some = np.where(in_all != 0.0, in_all, 1.0)
    rest_w = idle_w[:, None] * held[:, None, :] / slots
    shared: Floats = rest_w + work_w[:, :, None] * weights[:, None, :] / some[:, None, None]
    return shared


def _losses(hardware: NodeHardware, code: Ints, counted: Ints, dc: Floats) -> tuple[Floats, Ints]:
    """W of supplies and the slots they are of (P, W): those of all who are alike at the first of them."""
    many, width = code.shape
    first = code
    for i in reversed(range(width)):
        first = np.where(code == code[:, i : i + 1], i, first)
    first = first + width * np.arange(many)[:, None]
    of_draw = np.broadcast_to(first[:, None, :], dc.shape).reshape(-1)
    # Counting adds one term after the other, in the order in which they stand.
    own_w = np.bincount(of_draw, dc.reshape(-1), many * width).reshape(many, width)
    slots = np.bincount(first.reshape(-1), counted.reshape(-1), many * width).astype(np.int64).reshape(many, width)
    dc_w = _total(dc.reshape(many, -1))
    some = np.where(dc_w > 0.0, dc_w, 1.0)[:, None]
    share = np.where(dc_w[:, None] > 0.0, own_w / some, slots / hardware.slots)
    return supplies(hardware, dc_w)[:, None] * share, slots


def supplies(hardware: NodeHardware, dc_w: Floats) -> Floats:
    """``profiles.power_laws.devices.psu_loss_w``."""
    assert hardware.supply is not None
    loads, efficiencies = np.array(hardware.supply.loads), np.array(hardware.supply.efficiencies)
    load = dc_w / hardware.supply.rated_w
    if len(loads) == 1:
        return np.asarray(dc_w * (1.0 / efficiencies[0] - 1.0))
    i = np.clip(np.searchsorted(loads, load, side="left"), 1, len(loads) - 1)
    share = (load - loads[i - 1]) / (loads[i] - loads[i - 1])
    between = efficiencies[i - 1] + share * (efficiencies[i] - efficiencies[i - 1])
    above = np.where(load >= loads[-1], efficiencies[-1], between)
    return np.asarray(dc_w * (1.0 / np.where(load <= loads[0], efficiencies[0], above) - 1.0))


def _total(terms: Floats) -> Floats:
    """Sums of rows, each added up from the left, as ``draws.total`` does."""
    summed: Floats = np.add.accumulate(terms, axis=1)[:, -1]
    return summed
