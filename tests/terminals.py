"""A pseudo-terminal of 80 columns, for tests of what people see and scripts do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
COMMAND = str(Path(sys.executable).with_name("coldaisle"))
PATIENCE_S = 240.0
"""After which a test gives up; no test asks how long anything takes."""


def at_terminal(
    words: Sequence[str | Path], cwd: Path, *, interrupt_at: str = "", typed: str = "", **environment: str
) -> tuple[int, str]:
    """Runs the command at a terminal: its status, and all that it showed. With ``interrupt_at``, Ctrl-C is pressed once
    that was shown; ``typed`` is typed at once."""
    ours, theirs = pty.openpty()
    known = {**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment}
    started = subprocess.Popen(
        [COMMAND, *map(str, words)],
        cwd=cwd,
        env=known,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    shown, until = "", time.monotonic() + PATIENCE_S
    pressed = not interrupt_at
    try:
        while time.monotonic() < until:
            try:
                read = os.read(ours, 65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not read:
                break
            shown += read.decode("utf-8", "replace")
            if not pressed and interrupt_at in shown:
                pressed = True
                started.send_signal(signal.SIGINT)
        return started.wait(PATIENCE_S), shown.replace("\r\n", "\n")
    finally:
        os.close(ours)
        if started.poll() is None:
            started.kill()
            started.wait()
