"""Chooses, of several columns that say the same, the one a device is read from; and names many devices in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LEAST_ANSWERED = 0.95
"""A column that answers less than so often as another one of the same device is not preferred to it."""

MOST_NAMED = 4


def best_answered(order: Sequence[str], answers: Mapping[str, int]) -> str | None:
    """The first in ``order`` that a device answers, in how many rows ``answers`` says; None if it answers none.

    One that it only answers now and then yields to one that it answers regularly: a hole is worse than a mean.
    """
    most = max((answers.get(name, 0) for name in order), default=0)
    return next((name for name in order if 0 < answers.get(name, 0) >= LEAST_ANSWERED * most), None)


def named(devices: Sequence[str]) -> str:
    """The first few by name, the rest by number."""
    more = len(devices) - MOST_NAMED
    return ", ".join(devices[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
