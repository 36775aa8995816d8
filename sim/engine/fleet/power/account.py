"""The books of one domain: what it drew over time, how long and how far above its limit, and what answers cost whom."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.power.plan import DomainPlan
from sim.units import SECONDS_PER_NS
from sim.workload.power_records import AboveAlone, Cost, DomainRecord, Episode, Trip


@dataclass
class Open:
    """An episode that goes on."""

    start_ns: int
    limit_w: float
    called: bool
    most_w: float = 0.0
    over_ns: int = 0
    longest_over_ns: int = 0
    over_j: float = 0.0
    rungs: int = 0
    unmet: bool = False
    capped: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    shed: int = 0
    costs: dict[str, Cost] = field(default_factory=dict)

    def closed(self, domain: str, end_ns: int) -> Episode:
        """As a record."""
        return Episode(
            domain,
            self.start_ns,
            end_ns,
            self.limit_w,
            self.most_w,
            self.over_ns,
            self.longest_over_ns,
            self.over_j,
            self.rungs,
            self.unmet,
            len(self.capped),
            len(self.paused),
            self.shed,
            self.called,
            tuple(sorted(self.costs.items())),
        )


class Books:
    """What is written down of one domain. Between two looks everything in it is constant."""

    def __init__(self, plan: DomainPlan) -> None:
        self._plan = plan
        self.episode: Open | None = None
        self._episodes: list[Episode] = []
        self.trips: list[Trip] = []
        self._at, self._watts, self._limit = array("q"), array("d"), array("d")
        self.ramp_exceeded_w = 0.0
        self.held_slot_s = 0.0
        self.killed: list[AboveAlone] = []

    def draw(self, now_ns: int, watts: float, limit_w: float) -> None:
        """From now on so much is drawn, and so much may be."""
        if self._at and self._at[-1] == now_ns:
            self._watts[-1], self._limit[-1] = watts, limit_w
        elif not self._at or (self._watts[-1], self._limit[-1]) != (watts, limit_w):
            self._at.append(now_ns)
            self._watts.append(watts)
            self._limit.append(limit_w)

    def pass_time(self, span_ns: int, watts: float, limit_w: float, over_since_ns: int | None, now_ns: int) -> None:
        """So much time has passed at these watts; ``over_since_ns`` is since when they have been too many."""
        episode = self.episode
        if episode is None:
            return
        episode.limit_w = min(episode.limit_w, limit_w)
        episode.most_w = max(episode.most_w, watts)
        if over_since_ns is not None:
            episode.over_ns += span_ns
            episode.longest_over_ns = max(episode.longest_over_ns, now_ns - over_since_ns)
            episode.over_j += (watts - limit_w) * span_ns * SECONDS_PER_NS

    def slowed(self, load: Load, span_ns: int, full_w: float, drawn_w: float, rate: float) -> None:
        """A load worked at a part of its rate for so long."""
        assert self.episode is not None
        slot_s = span_ns * SECONDS_PER_NS * load.traits.slots
        self._cost(
            load,
            Cost(
                slowed_slot_s=(1.0 - rate) * slot_s,
                shaved_j=(full_w - drawn_w) * slot_s,
                extra_j=(drawn_w - rate * full_w) * slot_s,
            ),
        )

    def lost(self, load: Load, lost_slot_s: float) -> None:
        """Work of a load is lost."""
        self._cost(load, Cost(lost_slot_s=lost_slot_s, lost_j=lost_slot_s * load.traits.full_w))

    def _cost(self, load: Load, cost: Cost) -> None:
        assert self.episode is not None
        costs = self.episode.costs
        costs[load.traits.workload] = costs.get(load.traits.workload, Cost()) + cost

    def close(self, now_ns: int) -> None:
        """The episode is over."""
        if self.episode is not None:
            self._episodes.append(self.episode.closed(self._plan.name, now_ns))
            self.episode = None

    def record(self, end_ns: int) -> DomainRecord:
        """All of it; an episode may go on."""
        ongoing = [self.episode.closed(self._plan.name, end_ns)] if self.episode is not None else []
        return DomainRecord(
            self._plan.name,
            self._plan.level,
            self._plan.answer_ns,
            np.array(self._at, np.int64),
            np.array(self._watts),
            np.array(self._limit),
            tuple(one for one in [*self._episodes, *ongoing] if one.end_ns > one.start_ns),
            tuple(self.trips),
            self.ramp_exceeded_w,
            self.held_slot_s,
            tuple(self.killed),
        )
