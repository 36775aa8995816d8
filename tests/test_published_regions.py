"""What records of regions, times and units rest on: the shapes hold on grids that were recorded, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.documents import read_document
from sim.profiles.catalog import shipped_folder

HOURS = {"tune": 6, "pretrain": 36, "language": 192}
DAYS = 12


def world(grid: Path, within: str, modes: tuple[str, ...]) -> dict[str, Any]:
    """A job of each length, submitted on twelve days of the year, thirty-one days and seven hours apart."""
    forecast = {"kind": "perfect"}
    late = {"kind": "flexible-start", "signal": "carbon", "within": within, "forecast": forecast}
    pausing = {**late, "kind": "pause-resume", "threshold": "fit", "while_paused": {"kind": "hold"}}
    chosen = {"late": late, "pausing": pausing}
    intensity = {"kind": "series", "file": str(grid), "time_column": "timestamp", "column": "avg_CI"}
    return {
        "name": "shapes",
        "start": "2022-01-02T00:00:00Z",
        "site": {
            "grid": {"intensity": {**intensity, "unit": "1 gCO2e/kWh", "gaps": "hold"}},
            "facility": {"kind": "fixed-pue", "pue": 1.0},
        },
        "cluster": {"nodes": [{"profile": "jean-zay-v100-node", "count": 20}]},
        "workloads": {
            f"{name}-{mode}-{i}": {
                "kind": "training",
                "gpus": 1,
                "cpu_load": 0.1,
                "start_after": f"{i * (28 * 24 + 7)} h",
                "work": {"kind": "gpu-hours", "gpu_hours": hours, "load": {"kind": "measured", "active": "130 W"}},
                "schedule": chosen[mode],
            }
            for name, hours in HOURS.items()
            for mode in modes
            for i in range(DAYS)
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "24 h"},
    }


def savings(grid: Path, within: str, modes: tuple[str, ...]) -> dict[str, float]:
    """The share of emissions that the mean job saves against starting at once, by its length and mode."""
    jobs = sim.run(world(grid, within, modes)).at("jobs")
    told = {}
    for name in HOURS:
        for mode in modes:
            own = [jobs[f"{name}-{mode}-{i}"]["schedule"] for i in range(DAYS)]
            told[f"{name}-{mode}"] = 1.0 - np.sum([one["actual_mean"] for one in own]) / np.sum(
                [one["immediate_mean"] for one in own]
            )
    return told


@pytest.mark.shared_data
@pytest.mark.parametrize("grid", ["CISO", "ERCO"])
def test_late_starts_and_pauses_save_as_dodge_found_on_recorded_grids(grid: str, shared_data: Path) -> None:
    """Dodge et al. 2022: late starts save less the longer a job (of eight days 1.5 % at most), pauses no less."""
    file = shared_data / f"grid/eia_2022_{grid}.csv.gz"
    day = savings(file, "24 h", ("late", "pausing"))
    assert day["tune-late"] > day["pretrain-late"] > day["language-late"] > 0.0
    assert day["language-late"] < 0.015
    for name in HOURS:
        assert day[f"{name}-pausing"] >= day[f"{name}-late"] - 1e-9
    twice = savings(file, "100 %", ("pausing",))
    assert twice["language-pausing"] > 3.0 * day["language-late"]
    assert twice["language-pausing"] > day["language-pausing"]


def test_the_curve_of_central_us_is_made_of_half_of_the_runs() -> None:
    """The other half judges: none of its grams is in the file, whose hours are the runs of 0, 6, 12 and 18 h."""
    folder = shipped_folder("scenarios") / "published"
    rows = (folder / "data" / "central_us_6h.csv").read_text().splitlines()[1:]
    values = [float(row.split(",")[1]) for row in rows]
    used = [2381, 2210, 2354, 2410, 2330, 2204, 2320, 2339, 2430, 2257, 2393, 2317]
    assert values == [pytest.approx(grams / 3.1, abs=1e-3) for grams in used for _ in range(6)]
    outputs = read_document(folder / "dodge-t3-time-of-day.yaml").data["published"]["outputs"]
    held_out = [one["published"] for name, one in outputs.items() if name.startswith("day ")]
    assert len(held_out) == 11
    assert held_out[:4] == [2341, 2252, 2391, 2403]
