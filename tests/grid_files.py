"""Files of the grid as their publishers write them, small and with known values."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sim.instants import epoch_ns

BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2024, 2, 28, tzinfo=UTC)
ORIGIN = epoch_ns(START)
G_PER_KWH_OF_LB_PER_MWH = 0.45359237  # 453.59237 g (the international pound, exact) over 1000 kWh

MAPS_2024 = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,"
    "Data Estimation Method"
)
MAPS_2025 = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),"
    "Data source,Data estimated,Data estimation method"
)


def hour_of(i: int) -> datetime:
    return START + timedelta(hours=i)


def maps_csv(path: Path, values: list[float], header: str, zones: list[str] | None = None) -> Path:
    rows = [
        f"{hour_of(i):%Y-%m-%d %H:%M:%S},France,France,{zones[i] if zones else 'FR'},{value},{value + 7},90,30,src,"
        f"{'true' if i % 2 else 'false'},"
        for i, value in enumerate(values)
    ]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def maps_json(path: Path, values: list[float | None], kind: str = "direct") -> Path:
    history = [
        {
            "zone": "FR",
            "carbonIntensity": value,
            "datetime": f"{hour_of(i):%Y-%m-%dT%H:%M:%S.000Z}",
            "updatedAt": "2024-03-01T00:00:00.000Z",
            "emissionFactorType": kind,
            "isEstimated": bool(i % 2),
        }
        for i, value in enumerate(values)
    ]
    path.write_text(json.dumps({"zone": "FR", "history": history}, indent=1))
    return path


def watttime_json(path: Path, values: list[float | None], **meta: object) -> Path:
    entries = [{"point_time": hour_of(i).isoformat(), "value": value} for i, value in enumerate(values)]
    stated = {"signal_type": "co2_moer", "units": "lbs_co2_per_mwh", "data_point_period_seconds": 3600} | meta
    path.write_text(json.dumps({"data": entries, "meta": stated}, indent=1))
    return path


MIX = "timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI\n"


def time_units(first: datetime, hours: int, step_min: int = 60, *, end_by_clock: bool = False) -> list[tuple[str, int]]:
    """Time units on the Central European clock, with the UTC instant at which each starts.

    Each ends by its length after its start, or as the clock shows: 02:45 - 03:00 or 02:45 - 02:00 in autumn.
    """
    steps = range(0, hours * 60, step_min)
    both = [[first + timedelta(minutes=m + extra) for extra in (0, step_min)] for m in steps]
    brussels = [[t.astimezone(BRUSSELS) for t in pair] for pair in both]
    return [
        (
            f"{a:%d.%m.%Y %H:%M} - {b if end_by_clock else a + timedelta(minutes=step_min):%d.%m.%Y %H:%M}",
            epoch_ns(utc[0]),
        )
        for (a, b), utc in zip(brussels, both, strict=True)
    ]


PRICES = '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|DE-LU"\n'


def price_csv(path: Path, rows: list[tuple[str, object]]) -> Path:
    path.write_text(PRICES + "".join(f'"{unit}","{value}","EUR",""\n' for unit, value in rows))
    return path
