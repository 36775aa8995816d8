"""Power over time in one line of text: what every meter of IT equipment read, drawn from zero to its peak."""

from __future__ import annotations

import numpy as np

from sim.accounting.ledger import OUTSIDE, Floats, Ledger
from sim.results.formats import number
from sim.units import NS_PER_S, W_PER_KW

BLOCKS, ASCII = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588", " .:-=+*#@"
"""Nine heights, for terminals that can show them and for those that cannot; the first is for no power at all."""
WIDEST = 48
LEAST = 8
"""Columns of the drawing."""


def it_power_w(ledger: Ledger) -> Floats:
    """Mean W of all IT equipment in each bin of a ledger (bins,)."""
    energy_j = ledger.where(lambda key: key.component not in OUTSIDE).energy_j.sum(axis=0)
    watts: Floats = energy_j / (np.diff(ledger.edges_ns) / NS_PER_S)
    return watts


def heights(watts: Floats, edges: Floats, columns: int) -> Floats:
    """The mean of power between ``edges`` (n + 1,) in each of so many equal times (columns,); its integral stays."""
    done = np.concatenate([[0.0], np.cumsum(watts * np.diff(edges))])
    ends = np.linspace(edges[0], edges[-1], columns + 1)
    means: Floats = np.diff(np.interp(ends, edges, done)) / np.diff(ends)
    return means


def sparkline(values: Floats, most: float, marks: str = BLOCKS) -> str:
    """A mark for each value (n,), from nothing at 0 to the highest at ``most``; whatever draws at all shows."""
    steps = len(marks) - 1
    shares = values / most if most > 0.0 else np.zeros_like(values)
    levels = np.where(values > 0.0, np.clip(np.rint(shares * steps), 1, steps), 0).astype(int)
    return "".join(marks[level] for level in levels)


def power_line(ledger: Ledger, *, encoding: str, width: int) -> str:
    """Power of a run with its mean and its peak (of a bin of the ledger), in at most ``width`` columns."""
    watts, edges = it_power_w(ledger), ledger.edges_ns.astype(np.float64)
    mean_w, most_w = float(np.average(watts, weights=np.diff(edges))), float(watts.max())
    words = f"mean {_kilowatts(mean_w)}, peak {_kilowatts(most_w)}"
    head = "metered power"
    columns = max(LEAST, min(WIDEST, width - len(head) - len(words) - 4))
    drawn = sparkline(heights(watts, edges, columns), most_w, BLOCKS if _can(encoding) else ASCII)
    return f"{head}  {drawn}  {words}"


def _kilowatts(watts: float) -> str:
    return f"{number(watts / W_PER_KW)} kW" if watts >= W_PER_KW else f"{number(watts)} W"


def _can(encoding: str) -> bool:
    try:
        BLOCKS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
