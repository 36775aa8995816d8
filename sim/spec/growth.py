"""Growth: a scenario in another year, by laws of adoption, of hardware and of the grid that stand in the scenario::

    growth:
      since: 2024
      year: 2030
      laws:
        adoption: {kind: reaches, times: 24.4, by: 2030}
        hardware: {kind: doubles, every: 3}
        grid: {kind: table, values: {2024: 445, 2027: 400, 2030: 357}}
      numbers:
        requests: {path: workloads.api.arrivals.rate, now: 1.55 /s, times: [adoption]}
        service: {path: workloads.api.service_time.first, now: 2.281 s, over: [hardware]}
        machines: {path: cluster.nodes.0.count, now: 10, times: [adoption], over: [hardware], whole: up}
        grid: {path: site.grid.intensity, now: 445 gCO2e/kWh, times: [grid]}

Every law is 1 in the year ``since``. A path is that of ``--set``; its number in ``year`` is what it is ``now`` (in the
year ``since``), times some laws and over others. It takes the place of whatever is written at that path.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import Fraction
from sim.spec.ranges import split_quantity
from sim.validation import BELOW, LONGEST_NAME, Spec

FIRST, LAST = 1950, 2200
DIGITS = 12
Year = Annotated[float, Field(ge=FIRST, le=LAST, description="With part of it, if need be: 2026.5 is mid-2026.")]
Level = Annotated[float, Field(gt=0, le=1e12)]
LawName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


class GrowthLaw(Choice):
    """How a quantity changes over the years, relative to the year in which growth begins."""

    family: ClassVar[str] = "growth"

    @property
    def years(self) -> tuple[float, float]:
        """The first and the last year that it tells of."""
        return (float(FIRST), float(LAST))


class YearlyGrowth(GrowthLaw):
    """The same rate every year, compound: (1 + rate)^years; below zero it shrinks."""

    rate: float = Field(gt=-1, le=100, description="Of a year: 0.2 grows by a fifth, -0.036 falls by 3.6 %.")


class DoublingGrowth(GrowthLaw):
    """Doubles in so many years, compound: 2^(years / every)."""

    every: float = Field(gt=0, le=1000, description="Years.")


class ReachedGrowth(GrowthLaw):
    """Compound, so that it is ``times`` as much in the year ``by``: times^(years / (by - since))."""

    times: Level
    by: Year


class SaturatingGrowth(GrowthLaw):
    """Adoption as a logistic curve: from a ``share`` of those who ever will in the year it begins, towards all of them,
    ``doubles`` so often at first (Griliches 1957, doi:10.2307/1905380)."""

    share: Fraction = Field(description="Of the ceiling, in the year in which growth begins; above 0 and below 1.")
    doubling: float = Field(gt=0, le=1000, description="Years in which it would double far below the ceiling.")

    @model_validator(mode="after")
    def _has_begun(self) -> SaturatingGrowth:
        if not 0.0 < self.share < 1.0:
            raise PydanticCustomError("share", "'share' must lie between 0 and 1, and be neither")
        return self


class TableGrowth(GrowthLaw):
    """Levels by year in any unit, straight lines between them, and nothing before the first or after the last."""

    values: dict[int, Level] = Field(min_length=2, max_length=1000)

    @model_validator(mode="after")
    def _in_order(self) -> TableGrowth:
        years = [*self.values]
        if years != sorted(years) or not FIRST <= years[0] <= years[-1] <= LAST:
            raise PydanticCustomError("years", "its years must rise, between {a} and {b}", {"a": FIRST, "b": LAST})
        return self

    @property
    def years(self) -> tuple[float, float]:
        """Those of the table."""
        return (float(min(self.values)), float(max(self.values)))


def _is_quantity(value: Any) -> Any:
    found = split_quantity(value)
    if found is None or not math.isfinite(found[0]):
        raise PydanticCustomError("now", "must be a number or a quantity such as '380 gCO2e/kWh'")
    return value


Finite = Annotated[float, Field(ge=-1e21, le=1e21)]
Whole = Annotated[int, Field(ge=-(10**18), le=10**18)]


class GrownNumber(Spec):
    """A number of the scenario: what it is ``now`` (in the year ``since``), times some laws and over others."""

    path: str = Field(min_length=1, max_length=500, pattern=r"^[^.]+(\.[^.]+)*$")
    now: Annotated[str | Finite | Whole, Field(union_mode="left_to_right"), AfterValidator(_is_quantity)]
    times: list[LawName] = Field(default_factory=list, max_length=20)
    over: list[LawName] = Field(default_factory=list, max_length=20)
    whole: Literal["up", "nearest"] | None = Field(default=None, description="For counts: of machines, rounded up.")

    @model_validator(mode="after")
    def _grows(self) -> GrownNumber:
        if not (self.times or self.over):
            raise PydanticCustomError("laws", "needs 'times' or 'over': which laws change it")
        return self

    def value(self, factor: float) -> Any:
        """As one writes it in a scenario, at so many times what it is now."""
        found = split_quantity(self.now)
        assert found is not None  # or it would have been refused
        number, unit = found[0] * factor, found[1]
        if self.whole is not None:
            whole = round(number) if self.whole == "nearest" else math.ceil(number * (1.0 - 1e-12))
            return f"{whole} {unit}" if unit else whole
        return f"{number:.{DIGITS}g} {unit}" if unit else float(f"{number:.{DIGITS}g}")


class Growth(Spec):
    """A scenario in the year ``year``, which was written for the year ``since``."""

    since: Year
    year: Year
    laws: dict[LawName, GrowthLaw] = Field(min_length=1, max_length=100)
    numbers: dict[LawName, GrownNumber] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _laws_are_there(self) -> Growth:
        for number, grown in self.numbers.items():
            for name in (*grown.times, *grown.over):
                if name not in self.laws:
                    raise PydanticCustomError(
                        "law",
                        "'{number}' names the law '{name}', which is not among them  ({known})",
                        {"number": number, "name": name, "known": ", ".join(self.laws), BELOW: ("numbers", number)},
                    )
            if grown.path.partition(".")[0] == "growth":
                words = {"path": grown.path, BELOW: ("numbers", number, "path")}
                raise PydanticCustomError("path", "growth cannot change itself: '{path}'", words)
        paths = [grown.path for grown in self.numbers.values()]
        twice = [path for path in paths if paths.count(path) > 1]
        if twice:
            raise PydanticCustomError("path", "'{path}' is given by two numbers", {"path": twice[0]})
        for name, law in self.laws.items():
            first, last = law.years
            for year in (self.since, self.year):
                if not first <= year <= last:
                    raise PydanticCustomError(
                        "years",
                        "the law '{name}' tells of {first} to {last}, and not of {year}; no law is carried on",
                        {
                            "name": name,
                            "first": f"{first:g}",
                            "last": f"{last:g}",
                            "year": f"{year:g}",
                            BELOW: ("laws", name),
                        },
                    )
            if isinstance(law, ReachedGrowth) and law.by == self.since:
                raise PydanticCustomError(
                    "by",
                    "the law '{name}' is to be reached in the year it begins",
                    {"name": name, BELOW: ("laws", name, "by")},
                )
        return self
