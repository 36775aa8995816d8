"""Iterations that a run keeps: they are those that its requests were in, and keeping them changes no result."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.engine.serving import iterations
from sim.exports import perfetto
from sim.exports.run import Run
from sim.results.files import read, write
from sim.results.frames import ITERATION_COLUMNS
from sim.results.results import Results
from tests.small import small

MINUTE = {"duration": "1 min", "outputs.requests": "all"}


@pytest.fixture(scope="module")
def plain() -> Results:
    return sim.run("chat-service", set=MINUTE)


@pytest.fixture(scope="module")
def kept() -> Results:
    return sim.run("chat-service", set={**MINUTE, "outputs.iterations": 1_000_000})


def by_replica(results: Results) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in results.table("iterations").to_pylist():
        found[row["replica"]].append(row)
    return dict(found)


def test_columns_are_the_engines() -> None:
    assert (*ITERATION_COLUMNS, "dynamic_nj") == iterations.COLUMNS


def test_the_plain_engine_keeps_them_and_every_result_stays_as_it_is(plain: Results, kept: Results) -> None:
    """The compiled engine runs the one, the plain engine the other."""
    assert kept.summary == plain.summary
    assert kept.table("requests").equals(plain.table("requests"))
    with pytest.raises(KeyError, match=r"outputs\.iterations"):
        plain.iterations()


def test_iterations_of_a_replica_do_not_overlap(kept: Results) -> None:
    for rows in by_replica(kept).values():
        assert all(row["start_ns"] < row["end_ns"] for row in rows)
        assert all(one["end_ns"] <= other["start_ns"] for one, other in pairwise(rows))


def test_every_first_and_last_token_comes_at_the_end_of_an_iteration_of_its_replica(kept: Results) -> None:
    ends = {replica: {row["end_ns"] for row in rows} for replica, rows in by_replica(kept).items()}
    starts = {replica: {row["start_ns"] for row in rows} for replica, rows in by_replica(kept).items()}
    done = [row for row in kept.table("requests").to_pylist() if row["status"] == "completed"]
    assert len(done) > 20
    for row in done:
        assert row["first_token_ns"] in ends[row["replica"]]
        assert row["done_ns"] in ends[row["replica"]]
        assert row["scheduled_ns"] in starts[row["replica"]]


def test_what_is_in_them_is_what_was_asked_and_answered(kept: Results) -> None:
    """Every prompt token that no cache had is prefilled once, and every output token after the first decoded once."""
    table = kept.iterations()
    done = kept.requests()
    service = next(iter(kept.summary["serving"].values()))
    assert service["preemptions"] == 0
    whole = done[done.status == "completed"]
    rest = service["unfinished"]
    fresh = int((whole.prompt_tokens - whole.cached_tokens).sum())
    assert fresh <= table.prompt_tokens.sum() <= fresh + rest * 8192
    assert int((whole.output_tokens - 1).sum()) <= table.decodes.sum()
    assert (table.decodes + table.prompts).min() >= 1


def test_as_many_are_kept_as_were_asked_for(kept: Results, tmp_path: Path) -> None:
    few = sim.run("chat-service", set={**MINUTE, "outputs.iterations": 50})
    assert few.table("iterations").equals(kept.table("iterations").slice(0, 50))
    write(few, tmp_path / "run")
    events = perfetto.trace(Run(tmp_path / "run", read(tmp_path / "run")))["traceEvents"]
    assert "iterations that begin later are left out" in [event["name"] for event in events]


def test_the_trace_has_them_by_replica(kept: Results, tmp_path: Path) -> None:
    write(kept, tmp_path / "run")
    events = json.loads(perfetto.as_json(Run(tmp_path / "run", read(tmp_path / "run"))))["traceEvents"]
    (pid,) = (one["pid"] for one in events if one["ph"] == "M" and one["args"]["name"] == "iterations")
    slices = [one for one in events if one["ph"] == "X" and one["pid"] == pid]
    assert len(slices) == len(kept.table("iterations"))
    assert {one["name"] for one in slices} <= {"prefill", "decode", "prefill and decode"}
    tracks = {one["args"]["name"] for one in events if one["ph"] == "M" and one["name"] == "thread_name"}
    assert {f"{row['workload']}, replica {row['replica']}" for row in kept.table("iterations").to_pylist()} <= tracks


def test_a_run_that_serves_no_model_has_none_to_keep() -> None:
    (problem,) = sim.check(small(), set={"outputs.iterations": 10})
    assert problem.path == "outputs.iterations"
    assert "no workload is of the kind 'serving'" in problem.message
