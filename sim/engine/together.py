"""Gangs of one service that are asked for in one instant and start at once, as they would one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.engine.draws import Share, ShareState
from sim.engine.fleet.request import Places, Request
from sim.engine.gang import Gang
from sim.engine.group import FEWEST_NODES
from sim.engine.node import Holder, Node, hold_all

if TYPE_CHECKING:
    from sim.engine.cluster import Cluster


def gangs_at(
    cluster: Cluster, owner: str, pool: str, slots: int, places: Sequence[Places], nodes: Sequence[Sequence[Node]]
) -> list[Gang]:
    """A gang at each of these places, which are free, on ``nodes`` that are on, fewer than are metered together. They
    share one ``ready``, which no other has."""
    number, now_ns, ready = cluster.fleet.machines.number[pool], cluster.env.now_ns, cluster.env.event()
    shares: dict[tuple[int, float], Share] = {}
    held: dict[Node, dict[Holder, Share]] = {}
    gangs, requests = [], []
    for own, of_own in zip(places, nodes, strict=True):
        gang = Gang(cluster, owner, pool, slots, None, ready)
        request = Request(owner, cluster.fleet.number(), (number,), slots, now_ns, None, gang=gang)
        gang.request, request.places = request, own
        gang.placed_ns = now_ns
        for place, node in zip(own, of_own, strict=True):
            gang.parts[node] = place.slots
            key = place.slots, node.hardware.gpu_idle_w
            if key not in shares:
                shares[key] = gang.share_of(node, "idle", node.hardware.gpu_idle_w, 0.0)
            held.setdefault(node, {})[gang] = shares[key]
        gangs.append(gang)
        requests.append(request)
    cluster.fleet.start(requests, cluster)
    for node, of_node in held.items():
        node.hold_all(of_node)
    ready.succeed()
    return gangs


def set_all(gangs: Sequence[Gang], state: ShareState, gpu_w: float, now_ns: int) -> None:
    """``Gang.set`` of each, with CPUs that do nothing; gangs of one owner."""
    shares: dict[int, Share] = {}
    for gang in gangs:
        if len(gang.parts) >= FEWEST_NODES or gang.cpu_share:
            gang.set(state, gpu_w, 0.0)
            continue
        for node, slots in gang.parts.items():
            if slots not in shares:
                shares[slots] = gang.share_of(node, state, gpu_w, 0.0)
        hold_all(gang.parts, gang, shares, now_ns)
