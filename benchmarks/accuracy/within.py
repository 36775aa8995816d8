"""How far a reading of a family that nobody has seen may lie from its prediction, with a chance of 90 %.

The errors of one family of models go the same way, so readings of a family count together as much as those of any
other. A family not seen is as likely to be the worst of K + 1 as any: each of K counts 1 / (K + 1), and the rest is
further off than anything (Lee, Barber and Willett, arXiv:2306.06342). So fewer than nine families tell no such range:
their furthest reading is told, within which a further family's lies with a chance of K / (K + 1) at least. An error is
the logarithm of measured over predicted, as a meter that reads twice as much is as far off as one that reads half.

The rule was written down before any row's error had been looked at (2026-11-30 15:26 UTC), and is judged on each family
by what the others tell.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

SHARE = 0.9


def reach(off: Floats, families: Names) -> float:
    """The size of log errors (n,) of so many families within which those of another lie with a chance of ``SHARE``.

    >>> reach(np.array([0.1, -0.3]), np.array(["a", "b"]))
    0.3
    """
    names, counts = np.unique(families, return_counts=True)
    weight = 1.0 / counts[np.searchsorted(names, families)] / (len(names) + 1)
    order = np.argsort(np.abs(off), kind="stable")
    enough = np.cumsum(weight[order]) >= SHARE - 1e-9
    return float(np.abs(off)[order][int(enough.argmax()) if enough.any() else -1])


def least_chance(families: Names) -> float:
    """With which a further family's reading lies within ``reach``: ``SHARE``, or less where they are few."""
    count = len(np.unique(families))
    return min(SHARE, count / (count + 1))


def shares_within(off: Floats, families: Names) -> dict[str, float]:
    """Of every family, the share of its readings within what the others tell."""
    found = {}
    for name in np.unique(families):
        own = families == name
        found[str(name)] = float((np.abs(off[own]) <= reach(off[~own], families[~own])).mean())
    return found


def apart(off: Floats, families: Names) -> float:
    """As ``reach``, of the ratio of two readings of one family: what their errors have in common cancels."""
    pairs, of = [], []
    for name in np.unique(families):
        own = off[families == name]
        first, second = np.triu_indices(len(own), 1)
        pairs.append(own[first] - own[second])
        of.append(np.full(len(first), name))
    return reach(np.concatenate(pairs), np.concatenate(of))
