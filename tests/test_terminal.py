"""What the command shows at a terminal: progress, power as a line, what to do next; and that scripts see none of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segments

import sim
from sim.accounting.ledger import OUTSIDE, Key, Ledger
from sim.cli.measure import _show_progress
from sim.cli.progress import Run, Shown, counting, has_last_line, running, simulated
from sim.measure.meters.record import Progress
from sim.results.compare import COMPARED_HEADER
from sim.results.services import service_grids
from sim.results.sparkline import ASCII, BLOCKS, heights, it_power_w, power_line, sparkline
from sim.results.tables import TERMINAL, grid_table
from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S

from .terminals import COMMAND, at_terminal


def run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a script runs it."""
    known = {**os.environ, **environment}
    return subprocess.run([COMMAND, *map(str, words)], cwd=cwd, env=known, capture_output=True, text=True, check=False)


# ----- tables


def test_beside_a_long_label_no_number_of_a_comparison_breaks() -> None:
    numbers = ["-12,345 kWh", "+12,345 kWh", "-12,345 kWh", "-100.0 %"]
    label = "energy of a workload whose name is longer than what numbers leave"
    console = Console(width=TERMINAL)
    with console.capture() as captured:
        console.print(grid_table((COMPARED_HEADER, [[label, *numbers], ["IT energy", *numbers]])))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= TERMINAL
    assert sum(all(number in line for number in numbers) for line in lines) == 2
    assert " ".join(captured.get().split()).count("whose name") == 1


@pytest.mark.parametrize("columns", [20, 40, 60])
def test_a_narrow_terminal_loses_no_label_and_no_number(columns: int) -> None:
    numbers = ["-12,345 kWh", "+12,345 kWh", "-12,345 kWh", "-100.0 %"]
    console = Console(width=columns)
    table = grid_table((COMPARED_HEADER, [["energy of a long name", *numbers], ["IT energy", *numbers]]))
    with console.capture() as captured:
        console.print(Segments(console.render(table)), crop=False)
    lines = captured.get().splitlines()
    assert sum(all(number in line for number in numbers) for line in lines) == 2
    assert all(word in captured.get() for word in (*COMPARED_HEADER, "energy", "long", "name", "IT"))
    assert "\u2026" not in captured.get()


def test_the_command_shows_whole_numbers_on_a_narrow_terminal(tmp_path: Path) -> None:
    wide, narrow = (run("run", "bloom-training", cwd=tmp_path, COLUMNS=columns).stdout for columns in ("80", "30"))
    row = next(line for line in wide.splitlines() if line.startswith(" gpu"))
    shown = next(line for line in narrow.splitlines() if line.startswith(" gpu"))
    assert shown.split() == row.split()
    assert "\u2026" not in narrow
    assert " ".join(wide.split()).rpartition(" peak ")[2][:8] in " ".join(narrow.split())


# ----- what to do next


def test_each_command_says_what_to_do_next_at_a_terminal(tmp_path: Path) -> None:
    for words, wanted in (
        (["check", "bloom-training"], "next: coldaisle run bloom-training --out DIR"),
        (["run", "bloom-training"], "next: coldaisle run bloom-training --out DIR"),
        (
            ["run", "bloom-training", "--out", "one"],
            "next: coldaisle report one\n      coldaisle explain one carbon_kg",
        ),
        (
            ["account", "one", "--set", "site.grid.intensity=90 gCO2e/kWh", "--out", "two"],
            "next: coldaisle compare one two",
        ),
        (["compare", "one", "two"], "next: coldaisle report one two"),
        (["report", "one", "--out", "one.html"], "next: open one.html in a browser"),
        (["scenarios"], "next: coldaisle run SCENARIO"),
        (["init"], "Which one"),
        (["init", "training"], "next: coldaisle check training.yaml\n      coldaisle run training.yaml --out training"),
    ):
        status, shown = at_terminal(words, tmp_path, typed="9\n" if words == ["init"] else "")
        assert wanted in shown, words
        assert status == (2 if words == ["init"] else 0)


def test_after_a_mistake_it_says_what_to_mend(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: x\nsite: {}\n", encoding="utf-8")
    status, shown = at_terminal(["check", "mine.yaml"], tmp_path)
    assert status == 2
    assert "next: mend mine.yaml, then coldaisle check mine.yaml" in shown
    status, shown = at_terminal(["explain", "nowhere", "kpi.pue"], tmp_path)
    assert status == 2
    assert "next: coldaisle explain --help" in shown


def test_scripts_are_told_nothing_of_it(tmp_path: Path) -> None:
    done = run("run", "bloom-training", "--out", "one", cwd=tmp_path)
    assert done.stderr == "written to one\n"
    assert "next:" not in done.stdout
    assert run("check", "bloom-training", cwd=tmp_path).stderr == ""
    status, shown = at_terminal(["run", "bloom-training", "--json"], tmp_path)
    assert status == 0
    assert "next:" not in shown


def test_a_comparison_tells_runs_of_one_name_apart_and_what_was_changed(tmp_path: Path) -> None:
    run("run", "bloom-training", "--out", "one", "--quiet", cwd=tmp_path)
    changes = ("site.grid.intensity=90 gCO2e/kWh", "accounting.gpu_lifetime=4 years")
    run("account", "one", "--set", *changes, "--out", "two", "--quiet", cwd=tmp_path)
    shown = run("compare", "one", "two", cwd=tmp_path).stdout
    assert "first: BLOOM-176B training, as published  (one)" in shown
    assert "other: BLOOM-176B training, as published  (two)" in shown
    assert "  site.grid.intensity: 57 gCO2e/kWh -> 90 gCO2e/kWh\n" in shown
    assert "accounting.gpu_lifetime: " in shown
    run("account", "one", "--set", "site.water.wue=1 L/kWh", "--out", "wet", "--quiet", cwd=tmp_path)
    plain = run("compare", "one", "wet", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "-> not given" not in plain.stdout
    assert "not given ->" in plain.stdout
    again = run("compare", "one", "one", cwd=tmp_path).stdout
    assert "Nothing is changed in the scenario." in again
    assert "total carbon changes by 0 kg." in again


# ----- progress


def test_a_long_run_shows_how_far_it_is_and_is_interrupted_cleanly(tmp_path: Path) -> None:
    words = [
        "run",
        "chat-service",
        "--set",
        "duration=300 d",
        "--set",
        "workloads.chat.engine=reference",
        "--out",
        "out",
    ]
    status, shown = at_terminal(words, tmp_path, interrupt_at=" left")
    assert status == 130
    line = re.search(r"simulating: [\d.]+ (?:s|min|h|d) of 300\.0 d \(\d+ %\), [\d.,]+ \w+ a second, .* left", shown)
    assert line is not None
    assert shown.rstrip().endswith("coldaisle: interrupted")
    assert "\r\x1b[K" in shown[shown.rindex(" left") :]  # the line was taken away
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_dumb_terminal_gets_no_line_that_it_cannot_take_away(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", term)
    assert has_last_line() == (term != "dumb")


def test_the_line_is_no_longer_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr("sim.cli.progress.EVERY_S", 0.0)
    shown = Shown("points of a study with long words")
    shown.counted(2)
    shown.counted(3)
    lines = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert lines[0] == "2 points of a study with long"  # a longer one is broken, and only its end can be taken away
    assert all(len(line) == 29 for line in lines)


def test_one_is_told_as_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sim.cli.progress.EVERY_S", 0.0)
    Shown("points").counted(1)
    Shown("points").counted(2)
    assert capsys.readouterr().err == "\r\x1b[K1 point checked\r\x1b[K2 points checked"


def test_no_progress_without_a_terminal_and_none_of_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with running() as watch:
        assert watch is None
    assert capsys.readouterr().err == ""


def test_a_run_tells_who_watches_it_its_stages_and_its_time() -> None:
    from sim.loading.scenario import load_scenario
    from sim.running.run import run_loaded

    heard: list[object] = []

    class Heard(Run):
        def stage(self, doing: str) -> None:
            heard.append(doing)
            super().stage(doing)

        def simulating(self, now_ns: object, end_ns: int | None) -> None:
            heard.append((now_ns() if callable(now_ns) else None, end_ns))

    loaded = load_scenario("seattle")
    watched = run_loaded(loaded, Heard())
    assert heard == ["simulating", (0, loaded.scenario.duration_ns), "accounting"]
    assert watched.summary == run_loaded(loaded).summary


def test_the_line_has_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = Run()
    watch.stage("simulating")
    clock[0] = 103.0
    assert watch.line() == "simulating, 3 s"
    now_ns = [0]
    watch.simulating(lambda: now_ns[0], 10 * 24 * HOUR_NS)
    clock[0], now_ns[0] = 113.0, 24 * HOUR_NS
    assert watch.line() == "simulating: 1.0 d of 10.0 d (10 %), 2.4 h a second, 1 min 30 s left"
    watch.simulating(lambda: now_ns[0], None)
    clock[0] = 123.0
    assert watch.line() == "simulating: 1.0 d, 2.4 h a second"
    assert simulated(59.0) == "59.0 s"
    assert simulated(7200.0) == "2.0 h"


def test_counted_things_have_rate_and_time_left_from_their_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before the first of them is no part of the rate."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = Run()
    watch.stage("fitting")
    tell = counting(watch, "fits")
    clock[0] = 160.0
    tell(1, 11)
    assert watch.line() == "fitting: 1 of 11 fits"
    clock[0] = 164.0
    tell(3, 11)
    assert watch.line() == "fitting: 3 of 11 fits, 30.0/min, 16 s left"
    counting(None, "fits")(1, 2)


def test_a_recording_of_known_length_says_how_much_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    _show_progress(60.0, Progress(12.0, "", []))
    _show_progress(None, Progress(12.0, "command", []))  # a command ends by itself
    known, open_ended = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert known == "12 of 60 s, 48 s left"
    assert open_ended == "12 s  command"


def test_account_counts_the_draws_that_it_prices(tmp_path: Path) -> None:
    over = {"site.grid.intensity": {"kind": "uniform", "low": "30 gCO2e/kWh", "high": "90 gCO2e/kWh"}}
    scenario = {"extends": "bloom-training", "uncertainty": {"draws": 300, "seeds": 1, "over": over}}
    (tmp_path / "drawn.yaml").write_text(json.dumps(scenario), encoding="utf-8")
    at_terminal(["run", "drawn.yaml", "--out", "run", "--quiet"], tmp_path)
    words = ["account", "run", "--set", "site.facility.pue=1.1", "--out", "priced", "--quiet"]
    status, shown = at_terminal(words, tmp_path, interrupt_at=" left")
    assert status == 130
    assert re.search(r"accounting: \d+ of 300 draws, [\d.,]+/\w+, .* left", shown)
    assert not (tmp_path / "priced").exists()


# ----- power as a line


def ledger(watts: list[float], hours: list[int]) -> Ledger:
    """One GPU that draws so many W for so many hours each."""
    edges = np.concatenate([[0], np.cumsum(hours)]).astype(np.int64) * HOUR_NS
    joules = np.array([watts]) * np.diff(edges) / NS_PER_S
    return Ledger(edges, (Key("s", "p", "h", "gpu", "o", "active"),), joules, np.zeros_like(joules, dtype=np.int64))


powers = st.lists(st.tuples(st.floats(0.0, 1e6), st.integers(1, 50)), min_size=1, max_size=60)


@given(powers, st.integers(8, 60))
def test_what_is_drawn_has_the_energy_of_the_run(parts: list[tuple[float, int]], columns: int) -> None:
    """Whatever the bins and the columns: the mean of the columns is that of the ledger, and none is above its peak."""
    watts, hours = zip(*parts, strict=True)
    run_ledger = ledger([*watts], [*hours])
    power, edges = it_power_w(run_ledger), run_ledger.edges_ns.astype(float)
    drawn = heights(power, edges, columns)
    energy_j = run_ledger.energy_j.sum()
    assert drawn.mean() * run_ledger.end_ns / NS_PER_S == pytest.approx(energy_j, rel=1e-6, abs=1e-3)
    assert drawn.max() <= max(watts) * (1 + 1e-6) + 1e-6


@given(powers)
def test_it_fits_and_marks_rise_with_power(parts: list[tuple[float, int]]) -> None:
    watts, hours = zip(*parts, strict=True)
    for encoding, marks in (("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII), ("nonsense", ASCII)):
        line = power_line(ledger([*watts], [*hours]), encoding=encoding, width=79)
        assert len(line) <= 79
        drawn = line.removeprefix("metered power  ").partition("  mean ")[0]
        assert set(drawn) <= set(marks)
    values = np.sort(np.array(watts))
    levels = [BLOCKS.index(mark) for mark in sparkline(values, float(values.max()))]
    assert levels == sorted(levels)
    assert all((level > 0) == (value > 0.0) for level, value in zip(levels, values, strict=True))


def test_its_mean_and_peak_are_the_runs() -> None:
    results = sim.run("seattle")
    line = power_line(results.energy, encoding="utf-8", width=79)
    kilowatts = float(re.search(r"mean ([\d.,]+) kW", line)[1])  # type: ignore[index]
    inside = results.energy.where(lambda key: key.component not in OUTSIDE)
    assert kilowatts == pytest.approx(inside.total_j() / J_PER_KWH / (inside.end_ns / HOUR_NS), rel=1e-3)


def test_a_terminal_that_cannot_draw_blocks_gets_ascii(tmp_path: Path) -> None:
    plain = run("run", "seattle", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert plain.returncode == 0
    assert plain.stdout.isascii()
    assert "metered power" in plain.stdout
    assert BLOCKS[8] in run("run", "seattle", cwd=tmp_path, PYTHONIOENCODING="utf-8").stdout


# ----- completion


def completed(*words: str, cwd: Path) -> list[str]:
    """What bash is offered for the last word."""
    known = {"_COLDAISLE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["coldaisle", *words])}
    done = run(cwd=cwd, COMP_CWORD=str(len(words)), **known)
    assert done.stderr == ""
    return done.stdout.split()


def test_formats_of_exports_are_completed(tmp_path: Path) -> None:
    assert completed("export", "run", "--as", "openm", cwd=tmp_path) == ["openmetrics", "openmetrics-history"]


def test_a_shell_completes_names_folders_and_paths(tmp_path: Path) -> None:
    assert run("run", "seattle", "--out", "runs/one", "--quiet", cwd=tmp_path).returncode == 0
    (tmp_path / "mine.yaml").write_text("extends: seattle.yaml\n", encoding="utf-8")
    assert {"explain", "export"} >= set(completed("expl", cwd=tmp_path)) == {"explain"}
    assert completed("run", "chat", cwd=tmp_path) == ["chat-service"]
    assert completed("run", "mi", cwd=tmp_path) == ["mig-node", "mine.yaml"]
    assert completed("check", "runs/", cwd=tmp_path) == ["runs/one/"]
    assert completed("explain", "ru", cwd=tmp_path) == ["runs/"]
    assert completed("explain", "runs/o", cwd=tmp_path) == ["runs/one"]
    assert completed("explain", "runs/one", "carbon_kg.to", cwd=tmp_path) == ["carbon_kg.total"]
    assert completed("explain", "runs/one", "carbon_kg.by_c", cwd=tmp_path) == ["carbon_kg.by_component."]
    assert "nvidia-h100-sxm-80gb" in completed("profiles", "nvidia-h", cwd=tmp_path)
    assert "region-gpu-cap" in completed("sweep", "reg", cwd=tmp_path)
    assert "llama2" in completed("reproduce", "llama2", cwd=tmp_path)
    assert completed("init", "s", cwd=tmp_path) == ["site"]
    assert completed("run", "seattle", "--set", "site.facility.k", cwd=tmp_path) == ["site.facility.kind="]
    assert completed("account", "runs/one", "--set", "site.gr", cwd=tmp_path) == ["site.grid."]
    assert completed("run", "lora-one-node", "--set", "cluster.nodes.0.c", cwd=tmp_path) == ["cluster.nodes.0.count="]


def test_completion_of_what_is_not_there_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("{", encoding="utf-8")
    for words in (
        ("explain", "nowhere", "carb"),
        ("run", "broken.yaml", "--set", "si"),
        ("check", "no/where/"),
        ("run", "--set", "a"),
    ):
        assert completed(*words, cwd=tmp_path) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_can_be_had(shell: str, tmp_path: Path) -> None:
    done = run("--show-completion", shell, cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0
    assert "_COLDAISLE_COMPLETE" in done.stdout


def test_a_service_that_nobody_asked_has_no_table_without_rows() -> None:
    seldom = {"kind": "poisson", "rate": "1e-9 request/s"}
    found = sim.run("rag-service", set={"duration": "1 min", "workloads.answers.arrivals": seldom}).summary
    assert found["serving"]["answers"]["requests"] == 0
    for header, rows in service_grids(found["serving"]):
        assert rows, header
