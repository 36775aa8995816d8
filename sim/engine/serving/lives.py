"""The lives of a pool's replicas: off until wanted, then a gang, a cold start, and service until it is drained, not
wanted any more, or its node dies.

Each is a process. Those that are wanted from the start go the same way at the same instants, until something happens to
one of them alone: up to then all of a group are one process, which does for all at once what each would do, with a
cohort of gangs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.cohort import Cohort, set_all
from sim.engine.machines.gang import Gang, NodeLost
from sim.engine.machines.images import Images
from sim.engine.machines.node import Node
from sim.engine.serving.metered import Metered
from sim.engine.serving.opening import Opening
from sim.engine.serving.replicas import Pool, ReplicaGroup, ServingReplica


class Lives:
    """Keeps replicas of ``owner`` in ``pool``. ``advance`` brings that to the present, ``cost_of`` says what iterations
    of a replica cost now, and ``changed`` is told of gangs whose replica has come up; whether anybody listens to it,
    ``heard`` says."""

    def __init__(
        self,
        env: Clock,
        cluster: Cluster,
        owner: str,
        pool: Pool,
        opening: Opening,
        metered: Metered,
        advance: Callable[[], None],
        cost_of: Callable[[ServingReplica], int],
        changed: Callable[[Gang], None],
        heard: Callable[[], bool],
    ) -> None:
        self._env = env
        self._cluster = cluster
        self._owner = owner
        self._pool = pool
        self._opening = opening
        self._metered = metered
        self._advance = advance
        self._cost_of = cost_of
        self._changed = changed
        self._heard = heard
        self._images: dict[ReplicaGroup, Images] = {}
        self._together: dict[ServingReplica, Gang] = {}
        """Those that have no process of their own yet, and what they hold, where that is made."""
        self._cohorts: dict[Cohort, Sequence[ServingReplica]] = {}
        self.of_gang: dict[Gang, ServingReplica] = {}
        self.replica_ns = self.up = self.most_up = self.cold_starts = 0
        self.skipped_events = 0
        """How many more the clock would have come to, had each had a process of its own from the start."""

    def begin(self, group: ReplicaGroup, replicas: Sequence[ServingReplica]) -> None:
        """All replicas of a group, of which the first so many are wanted from the start."""
        self._images[group] = Images(group.start_up)
        if group.initial:
            self._env.process(self._open(group, replicas[: group.initial]))
        for replica in replicas[: group.initial]:
            replica.wanted = True
        for replica in replicas[group.initial :]:
            replica.process = self._env.process(self._life(replica))

    def dismiss(self) -> None:
        """Gives up the pool, at the end."""
        for gang in self.of_gang:
            gang.told_by = None
        for cohort in self._cohorts:
            cohort.told_by = None
        del self._pool, self._opening, self._metered, self._cost_of

    def process_of(self, replica: ServingReplica) -> simpy.Process:
        """The process of a replica, to which something is about to happen alone; it waits for its ``wake``."""
        if replica.process is None:
            self._part()
            replica.wake = self._env.event()
            replica.process = self._env.process(self._life(replica, self._together.pop(replica), is_there=True))
            self.skipped_events -= 1
        return replica.process

    def _life(
        self, replica: ServingReplica, gang: Gang | None = None, *, is_there: bool = False
    ) -> Generator[simpy.Event, object, None]:
        """The process of a replica, from where it has asked for ``gang``, or ``is_there``: who was started with others
        is up, or will be interrupted."""
        env, group = self._env, replica.group
        images = self._images[group]
        while True:
            try:
                if gang is None:
                    if not replica.wanted:
                        replica.wake = env.event()
                        yield replica.wake
                    gang = self._cluster.request(self._owner, group.pool, group.gpus, compact=True)
                    self.of_gang[gang] = replica
                if not is_there:
                    yield gang.ready
                    gang.set("loaded", group.loaded_w, 0.0)
                    load_ns = images.wait_ns(gang)
                    if load_ns:
                        self.cold_starts += 1
                        yield env.wait(load_ns)
                    images.pulled(gang)
                    self._come_up(replica, gang)
                    replica.wake = env.event()
                assert replica.wake is not None
                yield replica.wake
                self._go_down(replica)
            except simpy.Interrupt:
                if replica.up:
                    self._advance()
                    self._go_down(replica)
                    for lane in replica.lanes:
                        self._pool.kill(lane)
            finally:
                if gang is not None:
                    del self.of_gang[gang]
                    self._cluster.withdraw(gang)
                    gang.told_by = None
                gang, is_there = None, False

    def _come_up(self, replica: ServingReplica, gang: Gang) -> None:
        self._advance()
        for node in gang.parts:
            node.settle()
        self._metered.begin(replica)
        self._have([replica], [gang])
        self._are_up([replica])
        self._open_lanes(replica)
        self._changed(gang)

    def _open_lanes(self, replica: ServingReplica) -> None:
        cost = self._cost_of(replica)
        for lane in replica.lanes:
            self._pool.set_cost(lane, cost)
        self._opening.open(replica)

    def _are_up(self, replicas: Sequence[ServingReplica]) -> None:
        now_ns = self._env.now_ns
        for replica in replicas:
            replica.up, replica.draining, replica.shed, replica.since_ns = True, False, False, now_ns
        self.up += len(replicas)
        self.most_up = max(self.most_up, self.up)

    def _go_down(self, replica: ServingReplica) -> None:
        self.replica_ns += self._env.now_ns - replica.since_ns
        self.up -= 1
        replica.up = replica.draining = replica.leaving = replica.paused = False
        replica.gang = None

    # Those that are wanted from the start

    def _open(self, group: ReplicaGroup, replicas: Sequence[ServingReplica]) -> Generator[simpy.Event, object, None]:
        """The process of replicas that are wanted from the start, up to where each that has none has one of its own.

        What they do at an instant nobody else comes between, so that one event stands for one of each.
        """
        images = self._images[group]
        cohort = self._cluster.request_all(self._owner, group.pool, group.gpus, len(replicas), compact=True)
        if cohort is None:  # some wait for slots, or for nodes that boot, or nobody can say
            gangs = [self._cluster.request(self._owner, group.pool, group.gpus, compact=True) for _ in replicas]
            self.of_gang.update(zip(gangs, replicas, strict=True))
            for replica, gang in zip(replicas, gangs, strict=True):
                gang.process = replica.process = self._env.process(self._life(replica, gang))
            self.skipped_events -= 2  # its own beginning, and its end
            return
        self._cohorts[cohort] = replicas
        cohort.on_made = partial(self._made, replicas)
        if cohort.gangs is not None:
            self._made(replicas, cohort.gangs)
        self.skipped_events += 2 * (len(replicas) - 1)  # beginnings, and gangs that are ready
        yield cohort.ready
        left = self._left(replicas)
        if cohort.gangs is None:
            cohort.set("loaded", group.loaded_w)
        else:
            set_all([self._together[replica] for replica in left], "loaded", group.loaded_w, self._env.now_ns)
        load_ns = group.start_up.first_ns if left else 0  # none has pulled anything yet
        if load_ns:
            self.cold_starts += len(left)
            self.skipped_events += len(left) - 1
            yield self._env.wait(load_ns)
            left = self._left(replicas)
        if left:
            self._come_up_all(cohort, left, images)
        self.skipped_events -= 1  # its end

    def _left(self, replicas: Sequence[ServingReplica]) -> list[ServingReplica]:
        """Those that have no process of their own."""
        return [replica for replica in replicas if replica.process is None]

    def _part(self) -> None:
        """Something is about to happen to one replica alone."""
        for cohort in self._cohorts:
            cohort.part()

    def _made(self, replicas: Sequence[ServingReplica], gangs: Sequence[Gang]) -> None:
        """What replicas hold is made, as it would be if nothing had been put off."""
        self.of_gang.update(zip(gangs, replicas, strict=True))
        self._together.update(zip(replicas, gangs, strict=True))
        for replica, gang in zip(replicas, gangs, strict=True):
            gang.on_lost = partial(self._lost, replica)
        if replicas[0].up:
            self._have(replicas, gangs)

    def _have(self, replicas: Sequence[ServingReplica], gangs: Sequence[Gang]) -> None:
        """Replicas that are up, or about to be, hold these."""
        for replica, gang in zip(replicas, gangs, strict=True):
            gang.told_by = partial(self._metered.activity, replica)
            replica.gang = gang

    def _lost(self, replica: ServingReplica, node: Node) -> None:
        """A node of one that was started with others has failed."""
        process = self.process_of(replica)
        if process.is_alive:
            process.interrupt(NodeLost(node.name))

    def _come_up_all(self, cohort: Cohort, replicas: Sequence[ServingReplica], images: Images) -> None:
        """``_come_up`` of all; those who listen hear of one after the other."""
        self._advance()
        if self._heard():
            cohort.part()
            for replica in replicas:
                images.pulled(self._together[replica])
            for replica in replicas:
                self._come_up(replica, self._together[replica])
            return
        alike = self._metered.begin_all(replicas)
        if cohort.gangs is None:
            cohort.settle()
            cohort.told_by = alike
            images.pulled_on(cohort.numbers)
            for replica in replicas:
                replica.cohort = cohort
        else:
            gangs = [self._together[replica] for replica in replicas]
            for node in dict.fromkeys(node for gang in gangs for node in gang.parts):
                node.settle()
            alike.part()
            for gang in gangs:
                images.pulled(gang)
            self._have(replicas, gangs)
        self._are_up(replicas)
        if self._pool.backlog or any(replica.caps_w or replica.paused for replica in replicas):
            for replica in replicas:
                self._open_lanes(replica)
        else:
            self._opening.open_all(replicas, self._cost_of(replicas[0]))
