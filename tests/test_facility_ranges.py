"""Published PUE and WUE of large operators fall inside the range that the models give for two climates."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from benchmarks.facility_ranges import designs, published
from sim.spec.weather import WeatherSource

WEATHER = {"Dallas": "USA_TX_Dallas-Fort.Worth.epw.gz", "Seattle": "USA_WA_Seattle-Tacoma.epw.gz"}


@pytest.mark.shared_data
def test_operators_lie_between_the_best_and_the_worst_design(shared_data: Path) -> None:
    source: TypeAdapter[WeatherSource] = TypeAdapter(WeatherSource)
    climates = {
        name: source.validate_python({"kind": "epw", "file": str(shared_data / "weather" / file)})
        for name, file in WEATHER.items()
    }
    found = list(designs(climates))
    operators = list(published(shared_data / "factors" / "pue_wue.csv"))
    assert len(operators) >= 8
    best, worst = min(d.pue for d in found), max(d.pue for d in found)
    driest, wettest = min(d.wue for d in found), max(d.wue for d in found)
    for name, year, pue, wue in operators:
        assert best <= pue <= worst, (name, year, pue)
        assert wue is None or math.isnan(wue) or driest <= wue <= wettest, (name, year, wue)
    by_name = {(d.climate, d.cooling): d for d in found}
    for cooling in {d.cooling for d in found}:
        assert by_name["Dallas", cooling].pue >= by_name["Seattle", cooling].pue  # the hotter place is never better
        assert by_name["Dallas", cooling].wue >= by_name["Seattle", cooling].wue
    # and the range is no barn door: the best outdoor-air hall and the worst old one are of this world
    assert 1.03 < best < 1.10
    assert 1.5 < worst < 2.0
    # all that is drawn ends as heat: 1.48 L of it evaporate a kWh, and a quarter more is blown down at five cycles
    assert all(d.wue <= 1.48 * 1.02 * 1.25 * d.pue for d in found if d.cooling.startswith("tower"))
