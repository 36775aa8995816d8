"""A fleet's units differ: what its profile says of them is what a run draws, once and for the whole run."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.documents import read_document
from sim.loading.scenario import load_scenario
from sim.profiles.catalog import Catalog, shipped_folder
from sim.results.files import to_yaml
from sim.results.results import Results
from sim.running.run import run_loaded
from tests.test_serving_service import SMALL

GPU = "nvidia-h100-sxm-80gb"


def catalog(folder: Path, spread: str | None) -> Catalog:
    """The shipped profiles, with a spread between units of the H100."""
    profile: dict[str, Any] = copy.deepcopy(read_document(Catalog().path(GPU)).data)
    if spread is not None:
        note = "Made up for this test."
        profile["power"]["unit_spread"] = {
            "value": spread, "source": "bekman", "confidence": "assumed", "note": note,
        }  # fmt: skip
    folder.mkdir()
    (folder / f"{GPU}.yaml").write_text(to_yaml(profile))
    return Catalog((folder, shipped_folder("hardware_profiles")))


def idle_world(nodes: int) -> dict[str, Any]:
    world = copy.deepcopy(SMALL)
    world["cluster"]["nodes"][0]["count"] = nodes
    world["workloads"] = {
        "tiny": {
            "kind": "training",
            "gpus": 1,
            "work": {"kind": "gpu-hours", "gpu_hours": 0.01, "load": {"kind": "measured", "active": "300 W"}},
            "cpu_load": 0.1,
        }
    }
    return world


def run(world: dict[str, Any], using: Catalog) -> Results:
    return run_loaded(load_scenario(world, {}, using))


def gpu_j(results: Results) -> float:
    return results.energy.where(lambda key: key.component == "gpu").total_j()


def test_no_spread_changes_nothing(tmp_path: Path) -> None:
    plain = run(idle_world(2), Catalog())
    assert gpu_j(run(idle_world(2), catalog(tmp_path / "a", None))) == gpu_j(plain)
    assert gpu_j(run(idle_world(2), catalog(tmp_path / "b", "0 %"))) == gpu_j(plain)


def test_a_large_fleet_draws_its_mean_and_differs_from_run_to_run(tmp_path: Path) -> None:
    """400 nodes of 8: the mean of 3,200 factors of spread 10 % is within 4 x 10 % / sqrt(3200) = 0.7 % of one."""
    using = catalog(tmp_path / "a", "10 %")
    plain = gpu_j(run(idle_world(400), Catalog()))
    drawn = [gpu_j(run({**idle_world(400), "seed": seed}, using)) / plain for seed in (1, 2)]
    assert drawn == pytest.approx([1.0, 1.0], abs=0.007)
    assert drawn[0] != drawn[1]
    again = gpu_j(run({**idle_world(400), "seed": 1}, using)) / plain
    assert again == drawn[0]


def test_single_nodes_spread_as_their_units_do(tmp_path: Path) -> None:
    """Eight units of spread 10 % on a node: nodes spread by 10 % / sqrt(8) = 3.5 %."""
    using = catalog(tmp_path / "a", "10 %")
    plain = gpu_j(run(idle_world(1), Catalog()))
    ratios = np.log([gpu_j(run({**idle_world(1), "seed": seed}, using)) / plain for seed in range(60)])
    assert ratios.std() == pytest.approx(0.1 / np.sqrt(8), rel=0.35)


def test_requests_still_add_up_to_the_meters(tmp_path: Path) -> None:
    results = run(copy.deepcopy(SMALL), catalog(tmp_path / "a", "20 %"))
    split = results.summary["serving"]["chat"]["energy_of_requests_kwh"]
    assert sum(split.values()) == pytest.approx(results.summary["energy_kwh"]["by_workload"]["chat"], rel=1e-12)
    assert split["unattributed"] >= 0


def test_a_scenario_brings_its_own_profiles(tmp_path: Path) -> None:
    """A calibrated profile in a folder beside the scenario takes the place of the shipped one of its name."""
    catalog(tmp_path / "mine", None)
    file = tmp_path / "mine" / f"{GPU}.yaml"
    profile: dict[str, Any] = copy.deepcopy(read_document(file).data)
    profile["power"]["idle"]["value"] = "60 W"
    for end in ("low", "high"):
        profile["power"]["idle"].pop(end)
    file.write_text(to_yaml(profile))
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(to_yaml({**idle_world(1), "profiles": "mine"}))
    import sim

    own, shipped = sim.run(str(scenario)), sim.run(idle_world(1))
    assert gpu_j(own) < gpu_j(shipped)
    elsewhere = sim.account(own, set={"site.grid.intensity": "50 gCO2e/kWh"})
    assert gpu_j(elsewhere) == gpu_j(own)
    assert own.manifest["profiles_sha256"][GPU] != shipped.manifest["profiles_sha256"][GPU]


def test_a_folder_of_profiles_that_is_none_is_a_problem() -> None:
    import sim

    (problem,) = sim.check({**idle_world(1), "profiles": "nowhere"})
    assert problem.path == "profiles"
    assert "is no folder" in problem.message
