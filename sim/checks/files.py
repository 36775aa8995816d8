"""Opens every file a scenario names, to tell before the run what is wrong with it or that it does not cover the run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sim.build.resolved import Resolved
from sim.build.site.grid import ewif_signal, grid_series
from sim.build.site.weather import sky, weather_series
from sim.checks.named_profiles import faults
from sim.checks.serving import files as serving_files
from sim.documents import Document, KeyPath
from sim.errors import InputError, Problem
from sim.instants import epoch_ns
from sim.later import later
from sim.paths import joined
from sim.profiles.intensity_bases import mixed_bases
from sim.quantities import Price, Quantity
from sim.signals import Signal
from sim.signals.grid.series import Basis
from sim.spec.site import Grid, Place
from sim.units import LEAP_YEAR_NS, MAX_NS

with later():
    from sim.build.series import interval_counts, output_signal, power_signal, rate_signal, request_times
    from sim.profiles.machines.embodied import read_factors
    from sim.signals.grid.series import GridSeries
    from sim.spec.battery import Battery, FixedPrices, PriceDispatch
    from sim.spec.inference import Backlog, PoissonArrivals
    from sim.spec.onsite import needs_sky
    from sim.spec.requests import TraceReplay


if TYPE_CHECKING:
    from sim.spec.grid import IntensitySource, PriceSource
    from sim.spec.inference import IntervalLog, RateLog, RequestLog
    from sim.spec.routes import Route
    from sim.spec.serving import Serving
    from sim.weather.series import WeatherSeries
    from sim.workload.traces import Trace

Read = TypeVar("Read")


def file_problems(resolved: Resolved, document: Document, *, activity_files: bool, most_requests: int) -> list[Problem]:
    """Every problem with the files that a scenario names; logs of arrivals are opened only with ``activity_files``."""
    parts = resolved.parts
    check = _FileCheck(resolved, document, most_requests)
    for path, grid in parts.grids.items():
        check.grid(path, grid)
    check.together()
    check.factors()
    for path, place in parts.places.items():
        check.place(path, place)
    if activity_files:
        for name, workload in resolved.serving.items():
            check.problems += serving_files(name, workload, parts.start, document)
        for name, route in parts.routes.items():
            check.columns(name, route)
        for name, workload in resolved.serving.items():
            check.keys(name, workload)
        for name, arrivals in parts.arrivals.items():
            if not isinstance(arrivals, (Backlog, PoissonArrivals)):
                check.arrivals(name, arrivals)
    return check.problems


def _opened(trace: TraceReplay, *, difficulty: str | None = None, key: str | None = None) -> Trace:
    from sim.workload.traces import read_trace

    skip = trace.on_bad_rows == "skip"
    opened: Trace = read_trace(Path(trace.file), trace.format, skip=skip, difficulty=difficulty, key=key)
    return opened


class _FileCheck:
    def __init__(self, resolved: Resolved, document: Document, most_requests: int) -> None:
        self.problems: list[Problem] = []
        self._resolved = resolved
        self._catalog = resolved.catalog
        parts = resolved.parts
        self._bases: dict[str, Basis | None] = {}
        self._currencies: dict[KeyPath, str] = {}
        self._parts = parts
        self._document = document
        self._most_requests = most_requests
        self._start_ns = epoch_ns(parts.start) if parts.start is not None else 0

    def grid(self, path: KeyPath, grid: Grid) -> None:
        for name in ("intensity", "marginal", "price"):
            source = getattr(grid, name)
            at = (*path, name)
            if source is None:
                continue
            if isinstance(source, Quantity):
                if isinstance(source, Price):
                    self._currencies[at] = source.currency
                continue
            within = (*at, "file") if hasattr(source, "file") else at
            series = self._reading(within, partial(self._grid_series, source))
            if series is None:
                continue
            signal = series.price if name == "price" else series.intensity
            self._series(within, signal)
            if name == "price" and signal is not None:
                self._currencies[at] = signal.unit.partition("/")[0]
            if name == "intensity":
                self._bases[joined(path[:-1])] = series.basis
                if series.marginal:
                    self._complain(at, "is what one more kWh causes; give it as 'marginal', and an average here")
            if name == "marginal" and series.marginal is False:
                self._complain(
                    at, "is an average of all that generates; give it as 'intensity', and a marginal rate here"
                )

    def together(self) -> None:
        """What shows only when the grids of all sites are held against each other."""
        mixed = mixed_bases(self._bases)
        if mixed is not None:
            self._complain(("sites",), mixed)
        first = next(iter(self._currencies.values()), "")
        for at, currency in self._currencies.items():
            if currency != first:
                self._complain(at, f"is in {currency}, and another site's in {first}; give all prices in one currency")
        accounting = self._parts.accounting
        price = (
            accounting.carbon_price.price if accounting is not None and accounting.carbon_price is not None else None
        )
        if price is not None and self._currencies and price.currency != first:
            message = f"is in {price.currency}, and that of energy in {first}; give all prices in one currency"
            self._complain(("accounting", "carbon_price", "price"), message)

    def factors(self) -> None:
        """Carbon per part of one's own."""
        embodied = self._parts.accounting.embodied if self._parts.accounting is not None else None
        if embodied is not None and embodied.factors is not None:
            file = Path(embodied.factors)
            self._reading(("accounting", "embodied", "factors"), lambda: read_factors(file))

    def place(self, path: KeyPath, place: Place) -> None:
        """The files of a place besides its grid's."""
        if place.weather is not None:
            source, until_ns = place.weather, self._parts.duration_ns or LEAP_YEAR_NS
            end_ns = self._start_ns + until_ns
            within: KeyPath = (*path, "weather", "file")
            weather = self._reading(within, lambda: weather_series(source, start_ns=self._start_ns, end_ns=end_ns))
            if weather is not None and needs_sky(place.on_site):
                self._sun_and_wind((*path, "weather"), weather, until_ns)
        for i, contract in enumerate(place.grid.market.contracts if place.grid.market is not None else ()):
            if (supply := contract.series) is not None:
                at = (*path, "grid", "market", "contracts", i, "supply", "file")
                self._series(at, self._reading(at, partial(power_signal, supply, self._start_ns)))
        for i, unit in enumerate(place.on_site):
            if (output := unit.series) is not None:
                at = (*path, "on_site", i, "output", "file")
                self._series(at, self._reading(at, partial(output_signal, output, self._start_ns)))
            elif isinstance(unit, Battery) and isinstance(unit.dispatch, PriceDispatch):
                self._dispatch((*path, "on_site", i, "dispatch"), unit.dispatch, (*path, "grid", "price"), place.grid)
        ewif, intensity = place.water.ewif, place.grid.intensity
        if ewif is not None and not isinstance(ewif, Quantity):
            known = GridSeries() if isinstance(intensity, Quantity) else self._quietly(intensity)
            if known is not None:
                self._reading((*path, "water", "ewif"), lambda: ewif_signal(ewif, known, catalog=self._catalog))

    def _dispatch(self, at: KeyPath, by_price: PriceDispatch, of: KeyPath, grid: Grid) -> None:
        """A battery that follows a price needs one, in the currency of its bounds."""
        bounds, currency = by_price.bounds, self._currencies.get(of)
        if grid.price is None:
            self._complain(at, f"a battery dispatched by price needs '{joined(of)}'")
        elif isinstance(bounds, FixedPrices) and currency is not None and bounds.charge_at.currency != currency:
            self._complain((*at, "bounds"), f"is in {bounds.charge_at.currency}, and the price is in {currency}")

    def _sun_and_wind(self, path: KeyPath, weather: WeatherSeries, until_ns: int) -> None:
        try:
            sky(weather, until_ns)
        except InputError as error:
            for problem in error.problems:
                self._complain(path, problem.message)

    def _grid_series(self, source: IntensitySource | PriceSource) -> GridSeries:
        return grid_series(
            source, origin_ns=self._start_ns, start_ns=0, end_ns=self._parts.duration_ns, catalog=self._catalog
        )

    def _quietly(self, source: IntensitySource) -> GridSeries | None:
        """None where it cannot be read, which has been told."""
        try:
            return self._grid_series(source)
        except InputError:
            return None

    def columns(self, name: str, route: Route) -> None:
        """Columns of a trace that a route goes by; what is wrong with the trace besides has been told, where models
        are asked what it says."""
        trace, path = route.arrivals, ("routes", name)
        if not isinstance(trace, TraceReplay):
            return
        queues = any(self._resolved.services.get(to) is not None for to in route.to)
        if queues and self._reading((*path, "arrivals", "file"), lambda: _opened(trace)) is None:
            return
        if route.difficulty_column is not None:
            self._column((*path, "by", "of", "column"), trace, difficulty=route.difficulty_column)
        if route.key_column is not None:
            self._column((*path, "cache", "keys", "column"), trace, key=route.key_column)

    def keys(self, name: str, workload: Serving) -> None:
        """The column of a trace that a workload's memo goes by."""
        trace, cache = workload.arrivals, workload.cache
        if isinstance(trace, TraceReplay) and cache is not None and cache.keys.of_trace is not None:
            self._column(("workloads", name, "cache", "keys", "column"), trace, key=cache.keys.of_trace)

    def _column(self, at: KeyPath, trace: TraceReplay, **column: str) -> None:
        try:
            _opened(trace)
        except InputError:
            return  # told where the trace is named
        self._reading(at, lambda: _opened(trace, **column))

    def arrivals(self, name: str, log: RateLog | IntervalLog | RequestLog) -> None:
        path: KeyPath = ("workloads", name, "arrivals", "file")
        if log.kind == "rate-log":
            rates = self._reading(path, lambda: rate_signal(log, self._start_ns))
            self._series(path, rates)
            if rates is not None:
                self._few_enough(path, rates.integral(rates.first_ns, rates.last_ns))
        elif log.kind == "interval-log":
            counts = self._reading(path, lambda: interval_counts(log, self._start_ns))
            if counts is not None:
                self._covered(path, "the log", int(counts.edges_ns[0]), int(counts.edges_ns[-1]))
                self._few_enough(path, float(counts.counts.astype(float).sum()))
        else:
            times = self._reading(path, lambda: request_times(log, self._start_ns))
            end_ns = self._parts.duration_ns
            if times is None or self._parts.start is None:
                return
            if times[-1] < 0 or (end_ns is not None and times[0] >= end_ns):
                covers = f"{self._clock(int(times[0]))} .. {self._clock(int(times[-1]))}"
                self._complain(path, f"the log covers {covers}, all of it outside the run")

    def _series(self, path: KeyPath, signal: Signal | None) -> None:
        if signal is not None:
            self._covered(path, "the series", signal.first_ns, signal.last_ns)

    def _covered(self, path: KeyPath, what: str, first_ns: int, last_ns: int) -> None:
        """Complains unless ``[first_ns, last_ns)`` covers the run, as far as its length is known."""
        if self._parts.start is None:
            return
        end_ns = self._parts.duration_ns
        if first_ns <= 0 and (end_ns if end_ns is not None else 1) <= last_ns:
            return
        until = "its end" if end_ns is None else self._clock(end_ns)
        covers = f"{self._clock(first_ns)} .. {self._clock(last_ns)}"
        self._complain(path, f"{what} covers {covers}; the run lasts from {self._clock(0)} to {until}")

    def _few_enough(self, path: KeyPath, requests: float) -> None:
        if requests > self._most_requests:
            self._complain(path, f"holds {requests:.3g} requests; at most {self._most_requests:,} can be simulated")

    def _clock(self, ns: int) -> str:
        assert self._parts.start is not None
        return (self._parts.start + timedelta(microseconds=ns // 1000)).isoformat() if abs(ns) < MAX_NS else "ever"

    def _complain(self, path: KeyPath, message: str) -> None:
        self.problems.append(self._document.problem(path, message))

    def _reading(self, path: KeyPath, read: Callable[[], Read]) -> Read | None:
        try:
            return read()
        except InputError as error:
            for fault in faults(error):
                self._complain(path, fault)
            return None
