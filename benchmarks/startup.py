"""How long a person waits: whole processes, cold, from the shell's point of view."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.table import Row

ROOT = Path(__file__).resolve().parent.parent


COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]
"""The command of the tree that this file stands in, whichever an installed script leads to."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Without byte code all sources would be compiled at every start, which no user does."""


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - began


def rows(*, quick: bool) -> list[Row]:
    """Medians over fresh processes, in turn so that a slow moment of the machine hits all alike."""
    cases = {
        "bare Python": [sys.executable, "-c", "pass"],
        "coldaisle --help": [*COMMAND, "--help"],
        "coldaisle check bloom-training": [*COMMAND, "check", "scenarios/bloom-training.yaml"],
        "coldaisle run bloom-training": [*COMMAND, "run", "scenarios/bloom-training.yaml", "--quiet"],
        "coldaisle run bloom-inference": [*COMMAND, "run", "scenarios/bloom-inference.yaml", "--quiet"],
    }
    reach = {"coldaisle --help": 0.5, "coldaisle run bloom-training": 2.0}
    runs = 3 if quick else 11
    taken: dict[str, list[float]] = {case: [] for case in cases}
    for command_line in cases.values():
        _seconds(command_line)  # once unmeasured: byte code and the disk's cache
    for _ in range(runs):
        for case, command_line in cases.items():
            taken[case].append(_seconds(command_line))
    bare = statistics.median(taken["bare Python"])
    return [
        Row(case, median, "s", reach.get(case), f"median of {runs}, {median / bare:.1f} x bare Python")
        for case, median in ((case, statistics.median(values)) for case, values in taken.items())
    ]
