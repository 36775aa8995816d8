"""How long a person waits, and the memory that it takes: whole processes, cold, from the shell's point of view."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.process import spent
from benchmarks.table import Row

ROOT = Path(__file__).resolve().parent.parent

COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]
"""The command of the tree that this file stands in, whichever an installed script leads to."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)
"""Without byte code all sources would be compiled at every start, which no user does."""

GRID = ", ".join(f"{g} gCO2e/kWh" for g in range(20, 220, 20))
STUDY = f"name: grids\nbase: bloom-training\naxes: {{site.grid.intensity: [{GRID}]}}\n"
"""Ten points that share one simulation."""


def rows(*, quick: bool) -> list[Row]:
    """Medians over fresh processes, in turn so that a slow moment of the machine hits all alike."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grids.yaml").write_text(STUDY, encoding="utf-8")
        return _rows(folder, 3 if quick else 11)


def _rows(folder: Path, runs: int) -> list[Row]:
    cases = {
        "bare Python": [sys.executable, "-c", "pass"],
        "coldaisle --help": [*COMMAND, "--help"],
        "coldaisle check bloom-training": [*COMMAND, "check", "bloom-training"],
        "coldaisle run bloom-training": [*COMMAND, "run", "bloom-training", "--quiet"],
        "coldaisle run bloom-inference": [*COMMAND, "run", "bloom-inference", "--quiet"],
        "coldaisle sweep, 10 points, all cached": [*COMMAND, "sweep", "grids.yaml", "--out", "OUT"],
    }
    reach = {"coldaisle --help": 0.5, "coldaisle run bloom-training": 2.0}
    taken: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
    for turn in range(runs + 1):
        for case, words in cases.items():
            command = [f"study-{turn}" if word == "OUT" else word for word in words]
            measured = spent(command, folder, ENVIRONMENT)
            if turn:  # the first is for byte code, the disk's cache and that of simulations
                taken[case].append((measured.wall_s, measured.peak_mib))
    found = {
        case: [statistics.median(column) for column in zip(*values, strict=True)] for case, values in taken.items()
    }
    bare, _ = found["bare Python"]
    return [
        Row(case, took, "s", reach.get(case), f"median of {runs}, {took / bare:.1f} x bare Python, {peak:.0f} MiB")
        for case, (took, peak) in found.items()
    ]
