"""A hall whose water hangs on hot and dry hours says so, where its weather has none."""

from __future__ import annotations

from pathlib import Path

import sim

SCENARIOS = Path(__file__).parents[1] / "scenarios"
HALLS = SCENARIOS / "published" / "meta-halls.yaml"
DRY = {
    "kind": "air-side-economizer",
    "air": {"supply": "29.4 degC", "rise": "12 K", "fan_power": "3 %", "slowest": 0.3},
    "trim": {"cop": 2.96, "evaporating": "6.7 degC", "condensing": "50 degC"},
    "condenser_approach": "15 K",
    "coldest_condenser": "25 degC",
}


def _said(file: Path, **changes: object) -> bool:
    run = sim.run(file, set={"duration": "1 h", **changes})
    return any(what.startswith("hot and dry hours") for what in run.at("boundary.not_modelled"))


def test_wetted_air_under_typical_days_misses_their_extremes() -> None:
    assert _said(HALLS)


def test_air_that_is_not_wetted_does_not() -> None:
    assert not _said(HALLS, **{"site.facility.cooling": DRY})


def test_air_that_is_humidified_alone_does() -> None:
    assert _said(HALLS, **{"site.facility.cooling": {**DRY, "least_humidity": "20 %"}})


def test_a_chiller_does_not_hang_on_them() -> None:
    assert not _said(SCENARIOS / "dallas-on-ercot.yaml")
