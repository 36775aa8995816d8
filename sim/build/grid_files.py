"""Which reader opens a file of the grid, by the kind that the scenario says it is."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

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
    MixSource,
    OpenElectricityMix,
    OpenElectricityPrice,
    PriceCSV,
    PriceSeries,
    WattTime,
)

IntensityFile = IntensitySeries | ElectricityMaps | WattTime | CarbonIntensityUK
PriceFile = PriceSeries | PriceCSV | EntsoePrice | GridstatusPrice | EnergyChartsPrice | OpenElectricityPrice


def read_grid_file(spec: IntensityFile | MixSource | PriceFile, origin_ns: int) -> GridSeries:
    """What the file of ``spec`` says, on edges in ns from ``origin_ns`` (since 1970). Raises ``InputError``."""
    if isinstance(spec, MixSource):
        return _mix(spec, origin_ns)
    if isinstance(spec, IntensityFile):
        return _intensity(spec, origin_ns)
    return _price(spec, origin_ns)


def _intensity(spec: IntensityFile, origin_ns: int) -> GridSeries:
    path, policy = Path(spec.file), spec.gaps
    match spec:
        case IntensitySeries():
            return _plain(spec, origin_ns)
        case ElectricityMaps():
            labels = Labels(stamps=spec.stamps)
            return read_electricity_maps(path, basis=spec.basis, policy=policy, origin_ns=origin_ns, labels=labels)
        case CarbonIntensityUK():
            return read_carbon_intensity_uk(path, value=spec.value, policy=policy, origin_ns=origin_ns)
        case WattTime():
            labels = Labels(spec.zone, spec.stamps)
            if spec.unit is None:
                return read_watttime_json(path, policy=policy, origin_ns=origin_ns, labels=labels)
            return read_watttime_csv(
                path,
                time_column=spec.time_column,
                column=spec.column,
                si_per_value=float(spec.unit),
                policy=policy,
                origin_ns=origin_ns,
                labels=labels,
            )
        case _:
            assert_never(spec)


def _mix(spec: MixSource, origin_ns: int) -> GridSeries:
    path, policy = Path(spec.file), spec.gaps
    match spec:
        case EIAMix():
            labels = Labels(spec.zone, spec.stamps)
            return read_eia(path, policy=policy, origin_ns=origin_ns, labels=labels, only=spec.only)
        case EntsoeMix():
            labels = Labels(spec.zone, spec.stamps)
            return read_entsoe_mix(path, policy=policy, origin_ns=origin_ns, only=spec.only, labels=labels)
        case GridstatusMix():
            labels = Labels(spec.zone, spec.stamps)
            return read_gridstatus_mix(
                path, policy=policy, origin_ns=origin_ns, only=spec.only, skip=spec.skip, labels=labels
            )
        case EnergyChartsMix():
            labels = Labels(stamps=spec.stamps)
            return read_energy_charts_mix(path, policy=policy, origin_ns=origin_ns, labels=labels)
        case OpenElectricityMix():
            labels = Labels(spec.zone, spec.stamps)
            return read_open_electricity_mix(path, policy=policy, origin_ns=origin_ns, only=spec.only, labels=labels)
        case _:
            assert_never(spec)


def _price(spec: PriceFile, origin_ns: int) -> GridSeries:
    path, policy = Path(spec.file), spec.gaps
    match spec:
        case PriceSeries():
            return _plain(spec, origin_ns)
        case PriceCSV():
            return read_price(path, policy=policy, origin_ns=origin_ns, labels=Labels(stamps=spec.stamps))
        case EntsoePrice():
            labels = Labels(spec.zone, spec.stamps)
            return read_entsoe_price(path, policy=policy, origin_ns=origin_ns, only=spec.only, labels=labels)
        case GridstatusPrice():
            return read_gridstatus_price(
                path,
                column=spec.column,
                si_per_value=float(spec.unit),
                unit=f"{spec.unit.currency}/J",
                policy=policy,
                origin_ns=origin_ns,
                only=spec.only,
                labels=Labels(spec.zone, spec.stamps),
            )
        case EnergyChartsPrice():
            return read_energy_charts_price(path, policy=policy, origin_ns=origin_ns, labels=Labels(stamps=spec.stamps))
        case OpenElectricityPrice():
            labels = Labels(spec.zone, spec.stamps)
            return read_open_electricity_price(path, policy=policy, origin_ns=origin_ns, only=spec.only, labels=labels)
        case _:
            assert_never(spec)


def _plain(spec: IntensitySeries | PriceSeries, origin_ns: int) -> GridSeries:
    signal, report = read_plain(
        Path(spec.file),
        time_column=spec.time_column,
        column=spec.column,
        si_per_value=float(spec.unit),
        unit=f"{spec.unit.currency}/J" if isinstance(spec, PriceSeries) else "g/J",
        policy=spec.gaps,
        origin_ns=origin_ns,
        may_be_negative=isinstance(spec, PriceSeries),
        labels=Labels(spec.zone, spec.stamps),
    )
    if isinstance(spec, PriceSeries):
        return GridSeries(price=signal, report=report)
    return GridSeries(intensity=signal, basis=spec.basis, report=report)
