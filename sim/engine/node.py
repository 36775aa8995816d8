"""One machine: its state, who holds its slots, and the meter that follows from both."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.draws import NodeHardware, NodeState, Share, node_draws
from sim.engine.meter import Meter, Recorder


class Holder(Protocol):
    """Who holds slots of a node, and must know when it fails."""

    def node_lost(self, node: Node) -> None:
        """``node`` has failed; the holder's share of it is already gone."""


class Node:
    """A server. Every change of state or of its shares settles the meter at the present instant."""

    def __init__(
        self, env: Clock, recorder: Recorder, name: str, pool: str, hardware: NodeHardware, *, powered: bool
    ) -> None:
        self.env = env
        self.name = name
        self.pool = pool
        self.hardware = hardware
        self.state: NodeState = "on" if powered else "off"
        self.idle_since_ns = env.now_ns
        self._shares: dict[Holder, Share] = {}
        self._held = 0
        self._meter = Meter(recorder, pool, node_draws(hardware, self.state, ()), env.now_ns)

    @property
    def free(self) -> int:
        """Slots nobody holds."""
        return self.hardware.slots - self._held

    def hold(self, holder: Holder, share: Share) -> None:
        """Gives ``holder`` its share, or replaces the one it has."""
        before = self._shares.get(holder)
        if before == share:
            return
        self._shares[holder] = share
        self._held += share.slots - (before.slots if before is not None else 0)
        self._changed()

    def release(self, holder: Holder) -> None:
        """Takes back what ``holder`` has here, if anything."""
        share = self._shares.pop(holder, None)
        if share is not None:
            self._held -= share.slots
            self._changed()

    def boot(self) -> Generator[simpy.Event, object, None]:
        """off or failed -> on, taking the profile's boot time."""
        self._become("booting")
        yield self.env.wait(self.hardware.boot_ns)
        self._become("on")

    def shut_down(self) -> Generator[simpy.Event, object, None]:
        """on -> off, taking the profile's shutdown time. Only an unheld node may shut down."""
        self._become("stopping")
        yield self.env.wait(self.hardware.shutdown_ns)
        self._become("off")

    def fail(self) -> None:
        """The node dies: every share is gone, and every holder hears of it after the meters have been settled."""
        holders = list(self._shares)
        self._shares.clear()
        self._held = 0
        self._become("failed")
        for holder in holders:
            holder.node_lost(self)

    def settle(self) -> None:
        """Books everything drawn up to now."""
        self._meter.settle(self.env.now_ns)

    def _become(self, state: NodeState) -> None:
        self.state = state
        self._changed()

    def _changed(self) -> None:
        if not self._held:
            self.idle_since_ns = self.env.now_ns
        self._meter.set(node_draws(self.hardware, self.state, tuple(self._shares.values())), self.env.now_ns)
