"""Phases of a project hold every workload once, so that their sum is the whole."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.validation import nearest

Found = Iterator[tuple[KeyPath, str]]


def phases_whole(resolved: Resolved) -> Found:
    """Each workload in one phase, and nothing else in any."""
    accounting = resolved.parts.accounting
    if accounting is None or not accounting.phases:
        return
    path: KeyPath = ("accounting", "phases")
    names = resolved.parts.names
    found: dict[str, str] = {}
    for phase, workloads in accounting.phases.items():
        for i, name in enumerate(workloads):
            if name not in names:
                yield (*path, phase, i), f"unknown workload '{name}'{nearest(name, names)}  ({', '.join(names)})"
            elif name in found:
                yield (*path, phase, i), f"'{name}' is in the phase '{found[name]}' already"
            found.setdefault(name, phase)
    lacking = [name for name in names if name not in found]
    if lacking:
        yield path, f"every workload is in a phase; {', '.join(lacking)} is in none"
