"""Several runs side by side: what each is called, on which basis they are compared, and their quantities as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import PurePath
from typing import Any, TypeGuard

from sim.report.headline import energy, volume
from sim.report.parts import text
from sim.report.work import Basis, basis
from sim.results.compare import Comparison, Difference, without_rounding
from sim.results.formats import gram_mass, number, seconds
from sim.results.intervals import DifferenceInterval
from sim.results.results import Results
from sim.units import G_PER_KG, J_PER_KWH

SUMS = ("energy_kwh", "carbon_kg", "water_l", "cost")
"""Parts of a summary whose amounts grow with the work that was done."""
COUNTS = ("rejected", "completed", "gpu_hours")
"""So do these of a workload."""


@dataclass(frozen=True)
class Many:
    """Some runs, what each is called on the page, and on which basis they are compared."""

    runs: tuple[Results, ...]
    folders: tuple[str, ...]
    names: tuple[str, ...]
    comparison: Comparison
    basis: Basis

    @classmethod
    def of(cls, runs: Sequence[Results], folders: Sequence[str]) -> Many:
        """Runs are called by the names of their scenarios, or by their folders where those are not unlike."""
        names = [str(run.scenario["name"]) for run in runs]
        if len(set(names)) < len(names):
            names = [PurePath(folder).name for folder in folders]
        if len(set(names)) < len(names):
            names = [*folders]
        return cls(
            tuple(runs),
            tuple(folders),
            tuple(f"{at}. {name}" for at, name in enumerate(names, 1)),
            Comparison.of(runs[0], runs[1:], names),
            basis([run.summary for run in runs]),
        )

    @property
    def per_unit(self) -> bool:
        """Whether amounts are told for a unit of work, and not for whole runs."""
        return not self.basis.whole and bool(self.basis.per)

    def of_each(self, value: Callable[[Results], Any]) -> dict[str, Any]:
        """Something of every run, by what the run is called."""
        return {name: value(run) for name, run in zip(self.names, self.runs, strict=True)}

    def scaled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Amounts by run, or tables of them, for a unit of work where that is how runs are compared."""
        if not self.per_unit:
            return dict(values)
        units = dict(zip(self.names, self.basis.units, strict=True))

        def of(value: Any, run: str) -> Any:
            return (
                {key: one / units[run] for key, one in value.items()}
                if isinstance(value, Mapping)
                else value / units[run]
            )

        return {run: of(value, run) for run, value in values.items()}

    def rows(self) -> list[Row]:
        """Every quantity that runs are compared by."""
        found: dict[str, dict[int, Difference]] = {}
        for at, differences in enumerate(self.comparison.differences, 1):
            for one in differences:
                found.setdefault(one.path, {})[at] = one
        rows = []
        for path, others in found.items():
            any_one = next(iter(others.values()))
            unlike = self.per_unit and (path.partition(".")[0] in SUMS or path.rpartition(".")[2] in COUNTS)
            by = self.basis.units if unlike else (1.0,) * len(self.runs)
            values = [any_one.first, *(others[at].other if at in others else None for at in range(1, len(self.runs)))]
            drawn = [one.get(path) if not unlike else None for one in self.comparison.intervals]
            each = tuple(None if value is None else value / count for value, count in zip(values, by, strict=True))
            label = any_one.label.replace("_", " ")
            rows.append(Row(path, label, any_one.unit, each, tuple(drawn), self.basis.comparable, not unlike))
        return rows


@dataclass(frozen=True)
class Row:
    """One quantity of every run, the intervals of the differences from the first where both drew alike, and whether a
    difference means anything; ``exact`` where it stands so in the summaries."""

    path: str
    label: str
    unit: str
    values: tuple[float | None, ...]
    drawn: tuple[DifferenceInterval | None, ...]
    comparable: bool
    exact: bool = True

    def differences(self) -> list[Difference | None]:
        """Of each other run from the first; None where that means nothing."""
        first = self.values[0]
        found = [Difference(self.path, self.label, self.unit, first, value) for value in self.values[1:]]
        return [one if self.comparable and one.change is not None else None for one in found]

    @property
    def html(self) -> str:
        """As a row of a table with a column a run: its value, and under it how far it is from the first."""
        cells = [f'<th scope="row">{text(self.label)}</th>']
        told = ["", *(self._change(*pair) for pair in zip(self.differences(), self.drawn, strict=True))]
        for at, (value, change) in enumerate(zip(self.values, told, strict=True), 1):
            if value is None:
                cells.append("<td>—</td>")
                continue
            where = f' data-path="{escape(self.path)}" data-run="{at}"' if self.exact else ""
            shown = f'<data value="{value!r}"{where} title="{value!r}">{escape(said(value, self.unit))}</data>'
            cells.append(f"<td>{shown}{change}</td>")
        return f"<tr>{''.join(cells)}</tr>"

    def _change(self, one: Difference | None, drawn: DifferenceInterval | None) -> str:
        if one is None or one.change is None:
            return ""
        if one.change == 0.0:
            return '<div class="note">the same</div>'
        lines = [signed(one.change, self.unit) + (f" ({one.percentage})" if one.percentage else "")]
        if spread(drawn):
            lines.append(f"90 %: {signed(drawn.p05, self.unit)} to {signed(drawn.p95, self.unit)}")
        return "".join(f'<div class="note">{escape(line)}</div>' for line in lines)


def spread(drawn: DifferenceInterval | None) -> TypeGuard[DifferenceInterval]:
    """Whether a difference has an interval that is wider than rounding."""
    return drawn is not None and without_rounding(drawn.p95 - drawn.p05, drawn.p05, drawn.p95) != 0.0


def said(value: float, unit: str) -> str:
    """An amount as people read it, in a unit of a fitting size.

    >>> said(0.0012, "kWh"), said(-2500.0, "kg"), said(3.0, "tokens/s")
    ('1.2 Wh', '-2.5 t', '3 tokens/s')
    """
    sign, size = ("-" if value < 0.0 else ""), abs(value)
    forms: dict[str, Callable[[float], str]] = {
        "kWh": energy,
        "kg": lambda kg: gram_mass(kg * G_PER_KG),
        "L": volume,
        "s": seconds,
    }
    return sign + (forms[unit](size) if unit in forms else f"{number(size)} {unit}".strip())


def fitting(unit: str, most: float) -> tuple[float, str]:
    """How many of ``unit`` (kWh, kg or L) make one of the unit in which an axis up to ``most`` reads well, and that.

    >>> fitting("kg", 0.002), fitting("kWh", 20.0), fitting("USD", 0.001)
    ((0.001, 'g'), (1.0, 'kWh'), (1.0, 'USD'))
    """
    steps = {
        "kWh": ((1e7, 1e6, "GWh"), (1e4, 1e3, "MWh"), (1.0, 1.0, "kWh"), (1e-3, 1e-3, "Wh"), (0.0, 1 / J_PER_KWH, "J")),
        "kg": ((1e3, 1e3, "t"), (1.0, 1.0, "kg"), (0.0, 1e-3, "g")),
        "L": ((1e4, 1e3, "m³"), (1.0, 1.0, "L"), (0.0, 1e-3, "mL")),
    }
    if unit not in steps or not most:
        return 1.0, unit
    return next((size, name) for least, size, name in steps[unit] if most >= least)


def signed(change: float, unit: str) -> str:
    """A change with its sign.

    >>> signed(2.0, "kWh"), signed(-2.0, "kWh"), signed(0.0, "kWh")
    ('+2 kWh', '-2 kWh', '0 kWh')
    """
    return f"{'+' if change > 0.0 else ''}{said(change, unit)}"


def grid(many: Many, rows: Sequence[Row], caption: str) -> str:
    """Rows under the names of the runs."""
    head = "".join(f'<th scope="col">{text(word)}</th>' for word in ("", *many.names))
    body = "".join(row.html for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(caption)}"><table class="runs">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
