"""Hourly generation by fuel of a US balancing authority, as research code shares the data of the EIA's form 930.

``timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI`` in MWh, UTC, with the interval's start; in some files the cell over
the times is empty. CarbonCast writes ``,UTC time,carbon_intensity,coal,nat_gas,...`` with the fuels a region has.
Intensities in these files are derived ones: they are not read, but follow from the mix and a set of factors that the
user names. Storage is not read either: what it gives back was generated, and counted, before.
"""

from __future__ import annotations

from pathlib import Path

from sim.errors import InputError
from sim.signals.csv_table import Table, open_table
from sim.signals.gaps import Policy, Rows
from sim.signals.grid.cells import Collected, number
from sim.signals.grid.series import GridSeries, read_mix

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
NOT_READ = {"", "timestamp", "UTC time", "avg_CI", "carbon_intensity", "BAT", "PS"}


def read_eia(path: Path, *, policy: Policy, origin_ns: int) -> GridSeries:
    """The fuel mix in ``path``. Raises ``InputError`` naming every fault with its line."""
    with open_table(path) as table:
        rows, fuels = _rows(table)
    mix, report = read_mix(rows, fuels, policy=policy, origin_ns=origin_ns)
    return GridSeries(mix=mix, report=report)


def _rows(table: Table) -> tuple[Rows, list[str]]:
    at_time = next((table.names.index(name) for name in ("timestamp", "UTC time", "") if name in table.names), None)
    if at_time is None:
        message = f"has no column 'timestamp', 'UTC time' or ''; its columns are: {', '.join(table.names)}"
        raise InputError.one(table.file, message, line=1)
    unknown = [name for name in table.names if name not in FUELS and name not in NOT_READ]
    columns = [i for i, name in enumerate(table.names) if name in FUELS]
    if unknown or not columns:
        known = ", ".join(FUELS)
        what = f"has columns that are no fuel: {', '.join(unknown)}" if unknown else "has no column of a fuel"
        raise InputError.one(table.file, f"{what}  (known: {known})", line=1)
    collected = Collected(table)
    for line, row in table.rows():
        start = table.instant(line, row, at_time)
        collected.add(line, start, [number(table, line, row, column) for column in columns])
    return collected.rows(), [FUELS[table.names[column]] for column in columns]
