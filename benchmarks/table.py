"""Rows of a benchmark, for people and as JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure. ``reach`` is what was asked for: at most that, or with ``at_least`` no less; ``ok`` whether this run
    met it, None where nothing was asked for."""

    case: str
    value: float
    unit: str
    reach: float | None = None
    note: str = ""
    at_least: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the figure was reached."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.at_least else self.value <= self.reach


def machine() -> str:
    """What the figures were measured on, in a few words."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def peaks_mib() -> tuple[float, float]:
    """At the peak of their memory: this process, and the largest of those that it began and waited for."""
    units = 2**20 if sys.platform == "darwin" else 2**10
    own, begun = (resource.getrusage(who).ru_maxrss / units for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own, begun


def show(name: str, rows: Sequence[Row], *, as_json: bool) -> None:
    """Prints the rows; with ``as_json`` the last line is the object that scripts read."""
    width = max(len(row.case) for row in rows)
    print(f"{name} on {machine()}")
    for row in rows:
        reach = "" if row.reach is None else f"  reach {row.reach:g} {row.unit}: {'ok' if row.ok else 'MISSED'}"
        print(f"  {row.case:<{width}}  {row.value:10.3f} {row.unit}{reach}{'  (' + row.note + ')' if row.note else ''}")
    own_mib, begun_mib = peaks_mib()
    print(f"memory at its peak: {own_mib:.0f} MiB here, {begun_mib:.0f} MiB in the largest of the processes begun")
    if as_json:
        listed = [{**asdict(row), "ok": row.ok} for row in rows]
        print(json.dumps({"name": name, "machine": machine(), "rows": listed, "peak_mib": [own_mib, begun_mib]}))
