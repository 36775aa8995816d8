"""What every growing cost grows by: one thing in a scenario at a time, each point in a process of its own.

The exponent of a cost is the slope of its logarithm over that of the size, by least squares over the upper half of the
sizes: below, what every run costs anyway hides it. ``--plot FILE`` draws the points; ``--points FILE`` keeps them, and
``--before FILE`` reads those of an earlier version, so that both stand in one plot. ``docs/speed.md`` has both.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np

from benchmarks.cluster_peers import measured
from benchmarks.growth_cases import CASES
from benchmarks.growth_plot import drawn
from benchmarks.table import Row

Points: TypeAlias = Mapping[str, Sequence[tuple[int, float, float]]]
"""By case: size, seconds of CPU, and MiB at the peak."""


def rows(*, quick: bool, plot: Path | None = None, points: Path | None = None, before: Path | None = None) -> list[Row]:
    """Every point, and the exponent of every case; ``quick`` leaves the largest size of each case out."""
    measured_now: dict[str, list[tuple[int, float, float]]] = {}
    found: list[Row] = []
    for name, (_, sizes) in CASES.items():
        measured_now[name] = list(_measure(name, sizes[:-1] if quick else sizes))
        found += _told(name, measured_now[name])
    earlier = read(before) if before is not None else {}
    found += [row for name, own in earlier.items() for row in _told(f"{name}, before", own)]
    if points is not None:
        points.write_text(json.dumps(measured_now, indent=1) + "\n", encoding="ascii")
    if plot is not None:
        plot.write_text(drawn(measured_now, earlier), encoding="ascii")
    return found


def read(file: Path) -> Points:
    """Points as an earlier run kept them."""
    kept = json.loads(file.read_text(encoding="ascii"))
    return {name: [(int(size), float(cpu_s), float(mib)) for size, cpu_s, mib in own] for name, own in kept.items()}


def exponent(points: Sequence[tuple[int, float, float]]) -> float:
    """The slope of log seconds over log size, over the upper half of the sizes, three at the least."""
    upper = points[-max(3, -(-len(points) // 2)) :]
    return float(np.polyfit(np.log([size for size, *_ in upper]), np.log([cpu_s for _, cpu_s, _ in upper]), 1)[0])


def _measure(name: str, sizes: Sequence[int]) -> Iterator[tuple[int, float, float]]:
    script = str(Path(__file__).with_name("growth_cases.py"))
    for size in sizes:
        with TemporaryDirectory() as folder:
            try:
                run = measured([sys.executable, script, name, str(size)], Path(folder))
            except subprocess.CalledProcessError:
                print(f"{name} of {size:,}: refused, or failed")
                continue
        yield size, float(run.printed["cpu_s"]), run.peak_mib


def _told(name: str, points: Sequence[tuple[int, float, float]]) -> Iterator[Row]:
    for size, cpu_s, mib in points:
        yield Row(f"{name}: {size:,}", cpu_s, "s", note=f"{mib:,.0f} MiB at the peak")
    if len(points) > 1:
        yield Row(f"{name}: exponent", exponent(points), "", note="1 is linear")
