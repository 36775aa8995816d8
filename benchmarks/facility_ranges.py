"""Published PUE and WUE of large operators beside the range that the models give, over climates and ways of cooling.

Each design is a year of hours at a steady 70 % of its load. Operators run fleets of many climates and ages, so what is
asked is that their figures lie between the best and the worst of plausible designs, not that one design hits them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from sim.accounting.plan import GridPlan, SitePlan
from sim.accounting.site import account_site
from sim.build.site.facility import building
from sim.build.site.weather import weather_series
from sim.instants import parse_instant
from sim.signals import Signal
from sim.spec.building import Facility
from sim.spec.weather import WeatherSource
from sim.units import J_PER_KWH

START, END = "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z"
LOAD = 0.7
AIR = {"supply": "25 degC", "rise": "12 K", "fan_power": "4 %", "slowest": 0.3}
WATER = {"supply": "19 degC", "rise": "6 K", "pump_power": "1.2 %", "slowest": 0.3}
WET_CHILLER = {"cop": 6.28, "evaporating": "6.7 degC", "condensing": "35 degC"}
DRY_CHILLER = {"cop": 2.96, "evaporating": "6.7 degC", "condensing": "50 degC"}
TOWER = {"approach": "4 K", "range": "5.6 K", "fan_power": "1.4 %", "cycles_of_concentration": 5}
OUTDOOR = {"trim": DRY_CHILLER, "condenser_approach": "15 K", "coldest_condenser": "25 degC"}
CHILLED = {"air": AIR, "chilled_water": WATER, "coldest_condenser": "15 degC"}
COOLING: dict[str, dict[str, Any]] = {
    "outdoor air": {"kind": "air-side-economizer", "air": AIR, **OUTDOOR},
    "wetted outdoor air": {
        "kind": "adiabatic",
        "air": AIR,
        **OUTDOOR,
        "effectiveness": 0.85,
        "cycles_of_concentration": 3,
    },
    "tower, economizer": {
        "kind": "water-cooled-chiller",
        **CHILLED,
        "chiller": WET_CHILLER,
        "tower": TOWER,
        "economizer_approach": "2 K",
    },
    "tower, no economizer": {
        "kind": "water-cooled-chiller",
        "air": {**AIR, "supply": "20 degC", "fan_power": "9 %", "slowest": 1},
        "chilled_water": {"supply": "7 degC", "rise": "6 K", "pump_power": "2 %", "slowest": 1},
        "chiller": WET_CHILLER,
        "tower": TOWER,
        "coldest_condenser": "20 degC",
    },
    "air-cooled chiller": {
        "kind": "air-cooled-chiller",
        "air": {**AIR, "supply": "20 degC", "fan_power": "9 %", "slowest": 1},
        "chilled_water": {"supply": "7 degC", "rise": "6 K", "pump_power": "2 %", "slowest": 1},
        "chiller": DRY_CHILLER,
        "condenser_approach": "15 K",
        "coldest_condenser": "30 degC",
    },
}
GOOD_UPS = [{"load": 0.25, "value": 0.97}, {"load": 0.5, "value": 0.98}, {"load": 1.0, "value": 0.98}]
OLD_UPS = [{"load": 0.25, "value": 0.86}, {"load": 0.5, "value": 0.90}, {"load": 1.0, "value": 0.92}]


@dataclass(frozen=True)
class Design:
    """A year of one design in one climate: PUE, and on-site L per kWh of IT."""

    climate: str
    cooling: str
    pue: float
    wue: float


def designs(climates: Mapping[str, WeatherSource]) -> Iterator[Design]:
    """Every way of cooling, a good one and an old one, in every climate."""
    start, end = parse_instant(START), parse_instant(END)
    for climate, source in climates.items():
        weather = weather_series(source, start_ns=start, end_ns=end)
        edges = weather.edges_ns
        it_w = np.full(len(edges) - 1, LOAD * 1e7)
        for name, cooling in COOLING.items():
            old = name in ("tower, no economizer", "air-cooled chiller")
            ups = {"kind": "ups", "capacity": "12 MW", "redundancy": "2N" if old else "N+1", "modules": 4}
            facility = {
                "kind": "plant",
                "design_it": "10 MW",
                "other": "100 kW",
                "cooling": cooling,
                "power_chain": {"critical": [{**ups, "efficiency": OLD_UPS if old else GOOD_UPS}]},
            }
            plant = building(TypeAdapter(Facility).validate_python(facility), weather)
            seconds = np.diff(edges) / 1e9
            plan = SitePlan(plant, GridPlan(Signal.constant(0.0, "g/J")))
            account = account_site({"gpu": it_w * seconds}, plan, edges)
            it_kwh = float(account.it_j.sum()) / J_PER_KWH
            litres = sum(float(flow.sum()) for flow in (account.onsite_l or {}).values())
            yield Design(climate, name, float(account.facility_j.sum()) / J_PER_KWH / it_kwh, litres / it_kwh)


def published(path: Path) -> Iterator[tuple[str, str, float, float | None]]:
    """Operator, year, PUE and WUE where it is given; rows that are ranges or recalled are left out."""
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.DictReader(text):
            if "RECALLED" in row["source"] or "-" in row["pue"] or not row["year"]:
                continue
            yield row["operator"], row["year"], float(row["pue"]), float(row["wue_l_per_kwh_it"] or "nan")


def table(found: Sequence[Design], operators: Sequence[tuple[str, str, float, float | None]]) -> str:
    """Both, for people."""
    lines = [f"{'climate':<10}{'cooling':<24}{'PUE':>7}{'WUE':>8}"]
    lines += [f"{d.climate:<10}{d.cooling:<24}{d.pue:7.3f}{d.wue:8.2f}" for d in found]
    lines.append(f"\n{'operator':<28}{'year':<6}{'PUE':>7}{'WUE':>8}")
    lines += [
        f"{name:<28}{year:<6}{pue:7.2f}{'' if wue is None or np.isnan(wue) else f'{wue:.2f}':>8}"
        for name, year, pue, wue in operators
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the table from the folder of real data beside the project."""
    shared = Path(__file__).resolve().parents[2] / "shared" / "data"
    source: TypeAdapter[WeatherSource] = TypeAdapter(WeatherSource)
    files = {"Dallas": "USA_TX_Dallas-Fort.Worth.epw.gz", "Seattle": "USA_WA_Seattle-Tacoma.epw.gz"}
    climates = {
        name: source.validate_python({"kind": "epw", "file": str(shared / "weather" / file)})
        for name, file in files.items()
    }
    print(table(list(designs(climates)), list(published(shared / "factors" / "pue_wue.csv"))))


if __name__ == "__main__":
    main()
