"""How a file of the grid is read, a function a kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from sim.build.grid import Asked, laid_again, with_intensity
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
from sim.signals.grid.series import GridSeries
from sim.signals.grid.watttime import read_watttime_csv, read_watttime_json
from sim.signals.labels import Labels
from sim.spec.grid import (
    CarbonIntensityUK,
    EIAMix,
    ElectricityMaps,
    EnergyChartsMix,
    EnergyChartsPrice,
    EntsoeMix,
    EntsoePrice,
    GridstatusMix,
    GridstatusPrice,
    IntensitySeries,
    OpenElectricityMix,
    OpenElectricityPrice,
    PriceCSV,
    PriceSeries,
    WattTime,
)


def _from_file(read: Callable[[Any, int], GridSeries]) -> Callable[[Any, Asked], GridSeries]:
    """A reader, on a clock that begins at its second argument, as a builder: what it read is repeated over the run
    where that is wanted, and a mix gets the intensity that its factors give it."""

    @wraps(read)
    def built(spec: Any, asked: Asked) -> GridSeries:
        series = read(spec, asked.origin_ns)
        if spec.repeat == "calendar":
            series = laid_again(series, asked, spec.file)
        return with_intensity(series, spec, asked.catalog) if series.mix is not None else series

    return built


@_from_file
def intensity_series(spec: IntensitySeries, origin_ns: int) -> GridSeries:
    """A column of intensities."""
    signal, report = _plain(spec, origin_ns, "g/J", may_be_negative=False)
    return GridSeries(intensity=signal, basis=spec.basis, report=report)


@_from_file
def electricity_maps(spec: ElectricityMaps, origin_ns: int) -> GridSeries:
    """Electricity Maps."""
    labels = Labels(stamps=spec.stamps)
    return read_electricity_maps(
        Path(spec.file), basis=spec.basis, policy=spec.gaps, origin_ns=origin_ns, labels=labels
    )


@_from_file
def carbon_intensity_uk(spec: CarbonIntensityUK, origin_ns: int) -> GridSeries:
    """Great Britain's."""
    return read_carbon_intensity_uk(Path(spec.file), value=spec.value, policy=spec.gaps, origin_ns=origin_ns)


@_from_file
def watttime(spec: WattTime, origin_ns: int) -> GridSeries:
    """WattTime, in either form."""
    path, labels = Path(spec.file), Labels(spec.zone, spec.stamps)
    if spec.unit is None:
        return read_watttime_json(path, policy=spec.gaps, origin_ns=origin_ns, labels=labels)
    return read_watttime_csv(
        path,
        time_column=spec.time_column,
        column=spec.column,
        si_per_value=float(spec.unit),
        policy=spec.gaps,
        origin_ns=origin_ns,
        labels=labels,
    )


@_from_file
def eia_mix(spec: EIAMix, origin_ns: int) -> GridSeries:
    """Generation of a balancing authority."""
    labels = Labels(spec.zone, spec.stamps)
    return read_eia(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, labels=labels, only=spec.only)


@_from_file
def entsoe_mix(spec: EntsoeMix, origin_ns: int) -> GridSeries:
    """Generation in a zone of ENTSO-E."""
    labels = Labels(spec.zone, spec.stamps)
    return read_entsoe_mix(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, only=spec.only, labels=labels)


@_from_file
def gridstatus_mix(spec: GridstatusMix, origin_ns: int) -> GridSeries:
    """A mix by gridstatus."""
    labels = Labels(spec.zone, spec.stamps)
    return read_gridstatus_mix(
        Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, only=spec.only, skip=spec.skip, labels=labels
    )


@_from_file
def energy_charts_mix(spec: EnergyChartsMix, origin_ns: int) -> GridSeries:
    """Public power by Energy-Charts."""
    labels = Labels(stamps=spec.stamps)
    return read_energy_charts_mix(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, labels=labels)


@_from_file
def open_electricity_mix(spec: OpenElectricityMix, origin_ns: int) -> GridSeries:
    """Generation by OpenElectricity."""
    labels = Labels(spec.zone, spec.stamps)
    return read_open_electricity_mix(
        Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, only=spec.only, labels=labels
    )


@_from_file
def price_series(spec: PriceSeries, origin_ns: int) -> GridSeries:
    """A column of prices."""
    signal, report = _plain(spec, origin_ns, f"{spec.unit.currency}/J", may_be_negative=True)
    return GridSeries(price=signal, report=report)


@_from_file
def price_csv(spec: PriceCSV, origin_ns: int) -> GridSeries:
    """Prices in USD/MWh."""
    return read_price(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, labels=Labels(stamps=spec.stamps))


@_from_file
def entsoe_price(spec: EntsoePrice, origin_ns: int) -> GridSeries:
    """Day-ahead prices of ENTSO-E."""
    labels = Labels(spec.zone, spec.stamps)
    return read_entsoe_price(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, only=spec.only, labels=labels)


@_from_file
def gridstatus_price(spec: GridstatusPrice, origin_ns: int) -> GridSeries:
    """Prices by gridstatus."""
    return read_gridstatus_price(
        Path(spec.file),
        column=spec.column,
        si_per_value=float(spec.unit),
        unit=f"{spec.unit.currency}/J",
        policy=spec.gaps,
        origin_ns=origin_ns,
        only=spec.only,
        labels=Labels(spec.zone, spec.stamps),
    )


@_from_file
def energy_charts_price(spec: EnergyChartsPrice, origin_ns: int) -> GridSeries:
    """Day-ahead prices by Energy-Charts."""
    labels = Labels(stamps=spec.stamps)
    return read_energy_charts_price(Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, labels=labels)


@_from_file
def open_electricity_price(spec: OpenElectricityPrice, origin_ns: int) -> GridSeries:
    """Prices by OpenElectricity."""
    labels = Labels(spec.zone, spec.stamps)
    return read_open_electricity_price(
        Path(spec.file), policy=spec.gaps, origin_ns=origin_ns, only=spec.only, labels=labels
    )


def _plain(
    spec: IntensitySeries | PriceSeries, origin_ns: int, unit: str, *, may_be_negative: bool
) -> tuple[Signal, GapReport]:
    return read_plain(
        Path(spec.file),
        time_column=spec.time_column,
        column=spec.column,
        si_per_value=float(spec.unit),
        unit=unit,
        policy=spec.gaps,
        origin_ns=origin_ns,
        may_be_negative=may_be_negative,
        labels=Labels(spec.zone, spec.stamps),
    )
