"""What the library gridstatus read of a North American market and pandas wrote as CSV: prices and fuel mixes.

gridstatus 0.37.0 (PyPI): ``Interval Start`` and ``Interval End`` with their offset, in older tables ``Time``, which is
the start wherever both are given; a column of row numbers before them where ``index=False`` was forgotten. Prices
(``get_lmp``, ``get_spp``) are long tables, one row a time and ``Location`` (and ``Market``), with ``LMP``, ``SPP`` or
``Price`` in the currency of the market per MWh: the file does not say which, so that the user must. Fuel mixes
(``get_fuel_mix``, and ``EIA.get_dataset``) are wide, in MW, and call fuels as each market does; imports are no fuel of
this grid and are refused, unless the user leaves them out with ``skip``. New York's "Dual Fuel" plants burn gas or oil;
they count as gas, which most of their energy is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sim.errors import InputError
from sim.signals.csv_table import Table, Times, open_table
from sim.signals.grid.cells import Selection, collect
from sim.signals.grid.generation import Generation
from sim.signals.grid.series import GridSeries, Terms, price_series
from sim.signals.labels import Labels

START, END, TIME = "Interval Start", "Interval End", "Time"
APART = ("Location", "Market", "Respondent", "BAA", "Node", "Tie")
PRICES = ("LMP", "SPP", "Price", "Zonal Price", "Pool Price")
FUELS = {
    "batteries other": "other",
    "biogas": "biogas",
    "biomass": "biomass",
    "coal": "coal",
    "coal and lignite": "coal",
    "coal market": "coal",
    "coal self": "coal",
    "diesel fuel oil": "oil",
    "diesel fuel oil market": "oil",
    "diesel fuel oil self": "oil",
    "dual fuel": "gas",
    "gas": "gas",
    "geothermal": "geothermal",
    "hydro": "hydro",
    "hydro market": "hydro",
    "hydro self": "hydro",
    "landfill gas": "biogas",
    "large hydro": "hydro",
    "multiple fuels": "other",
    "natural gas": "gas",
    "natural gas market": "gas",
    "natural gas self": "gas",
    "nuclear": "nuclear",
    "nuclear market": "nuclear",
    "nuclear self": "nuclear",
    "oil": "oil",
    "other": "other",
    "other fossil fuels": "other",
    "other renewables": "other-renewable",
    "petroleum": "oil",
    "refuse": "waste",
    "small hydro": "hydro",
    "solar": "solar",
    "solar market": "solar",
    "solar self": "solar",
    "solar with integrated battery storage": "solar",
    "waste disposal services": "waste",
    "waste heat": "other",
    "wind": "wind",
    "wind market": "wind",
    "wind self": "wind",
    "wind with integrated battery storage": "wind",
    "wood": "biomass",
}
STORAGE = {
    "batteries",
    "battery storage",
    "energy storage",
    "other energy storage",
    "power storage",
    "pumped storage",
    "storage",
    "unknown energy storage",
}
_TELLING = {START, END, TIME, *APART, "Respondent Name", "Location Type", "Publish Time"}


class _Intervals:
    """The start and, where the table gives it, the end of each row."""

    def __init__(self, table: Table, labels: Labels) -> None:
        names = table.names
        first = next((name for name in (START, TIME, END) if name in names), None)
        if first is None:
            known = ", ".join(names)
            raise InputError.one(table.file, f"has no column '{START}' or '{TIME}'; its columns are: {known}", line=1)
        both = START in names and END in names
        if both:
            labels.refuse_stamps(table.file, f"gives '{START}' and '{END}'")
        self.at_end = not both and labels.at_end("end" if first == END else "start")
        self.start = table.times(names.index(first), labels)
        self.end: Times | None = table.times(names.index(END), labels) if both else None


def read_gridstatus_price(
    path: Path, terms: Terms, *, column: str | None, si_per_value: float, unit: str
) -> GridSeries:
    """The prices of one location, each value times ``si_per_value`` in ``unit``. Raises ``InputError``."""
    with open_table(path) as table:
        at_value = _price_column(table, column)
        times, selection = _Intervals(table, terms.labels), Selection(table, terms.only, APART)
        found = collect(table, times.start, [at_value], end=times.end, selection=selection)
        rows = found.rows(at_end=times.at_end)
    return price_series(rows, terms, si_per_value, unit.removesuffix("/J"))


def _price_column(table: Table, column: str | None) -> int:
    if column is not None:
        return table.column(column)
    found = [name for name in PRICES if name in table.names]
    if len(found) != 1:
        what = f"has {' and '.join(found)}: say which, as 'column'" if found else f"has none of {', '.join(PRICES)}"
        raise InputError.one(table.file, f"{what}; its columns are: {', '.join(table.names)}", line=1)
    return table.names.index(found[0])


def read_gridstatus_mix(path: Path, terms: Terms, *, skip: Sequence[str] = ()) -> GridSeries:
    """The fuel mix of one grid, without the columns in ``skip``. Raises ``InputError`` with every fault."""
    with open_table(path) as table:
        return _generation(table, skip, terms).mix(terms)


def _generation(table: Table, skip: Sequence[str], terms: Terms) -> Generation:
    for name in skip:
        table.column(name)
    left = {i: name.lower() for i, name in enumerate(table.names) if name not in {*_TELLING, *skip, *terms.only}}
    if left.get(0) in ("", "index"):
        del left[0]  # pandas' numbers of rows
    columns = [i for i, name in left.items() if name in FUELS]
    stores = [i for i, name in left.items() if name in STORAGE]
    unknown = [table.names[i] for i, name in left.items() if name not in FUELS and name not in STORAGE]
    if unknown or not columns:
        what = f"has columns that are no fuel: {', '.join(unknown)}" if unknown else "has no column of a fuel"
        raise InputError.one(table.file, f"{what}  (leave one out with skip: [...]; known: {', '.join(FUELS)})", line=1)
    times, selection = _Intervals(table, terms.labels), Selection(table, terms.only, APART)
    found = collect(table, times.start, columns, end=times.end, stores=stores, selection=selection)
    rows = found.rows(at_end=times.at_end, names=[table.names[i] for i in columns])
    return Generation(rows, [FUELS[left[i]] for i in columns], found.given_back())
