"""Faults in a few lines: those alike are one, with their number, so that the others are seen."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sim.measure.recording import Fault

MOST_DEVICES = 4
"""Devices of one and the same fault that are named."""

MOST_LINES = 40
"""Kinds of fault that are shown."""

_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|[-+]?\d[\w.,:+-]*")


def kind(fault: Fault) -> str:
    """What is wrong, without the numbers, names and quotations of the one case."""
    reason = fault.reason.replace(fault.device, "#") if fault.device else fault.reason
    return _DETAIL.sub("#", reason)


def lines(faults: Iterable[Fault]) -> list[str]:
    """The first fault of each kind, and how many more there are on how many devices."""
    alike: dict[str, list[Fault]] = {}
    for fault in faults:
        alike.setdefault(kind(fault), []).append(fault)
    shown = [_line(group) for group in alike.values()]
    left = len(shown) - MOST_LINES
    return [*shown[:MOST_LINES], *([f"and {left:,} more kinds of fault"] if left > 0 else [])]


def _line(group: list[Fault]) -> str:
    count = sum(1 + fault.more for fault in group)
    if count == 1:
        return str(group[0])
    devices = list(dict.fromkeys(fault.device for fault in group if fault.device))
    same = len({(fault.reason, fault.line) for fault in group}) == 1 and group[0].line is None
    if same and 1 < count == len(devices) <= MOST_DEVICES:
        return f"{', '.join(devices)}: {group[0].reason}"
    where = f", on {len(devices)} devices" if len(devices) > 1 else ""
    return f"{group[0]} ({count - 1:,} more like it{where})"
