"""One machine: its state, who holds its slots, and the meter that follows from both."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import NamedTuple, Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.draws import NodeHardware, NodeState, Share, node_draws
from sim.engine.group import NodeGroup
from sim.engine.meter import Meter, Recorder
from sim.workload.allocations import MILLI


class Activity(NamedTuple):
    """What a holder's slots did in a span of time: ns at work, W of each GPU while at work and while only loaded."""

    active_ns: int
    active_w: float
    loaded_w: float
    cpu_load: float


class Holder(Protocol):
    """A holder of slots of a node, which must know when it fails."""

    def node_lost(self, node: Node) -> None:
        """Hears that ``node`` has failed; the holder's share of it is already gone."""

    def activity(self, node: Node, start_ns: int, end_ns: int) -> Activity | None:
        """What it did on the node in that span, if its share does not say; spans of a node follow one another."""


def _milli(share: Share) -> int:
    return share.slots * MILLI + share.milli


class Node:
    """A server. Every change of state or of its shares settles the meter at the present instant, with what was drawn
    until then: what it passes through in no time is never worked out.

    A holder may know only afterwards when it was at work (a compiled serving pool). Its span is then booked as one
    piece at work and one piece loaded, each at its mean power: energy and time by state are exact, and what is not
    linear in the node's power (supplies, the CPUs' curve) is taken at the means. Spans end at the ledger's bins.

    A node that is ``reserved`` is a spare: it is not given away, but takes the place of one that failed. One in a group
    is metered there, until something happens to it alone. ``on_free`` is called whenever what of it may be given away
    may have changed.
    """

    def __init__(
        self, env: Clock, recorder: Recorder, name: str, pool: str, hardware: NodeHardware, *, powered: bool
    ) -> None:
        self.env = env
        self.name = name
        self.pool = pool
        self.hardware = hardware
        self.state: NodeState = "on" if powered else "off"
        self.idle_since_ns = env.now_ns
        self.on_change: Callable[[], None] | None = None
        self.on_free: Callable[[Node], None] | None = None
        self._reserved = False
        self._recorder = recorder
        self._group: NodeGroup | None = None
        self._shares: dict[Holder, Share] = {}
        self._held = 0  # thousandths of slots
        self._meter = Meter(recorder, pool, env.now_ns)

    @property
    def reserved(self) -> bool:
        """Whether it is a spare."""
        return self._reserved

    @reserved.setter
    def reserved(self, reserved: bool) -> None:
        self._reserved = reserved
        if self.on_free is not None:
            self.on_free(self)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Shares of the node, as its holders have set them."""
        return tuple(self._shares.values()) if self._group is None else (self._group.share,)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Who holds slots of it."""
        return tuple(self._shares)

    @property
    def free(self) -> int:
        """Whole slots that may be given away: nobody holds any part of them, and the node is no spare."""
        return 0 if self.reserved else (self.hardware.slots * MILLI - self._held) // MILLI

    @property
    def whole(self) -> bool:
        """Whether it is up and one holder has all of it."""
        return self.state == "on" and len(self._shares) == 1 and self.shares[0].slots == self.hardware.slots

    def hold(self, holder: Holder, share: Share) -> None:
        """Gives ``holder`` its share, or replaces the one it has."""
        self._leave_group()
        before = self._shares.get(holder)
        if before == share:
            return
        self.settle()
        self._shares[holder] = share
        self._held += _milli(share) - (_milli(before) if before is not None else 0)
        self._changed()

    def release(self, holder: Holder) -> None:
        """Takes back what ``holder`` has here, if anything."""
        if holder in self._shares:
            self._leave_group()
            self.settle()
            self._held -= _milli(self._shares.pop(holder))
            self._changed()

    def boot(self) -> Generator[simpy.Event, object, None]:
        """Boots the node from off or failed to on, taking the profile's boot time."""
        self._become("booting")
        yield self.env.wait(self.hardware.boot_ns)
        self._become("on")

    def shut_down(self) -> Generator[simpy.Event, object, None]:
        """Shuts the node down from on to off, taking the profile's time. Only an unheld node may shut down."""
        self._become("stopping")
        yield self.env.wait(self.hardware.shutdown_ns)
        self._become("off")

    def fail(self) -> None:
        """Kills the node: every share is gone, and every holder hears of it after the meters have been settled."""
        self._leave_group()
        self.settle()
        holders = list(self._shares)
        self._shares.clear()
        self._held = 0
        self._reserved = False
        self._become("failed")
        for holder in holders:
            holder.node_lost(self)

    def group_of(self, holder: Holder) -> NodeGroup:
        """A group, empty yet, of nodes in the state in which ``holder`` has this one."""
        return NodeGroup(self.env, self._recorder, self.pool, holder, self._shares[holder])

    def join(self, group: NodeGroup) -> None:
        """Meters the node in ``group`` from now on, whose holder has all of it."""
        self.settle()
        self._group = group
        group.add(self)

    def settle(self) -> None:
        """Books everything drawn up to now."""
        if self._group is not None:
            self._group.settle()
            return
        now_ns, since_ns = self.env.now_ns, self._meter.since_ns
        if now_ns == since_ns:
            return
        told = {holder: holder.activity(self, since_ns, now_ns) for holder in self._shares}
        known = {holder: activity for holder, activity in told.items() if activity is not None}
        if known:
            self._settle_in_pieces(known, since_ns, now_ns)
        else:
            self._meter.settle(node_draws(self.hardware, self.state, tuple(self._shares.values())), now_ns)

    def _settle_in_pieces(self, known: dict[Holder, Activity], since_ns: int, now_ns: int) -> None:
        edges = {since_ns + activity.active_ns for activity in known.values()} | {now_ns}
        for edge_ns in sorted(edge for edge in edges if edge > since_ns):
            shares = []
            for holder, share in self._shares.items():
                activity = known.get(holder)
                if activity is None:
                    shares.append(share)
                elif since_ns + activity.active_ns >= edge_ns:
                    shares.append(replace(share, state="active", gpu_w=activity.active_w, cpu_load=activity.cpu_load))
                else:
                    shares.append(replace(share, state="loaded", gpu_w=activity.loaded_w, cpu_load=0.0))
            self._meter.settle(node_draws(self.hardware, self.state, tuple(shares)), edge_ns)

    def _leave_group(self) -> None:
        group = self._group
        if group is None:
            return
        group.drop(self)
        self._group = None
        self._shares = {group.holder: group.share}
        self._meter.resume(self.env.now_ns)

    def _become(self, state: NodeState) -> None:
        self.settle()
        self.state = state
        self._changed()

    def _changed(self) -> None:
        if not self._shares:
            self.idle_since_ns = self.env.now_ns
        if self.on_free is not None:
            self.on_free(self)
        if self.on_change is not None:
            self.on_change()
