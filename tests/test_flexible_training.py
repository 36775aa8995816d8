"""The shipped study of when and where to train, against what Dodge et al. (FAccT 2022) found."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.engine.training.plan import TrainingPlan
from sim.instants import epoch_ns
from sim.signals import Signal, read_series
from sim.units import J_PER_KWH
from tests.test_schedules import FREE, done, flexible, pausing
from tests.worlds import H, job

MADE_UP = Path(__file__).resolve().parent.parent / "scenarios" / "data" / "grid_intensity_hourly.csv"


@lru_cache(maxsize=3)
def made_up(grid: str) -> Signal:
    """A grid of the shipped study, in g/J from its start."""
    start_ns = epoch_ns(datetime(2020, 6, 3, 17, tzinfo=UTC))
    return read_series(
        MADE_UP,
        time_column="datetime_utc",
        value_column=grid,
        si_per_value=1.0 / J_PER_KWH,
        unit="g/J",
        origin_ns=start_ns,
        may_be_negative=False,
    )


def saved(plan: TrainingPlan, schedule: dict[str, Any], grid: str) -> float:
    """The share by which the mean intensity at work falls below that of starting at once."""
    _, log = done(plan, schedule, made_up(grid))
    assert log.actual_mean is not None
    assert log.immediate_mean is not None
    return 1.0 - log.actual_mean / log.immediate_mean


@pytest.mark.parametrize("hours", [6, 36])
@pytest.mark.parametrize("windows", [["6 h", "12 h", "18 h", "24 h"], ["25 %", "50 %", "100 %"]])
def test_what_dodge_and_others_found_holds_on_the_made_up_grids(hours: int, windows: list[str]) -> None:
    """Their findings, with a known future: a longer window saves more, a short job gains more by starting later than a
    long one, pausing is at least as good as a flexible start (which is one of its choices), and the region decides
    more than either."""
    plan = job(work_ns=hours * H)
    for grid in ("water_and_gas", "sun_and_gas", "coal_and_wind"):
        starts = [saved(plan, flexible(within), grid) for within in windows]
        pauses = [saved(plan, pausing("fit", within, FREE), grid) for within in windows]
        assert starts == sorted(starts)
        assert pauses == sorted(pauses)
        assert all(pause >= start - 1e-9 for pause, start in zip(pauses, starts, strict=True))
    short, long = (saved(job(work_ns=h * H), flexible("24 h"), "sun_and_gas") for h in (6, 36))
    assert short > long
    coal, water = (
        done(plan, flexible("0 h"), made_up(grid))[1].actual_mean for grid in ("coal_and_wind", "water_and_gas")
    )
    assert coal is not None
    assert water is not None
    assert 1.0 - water / coal > max(saved(plan, pausing("fit", "24 h", FREE), "coal_and_wind"), 0.5)


def test_a_worse_forecast_saves_less_on_the_whole() -> None:
    """Over forty forecasts each: knowing the truth, erring by 5 % a day ahead, erring by 50 %."""
    plan = job(work_ns=6 * H)
    means = []
    for error in (0.0, 0.05, 0.5):
        forecast = {"kind": "noisy", "mape_at_once": 0.0, "mape_day_ahead": error, "correlation_time": "3 h"}
        logs = [
            done(plan, pausing("fit", "24 h", FREE, forecast), made_up("sun_and_gas"), seed)[1] for seed in range(40)
        ]
        means.append(float(np.mean([log.actual_mean for log in logs])))
    perfect = done(plan, pausing("fit", "24 h", FREE), made_up("sun_and_gas"))[1].actual_mean
    assert means[0] == pytest.approx(perfect, rel=1e-12)
    assert means[0] <= means[1] < means[2]


def test_the_shipped_grids_are_what_their_script_writes(tmp_path: Path) -> None:
    script = tmp_path / "make_grid_series.py"
    script.write_text((MADE_UP.parent / "make_grid_series.py").read_text(encoding="utf-8"), encoding="utf-8")
    subprocess.run([sys.executable, str(script)], check=True)
    assert (tmp_path / MADE_UP.name).read_bytes() == MADE_UP.read_bytes()
