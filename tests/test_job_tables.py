"""What a run tells of jobs: in several tables that can be put together again, and of jobs whose nodes boot for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from tests.test_job_loads import RIGHT, scenario


def test_tables_of_jobs_are_joined_by_workload_and_row(tmp_path: Path) -> None:
    """Names of jobs are numbers of their own here, which are those of other rows; both workloads have the same ones."""
    data = scenario(tmp_path, RIGHT)
    data["workloads"]["k"] = data["workloads"]["j"]
    (tmp_path / "jobs.csv").write_text("job_id,submit_s,run_s,gpus\n1,0,60,1\n2,0,600,8\n0,30,1200,2\n")
    found = sim.run(data)
    jobs, by = found.jobs(), ["workload", "row"]
    answers = jobs.merge(found.attribution(), on=by, validate="one_to_one")
    assert len(answers) == len(jobs) == 6
    np.testing.assert_allclose(answers["it_kwh"], answers["energy_kwh_x"], rtol=1e-12)
    joules = found.job_energy().groupby(by, observed=True)["energy_j"].sum()
    assert joules[("k", 1)] / 3.6e6 == pytest.approx(jobs.set_index(by)["energy_kwh"][("k", 1)], rel=1e-12)
    held = found.stints().merge(jobs, on=by, validate="many_to_one")
    assert (held["job_x"] == held["job_y"]).all()


def test_boots_do_not_count_against_a_time_limit(tmp_path: Path) -> None:
    """Both ask for exactly as long as they run, or for a second less; their node is off when they come."""
    data = scenario(tmp_path, RIGHT, initially="off", idle_timeout="10 min")
    (tmp_path / "jobs.csv").write_text("submit_s,run_s,gpus,limit_s\n0,600,4,600\n0,600,4,599\n")
    jobs = sim.run(data).jobs()
    assert jobs["status"].tolist() == ["completed", "killed"]
    boot_s = jobs["ended_s"][0] - 600.0
    assert boot_s > 0.0
    assert jobs["ended_s"][1] == pytest.approx(boot_s + 599.0)
