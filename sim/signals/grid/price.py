"""Prices of a US market in a CSV of ``Datetime (UTC),Datetime (Local),Price (USD/MWh)``.

Zero and less are real prices. The first column holds the starts of intervals, in UTC as its name says; the local one is
not read.
"""

from __future__ import annotations

import re
from pathlib import Path

from sim.errors import InputError
from sim.signals.csv_table import open_table
from sim.signals.gaps import Policy
from sim.signals.grid.cells import Collected, number
from sim.signals.grid.series import GridSeries, read_signal
from sim.signals.labels import AS_DOCUMENTED, Labels
from sim.units import parse_price

TIME = "Datetime (UTC)"
_PRICE = re.compile(r"Price \(([A-Z]{3}/[kM]Wh)\)")


def read_price(path: Path, *, policy: Policy, origin_ns: int, labels: Labels = AS_DOCUMENTED) -> GridSeries:
    """The price in ``path``, in the currency of its header. Raises ``InputError`` with every fault."""
    with open_table(path) as table:
        times = table.times(table.column(TIME), labels)
        units = {i: match[1] for i, name in enumerate(table.names) if (match := _PRICE.fullmatch(name))}
        if not units:
            message = f"has no column such as 'Price (USD/MWh)'; its columns are: {', '.join(table.names)}"
            raise InputError.one(str(path), message, line=1)
        at_value, unit = next(iter(units.items()))
        si_per_value, currency = parse_price(f"1 {unit}")
        collected = Collected(table)
        for line, row in table.rows():
            collected.add(line, times.instant(line, row), [number(table, line, row, at_value)])
        rows = collected.rows(at_end=labels.at_end())
    price, report = read_signal(
        rows,
        policy=policy,
        si_per_value=si_per_value,
        unit=f"{currency}/J",
        origin_ns=origin_ns,
        may_be_negative=True,
    )
    return GridSeries(price=price, report=report)
