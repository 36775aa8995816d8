"""Electricity Maps: the yearly CSV files of its data portal, in the wording of both vintages, and the JSON of its API.

Both give the flow-traced average intensity of consumption in g/kWh, direct or over the life cycle: which one is the
user's choice. Times are the starts of intervals, UTC. The CSV header of exports up to 2024 says ``(LCA)``, that of
later ones ``(Life cycle)``; the API says ``emissionFactorType``, and each entry's is held against the choice. Both give
gCO2eq/kWh: a header or a ``unit`` that says otherwise is refused. https://portal.electricitymaps.com
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.plain import has
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Rows
from sim.signals.grid.cells import Collected, number
from sim.signals.grid.json_file import Answer, clock_of, json_number, looks_like_json
from sim.signals.grid.series import Basis, GridSeries, Terms, intensity_series
from sim.signals.labels import Labels
from sim.units import J_PER_KWH

TIME = "Datetime (UTC)"
_INTENSITY = re.compile(r"carbon intensity (.*)\((direct|lca|life cycle)\)", re.IGNORECASE)
_UNITS = {"gco2eq/kwh", "gco2e/kwh"}
_FACTOR_TYPES: Mapping[str, Basis] = {"lifecycle": "life-cycle", "direct": "direct"}


def read_electricity_maps(path: Path, terms: Terms, *, basis: Basis) -> GridSeries:
    """The intensity of ``basis`` in ``path``, a CSV file or the API's JSON. Raises ``InputError`` with every fault."""
    if looks_like_json(path):
        rows = _json_rows(path, basis, terms.labels)
    else:
        with open_table(path) as table:
            rows = _csv_rows(table, basis, terms.labels)
    return intensity_series(rows, terms, 1 / J_PER_KWH, basis=basis, marginal=False)


def _csv_rows(table: Table, basis: Basis, labels: Labels) -> Rows:
    times = table.times(table.column(TIME), labels)
    words = {"direct"} if basis == "direct" else {"lca", "life cycle"}
    matches = {i: _INTENSITY.fullmatch(name) for i, name in enumerate(table.names)}
    at_value = next((i for i, match in matches.items() if match and match[2].lower() in words), None)
    if at_value is None:
        message = f"has no column of the {basis} carbon intensity; its columns are: {', '.join(table.names)}"
        raise InputError.one(table.file, message, line=1)
    found = matches[at_value]
    if found is None or _plain(found[1]) not in _UNITS:
        raise InputError.one(table.file, f"'{table.names[at_value]}' is not in gCO2eq/kWh", line=1)
    names = [name.lower() for name in table.names]
    at_zone = names.index("zone id") if "zone id" in names else None
    at_estimated = names.index("data estimated") if "data estimated" in names else None
    collected = Collected(table)
    zone: str | None = None
    for line, row in table.rows():
        if at_zone is not None and at_zone < len(row):
            zone = row[at_zone] if zone is None else zone
            if row[at_zone] != zone:
                table.complain(line, f"is of zone {row[at_zone]!r}, and the first row of {zone!r}: give one zone")
        if at_estimated is not None and at_estimated < len(row):
            collected.estimated += row[at_estimated].strip().lower() == "true"
        collected.add(line, times.instant(line, row), [number(table, line, row, at_value)])
    return collected.rows(at_end=labels.at_end())


def _plain(unit: str) -> str:
    return unit.strip().replace("₂", "2").lower()


def _json_rows(path: Path, basis: Basis, labels: Labels) -> Rows:
    answer = Answer(path)
    entries = answer.entries(("history", "data"), "datetime")
    stated = (answer.document, *entries)
    zones = {str(entry["zone"]) for entry in stated if has(entry, ["zone"])}
    if len(zones) > 1:
        raise answer.refuse(f"holds more than one zone: {', '.join(sorted(zones))}")
    units = {str(entry["unit"]) for entry in stated if has(entry, ["unit"])}
    if any(_plain(unit) not in _UNITS for unit in units):
        raise answer.refuse(f"has values in {', '.join(sorted(units))}, not in gCO2eq/kWh")
    at_top = answer.at("emissionFactorType")
    clock = clock_of(labels)

    def read(entry: Mapping[str, Any]) -> tuple[int, float]:
        kind = entry.get("emissionFactorType", at_top)
        if kind is not None and _FACTOR_TYPES.get(str(kind)) != basis:
            raise ValueError(f"its emissionFactorType is {kind!r}, and {basis} was asked for")
        time_ns = clock(entry["datetime"])
        try:
            return time_ns, json_number(entry["carbonIntensity"])
        except ValueError as error:
            raise ValueError(f"its carbonIntensity {error}") from None

    found = answer.each(("datetime", "carbonIntensity"), "'datetime' and 'carbonIntensity'", read)
    estimated = sum(entry.get("isEstimated") is True for entry in entries)
    return replace(answer.rows(found, at_end=labels.at_end()), estimated=estimated)
