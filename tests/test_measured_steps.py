"""Iterations whose times come from a table: how long they take, and what they draw meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sim
from sim.build.serving.typical import Attended
from sim.loading.scenario import load_scenario
from sim.profiles.iteration.cost import BOTH, DECODES, PROMPTS
from tests.board_power import watts
from tests.test_serving_service import changed, served


def test_measured_times_of_iterations_are_those_without_a_cap(tmp_path: Path) -> None:
    """A cap slows iterations whose times come from a table, by as much as it slows the roofline's."""
    table = tmp_path / "steps.csv"
    table.write_text("phase,tokens,time_ms\nprompt,1,40\nprompt,8192,900\ndecode,1,20\ndecode,256,30\n")
    measured = {"step_time": {"kind": "measured", "file": str(table)}}
    free, capped = (
        served(sim.run(changed(replicas={"count": 4, "power_cap": cap}, **measured))) for cap in ("700 W", "250 W")
    )
    assert capped["itl_s"]["p50"] > 1.01 * free["itl_s"]["p50"]
    assert capped["power_w_mean"] < free["power_w_mean"]


def test_measured_times_of_iterations_hold_where_the_roofline_would_be_slower(tmp_path: Path) -> None:
    """What was measured was so under the board's own limit: the energies that are assumed must not draw it out."""
    table = tmp_path / "steps.csv"
    table.write_text("phase,tokens,time_ms\nprompt,1,5\nprompt,8192,200\ndecode,1,5\ndecode,256,5\n")
    loop = {"arrivals": {"kind": "closed-loop", "concurrency": 256, "requests": 1000}}
    found = {
        name: served(sim.run(changed(step_time=step_time, **loop)))
        for name, step_time in (("table", {"kind": "measured", "file": str(table)}), ("law", {"kind": "roofline"}))
    }
    assert found["law"]["decode_iteration_s"]["p50"] > 0.008
    assert found["table"]["decode_iteration_s"]["p50"] == pytest.approx(0.005, rel=0.01)
    assert found["table"]["power_w_mean"] <= 1.1 * found["law"]["power_w_mean"]


def test_no_table_of_iterations_draws_more_than_the_board(tmp_path: Path) -> None:
    """Faster than the roofline at every batch, with contexts that grow: energy must not rise with them unless time
    does."""
    table = tmp_path / "steps.csv"
    table.write_text("phase,tokens,time_ms\nprompt,1,5\nprompt,8192,200\ndecode,1,5\ndecode,256,8\n")
    lengths = {
        "kind": "separate",
        "prompt": {"kind": "constant", "tokens": 1500},
        "output": {"kind": "constant", "tokens": 400},
    }
    loop = {"kind": "closed-loop", "concurrency": 256, "requests": 600}
    work = {"arrivals": loop, "lengths": lengths, "step_time": {"kind": "measured", "file": str(table)}}
    batching = {"max_num_seqs": 256, "max_num_batched_tokens": 2048}
    run = sim.run(changed(**work, replicas={"count": 1}, batching=batching))
    drawn = {state: w for (_, owner, state), w in watts(run).items() if owner == "chat"}
    assert 600 < drawn["active"] <= 700 * (1 + 1e-9)


def test_a_table_as_fast_as_the_roofline_draws_as_much(tmp_path: Path) -> None:
    """Its times with contexts of the mean length, which the table has in them."""
    whole = load_scenario(changed()).answers.deployments["chat"]["replicas"]
    cost = whole.roofline(float(whole.gpu.tdp.value), 1)
    tokens = np.arange(cost.table.shape[1], dtype=np.float64)
    attended = Attended.of(whole, None).work(tokens)
    seconds = (cost.table + np.einsum("rs,ksn->knr", cost.slope, attended))[:, 1:, :3].max(axis=2)
    of = {"decode": seconds[DECODES], "prompt": seconds[PROMPTS]}
    rows = [f"{phase},{n},{1e3 * s}" for phase, each in of.items() for n, s in enumerate(each, start=1)]
    table = tmp_path / "steps.csv"
    table.write_text("\n".join(["phase,tokens,time_ms", *rows]) + "\n")
    mixed = float(np.median(seconds[BOTH] / seconds[PROMPTS]))
    law = served(sim.run(changed()))
    told = served(sim.run(changed(step_time={"kind": "measured", "file": str(table), "mixed": mixed})))
    assert told["itl_s"]["mean"] == pytest.approx(law["itl_s"]["mean"], rel=0.1)
    assert told["power_w_mean"] == pytest.approx(law["power_w_mean"], rel=0.03)


def test_a_table_needs_the_lengths_of_what_has_none(tmp_path: Path) -> None:
    table, trace = tmp_path / "steps.csv", tmp_path / "rows.csv"
    table.write_text("phase,tokens,time_ms\nprompt,1,5\ndecode,1,5\n")
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:00.0,100,10\n")
    of_a_trace = {"lengths": {"kind": "joint", "file": str(trace)}}
    step_time = {"kind": "measured", "file": str(table)}
    (problem,) = sim.check(changed(**of_a_trace, step_time=step_time))
    assert problem.path == "workloads.chat.step_time.lengths"
    assert sim.check(changed(**of_a_trace, step_time={**step_time, "lengths": {"prompt": 100, "context": 105}})) == ()
