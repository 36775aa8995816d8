"""Replicas of services as loads that can be asked to draw less.

One of an ``inference`` service is capped, paused and shed at the instant. What a ``serving`` replica draws is known
only afterwards: its GPUs are counted at the limit of their boards, or of their caps, so that a limit holds whatever
they do; or they are read as power control in the field reads them, in means over seconds that have gone by (3 s in Wu
et al., "Dynamo", ISCA 2016), and count at the last reading, capped or not. One that is paused counts as loaded: the
iteration that it is in still ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.engine.fleet.power.loads import Asked, Traits
from sim.engine.machines.gang import Gang
from sim.engine.metering.draws import Share
from sim.engine.serving.power import whole_w
from sim.engine.serving.replicas import ServingReplica
from sim.engine.serving.service import ServingService

if TYPE_CHECKING:
    from sim.engine.queueing.queue import Queue
    from sim.engine.queueing.replica import Replica


class ServiceLoad:
    """A replica of an inference service, one of those that share a queue."""

    held = False
    leaving = False
    over = writes = False

    def __init__(self, queue: Queue, replica: Replica, gang: Gang, priority: int) -> None:
        plan = queue.plan
        self._queue, self._replica = queue, replica
        self.traits = Traits(
            workload=plan.name,
            name="",
            serves=True,
            priority=priority,
            order=_order(gang),
            slots=float(gang.slots),
            pool=plan.pool,
            loaded_w=plan.loaded_w,
            full_w=queue.most_w,
            cpu_load=plan.cpu_load,
            cappable=replica.pace.cappable,
            can_pause=True,
            can_shed=True,
        )
        self._asked = Asked(replica.cap, lambda: queue.pause(replica), lambda: queue.resume(replica))
        self.cap, self.pause, self.resume = self._asked.cap, self._asked.pause, self._asked.resume
        self.forget = self._asked.forget

    @property
    def at_work(self) -> bool:
        """See ``Load``."""
        return self._replica.at_work

    @property
    def rate(self) -> float:
        """See ``Load``."""
        return self._replica.rate

    @property
    def limited(self) -> bool:
        """See ``Load``."""
        return self._asked.limits(self.traits.full_w)

    def would_work(self, source: str) -> bool:
        """See ``Load``."""
        return self._replica.serves and self._asked.pauses <= {source}

    def w_under(self, source: str, cap_w: float | None) -> float:
        """See ``Load``."""
        pace = self._replica.pace
        return pace.without(source) if cap_w is None else pace.capped_by(source, cap_w)

    def hold_back(self) -> bool:
        """See ``Load``: its requests wait, but it does not."""
        return False

    def let_go(self) -> None:
        """See ``Load``."""

    def shed(self, *, saving: bool) -> float:  # noqa: ARG002 (it has no state to save)
        """See ``Load``."""
        return self._queue.shed(self._replica)

    def kill(self) -> float:
        """See ``Load``."""
        raise AssertionError("a service does not end")


class ReplicaLoad:
    """A replica of a serving workload, up or coming up. ``read_w`` is what one of its GPUs drew at the last reading,
    and ``wants_w`` at the last without a cap; both are its board's limit where nobody reads."""

    held = False
    leaving = False
    over = writes = False
    rate = 1.0

    def __init__(
        self, service: ServingService, replica: ServingReplica, gang: Gang, priority: int, *, read: bool, board_w: float
    ) -> None:
        group = replica.group
        self._service, self._replica = service, replica
        self.traits = Traits(
            workload=service.name,
            name="",
            serves=True,
            priority=priority,
            order=_order(gang),
            slots=float(gang.slots),
            pool=group.pool,
            loaded_w=group.loaded_w,
            full_w=board_w,
            cpu_load=group.cpu_load,
            cappable=True,
            can_pause=True,
            can_shed=True,
            paced=False,
        )
        self._cpu_load = 0.0 if read else group.cpu_load
        self._read_w = self._wants_w = group.loaded_w if read else board_w
        self._asked = Asked(self._cap, lambda: service.pause_replica(replica), lambda: service.resume_replica(replica))
        self.cap, self.pause, self.resume = self._asked.cap, self._asked.pause, self._asked.resume
        self.forget = self._asked.forget

    def read(self) -> None:
        """Takes the mean since the last reading."""
        drawn = self._service.reading(self._replica)
        self._read_w, self._cpu_load = drawn.active_w, drawn.cpu_load
        self._wants_w = max(self._read_w, self._wants_w) if self._asked.caps_w else self._read_w

    def counts(self, share: Share) -> Share:
        """A share of its, as it counts."""
        if not self._replica.up:
            return share
        if self._replica.paused:
            return Share(share.owner, share.slots, "loaded", self.traits.loaded_w, 0.0)
        return Share(share.owner, share.slots, "active", self.w_under("", None), self._cpu_load)

    @property
    def at_work(self) -> bool:
        """See ``Load``."""
        return self._replica.up and not self._replica.paused

    @property
    def limited(self) -> bool:
        """See ``Load``."""
        return self._asked.limits(min(self.traits.full_w, self._service.planned_w(self._replica)))

    def would_work(self, source: str) -> bool:
        """See ``Load``."""
        return self._replica.up and self._asked.pauses <= {source}

    def w_under(self, source: str, cap_w: float | None) -> float:
        """See ``Load``. With all caps as they are: what was read, or what they leave where that is less."""
        full_w = min(self._wants_w if source else self._read_w, self._service.planned_w(self._replica))
        least_w = self._asked.least_w(source, cap_w, np.inf)
        return min(full_w, whole_w(least_w, self.traits.loaded_w)) if least_w < np.inf else full_w

    def _cap(self, source: str, cap_w: float | None) -> None:
        self._service.cap_replica(self._replica, source, cap_w)

    def hold_back(self) -> bool:
        """See ``Load``."""
        return False

    def let_go(self) -> None:
        """See ``Load``."""

    def shed(self, *, saving: bool) -> float:  # noqa: ARG002 (what is in its cache cannot be kept)
        """See ``Load``: what is lost is told by its requests, which begin anew."""
        self._service.shed(self._replica)
        return 0.0

    def kill(self) -> float:
        """See ``Load``."""
        raise AssertionError("a service does not end")


def _order(gang: Gang) -> int:
    return gang.request.seq if gang.request is not None else 0
