"""A study told again: what it writes and prints is what a run would, and nothing that could change it is missed.

The twin is the command with ``COLDAISLE_ANEW``, which runs every study. Whether a process ran one shows in what it has
loaded: no scenario is read without ``sim.loading``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.study import sources
from sim.study.store import Store
from sim.study.sweep import again as telling
from sim.study.sweep.again import ANEW, Again
from sim.study.sweep.followed import Followed

ROOT = Path(__file__).resolve().parent.parent
COMMAND = """
import sys
from sim.cli import main
try:
    main()
finally:
    print("ran" if "sim.loading.scenario" in sys.modules else "told", file=sys.stderr)
"""
STUDY = "name: pues\nbase: base.yaml\naxes: {site.facility.pue: [1.1, 1.2, 1.2, 1.3]}\n"
GRID = "{kind: month-hours, file: grid.csv, column: west, unit: 1 gCO2e/kWh}"
BASE = f"extends: before.yaml\nname: mine\nprofiles: profiles\nsite: {{grid: {{intensity: {GRID}}}}}\n"
OUR_OWN = ("study.yaml", "base.yaml", "before.yaml", "grid-2020.csv", "profiles/gpus/nvidia-a100-sxm-80gb.yaml")


def lay_out(folder: Path) -> None:
    """A study of files that name each other: what is extended, a profile that hides a shipped one, a linked table."""
    (folder / "profiles" / "gpus").mkdir(parents=True)
    shutil.copy(ROOT / "hardware_profiles" / "gpus" / "nvidia-a100-sxm-80gb.yaml", folder / "profiles" / "gpus")
    shutil.copy(ROOT / "scenarios" / "data" / "opposite_grids.csv", folder / "grid-2020.csv")
    shutil.copy(folder / "grid-2020.csv", folder / "grid-2021.csv")
    (folder / "grid.csv").symlink_to("grid-2020.csv")
    (folder / "study.yaml").write_text(STUDY)
    (folder / "base.yaml").write_text(BASE)
    (folder / "before.yaml").write_text("extends: bloom-training-physical\n")
    (folder / "empty").mkdir()
    for path in folder.rglob("*"):  # they were not written while the study was read
        os.utime(path, (1, 1), follow_symlinks=False)


def swept(folder: Path, out: str, *more: str, study: str = "study.yaml", **variables: str) -> tuple[str, str, str, int]:
    """Whether it was ``told`` or ``ran``, and what it wrote to either stream, and its status."""
    words = [sys.executable, "-c", COMMAND, "sweep", study, "--out", out, "--cache", "kept", *more]
    done = subprocess.run(words, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False)
    *said, how = done.stderr.splitlines()
    return how, done.stdout, "\n".join(said).replace(out, "OUT"), done.returncode


def left(folder: Path) -> dict[str, Any]:
    """Every file that a study left, but for the seconds that it took."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "session.json":
            found[path.name] = {**json.loads(path.read_bytes()), "seconds": 0.0}
        else:
            found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else None
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study was run once."""
    folder = tmp_path_factory.mktemp("again")
    lay_out(folder)
    how, _, said, status = swept(folder, "first")
    assert (how, status) == ("ran", 0), said
    return folder


@pytest.fixture
def asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Again]]:
    """What asks for the study again within this process, for which nothing but its modules' path is another's."""
    monkeypatch.chdir(home)
    monkeypatch.setattr(telling, "surroundings", lambda: _record(home)["surroundings"])
    yield lambda: Again("study.yaml", home / "again", _store(home))
    shutil.rmtree(home / "again", ignore_errors=True)


def _store(home: Path) -> Store:
    return Store(home / "kept" / "simulations")


def _record(home: Path) -> dict[str, Any]:
    (path,) = _store(home).answers()
    found: dict[str, Any] = json.loads(path.read_bytes().split(b"\n")[1])
    return found


def test_what_is_told_again_is_what_a_run_gives(home: Path) -> None:
    """Streams, status and every file, in a new folder, over an old one, and over one that was tampered with."""
    ran = swept(home, "anew", **{ANEW: "1"})
    told = swept(home, "told")
    assert (ran[0], told[0]) == ("ran", "told")
    assert told[1:] == ran[1:]
    assert left(home / "told") == left(home / "anew")
    (part,) = (home / "told" / "points").iterdir()
    part.write_bytes(b"tampered")
    (home / "told" / "session.json").unlink()
    assert swept(home, "told") == told
    assert left(home / "told") == left(home / "anew")
    part.unlink()
    assert swept(home, "told", "--quiet")[:2] == ("told", "")
    assert left(home / "told") == left(home / "anew")


def test_as_json_too(home: Path) -> None:
    ran, told = swept(home, "anew", "--json", **{ANEW: "1"}), swept(home, "told", "--json")
    assert (ran[0], told[0]) == ("ran", "told")
    first, second = json.loads(ran[1]), json.loads(told[1])
    first["session"]["seconds"] = second["session"]["seconds"] = 0.0
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("more", [["--no-cache"], ["--resume"]])
def test_other_ways_of_asking_run_it(home: Path, more: list[str]) -> None:
    words = [sys.executable, "-c", COMMAND, "sweep", "study.yaml", "--out", "other", *more]
    words += [] if more == ["--no-cache"] else ["--cache", "kept"]
    done = subprocess.run(words, cwd=home, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "ran"


Change = Callable[[Path], None]


def _edit(name: str) -> Change:
    def edit(home: Path) -> None:
        path = home / name
        state = path.stat()
        path.write_bytes(path.read_bytes() + b"# more\n")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # its time tells nothing

    return edit


def _same_size(home: Path) -> None:
    path = home / "study.yaml"
    path.write_text(STUDY.replace("1.3", "1.4"))


def _shadow(home: Path) -> None:
    (home / "profiles" / "deeper").mkdir()
    shutil.copy(ROOT / "hardware_profiles" / "gpus" / "nvidia-h100-sxm-80gb.yaml", home / "profiles" / "deeper")


def _turn(home: Path) -> None:
    """The same bytes under another name: the table that is read is another file, which may change by itself."""
    (home / "grid.csv").unlink()
    (home / "grid.csv").symlink_to("grid-2021.csv")


def _simulation(home: Path) -> Path:
    (path,) = _store(home).entries()
    return path


CHANGES: dict[str, Change] = {
    **{f"{name} is edited": _edit(name) for name in OUR_OWN},
    "the study says another number": _same_size,
    "a profile appears": _shadow,
    "a profile goes": lambda home: (home / "profiles/gpus/nvidia-a100-sxm-80gb.yaml").unlink(),
    "a table goes": lambda home: (home / "grid-2020.csv").unlink(),
    "a link leads elsewhere": _turn,
    "a file hides the shipped scenario": lambda home: (home / "bloom-training-physical").write_text("name: x\n"),
    "a file becomes a folder": lambda home: ((home / "before.yaml").unlink(), (home / "before.yaml").mkdir())[0],
    "the simulation goes": lambda home: _simulation(home).unlink(),
    "the simulation is damaged": lambda home: _simulation(home).write_bytes(b"damaged"),
    "what was kept is damaged": lambda home: _edit(str(next(_store(home).answers()).relative_to(home)))(home),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_kind_of_change_is_seen(home: Path, asked: Callable[[], Again], tmp_path: Path, what: str) -> None:
    """And where it is undone, the study is told as before: it was this that was seen."""
    before = tmp_path / "before"
    shutil.copytree(home, before, symlinks=True)
    assert asked().told() is not None
    ask = asked()
    CHANGES[what](home)
    assert ask.told() is None
    assert not (home / "again" / ".progress").exists()
    for path in home.iterdir():
        path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
    shutil.copytree(before, home, symlinks=True, dirs_exist_ok=True)
    assert asked().told() is not None


@settings(max_examples=100)
@given(data=st.data())
def test_any_byte_of_any_file_counts(home: Path, data: st.DataObject) -> None:
    """Of what this study read, shipped profiles and scenarios included, by copies that the record is led to."""
    record = _record(home)["followed"]
    name = data.draw(st.sampled_from(sorted(record["files"])))
    content = Path(name).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(1, 255))
    copy = home / "copy"
    leads = {str(copy): f"file {copy.resolve()}"}
    copy.write_bytes(content)
    try:
        followed = Followed({str(copy): record["files"][name]}, {}, leads)
        assert followed.holds()
        copy.write_bytes(content[:at] + bytes([content[at] ^ other]) + content[at + 1 :])
        assert not followed.holds()
    finally:
        copy.unlink()


def test_every_file_that_decides_it_is_known(home: Path) -> None:
    files = {Path(name).resolve() for name in _record(home)["followed"]["files"]}
    assert files >= {(home / name).resolve() for name in OUR_OWN}
    assert files >= {
        path.resolve() for path in (ROOT / "hardware_profiles").rglob("*.yaml") if path.stem != "nvidia-a100-sxm-80gb"
    }
    assert ROOT / "scenarios" / "bloom-training-physical.yaml" in files


def test_another_study_or_a_stranger_in_the_folder_is_refused_as_by_a_run(
    home: Path, asked: Callable[[], Again]
) -> None:
    again = home / "again"
    again.mkdir()
    (again / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match=r"holds 'letter\.txt', which no study wrote"):
        asked().told()
    assert [path.name for path in again.iterdir()] == ["letter.txt"]


def test_what_is_installed_and_what_the_package_is_made_of_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, site = tmp_path / "sim", tmp_path / "site"
    (package / "deep").mkdir(parents=True)
    (package / "deep" / "a.py").write_text("A = 1\n")
    (site / "other-1.0.dist-info").mkdir(parents=True)
    monkeypatch.setattr(sources, "PACKAGE", package)
    monkeypatch.setattr(sys, "path", [str(site)])
    seen = [sources.surroundings()]
    assert sources.surroundings() == seen[0]

    def changed() -> bool:
        seen.append(sources.surroundings())
        return len({*seen}) == len(seen)

    (package / "deep" / "a.py").write_text("A = 2\n")
    assert changed()
    (package / "b.py").write_text("")
    assert changed()
    (site / "kinds-1.0.dist-info").mkdir()
    assert changed()
    (site / "kinds-1.0.dist-info" / "entry_points.txt").write_text("[coldaisle.kinds]\n")
    assert changed()
    (site / "other-1.0.dist-info").rename(site / "other-1.1.dist-info")
    assert changed()
    monkeypatch.setenv("COLDAISLE_CACHE", "elsewhere")
    assert changed()
    monkeypatch.setattr(sys, "version", "4.0")
    assert changed()


@pytest.mark.parametrize(
    ("why", "more"),
    [
        ("limits", "limits: {time: 10 min}\n"),
        ("uncertain", "set: {uncertainty: {draws: 20, over: {site.facility.pue: {kind: normal, cv: 0.05}}}}\n"),
        ("failed", "on_bad_points: row\n"),
    ],
)
def test_what_may_come_out_otherwise_is_run_each_time(tmp_path: Path, why: str, more: str) -> None:
    del why
    lay_out(tmp_path)
    text = STUDY.replace("1.3", "-1") if "row" in more else STUDY
    text = (
        text.replace("site.facility.pue", "site.grid.intensity").replace("1.1", "60 g/kWh") if "uncer" in more else text
    )
    (tmp_path / "study.yaml").write_text(text + more)
    os.utime(tmp_path / "study.yaml", (1, 1))
    _, _, said, status = swept(tmp_path, "first")
    assert (tmp_path / "first" / "study.json").is_file() and status == 0, said
    assert not list(Store(tmp_path / "kept" / "simulations").answers())


def test_what_changes_while_it_is_read_is_not_kept(home: Path) -> None:
    """A file that is younger than the question may have been read before it changed."""
    hearing = telling.Hearing()
    (home / "study.yaml").read_bytes()
    hearing.end()
    own = (home / "nowhere",)
    began = (home / "study.yaml").stat().st_ctime_ns
    assert Followed.of(hearing, (), own, began + 10**9) is not None
    assert Followed.of(hearing, (), own, began) is None
    assert Followed.of(hearing, [str(home / "nowhere" / "in")], own, began + 10**9) is None


def test_the_cache_counts_and_clears_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    name = "ab" * 32
    store.keep_answer(name, b"rest")
    assert store.read_answer(name) is not None
    assert store.size() == store.answer(name).stat().st_size
    assert store.clear() == 0
    assert store.read_answer(name) is None
    store.keep_answer(name, b"rest")
    assert Store(tmp_path, 0).trim() == 1
