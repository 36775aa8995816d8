"""What many nodes drew whose holders tell only afterwards when they were at work: ``node_draws`` of all at once.

A node of eight replicas that were at work for eight different times has nine pieces, with eight shares in each, and a
thousand nodes have as many at every instant at which they are asked. Here one pass over arrays gives the watts of all
of them, and they are booked together, in the order of the nodes: the same bits as piece by piece, since every sum adds
the same terms in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.engine.draws import NO_SLOTS, UNALLOCATED, NodeHardware, Share, Slots, free_w
from sim.engine.meter import Draw, Recorder
from sim.engine.node import Node, Told
from sim.profiles.power import cpu_power_w, psu_loss_w

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ABSENT = -1


class Pieces(NamedTuple):
    """Draws of pieces, (P, D) each: which of ``names`` a draw has (-1: it is not there), its W and its slots; and when
    each piece (P,) began and ended."""

    names: tuple[Draw, ...]
    which: Ints
    watts: Floats
    slots: Ints
    start_ns: Ints
    end_ns: Ints

    def each(self) -> Iterator[tuple[list[Draw], int, int]]:
        """The draws of every piece, and its start and end in ns."""
        rows = (self.which.tolist(), self.watts.tolist(), self.slots.tolist())
        spans = zip(self.start_ns.tolist(), self.end_ns.tolist(), strict=True)
        for which, watts, slots, span in zip(*rows, spans, strict=True):
            draws = [
                self.names[i]._replace(watts=w, slots=n)
                for i, w, n in zip(which, watts, slots, strict=True)
                if i != ABSENT
            ]
            yield draws, *span


def settle_all(nodes: Iterable[Node]) -> None:
    """Books everything that nodes drew up to now, in their order."""
    told: list[tuple[Node, Told]] = []
    for node in nodes:
        known = node.ask()
        at_once = known is not None and suits(node, known)
        if told and not (at_once and _alike(node, told[0][0])):
            _book(told)
            told = []
        if known is None:
            node.settle_as_set()
        elif at_once:
            told.append((node, known))
        else:
            node.settle_in_pieces(known)
    if told:
        _book(told)


def suits(node: Node, known: Told) -> bool:
    """Whether a node's draws are worked out here: it is on, all of its holders tell, and hold whole slots for one
    owner."""
    shares = node.shares
    return (
        node.state == "on"
        and len(known) == len(shares)
        and all(
            share.owner == shares[0].owner and not share.milli and not share.on_hosts and not share.host_load
            for share in shares
        )
    )


def _alike(node: Node, other: Node) -> bool:
    return (
        node.pool == other.pool
        and (node.hardware is other.hardware or node.hardware == other.hardware)
        and [share.slots for share in node.shares] == [share.slots for share in other.shares]
        and node.shares[0].owner == other.shares[0].owner
    )


def _book(told: Sequence[tuple[Node, Told]]) -> None:
    first = told[0][0]
    pieces = pieces_of(
        first.hardware,
        first.shares,
        np.array([[one.active_ns for one in known.values()] for _, known in told], dtype=np.int64),
        np.array([[one.active_w for one in known.values()] for _, known in told]),
        np.array([[one.loaded_w for one in known.values()] for _, known in told]),
        np.array([[one.cpu_load for one in known.values()] for _, known in told]),
        np.array([node.meter.since_ns for node, _ in told], dtype=np.int64),
        first.env.now_ns,
    )
    book(first.recorder, first.pool, pieces)
    for node, _ in told:
        node.meter.since_ns = node.env.now_ns


def book(recorder: Recorder, pool: str, pieces: Pieces) -> None:
    """Books pieces, at once where the recorder has a ``record_pieces``; else it is told one by one."""
    at_once = getattr(recorder, "record_pieces", None)
    if at_once is not None:
        at_once(pool, pieces)
        return
    for draws, start_ns, end_ns in pieces.each():
        recorder.record(pool, draws, start_ns, end_ns)


def pieces_of(
    hardware: NodeHardware,
    shares: Sequence[Share],
    active_ns: Ints,
    active_w: Floats,
    loaded_w: Floats,
    cpu_load: Floats,
    since_ns: Ints,
    now_ns: int,
) -> Pieces:
    """The pieces of nodes whose ``shares`` were at work for ``active_ns`` since ``since_ns`` (nodes,), at W of each of
    their GPUs and a load of their CPUs; these are (nodes, shares)."""
    span_ns = now_ns - since_ns
    edges = np.sort(np.concatenate([active_ns, span_ns[:, None]], axis=1), axis=1)
    before = np.concatenate([np.zeros((len(edges), 1), dtype=np.int64), edges[:, :-1]], axis=1)
    node, edge = np.nonzero(edges > before)  # pieces, node by node
    ends = edges[node, edge]
    at_work = active_ns[node] >= ends[:, None]
    gpu_w = np.where(at_work, active_w[node], loaded_w[node])
    names, which, watts, slots = _draws(hardware, shares, at_work, gpu_w, np.where(at_work, cpu_load[node], 0.0))
    return Pieces(names, which, watts, slots, since_ns[node] + before[node, edge], since_ns[node] + ends)


def _draws(
    hardware: NodeHardware, shares: Sequence[Share], at_work: Bools, gpu_w: Floats, cpu_load: Floats
) -> tuple[tuple[Draw, ...], Ints, Floats, Ints]:
    """``node_draws`` of a node that is on, for many pieces: names, which of them each draw has, W, and slots."""
    slots, owner, many = hardware.slots, shares[0].owner, len(at_work)
    free = Slots(slots - sum(share.slots for share in shares), 0)
    left = free != NO_SLOTS
    held = np.array([share.amount for share in shares] + [free.amount] * left)
    weight = np.zeros((many, len(held)))
    weight[:, : len(shares)] = np.where(at_work, held[: len(shares)] / slots, 0.0)
    loads = np.zeros_like(weight)
    loads[:, : len(shares)] = np.where(at_work, cpu_load * held[: len(shares)] / slots, 0.0)
    components: list[tuple[str, str]] = []
    columns: list[Floats] = []
    if hardware.gpu is not None:
        scale, offset_w = hardware.gpu_scale, hardware.gpu_offset_w
        drawn = np.empty_like(weight)
        drawn[:, : len(shares)] = held[: len(shares)] * gpu_w * scale + held[: len(shares)] * offset_w
        if left:
            drawn[:, -1] = free_w(hardware, shares, free) * scale + free.amount * offset_w
        components.append((hardware.gpu, "gpu"))
        columns.append(drawn)
    idle_w = hardware.sockets * hardware.cpu_idle_w
    values, at = np.unique(_total(loads), return_inverse=True)
    socket_w = np.array(
        [
            cpu_power_w(load, idle_w=hardware.cpu_idle_w, full_w=hardware.cpu_full_w, exponent=hardware.cpu_exponent)
            for load in values.tolist()
        ]
    )[at]
    components.append((hardware.name, "cpu"))
    columns.append(_shared(slots, held, idle_w, hardware.sockets * socket_w - idle_w, loads))
    work = _total(weight)
    for part in hardware.parts:
        components.append((hardware.name, part.component))
        columns.append(_shared(slots, held, part.idle_w, (part.active_w - part.idle_w) * work, weight))
    states = [(owner, "active"), (owner, "loaded"), (UNALLOCATED, "idle")]
    names = [Draw(device, part, *state, 0.0, 0) for device, part in components for state in states]
    of_state = np.full(weight.shape, 2, dtype=np.int64)
    of_state[:, : len(shares)] = np.where(at_work, 0, 1)
    which = [of_state + 3 * i for i in range(len(components))]
    counted = np.broadcast_to(np.array([share.slots for share in shares] + [free.slots] * left), weight.shape)
    amounts = [counted] * len(components)
    if hardware.supply is not None:
        names += [Draw(hardware.name, "psu_loss", *state, 0.0, 0) for state in states]
        order, lost, holding = _losses(hardware, shares, free, at_work, np.concatenate(columns, axis=1))
        which.append(np.where(holding > 0, order + 3 * len(components), ABSENT))
        columns.append(lost)
        amounts.append(holding)
    return tuple(names), np.hstack(which), np.hstack(columns), np.hstack(amounts)


def _losses(
    hardware: NodeHardware, shares: Sequence[Share], free: Slots, at_work: Bools, dc: Floats
) -> tuple[Ints, Floats, Ints]:
    """Whose loss (0: at work, 1: loaded, 2: free), its W, and the slots of it, (pieces, 3) each: whoever holds the
    first slots comes first, the free ones last."""
    assert hardware.supply is not None
    dc_w = _total(dc)
    loss_w = np.array(
        [
            psu_loss_w(
                w,
                rated_w=hardware.supply.rated_w,
                loads=hardware.supply.loads,
                efficiencies=hardware.supply.efficiencies,
            )
            for w in dc_w.tolist()
        ]
    )
    some = np.where(dc_w > 0.0, dc_w, 1.0)
    width = len(shares) + (free != NO_SLOTS)
    repeated = dc.shape[1] // width
    working = np.zeros((len(dc), width), dtype=np.bool_)
    working[:, : len(shares)] = at_work
    loaded = np.zeros_like(working)
    loaded[:, : len(shares)] = ~at_work
    unheld = ~(working | loaded)
    slots = np.array([share.slots for share in shares])
    holding = np.empty((len(dc), 3), dtype=np.int64)
    holding[:, 0] = at_work @ slots
    holding[:, 1] = slots.sum() - holding[:, 0]
    holding[:, 2] = free.slots
    parts = []
    for i, mask in enumerate((working, loaded, unheld)):
        own_w = _total(np.where(np.tile(mask, repeated), dc, 0.0))
        share = np.where(dc_w > 0.0, own_w / some, holding[:, i] / hardware.slots)
        parts.append(loss_w * share)
    order = np.where(at_work[:, :1], np.array([0, 1, 2]), np.array([1, 0, 2]))
    return order, np.take_along_axis(np.stack(parts, axis=1), order, 1), np.take_along_axis(holding, order, 1)


def _shared(slots: int, held: Floats, idle_w: float, work_w: Floats, weights: Floats) -> Floats:
    total = _total(weights)
    some = np.where(total != 0.0, total, 1.0)
    return idle_w * held / slots + np.asarray(work_w)[:, None] * weights / some[:, None]


def _total(terms: Floats) -> Floats:
    """Sums of rows, each added up from the left, as ``draws.total`` does."""
    summed: Floats = np.add.accumulate(terms, axis=1)[:, -1]
    return summed
