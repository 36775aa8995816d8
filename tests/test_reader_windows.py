"""Power outside the run does not count: MLPerf's logs begin before the run and end after it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.readers import read_recording
from sim.measure.recording import energy_j
from tests.test_readers import NODE, SPL, column, faults, mllog, read, refusal

START_MS = 1_715_267_000_000


def node_log(watts: Sequence[float], *, step_ms: int = 2000) -> str:
    """A reading every step from ``START_MS`` on, in order of time."""
    return "".join(mllog(START_MS + at * step_ms, "power_reading", w) for at, w in enumerate(watts))


def mark(key: str, at_s: float) -> str:
    return mllog(START_MS + round(1000 * at_s), key, None)


@given(st.integers(1, 20), st.integers(2, 20), st.integers(1, 20), st.floats(100, 8000), st.floats(0, 8000))
def test_what_the_machine_draws_outside_the_run_changes_nothing(
    before: int, inside: int, after: int, power: float, idle: float
) -> None:
    """10 kW before the run or 300 W, for a minute or an hour: the run's mean is the run's."""
    text = node_log([idle] * before + [power] * inside + [idle] * after)
    text += mark("run_start", 2 * before - 1) + mark("run_stop", 2 * (before + inside) - 1)
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), text)
    assert column(found, "node", "power_w") == [power] * inside
    assert f"{before + after} of {before + inside + after} readings, outside the run (run_start to run_stop)" in faults(
        found
    )


def test_the_power_log_s_own_marks_and_the_run_s_both_hold(tmp_path: Path) -> None:
    text = mark("power_measurement_start", 3) + node_log([1, 2, 3, 4, 5, 6]) + mark("power_measurement_stop", 9)
    own = read(tmp_path, text)
    assert column(own, "node", "power_w") == [3, 4, 5]
    assert own.complete
    both = read(tmp_path, text + mark("run_start", 0) + mark("run_stop", 7))
    assert column(both, "node", "power_w") == [3, 4]
    assert "2 of 6 readings, outside the run" in faults(both)
    assert "2 of 6 readings, outside the power measurement" in faults(both)


def test_marks_may_stand_anywhere_and_a_value_in_an_object(tmp_path: Path) -> None:
    text = node_log([1.0, 2.0, 3.0, 4.0]).replace('"value": 2.0', '"value": {"value": 2.0}')
    found = read(tmp_path, mark("run_stop", 5) + text + mark("run_start", 1))
    assert column(found, "node", "power_w") == [2.0, 3.0]


def test_two_runs_in_one_log_are_both_within_their_marks(tmp_path: Path) -> None:
    marks = [("run_start", 1.0), ("run_stop", 3.0), ("run_start", 7.0), ("run_stop", 9.0)]
    found = read(tmp_path, node_log([0, 1, 2, 3, 4, 5]) + "".join(mark(key, at) for key, at in marks))
    assert column(found, "node", "power_w") == [1, 4]


def test_a_run_that_never_stops_is_not_complete(tmp_path: Path) -> None:
    found = read(tmp_path, node_log([1, 2, 3]) + mark("run_start", 1))
    assert not found.complete
    assert "the run was started and never stopped" in faults(found)
    assert column(found, "node", "power_w") == [2, 3]


def test_a_stop_with_the_time_of_its_start_is_no_window(tmp_path: Path) -> None:
    start, stop = mark("power_measurement_start", 0), mark("power_measurement_stop", 0)
    found = read(tmp_path, start + node_log([1, 2, 3]) + stop)
    assert column(found, "node", "power_w") == [1, 2, 3]
    assert "neither mark is used" in faults(found)


def test_a_run_without_one_reading_is_refused_with_the_reason(tmp_path: Path) -> None:
    text = node_log([1, 2, 3]) + mark("run_start", 100) + mark("run_stop", 200)
    assert "3 of 3 readings, outside the run" in refusal(tmp_path, text)


def test_the_result_log_of_a_submission_gives_the_run(tmp_path: Path) -> None:
    """``power/NAME/node_0.txt`` belongs to ``NAME.txt``: steady 5 kW in the run, 1 kW before it."""
    (tmp_path / "power" / "result_3").mkdir(parents=True)
    node = tmp_path / "power" / "result_3" / "node_0.txt"
    node.write_text(node_log([1000] * 5 + [5000] * 11))
    assert read_recording(node).faults == ()
    (tmp_path / "result_3.txt").write_text("training log\n" + mark("run_start", 10) + mark("run_stop", 30))
    found = read_recording(node)
    assert energy_j(found.of_device("node")) == 5000 * 20
    assert found.origin["result_log"] == "result_3.txt"
    assert "5 of 16 readings, outside the run" in faults(found)


@pytest.mark.parametrize("damage", ['"time_ms": null', '"time_ms": "soon"', '"time_ms": 1e999'])
def test_a_mark_without_a_time_is_told(tmp_path: Path, damage: str) -> None:
    start = mark("run_start", 1).replace(f'"time_ms": {START_MS + 1000}', damage)
    found = read(tmp_path, node_log([1, 2, 3]) + start)
    assert column(found, "node", "power_w") == [1, 2, 3]
    assert "no time" in faults(found) or "no entry" in faults(found)


def test_ptdaemon_s_samples_without_a_mark_are_outside_the_run(tmp_path: Path) -> None:
    found = read(tmp_path, SPL.replace("run_1", "NotSet", 1))
    assert column(found, "node", "power_w") == [23.95, 275.63]
    assert faults(found) == "line 1: left out: 1 of 3 samples, outside the run, without a mark"
    unmarked = read(tmp_path, SPL.replace("run_1", "notset"))
    assert len(unmarked.samples) == 3
    assert unmarked.faults == ()


def test_ptdaemon_s_ranging_run_is_not_the_run(tmp_path: Path) -> None:
    found = read(tmp_path, SPL.replace("Mark,run_1", "Mark,x_ranging", 1).replace("Mark,run_1", "Mark,x_testing"))
    assert column(found, "node", "power_w") == [23.95, 275.63]
    assert "of a ranging run" in faults(found)
    alone = read(tmp_path, SPL.replace("Mark,run_1", "Mark,x_ranging"))
    assert len(alone.samples) == 3


def test_deep_json_in_a_log_is_a_fault(tmp_path: Path) -> None:
    found = read(tmp_path, NODE + ':::MLLOG {"key": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    assert len(found.samples) == 2
    assert "no entry" in faults(found)
