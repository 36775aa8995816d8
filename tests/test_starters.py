"""``coldaisle init``: what it writes is complete, runs, and every choice and command in its comments is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.cli.starters import KINDS
from sim.loading.scenario import load_scenario, parse_assignments
from tests.commands import coldaisle

CHOICE = re.compile(r"^ *#(?=[a-z_]+: )", re.MULTILINE)
"""A line with a choice that is left out."""
TRY = re.compile(r"^# Try: coldaisle run (.+)$", re.MULTILINE)
DECIDING = ("intensity:", "price:", "pue:", "wue:", "ewif:", "gpu_lifetime:", "server_lifetime:")
"""Numbers without a default: of none of them is the source left out."""


@pytest.fixture(params=KINDS)
def written(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scenario of each kind in a folder where nothing else is, which is also where one works."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", request.param], catch_exceptions=False)
    assert done.exit_code == 0
    return tmp_path / f"{request.param}.yaml"


def test_it_is_complete_and_runs(written: Path) -> None:
    """The test's own budget is of simulated work: seconds on any machine that runs these tests."""
    assert sim.check(written) == ()
    results = sim.run(written)
    assert results.at("energy_kwh.it") > 0.0
    assert results.at("kpi.sci_g_per_unit") > 0.0
    assert results.at("water_l.total") > 0.0
    assert results.at("cost.energy") > 0.0  # none of the four numbers of a report is left out
    assert results.summary["events"] < 200_000


def test_every_choice_that_is_left_out_can_be_made(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    found = list(CHOICE.finditer(text))
    assert found
    for choice in found:
        chosen = written.with_name("chosen.yaml")
        chosen.write_text(text[: choice.end() - 1] + text[choice.end() :], encoding="utf-8")
        assert sim.check(chosen) == (), text[choice.start() :].partition("\n")[0]
        assert load_scenario(chosen).resolved() != load_scenario(written).resolved()


def test_every_command_in_its_comments_is_one(written: Path) -> None:
    commands = TRY.findall(written.read_text(encoding="utf-8"))
    assert commands
    for command in commands:
        file, _, *assignments = shlex.split(command)
        assert file == written.name
        load_scenario(file, parse_assignments(assignments))


def test_what_decides_is_written_with_its_source(written: Path) -> None:
    lines = written.read_text(encoding="utf-8").splitlines()
    for i, line in enumerate(lines):
        code = line.partition("#")[0]
        if any(name in code for name in DECIDING):
            above = next(above for above in reversed(lines[: i + 1]) if "# replace: " in above or not above.strip())
            assert re.search(r"\d{4}", above), line


def test_it_is_written_as_people_would(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120
    assert "FILE" not in text.replace("YOURS", "")
    assert "WEATHER" not in text


def test_nothing_is_written_over(written: Path) -> None:
    before = {path: path.read_bytes() for path in written.parent.iterdir()}
    done = coldaisle("init", written.stem, cwd=Path.cwd())
    assert done.returncode == 2
    assert "nothing is written over" in done.stderr
    assert {path: path.read_bytes() for path in written.parent.iterdir()} == before


def test_a_file_beside_it_is_not_written_over_either(tmp_path: Path) -> None:
    (tmp_path / "hall-weather.csv").write_text("mine", encoding="utf-8")
    done = coldaisle("init", "site", "--out", "hall.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["hall-weather.csv"]


@pytest.mark.parametrize("kind", ["chat", "site"])
def test_a_folder_that_is_not_there_is_made(tmp_path: Path, kind: str) -> None:
    assert coldaisle("init", kind, "--out", "new/deeper/own.yaml", cwd=tmp_path).returncode == 0
    assert coldaisle("check", "new/deeper/own.yaml", cwd=tmp_path).returncode == 0
    refused = coldaisle("init", kind, "--out", "new/deeper/own.yaml/own.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "cannot be made" in refused.stderr


def test_odd_names_stay_names(tmp_path: Path) -> None:
    """A name with quotes, spaces or a line end neither leaves its comment nor breaks the file that is named."""
    for name in ("it's a hall.yaml", 'two "halls".yaml', "a\nname: b.yaml"):
        target = tmp_path / name
        done = CliRunner().invoke(app, ["init", "site", "--out", str(target)], catch_exceptions=False)
        assert done.exit_code == 0
        assert YAML(typ="safe").load(target.read_text(encoding="utf-8"))["name"] == "Cooled hall"
        assert sim.check(target) == ()


def test_without_a_kind_they_are_listed(tmp_path: Path) -> None:
    done = coldaisle("init", cwd=tmp_path)
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*KINDS]
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_names_the_nearest(tmp_path: Path) -> None:
    done = coldaisle("init", "traning", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'training'" in done.stderr
