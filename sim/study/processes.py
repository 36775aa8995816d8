"""How many processes this machine has room for, and how they start."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import BaseContext


def machine_workers() -> int:
    """As many as the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_context(preload: list[str]) -> BaseContext:
    """How processes of work start: from a server that has loaded what they need, or afresh; never as a copy of this."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(preload)
    return context
