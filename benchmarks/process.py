"""What a process takes, from the shell's point of view: time, time of a core, and the peak of its memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BETWEEN = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
wall_s = time.perf_counter() - began
status = os.waitstatus_to_exitcode(status)
print()
print(json.dumps([status, wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""Run by a small process in between: a child's peak of memory counts that of who forks it."""


@dataclass(frozen=True)
class Spent:
    """What a process took, and what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    printed: str


def spent(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Spent:
    """Runs a program. Raises ``CalledProcessError`` where it fails."""
    between = [sys.executable, "-S", "-c", BETWEEN, *command]
    done = subprocess.run(between, cwd=folder, env=env, stdout=subprocess.PIPE, text=True, check=True)
    printed, _, told = done.stdout.rstrip("\n").rpartition("\n")
    status, wall_s, cpu_s, peak_mib = json.loads(told)
    if status:
        raise subprocess.CalledProcessError(status, list(command))
    return Spent(wall_s, cpu_s, peak_mib, printed)
