"""ENTSO-E's Transparency Platform: exported tables of generation per type and of day-ahead prices.

Rows are market time units written as ``01.01.2023 00:00 - 01.01.2023 01:00``, in later exports
``01/01/2023 00:00:00 - 01/01/2023 01:00:00``, on the clock that the header names, ``MTU (CET/CEST)`` or ``(UTC)``, with
a mark such as ``(CEST)`` beside a time where the hour comes twice. Central European time is resolved here: in autumn
the second of two equal hours is the later one, in spring a row of the hour that does not exist is left out if it is
empty, and refused if it is not. An export that lacks one of the doubled hours shows a gap, under the user's policy.

Generation is ``- Actual Aggregated``; consumption of pumped storage is not read, and neither is what storage gives
back: it was generated, and counted, before. ``n/e`` (not expected) is none. https://transparency.entsoe.eu
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Policy, Rows
from sim.signals.grid.cells import Collected, number
from sim.signals.grid.series import GridSeries, read_mix, read_signal
from sim.units import NS_PER_S, parse_price

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
_GENERATION = re.compile(r"(.+?)\s*-\s*Actual Aggregated\s*\[MW\]", re.IGNORECASE)
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


class _Selection:
    """Which rows are read: those with the wanted words, and among them one area and one auction (sequence) alone."""

    def __init__(self, table: Table, only: Mapping[str, str]) -> None:
        self._table = table
        self._wanted = {table.column(name): word for name, word in only.items()}
        alike = [name for name in ("Area", "Sequence") if name in table.names and name not in only]
        self._first: dict[int, str | None] = {table.names.index(name): None for name in alike}

    def takes(self, line: int, row: Sequence[str]) -> bool:
        """Whether a row is read; complains of one that is of another area than the first."""
        if any(_cell(row, column) != word for column, word in self._wanted.items()):
            return False
        for column, first in self._first.items():
            word = _cell(row, column)
            if first is None:
                self._first[column] = word
            elif word != first:
                name = self._table.names[column]
                message = f"has {name} {word!r}, and the first row {first!r}: say which, with only: {{{name}: {first}}}"
                self._table.complain(line, message)
                return False
        return True


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _rows(table: Table, columns: Sequence[int], only: Mapping[str, str]) -> Rows:
    at_time, zone = _mtu(table)
    clock = _Clock(table, zone)
    collected = Collected(table)
    selection = _Selection(table, only)
    for line, row in table.rows():
        if not selection.takes(line, row):
            continue
        not_expected = [_cell(row, column).lower() == "n/e" for column in columns]
        cells = [
            0.0 if none else number(table, line, row, column)
            for none, column in zip(not_expected, columns, strict=True)
        ]
        empty = all(none or np.isnan(cell) for none, cell in zip(not_expected, cells, strict=True))
        start, end = clock.interval(line, _cell(row, at_time), empty=empty)
        collected.add(line, start, cells, end=end)
    return collected.rows()


def read_entsoe_mix(
    path: Path, *, policy: Policy, origin_ns: int, only: Mapping[str, str] = MappingProxyType({})
) -> GridSeries:
    """The fuel mix in an export of actual generation per production type, of the rows that hold the words of ``only``
    in the columns it names. Raises ``InputError`` with every fault.
    """
    with open_table(path) as table:
        types = {i: match[1].strip().lower() for i, n in enumerate(table.names) if (match := _GENERATION.fullmatch(n))}
        unknown = [name for name in types.values() if name not in FUELS and name not in STORAGE]
        columns = [i for i, name in types.items() if name in FUELS]
        if unknown or not columns:
            what = f"has unknown production types: {', '.join(unknown)}" if unknown else "has no column of generation"
            raise InputError.one(str(path), what, line=1)
        rows = _rows(table, columns, only)
    stated = np.flatnonzero(~np.isnan(rows.values).all(axis=0))  # a type that a country never reports is not in its mix
    if not len(stated):
        raise InputError.one(str(path), "has no generation in any row")
    kept = Rows(rows.file, rows.starts_ns, rows.values[:, stated], rows.lines, rows.ends_ns)
    fuels = [FUELS[types[columns[int(i)]]] for i in stated]
    mix, report = read_mix(kept, fuels, policy=policy, origin_ns=origin_ns)
    return GridSeries(mix=mix, report=report)


def read_entsoe_price(
    path: Path, *, policy: Policy, origin_ns: int, only: Mapping[str, str] = MappingProxyType({})
) -> GridSeries:
    """Day-ahead prices, of which those below zero are as real as others, of the rows that hold the words of
    ``only`` in the columns it names. Raises ``InputError`` with every fault.
    """
    with open_table(path) as table:
        prices = {i: match[1].upper() for i, name in enumerate(table.names) if (match := _PRICE.fullmatch(name))}
        if len(prices) != 1:
            known = ", ".join(table.names)
            raise InputError.one(
                str(path), f"needs one column such as 'Day-ahead Price [EUR/MWh]'; its columns are: {known}", line=1
            )
        column, currency = next(iter(prices.items()))
        rows = _rows(table, [column], only)
    si_per_value, currency = parse_price(f"1 {currency}/MWh")
    price, report = read_signal(
        rows,
        policy=policy,
        si_per_value=si_per_value,
        unit=f"{currency}/J",
        origin_ns=origin_ns,
        may_be_negative=True,
    )
    return GridSeries(price=price, report=report)
