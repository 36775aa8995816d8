"""The most memory that this process has held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
KIBIBYTE = 1024


def peak_bytes() -> int:
    """Bytes of its resident set at their most.

    Linux's ``ru_maxrss`` is at least what the process that began this one held when it did (``exec`` keeps the most of
    the memory that it gives up): a run begun by a notebook of 2 GB would
    tell 2 GB. ``VmHWM`` (``proc_pid_status(5)``) is of this process's own memory.
    """
    try:
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    own = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    if own is not None:
        return int(own) * KIBIBYTE
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else KIBIBYTE)
