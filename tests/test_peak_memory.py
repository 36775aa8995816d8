"""A process tells its own memory, not that of who began it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sim.running import peak_memory
from sim.running.peak_memory import peak_bytes

MEBIBYTE = 1 << 20
HELD = 256 * MEBIBYTE


def test_what_is_held_is_counted_and_stays_counted() -> None:
    before = peak_bytes()
    held = b"\x01" * (before + HELD)  # more than any test before it can have had at once beside what stays
    assert peak_bytes() > len(held)
    del held
    assert peak_bytes() > before + HELD


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system tells what it tells")
def test_who_began_it_is_not_counted() -> None:
    held = b"\x01" * HELD
    code = "import sys; from sim.running.peak_memory import peak_bytes; print(peak_bytes())"
    begun = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(begun.stdout) < len(held)


def test_without_such_a_file_the_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_memory, "STATUS", tmp_path / "status")
    assert peak_bytes() > MEBIBYTE
