"""Electricity Maps: the yearly CSV files of its data portal, in the wording of both vintages, and the JSON of its API.

Both give the flow-traced average intensity of consumption in g/kWh, direct or over the life cycle: which one is the
user's choice. Times are the starts of intervals, UTC. The CSV header of exports up to 2024 says ``(LCA)``, that of
later ones ``(Life cycle)``; the API says ``emissionFactorType``. https://portal.electricitymaps.com
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError, Problem
from sim.instants import parse_instant
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Policy, Rows
from sim.signals.grid.cells import Collected, json_entries, number
from sim.signals.grid.series import Basis, GridSeries, read_signal
from sim.units import J_PER_KWH

TIME = "Datetime (UTC)"
_INTENSITY = re.compile(r"carbon intensity .*\((direct|lca|life cycle)\)", re.IGNORECASE)
_FACTOR_TYPES: Mapping[str, Basis] = {"lifecycle": "life-cycle", "direct": "direct"}


def read_electricity_maps(path: Path, *, basis: Basis, policy: Policy, origin_ns: int) -> GridSeries:
    """The intensity of ``basis`` in ``path``, a CSV file or the API's JSON. Raises ``InputError`` with every fault."""
    if ".json" in path.suffixes:
        rows = _json_rows(path, basis)
    else:
        with open_table(path) as table:
            rows = _csv_rows(table, basis)
    intensity, report = read_signal(
        rows, policy=policy, si_per_value=1 / J_PER_KWH, unit="g/J", origin_ns=origin_ns, may_be_negative=False
    )
    return GridSeries(intensity=intensity, basis=basis, report=report)


def _csv_rows(table: Table, basis: Basis) -> Rows:
    at_time = table.column(TIME)
    words = {"direct"} if basis == "direct" else {"lca", "life cycle"}
    matches = {i: _INTENSITY.fullmatch(name) for i, name in enumerate(table.names)}
    at_value = next((i for i, match in matches.items() if match and match[1].lower() in words), None)
    if at_value is None:
        message = f"has no column of the {basis} carbon intensity; its columns are: {', '.join(table.names)}"
        raise InputError.one(table.file, message, line=1)
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
        collected.add(line, table.instant(line, row, at_time), [number(table, line, row, at_value)])
    return collected.rows()


def _json_rows(path: Path, basis: Basis) -> Rows:
    document, entries, lines = json_entries(path, ("history", "data"), "datetime")
    within = "history" if "history" in document else "data"
    file = str(path)
    problems: list[Problem] = []
    starts: list[int] = []
    values: list[float] = []
    zones = {str(entry.get("zone")) for entry in entries if isinstance(entry, dict)}
    if len(zones) > 1:
        raise InputError.one(file, f"holds more than one zone: {', '.join(sorted(zones))}")
    for i, (entry, line) in enumerate(zip(entries, lines, strict=True)):
        try:
            starts.append(parse_instant(entry["datetime"], UTC))
            values.append(_value(entry, basis))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            problems.append(Problem(file, line, f"{within}.{i}", _what(error)))
    if problems:
        raise InputError(problems)
    return Rows(
        file=file,
        starts_ns=np.array(starts, dtype=np.int64),
        values=np.array(values, dtype=np.float64)[:, np.newaxis],
        lines=lines,
        estimated=sum(entry.get("isEstimated") is True for entry in entries),
        paths=[f"{within}.{i}" for i in range(len(entries))],
    )


def _value(entry: Mapping[str, Any], basis: Basis) -> float:
    written = entry.get("emissionFactorType")
    if written is not None and _FACTOR_TYPES.get(written) != basis:
        raise ValueError(f"its emissionFactorType is {written!r}, and {basis} was asked for")
    value = entry["carbonIntensity"]
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"its carbonIntensity is not a number: {value!r}")
    return float(value)


def _what(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"has no {error}"
    return str(error) if isinstance(error, ValueError) else "is not an entry with 'datetime' and 'carbonIntensity'"
