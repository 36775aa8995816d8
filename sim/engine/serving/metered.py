"""What the replicas of a pool have done and drawn, told to their nodes and to whoever reads a meter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim.engine.clock import Clock
from sim.engine.machines.node import Node
from sim.engine.metering.courses import Activities, Activity
from sim.engine.metering.draws import NodeHardware
from sim.engine.serving.drawn import (
    Drawn,
    Floats,
    all_at_work,
    at_work,
    course_of,
    drawn_between,
    handed,
    waiting_stages_w,
)
from sim.engine.serving.plan import Ints
from sim.engine.serving.replicas import ReplicaGroup, ServingReplica
from sim.units import J_PER_NJ, NS_PER_S, SECONDS_PER_NS


class Metered:
    """Keeps, of each replica, what it had ``drawn`` when it was last asked; ``bring`` has the pool come up to the
    present."""

    def __init__(self, env: Clock, drawn: Drawn, bring: Callable[[], None]) -> None:
        self._env = env
        self._drawn = drawn
        self._bring = bring
        self.is_current = False
        """Whether all has been taken from the pool at this instant, at which nothing else happens."""
        self.handed: list[tuple[int, float]] = []
        """J of hand-overs outside of iterations, and up to when."""
        self._nominal_j = self._metered_j = 0.0

    @property
    def unit_scale(self) -> float:
        """What the GPUs drew at work, over what such GPUs draw in the mean."""
        return self._metered_j / self._nominal_j if self._nominal_j else 1.0

    def activity(self, replica: ServingReplica, node: Node, start_ns: int, end_ns: int) -> Activity:
        """What a replica drew on one of its nodes since that node last asked, as power of each of its GPUs."""
        if not self.is_current:
            self._bring()
            self._drawn.take(replica.index)
        group, hardware = replica.group, node.hardware
        before, now = replica.seen.get(node, replica.begun), self._drawn.of(replica.index)
        replica.seen[node] = now
        active_ns, active_w, link_w = at_work(drawn_between(before, now), end_ns - start_ns, group)
        course, rest_ns = None, end_ns - start_ns - active_ns
        noted_ns, noted = self._drawn.between(replica.index, start_ns, end_ns)
        if noted_ns:
            drawn = np.diff(np.stack([before, *noted, now]), axis=0)
            course = course_of(drawn, np.array([start_ns, *noted_ns, end_ns]), active_ns, group)
        if link_w and rest_ns and replica.gang is not None:
            joules = link_w * rest_ns * SECONDS_PER_NS * replica.gang.parts[node] * hardware.gpu_scale
            self.handed += [(end_ns, joules)] if course is None else handed(course, joules, group)
        self._nominal_j += active_w * active_ns
        self._metered_j += (active_w * hardware.gpu_scale + hardware.gpu_offset_w) * active_ns
        return Activity(active_ns, active_w, group.loaded_w + link_w, group.cpu_load, course)

    def begin(self, replica: ServingReplica) -> None:
        """The replica comes up: what it had drawn before is of no account."""
        self._drawn.take(replica.index)
        replica.seen = {}
        replica.begun = replica.read = self._drawn.of(replica.index)
        replica.read_ns = self._env.now_ns

    def begin_all(self, replicas: Sequence[ServingReplica]) -> CohortDrawn:
        """The same of replicas of a group that have never been up: who tells what they draw."""
        return CohortDrawn(self, replicas, self._env.now_ns)

    def bring_all(self) -> None:
        """Takes all from the pool, up to the present."""
        if not self.is_current:
            self._bring()
            self._drawn.take_all()

    def all_of(self, indices: Ints) -> Ints:
        """What some replicas had drawn when all were last asked (n, 3)."""
        return self._drawn.sums[indices]

    def activities(
        self, group: ReplicaGroup, drawn: Ints, slots: Ints, hardware: NodeHardware, start_ns: int, end_ns: int
    ) -> Activities | None:
        """``activity`` of many replicas of a group that have ``drawn`` so much (P, 3), and each of which has so many
        ``slots`` (P,) of a node of such ``hardware``. None where edges of the ledger lie within."""
        if self._drawn.has_notes(start_ns, end_ns):
            return None
        span_ns = end_ns - start_ns
        active_ns, active_w, link_w = all_at_work(drawn, span_ns, group)
        rest_ns = span_ns - active_ns
        for i in np.flatnonzero((link_w != 0.0) & (rest_ns != 0)).tolist():
            joules = link_w[i] * rest_ns[i] * SECONDS_PER_NS * slots[i] * hardware.gpu_scale
            self.handed.append((end_ns, float(joules)))
        unit_w = active_w * hardware.gpu_scale + hardware.gpu_offset_w
        self._nominal_j = _added(self._nominal_j, active_w * active_ns)
        self._metered_j = _added(self._metered_j, unit_w * active_ns)
        return Activities(active_ns, active_w, group.loaded_w + link_w, np.full(len(slots), group.cpu_load))

    def reading(self, replica: ServingReplica) -> Activity:
        """What one of its GPUs drew in the mean since the last reading, and the load of its CPUs then."""
        self._bring()
        self._drawn.take(replica.index)
        now_ns, before, group = self._env.now_ns, replica.read, replica.group
        replica.read = self._drawn.of(replica.index)
        span_ns = max(1, now_ns - replica.read_ns)
        replica.read_ns = now_ns
        lanes_ns, *nj = drawn_between(before, replica.read)
        active_ns = min(lanes_ns, span_ns)
        watts = group.loaded_w + sum(nj) * J_PER_NJ * NS_PER_S / group.gpus / span_ns
        watts += float(waiting_stages_w(lanes_ns, active_ns, group)) * active_ns / span_ns
        return Activity(active_ns, watts, group.loaded_w, group.cpu_load * min(1.0, active_ns / span_ns))


class CohortDrawn:
    """Tells what replicas of a group have drawn that came up in one instant, as long as their nodes settle together."""

    def __init__(self, metered: Metered, replicas: Sequence[ServingReplica], now_ns: int) -> None:
        self._metered, self._replicas, self._begun_ns = metered, replicas, now_ns
        self._indices = np.array([replica.index for replica in replicas])
        self._begun = self._told = metered.all_of(self._indices)

    def tell(self, whose: Ints, slots: Ints, hardware: NodeHardware, start_ns: int, end_ns: int) -> Activities | None:
        """What those (P,) of the replicas did since they were asked last, by so many slots of a node; None where they
        are to be asked one by one."""
        self._metered.bring_all()
        now = self._metered.all_of(self._indices)
        group, drawn = self._replicas[0].group, (now - self._told)[whose]
        told = self._metered.activities(group, drawn, slots, hardware, start_ns, end_ns)
        if told is not None:
            self._told = now
        return told

    def part(self) -> None:
        """They are asked one by one from now on."""
        begun, told = self._begun.tolist(), self._told.tolist()
        for replica, at_first, up_to_now in zip(self._replicas, begun, told, strict=True):
            replica.read, replica.read_ns = tuple(at_first), self._begun_ns
            replica.begun, replica.seen = tuple(up_to_now), {}


def _added(to: float, terms: Floats) -> float:
    """The sum of all of these, added up from the left."""
    return float(np.add.accumulate(np.concatenate([[to], terms]))[-1])
