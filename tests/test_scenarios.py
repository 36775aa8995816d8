"""Every shipped scenario checks, runs and balances; every shipped example of a format is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import sim
from sim.loading.scenario import load_scenario, shipped_scenarios
from sim.profiles import Catalog, GPUProfile
from sim.profiles.kernels.power import drawn_w
from sim.spec.schema import scenario_schema
from tests.catalogued import uncatalogued
from tests.commands import coldaisle
from tests.schemas import scenario_validator
from tests.small import small


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_a_shipped_scenario_runs_and_balances(name: str) -> None:
    assert sim.check(name) == ()
    summary = sim.run(name).summary
    json.dumps(summary, allow_nan=False)
    assert uncatalogued(summary) == []
    assert sum(summary["energy_kwh"]["by_workload"].values()) == pytest.approx(summary["energy_kwh"]["it"], rel=1e-12)
    cut_short = sim.load(name).scenario.duration is not None  # a window of a longer training
    carbon = summary["carbon_kg"]
    assert sum(carbon["by_component"].values()) == pytest.approx(carbon["total"], rel=1e-12)
    for group in ("jobs", "serving"):
        for result in summary.get(group, {}).values():
            assert result.get("unfinished", 0) == 0 or group == "serving" or cut_short


def test_the_schema_is_one() -> None:
    scenario_validator().check_schema(scenario_validator().schema)


@pytest.mark.parametrize("name", sorted(shipped_scenarios()))
def test_the_schema_accepts_what_the_loader_accepts(name: str) -> None:
    validator = scenario_validator()
    written = json.loads(json.dumps(YAML(typ="safe").load(shipped_scenarios()[name]), default=_utc))
    assert list(validator.iter_errors(written)) == []
    assert list(validator.iter_errors(load_scenario(name).resolved())) == []


def _utc(value: object) -> str:
    return f"{value}Z"  # ruamel reads a time as a datetime; an editor sees the text


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    validator = scenario_validator()
    data = small()
    assert list(validator.iter_errors(data)) == []
    data["site"]["grid"] = {}
    data["nmae"] = "x"
    data["workloads"]["tune"]["kind"] = "trainin"
    assert len(list(validator.iter_errors(data))) == 3


def test_the_schema_command_writes_it(tmp_path: Path) -> None:
    assert json.loads(coldaisle("schema", cwd=tmp_path).stdout) == scenario_schema()


def test_a_resolved_scenario_says_everything_and_reads_back_equal() -> None:
    for source in ("bloom-training", "bloom-inference", small()):
        loaded = load_scenario(source)
        again = load_scenario(loaded.resolved())
        assert again.scenario == loaded.scenario
        assert again.resolved() == loaded.resolved()
    resolved = load_scenario(small()).resolved()
    assert resolved["workloads"]["tune"]["on_failure"] == "restart"
    assert resolved["workloads"]["api"]["batching"] == {"max_batch": 1, "max_wait": "0 s"}
    assert resolved["accounting"]["convention"] == {"kind": "physical"}


def test_a_job_given_as_steps_follows_the_roofline() -> None:
    """8 A100: 10 PFLOP a step at half of 8 x 312 TFLOP/s is 8.013 s, plus 0.1 s of link and 0.05 s of overhead."""
    data = small()
    del data["workloads"]["api"]
    data["workloads"]["tune"]["work"] = {
        "kind": "steps",
        "steps": 1000,
        "flops": "10 PFLOP",
        "precision": "bf16",
        "memory_traffic": "8 TB",
        "link_traffic": "336 GB",
        "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.7},
        "overhead": "50 ms",
    }
    results = sim.run(data)
    step_s = 10e15 / (8 * 312e12 * 0.5) + 336e9 / 8 / (600e9 * 0.7) + 0.05
    assert results.at("jobs.tune.makespan_s") == pytest.approx(1000 * step_s, rel=1e-9)
    gpu = sim_gpu()
    assert gpu.link.energy_per_byte is not None
    dynamic_j = (
        10e15 * gpu.power.energy_per_flop["bf16"].value
        + 8e12 * gpu.power.energy_per_byte.value
        + 336e9 * gpu.link.energy_per_byte.value
    )
    rows = results.ledger()
    mine = rows[(rows.owner == "tune") & (rows.component == "gpu")]
    assert gpu.power.active is not None
    assert gpu.power.waiting is not None
    cores_j = 10e15 / (312e12 * 0.5) * gpu.power.active.value
    resting_w = gpu.power.loaded.value + gpu.power.waiting.value
    asked_w = resting_w + (dynamic_j + cores_j) / 8 / step_s
    assert mine.energy_j.sum() == pytest.approx(8000 * step_s * drawn_w(asked_w, gpu.tdp.value), rel=1e-9)


def test_a_binding_power_limit_slows_the_steps_down() -> None:
    """At full efficiency the same step would draw more than the TDP: the power meets it and the step takes longer."""
    data = small()
    del data["workloads"]["api"]
    work = {
        "kind": "steps",
        "steps": 1000,
        "flops": "10 PFLOP",
        "precision": "bf16",
        "memory_traffic": "8 TB",
        "link_traffic": "0 B",
        "efficiency": {"compute": 1.0, "memory": 1.0, "link": 1.0},
        "overhead": "0 s",
    }
    data["workloads"]["tune"]["work"] = work
    results = sim.run(data)
    gpu = sim_gpu()
    rows = results.ledger()
    mine = rows[(rows.owner == "tune") & (rows.component == "gpu")]
    hours = results.at("jobs.tune.gpu_hours") / 8
    assert hours * 3600 > 1000 * 10e15 / (8 * 312e12)
    assert mine.energy_j.sum() / (8 * hours * 3600) == pytest.approx(float(gpu.tdp.value), rel=1e-9)


def test_an_efficiency_that_a_lower_clock_reaches_is_no_slower_for_the_limit() -> None:
    """A B200 at half of its peak asks for more than its TDP at the highest clock, and does the same at a lower one."""
    gpu = Catalog().gpu("nvidia-b200-sxm-180gb")
    flop_per_s = 0.5 * float(gpu.peak["bf16"].value)
    assert float(gpu.power.loaded.value) + flop_per_s * float(gpu.power.energy_per_flop["bf16"].value) > gpu.tdp.value
    data = small()
    del data["workloads"]["api"]
    data["cluster"]["nodes"] = [{"profile": "dgx-b200", "count": 1}]
    data["workloads"]["tune"]["work"] = {
        "kind": "steps",
        "steps": 1000,
        "flops": "10 PFLOP",
        "precision": "bf16",
        "memory_traffic": "0 B",
        "link_traffic": "0 B",
        "efficiency": {"compute": 0.5, "memory": 1.0, "link": 1.0},
        "overhead": "0 s",
    }
    results = sim.run(data)
    rows = results.ledger()
    mine = rows[(rows.owner == "tune") & (rows.component == "gpu")]
    makespan_s = results.at("jobs.tune.makespan_s")
    assert makespan_s == pytest.approx(1000 * 10e15 / (8 * flop_per_s), rel=1e-9)
    assert 0.9 * gpu.tdp.value < mine.energy_j.sum() / (8 * makespan_s) < gpu.tdp.value


def sim_gpu() -> GPUProfile:
    """The A100 profile of the small scenario's nodes."""
    return Catalog().gpu("nvidia-a100-sxm-80gb")
