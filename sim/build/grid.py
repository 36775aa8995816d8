"""From what a scenario says of its grid to signals on the clock of the run, with their basis and what was filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.build.grid_files import read_grid_file
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.grids import carbon_factors, water_factors
from sim.reading import is_file
from sim.signals import Signal
from sim.signals.calendar import repeated
from sim.signals.grid.mix import weighted
from sim.signals.grid.series import Basis, GridSeries
from sim.signals.local_clock import hours_over
from sim.signals.month_hours import read_month_hours
from sim.signals.units_in_names import refuse_other_unit
from sim.spec.grid import (
    Average,
    IntensitySource,
    MixSource,
    MixWater,
    MonthHours,
    MonthHoursMix,
    PriceMonthHours,
    PriceSource,
    WaterSource,
)
from sim.units import DAY_NS

Floats = npt.NDArray[np.float64]

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
    return _kept(type(spec), spec.model_dump_json(), changed_ns, origin_ns, start_ns, end_ns, catalog)


@lru_cache(maxsize=64)
def _kept(
    kind: type[IntensitySource | PriceSource],
    written: str,
    _changed_ns: int,
    origin_ns: int,
    start_ns: int,
    end_ns: int | None,
    catalog: Catalog,
) -> GridSeries:
    return _grid_series(
        kind.model_validate_json(written), origin_ns=origin_ns, start_ns=start_ns, end_ns=end_ns, catalog=catalog
    )


def _grid_series(
    spec: IntensitySource | PriceSource, *, origin_ns: int, start_ns: int, end_ns: int | None, catalog: Catalog
) -> GridSeries:
    end_ns = start_ns + OPEN_ENDED_NS if end_ns is None else end_ns
    if isinstance(spec, Average):
        return _average(spec, catalog)
    if isinstance(spec, MonthHours | MonthHoursMix | PriceMonthHours):
        return _month_hours(spec, origin_ns, start_ns, end_ns, catalog)
    series = read_grid_file(spec, origin_ns)
    if spec.repeat == "calendar":
        series = _repeated(series, origin_ns, start_ns, end_ns, spec.file)
    if isinstance(spec, MixSource):
        return _with_intensity(series, spec, catalog)
    return series


def _repeated(series: GridSeries, origin_ns: int, start_ns: int, end_ns: int, file: str) -> GridSeries:
    def laid(signal: Signal) -> Signal:
        return repeated(signal, origin_ns=origin_ns, start_ns=start_ns, end_ns=end_ns, file=file)

    return replace(
        series,
        intensity=laid(series.intensity) if series.intensity is not None else None,
        price=laid(series.price) if series.price is not None else None,
        mix={fuel: laid(share) for fuel, share in series.mix.items()} if series.mix is not None else None,
    )


def _with_intensity(series: GridSeries, spec: MixSource | MonthHoursMix, catalog: Catalog) -> GridSeries:
    profile = catalog.fuels(spec.factors)
    factors = {**carbon_factors(profile), **{fuel: float(value) for fuel, value in spec.also.items()}}
    assert series.mix is not None
    intensity = weighted(series.mix, factors, unit="g/J", named=spec.factors)
    return replace(series, intensity=intensity, basis=profile.basis)


def _average(spec: Average, catalog: Catalog) -> GridSeries:
    table, region = catalog.region(spec.region)
    if spec.basis not in (None, table.basis):
        raise InputError.one(HERE, f"the average of {spec.region} is {table.basis}, not {spec.basis}", path="basis")
    if spec.year not in (None, region.year):
        raise InputError.one(HERE, f"the average of {spec.region} is of {region.year}, not {spec.year}", path="year")
    intensity = Signal.constant(float(region.intensity.value), "g/J")
    return GridSeries(intensity=intensity, basis=table.basis, marginal=False)


def described(spec: Average, catalog: Catalog) -> str:
    """An average with its year, basis and source, for a report. Raises ``InputError``.

    >>> from sim.spec.grid import Average
    >>> described(Average(kind="average", region="FRA"), Catalog())
    'France 2024, life-cycle: 44.2 gCO2e/kWh (Our World in Data; Ember)'
    """
    table, region = catalog.region(spec.region)
    source = table.sources[region.intensity.source]
    return f"{region.title} {region.year}, {table.basis}: {region.intensity.value.text} ({source.author})"


def _month_hours(
    spec: MonthHours | MonthHoursMix | PriceMonthHours, origin_ns: int, start_ns: int, end_ns: int, catalog: Catalog
) -> GridSeries:
    columns = list(spec.columns.values()) if isinstance(spec, MonthHoursMix) else [spec.column]
    if not isinstance(spec, MonthHoursMix):
        unit = f"{spec.unit.currency}/J" if isinstance(spec, PriceMonthHours) else "g/J"
        refuse_other_unit(spec.file, spec.column, float(spec.unit), unit)
    tables = read_month_hours(Path(spec.file), columns, local=spec.zone is not None)
    edges, month, hour = hours_over(start_ns + origin_ns, end_ns + origin_ns, spec.zone)
    edges = edges - origin_ns
    if isinstance(spec, PriceMonthHours):
        values = tables[spec.column][month, hour] * float(spec.unit)
        return GridSeries(price=Signal(edges, values, f"{spec.unit.currency}/J"))
    below = [name for name in columns if bool((tables[name] < 0).any())]
    if below:
        raise InputError.one(spec.file, f"'{below[0]}' is below zero")
    if isinstance(spec, MonthHours):
        values = tables[spec.column][month, hour] * float(spec.unit)
        return GridSeries(intensity=Signal(edges, values, "g/J"), basis=spec.basis)
    total = np.sum([tables[name] for name in columns], axis=0)
    if not bool((total > 0).all()):
        raise InputError.one(spec.file, _idle(total))
    shares = {fuel: (tables[name] / total)[month, hour] for fuel, name in spec.columns.items()}
    mix = {fuel: Signal(edges, values, "J/J") for fuel, values in shares.items()}
    return _with_intensity(GridSeries(mix=mix, marginal=False), spec, catalog)


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
    if isinstance(spec, MixWater):
        if series.mix is None:
            message = "needs a fuel mix: give 'grid.intensity' as a kind that ends in -mix, such as eia-mix"
            raise InputError.one(HERE, message, path="ewif")
        factors = water_factors(catalog.fuels(spec.factors), hydro=spec.hydro)
        own = {fuel: float(value) for fuel, value in spec.also.items()}
        return weighted(series.mix, {**factors, **own}, unit="L/J", named=spec.factors)
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


def mixed_bases(bases: Mapping[str, Basis | None]) -> str | None:
    """What is wrong where intensities by name (of a site, say) are of both bases; None where they may be combined.

    One whose basis nobody stated, such as a constant, is taken at the user's word.

    >>> mixed_bases({"dallas": "direct", "paris": "life-cycle", "oslo": None})
    'combines life-cycle (paris) with direct (dallas) intensities; give all on one basis'
    """
    by_basis = {
        basis: sorted(name for name, own in bases.items() if own == basis) for basis in ("life-cycle", "direct")
    }
    if not all(by_basis.values()):
        return None
    said = " with ".join(f"{basis} ({', '.join(names)})" for basis, names in by_basis.items())
    return f"combines {said} intensities; give all on one basis"
