"""Machines whose name changes while they are metered: an exporter restarts, and its target gets another address.

A GPU with a UUID is told by that; other meters only by their machine's name. Where one machine's series all stop and,
soon after, those of another begin that has the very same meters, and no third could be either of them, it is one
machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.measure.readers.exporters import Meter
from sim.units import NS_PER_S

LONGEST_RESTART_NS = 600 * NS_PER_S
"""A machine that comes back later than this may be another one."""

Labels = tuple[tuple[str, str], ...]
Sample = tuple[int, float, int]


def renamed(
    meters: Mapping[tuple[str, Labels], Meter], samples: Mapping[tuple[str, Labels], Sequence[Sample]]
) -> dict[str, str]:
    """First name of each machine that is another one under a new name."""
    has: dict[str, set[tuple[str, str, str]]] = {}
    spans: dict[str, tuple[int, int]] = {}
    for key, own in meters.items():
        has.setdefault(own.host, set()).add((key[0], own.kind, own.uuid or own.number))
        times = [time for time, _, _ in samples[key]]
        first, last = spans.get(own.host, (times[0], times[0]))
        spans[own.host] = min(first, *times), max(last, *times)
    after = {
        host: [
            other
            for other in has
            if has[other] == has[host] and 0 < spans[other][0] - spans[host][1] <= LONGEST_RESTART_NS
        ]
        for host in has
    }
    found: dict[str, str] = {}
    for host in sorted(has, key=lambda host: spans[host]):
        before = [other for other in has if host in after[other]]
        if len(before) == 1 and after[before[0]] == [host]:
            found[host] = found.get(before[0], before[0])
    return found
