"""What the shipped scenarios of clusters say of themselves, and the made-up files that they read."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.running.run import run_loaded

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


def run(name: str, **changes: str) -> dict[str, Any]:
    """The summary of a shipped scenario with some values changed; ``__`` stands for a dot."""
    given = {path.replace("__", "."): value for path, value in changes.items()}
    return run_loaded(load_scenario(SCENARIOS / f"{name}.yaml", given)).summary


@pytest.mark.parametrize(
    ("script", "file"), [("make_carbon_price", "carbon_price_hourly.csv"), ("make_heat_wave", "heat_wave.json")]
)
def test_made_up_files_are_what_their_scripts_write(script: str, file: str, tmp_path: Path) -> None:
    for needed in ("grid_intensity_hourly.csv", "dallas.csv", f"{script}.py"):
        (tmp_path / needed).write_bytes((SCENARIOS / "data" / needed).read_bytes())
    runpy.run_path(str(tmp_path / f"{script}.py"), run_name="__main__")
    assert (tmp_path / file).read_bytes() == (SCENARIOS / "data" / file).read_bytes()


@pytest.mark.slow
def test_backfill_shortens_waits_and_users_who_knew_would_shorten_them_more() -> None:
    """On the same jobs, of which those who would be killed are left out by letting all run on."""
    run_on = {"workloads__research__time_limits": "run-on", "cluster__scheduler__placement": "{kind: anywhere}"}
    waits = {
        name: run("research-cluster", **run_on, **changes)["batch"]["research"]["wait_s"]["mean"]
        for name, changes in (
            ("fifo", {"cluster__scheduler__kind": "fifo"}),
            ("easy", {}),
            ("exact", {"workloads__research__source__limits": "{kind: exact}"}),
        )
    }
    assert waits["exact"] < waits["easy"] < waits["fifo"] / 2


@pytest.mark.slow
def test_a_carbon_price_moves_jobs_that_can_wait_to_cleaner_hours() -> None:
    """Without one they wait for cheap nights, which are dirtier than not waiting at all; by the intensity itself they
    are cleanest. What they draw is the same, but for what preemptions take."""
    runs = {
        "at once": run("spot-training", cluster__scheduler="{kind: spot, regular: {kind: easy}}"),
        "cheap nights": run("spot-training", site__grid__price__column="at_0"),
        "carbon price": run("spot-training"),
        "carbon": run("spot-training", cluster__scheduler__signal="carbon"),
    }
    carbon = {name: summary["carbon_kg"]["operational_location"] for name, summary in runs.items()}
    assert carbon["carbon"] < carbon["carbon price"] < carbon["at once"] < carbon["cheap nights"]
    energy = [summary["energy_kwh"]["it"] for summary in runs.values()]
    assert max(energy) < 1.002 * min(energy)
    waits = {name: summary["batch"]["training"]["wait_s"]["mean"] for name, summary in runs.items()}
    assert waits["at once"] < min(waits["cheap nights"], waits["carbon price"], waits["carbon"])


def test_a_scheduler_that_looks_at_a_price_needs_one() -> None:
    loaded = load_scenario(SCENARIOS / "spot-training.yaml", {"site.grid.price": "null"})
    with pytest.raises(InputError, match="the grid of its site has no price, which the scheduler looks at"):
        run_loaded(loaded)


def test_halves_of_gpus_take_twice_the_jobs_and_serve_slower() -> None:
    """On whole GPUs the same jobs find eight places in place of sixteen, and an instance decodes no faster than its
    GPU."""
    halves, whole = run("mig-node"), run("mig-node", cluster__nodes__0__mig="null")
    assert halves["batch"]["training"]["capacity_gpu_hours"] == 2 * whole["batch"]["training"]["capacity_gpu_hours"]
    assert halves["batch"]["training"]["completed"] > whole["batch"]["training"]["completed"]
    waits = [one["batch"]["training"]["wait_s"]["mean"] for one in (halves, whole)]
    assert waits[0] < waits[1] / 10
    speeds = [one["serving"]["chat"]["tpot_s"]["p50"] for one in (halves, whole)]
    assert speeds[0] > speeds[1]


def test_limits_of_a_row_are_never_exceeded_longer_than_an_answer_takes() -> None:
    limited, free = run("oversubscribed-row"), run("oversubscribed-row", policies="[]")
    domains = limited["power_limits"]["domains"]
    for domain in domains.values():
        assert domain["episodes"] > 0
        assert 0.0 < domain["longest_over_s"] <= domain["answer_s"] + 1e-6
        assert domain["trips"] == 0
    assert domains["plant"]["least_limit_w"] < 150e3, "the heat takes the plant below the row"
    late = [one["batch"]["research"]["turnaround_s"]["mean"] for one in (limited, free)]
    assert late[0] > late[1]
    assert "power_limits" not in free
