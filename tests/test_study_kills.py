"""The whole command, killed outright at any moment and resumed; and a Dask worker, killed at its work."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sim.cli import main
from sim.errors import InputError
from sim.results.files import to_yaml
from sim.study.sweep.finished import Progress
from sim.study.sweep.folder import clear, held_alone
from sim.study.sweep.run import Interrupted
from tests.repeats import repeats
from tests.test_study import contents, quick

fcntl = pytest.importorskip("fcntl")
COMMAND = [sys.executable, "-c", "from sim.cli import main; main()"]


def written(folder: Path, rates: int) -> Path:
    """A study of ``rates`` simulations, priced under two grids each, of some tens of milliseconds."""
    axes = {
        "workloads.api.arrivals.rate": [f"{2 + i / 100} /s" for i in range(rates)],
        "site.grid.intensity": ["50 gCO2e/kWh", "400 gCO2e/kWh"],
    }
    path = folder / "study.yaml"
    path.write_text(to_yaml({"name": "killed", "base": quick(), "axes": axes}))
    return path


def command(study: Path, out: Path, *more: str) -> list[str]:
    return [*COMMAND, "sweep", str(study), "--out", str(out), "--quiet", "--no-cache", *more]


def finish(study: Path, out: Path, *more: str) -> None:
    resume = ["--resume"] if out.exists() else []
    subprocess.run(command(study, out, *resume, *more), check=True, capture_output=True, text=True, timeout=300)


def killed_after(seconds: float, arguments: list[str], number: int = signal.SIGKILL) -> tuple[int, str]:
    """Ends the command after so long; its status and what it said."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            _, said = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.send_signal(number)
            _, said = running.communicate(timeout=60)
    return running.returncode, said


def survives_kills(tmp_path: Path, *, rates: int, moments: int, seed: int) -> None:
    study = written(tmp_path, rates)
    began = time.monotonic()
    finish(study, tmp_path / "reference")
    took = time.monotonic() - began
    expected = contents(tmp_path / "reference")
    rng = random.Random(seed)
    out = tmp_path / "out"
    for _ in range(moments):
        resume = ["--resume"] if out.exists() else []
        killed_after(rng.uniform(0.0, took), command(study, out, *resume))
        if (out / "study.json").exists() and not (out / ".progress").exists():
            assert contents(out) == expected
            shutil.rmtree(out)
    finish(study, out)
    assert contents(out) == expected


def test_a_command_killed_outright_goes_on_where_it_was(tmp_path: Path) -> None:
    survives_kills(tmp_path, rates=3, moments=1, seed=1)


@pytest.mark.proof
def test_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    survives_kills(tmp_path, rates=20, moments=repeats(8, nightly=40), seed=2)


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    study, out = written(tmp_path, 200), tmp_path / "out"
    with subprocess.Popen(command(study, out), stderr=subprocess.PIPE, text=True) as running:
        journal = out / ".progress" / "journal"
        while running.poll() is None and not (journal.is_file() and journal.stat().st_size > 10_000):
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    kept = re.search(r"([\d,]+) of 400 points are done and kept", said)
    assert kept is not None
    assert 0 < int(kept[1]) < 400
    assert "--resume" in said


def test_an_interrupt_that_somebody_drops_still_ends_the_study(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Python drops what is raised in a finalizer or a callback; the next point hears of it."""

    def swept(*_: Any, watch: Callable[[Progress], None], **__: Any) -> None:
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5.0)
        try:
            watch(Progress(points=7, done=3))
        except KeyboardInterrupt:
            raise Interrupted(Progress(points=7, done=3)) from None

    monkeypatch.setattr("sim.study.sweep.run.sweep", swept)
    before = signal.getsignal(signal.SIGINT)
    words = ["coldaisle", "sweep", "lifetime-and-utilisation", "--out", str(tmp_path / "out"), "--quiet"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert "3 of 7 points are done and kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_command_is_refused_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    study, out = written(tmp_path, 200), tmp_path / "out"
    journal = out / ".progress" / "journal"
    with subprocess.Popen(command(study, out), stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not (journal.is_file() and journal.stat().st_size > 10_000):
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGSTOP)  # at work, however long the second takes to start
        code, said = killed_after(60.0, command(study, out))
        assert code == 2
        assert f"another coldaisle (process {running.pid} on " in said
        running.kill()
    before = journal.read_bytes()
    code, said = killed_after(60.0, command(study, out))
    assert code == 2
    assert "--resume goes on with it" in said
    assert journal.read_bytes() == before
    with held_alone(out / ".progress"):
        pass


def test_a_lock_that_was_cleared_away_is_worth_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who locks a file in the moment in which its holder finishes and clears up must lock the next one instead."""
    at_work = tmp_path / "out" / ".progress"
    took: list[int] = []

    def late(file: Any, how: int) -> None:
        if not took:
            clear(at_work)
        took.append(how)
        lock(file, how)

    lock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", late)
    with held_alone(at_work):
        monkeypatch.undo()
        assert len(took) == 2
        with pytest.raises(InputError, match="at work"), held_alone(at_work):
            pass


def test_a_disk_without_locks_stops_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some shared disks of clusters refuse every lock: that is not another command at work."""

    def refused(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with held_alone(tmp_path / ".progress"):
        assert (tmp_path / ".progress").is_dir()


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process with all that it starts, ended at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            os.killpg(running.pid, signal.SIGKILL)


def said(running: subprocess.Popen[str], pattern: str) -> str:
    """Waits until the process says something like ``pattern`` on its standard error."""
    assert running.stderr is not None
    for line in running.stderr:
        found = re.search(pattern, line)
        if found is not None:
            return found[1]
    raise AssertionError(f"ended without saying {pattern}")


@pytest.mark.slow
def test_a_dask_worker_killed_at_work_costs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    study = written(tmp_path, 60)
    finish(study, tmp_path / "reference")
    with ExitStack() as stack:
        scheduler = stack.enter_context(started("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1"))
        address = said(scheduler, r"Scheduler at:\s+(tcp://\S+)")
        one, other = (stack.enter_context(_worker(address)) for _ in range(2))
        out = tmp_path / "out"
        journal = out / ".progress" / "journal"
        running: Any = stack.enter_context(
            subprocess.Popen(command(study, out, "--dask", address), stderr=subprocess.PIPE, text=True)
        )
        while running.poll() is None and not (journal.is_file() and journal.stat().st_size > 10_000):
            time.sleep(0.02)
        assert running.poll() is None
        os.killpg(one.pid, signal.SIGKILL)
        _, error = running.communicate(timeout=300)
        assert running.returncode == 0, error
        assert other.poll() is None
    assert contents(out) == contents(tmp_path / "reference")


def _worker(address: str) -> Any:
    return started("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
