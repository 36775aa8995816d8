"""What is remembered is what would be worked out again: by the very same objects, or by a file as it is."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from unittest.mock import patch

import pytest

from sim.memo import TICK_NS, kept_while_unchanged, last_kept


class Thing:
    """Something that can be held weakly."""


def test_what_is_gone_is_like_no_other() -> None:
    calls = []

    @last_kept
    def told(thing: Thing | None, number: int) -> int:
        calls.append(thing)
        return number

    thing = Thing()
    assert told(thing, 1) == told(thing, 1) == 1
    assert len(calls) == 1
    calls.clear()
    del thing
    gc.collect()
    assert told(None, 1) == told(None, 1) == 1
    assert len(calls) == 1


def test_a_file_is_known_by_itself_and_an_argument_left_away_by_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    @kept_while_unchanged(most=4)
    def read(path: Path, *, skip: bool = False) -> str:
        calls.append((path, skip))
        return path.read_text()

    for name, text in (("here", "1"), ("there", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text(text)
        os.utime(tmp_path / name / "t.csv", ns=(0, 0))  # as an archive leaves them
    monkeypatch.chdir(tmp_path / "here")
    assert read(Path("t.csv")) == read(Path("t.csv"), skip=False) == "1"
    assert len(calls) == 1
    monkeypatch.chdir(tmp_path / "there")
    assert read(Path("t.csv")) == "2"
    assert read(Path("t.csv"), skip=True) == "2"
    assert len(calls) == 3


def test_what_has_just_changed_is_read_again(tmp_path: Path) -> None:
    """Within a tick of the clock a second change may bear the time of the first."""
    file, changed_ns = tmp_path / "t.csv", time.time_ns()
    read = kept_while_unchanged(most=4)(Path.read_text)
    for text in ("1", "2"):
        file.write_text(text)
        os.utime(file, ns=(changed_ns, changed_ns))
        with patch("time.time_ns", lambda: changed_ns + TICK_NS // 2):
            assert read(file) == text
