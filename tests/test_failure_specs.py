"""Failures, spares and recovery as a scenario writes them: what is refused and why, and the run of Llama 3 405B."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from scipy import stats

import sim
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.units import HOUR_NS
from tests.small import small

RECOVERY = {
    "detection": {"crash": "1 min", "hang": "10 min", "silent": "1 h"},
    "schedule": "1 min",
    "load": "1 min",
    "warm_up": "2 min",
}
FAILURES = {"kind": "components", "profile": "llama-3-herd", "repair": "12 h"}


def scenario(failures: Any = FAILURES, recovery: Any = RECOVERY, **job: Any) -> dict[str, Any]:
    data = copy.deepcopy(small())
    data["duration"] = "2 d"
    data["cluster"]["nodes"] = [{"profile": "dgx-h100", "count": 4, "failures": copy.deepcopy(failures)}]
    work = {"kind": "gpu-hours", "gpu_hours": 500, "load": {"kind": "measured", "active": "600 W"}}
    data["workloads"] = {"train": {"kind": "training", "gpus": 16, "work": work, "cpu_load": 0.1, **job}}
    if recovery is not None:
        data["workloads"]["train"]["recovery"] = copy.deepcopy(recovery)
    return data


def told(data: dict[str, Any]) -> dict[str, str]:
    """Every problem by its path."""
    with pytest.raises(InputError) as refused:
        sim.run(data)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_a_whole_scenario_runs() -> None:
    job = sim.run(scenario(checkpoint={"every": "daly", "write": "1 min"})).summary["jobs"]["train"]
    assert job["progress"] == 1.0
    assert job["expected_mtbf_s"] * HOUR_NS > 0
    mtbf_s = 54 * 86400 / 419 * 2048 / 2  # of two nodes; a switch serves two
    assert job["expected_mtbf_s"] == pytest.approx(mtbf_s, rel=1e-6)
    assert 60.0 < job["checkpoint_interval_s"] < (2 * 60 * mtbf_s) ** 0.5


def test_an_unknown_profile_or_component_is_named_with_the_nearest() -> None:
    found = told(scenario({**FAILURES, "profile": "llama-3-hered"}))
    assert "did you mean 'llama-3-herd'?" in found["cluster.nodes.0.failures.profile"]
    found = told(scenario({**FAILURES, "repairs": {"nick": "1 h"}}))
    assert "did you mean 'nic'?" in found["cluster.nodes.0.failures.repairs.nick"]


def test_a_job_on_parts_that_fail_says_how_it_recovers() -> None:
    found = told(scenario(recovery=None))
    assert "detection, schedule, load, warm_up" in found["workloads.train.recovery"]
    lacking = {**RECOVERY, "detection": {"crash": "1 min"}}
    found = told(scenario(recovery=lacking))
    assert set(found) == {f"workloads.train.recovery.detection.{shows}" for shows in ("hang", "silent")}


def test_a_law_of_checkpoints_needs_an_mtbf() -> None:
    data = scenario(recovery=None, checkpoint={"every": "young", "write": "1 min"})
    del data["cluster"]["nodes"][0]["failures"]
    assert "needs an MTBF" in told(data)["workloads.train.checkpoint.every"]
    data["cluster"]["nodes"][0]["failures"] = {"mtbf": "40 d", "repair": "2 h"}
    sim.run(data)


@pytest.mark.parametrize(
    ("checkpoint", "says"),
    [
        ({"every": "1 h", "write": "1 min", "stall": "2 min"}, "longer than 'write'"),
        ({"every": "1 min", "write": "5 min", "stall": "10 s"}, "after the next checkpoint"),
        ({"every": "daly", "write": "0 s"}, "give 'write' more than no time"),
    ],
)
def test_checkpoints_that_cannot_be_are_refused(checkpoint: dict[str, str], says: str) -> None:
    assert says in told(scenario(checkpoint=checkpoint))["workloads.train.checkpoint"]


@pytest.mark.parametrize(
    ("failures", "path", "says"),
    [
        ({"kind": "components", "repair": "1 h"}, "failures", "needs a 'profile'"),
        ({"kind": "component", "repair": "1 h"}, "failures.kind", "unknown 'component'"),
        ({"mtbf": "1 h"}, "failures.repair", "required"),
        ({"mtbf": "1 h", "repair": "1 h", "shape": 2}, "failures.shape", "unknown name"),
        (
            {
                "kind": "components",
                "repair": "1 h",
                "parts": {"fan": {"kind": "device", "per": "gpu", "shows": "crash", "mtbf": "1 h", "shape": 2.0}},
            },
            "failures.parts.fan",
            "ages decide",
        ),
    ],
)
def test_failures_that_do_not_hold_together_are_refused(failures: Any, path: str, says: str) -> None:
    found = told(scenario(failures))
    assert any(says in message for at, message in found.items() if at == f"cluster.nodes.0.{path}"), found


def test_planned_stops_leave_time_for_work() -> None:
    """A job that is stopped again as soon as it has started up would never end."""
    planned = {"every": "24 min", "takes": "20 min"}
    found = told(scenario(recovery={**RECOVERY, "planned": planned}))
    assert "raise 'every'" in found["workloads.train.recovery"]
    sim.check(scenario(recovery={**RECOVERY, "planned": {**planned, "every": "25 min"}}))


def test_spares_leave_room_for_work() -> None:
    data = scenario()
    data["cluster"]["nodes"][0]["spares"] = {"count": 3, "state": "warm", "replace": "1 min"}
    assert "asks for 16 GPUs; 'dgx-h100' has 8" in told(data)["workloads.train.gpus"]
    data["cluster"]["nodes"][0]["spares"]["count"] = 4
    assert "no more nodes than spares" in told(data)["cluster.nodes.0"]


@pytest.mark.parametrize(("name", "a_year"), [("meta-rsc-1", 6.5 * 365 / 1000), ("azure-servers", 2.7 / 100)])
def test_shipped_rates_are_those_published(name: str, a_year: float) -> None:
    """Failures of one node in a year of 365 days, as the tables have them."""
    parts = Catalog().failures(name).components.values()
    assert sum(365 * 86400 / float(part.mtbf.value) for part in parts) == pytest.approx(a_year, rel=1e-5)


def test_llama_3_405b_is_interrupted_as_often_as_it_was_and_effective_for_most_of_the_time() -> None:
    job = sim.run("llama-3-405b-training").summary["jobs"]["pretrain"]
    low, high = stats.poisson.interval(0.99, 419)
    assert low <= job["interruptions"] <= high
    assert sum(job["interruptions_by_component"].values()) == job["interruptions"]
    assert job["effective_time_share"] > 0.90
    assert job["planned_stops"] in (46, 47)
    assert 0.38 <= job["step"]["mfu"] <= 0.43  # 41 % in table 4; chunks of the pipeline are assumed
    assert job["expected_mtbf_s"] == pytest.approx(54 * 86400 / 419, rel=1e-6)
    assert sum(job["time_split_s"].values()) == pytest.approx(54 * 86400, rel=1e-12)
