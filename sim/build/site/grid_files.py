"""How a file of the grid is read, a function a kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from sim.build.site.grid import Asked, laid_again, with_intensity
from sim.signals import Signal
from sim.signals.gaps import GapReport
from sim.signals.grid.carbon_intensity_uk import read_carbon_intensity_uk
from sim.signals.grid.eia import read_eia
from sim.signals.grid.electricity_maps import read_electricity_maps
from sim.signals.grid.energy_charts import read_energy_charts_mix, read_energy_charts_price
from sim.signals.grid.entsoe import read_entsoe_mix, read_entsoe_price
from sim.signals.grid.gridstatus import read_gridstatus_mix, read_gridstatus_price
from sim.signals.grid.open_electricity import read_open_electricity_mix, read_open_electricity_price
from sim.signals.grid.plain import read_plain
from sim.signals.grid.price import read_price
from sim.signals.grid.series import GridSeries, Terms
from sim.signals.grid.watttime import read_watttime_csv, read_watttime_json
from sim.signals.labels import Labels
from sim.spec.grid import (
    CarbonIntensityUK,
    ElectricityMaps,
    GridstatusMix,
    GridstatusPrice,
    IntensitySeries,
    PriceSeries,
    WattTime,
)


def _from_file(read: Callable[[Any, Terms], GridSeries]) -> Callable[[Any, Asked], GridSeries]:
    """A reader as a builder: what it read is repeated over the run where that is wanted, and a mix gets the intensity
    that its factors give it."""

    @wraps(read)
    def built(spec: Any, asked: Asked) -> GridSeries:
        labels = Labels(getattr(spec, "zone", None), getattr(spec, "stamps", None))  # where its format leaves them open
        series = read(spec, Terms(spec.gaps, asked.origin_ns, labels, getattr(spec, "only", {})))
        if spec.repeat == "calendar":
            series = laid_again(series, asked, spec.file)
        return with_intensity(series, spec, asked.catalog) if series.mix is not None else series

    return built


def _alone(read: Callable[[Path, Terms], GridSeries]) -> Callable[[Any, Asked], GridSeries]:
    """The same of a reader that needs to know no more of its file."""

    def opened(spec: Any, terms: Terms) -> GridSeries:
        return read(Path(spec.file), terms)

    opened.__doc__ = read.__doc__
    return _from_file(opened)


eia_mix = _alone(read_eia)
entsoe_mix = _alone(read_entsoe_mix)
energy_charts_mix = _alone(read_energy_charts_mix)
open_electricity_mix = _alone(read_open_electricity_mix)
price_csv = _alone(read_price)
entsoe_price = _alone(read_entsoe_price)
energy_charts_price = _alone(read_energy_charts_price)
open_electricity_price = _alone(read_open_electricity_price)


@_from_file
def intensity_series(spec: IntensitySeries, terms: Terms) -> GridSeries:
    """A column of intensities."""
    signal, report = _plain(spec, terms, "g/J", may_be_negative=False)
    return GridSeries(intensity=signal, basis=spec.basis, report=report)


@_from_file
def price_series(spec: PriceSeries, terms: Terms) -> GridSeries:
    """A column of prices."""
    signal, report = _plain(spec, terms, f"{spec.unit.currency}/J", may_be_negative=True)
    return GridSeries(price=signal, report=report)


@_from_file
def electricity_maps(spec: ElectricityMaps, terms: Terms) -> GridSeries:
    """Electricity Maps."""
    return read_electricity_maps(Path(spec.file), terms, basis=spec.basis)


@_from_file
def carbon_intensity_uk(spec: CarbonIntensityUK, terms: Terms) -> GridSeries:
    """Great Britain's."""
    return read_carbon_intensity_uk(Path(spec.file), terms, value=spec.value)


@_from_file
def watttime(spec: WattTime, terms: Terms) -> GridSeries:
    """WattTime, in either form."""
    path = Path(spec.file)
    if spec.unit is None:
        return read_watttime_json(path, terms)
    unit = float(spec.unit)
    return read_watttime_csv(path, terms, time_column=spec.time_column, column=spec.column, si_per_value=unit)


@_from_file
def gridstatus_mix(spec: GridstatusMix, terms: Terms) -> GridSeries:
    """A mix by gridstatus."""
    return read_gridstatus_mix(Path(spec.file), terms, skip=spec.skip)


@_from_file
def gridstatus_price(spec: GridstatusPrice, terms: Terms) -> GridSeries:
    """Prices by gridstatus."""
    unit, path = spec.unit, Path(spec.file)
    return read_gridstatus_price(path, terms, column=spec.column, si_per_value=float(unit), unit=f"{unit.currency}/J")


def _plain(
    spec: IntensitySeries | PriceSeries, terms: Terms, unit: str, *, may_be_negative: bool
) -> tuple[Signal, GapReport]:
    return read_plain(
        Path(spec.file),
        terms,
        time_column=spec.time_column,
        column=spec.column,
        si_per_value=float(spec.unit),
        unit=unit,
        may_be_negative=may_be_negative,
    )
