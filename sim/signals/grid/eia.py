"""Hourly generation by fuel of a US balancing authority, as research code shares the data of the EIA's form 930.

``timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI`` in MWh, with the interval's start and its offset from UTC; in some
files the cell over the times is empty. A time without an offset is refused unless its column says UTC or the user names
its zone. The EIA itself labels the *end* of the hour: for a file cut from its own, say ``stamps: end``, or give that
file as it is (``eia930``). CarbonCast writes ``,UTC time,carbon_intensity,coal,nat_gas,...`` with a region's fuels.
Intensities in these files are derived ones: they are not read, but follow from the mix and a set of factors that the
user names. Storage is not read either: what it gives back was generated, and counted, before.
"""

from __future__ import annotations

from pathlib import Path

from sim.errors import InputError
from sim.signals.csv_table import Table, open_table
from sim.signals.grid.cells import Selection, collect
from sim.signals.grid.eia930 import answer_rows, is_own_table, own_rows
from sim.signals.grid.generation import Generation
from sim.signals.grid.json_file import looks_like_json
from sim.signals.grid.series import GridSeries, Terms

FUELS = {
    "WND": "wind",
    "SUN": "solar",
    "WAT": "hydro",
    "OIL": "oil",
    "NG": "gas",
    "COL": "coal",
    "NUC": "nuclear",
    "OTH": "other",
    "GEO": "geothermal",
    "wind": "wind",
    "solar": "solar",
    "hydro": "hydro",
    "oil": "oil",
    "nat_gas": "gas",
    "coal": "coal",
    "nuclear": "nuclear",
    "biomass": "biomass",
    "geothermal": "geothermal",
    "other": "other",
}
STORAGE = {"BAT", "PS"}
NOT_READ = {"", "timestamp", "UTC time", "avg_CI", "carbon_intensity"}


def read_eia(path: Path, terms: Terms) -> GridSeries:
    """The fuel mix in ``path``: research code's table, the EIA's own, or an answer of its API (see ``eia930``).

    ``only`` names the balancing authority of a file with several. Raises ``InputError`` naming every fault.
    """
    if looks_like_json(path):
        read = answer_rows(path, terms)
    else:
        with open_table(path) as table:
            read = own_rows(table, terms) if is_own_table(table) else _rows(table, terms)
    return read.mix(terms)


def _rows(table: Table, terms: Terms) -> Generation:
    at_time = table.first_of("timestamp", "UTC time", "")
    if at_time is None:
        message = (
            "has no column 'timestamp', 'UTC time' or '', and is no file of EIA-930 with 'UTC Time at End of Hour'; "
            f"its columns are: {', '.join(table.names)}"
        )
        raise InputError.one(table.file, message, line=1)
    unknown = [name for name in table.names if name not in {*FUELS, *NOT_READ, *STORAGE, *terms.only}]
    columns = [i for i, name in enumerate(table.names) if name in FUELS]
    if unknown or not columns:
        known = ", ".join(FUELS)
        what = f"has columns that are no fuel: {', '.join(unknown)}" if unknown else "has no column of a fuel"
        raise InputError.one(table.file, f"{what}  (known: {known})", line=1)
    stores = [i for i, name in enumerate(table.names) if name in STORAGE]
    times, selection = table.times(at_time, terms.labels), Selection(table, terms.only, ())
    found = collect(table, times, columns, stores=stores, selection=selection)
    fuels = [FUELS[table.names[column]] for column in columns]
    return Generation(found.rows(at_end=terms.labels.at_end(), names=fuels), fuels, found.given_back())
