"""What entsoe-py read of ENTSO-E's API and pandas wrote with ``to_csv()``: generation per type, and day-ahead prices.

entsoe-py 0.8.1 (``EntsoePandasClient``; PyPI): an index without a name, so that the cell over the times is empty, whose
times are the starts of intervals on the area's clock *with* their offset. ``query_generation`` has two header rows if
any type has both ``Actual Aggregated`` and ``Actual Consumption`` (``parsers._calc_nett_and_drop_redundant_columns``
drops the second where it says one thing throughout), in MW; consumption is not read. ``nett=True`` subtracts it, and a
storage is below zero then. ``query_day_ahead_prices`` is one column, ``0`` if it was not renamed, in EUR/MWh (other
currencies are not told in the file: use a ``series`` with its unit).

Prices are hourly before the delivery day 2025-10-01 and by quarter-hours from it (``QUARTER_MTU_SDAC_GOLIVE``): a file
over both has rows of two lengths, so steps may get finer once. A gap in either part stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sim.errors import InputError
from sim.signals.csv_table import Table
from sim.signals.gaps import Rows, lasting
from sim.signals.grid.cells import Collected, cell, collect, number
from sim.signals.grid.generation import Generation
from sim.signals.labels import Labels

FUELS = {
    "biomass": "biomass",
    "fossil brown coal/lignite": "lignite",
    "fossil coal-derived gas": "coal-gas",
    "fossil gas": "gas",
    "fossil hard coal": "coal",
    "fossil oil": "oil",
    "fossil oil shale": "oil-shale",
    "fossil peat": "peat",
    "geothermal": "geothermal",
    "hydro run-of-river and poundage": "hydro-run-of-river",
    "hydro run-of-river and pondage": "hydro-run-of-river",
    "hydro water reservoir": "hydro-reservoir",
    "marine": "marine",
    "nuclear": "nuclear",
    "other": "other",
    "other renewable": "other-renewable",
    "solar": "solar",
    "waste": "waste",
    "wind offshore": "wind-offshore",
    "wind onshore": "wind-onshore",
}
STORAGE = {"hydro pumped storage", "energy storage"}
_AGGREGATED, _CONSUMPTION = "actual aggregated", "actual consumption"


def is_py_table(table: Table) -> bool:
    """Whether the cell over the times is empty, as pandas leaves it, and no export's ``MTU`` stands anywhere."""
    return table.names[0] == "" and not any(name.startswith("MTU") for name in table.names)


def fuel_columns(file: str, types: Mapping[int, str]) -> list[int]:
    """Which of the columns with production ``types`` hold a fuel. Raises ``InputError`` for unknown ones, or none."""
    unknown = [name for name in types.values() if name not in FUELS and name not in STORAGE]
    columns = [i for i, name in types.items() if name in FUELS]
    if unknown or not columns:
        what = f"has unknown production types: {', '.join(unknown)}" if unknown else "has no column of generation"
        raise InputError.one(file, what, line=1)
    return columns


def py_generation(table: Table, labels: Labels) -> Generation:
    """The generation in what ``query_generation`` gave. Raises ``InputError`` with every fault."""
    rows = table.rows()
    first = next(rows, None)
    kinds = [cell(first[1], i).lower() for i in range(len(table.names))] if first is not None else []
    two_rows = bool(kinds) and kinds[0] == "" and {_AGGREGATED, _CONSUMPTION} >= set(kinds[1:])
    produced = [i for i in range(1, len(table.names)) if not two_rows or kinds[i] == _AGGREGATED]
    types = {i: table.names[i].lower() for i in produced}
    columns = fuel_columns(table.file, types)
    stores = [i for i, name in types.items() if name in STORAGE]
    times = table.times(0, labels)
    collected = Collected(table)
    for line, row in rows if two_rows or first is None else (first, *rows):
        cells, given = ([number(table, line, row, i) for i in some] for some in (columns, stores))
        collected.add(line, times.instant(line, row), cells, stores=given)
    read = with_lengths(collected.rows(at_end=labels.at_end(), names=[types[i] for i in columns]))
    return Generation(read, [FUELS[types[i]] for i in columns], collected.given_back())


def py_prices(table: Table, labels: Labels) -> Rows:
    """The prices in what ``query_day_ahead_prices`` gave. Raises ``InputError`` with every fault."""
    if len(table.names) != 2:
        message = f"has {len(table.names) - 1} columns beside its times, and a series of prices has one"
        raise InputError.one(table.file, f"{message}; its columns are: {', '.join(table.names)}", line=1)
    return with_lengths(collect(table, table.times(0, labels), [1]).rows(at_end=labels.at_end()))


def with_lengths(rows: Rows) -> Rows:
    """Rows with the end of each, where their steps get finer once."""
    spans = lasting(rows.starts_ns, at_end=rows.at_end)
    return rows if spans is None else replace(rows, starts_ns=spans[0], ends_ns=spans[1], at_end=False)
