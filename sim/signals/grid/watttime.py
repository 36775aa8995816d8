"""WattTime: operating emissions rates as the JSON of its v3 API, and as CSV files made from it.

The API says in ``meta.signal_type`` what it gives: the marginal rate (``co2_moer``), what one more kilowatt-hour
causes; the average one (``co2_aoer``); or ``health_damage``, which is no rate of CO2 and is refused. It gives pounds of
CO2 per MWh; CSV files are found in either unit, so that the user must say which. A CSV file says what it holds only by
the name of its column or in a column ``signal_type``: where neither does, it is taken as marginal. CO2 at the stack,
hence a direct basis. Times are the starts of intervals, with their offset. https://docs.watttime.org (v3, 2026)
"""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError
from sim.plain import as_mapping, as_whole
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import LONGEST_STEP_NS, Rows
from sim.signals.grid.cells import Collected, cell, number
from sim.signals.grid.json_file import Answer, clock_of, json_number
from sim.signals.grid.series import GridSeries, Terms, intensity_series
from sim.signals.labels import Labels
from sim.signals.units_in_names import refuse_other_unit
from sim.units import NS_PER_S, parse

_UNITS = {"lbs_co2_per_mwh": "1 lb/MWh", "lb_co2_per_mwh": "1 lb/MWh"}
_MARGINAL = {"co2_moer": True, "co2_aoer": False}
_IN_ANOTHER = "is in {!r}, and the scenario's 'unit' says otherwise"
_WORDS = {"moer": True, "aoer": False, "health": None}


def read_watttime_json(path: Path, terms: Terms) -> GridSeries:
    """The emissions rate in ``path``, an answer of the v3 API. Raises ``InputError`` with every fault."""
    answer = Answer(path)
    answer.entries(("data",), "point_time")
    meta = as_mapping(answer.at("meta"))
    if meta is None:
        raise answer.refuse("has no 'meta', which says the unit of its values and what they are")
    units, signal_type = str(meta.get("units")), str(meta.get("signal_type"))
    if units not in _UNITS:
        raise answer.refuse(f"has values in {units!r}; known: {', '.join(_UNITS)}", "meta.units")
    marginal = _what(answer.file, signal_type, "meta.signal_type")
    rows = _json_rows(answer, as_whole(meta.get("data_point_period_seconds")), terms.labels)
    si_per_value = parse(_UNITS[units], "carbon intensity")
    return intensity_series(rows, terms, si_per_value, basis="direct", marginal=marginal)


def _what(file: str, signal_type: str, path: str = "") -> bool:
    if signal_type not in _MARGINAL:
        message = f"holds {signal_type!r}, which is no rate of CO2; known: {', '.join(_MARGINAL)}"
        raise InputError.one(file, message, path=path)
    return _MARGINAL[signal_type]


def _json_rows(answer: Answer, period_s: int | None, labels: Labels) -> Rows:
    clock = clock_of(labels)
    read = answer.each(
        ("point_time", "value"),
        "'point_time' (ISO 8601) and 'value' (a number)",
        lambda entry: (clock(entry["point_time"]), json_number(entry["value"])),
    )
    rows = answer.rows(read, at_end=labels.at_end())
    if period_s is None or not 0 < period_s <= LONGEST_STEP_NS // NS_PER_S:
        return rows
    period_ns = np.int64(period_s * NS_PER_S)
    starts_ns = rows.starts_ns - period_ns if rows.at_end else rows.starts_ns
    return replace(rows, starts_ns=starts_ns, ends_ns=starts_ns + period_ns, at_end=False)


def read_watttime_csv(
    path: Path, terms: Terms, *, time_column: str | None, column: str | None, si_per_value: float
) -> GridSeries:
    """The emissions rate in one column of a CSV file, which must be named where there are more than two.

    ``si_per_value`` is one unit of it in g/J. Raises ``InputError`` with every fault.
    """
    with open_table(path) as table:
        at_meta = table.first_of("meta")
        if column is None and at_meta is not None and "value" in table.names:
            column = "value"
        if column is None and len(table.names) != 2:
            message = f"has {len(table.names)} columns: say which one to read  ({', '.join(table.names)})"
            raise InputError.one(str(path), message, line=1)
        at_time = 0 if time_column is None else table.column(time_column)
        terms.labels.refuse_ends(table.file, table.names[at_time])
        times = table.times(at_time, terms.labels)
        at_value = 1 if column is None else table.column(column)
        refuse_other_unit(table.file, table.names[at_value], si_per_value, "g/J")
        marginal = _by_name(table, at_value)
        at_type, at_units = table.first_of("signal_type"), table.first_of("units")
        types: dict[str, None] = {}
        collected = Collected(table)
        for line, row in table.rows():
            if at_type is not None:
                types[cell(row, at_type)] = None
            if at_units is not None and _other_unit(cell(row, at_units), si_per_value):
                table.complain(line, _IN_ANOTHER.format(cell(row, at_units)))
            if at_meta is not None:
                meta = _meta(cell(row, at_meta))
                if (signal_type := meta.get("signal_type")) is not None:
                    types[str(signal_type)] = None
                if (units := meta.get("units")) is not None and _other_unit(str(units), si_per_value):
                    table.complain(line, _IN_ANOTHER.format(str(units)))
            collected.add(line, times.instant(line, row), [number(table, line, row, at_value)])
        rows = collected.rows(at_end=terms.labels.at_end())
    if len(types) > 1:
        raise InputError.one(str(path), f"holds {' and '.join(types)}: give each signal in a file of its own")
    for signal_type in types:
        marginal = _what(str(path), signal_type, "signal_type")
    return intensity_series(rows, terms, si_per_value, basis="direct", marginal=marginal)


@lru_cache(maxsize=64)
def _meta(text: str) -> Mapping[str, Any]:
    """The ``meta`` of an answer as Python prints it; empty for what is none."""
    try:
        return as_mapping(literal_eval(text)) or {}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}


def _by_name(table: Table, at_value: int) -> bool:
    """Whether a CSV file holds the marginal rate by the name of its column: unless that says otherwise, it does."""
    name = table.names[at_value].lower()
    said = [marginal for word, marginal in _WORDS.items() if word in name]
    if None in said:
        raise InputError.one(table.file, f"'{table.names[at_value]}' is no rate of CO2", line=1)
    return False not in said


def _other_unit(units: str, si_per_value: float) -> bool:
    known = _UNITS.get(units)
    return known is None or abs(parse(known, "carbon intensity") / si_per_value - 1.0) > 1e-6
