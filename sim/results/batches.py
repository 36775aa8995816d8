"""Jobs as rows, as headers and rows of text: the terminal and the report show the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.accounting.batch import NOBODY, OTHERS
from sim.results.catalogue import grid
from sim.results.catalogue.batch import ENDED, SHARED, SHARES, SPREAD, USE, WAITING
from sim.results.formats import Grid, hours, number, share

MOST_ROWS = 5
"""Of users and so on, in a table; the summary has more."""


def batch_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """Of each workload of jobs: how they ended, how long they waited, what they held, and who held most."""
    batches = summary["batch"]
    return [
        _filled(grid(ENDED, batches)),
        _waits(batches),
        _filled(grid(USE, batches)),
        *([shared] if len((shared := _filled(grid(SHARED, batches)))[0]) > 1 else []),
        *(_shares(name, one, label) for name, one in batches.items() for label in _told(one)),
    ]


def batch_remarks(summary: Mapping[str, Any]) -> list[str]:
    """What a reader of the grids should know beside them: of which rows of a trace something was made, and what."""
    return [f"{name}: {note}" for name, one in summary["batch"].items() for note in one.get("source_notes", ())]


def _filled(grid: Grid) -> Grid:
    """Without columns in which nothing stands."""
    header, rows = grid
    there = [i for i in range(len(header)) if i == 0 or any(row[i] for row in rows)]
    return [header[i] for i in there], [[row[i] for i in there] for row in rows]


def _waits(batches: Mapping[str, Any]) -> Grid:
    rows = [
        [f"{name}: {word}", *((hours if key.endswith("_s") else number)(one[key][statistic]) for statistic in SPREAD)]
        for name, one in batches.items()
        for key, word in WAITING.items()
        if key in one
    ]
    return ["over jobs", *SPREAD], rows


def _told(one: Mapping[str, Any]) -> Iterator[str]:
    """By what GPU-hours of a workload are known, where it is more than one that has them."""
    yield from (label for label in SHARES if len(one.get(f"by_{label}_gpu_hours", ())) > 1)


def _shares(name: str, one: Mapping[str, Any], label: str) -> Grid:
    held = one[f"by_{label}_gpu_hours"]
    named = [who for who in held if who not in (OTHERS, NOBODY)]
    largest = {who: held[who] for who in named[:MOST_ROWS]}
    others = sum(held[who] for who in named[MOST_ROWS:]) + held.get(OTHERS, 0.0)
    shown = {**largest, **({OTHERS: others} if others else {}), **({NOBODY: held[NOBODY]} if NOBODY in held else {})}
    rows = [[who, number(gpu_hours), share(gpu_hours, one["gpu_hours"])] for who, gpu_hours in shown.items()]
    return [f"{name}: {label}", "GPU-hours", "share"], rows
