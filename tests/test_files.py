"""A run's folder appears whole or not at all, holds the same bytes for the same seed, and is read back with care."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.results.files import MANIFEST, read, to_yaml, write
from sim.running.run import run_loaded
from tests.commands import COLDAISLE, as_process, coldaisle
from tests.repeats import repeats
from tests.small import small

FILES = {"summary.json", "ledger.parquet", "jobs.parquet", "requests.parquet", "scenario.yaml", "manifest.json"}


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A folder with the small scenario in it."""
    (tmp_path / "s.yaml").write_text(to_yaml(small()))
    return tmp_path


def test_same_seed_same_bytes(scenario: Path) -> None:
    for out in ("a", "b"):
        assert as_process("run", "s.yaml", "--out", out, "--quiet", cwd=scenario).returncode == 0
    assert {path.name for path in (scenario / "a").iterdir()} == FILES
    for name in FILES - {"manifest.json"}:
        assert (scenario / "a" / name).read_bytes() == (scenario / "b" / name).read_bytes(), name
    manifests = [json.loads((scenario / out / MANIFEST).read_text()) for out in ("a", "b")]
    for manifest in manifests:
        assert manifest.pop("wall_s") > 0
        assert manifest.pop("peak_memory_bytes") > 0
    assert manifests[0] == manifests[1]
    coldaisle("run", "s.yaml", "--out", "c", "--seed", "2", "--quiet", cwd=scenario)
    assert (scenario / "a" / "requests.parquet").read_bytes() != (scenario / "c" / "requests.parquet").read_bytes()
    coldaisle("run", "s.yaml", "--out", "d", "--seed", "0", "--quiet", cwd=scenario)  # 0 is a seed like another
    assert (scenario / "d" / "requests.parquet").read_bytes() != (scenario / "a" / "requests.parquet").read_bytes()


def test_the_resolved_scenario_runs_to_the_same_summary(scenario: Path) -> None:
    coldaisle("run", "s.yaml", "--out", "a", "--quiet", cwd=scenario)
    done = coldaisle("run", "a/scenario.yaml", "--json", cwd=scenario)
    assert done.stdout == (scenario / "a" / "summary.json").read_text()
    assert done.stderr == ""


def test_a_run_read_back_is_the_run(scenario: Path) -> None:
    results = sim.run(scenario / "s.yaml")
    write(results, scenario / "out")
    back = read(scenario / "out")
    assert back.summary == json.loads(json.dumps(results.summary))
    assert back.scenario == results.scenario
    pd.testing.assert_frame_equal(back.ledger(), results.ledger())
    pd.testing.assert_frame_equal(back.requests(), results.requests())
    pd.testing.assert_frame_equal(back.jobs(), results.jobs())
    assert (back.energy.energy_j == results.energy.energy_j).all()


def test_account_and_compare_work_on_folders(scenario: Path) -> None:
    coldaisle("run", "s.yaml", "--out", "a", "--quiet", cwd=scenario)
    words = ("account", "a", "--set", "site.grid.intensity=800 gCO2e/kWh", "--out", "b", "--json")
    repriced = json.loads(coldaisle(*words, cwd=scenario).stdout)
    first = json.loads((scenario / "a" / "summary.json").read_text())
    assert repriced["carbon_kg"]["operational_location"] == 2 * first["carbon_kg"]["operational_location"]
    assert repriced["serving"] == first["serving"]
    assert (scenario / "a" / "ledger.parquet").read_bytes() == (scenario / "b" / "ledger.parquet").read_bytes()
    shown = coldaisle("compare", "a", "b", cwd=scenario)
    assert shown.returncode == 0
    assert "+100.0 %" in shown.stdout
    compared = json.loads(coldaisle("compare", "a", "b", "--json", cwd=scenario).stdout)
    change = compared["others"][0]["differences"]["carbon_kg.operational_location"]["change"]
    assert change == pytest.approx(first["carbon_kg"]["operational_location"], rel=1e-12)


def test_carbon_on_unlike_bases_is_told_where_runs_are_compared(scenario: Path) -> None:
    coldaisle("run", "s.yaml", "--out", "a", "--quiet", cwd=scenario)
    for region in ("FRA", "DEU", "US-IA"):
        intensity = f"site.grid.intensity={{kind: average, region: {region}}}"
        coldaisle("account", "a", "--set", intensity, "--out", region, "--quiet", cwd=scenario)
    mixed = coldaisle("compare", "FRA", "US-IA", cwd=scenario)
    assert "life-cycle (FRA) with direct (US-IA) intensities" in mixed.stderr
    for one in ("DEU", "a"):  # a constant is taken at the user's word
        assert "intensities" not in coldaisle("compare", "FRA", one, cwd=scenario).stderr


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_run_is_refused(scenario: Path, name: str) -> None:
    write(sim.run(scenario / "s.yaml"), scenario / "out")
    path = scenario / "out" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = coldaisle("account", "out", "--set", "site.facility.pue=1.3", cwd=scenario)
    assert done.returncode in (
        (2,) if name != MANIFEST else (0, 2)
    )  # a manifest may change in a way that says the same
    assert "Traceback" not in done.stderr
    path.unlink()
    done = coldaisle("account", "out", "--set", "site.facility.pue=1.3", cwd=scenario)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_out_never_overwrites_anything_but_a_run(scenario: Path) -> None:
    (scenario / "mine").mkdir()
    (scenario / "mine" / "thesis.txt").write_text("years of work")
    (scenario / "file").write_text("x")
    (scenario / "web").mkdir()
    (scenario / "web" / "manifest.json").write_text('{"name": "webapp"}')  # others write manifests too
    write(sim.run(small()), scenario / "noted")
    (scenario / "noted" / "notes.txt").write_text("mine")
    for out in ("mine", "file", "file/out", "web", "noted", "x" * 300, "a\tb/" * 2000):
        done = coldaisle("run", "s.yaml", "--out", out, cwd=scenario)
        assert done.returncode == 2, out
        assert "Traceback" not in done.stderr
    assert (scenario / "mine" / "thesis.txt").read_text() == "years of work"
    assert (scenario / "web" / "manifest.json").read_text() == '{"name": "webapp"}'
    assert (scenario / "noted" / "notes.txt").read_text() == "mine"
    for seed in ("1", "2"):  # an earlier run is replaced
        assert coldaisle("run", "s.yaml", "--out", "new/deep/run", "--seed", seed, cwd=scenario).returncode == 0
    assert json.loads((scenario / "new/deep/run" / MANIFEST).read_text())["seed"] == 2


def test_a_full_disk_leaves_nothing(scenario: Path) -> None:
    """A limit on file size stands in for the full disk: the same failing write, without filling the machine's."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    before = sorted(path.name for path in scenario.iterdir())
    words = [COLDAISLE, "run", "s.yaml", "--quiet", "--out", "deep/out"]
    done = subprocess.run(words, cwd=scenario, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1
    assert "nothing was written" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in scenario.iterdir()) == before


def _whole_or_absent(folder: Path) -> bool:
    if not folder.exists():
        return False
    assert {path.name for path in folder.iterdir()} == FILES
    read(folder)
    return True


def survives(scenario: Path, number: int, *, moments: int) -> None:
    """A command killed at so many moments of chance, and run to its end at last."""
    command = [COLDAISLE, "run", "s.yaml", "--quiet", "--out", "out"]
    began = time.monotonic()
    subprocess.run(command, cwd=scenario, check=True)
    whole_s = time.monotonic() - began
    chance = random.Random(7)
    for _ in range(moments):
        process = subprocess.Popen(command, cwd=scenario, stderr=subprocess.DEVNULL)
        time.sleep(whole_s * chance.uniform(0.5, 1.05))
        process.send_signal(number)
        status = process.wait()
        assert status in (0, 130, -number)
        _whole_or_absent(scenario / "out")
        if number == signal.SIGTERM and status == 130:
            assert not list(scenario.glob(".out.*"))
    subprocess.run(command, cwd=scenario, check=True)
    assert _whole_or_absent(scenario / "out")
    assert sorted(path.name for path in scenario.iterdir() if not path.name.endswith(".replaced")) == ["out", "s.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_leaves_no_half_file(scenario: Path, number: int) -> None:
    survives(scenario, number, moments=1)


@pytest.mark.proof
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_at_any_moment_leaves_no_half_file(scenario: Path, number: int) -> None:
    survives(scenario, number, moments=repeats(5, nightly=25))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("then", ["return done", "raise InputError.one('s.yaml', 'is no mapping')", "1 / 0"])
def test_an_interrupt_that_python_drops_still_ends_the_command(scenario: Path, number: int, then: str) -> None:
    """Whatever comes of a finalizer or a callback that an interrupt cut short is neither kept nor believed."""
    code = f"""
import os, sys
import sim.cli.command, sim.running.run
from sim.errors import InputError
run = sim.running.run.run_loaded
class Closing:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})
def dropping(loaded, watch):
    done = run(loaded, watch)
    Closing()
    {then}
sim.running.run.run_loaded = dropping
sys.argv[1:] = ["run", "s.yaml", "--out", "out"]
sim.cli.main()
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=scenario, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.endswith("\ncoldaisle: interrupted\n")
    assert done.stdout == ""
    assert not (scenario / "out").exists()


def test_an_ignored_interrupt_stays_ignored(scenario: Path) -> None:
    """A shell starts what it puts in the background with Ctrl-C ignored."""
    code = (
        "import os, signal, sys, sim.cli.command\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sim.cli.command.app = lambda **_: os.kill(os.getpid(), signal.SIGINT)\n"
        "sim.cli.main()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=scenario, check=False).returncode == 0


def test_a_write_killed_outright_is_swept_by_the_next(scenario: Path) -> None:
    """Kill -9 once every file is staged: nothing under the name asked for, and the next run clears the rest."""
    code = (
        "import os, signal, sim.results.files as f, sim, pathlib\n"
        "pathlib.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "f.write(sim.run('s.yaml'), pathlib.Path('out'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=scenario, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (scenario / "out").exists()
    assert len(list(scenario.glob(".out.*.partial"))) == 1
    write(sim.run(scenario / "s.yaml"), scenario / "out")
    assert not list(scenario.glob(".out.*"))


@pytest.mark.parametrize("failing", ["partial", "out"])
def test_an_interrupt_while_a_run_is_replaced_keeps_the_old_one(
    scenario: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between the two renames: the earlier run is back in its place, and nothing lies about."""
    results = sim.run(scenario / "s.yaml")
    write(results, scenario / "out")
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name.endswith(failing):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(sim.run(scenario / "s.yaml", seed=9), scenario / "out")
    monkeypatch.undo()
    assert read(scenario / "out").manifest["seed"] == 1
    assert sorted(path.name for path in scenario.iterdir()) == ["out", "s.yaml"]


def test_a_kill_between_the_two_renames_is_mended_by_the_next_run(scenario: Path) -> None:
    write(sim.run(scenario / "s.yaml"), scenario / "out")
    code = (
        "import os, signal, sim.results.files as f, sim, pathlib\n"
        "rename = pathlib.Path.rename\n"
        "def once(self, target):\n"
        "    if self.name.endswith('.partial'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return rename(self, target)\n"
        "pathlib.Path.rename = once\n"
        "f.write(sim.run('s.yaml', seed=9), pathlib.Path('out'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=scenario, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (scenario / "out").exists()
    assert len(list(scenario.glob(".out.*.replaced"))) == 1  # the earlier run, whole
    write(sim.run(scenario / "s.yaml", seed=2), scenario / "out")
    assert read(scenario / "out").manifest["seed"] == 2
    assert not list(scenario.glob(".out.*"))


def test_the_folder_one_stands_in_takes_a_run(scenario: Path) -> None:
    (scenario / "here").mkdir()
    for seed in ("1", "2"):
        done = coldaisle("run", "../s.yaml", "--quiet", "--seed", seed, "--out", ".", cwd=scenario / "here")
        assert done.returncode == 0, done.stderr
    assert {path.name for path in (scenario / "here").iterdir()} == FILES
    assert read(scenario / "here").manifest["seed"] == 2
    assert sorted(path.name for path in scenario.iterdir()) == ["here", "s.yaml"]


def test_nothing_is_printed_or_written_without_being_asked(scenario: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(scenario.iterdir())
    sim.run(scenario / "s.yaml")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert sorted(scenario.iterdir()) == before


def test_a_piece_of_the_tables_may_be_enough_for_the_reader(scenario: Path) -> None:
    done = subprocess.run(
        f"{COLDAISLE} run s.yaml | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=scenario,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_unreadable_results_name_the_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        read(tmp_path)


def test_requests_are_kept_only_when_asked_for() -> None:
    data: dict[str, Any] = small()
    data["outputs"] = {"requests": {"sample": 100}}
    assert len(sim.run(data).requests()) == 100
    data["outputs"] = {}
    with pytest.raises(KeyError, match="ask for them"):
        sim.run(data).requests()


def test_a_scenario_run_again_reads_its_series_again(tmp_path: Path) -> None:
    """What a manifest says was read must be what was: it hashes input files when the run ends."""
    world = small()
    world["site"]["grid"]["intensity"] = {"kind": "series", "file": "grid.csv", "unit": "1 gCO2e/kWh"}
    (tmp_path / "world.yaml").write_text(to_yaml(world))
    hours = [f"2022-07-04T{hour:02}:00Z" for hour in range(24)] + ["2022-07-05T00:00Z"]

    def written(intensity: int) -> None:
        rows = "".join(f"{hour},{intensity}\n" for hour in hours)
        (tmp_path / "grid.csv").write_text(f"datetime_utc,carbon_intensity\n{rows}")

    written(100)
    loaded = load_scenario(tmp_path / "world.yaml")
    before = run_loaded(loaded)
    written(200)
    after = run_loaded(loaded)
    carbon = [run.summary["carbon_kg"]["operational_location"] for run in (before, after)]
    assert carbon[1] == pytest.approx(2 * carbon[0], rel=1e-12)  # rounding of the sums alone
    assert before.manifest["inputs_sha256"] != after.manifest["inputs_sha256"]
