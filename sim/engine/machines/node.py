"""One machine: its state, who holds its slots, and the meter that follows from both."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from operator import attrgetter
from typing import Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.group import NodeGroup, SharedMeter
from sim.engine.metering.courses import Activity
from sim.engine.metering.deferred import Later, draws_in, is_patient
from sim.engine.metering.draws import NodeState, Share
from sim.engine.metering.meter import Meter, Recorder
from sim.workload.allocations import MILLI


class Holder(Protocol):
    """A holder of slots of a node, which must know when it fails. One that ``knows_later`` when it was at work is asked
    whenever a node of its settles; of the others their shares say it all."""

    @property
    def knows_later(self) -> bool: ...

    def node_lost(self, node: Node) -> None:
        """Hears that ``node`` has failed; the holder's share of it is already gone."""

    def activity(self, node: Node, start_ns: int, end_ns: int) -> Activity | None:
        """What it did on the node in that span, if its share does not say; spans of a node follow one another."""


_KNOWS_LATER = attrgetter("knows_later")


def _milli(share: Share) -> int:
    return share.slots * MILLI + share.milli


def hold_all(nodes: Mapping[Node, int], holder: Holder, shares: Mapping[int, Share], now_ns: int) -> None:
    """Replaces the share that ``holder`` has on each of ``nodes`` by that of ``shares`` of as many slots, as ``hold``
    does: none of its slots change hands."""
    for node, slots in nodes.items():
        share, own = shares[slots], node._shares
        if node.group is not None or node.on_change is not None or holder not in own:
            node.hold(holder, share)
            continue
        before = own[holder]
        if before.state == share.state and before == share:
            continue
        if node.meter.since_ns != now_ns:
            node.settle()
        own[holder] = share
        node._in_order = None


class Node:
    """A server. Every change of state or of its shares settles the meter at the present instant, with what was drawn
    until then: what it passes through in no time is never worked out.

    A holder may know only afterwards when it was at work (a compiled serving pool). Its span is then booked as one
    piece at work and one piece loaded, each at its mean power: energy and time by state are exact, and what is not
    linear in the node's power (supplies, the CPUs' curve) is taken at the means. Spans end every quarter of an hour by
    the clock, whatever the ledger's bins.

    A node that is ``reserved`` is a spare: it is not given away, but takes the place of one that failed. One in a group
    is metered there, until something happens to it alone. ``on_free`` is called whenever what of it may be given away
    may have changed. ``number`` counts the nodes of its pool. Nodes that nobody holds and that are alike share a meter,
    each until something happens to it.
    """

    __slots__ = (
        "_held",
        "_idle_since_ns",
        "_in_order",
        "_known_later",
        "_later",
        "_reserved",
        "_shares",
        "env",
        "group",
        "hardware",
        "meter",
        "number",
        "on_change",
        "on_free",
        "pool",
        "recorder",
        "state",
    )

    def __init__(self, env: Clock, recorder: Recorder, pool: str, number: int, meter: SharedMeter) -> None:
        """A node that nobody has held since the start, metered by ``meter``."""
        self.env = env
        self.pool = pool
        self.number = number
        self.hardware = meter.hardware
        self.state: NodeState = meter.state
        self.group: NodeGroup | None = None
        self.meter: Meter | SharedMeter = meter
        self.on_change: Callable[[], None] | None = None
        self.on_free: Callable[[Node], None] | None = None
        self._reserved = False
        self.recorder = recorder
        self._idle_since_ns = meter.since_ns
        self._shares: dict[Holder, Share] = {}
        self._in_order: tuple[Share, ...] | None = None  # shares, until they change
        self._known_later = False  # what some of their holders did, until they change
        self._held = 0  # thousandths of slots
        self._later: Later | None = None

    @property
    def name(self) -> str:
        """Its pool and number."""
        return f"{self.pool}/{self.number}"

    @property
    def idle_since_ns(self) -> int:
        """Since when nobody holds any of it."""
        return self.meter.since_ns if isinstance(self.meter, SharedMeter) else self._idle_since_ns

    @property
    def metered_by(self) -> NodeGroup | SharedMeter | None:
        """What meters it together with others, if anything does."""
        if self.group is not None:
            return self.group
        return self.meter if isinstance(self.meter, SharedMeter) else None

    @property
    def reserved(self) -> bool:
        """Whether it is a spare."""
        return self._reserved

    @reserved.setter
    def reserved(self, reserved: bool) -> None:
        self._reserved = reserved
        self._own_meter()
        if self.on_free is not None:
            self.on_free(self)

    @property
    def shares(self) -> tuple[Share, ...]:
        """Shares of the node, as its holders have set them."""
        return tuple(self._shares.values()) if self.group is None else (self.group.share,)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Who holds slots of it."""
        return tuple(self._shares) if self.group is None else (self.group.holder,)

    @property
    def free(self) -> int:
        """Whole slots that may be given away: nobody holds any part of them, and the node is no spare."""
        return 0 if self._reserved or self.group is not None else (self.hardware.slots * MILLI - self._held) // MILLI

    @property
    def whole(self) -> bool:
        """Whether it is up and one holder has all of it."""
        if self.group is not None:
            return True
        return self.state == "on" and len(self._shares) == 1 and self.shares[0].slots == self.hardware.slots

    def hold(self, holder: Holder, share: Share) -> None:
        """Gives ``holder`` its share, or replaces the one it has."""
        if self.group is not None:
            self.leave_group()
        before = self._shares.get(holder)
        if before == share:
            return
        if self.meter.since_ns != self.env.now_ns:
            self.settle()
        self._shares[holder] = share
        self._in_order = None
        if before is not None and before.slots == share.slots and before.milli == share.milli:
            self._own_meter()
            if self.on_change is not None:
                self.on_change()
            return
        self._held += _milli(share) - (_milli(before) if before is not None else 0)
        self._changed()

    def hold_all(self, shares: Mapping[Holder, Share]) -> None:
        """Gives each of several who have nothing here its share."""
        if self.on_change is not None or self.group is not None:
            for holder, share in shares.items():
                self.hold(holder, share)
            return
        if self.meter.since_ns != self.env.now_ns:
            self.settle()
        self._shares.update(shares)
        self._in_order = None
        self._held += sum(map(_milli, shares.values()))
        self._changed()

    def has_held(self, shares: Mapping[Holder, Share], since_ns: int) -> None:
        """It is new, but each of these has had its share here all along; all was booked up to then, and is counted."""
        self._own_meter().since_ns = since_ns
        self._shares.update(shares)
        self._held = sum(map(_milli, shares.values()))

    def release(self, holder: Holder) -> None:
        """Takes back what ``holder`` has here, if anything."""
        if self.group is not None and self.group.holder is holder:
            self.leave_group()
        if holder in self._shares:
            if self.meter.since_ns != self.env.now_ns:
                self.settle()
            self._held -= _milli(self._shares.pop(holder))
            self._in_order = None
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
        self.leave_group()
        self.settle()
        holders = list(self._shares)
        self._shares.clear()
        self._in_order = None
        self._held = 0
        self._reserved = False
        self._become("failed")
        for holder in holders:
            holder.node_lost(self)

    def group_of(self, holder: Holder, share: Share) -> NodeGroup:
        """A group, empty yet, of nodes like this one that ``holder`` has whole, each with ``share``."""
        return NodeGroup(self.env, self.recorder, self.pool, holder, share)

    def join(self, group: NodeGroup) -> None:
        """Meters the node in ``group`` from now on, whose holder has all of it."""
        self.settle()
        group.add([self], self.hardware)
        self._shares, self._held = {}, 0
        self._in_order = None

    def settle(self) -> None:
        """Books everything drawn up to now."""
        if self.group is not None:
            self.group.settle()
            return
        meter = self.meter
        now_ns, start_ns = self.env.now_ns, meter.since_ns
        if now_ns == start_ns:
            return
        shares = self._in_order
        if shares is None:
            shares = self._in_order = tuple(self._shares.values())
            self._known_later = any(map(_KNOWS_LATER, self._shares))
        known = None
        if self._known_later:
            told = tuple([holder.activity(self, start_ns, now_ns) for holder in self._shares])
            known = told if told.count(None) < len(told) else None
        if type(meter) is not Meter:
            meter = self._own_meter()
        if self._later is None and is_patient(self.recorder):
            self._later = Later.of(self.recorder, self.pool, self.hardware)
        if self._later is not None:
            self._later.leave(self.hardware, self.state, shares, known, start_ns, now_ns)
            meter.since_ns = now_ns
            return
        for draws, since_ns, until_ns in draws_in(self.hardware, self.state, shares, known, start_ns, now_ns):
            self.recorder.record(self.pool, draws, since_ns, until_ns)
        meter.since_ns = now_ns

    def ask_anew(self) -> None:
        """A holder of its knows later what it does, or does so no more."""
        self._in_order = None

    def leave_group(self) -> None:
        """Has its own meter again."""
        group = self.group
        if group is None:
            return
        group.drop(self)
        self.group = None
        self._shares, self._held = {group.holder: group.share}, _milli(group.share)
        self._in_order = None
        self.meter = Meter(self.recorder, self.pool, self.env.now_ns)

    def _own_meter(self) -> Meter:
        meter = self.meter
        if isinstance(meter, SharedMeter):
            self._idle_since_ns = meter.since_ns
            meter = self.meter = Meter(self.recorder, self.pool, meter.since_ns)
        return meter

    def _become(self, state: NodeState) -> None:
        self.settle()
        self.state = state
        self._changed()

    def _changed(self) -> None:
        if type(self.meter) is not Meter:
            self._own_meter()
        if not self._shares:
            self._idle_since_ns = self.env.now_ns
        if self.on_free is not None:
            self.on_free(self)
        if self.on_change is not None:
            self.on_change()
