"""The commands and code of the README, and the commands of the guide, run as printed, from a folder where only the
package is at hand."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

import sim
from tests.commands import coldaisle

README = Path(__file__).resolve().parent.parent / "README.md"
PAGES = [README.parent / "docs" / name for name in ("guide.md", "index.md")]
SET_UP = ("make ", "pip ", "git ", "python -m venv")
"""What a clean clone proves, and not a test inside of one."""


def blocks(language: str, page: Path = README) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_its_commands_run_in_order(tmp_path: Path, page: Path) -> None:
    """The first, and what a shell has to read, as processes; the others within this one."""
    lines = [line[2:] for block in blocks("console", page) for line in block.splitlines() if line.startswith("$ ")]
    commands = [line for line in lines if not line.startswith(SET_UP)]
    assert len(commands) >= (10 if page == README else 2)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for at, line in enumerate(commands):
        if line.startswith("coldaisle open "):
            serves_until_interrupted(line, tmp_path, environment)
            continue
        expected = re.search(r"\s# exit (\d+)$", line)
        command, wanted = (line[: expected.start()], int(expected[1])) if expected else (line, 0)
        program, *words = shlex.split(command)
        if at == 0 or program != "coldaisle" or set(command) & set("|<>;&$`*?~"):
            done = subprocess.run(
                ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
        else:
            done = coldaisle(*words, cwd=tmp_path)
        assert done.returncode == wanted, f"{command}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def serves_until_interrupted(command: str, folder: Path, environment: dict[str, str]) -> None:
    """A command that serves a page prints its address, answers there, and ends when it is interrupted."""
    quiet = {**environment, "BROWSER": "true"}  # a program that shows nothing
    words = ["bash", "-c", f"exec {command}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=folder, env=quiet, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        address = urlsplit(server.stdout.readline().strip())
        assert address.hostname == "127.0.0.1"
        asking = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        asking.request("GET", "/", headers={"X-Coldaisle-Token": address.query.removeprefix("token=")})
        reply = asking.getresponse()
        assert reply.status == 200
        assert b"/run?at=physical" in reply.read()
        asking.close()
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 130, said
    assert "Traceback" not in said


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert blocks("python")
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})


def test_its_scenario_is_complete() -> None:
    (text,) = (text for text in blocks("yaml") if text.startswith("name:"))
    data = YAML(typ="safe").load(text)
    assert sim.check(data) == ()
    summary = sim.run(data).summary
    assert summary["jobs"]["fine-tune"]["completed"] == 1
    assert summary["kpi"]["sci_unit"] == "1000 requests of chat"


def test_its_serving_workload_runs() -> None:
    """In its own words, on one server for ten minutes."""
    written = _workloads("serving")
    world = {
        "name": "README",
        "start": "2025-01-01T00:00:00Z",
        "duration": "10 min",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }
    served = sim.run({**world, **written}).summary["serving"]["chat"]
    assert served["goodput_share"] > 0.9
    assert served["completed"] + served["unfinished"] == served["requests"]


def test_its_training_workload_runs() -> None:
    """In its own words, on the machines of the scenario that ships."""
    written = _workloads("training")
    job = sim.run("llama-70b-training", set={"workloads": written["workloads"]}).summary["jobs"]["pretrain"]
    assert job["completed"] == 1
    assert job["step"]["tokens"] >= 1e9


def _workloads(kind: str) -> dict[str, Any]:
    """The block that shows workloads of a kind alone."""
    shown = (YAML(typ="safe").load(text) for text in blocks("yaml"))
    return next(
        dict(data)
        for data in shown
        if set(data) == {"workloads"} and {one["kind"] for one in data["workloads"].values()} == {kind}
    )


@pytest.mark.parametrize(("scenario", "begins"), [("bloom-training", "BLOOM"), ("dallas-on-ercot", " the building")])
def test_the_tables_it_prints_are_those_that_the_command_prints(tmp_path: Path, scenario: str, begins: str) -> None:
    [printed] = [text for text in blocks("text") if text.startswith(begins)]
    command = Path(sys.executable).with_name("coldaisle")
    shown = subprocess.run([command, "run", scenario], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    for line in printed.splitlines():
        assert line.rstrip() in lines


def test_its_uncertain_scenario_has_intervals() -> None:
    (text,) = (block for block in blocks("yaml") if "uncertainty:" in block)
    data = YAML(typ="safe").load(text)
    data["uncertainty"]["draws"] = 20
    total = sim.run(data).at("intervals")["carbon_kg.total"]
    assert total["p05"] < total["p50"] < total["p95"]


def test_its_study_and_its_search_hold_together(tmp_path: Path) -> None:
    """Every point of the study is checked, and each choice of the search made alone."""
    from contextlib import closing

    from sim.loading.scenario import load_scenario
    from sim.spec.search import load_search
    from sim.spec.study import load_study
    from sim.study.sweep.journal import Journal, Spool
    from sim.study.sweep.plan import asked_for, asked_of, base_of, planned

    study = load_study(YAML(typ="safe").load(next(block for block in blocks("yaml") if "axes:" in block)))
    with closing(Journal(tmp_path / "journal", asked_of(study))) as journal, closing(Spool(tmp_path / "plan")) as spool:
        plan = planned(study, asked_for(study, base_of(study), journal, None), spool, journal)
    assert len(plan.at) == 2 * (3 * 2 + 2 * 2)  # the last cap alone has batch sizes
    assert -1 not in plan.simulation

    asked = load_search(YAML(typ="safe").load(next(block for block in blocks("yaml") if "optimize:" in block)))
    for path, choice in asked.spec.optimize.over.items():
        for value in choice if isinstance(choice, list) else (choice.low, choice.high):
            load_scenario(asked.base, {**asked.spec.set, path: value})
