"""Energy-Charts (Fraunhofer ISE), as answers of its API are saved: day-ahead prices and public power by fuel.

https://api.energy-charts.info, v1.4 as read by its users in 2026. ``/price``: ``{"unix_seconds": [...], "price": [...],
"unit": "EUR / MWh", "deprecated": false}``. ``/public_power``: ``{"unix_seconds": [...], "production_types": [{"name":
"Fossil gas", "data": [...]}, ...]}`` in MW, among them loads, shares and trade, which are no generation. Times are the
starts of intervals in seconds since 1970. Since 2025-10-01 prices come by quarter-hours after hourly ones.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError, QuantityError
from sim.plain import as_list, as_whole, has
from sim.signals.gaps import Rows
from sim.signals.grid.entsoe_py import FUELS as ENTSOE_FUELS
from sim.signals.grid.entsoe_py import with_lengths
from sim.signals.grid.generation import Generation
from sim.signals.grid.json_file import Answer, json_number
from sim.signals.grid.series import GridSeries, Terms, price_series
from sim.signals.labels import Labels
from sim.units import MAX_NS, NS_PER_S, parse_price

Floats = npt.NDArray[np.float64]
FUELS = {
    **ENTSOE_FUELS,
    "hydro run-of-river": "hydro-run-of-river",
    "others": "other",
    "other renewables": "other-renewable",
}
STORAGE = {"hydro pumped storage", "battery storage (power)", "battery", "battery discharging", "energy storage"}
NOT_GENERATION = {
    "battery consumption",
    "battery charging",
    "battery storage (capacity)",
    "cross border electricity trading",
    "energy storage consumption",
    "hydro pumped storage consumption",
    "import balance",
    "load",
    "load (incl. self-consumption)",
    "renewable share of generation",
    "renewable share of load",
    "residual load",
    "system inertia",
}


def read_energy_charts_price(path: Path, terms: Terms) -> GridSeries:
    """The day-ahead price in ``path``, in the unit that it states. Raises ``InputError`` with every fault."""
    answer = Answer(path)
    times_ns = _times(answer)
    prices = _column(answer, answer.at("price"), "price", len(times_ns))
    unit = str(answer.at("unit")).replace(" ", "")
    try:
        price = parse_price(f"1 {unit}")
    except QuantityError:
        raise answer.refuse(f"has prices in {answer.at('unit')!r}, such as 'EUR / MWh' is expected", "unit") from None
    rows = _rows(answer, times_ns, prices[:, np.newaxis], "price", terms.labels)
    return price_series(rows, terms, *price)


def read_energy_charts_mix(path: Path, terms: Terms) -> GridSeries:
    """The fuel mix in ``path``, an answer about public power. Raises ``InputError`` with every fault."""
    answer = Answer(path)
    times_ns = _times(answer)
    types = as_list(answer.at("production_types"))
    if types is None or not all(has(one, ["name"]) for one in types):
        raise answer.refuse("has no 'production_types', a list of {name, data}")
    columns = {
        " ".join(str(one["name"]).lower().split()).replace(" / ", "/"): _column(
            answer, one.get("data"), f"production_types.{i}.data", len(times_ns)
        )
        for i, one in enumerate(types)
    }
    unknown = [name for name in columns if name not in {*FUELS, *STORAGE, *NOT_GENERATION}]
    names = [name for name in columns if name in FUELS]
    if unknown or not names:
        raise answer.refuse(f"has unknown production types: {', '.join(unknown)}" if unknown else "has no fuel")
    stored = np.zeros(len(times_ns))
    for name in STORAGE & set(columns):
        stored += np.maximum(np.nan_to_num(columns[name]), 0.0)
    rows = _rows(answer, times_ns, np.stack([columns[name] for name in names], axis=1), "unix_seconds", terms.labels)
    read = Generation(rows, [FUELS[name] for name in names], stored)
    return read.named(names).mix(terms)


def _times(answer: Answer) -> npt.NDArray[np.int64]:
    seconds = as_list(answer.at("unix_seconds"))
    if not seconds:
        raise answer.refuse("has no 'unix_seconds', a list of times")
    for i, value in enumerate(seconds):
        if as_whole(value) is None or abs(value) > MAX_NS // NS_PER_S:
            raise answer.refuse(f"is no time in seconds since 1970: {str(value)[:60]!r}", f"unix_seconds.{i}")
    return np.array(seconds, dtype=np.int64) * NS_PER_S


def _column(answer: Answer, written: object, path: str, count: int) -> Floats:
    values = as_list(written)
    if values is None or len(values) != count:
        found = "none" if values is None else f"{len(values):,}"
        raise answer.refuse(f"has {found} values for {count:,} times", path)
    read = np.empty(count)
    for i, value in enumerate(values):
        try:
            read[i] = json_number(value)
        except ValueError as error:
            raise InputError.one(answer.file, str(error), path=f"{path}.{i}") from None
    return read


def _rows(answer: Answer, times_ns: npt.NDArray[np.int64], values: Floats, path: str, labels: Labels) -> Rows:
    paths = [f"{path}.{i}" for i in range(len(times_ns))]
    return with_lengths(Rows(answer.file, times_ns, values, [1] * len(paths), paths=paths, at_end=labels.at_end()))
