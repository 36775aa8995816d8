"""The commands and code of the README and of the pages of ``docs/``, run as printed, where only the package is at
hand."""

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
DOCS = README.parent / "docs"
PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.stem not in ("changes", "CONTRIBUTING")]
"""Those that a user reads; what a contributor's page shows is carried out by ``tests/test_recipes.py``."""
SET_UP = ("make ", "pip ", "git ", "python -m venv")
"""What a clean clone proves, and not a test inside of one."""


def blocks(language: str, page: Path = README) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


WITH_COMMANDS = [page for page in (README, *PAGES) if blocks("console", page)]


def test_pages_with_commands_are_found() -> None:
    assert {"README", "files", "index", "site", "serving", "studies", "terminal"} <= {
        page.stem for page in WITH_COMMANDS
    }


FENCED = re.compile(r"^```(console|text)\n(.*?)^```$(\n(?=\n?```text$))?", flags=re.DOTALL | re.MULTILINE)
"""A block of commands or of text, and whether text follows it at once: that is what the commands print."""


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_its_commands_run_in_order_and_print_what_it_shows(
    tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first, and what a shell has to read, as processes; the others within this one. No page has a cached study."""
    monkeypatch.setenv("COLDAISLE_CACHE", str(tmp_path / "cache"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    printed: list[str] = []
    commands = 0
    shows = False
    for language, block, text_follows in FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "text":
            missing = [line for line in map(str.rstrip, block.splitlines()) if line not in printed]
            assert not shows or missing == []
            shows = False
            continue
        printed, shows = [], bool(text_follows)
        lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        for line in (line for line in lines if not line.startswith(SET_UP)):
            printed += run_as_printed(line, tmp_path, environment, as_process=not commands)
            commands += 1
    assert commands >= (10 if page == README else 1)


def run_as_printed(line: str, folder: Path, environment: dict[str, str], *, as_process: bool) -> list[str]:
    """Runs one line, which ends as it says it does, and gives back the lines that it wrote."""
    if line.startswith("coldaisle open "):
        serves_until_interrupted(line, folder, environment)
        return []
    expected = re.search(r"\s# exit (\d+)$", line)
    command, wanted = (line[: expected.start()], int(expected[1])) if expected else (line, 0)
    program, *words = shlex.split(command)
    if as_process or program != "coldaisle" or set(command) & set("|<>;&$`*?~"):
        shell = ["bash", "-c", command]
        done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    else:
        done = coldaisle(*words, cwd=folder)
    assert done.returncode == wanted, f"{command}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return [written.rstrip() for written in (done.stdout + done.stderr).splitlines()]


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
    codes = blocks("python", DOCS / "studies.md")
    assert codes
    for code in codes:
        exec(compile(code, "studies.md", "exec"), {})


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
    read = (YAML(typ="safe").load(text) for text in blocks("yaml", DOCS / f"{kind}.md"))
    return next(
        dict(data)
        for data in read
        if set(data) == {"workloads"} and {one["kind"] for one in data["workloads"].values()} == {kind}
    )


def test_the_chiller_of_seattle_takes_what_the_page_says() -> None:
    (said,) = re.findall(r"in Seattle the chiller takes (\d+) kWh", (DOCS / "site.md").read_text(encoding="utf-8"))
    assert float(said) == round(sim.run("seattle").at("energy_kwh.overhead_by_component.chiller"))


def test_its_rows_of_errors_are_those_of_the_page_on_accuracy() -> None:
    """Which ``python -m benchmarks accuracy`` makes; rows that the page has under "the same" are written out here."""
    of_page = (DOCS / "accuracy.md").read_text(encoding="utf-8").splitlines()
    table = README.read_text(encoding="utf-8").partition("| data | held out |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) >= 10
    told = set()
    above = ""
    for row in (line for line in of_page if line.count(" | ") == 3):
        data, _, rest = row.partition(" | ")
        above = above if data == "| the same" else data
        told.add(f"{above} | {rest}")
    assert [row for row in table if row not in told] == []


def test_its_uncertain_scenario_has_intervals() -> None:
    (text,) = (block for block in blocks("yaml", DOCS / "studies.md") if "uncertainty:" in block)
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

    written = blocks("yaml", DOCS / "studies.md")
    study = load_study(YAML(typ="safe").load(next(block for block in written if "axes:" in block)))
    with closing(Journal(tmp_path / "journal", asked_of(study))) as journal, closing(Spool(tmp_path / "plan")) as spool:
        plan = planned(study, asked_for(study, base_of(study), journal, None), spool, journal)
    assert len(plan.at) == 2 * (3 * 2 + 2 * 2)  # the last cap alone has batch sizes
    assert -1 not in plan.simulation

    asked = load_search(YAML(typ="safe").load(next(block for block in written if "optimize:" in block)))
    for path, choice in asked.spec.optimize.over.items():
        for value in choice if isinstance(choice, list) else (choice.low, choice.high):
            load_scenario(asked.base, {**asked.spec.set, path: value})
