"""Ends what does not end by itself: limits on time and memory around one case, and what came of it as an outcome."""

from __future__ import annotations

import resource
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn

from sim.errors import InputError, RunError

LONGEST_S = 20
"""At work, so that a busy machine makes nothing slow."""
WAITING_S = 120
"""On the clock, for what waits and does nothing."""
MOST_BYTES = 1 << 30
"""How much the address space may grow in one case."""
_PAGE = resource.getpagesize()

End = Literal["refused", "accepted", "failed", "nonsense", "memory", "slow", "crashed"]
BAD: tuple[End, ...] = ("failed", "nonsense", "memory", "slow", "crashed")


class NonsenseError(Exception):
    """Something was accepted that cannot be."""


class TooSlowError(BaseException):
    """Raised where a case is after its time; nothing that catches errors catches it."""


@dataclass(frozen=True)
class Outcome:
    """How a case ended. Failures alike have one ``fingerprint``: the error and the functions it came through."""

    end: End
    fingerprint: str = ""
    details: str = ""


def attempt(case: Callable[[], object], *, limit_memory: bool, may_end_in_run_error: bool = False) -> Outcome:
    """Runs ``case`` under the limits."""
    try:
        with warnings.catch_warnings(), _in_time(), _in_memory(limit_memory):
            warnings.simplefilter("error")
            case()
    except InputError:
        return Outcome("refused")
    except RunError as error:
        return Outcome("refused") if may_end_in_run_error else _failure("failed", error)
    except TooSlowError as error:
        return _failure("slow", error)
    except MemoryError as error:
        return _failure("memory", error)
    except NonsenseError as error:
        return _failure("nonsense", error)
    except Exception as error:  # what a user would see as an internal error
        return _failure("failed", error)
    return Outcome("accepted")


def _failure(end: End, error: BaseException) -> Outcome:
    ours = [
        f"{Path(frame.filename).name}:{frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/sim/" in frame.filename and "site-packages" not in frame.filename
    ]
    said = str(error).split("\n")[0][:60] if isinstance(error, NonsenseError | Warning) else ""
    return Outcome(
        end,
        f"{type(error).__name__} {said} {' > '.join(ours[-3:])}".replace("  ", " "),
        "".join(traceback.format_exception(error))[-6000:],
    )


@contextmanager
def _in_time() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TooSlowError(f"worked for more than {LONGEST_S} s, or waited for {WAITING_S} s")

    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
    signal.setitimer(signal.ITIMER_REAL, WAITING_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _in_memory(limited: bool) -> Iterator[None]:
    if not limited or not sys.platform.startswith("linux"):
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * _PAGE + MOST_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
