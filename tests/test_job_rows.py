"""Jobs, stints and the cluster over time as tables: what the rows say adds up to what the figures say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.batch import batch_metrics
from sim.accounting.queueing import cluster_series
from sim.results.compare import Comparison
from sim.results.files import read, write
from sim.results.job_rows import cluster_rows, cluster_series_of, job_rows, jobs_table, stint_rows
from sim.units import J_PER_KWH, NS_PER_S
from sim.workload.allocations import MILLI
from sim.workload.jobs.batch import DomainSeries
from sim.workload.jobs.table import JobTable
from tests.job_batches import a_batch, batch_of, fifo, ints, inventory, table, tables
from tests.small import small

EDGES = np.arange(0, 61, 6) * NS_PER_S


@given(tables(), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3 * 10**5))
def test_rows_add_up_to_the_figures(jobs: JobTable, nodes: int, slots: int, end_ns: int) -> None:
    batch = fifo(jobs, inventory(nodes, slots), end_ns)
    metrics, rows, stints = batch_metrics(batch), job_rows(batch), stint_rows([batch])
    assert rows.num_rows == metrics["jobs"]
    for state in ("completed", "killed", "refused", "unfinished"):
        assert pc.sum(pc.equal(rows["status"], state)).as_py() == (metrics[state] or (None if not len(rows) else 0))
    assert sum(rows["gpu_hours"].to_pylist()) == pytest.approx(metrics["gpu_hours"])
    assert rows["started_s"].null_count == metrics["never_started"]
    if "wait_s" in metrics:
        assert pc.mean(rows["wait_s"]).as_py() == pytest.approx(metrics["wait_s"]["mean"])
    held = sum(
        sum(milli) * (end - start)
        for milli, start, end in zip(
            *(stints[name].to_pylist() for name in ("milli", "start_ns", "end_ns")), strict=True
        )
    )
    assert held / (MILLI * 3600 * NS_PER_S) == pytest.approx(metrics["gpu_hours"])
    assert sum(rows["stints"].to_pylist()) == stints.num_rows


def test_what_nobody_knows_is_null() -> None:
    """A job that never started has no start and no wait; one without a user, a limit, a line or a record has none."""
    batch = fifo(table([0, 1], [10, 10], [4, 4]), inventory(), 5 * NS_PER_S)
    first, second = job_rows(batch).to_pylist()
    assert (first["status"], first["started_s"], first["pool"], first["ended_s"]) == ("unfinished", 0.0, "a", None)
    assert (second["status"], second["started_s"], second["pool"], second["wait_s"]) == ("unfinished", None, None, None)
    assert second["queued_s"] == 4.0
    assert {first[name] for name in ("user", "limit_s", "line", "recorded_started_s", "recorded_kwh")} == {None}
    assert "energy_kwh" not in first


def test_a_row_says_where_its_job_began_and_how_often_it_was_sent_back() -> None:
    stints = [
        {"job": 0, "start": 5, "end": 9, "outcome": "preempted", "places": {1: 1000, 2: 500}},
        {"job": 0, "start": 20, "end": 30, "outcome": "completed", "places": {0: 1500}},
    ]
    where = replace(inventory(3), nodes=["x/0", "y/0", "y/1"], pools=["x", "y"], pool=ints(0, 1, 1))
    jobs = JobTable(ints(0), ints(14), ints(1), job_id=["j-7"])
    batch = batch_of(jobs, stints, where, 40, pools=["x", "y"])
    (row,) = job_rows(batch).to_pylist()
    assert (row["job"], row["pool"], row["preemptions"], row["stints"]) == ("j-7", "y", 1, 2)
    rows = stint_rows([batch])
    assert rows["nodes"].to_pylist() == [["y/0", "y/1"], ["x/0"]]
    assert rows["outcome"].to_pylist() == ["preempted", "completed"]
    assert json.loads(rows.schema.metadata[b"pools"])["y"] == {"nodes": 2, "milli": 8000}


def test_series_have_a_row_a_bin_and_power_beside_its_limit() -> None:
    batch = a_batch()
    bins = len(EDGES) - 1
    limit = np.where(np.arange(bins) < 3, np.inf, 5000.0)
    power = DomainSeries("row 1", "row", EDGES, np.full(bins, 3000.0), np.full(bins, 4000.0), limit)
    rows = cluster_series_of(cluster_rows(cluster_series([batch], EDGES), [power]))
    assert list(rows) == [("held", "a"), ("waiting", "research"), ("running", "research"), ("power of row", "row 1")]
    held = rows["held", "a"]
    assert set(held["limit"].to_pylist()) == {10.0}
    assert sum(held["mean"].to_pylist()) * 6 / 3600 == pytest.approx(batch_metrics(batch)["gpu_hours"])
    assert rows["power of row", "row 1"]["limit"].to_pylist()[:4] == [None, None, None, 5000.0]


def test_a_run_with_jobs_is_written_and_read_back(tmp_path: Path) -> None:
    batch = a_batch()
    results = sim.run(small())
    whole = replace(
        results,
        summary={**results.summary, "batch": {"research": batch_metrics(batch)}},
        job_table=jobs_table(results.job_table, [batch]),
        stint_table=stint_rows([batch]),
        cluster_table=cluster_rows(cluster_series([batch], EDGES)),
    )
    write(whole, tmp_path / "run")
    again = read(tmp_path / "run")
    assert again.summary == whole.summary
    frame = again.jobs()
    assert len(frame) == 1 + len(batch.table)  # the training comes first
    assert frame["energy_kwh"].sum() == pytest.approx(batch.joules.sum() / J_PER_KWH)  # type: ignore[union-attr]  # this batch has joules
    assert frame["status"].tolist()[0] == results.job_table["status"].to_pylist()[0]
    assert again.stints()["nodes"].map(len).sum() == len(batch.log.node)
    assert set(again.cluster()["series"]) == {"held", "waiting", "running"}
    with pytest.raises(KeyError):
        results.stints()


def test_runs_are_compared_by_what_happened_to_their_jobs() -> None:
    """The same jobs on twice the slots: waits, slowdown, use and energy per GPU-hour stand beside each other."""
    results = sim.run(small())
    batch = a_batch()
    roomy = fifo(batch.table, inventory(4, 5), batch.end_ns)
    runs = [
        replace(results, summary={**results.summary, "batch": {"research": batch_metrics(b)}}) for b in (batch, roomy)
    ]
    (rows,) = Comparison.of(runs[0], runs[1:]).differences
    there = {row.path: row for row in rows if row.path.startswith("batch.")}
    assert [row.path for row in there.values()][:2] == ["batch.research.wait_s.mean", "batch.research.wait_s.p50"]
    wait = there["batch.research.wait_s.mean"]
    assert wait.label == "research waited mean"
    assert wait.change is not None
    assert wait.change < 0.0
    completed = there["batch.research.completed"]
    assert completed.other is not None
    assert completed.first is not None
    assert completed.other >= completed.first
    assert there["batch.research.energy_kwh_per_gpu_hour"].other is None  # nobody worked it out


def test_a_run_that_is_priced_anew_keeps_its_jobs(tmp_path: Path) -> None:
    whole = sim.run("research-cluster", set={"duration": "6 h"})
    other = sim.account(whole, set={"site.grid.intensity": "57 gCO2e/kWh"})
    assert other.summary["batch"] == whole.summary["batch"]
    assert other.stint_table is whole.stint_table
    assert other.cluster_table is whole.cluster_table
    write(other, tmp_path / "run")
    assert read(tmp_path / "run").jobs().equals(whole.jobs())
