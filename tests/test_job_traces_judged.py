"""Jobs of a trace held against what it recorded: nothing off where the two are the same, and each error what it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, spearmanr

from sim.errors import InputError
from sim.measure.judge.job_traces import compare, ranks
from sim.measure.judge.job_traces_text import comparison_table, exceeded, parse_tolerances, picture
from sim.results.files import to_yaml
from sim.running.replay import replayed
from sim.units import NS_PER_S
from sim.workload.jobs.batch import Batch
from sim.workload.jobs.table import JobTable
from tests.commands import coldaisle
from tests.job_batches import fifo, ints, inventory, table, tables


def as_recorded(batch: Batch, later_ns: int = 0, joules: Any = None) -> Batch:
    """The same run with a trace that recorded just what happened in it, or all of it so much later."""
    started = batch.stints > 0
    ended = np.where(batch.ended, batch.ends.end_ns + later_ns, -1)
    told: dict[str, Any] = {
        "recorded_start_ns": np.where(started, batch.first_start_ns + later_ns, -1),
        "recorded_end_ns": ended,
    }
    return replace(batch, table=replace(batch.table, **told, **({} if joules is None else {"recorded_j": joules})))


@given(tables(), st.integers(1, 3), st.integers(1, 4), st.integers(1000, 3 * 10**5))
def test_a_run_against_its_own_record_is_off_by_nothing(jobs: JobTable, nodes: int, slots: int, end_ns: int) -> None:
    batch = as_recorded(fifo(jobs, inventory(nodes, slots), end_ns))
    if (batch.stints > 0).sum() < 2:
        with pytest.raises(InputError):
            compare("x", batch, "s")
        return
    found = compare("x", batch, "s")
    assert {one.error for one in found.measures.values()} <= {0.0}
    assert found.per_job is not None
    assert found.per_job.mean_absolute_s == found.per_job.distance == found.over_time.mean_absolute == 0.0
    assert found.per_job.rank_correlation in (None, pytest.approx(1.0))
    assert sum(found.jobs.values()) - found.jobs["in the run"] == found.jobs["in the run"]
    json.dumps(found.as_dict(), allow_nan=False)


def test_what_is_off_is_told_as_it_is() -> None:
    """Recorded 30 s later than simulated, by two jobs that were simulated to wait 0 and 90 s."""
    joules = ints(2 * 3_600_000, 3_600_000).astype(np.float64)
    batch = as_recorded(fifo(table([0, 10], [100, 10], [1, 4]), inventory(), 200 * NS_PER_S), 30 * NS_PER_S, joules)
    found = compare("x", replace(batch, joules=joules * 1.5), "s")
    wait = found.measures["wait"]
    assert (wait.recorded, wait.simulated) == (75.0, 45.0)
    assert found.per_job is not None
    assert found.per_job.bias_s == -30.0
    assert found.per_job.mean_absolute_s == found.per_job.median_absolute_s == 30.0
    assert found.per_job.within_minute == 1.0
    assert found.per_job.rank_correlation == pytest.approx(1.0)
    assert found.measures["makespan"].error == pytest.approx(110 / 140 - 1)
    assert found.measures["energy"].error == pytest.approx(0.5)
    assert found.measures["utilisation"].error == pytest.approx(0.0)  # as much was held, only later
    assert found.over_time.mean_absolute > 0.01
    assert parse_tolerances(["50", "energy=40%"]) == {"wait": 0.5, "energy": 0.4}
    assert exceeded(found, {"wait": 0.5, "makespan": 0.3}) == []
    assert exceeded(found, {"energy": 0.4}) == ["energy is 50.0 % off, and 40 % was allowed"]
    assert comparison_table(found) is not None
    assert "recorded" in picture(found)


def test_what_was_not_recorded_keeps_no_tolerance() -> None:
    found = compare("x", as_recorded(fifo(table([0, 10], [100, 10], [1, 4]), inventory(), 200 * NS_PER_S)), "s")
    assert "energy" not in found.measures
    assert exceeded(found, {"energy": 0.4}) == [
        "energy is not known of both the trace and the run, and 40 % was allowed"
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_ranks_and_distances_are_those_of_the_textbooks(pairs: list[tuple[int, int]]) -> None:
    """Against SciPy's Spearman and Kolmogorov-Smirnov, ties and all."""
    n = len(pairs)
    recorded, simulated = (np.array(column, dtype=np.int64) * NS_PER_S for column in zip(*pairs, strict=True))
    jobs = table([0] * n, [1] * n, [1] * n, recorded_start_ns=recorded, recorded_end_ns=recorded + NS_PER_S)
    batch = fifo(jobs, inventory(1, n), 10 * NS_PER_S)
    batch.__dict__["first_start_ns"] = simulated  # as if it had started them then
    found = compare("x", batch, "s").per_job
    assert found is not None
    assert found.distance == pytest.approx(ks_2samp(recorded, simulated, method="asymp").statistic)
    if len(set(recorded.tolist())) == 1 or len(set(simulated.tolist())) == 1:
        assert found.rank_correlation is None
    else:
        assert found.rank_correlation == pytest.approx(float(spearmanr(recorded, simulated).statistic))
    assert ranks(recorded.astype(np.float64)).sum() == pytest.approx(n * (n + 1) / 2)


def test_of_a_trace_without_starts_what_the_machines_did_is_compared() -> None:
    """Jobs of 100 s on one GPU and of 10 s on four, submitted at 0 and 10 s: the work is the same to the slot-second,
    and nobody ends before he would have without a wait. Waits are not known, and no tolerance of them is kept."""
    found = compare("x", fifo(table([0, 10], [100, 10], [1, 4]), inventory(), 200 * NS_PER_S), "s")
    assert found.measures.keys() == {"utilisation", "makespan"}
    assert found.measures["utilisation"].error == pytest.approx(0.0)
    assert found.measures["makespan"].recorded == 100.0
    assert found.measures["makespan"].simulated >= 100.0
    assert found.per_job is None
    assert "waits_by_job" not in found.as_dict()
    assert "waits cannot be compared" in found.remarks[0]
    assert exceeded(found, {"wait": 0.1}) == ["wait is not known of both the trace and the run, and 10 % was allowed"]
    assert comparison_table(found) is not None


def test_without_starts_too_few_jobs_are_refused() -> None:
    with pytest.raises(InputError, match="too few jobs"):
        compare("x", fifo(table([0], [100], [1]), inventory(), 200 * NS_PER_S), "s")


# job submit wait run procs ... reqprocs reqtime ...: first come first served on eight GPUs
ROWS = ((1, 0, 0, 100, 8), (2, 10, 90, 50, 4), (3, 20, 80, 30, 4), (4, 200, 0, 60, 8))


def swf(path: Path, waits: tuple[int, ...] | None = None) -> Path:
    rows = [
        f"{job} {submit} {waits[i] if waits else wait} {run} {procs} -1 -1 {procs} -1 -1 1 1 1 -1 1 -1 -1 -1"
        for i, (job, submit, wait, run, procs) in enumerate(ROWS)
    ]
    path.write_text("; UnixStartTime: 700000000\n" + "\n".join(rows) + "\n")
    return path


def scenario(folder: Path, **source: Any) -> Path:
    """One node of eight GPUs; the trace that is named in it is not there and not needed."""
    data = {
        "name": "eight",
        "start": "2024-01-01T00:00:00Z",
        "duration": "10 min",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1}]},
        "workloads": {
            "queue": {
                "kind": "jobs",
                "source": source or {"kind": "trace", "file": "not-there.swf", "processors": "slots"},
                "load": {"kind": "measured", "active": "350 W"},
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }
    path = folder / "eight.yaml"
    path.write_text(to_yaml(data))
    return path


def test_the_command_runs_the_trace_in_the_scenario_and_compares(tmp_path: Path) -> None:
    scenario(tmp_path)
    swf(tmp_path / "t.swf")
    swf(tmp_path / "other.swf", waits=(0, 90, 80, 40))
    ran = ("validate", "t.swf", "--scenario", "eight.yaml")
    done = coldaisle(*ran, "--tolerance", "wait=0.1", "--tolerance", "utilisation=0.1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mean wait" in done.stdout
    found = json.loads(coldaisle(*ran, "--json", "--plot", "p.svg", cwd=tmp_path).stdout)
    assert found["jobs"]["compared"] == 4
    assert found["measures"]["wait"] == {"recorded": 42.5, "simulated": 42.5, "unit": "s", "error": 0.0}
    assert found["measures"]["makespan"]["simulated"] == 260.0
    assert found["waits_by_job"]["rank_correlation"] == pytest.approx(1.0)
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    off = coldaisle("validate", "other.swf", "--scenario", "eight.yaml", "--tolerance", "wait=10", cwd=tmp_path)
    assert off.returncode == 1
    assert "wait is 19.0 % off, and 10 % was allowed" in off.stderr  # 42.5 s against 52.5 s


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--workload", "none"], "'none' is no workload of jobs; there are: queue"),
        (["--tolerance", "mape=10"], "write NAME=PERCENT with one of wait, wait_p50"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, more: list[str], says: str) -> None:
    scenario(tmp_path)
    swf(tmp_path / "t.swf")
    done = coldaisle("validate", "t.swf", "--scenario", "eight.yaml", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_scenario_without_a_place_for_the_trace_is_refused(tmp_path: Path) -> None:
    swf(tmp_path / "t.swf")
    path = scenario(tmp_path)
    path.write_text(path.read_text().replace("kind: trace", "kind: generated"))
    done = coldaisle("validate", "t.swf", "--scenario", "eight.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "workloads.queue.source" in done.stderr
    assert "takes its jobs from no trace" in done.stderr
    done = coldaisle("validate", "t.swf", "--scenario", "bloom-training", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no workload of the kind 'jobs'" in done.stderr


@pytest.mark.shared_data
def test_a_public_trace_against_a_cluster_with_room_for_all(shared_data: Path, tmp_path: Path) -> None:
    """Alibaba's 8,152 pods on more GPUs than they ever held at once: nobody waits, so what is held differs by the
    recorded waits alone (61 s in the mean), and 897 pods that were never scheduled are left out by a stated rule."""
    source = {"kind": "trace", "file": "x", "zero_runtime": "leave-out", "never_started": "leave-out"}
    path = scenario(tmp_path, **source)
    data = path.read_text().replace("10 min", "150 d").replace("count: 1", "count: 776")
    path.write_text(data.replace("profile: dgx-a100", "profile: dgx-h100"))
    batch, name, _ = replayed(path, shared_data / "jobs/alibaba_gpu_2023_pods.csv.gz", {}, workload=None, zone=None)
    found = compare("pods", batch, name)
    assert found.jobs["in the run"] == found.jobs["compared"] == 8152 - 897
    assert found.measures["wait"].simulated == 0.0
    assert found.per_job is not None
    assert found.measures["wait"].recorded == pytest.approx(-found.per_job.bias_s)
    assert found.over_time.correlation == pytest.approx(1.0, abs=1e-3)
    assert found.measures["makespan"].error == pytest.approx(0.0, abs=1e-4)
