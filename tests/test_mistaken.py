"""Each command, given the wrong kind of thing, says what it got and what to give instead."""

from __future__ import annotations

from pathlib import Path

import pytest

import sim
from sim.errors import InputError
from sim.mistaken import no_run, no_scenario
from sim.results.files import write
from sim.spec.study import load_study
from tests.commands import coldaisle


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, a study, a scenario file and an empty folder."""
    place = tmp_path_factory.mktemp("mistaken")
    write(sim.run("bloom-training"), place / "run")
    axes = {"site.facility.pue": [1.1, 1.2]}
    sim.sweep({"name": "two halls", "base": "bloom-training", "axes": axes}, place / "study", workers=1)
    (place / "mine.yaml").write_bytes((place / "run" / "scenario.yaml").read_bytes())
    (place / "empty").mkdir()
    return place


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("run", "its scenario is {place}/run/scenario.yaml"),
        ("run/summary.json", "its scenario is {place}/run/scenario.yaml"),
        ("study", "coldaisle report {place}/study shows it"),
        ("study/study.json", "coldaisle report {place}/study shows it"),
        (".", "give a file of it: {place}/mine.yaml"),
        ("empty", "coldaisle init writes one"),
        ("mine.yml", "no such file; did you mean {place}/mine.yaml?"),
        ("absent.yaml", "no such file  (coldaisle init writes one"),
    ],
)
def test_what_is_no_scenario(place: Path, given: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        sim.load(place / given)
    assert told.format(place=place) in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("mine.yaml", "coldaisle run {place}/mine.yaml --out DIR"),
        ("run/summary.json", "give its folder, {place}/run"),
        ("study", "coldaisle report, pareto and open take studies"),
        (".", "holds some: {place}/run; coldaisle open {place}"),
        ("empty", "it has no manifest.json"),
        ("nowhere", "there is no such folder"),
    ],
)
def test_what_is_no_run(place: Path, given: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        sim.account(place / given, set={})
    assert told.format(place=place) in str(caught.value)


def test_what_is_right_is_not_mistaken(place: Path) -> None:
    """The remedies themselves are taken."""
    assert no_scenario(place / "mine.yaml") is None
    assert no_scenario(place / "run" / "scenario.yaml") is None
    assert sim.check(place / "run" / "scenario.yaml") == ()


def test_a_scenario_is_no_study_and_a_study_no_scenario(place: Path) -> None:
    with pytest.raises(InputError, match="is a scenario and no study"):
        load_study(place / "mine.yaml")
    with pytest.raises(InputError, match="its scenario is"):
        load_study(place / "run")
    with pytest.raises(InputError, match="coldaisle sweep node-types"):
        sim.load("node-types")


def test_of_many_runs_the_first_are_named(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    assert f"{tmp_path / 'c'} and 2 more" in no_run(tmp_path)


def test_a_command_that_lacks_a_word_says_what_the_word_is_for(tmp_path: Path) -> None:
    done = coldaisle("sweep", "break-even", cwd=tmp_path)
    assert done.returncode == 2
    assert "--out: Where the dataset goes" in done.stderr


def test_a_study_that_is_not_there_is_answered_with_those_that_ship(tmp_path: Path) -> None:
    done = coldaisle("sweep", "brek-even.yaml", "--out", "there", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'break-even'?" in done.stderr
    assert not (tmp_path / "there").exists()
