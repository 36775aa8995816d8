"""OpenElectricity (formerly OpenNEM, Australia): answers of its API v4 as JSON, and tables of its client as CSV.

JSON (openelectricity 0.12.0, ``models.timeseries``): ``data`` holds one block a metric with ``unit``, ``interval``,
``network_timezone_offset`` and ``results``, one a grouping, each with ``columns`` (``region``, ``fueltech`` or
``fueltech_group``) and ``data`` of ``[time, value]``, times with the network's offset (+10:00, no change of clock).
CSV (``to_pandas().to_csv()``): ``interval`` on the network's clock *without* an offset (``_create_network_date``), then
the groupings and a column a metric; its zone must be named: Australia/Brisbane for the NEM, Australia/Perth of the WEM.

A 5-minute or half-hourly row is stamped with AEMO's ``SETTLEMENTDATE``, the *end* of what it covers
(docs.openelectricity.org.au/guides/curtailment: "14:35 represents the period from 14:30 to 14:35"; electricitymaps-
contrib #8834). Longer intervals gather such stamps from their own on, so that theirs is the start, to within 5 minutes.

Prices are ``$/MWh``, Australian dollars in both networks. Of fuels, ``power`` (MW) or ``energy`` (MWh) by fueltech.
Batteries and pumps are storage; imports and exports are no generation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.plain import as_list, as_mapping, under
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Rows, commonest_step
from sim.signals.grid.cells import cell, number
from sim.signals.grid.generation import Generation
from sim.signals.grid.json_file import Answer, clock_of, json_number, looks_like_json
from sim.signals.grid.series import GridSeries, Terms, price_series
from sim.signals.labels import Labels
from sim.units import DAY_NS, HOUR_NS, NS_PER_S, parse_price

MINUTE_NS = 60 * NS_PER_S
INTERVALS = {"5m": 5 * MINUTE_NS, "30m": 30 * MINUTE_NS, "1h": HOUR_NS, "1d": DAY_NS, "7d": 7 * DAY_NS}
UNITS = {"price": ("$/MWh", "AUD/MWh"), "power": ("MW",), "energy": ("MWh",)}
REGIONS, FUELTECHS = ("region", "network_region"), ("fueltech", "fueltech_group")
FUELS = {
    "bioenergy": "biomass",
    "bioenergy_biogas": "biogas",
    "bioenergy_biomass": "biomass",
    "coal": "coal",
    "coal_black": "coal",
    "coal_brown": "lignite",
    "distillate": "oil",
    "gas": "gas",
    "gas_ccgt": "gas",
    "gas_ocgt": "gas",
    "gas_recip": "gas",
    "gas_steam": "gas",
    "gas_wcmg": "gas",
    "hydro": "hydro",
    "nuclear": "nuclear",
    "other": "other",
    "solar": "solar",
    "solar_rooftop": "solar",
    "solar_thermal": "solar",
    "solar_utility": "solar",
    "wind": "wind",
    "wind_offshore": "wind",
}
STORAGE = {"battery", "battery_discharging"}
NOT_GENERATION = {"battery_charging", "pumps", "imports", "exports", "interconnector"}


@dataclass
class _Found:
    """The points of one region, by time and fueltech ('' where there is none), and where each first stood."""

    file: str
    points: dict[tuple[int, str], float] = field(default_factory=dict)
    places: dict[int, tuple[int, str]] = field(default_factory=dict)
    step_ns: int | None = None

    def add(self, time_ns: int, fueltech: str, value: float, line: int, path: str = "") -> str | None:
        """One more point; what is wrong with it, if it gainsays another."""
        known = self.points.setdefault((time_ns, fueltech), value)
        self.places.setdefault(time_ns, (line, path))
        same = known == value or (math.isnan(known) and math.isnan(value))
        return None if same else f"gives {fueltech or 'a value'} of one time again, and otherwise"

    def rows(self, names: Sequence[str], labels: Labels) -> Rows:
        """One row a time, in order, one column each of ``names``; NaN where a time lacks one."""
        times = np.array(sorted(self.places), dtype=np.int64)
        values = np.array([[self.points.get((int(t), name), math.nan) for name in names] for t in times])
        step = self.step_ns if self.step_ns is not None or len(times) < 2 else commonest_step(times)
        at_end = labels.at_end("end" if step is not None and step < HOUR_NS else "start")
        starts = times - self.step_ns if at_end and self.step_ns is not None else times
        return Rows(
            file=self.file,
            starts_ns=starts,
            values=values,
            lines=[self.places[int(t)][0] for t in times],
            ends_ns=starts + self.step_ns if self.step_ns is not None else None,
            paths=[self.places[int(t)][1] for t in times],
            at_end=at_end and self.step_ns is None,
        )


def read_open_electricity_price(path: Path, terms: Terms) -> GridSeries:
    """The price of one region, in Australian dollars. Raises ``InputError`` with every fault."""
    found = _read(path, ("price",), terms, by_fuel=False)
    return price_series(found.rows([""], terms.labels), terms, *parse_price("1 AUD/MWh"))


def read_open_electricity_mix(path: Path, terms: Terms) -> GridSeries:
    """The fuel mix of one region, or of a network. Raises ``InputError`` with every fault."""
    found = _read(path, ("power", "energy"), terms, by_fuel=True)
    techs = list(dict.fromkeys(tech for _, tech in found.points))
    unknown = [tech for tech in techs if tech not in {*FUELS, *STORAGE, *NOT_GENERATION}]
    names = [tech for tech in techs if tech in FUELS]
    if unknown or not names:
        what = f"has unknown fueltechs: {', '.join(unknown)}" if unknown else "has no fueltech that is a fuel"
        raise InputError.one(str(path), what)
    stores = [tech for tech in techs if tech in STORAGE]
    stored = np.maximum(np.nan_to_num(found.rows(stores, terms.labels).values), 0.0).sum(axis=1)
    read = Generation(found.rows(names, terms.labels), [FUELS[name] for name in names], stored)
    return read.named(names).mix(terms)


def _read(path: Path, metrics: Sequence[str], terms: Terms, *, by_fuel: bool) -> _Found:
    unknown = [name for name in terms.only if name not in REGIONS]
    if unknown:
        raise InputError.one(str(path), f"is told apart by its region alone, and 'only' names {', '.join(unknown)}")
    region = next(iter(terms.only.values()), None)
    if looks_like_json(path):
        return _of_answer(Answer(path), metrics, region, terms.labels, by_fuel=by_fuel)
    with open_table(path) as table:
        return _of_table(table, metrics, region, terms.labels, by_fuel=by_fuel)


def _of_answer(answer: Answer, metrics: Sequence[str], region: str | None, labels: Labels, *, by_fuel: bool) -> _Found:
    blocks = answer.entries(("data",), "metric")
    chosen = [(i, block) for metric in metrics for i, block in enumerate(blocks) if under(block, "metric") == metric]
    if not chosen:
        raise answer.refuse(f"has no block of metric {' or '.join(metrics)}")
    at, block = chosen[0]
    metric, where = str(block["metric"]), f"data.{at}"
    if str(block.get("unit")) not in UNITS[metric]:
        raise answer.refuse(f"has its {metric} in {block.get('unit')!r}, not in {UNITS[metric][0]}", f"{where}.unit")
    if str(block.get("interval")) not in INTERVALS:
        known = ", ".join(INTERVALS)
        raise answer.refuse(f"has an interval of {block.get('interval')!r}; known: {known}", f"{where}.interval")
    found = _Found(answer.file, step_ns=INTERVALS[str(block["interval"])])
    clock = clock_of(labels)
    regions: dict[str, None] = {}
    for k, result in enumerate(block.get("results") or ()):
        columns, points = as_mapping(under(result, "columns")), as_list(under(result, "data"))
        if columns is None or points is None:
            raise answer.refuse("is no result with 'columns' and 'data'", f"{where}.results.{k}")
        own = _one_of(columns, REGIONS)
        if region is not None and own != region:
            continue
        regions[own] = None
        if len(regions) > 1:
            continue  # which is told below
        tech = _one_of(columns, FUELTECHS) if by_fuel else ""
        if by_fuel and not tech:
            raise answer.refuse("has no fueltech: ask for it with secondary_grouping", f"{where}.results.{k}.columns")
        for j, point in enumerate(points):
            place = f"{where}.results.{k}.data.{j}"
            try:
                time, value = point
                wrong = found.add(clock(time), tech, json_number(value), answer.lines[at], place)
            except TypeError:
                wrong = "is no [time, value]"
            except ValueError as error:
                wrong = str(error)
            if wrong is not None:
                raise answer.refuse(wrong, place)
    _one_region(answer.file, regions, region)
    return found


def _one_of(columns: Mapping[str, object], names: Sequence[str]) -> str:
    return next((str(columns[name]) for name in names if columns.get(name) not in (None, "")), "")


def _one_region(file: str, regions: Mapping[str, None], region: str | None) -> None:
    if len(regions) > 1:
        known = ", ".join(regions)
        raise InputError.one(file, f"holds several regions: say which, with only: {{region: ...}}  ({known})")
    if not regions:
        raise InputError.one(file, f"has no region {region!r}" if region is not None else "holds no values")


def _of_table(table: Table, metrics: Sequence[str], region: str | None, labels: Labels, *, by_fuel: bool) -> _Found:
    times = table.times(table.column("interval"), labels)
    at_value = table.first_of(*metrics)
    if at_value is None:
        known = ", ".join(table.names)
        raise InputError.one(table.file, f"has no column {' or '.join(metrics)}; its columns are: {known}", line=1)
    at_region = table.first_of(*REGIONS)
    at_tech = table.first_of(*FUELTECHS)
    if by_fuel and at_tech is None:
        raise InputError.one(table.file, f"has no column {' or '.join(FUELTECHS)}", line=1)
    found, regions = _Found(table.file), dict[str, None]()
    for line, row in table.rows():
        own = cell(row, at_region) if at_region is not None else ""
        if (region is not None and own != region) or not cell(row, at_value):
            continue
        regions[own] = None
        if len(regions) > 1:
            continue  # which is told below
        tech = cell(row, at_tech) if by_fuel and at_tech is not None else ""
        time, value = times.instant(line, row), number(table, line, row, at_value)
        wrong = found.add(time, tech, value, line) if time is not None else None
        if wrong is not None:
            table.complain(line, wrong)
    _one_region(table.file, regions, region)
    table.raise_if_any()
    return found
