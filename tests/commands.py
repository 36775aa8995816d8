"""The command as a user would run it: within this process, which costs no start, or as a process of its own."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from sim.cli import main

COLDAISLE = str(Path(sys.executable).with_name("coldaisle"))


def coldaisle(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What its ``main`` writes and ends with, in ``cwd``; whatever it does not catch fails the test."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    status: object = 0
    collected = gc.get_threshold()
    try:
        with patch.object(sys, "argv", [COLDAISLE, *words]), chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as error:
        status = error.code
    finally:
        gc.set_threshold(*collected)
    assert isinstance(status, int)
    written = (stream.buffer.getvalue().decode("utf-8") for stream in (out, err))
    return subprocess.CompletedProcess(list(words), status, *written)


def as_process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same from a shell's point of view: start, modules that are loaded, seeds of hashes, and all."""
    return subprocess.run([COLDAISLE, *words], cwd=cwd, capture_output=True, text=True, check=False)
