"""Laws of growth as written -> levels in a year, and what the numbers of a scenario are then."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from sim.kinds import builder
from sim.spec import growth as spec
from sim.workload import growth as laws


def yearly(written: spec.YearlyGrowth) -> laws.Law:
    """Compound, by a rate a year."""
    return laws.Compound(1.0 + written.rate, 1.0)


def doubles(written: spec.DoublingGrowth) -> laws.Law:
    """Compound, by a time to double."""
    return laws.Compound(2.0, written.every)


def reaches(written: spec.ReachedGrowth) -> laws.Law:
    """Compound, towards what is reached in a year."""
    return laws.Reached(written.times, written.by)


def saturates(written: spec.SaturatingGrowth) -> laws.Law:
    """A logistic curve."""
    return laws.Logistic(float(written.share), written.doubling)


def table(written: spec.TableGrowth) -> laws.Law:
    """By years."""
    return laws.Table(written.values)


def levels(growth: spec.Growth) -> Mapping[str, float]:
    """Of each law in the year of a scenario, relative to the year in which growth begins."""
    return {name: builder(law)(law).level(growth.since, growth.year) for name, law in growth.laws.items()}


def grown_values(growth: spec.Growth) -> dict[str, Any]:
    """Each number by its name, in the year of a scenario, as one writes it."""
    level = levels(growth)
    return {
        name: grown.value(prod(level[law] for law in grown.times) / prod(level[law] for law in grown.over))
        for name, grown in growth.numbers.items()
    }


def growth_metrics(growth: spec.Growth) -> dict[str, Any]:
    """What a summary tells of it."""
    return {"year": growth.year, "since": growth.since, "laws": dict(levels(growth))}
