"""The what-if difference between runs, by component and workload, and whether it stands out of what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sim.profiles.catalog import Catalog
from sim.profiles.intensity_bases import mixed_among
from sim.results.catalogue import (
    COMPARED,
    COMPARED_JOBS,
    COMPARED_PARTS,
    COMPARED_SERVICES,
    COMPARED_STAGED,
    COMPARED_STEPS,
    Quantity,
)
from sim.results.catalogue.quantity import value_in
from sim.results.formats import mass, number
from sim.results.intervals import ROUNDING, DifferenceInterval, common_draws
from sim.results.model_change import ModelChange, model_changes
from sim.results.results import Results
from sim.results.same_work import same_hardware
from sim.results.shown import NOTEBOOK, shown

MOST_RELATIVE = 9.995
"""A change of more than this share of the first (+1,000 %) is told as an amount alone."""


def without_rounding(change: float, first: float, other: float) -> float:
    """``change`` between two sums of floats, 0 where it is below what their rounding may come to."""
    return change if abs(change) > ROUNDING * max(abs(first), abs(other)) else 0.0


@dataclass(frozen=True)
class Difference:
    """One quantity in the first run and in another; None where a run does not have it."""

    path: str
    label: str
    unit: str
    first: float | None
    other: float | None

    @property
    def change(self) -> float | None:
        """other - first, where both are known; nothing where only rounding tells them apart."""
        if self.first is None or self.other is None:
            return None
        return without_rounding(self.other - self.first, self.first, self.other)

    @property
    def relative(self) -> float | None:
        """The change as a fraction of the first, where that is not zero."""
        return None if self.change is None or not self.first else self.change / self.first

    @property
    def percentage(self) -> str:
        """The change in % of the first; nothing where the first is so near to zero that a percentage says nothing."""
        relative = self.relative
        if relative is None or abs(relative) > MOST_RELATIVE:
            return ""
        return f"{'+' if relative > 0 else ''}{100 * relative:.1f} %"

    @property
    def cells(self) -> list[str]:
        """As a row of text: both values in its unit or a dash, the change and its percentage of the first."""
        return [
            self.label.replace("_", " "),
            self._cell(self.first, "-"),
            self._cell(self.other, "-"),
            self.changed,
            self.percentage,
        ]

    @property
    def changed(self) -> str:
        """The change with its sign and unit, nothing where one of the two is not known."""
        change = self.change
        return ("+" if change is not None and change > 0 else "") + self._cell(change, "")

    def _cell(self, value: float | None, absent: str) -> str:
        if value is None:
            return absent
        return mass(value) if self.unit == "kg" else f"{number(value)} {self.unit}".strip()


@dataclass(frozen=True)
class Range:
    """Total carbon, or a change of it, over the range of embodied carbon, kg."""

    low: float
    central: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether a change has the same sign over the whole range."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def remark(self) -> str:
        """Of a change of total carbon: how far it reaches, and whether the two runs can be told apart."""
        low, high = mass(self.low), mass(self.high)
        over = low if low == high else f"{low} to {high}"
        ends = f"Over the range of embodied carbon, total carbon changes by {over}"
        return f"{ends}{'' if self.decided or not (self.low or self.high) else ': the two cannot be told apart'}."

    def change_from(self, first: Range, *, same_hardware: bool) -> Range:
        """The change from ``first``. The same hardware is at the same place of its range in both runs; other hardware
        may be at the low end in one and at the high end in the other."""
        if same_hardware:
            ends = sorted((self.low - first.low, self.high - first.high))
        else:
            ends = [self.low - first.high, self.high - first.low]
        return Range(ends[0], self.central - first.central, ends[1])


COMPARED_HEADER = ("", "first", "other", "change", "")
COMMON_DRAWS = "Over common draws: what both runs share cancels."


@dataclass(frozen=True)
class Comparison:
    """Differences of each other run from the first, in the order given.

    ``differences`` holds for each other run its quantities, in the summary's units; ``carbon_changes`` the change of
    total carbon over the range of embodied carbon, kg; ``intervals`` those over common draws, by path;
    ``model_changes`` how far energy and carbon may change otherwise because models err. ``unlike_carbon`` says why
    carbon cannot be subtracted, where intensities of the runs are on unlike bases.

    >>> import sim
    >>> paper = sim.run("bloom-training")
    >>> cleaner = sim.account(paper, set={"site.grid.intensity": "30 gCO2e/kWh"})
    >>> compared = sim.compare(paper, cleaner)
    >>> {one.path: round(one.change) for one in compared.differences[0]}["carbon_kg.total"]
    -18626
    """

    names: tuple[str, ...]
    differences: tuple[tuple[Difference, ...], ...]
    carbon_changes: tuple[Range, ...]
    intervals: tuple[Mapping[str, DifferenceInterval], ...]
    model_changes: tuple[tuple[ModelChange, ...], ...]
    unlike_carbon: str = ""

    @classmethod
    def of(cls, first: Results, others: Sequence[Results], called: Sequence[str] = ()) -> Comparison:
        """Compares each of ``others`` (at least one) with ``first``; ``called`` names all runs where their scenarios'
        names do not tell them apart (by their folders, say)."""
        runs = (first, *others)
        called = called or [str(run.scenario["name"]) for run in runs]
        if len({*called}) < len(called):
            called = [f"{i}. {name}" for i, name in enumerate(called, 1)]
        mixed = mixed_among({name: run.scenario for name, run in zip(called, runs, strict=True)}, Catalog())
        return cls(
            names=tuple(str(run.scenario["name"]) for run in runs),
            differences=tuple(tuple(_differences(first.summary, other.summary)) for other in others),
            carbon_changes=tuple(_carbon_change(first, other) for other in others),
            intervals=tuple(common_draws(first.draw_table, other.draw_table) for other in others),
            model_changes=tuple(tuple(model_changes(first, other)) for other in others),
            unlike_carbon=f"their carbon cannot be subtracted: the comparison {mixed}" if mixed is not None else "",
        )

    def _repr_html_(self) -> str:
        """What Jupyter shows: the largest differences of each run from the first."""
        html: str = shown(NOTEBOOK, "comparison_html")(self)
        return html

    @property
    def others(self) -> Iterator[tuple[str, Sequence[Difference], Range, Mapping[str, DifferenceInterval]]]:
        """Each other run: its name, differences, change of carbon, and intervals of the differences."""
        return zip(self.names[1:], self.differences, self.carbon_changes, self.intervals, strict=True)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain data, for ``--json``."""
        return {
            "first": self.names[0],
            **({"unlike_carbon": self.unlike_carbon} if self.unlike_carbon else {}),
            "others": [
                {
                    "name": name,
                    "differences": {
                        d.path: {
                            "first": d.first,
                            "other": d.other,
                            "change": d.change,
                            "relative": d.relative,
                            "unit": d.unit,
                        }
                        for d in differences
                    },
                    "carbon_kg_change": {**asdict(change), "decided": change.decided},
                    **({"intervals": {path: found.as_dict() for path, found in drawn.items()}} if drawn else {}),
                    **({"with_models_error": {one.path: one.as_dict() for one in models}} if models else {}),
                }
                for (name, differences, change, drawn), models in zip(self.others, self.model_changes, strict=True)
            ],
        }


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Difference]:
    """Of the whole, where a run has it; of each part, where a run has it; of each service, each job with steps and
    each workload of jobs or in stages that both have."""
    by_both = any("total_market" in of["carbon_kg"] for of in (first, other))
    for one in COMPARED:
        if by_both and one.by_location:
            one = replace(one, label=f"{one.label}, location-based")
        if one.unit_in:  # two currencies, which no rate here converts, are not compared
            units = {value_in(summary, one.unit_keys) for summary in (first, other)} - {None}
            yield from _difference(one, "", units.pop(), first, other) if len(units) == 1 else ()
        else:
            yield from _difference(one, "", one.unit, first, other)
    for one in COMPARED_PARTS:
        here, there = (value_in(summary, one.keys[:-1]) for summary in (first, other))
        for part in sorted({*here, *there}):
            path = one.path.replace("*", part)
            yield Difference(path, f"{one.label} {part}", one.unit, here.get(part), there.get(part))
    named = {"serving": COMPARED_SERVICES, "jobs": COMPARED_STEPS, "batch": COMPARED_JOBS, "split": COMPARED_STAGED}
    for part, compared in named.items():
        here, there = first.get(part, {}), other.get(part, {})
        for name in sorted({*here} & {*there}):
            for one in compared:
                yield from _difference(one, name, one.unit, here[name], there[name])


def _difference(one: Quantity, name: str, unit: str, here: Any, there: Any) -> Iterator[Difference]:
    first, other = (
        None if value is None else float(value) for value in (value_in(of, one.keys) for of in (here, there))
    )
    if first is not None or other is not None:
        yield Difference(one.path.replace("*", name), f"{name} {one.label}".lstrip(), unit, first, other)


def _carbon_change(first: Results, other: Results) -> Range:
    return _range(other.summary).change_from(_range(first.summary), same_hardware=same_hardware(first, other))


def _range(summary: Mapping[str, Any]) -> Range:
    operational, embodied = summary["carbon_kg"]["operational_location"], summary["carbon_kg"]["embodied_range"]
    return Range(operational + embodied["low"], operational + embodied["central"], operational + embodied["high"])
