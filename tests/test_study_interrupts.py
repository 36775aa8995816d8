"""Ctrl-C while processes of work start: what a terminal sends to all of them leaves no traceback and no process."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sim.study.processes import Processes

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_amid_a_submission_waits_until_it_is_through(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a process would be left that nobody knows, and would start when all it needs is gone."""

    def hear(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    through = []

    def submit(*_given: Any) -> Future[int]:
        signal.raise_signal(number)
        through.append(True)
        return Future()

    before = signal.signal(number, hear)
    processes = Processes(1)
    try:
        monkeypatch.setattr(processes._pool, "submit", submit)
        with pytest.raises(KeyboardInterrupt):
            processes.submit(abs, -1)
        assert through
        assert signal.getsignal(number) is hear
    finally:
        signal.signal(number, before)
        processes.close()


@NEEDS_PROC
def test_what_processes_start_from_never_hears_ctrl_c() -> None:
    """While it loads it would answer with a traceback; whoever starts it hears as before."""
    code = """
import signal
from multiprocessing import forkserver
from pathlib import Path
from sim.study.processes import get_ready
def blocked(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("SigBlk")).split()[1], 16) >> (signal.SIGINT - 1) & 1
get_ready()
print(blocked(forkserver._forkserver._forkserver_pid), blocked("self"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 0\n"
