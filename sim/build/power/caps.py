"""Caps of a scenario -> when each GPU of whom may draw how much; and afterwards, for how long that was."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.build.resolved import Group, Resolved
from sim.instants import spans_of_offset
from sim.kinds import builder
from sim.later import later
from sim.signals import Signal
from sim.units import DAY_NS, NS_PER_S

with later():
    from sim.engine.control import CapPlan, PowerLimit
    from sim.signals.local_clock import zone_of
    from sim.spec.policies import of_day_ns
    from sim.workload.schedule import while_at_most


if TYPE_CHECKING:
    from sim.engine.control import Changes
    from sim.spec.policies import Above, Daily, DemandResponse, PowerCap, Throttle


Signals = Mapping[str, Mapping[str, Signal]]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
FiniteChanges = Sequence[tuple[int, float | None]]


@dataclass(frozen=True)
class Capping:
    """One policy on one workload's GPUs in one pool."""

    source: str
    kind: str
    capped: Group
    changes: Changes


def cappings(resolved: Resolved, signals: Signals) -> list[Capping]:
    """Every policy of a scenario that has passed its checks, on everybody it caps."""
    start_ns = resolved.parts.start_ns
    found = []
    for i, policy in resolved.caps.items():
        for capped in resolved.held[i]:
            machine = resolved.machines[capped.pool]
            if machine.board is None:
                continue  # rows of a table of jobs may stand in pools without GPUs
            # A cap is of a board, which its instances share alike.
            watts = [cap_w / machine.slots_per_board for cap_w in policy.watts(float(machine.board.tdp.value))]
            changes = builder(policy)(policy, watts, signals[resolved.sites[capped.pool]], start_ns)
            found.append(Capping(f"policies.{i}", policy.kind, capped, changes))
    return found


def training_caps(resolved: Resolved, found: Sequence[Capping]) -> tuple[CapPlan, ...]:
    """Caps of training jobs, campaigns and rows of tables of jobs, which follow them as they run."""
    return tuple(
        CapPlan(
            capping.source,
            capping.capped.workload,
            capping.changes,
            capping.capped.pool if capping.capped.workload in resolved.batches else "",
        )
        for capping in found
        if capping.capped.workload in {*resolved.jobs, *resolved.campaigns, *resolved.batches}
    )


def power_limits(resolved: Resolved, carried_w: Callable[[str], Signal]) -> tuple[PowerLimit, ...]:
    """Limits of sites that throttle. ``carried_w`` gives the IT power that the plant of a site carries."""
    limits = []
    for policy in resolved.throttles.values():
        site = resolved.site_named(policy.site)
        assert site is not None  # the cross-check has refused it otherwise
        pools = frozenset(label for label, there in resolved.sites.items() if there == site)
        limits.append(PowerLimit(site, pools, builder(policy)(policy, partial(carried_w, site))))
    return tuple(limits)


def throttle(policy: Throttle, carried: Callable[[], Signal]) -> Signal:
    """The IT power that a site is held under, W: as written, or what it carries."""
    return Signal.constant(float(policy.limit), "W") if policy.limit is not None else carried()


def serving_caps(found: Sequence[Capping], name: str, until_ns: int | None) -> dict[str, list[FiniteChanges]]:
    """Caps of a serving workload by the field of its replicas, as far as the run goes."""
    caps: dict[str, list[FiniteChanges]] = {}
    for capping in found:
        if capping.capped.workload == name:
            known = takewhile(lambda change: until_ns is None or change[0] < until_ns, capping.changes())
            caps.setdefault(capping.capped.field, []).append(list(known))
    return caps


def cap_at(changes: FiniteChanges, t_ns: int) -> float | None:
    """The cap at one instant."""
    at = bisect_right(changes, t_ns, key=lambda change: change[0])
    return changes[at - 1][1] if at else None


def policy_log(found: Sequence[Capping], end_ns: int) -> list[dict[str, Any]]:
    """How often and for how long each cap was in force during the run."""
    rows = []
    for capping in found:
        times, in_force_ns = 0, 0
        since_ns: int | None = None
        for at_ns, cap_w in takewhile(lambda change: change[0] < end_ns, capping.changes()):
            if since_ns is not None:
                in_force_ns += at_ns - since_ns
            times += cap_w is not None and since_ns is None
            since_ns = at_ns if cap_w is not None else None
        in_force_ns += end_ns - since_ns if since_ns is not None else 0
        row: dict[str, Any] = {"policy": capping.source, "kind": capping.kind, "workload": capping.capped.workload}
        row |= {"field": capping.capped.field} if capping.capped.field else {}
        rows.append({**row, "times": times, "in_force_s": in_force_ns / NS_PER_S})
    return rows


def power_cap(policy: PowerCap, watts: Sequence[float], signals: Mapping[str, Signal], start_ns: int) -> Changes:
    """A cap while its condition holds."""
    made: Changes = builder(policy.when)(policy.when, watts[0], signals, start_ns)
    return made


def demand_response(
    policy: DemandResponse, watts: Sequence[float], _signals: Mapping[str, Signal], _start_ns: int
) -> Changes:
    """The lowest cap of the events that are on."""
    return Listed(tuple(_events(policy, watts)))


def above(when: Above, cap_w: float, signals: Mapping[str, Signal], _start_ns: int) -> Changes:
    """A cap while a signal is above a level."""
    return WhileNotAllowed(while_at_most(signals[when.signal], float(when.level), 0), cap_w)


def daily(when: Daily, cap_w: float, _signals: Mapping[str, Signal], start_ns: int) -> Changes:
    """A cap by the clock."""
    return EveryDay.of(when, cap_w, start_ns)


@dataclass(frozen=True)
class Listed:
    """Changes that are all known."""

    changes: tuple[tuple[int, float | None], ...]

    def __call__(self) -> Iterator[tuple[int, float | None]]:
        """See ``Changes``."""
        return iter(self.changes)


@dataclass(frozen=True)
class WhileNotAllowed:
    """A cap wherever ``allowed`` is 0."""

    allowed: Signal
    cap_w: float

    def __call__(self) -> Iterator[tuple[int, float | None]]:
        """See ``Changes``."""
        allowed = self.allowed
        caps_w = (None if free else self.cap_w for free in allowed.values.tolist())
        return zip(allowed.edges_ns[:-1].tolist(), caps_w, strict=True)


@dataclass(frozen=True)
class EveryDay:
    """A cap for ``length_ns`` of every day from ``since_ns`` by the clock of ``zone``; ``start_ns`` is after 1970."""

    since_ns: int
    length_ns: int
    zone: tzinfo
    start_ns: int
    cap_w: float

    @classmethod
    def of(cls, when: Daily, cap_w: float, start_ns: int) -> EveryDay:
        """As it is written."""
        return cls(of_day_ns(when.since), when.length_ns, zone_of(when.zone), start_ns, cap_w)

    def __call__(self) -> Iterator[tuple[int, float | None]]:
        """For ever; from the middle of a span, if the run starts there. See ``Changes``."""
        held: tuple[int, int] | None = None
        for since_ns, until_ns in self._spans():
            if held is not None and since_ns == held[1]:  # a change of clock, or a new year, within one span
                held = held[0], until_ns
                continue
            if held is not None:
                yield held[0] - self.start_ns, self.cap_w
                yield held[1] - self.start_ns, None
            held = since_ns, until_ns

    def _spans(self) -> Iterator[tuple[int, int]]:
        """When the clock reads so, in ns since 1970, from ``start_ns`` on; spans may meet."""
        for first_ns, last_ns, ahead_ns in spans_of_offset(self.zone, self.start_ns, None):
            day_ns = (first_ns + ahead_ns) // DAY_NS * DAY_NS - DAY_NS
            since_ns = day_ns + self.since_ns - ahead_ns
            while since_ns < last_ns:
                if since_ns + self.length_ns > first_ns:
                    yield max(first_ns, since_ns), min(last_ns, since_ns + self.length_ns)
                since_ns += DAY_NS


def _events(policy: DemandResponse, watts: Sequence[float]) -> Iterator[tuple[int, float | None]]:
    spans = [(int(e.start), int(e.start) + int(e.duration), w) for e, w in zip(policy.events, watts, strict=True)]
    before: float | None = None
    for at_ns in sorted({edge for start, end, _ in spans for edge in (start, end)}):
        now = min((cap_w for start, end, cap_w in spans if start <= at_ns < end), default=None)
        if now != before:
            yield at_ns, now
        before = now
