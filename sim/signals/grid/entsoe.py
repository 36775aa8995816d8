"""ENTSO-E's Transparency Platform: exported tables of generation per type and of day-ahead prices.

Rows are market time units written as ``01.01.2023 00:00 - 01.01.2023 01:00``, in later exports
``01/01/2023 00:00:00 - 01/01/2023 01:00:00``, on the clock that the header names, ``MTU (CET/CEST)`` or ``(UTC)``, with
a mark such as ``(CEST)`` beside a time where the hour comes twice. Central European time is resolved here: in autumn
the second of two equal hours is the later one, in spring a row of the hour that does not exist is left out if it is
empty, and refused if it is not. An export that lacks one of the doubled hours shows a gap, under the user's policy.

Generation is ``- Actual Aggregated``; consumption of pumped storage is not read, and neither is what storage gives
back: it was generated, and counted, before. ``n/e`` (not expected) is none. https://transparency.entsoe.eu

Tables that the library entsoe-py wrote of the same platform's API are told by their header: see ``entsoe_py``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Floats, Rows
from sim.signals.grid.cells import Collected, Selection, cell, number
from sim.signals.grid.entsoe_py import FUELS, STORAGE, fuel_columns, is_py_table, py_generation, py_prices
from sim.signals.grid.generation import Generation
from sim.signals.grid.series import GridSeries, Terms, price_series
from sim.units import NS_PER_S, parse_price

_GENERATION = re.compile(r"(.+?)(?<!\s)\s*-\s*Actual Aggregated\s*\[MW\]", re.IGNORECASE)
_PRICE = re.compile(r"Day-ahead Price [\[(]([A-Z]{3})/MWh[\])]", re.IGNORECASE)
_TIME = r"(\d\d)[./](\d\d)[./](\d{4}) (\d\d:\d\d)(?::\d\d)?(?: \((\w+)\))?"
_MTU = re.compile(rf"\s*{_TIME} - {_TIME}\s*(?:\((CET/CEST|UTC)\))?\s*")
_HEADER = re.compile(r"MTU(?:\s*\((CET/CEST|UTC)\))?")
_BRUSSELS = ZoneInfo("Europe/Brussels")  # every CET/CEST country shifts at the same instant
_OFFSETS = {"CET": 1, "CEST": 2, "UTC": 0}


class _Clock:
    """Turns the time units of one table, in their order, into instants."""

    def __init__(self, table: Table, zone: str | None) -> None:
        self._table, self._zone, self._before = table, zone, -(2**63)

    def interval(self, line: int, text: str, *, empty: bool) -> tuple[int | None, int | None]:
        """Start and end in ns since 1970; None where the row is left out or was complained of."""
        match = _MTU.fullmatch(text)
        if match is None:
            self._table.complain(line, f"is no time unit like '01.01.2023 00:00 - 01.01.2023 01:00': {text[:80]!r}")
            return None, None
        zone = match[11] or self._zone
        if zone is None and not (match[5] and match[10]):
            self._table.complain(line, "does not say its clock: its header must be 'MTU (CET/CEST)' or 'MTU (UTC)'")
            return None, None
        try:
            naive_start, naive_end = (_naive(match.groups()[i : i + 4]) for i in (0, 5))
        except ValueError:
            self._table.complain(line, f"holds a day or an hour that does not exist: {text[:80]!r}")
            return None, None
        start = self._instant(naive_start, match[5], zone)
        if start is None:
            if not empty:
                message = f"starts in the hour that the change to summer time leaves out: {text[:80]!r}"
                self._table.complain(line, message)
            return None, None
        end = _end(naive_start, naive_end, match[10], zone, start)
        self._before = max(self._before, start)
        return start, end

    def _instant(self, naive: datetime, mark: str | None, zone: str | None) -> int | None:
        if mark in _OFFSETS:
            return epoch_ns(naive.replace(tzinfo=UTC) - timedelta(hours=_OFFSETS[mark]))
        if zone == "UTC":
            return epoch_ns(naive.replace(tzinfo=UTC))
        local = naive.replace(tzinfo=_BRUSSELS)
        if local.astimezone(UTC).astimezone(_BRUSSELS).replace(tzinfo=None) != naive:
            return None
        first = epoch_ns(local.astimezone(UTC))
        return first if first > self._before else epoch_ns(local.replace(fold=1).astimezone(UTC))


def _naive(parts: Sequence[str | None]) -> datetime:
    day, month, year, clock = (str(part) for part in parts)
    return datetime.fromisoformat(f"{year}-{month}-{day}T{clock}")


def _end(naive_start: datetime, naive_end: datetime, mark: str | None, zone: str | None, start: int) -> int:
    if mark in _OFFSETS:
        return epoch_ns(naive_end.replace(tzinfo=UTC) - timedelta(hours=_OFFSETS[mark]))
    by_length = start + int((naive_end - naive_start).total_seconds()) * NS_PER_S
    if zone == "UTC":
        return by_length
    # The soonest after the start: 01:00 - 03:00 in spring lasts one hour, the first 02:00 - 03:00 in autumn too.
    by_clock = (epoch_ns(naive_end.replace(tzinfo=_BRUSSELS, fold=fold).astimezone(UTC)) for fold in (0, 1))
    return min((end for end in (by_length, *by_clock) if end > start), default=by_length)


def _mtu(table: Table) -> tuple[int, str | None]:
    """The column of time units, and the clock it names."""
    found = {i: match for i, name in enumerate(table.names) if (match := _HEADER.fullmatch(name))}
    if not found:
        message = f"has no column 'MTU (CET/CEST)' or 'MTU (UTC)'; its columns are: {', '.join(table.names)}"
        raise InputError.one(table.file, message, line=1)
    column, match = next(iter(found.items()))
    return column, match[1]


def _rows(table: Table, columns: Sequence[int], stores: Sequence[int], terms: Terms) -> tuple[Rows, Floats]:
    """The rows of ``columns``, and what ``stores`` gave back in each."""
    at_time, zone = _mtu(table)
    terms.labels.refuse_stamps(table.file, "gives the start and the end of each time unit")
    if terms.labels.zone is not None:
        raise InputError.one(table.file, "names its own clock, as 'MTU (CET/CEST)' or '(UTC)': leave 'zone' out")
    clock = _Clock(table, zone)
    collected = Collected(table)
    selection = Selection(table, terms.only, ("Area", "Sequence"))
    for line, row in table.rows():
        if not selection.takes(line, row):
            continue
        not_expected = [cell(row, column).lower() == "n/e" for column in columns]
        cells = [
            0.0 if none else number(table, line, row, column)
            for none, column in zip(not_expected, columns, strict=True)
        ]
        empty = all(none or np.isnan(value) for none, value in zip(not_expected, cells, strict=True))
        start, end = clock.interval(line, cell(row, at_time), empty=empty)
        given = [number(table, line, row, column) for column in stores if cell(row, column).lower() != "n/e"]
        collected.add(line, start, cells, end=end, stores=given)
    table.raise_if_any()
    selection.raise_if_none()
    return collected.rows(), collected.given_back()


def read_entsoe_mix(path: Path, terms: Terms) -> GridSeries:
    """The fuel mix in a table of actual generation per production type, the platform's export or entsoe-py's.

    Of an export, the rows that hold the words of ``only`` in the columns it names. Raises ``InputError`` with every
    fault.
    """
    with open_table(path) as table:
        generation = py_generation(table, terms.labels) if is_py_table(table) else _generation(table, terms)
    return generation.mix(terms)


def _generation(table: Table, terms: Terms) -> Generation:
    types = {i: match[1].strip().lower() for i, n in enumerate(table.names) if (match := _GENERATION.fullmatch(n))}
    columns = fuel_columns(table.file, types)
    stores = [i for i, name in types.items() if name in STORAGE]
    rows, storage = _rows(table, columns, stores, terms)
    return Generation(rows, [FUELS[types[i]] for i in columns], storage).named([types[i] for i in columns])


def read_entsoe_price(path: Path, terms: Terms) -> GridSeries:
    """Day-ahead prices, of which those below zero are as real as others, of the platform's export or entsoe-py's.

    Of an export, the rows that hold the words of ``only`` in the columns it names. Raises ``InputError`` with every
    fault.
    """
    with open_table(path) as table:
        if is_py_table(table):
            rows, currency = py_prices(table, terms.labels), "EUR"
        else:
            prices = {i: match[1].upper() for i, name in enumerate(table.names) if (match := _PRICE.fullmatch(name))}
            if len(prices) != 1:
                message = "needs one column such as 'Day-ahead Price [EUR/MWh]'; its columns are: "
                raise InputError.one(str(path), message + ", ".join(table.names), line=1)
            column, currency = next(iter(prices.items()))
            rows, _ = _rows(table, [column], [], terms)
    return price_series(rows, terms, *parse_price(f"1 {currency}/MWh"))
