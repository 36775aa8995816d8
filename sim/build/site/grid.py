"""From what a scenario says of its grid to signals on the clock of the run, with their basis and what was filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.quantities import CarbonIntensity
from sim.reading import is_file
from sim.signals import Signal
from sim.units import DAY_NS

with later():
    from sim.profiles.grids import carbon_factors, water_factors
    from sim.signals.calendar import repeated
    from sim.signals.grid.mix import weighted
    from sim.signals.grid.series import GridSeries
    from sim.signals.local_clock import hours_over
    from sim.signals.month_hours import read_month_hours
    from sim.signals.units_in_names import refuse_other_unit


if TYPE_CHECKING:
    from sim.profiles.grids import Fuel
    from sim.spec.grid import (
        Average,
        AverageWater,
        IntensitySource,
        MixWater,
        MonthHours,
        MonthHoursMix,
        PriceMonthHours,
        PriceSource,
        WaterSource,
    )


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Name = TypeVar("_Name", bound=str)

OPEN_ENDED_NS = 3653 * DAY_NS
"""How far a repeated series is laid for a run that does not say when it ends: ten years."""

HERE = "<grid>"


def grid_series(
    spec: IntensitySource | PriceSource, *, origin_ns: int, start_ns: int, end_ns: int | None, catalog: Catalog
) -> GridSeries:
    """What ``spec`` says, on edges in ns from ``origin_ns`` (since 1970).

    ``start_ns`` and ``end_ns`` are the run's, from ``origin_ns`` too; only what is repeated reads them, and anything
    else covers what its file covers. A mix comes with the intensity that its factors give it. Raises ``InputError``.
    What was read is kept as long as its file does not change.
    """
    path = Path(getattr(spec, "file", ""))
    changed_ns = path.stat().st_mtime_ns if is_file(path) else 0
    until_ns = start_ns + OPEN_ENDED_NS if end_ns is None else end_ns
    return _kept(type(spec), spec.model_dump_json(), changed_ns, Asked(origin_ns, start_ns, until_ns, catalog))


@dataclass(frozen=True)
class Asked:
    """The time a series is wanted for, in ns from ``origin_ns`` (since 1970), and the profiles beside it."""

    origin_ns: int
    start_ns: int
    end_ns: int
    catalog: Catalog


@lru_cache(maxsize=64)
def _kept(kind: type[IntensitySource | PriceSource], written: str, _changed_ns: int, asked: Asked) -> GridSeries:
    spec = kind.model_validate_json(written)
    made: GridSeries = builder(spec)(spec, asked)
    return made


def laid_again(series: GridSeries, asked: Asked, file: str) -> GridSeries:
    """What a file says, over the time asked for, by month, day and hour."""

    def laid(signal: Signal) -> Signal:
        start_ns, end_ns = asked.start_ns, asked.end_ns
        return repeated(signal, origin_ns=asked.origin_ns, start_ns=start_ns, end_ns=end_ns, file=file)

    return replace(
        series,
        intensity=laid(series.intensity) if series.intensity is not None else None,
        price=laid(series.price) if series.price is not None else None,
        mix={fuel: laid(share) for fuel, share in series.mix.items()} if series.mix is not None else None,
    )


class Weighed(Protocol):
    """What says which factors a mix is weighed with."""

    @property
    def factors(self) -> str: ...
    @property
    def also(self) -> Mapping[Fuel, CarbonIntensity]: ...


def with_intensity(series: GridSeries, spec: Weighed, catalog: Catalog) -> GridSeries:
    """A mix with the intensity that its factors give it. Raises ``InputError`` for a fuel that has none."""
    profile = catalog.fuels(spec.factors)
    factors = {**carbon_factors(profile), **{fuel: float(value) for fuel, value in spec.also.items()}}
    assert series.mix is not None
    intensity = weighted(series.mix, factors, unit="g/J", named=spec.factors)
    return replace(series, intensity=intensity, basis=profile.basis)


def average(spec: Average, asked: Asked) -> GridSeries:
    """The mean of a country or state."""
    table, region = asked.catalog.region(spec.region)
    if spec.basis not in (None, table.basis):
        raise InputError.one(HERE, f"the average of {spec.region} is {table.basis}, not {spec.basis}", path="basis")
    if spec.year not in (None, region.year):
        raise InputError.one(HERE, f"the average of {spec.region} is of {region.year}, not {spec.year}", path="year")
    intensity = Signal.constant(float(region.intensity.value), "g/J")
    return GridSeries(intensity=intensity, basis=table.basis, marginal=False)


def described(code: str, catalog: Catalog) -> str:
    """The average of a country or state with its year, basis and source. Raises ``InputError``.

    >>> described("FRA", Catalog())
    'France 2024, life-cycle: 44.2 gCO2e/kWh (Our World in Data; Ember)'
    """
    table, region = catalog.region(code)
    source = table.sources[region.intensity.source]
    return f"{region.title} {region.year}, {table.basis}: {region.intensity.value.text} ({source.author})"


def month_hours(spec: MonthHours, asked: Asked) -> GridSeries:
    """Mean intensities by month and hour."""
    refuse_other_unit(spec.file, spec.column, float(spec.unit), "g/J")
    tables = read_month_hours(Path(spec.file), [spec.column], local=spec.zone is not None)
    _refuse_below_zero(spec.file, tables)
    edges, values = _laid(tables, spec.zone, asked)
    return GridSeries(intensity=Signal(edges, values[spec.column] * float(spec.unit), "g/J"), basis=spec.basis)


def price_month_hours(spec: PriceMonthHours, asked: Asked) -> GridSeries:
    """Mean prices by month and hour, which may be below zero."""
    unit = f"{spec.unit.currency}/J"
    refuse_other_unit(spec.file, spec.column, float(spec.unit), unit)
    tables = read_month_hours(Path(spec.file), [spec.column], local=spec.zone is not None)
    edges, values = _laid(tables, spec.zone, asked)
    return GridSeries(price=Signal(edges, values[spec.column] * float(spec.unit), unit))


def month_hours_mix(spec: MonthHoursMix, asked: Asked) -> GridSeries:
    """Mean generation by fuel, month and hour, and the intensity that its factors give it."""
    tables = read_month_hours(Path(spec.file), list(spec.columns.values()), local=spec.zone is not None)
    _refuse_below_zero(spec.file, tables)
    total = np.sum([tables[name] for name in spec.columns.values()], axis=0)
    if not bool((total > 0).all()):
        raise InputError.one(spec.file, _idle(total))
    edges, shares = _laid({fuel: tables[name] / total for fuel, name in spec.columns.items()}, spec.zone, asked)
    mix = {fuel: Signal(edges, values, "J/J") for fuel, values in shares.items()}
    return with_intensity(GridSeries(mix=mix, marginal=False), spec, asked.catalog)


def _laid(tables: Mapping[_Name, Floats], zone: str | None, asked: Asked) -> tuple[Ints, dict[_Name, Floats]]:
    """Tables (12, 24) over the hours asked for: edges (n + 1,), and the values (n,) of each."""
    edges, month, hour = hours_over(asked.start_ns + asked.origin_ns, asked.end_ns + asked.origin_ns, zone)
    return edges - asked.origin_ns, {name: table[month, hour] for name, table in tables.items()}


def _refuse_below_zero(file: str, tables: Mapping[str, Floats]) -> None:
    below = [name for name in tables if bool((tables[name] < 0).any())]
    if below:
        raise InputError.one(file, f"'{below[0]}' is below zero")


def _idle(total: Floats) -> str:
    """What is wrong with months' hours (12, 24) in which no fuel generates."""
    month, hour = (int(i) for i in np.argwhere(total <= 0)[0])
    count = int((total <= 0).sum())
    others = f", and in {count - 1} more of 288" if count > 1 else ""
    return (
        f"has no fuel generating in month {month + 1}, hour {hour}{others}, so no mix: if only storage does then, "
        "which is not counted (it was, when it was generated), give those hours the mix of the hours before"
    )


def ewif_signal(spec: WaterSource, series: GridSeries, *, catalog: Catalog) -> Signal:
    """The water that the grid's power stations consume, L/J, on the edges of its mix (or constant).

    Raises ``InputError`` where the grid has no mix, or the region no water.
    """
    made: Signal = builder(spec)(spec, series, catalog)
    return made


def mix_water(spec: MixWater, series: GridSeries, catalog: Catalog) -> Signal:
    """By the grid's mix."""
    if series.mix is None:
        message = "needs a fuel mix: give 'grid.intensity' as a kind that ends in -mix, such as eia-mix"
        raise InputError.one(HERE, message, path="ewif")
    factors = water_factors(catalog.fuels(spec.factors), hydro=spec.hydro)
    own = {fuel: float(value) for fuel, value in spec.also.items()}
    return weighted(series.mix, {**factors, **own}, unit="L/J", named=spec.factors)


def average_water(spec: AverageWater, _series: GridSeries, catalog: Catalog) -> Signal:
    """The mean of a country or state."""
    _, region = catalog.region(spec.region)
    if region.ewif is None:
        raise InputError.one(HERE, f"no water per kWh is known of {region.title}: give your own", path="ewif")
    return Signal.constant(float(region.ewif.value), "L/J")


def withdrawal_signal(spec: MixWater, series: GridSeries, *, catalog: Catalog) -> Signal | None:
    """The water that the grid's power stations withdraw, L/J; None where the set lacks it for a fuel that is used."""
    if series.mix is None:
        return None
    try:
        factors = water_factors(catalog.fuels(spec.factors), hydro=spec.hydro, use="withdrawal")
        return weighted(series.mix, factors, unit="L/J", named=spec.factors)
    except InputError:
        return None
