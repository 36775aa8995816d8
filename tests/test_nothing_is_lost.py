"""Whatever a command writes to, what this package did not make is there afterwards, as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.results import atomic
from sim.results.charts import GENERATOR
from sim.results.files import NAMES, read, refuse_bad_target, write
from sim.results.results import Results
from sim.study.search.optimize import ready_to_go_on
from sim.study.store import Store
from sim.study.sweep.folder import PROGRESS, refuse_strangers
from sim.study.sweep.front import refuse_bad_target as refuse_bad_front
from tests.small import small

DEAD = 2**22 + 1  # no process has such a number: Linux gives none above 2**22


@pytest.fixture(scope="module")
def finished() -> Results:
    return sim.run(small())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "y.partial/precious",
        f".{DEAD}.partial/precious",
        f".out.{DEAD}.partial/precious",
        ".out.replaced/precious",
        "notes.txt",
        "draws.parquet",  # a name that a run uses, and this one did not
        "summary.json/precious",
    ],
)
@pytest.mark.parametrize("after_a_run", [True, False])
def test_a_run_takes_no_folder_with_anything_else_in_it(
    tmp_path: Path, finished: Results, name: str, after_a_run: bool
) -> None:
    out = tmp_path / "out"
    if after_a_run:
        write(finished, out)
    path = out / name
    if path.parent.is_file():
        path.parent.unlink()
    if path.parent != out:
        path.parent.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    before = contents(out)
    with pytest.raises(InputError, match=r"no run wrote|did not write|changed since|no finished run"):
        write(finished, out)
    assert contents(tmp_path / "out") == before


def test_leavings_beside_a_run_are_cleared_only_if_a_run_named_them(tmp_path: Path, finished: Results) -> None:
    kept = [f".out.{DEAD}.partial/precious", f".out.{DEAD}.replaced/precious", ".out.x.partial/precious"]
    killed = atomic.staged(tmp_path / "out").name.replace(f".{os.getpid()}-", f".{DEAD}-")
    kept.append(f"{killed}/precious")  # even there: nothing but what a run names
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / killed / "ledger.parquet").write_text("torn")
    write(finished, tmp_path / "out")
    assert [name for name in kept if not (tmp_path / name).is_file()] == []
    assert not (tmp_path / killed / "ledger.parquet").exists()


def test_a_run_that_was_edited_is_not_replaced(tmp_path: Path, finished: Results) -> None:
    write(finished, tmp_path / "out")
    scenario = tmp_path / "out" / "scenario.yaml"
    scenario.write_text(scenario.read_text() + "# my own remark\n")
    with pytest.raises(InputError, match=r"scenario\.yaml', which was changed since"):
        write(finished, tmp_path / "out")
    assert "my own remark" in scenario.read_text()


def test_what_comes_while_a_run_is_replaced_stays(tmp_path: Path, finished: Results) -> None:
    """Between the look at the folder and its replacement somebody may put a file there."""
    out = tmp_path / "out"
    write(finished, out)

    def fill(staging: Path) -> None:
        (out / "late.txt").write_text("mine")
        (staging / "manifest.json").write_text("{}")

    atomic.write_folder(out, fill, names=NAMES, last="manifest.json")
    assert contents(out) == {"late.txt": b"mine", "manifest.json": b"{}"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_of_our_own_is_replaced_wherever_it_stands(tmp_path: Path, finished: Results) -> None:
    for _ in range(2):
        write(finished, tmp_path / "out")
    assert read(tmp_path / "out").summary == finished.summary
    refuse_bad_target(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("mine", ["my thesis", "<!doctype html><html><title>coldaisle</title>"])
def test_a_page_goes_over_a_page_of_ours_only(tmp_path: Path, mine: str) -> None:
    path, ours = tmp_path / "page.html", atomic.marked(GENERATOR)
    path.write_text(mine)
    with pytest.raises(InputError, match="did not write"):
        atomic.write_text("page", path, ours=ours)
    assert path.read_text() == mine
    path.write_text("")  # as mktemp makes it
    atomic.write_text(f"<html>{GENERATOR}", path, ours=ours)
    atomic.write_text("a later page", path, ours=ours)
    assert path.read_text() == "a later page"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    link = tmp_path / "page.html"
    link.symlink_to(tmp_path / "shelf" / "page.html")
    atomic.write_text("page", link, ours=atomic.within_ours)
    assert link.is_symlink()
    assert contents(tmp_path / "shelf") == {"page.html": b"page"}


def test_a_pipe_is_no_target(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe"):
        atomic.write_text("page", tmp_path / "pipe", ours=atomic.within_ours)


@pytest.mark.parametrize("name", ["front.csv", "front.parquet"])
def test_a_front_goes_over_a_front_only(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("point,mine\n1,2\n")
    with pytest.raises(InputError, match="did not write"):
        refuse_bad_front(tmp_path / name)


@pytest.mark.parametrize(
    "name",
    [
        "points/part-00000.parquet",
        "points/precious",
        "study.json",
        "session.json",
        "y.partial",
        "y.replaced/precious",
        f"{PROGRESS}/precious",
        f"{PROGRESS}/journal",
        f"{PROGRESS}/simulations/ab/precious",
        f"{PROGRESS}.partial/precious",
    ],
)
def test_a_study_takes_no_folder_with_anything_else_in_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("my own")
    with pytest.raises(InputError, match="no study wrote"):
        refuse_strangers(tmp_path)
    assert path.read_text() == "my own"


def test_the_cache_takes_away_what_it_keeps_only(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=0)
    store.keep("ab" * 32, b"a simulation")
    mine = ["ab/mine.simulation", "ab/.mine.simulation.1.partial", "xy/cafe.simulation", "limit"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("my own")
    assert store.trim() == 1
    assert store.clear() == 0
    with pytest.raises(InputError):
        store.limited(5)
    assert contents(tmp_path) == dict.fromkeys(mine, b"my own")


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '{"a": 1}\n{"b', '{"op_code":0,"worker_id":"x","study_name":"other"}\n', "notes"]
)
def test_a_search_goes_on_with_a_journal_of_its_own_only(tmp_path: Path, text: str) -> None:
    """The last line is cut where a kill has torn it, and a file of somebody else may end without a newline."""
    path = tmp_path / "journal"
    path.write_text(text)
    with pytest.raises(InputError, match="no line of a search's journal"):
        ready_to_go_on(path, resume=True)
    assert path.read_text() == text


def test_the_lock_of_a_search_is_no_file_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text('{"op_code":0,"worker_id":"x","study_name":"coldaisle"}\n')
    (tmp_path / "journal.lock").write_text("mine")
    with pytest.raises(InputError, match="lock"):
        ready_to_go_on(path, resume=True)


def test_folders_are_taken_away_name_by_name(tmp_path: Path) -> None:
    (tmp_path / "at" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("at/known", "at/deep/known", "at/deep/mine", "elsewhere/known"):
        (tmp_path / name).write_text("x")
    (tmp_path / "at" / "link").symlink_to(tmp_path / "elsewhere")
    known: Callable[[str], bool] = lambda name: name.endswith("known")  # noqa: E731
    atomic.take_away(tmp_path / "at", known)
    assert set(contents(tmp_path)) == {"at/deep/mine", "elsewhere/known"}


def test_no_writer_takes_trees_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finished: Results) -> None:
    def never(*_: Any, **__: Any) -> None:
        pytest.fail("a tree was taken away")

    monkeypatch.setattr(shutil, "rmtree", never)
    for _ in range(2):
        write(finished, tmp_path / "out")
