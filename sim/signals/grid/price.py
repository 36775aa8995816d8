"""Prices of a US market in a CSV of ``Datetime (UTC),Datetime (Local),Price (USD/MWh)``.

Zero and less are real prices. The first column holds the starts of intervals, in UTC as its name says; the local one is
not read.
"""

from __future__ import annotations

import re
from pathlib import Path

from sim.errors import InputError
from sim.signals.csv_table import open_table
from sim.signals.grid.cells import collect
from sim.signals.grid.series import GridSeries, Terms, price_series
from sim.units import parse_price

TIME = "Datetime (UTC)"
_PRICE = re.compile(r"Price \(([A-Z]{3}/[kM]Wh)\)")


def read_price(path: Path, terms: Terms) -> GridSeries:
    """The price in ``path``, in the currency of its header. Raises ``InputError`` with every fault."""
    with open_table(path) as table:
        times = table.times(table.column(TIME), terms.labels)
        units = {i: match[1] for i, name in enumerate(table.names) if (match := _PRICE.fullmatch(name))}
        if not units:
            message = f"has no column such as 'Price (USD/MWh)'; its columns are: {', '.join(table.names)}"
            raise InputError.one(str(path), message, line=1)
        at_value, unit = next(iter(units.items()))
        price = parse_price(f"1 {unit}")
        rows = collect(table, times, [at_value]).rows(at_end=terms.labels.at_end())
    return price_series(rows, terms, *price)
