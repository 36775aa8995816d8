"""The ladder of answers to an excess: who is slowed, who stands still and who goes, so that a limit holds.

Pure. A ladder is a sequence of *rungs*, each an answer for loads of one priority. They are climbed in order, each to
its end, until what is drawn is at most the target; the last one no further than it must. A rung of caps is water
filling: one level for all of its loads, as a share of what their boards may draw, so that those above it come down to
it and those below it are left alone; nobody comes below the floor. Rungs of pausing and shedding take loads one by one.

It is monotone: a lower target never gives a load more. Outer limits are climbed after inner ones, with their settings
in force; since each source of caps has its own, the lowest counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

What = Literal["cap", "pause", "shed"]
Whom = Literal["training", "serving", "all"]
UNCAPPED = np.inf
STEPS = 40
CLOSE = 1e-4
"""A level is found once what is drawn is within this share below the target; in at most so many halvings."""


@dataclass(frozen=True)
class Answer:
    """A step of the ladder as it is written: what is done, to whom, lowest priority first; ``floor`` is the least
    level of a cap, as a share of a board's limit."""

    what: What
    whom: Whom
    floor: float = 0.0


@dataclass(frozen=True, eq=False)
class Rung:
    """One answer for ``loads`` (by number), in the order in which they are taken."""

    what: What
    loads: Ints
    floor: float = 0.0


@dataclass(frozen=True, eq=False)
class Setting:
    """What is asked of each of n loads: the ``level`` of its caps as a share of its boards' limit (inf: none), whether
    it stands still, and whether it is gone. ``rungs`` is how many are in force, in whole or in part."""

    level: Floats
    paused: Bools
    shed: Bools
    rungs: int = 0

    @classmethod
    def none(cls, loads: int) -> Setting:
        """Nothing is asked of anybody."""
        return cls(np.full(loads, UNCAPPED), np.zeros(loads, np.bool_), np.zeros(loads, np.bool_))


Draws = Callable[[Setting], float]
"""What a domain draws in W under a setting; falls, or stays, with every rung."""


def rungs(answers: Sequence[Answer], priority: Ints, serving: Bools, order: Ints) -> list[Rung]:
    """The rungs of a ladder for n loads, whose ``order`` says who started when: among equals, who came last goes
    first."""
    made: list[Rung] = []
    for answer in answers:
        meant = np.ones(len(priority), np.bool_)
        if answer.whom != "all":
            meant = serving if answer.whom == "serving" else ~serving
        for level in np.unique(priority[meant]).tolist():
            those = np.flatnonzero(meant & (priority == level))
            made.append(Rung(answer.what, those[np.argsort(-order[those], kind="stable")], answer.floor))
    return made


def climb(ladder: Sequence[Rung], draws: Draws, target_w: float, loads: int) -> Setting:
    """The least of a ladder that brings ``draws`` to ``target_w``; all of it where even that is too much."""
    setting = Setting.none(loads)
    if draws(setting) <= target_w:
        return setting
    for number, rung in enumerate(ladder, start=1):
        whole = _applied(setting, rung, len(rung.loads), rung.floor, number)
        if draws(whole) <= target_w:
            return _least(setting, rung, draws, target_w, number)
        setting = whole
    return setting


def _least(before: Setting, rung: Rung, draws: Draws, target_w: float, number: int) -> Setting:
    if rung.what == "cap":
        enough, too_high = rung.floor, 1.0
        whole = len(rung.loads)
        if draws(_applied(before, rung, whole, too_high, number)) <= target_w:
            return _applied(before, rung, whole, too_high, number)
        for _ in range(STEPS):
            middle = 0.5 * (enough + too_high)
            drawn_w = draws(_applied(before, rung, whole, middle, number))
            if drawn_w > target_w:
                too_high = middle
                continue
            enough = middle
            if drawn_w >= target_w * (1.0 - CLOSE):
                break
        return _applied(before, rung, whole, enough, number)
    too_few, many = 0, len(rung.loads)
    while many - too_few > 1:
        middle_of_them = (too_few + many) // 2
        if draws(_applied(before, rung, middle_of_them, 0.0, number)) <= target_w:
            many = middle_of_them
        else:
            too_few = middle_of_them
    return _applied(before, rung, many, 0.0, number)


def _applied(before: Setting, rung: Rung, first: int, level: float, number: int) -> Setting:
    """A setting with the ``first`` loads of a rung in it, too."""
    chosen = rung.loads[:first]
    levels, paused, shed = before.level, before.paused, before.shed
    if rung.what == "cap":
        levels = levels.copy()
        levels[chosen] = np.minimum(levels[chosen], level)
    elif rung.what == "pause":
        paused = paused.copy()
        paused[chosen] = True
    else:
        shed = shed.copy()
        shed[chosen] = True
    return Setting(levels, paused, shed, number)
