"""The what-if difference between runs, by component and workload, and whether it stands out of what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.results.intervals import ROUNDING, DifferenceInterval, common_draws
from sim.results.results import Results

COMPARED = (
    ("energy_kwh.it", "IT energy", "kWh"),
    ("energy_kwh.facility", "facility energy", "kWh"),
    ("carbon_kg.operational_location", "operational carbon", "kg"),
    ("carbon_kg.operational_market", "operational carbon, market-based", "kg"),
    ("carbon_kg.marginal_effect", "marginal effect", "kg"),
    ("carbon_kg.embodied", "embodied carbon", "kg"),
    ("carbon_kg.total", "total carbon", "kg"),
    ("water_l.onsite", "on-site water", "L"),
    ("water_l.offsite", "off-site water", "L"),
    ("energy_kwh.grid_import", "drawn from the grid", "kWh"),
    ("cost.energy", "energy cost", ""),
)
SERVED = (
    ("ttft_s.p50", "TTFT p50", "s"),
    ("ttft_s.p99", "TTFT p99", "s"),
    ("tpot_s.p50", "TPOT p50", "s"),
    ("tpot_s.p99", "TPOT p99", "s"),
    ("e2e_s.p50", "E2E p50", "s"),
    ("e2e_s.p99", "E2E p99", "s"),
    ("goodput_share", "goodput", ""),
    ("rejected", "refused", ""),
    ("throughput_tok_per_s", "throughput", "tokens/s"),
    ("energy_j_per_output_token", "energy per output token", "J"),
    ("energy_j_per_request", "energy per request", "J"),
)
"""Of each service, where both runs have it."""
GROUPS = (
    ("energy_kwh.by_component", "energy", "kWh"),
    ("carbon_kg.by_component", "carbon", "kg"),
    ("carbon_kg.by_workload", "carbon of", "kg"),
)


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


@dataclass(frozen=True)
class Range:
    """Total carbon, or a change of it, over the range of embodied carbon, kg."""

    low: float
    central: float
    high: float

    @property
    def decided(self) -> bool:
        """Of a change: whether it has the same sign over the whole range."""
        return self.low > 0.0 or self.high < 0.0

    def change_from(self, first: Range, *, same_hardware: bool) -> Range:
        """The change from ``first``. The same hardware is at the same place of its range in both runs; other hardware
        may be at the low end in one and at the high end in the other."""
        if same_hardware:
            ends = sorted((self.low - first.low, self.high - first.high))
        else:
            ends = [self.low - first.high, self.high - first.low]
        return Range(ends[0], self.central - first.central, ends[1])


@dataclass(frozen=True)
class Comparison:
    """Differences of each other run from the first, in the order given."""

    names: tuple[str, ...]
    differences: tuple[tuple[Difference, ...], ...]
    carbon_changes: tuple[Range, ...]
    intervals: tuple[Mapping[str, DifferenceInterval], ...]

    @classmethod
    def of(cls, first: Results, others: Sequence[Results]) -> Comparison:
        """Compares each of ``others`` (at least one) with ``first``."""
        runs = (first, *others)
        return cls(
            names=tuple(str(run.scenario["name"]) for run in runs),
            differences=tuple(_differences(first.summary, other.summary) for other in others),
            carbon_changes=tuple(_carbon_change(first, other) for other in others),
            intervals=tuple(common_draws(first.draw_table, other.draw_table) for other in others),
        )

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        return {
            "first": self.names[0],
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
                    "carbon_kg_change": {
                        "low": change.low,
                        "central": change.central,
                        "high": change.high,
                        "decided": change.decided,
                    },
                    **({"intervals": {path: found.as_dict() for path, found in drawn.items()}} if drawn else {}),
                }
                for name, differences, change, drawn in zip(
                    self.names[1:], self.differences, self.carbon_changes, self.intervals, strict=True
                )
            ],
        }


def _at(summary: Mapping[str, Any], path: str) -> float | None:
    value: Any = summary
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return float(value)


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Difference, ...]:
    rows = []
    currencies = {summary["cost"]["currency"] for summary in (first, other) if summary.get("cost")}
    for path, label, unit in COMPARED:
        if path == "cost.energy":
            if len(currencies) != 1:
                continue  # nothing to compare, or two currencies that no rate here converts
            unit = currencies.copy().pop()
        row = Difference(path, label, unit, _at(first, path), _at(other, path))
        if row.first is not None or row.other is not None:
            rows.append(row)
    for path, label, unit in GROUPS:
        group, name = path.split(".")
        names = sorted(set(first[group][name]) | set(other[group][name]))
        for part in names:
            here, there = first[group][name].get(part), other[group][name].get(part)
            rows.append(Difference(f"{path}.{part}", f"{label} {part}", unit, here, there))
    return (*rows, *_service_differences(first.get("serving", {}), other.get("serving", {})))


def _service_differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Difference]:
    """Of the services that both runs have."""
    for name in sorted(set(first) & set(other)):
        for path, label, unit in SERVED:
            row = Difference(
                f"serving.{name}.{path}", f"{name} {label}", unit, _at(first[name], path), _at(other[name], path)
            )
            if row.first is not None or row.other is not None:
                yield row


def _carbon_change(first: Results, other: Results) -> Range:
    same_hardware = set(first.manifest["profiles_sha256"]) == set(other.manifest["profiles_sha256"])
    return _range(other.summary).change_from(_range(first.summary), same_hardware=same_hardware)


def _range(summary: Mapping[str, Any]) -> Range:
    operational, embodied = summary["carbon_kg"]["operational_location"], summary["carbon_kg"]["embodied_range"]
    return Range(operational + embodied["low"], operational + embodied["central"], operational + embodied["high"])
