"""Works timed in turns: each is done in full, and one that fails says so and leaves nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from benchmarks.slices import timed

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="stops process groups")


@contextmanager
def counting(file: Path, to: int) -> Iterator[Callable[[], None]]:
    """A work that takes down the time of each of its steps."""

    def work() -> None:
        with file.open("a") as lines:
            for _ in range(to):
                time.sleep(0.01)
                lines.write(f"{time.monotonic_ns()} {os.getpid()}\n")
                lines.flush()

    yield work


@contextmanager
def failing() -> Iterator[Callable[[], None]]:
    def work() -> None:
        raise SystemExit(3)

    yield work


def steps(file: Path) -> list[int]:
    return [int(line.split()[0]) for line in file.read_text().splitlines()]


def test_both_are_done_and_took_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.slices.SLICE_S", 0.2)
    seconds = timed({name: partial(counting, tmp_path / name, 40) for name in ("a", "b")}, {})
    a, b = steps(tmp_path / "a"), steps(tmp_path / "b")
    assert len(a) == len(b) == 40
    assert a[0] < b[0] < a[-1]  # neither went first in one piece
    # a stop may swallow the rest of the sleep that it falls into, and there are fewer stops than half of the steps
    assert all(taken >= 20 * 0.01 for taken in seconds.values())


def test_one_that_fails_ends_the_other(tmp_path: Path) -> None:
    with pytest.raises(EOFError):
        timed({"long": partial(counting, tmp_path / "long", 10**6), "failing": failing}, {})
    pid = int((tmp_path / "long").read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
