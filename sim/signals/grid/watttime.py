"""WattTime: marginal operating emissions rates (co2_moer) as the JSON of its v3 API, and as CSV files made from it.

The API gives pounds of CO2 per MWh; CSV files are found in either unit, so that the user must say which. CO2 at the
stack, hence a direct basis; marginal, hence what one more kilowatt-hour causes and not what an average one did.
https://docs.watttime.org
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError, Problem
from sim.instants import parse_instant
from sim.signals.csv_table import open_table
from sim.signals.gaps import LONGEST_STEP_NS, Policy, Rows
from sim.signals.grid.cells import Collected, json_entries, number
from sim.signals.grid.series import GridSeries, read_signal
from sim.units import NS_PER_S, parse

_UNITS = {"lbs_co2_per_mwh": "1 lb/MWh"}
_MARGINAL = {"co2_moer": True, "co2_aoer": False}


def read_watttime_json(path: Path, *, policy: Policy, origin_ns: int) -> GridSeries:
    """The emissions rate in ``path``, an answer of the v3 API. Raises ``InputError`` with every fault."""
    document, entries, lines = json_entries(path, ("data",), "point_time")
    file = str(path)
    meta = document.get("meta")
    if not isinstance(meta, Mapping):
        raise InputError.one(file, "has no 'meta', which says the unit of its values")
    units, signal_type = str(meta.get("units")), str(meta.get("signal_type"))
    if units not in _UNITS:
        raise InputError.one(file, f"has values in {units!r}; known: {', '.join(_UNITS)}", path="meta.units")
    if signal_type not in _MARGINAL:
        message = f"holds {signal_type!r}, which is no rate of CO2; known: {', '.join(_MARGINAL)}"
        raise InputError.one(file, message, path="meta.signal_type")
    rows = _json_rows(file, entries, lines, meta.get("data_point_period_seconds"))
    intensity, report = read_signal(
        rows,
        policy=policy,
        si_per_value=parse(_UNITS[units], "carbon intensity"),
        unit="g/J",
        origin_ns=origin_ns,
        may_be_negative=False,
    )
    return GridSeries(intensity=intensity, basis="direct", marginal=_MARGINAL[signal_type], report=report)


def _json_rows(file: str, entries: list[Any], lines: list[int], period_s: object) -> Rows:
    problems: list[Problem] = []
    starts: list[int] = []
    values: list[float] = []
    for i, (entry, line) in enumerate(zip(entries, lines, strict=True)):
        try:
            starts.append(parse_instant(entry["point_time"], UTC))
            values.append(_number(entry["value"]))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            message = "is not an entry with 'point_time' (ISO 8601) and 'value' (a number)"
            problems.append(Problem(file, line, f"data.{i}", message))
    if problems:
        raise InputError(problems)
    starts_ns = np.array(starts, dtype=np.int64)
    known = isinstance(period_s, int) and 0 < period_s <= LONGEST_STEP_NS // NS_PER_S
    return Rows(
        file=file,
        starts_ns=starts_ns,
        values=np.array(values, dtype=np.float64)[:, np.newaxis],
        lines=lines,
        ends_ns=starts_ns + period_s * NS_PER_S if known and isinstance(period_s, int) else None,
        paths=[f"data.{i}" for i in range(len(entries))],
    )


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError
    return float(value)


def read_watttime_csv(
    path: Path, *, time_column: str | None, column: str | None, si_per_value: float, policy: Policy, origin_ns: int
) -> GridSeries:
    """The emissions rate in one column of a CSV file, which must be named where there are more than two.

    ``si_per_value`` is one unit of it in g/J. Raises ``InputError`` with every fault.
    """
    with open_table(path) as table:
        if column is None and len(table.names) != 2:
            message = f"has {len(table.names)} columns: say which one to read  ({', '.join(table.names)})"
            raise InputError.one(str(path), message, line=1)
        at_time = 0 if time_column is None else table.column(time_column)
        at_value = 1 if column is None else table.column(column)
        collected = Collected(table)
        for line, row in table.rows():
            collected.add(line, table.instant(line, row, at_time), [number(table, line, row, at_value)])
        rows = collected.rows()
    intensity, report = read_signal(
        rows, policy=policy, si_per_value=si_per_value, unit="g/J", origin_ns=origin_ns, may_be_negative=False
    )
    return GridSeries(intensity=intensity, basis="direct", marginal=True, report=report)
