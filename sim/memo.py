"""Functions that remember what they said last, for callers who ask the same over and over.

Of ``last_kept``, arguments are the same if they are the very same objects: nothing is compared or hashed, so it suits
large values that nobody changes (a ledger, a checked section of a scenario). Of ``kept_while_unchanged``, a file is.
"""

from __future__ import annotations

import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def last_kept(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, which must be pure and take its arguments by position; an error is not remembered.

    Until it is asked for others, it holds the result, and weakly the arguments that allow it: what is large can go.
    """
    held: list[tuple[list[Callable[[Any], bool]], R]] = []

    @wraps(function)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            raise TypeError(f"{function.__name__} takes its arguments by position")
        for known, result in held[-1:]:  # a copy: another thread may be replacing it
            if len(known) == len(args) and all(one(arg) for one, arg in zip(known, args, strict=True)):
                return result
        result = function(*args, **kwargs)
        held[:] = [([_same_as(arg) for arg in args], result)]
        return result

    return remembering


TICK_NS = 20_000_000
"""Two changes of a file within it may bear one time: Linux before 6.13 tells times by its ticks, 4 to 10 ms apart."""
OfPath = Callable[Concatenate[Path, P], R]


def kept_while_unchanged(*, most: int) -> Callable[[OfPath[P, R]], OfPath[P, R]]:
    """For functions that read the file at a path, and are asked for the same file over and over.

    What the last ``most`` calls gave stays, each as long as its file has the size and the time of change it had; nobody
    may change it. An error is not remembered, nor what was read within ``TICK_NS`` of a change. Arguments beside the
    path must be hashable.
    """

    def keeping(read: OfPath[P, R]) -> OfPath[P, R]:
        known: OrderedDict[Hashable, R] = OrderedDict()
        asked_of = signature(read)

        @wraps(read)
        def remembering(path: Path, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                state = path.stat()
            except (OSError, ValueError):  # the reader says it in its own words
                return read(path, *args, **kwargs)
            bound = asked_of.bind(path, *args, **kwargs)
            bound.apply_defaults()  # who leaves an argument away asks for the same as who writes its default
            file = (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size)
            asked = (file, tuple(bound.arguments.items()))
            if asked in known:
                known.move_to_end(asked)
                return known[asked]
            settled = time.time_ns() - state.st_mtime_ns > TICK_NS
            result = read(path, *args, **kwargs)
            if settled:
                known[asked] = result
            while len(known) > most:
                known.popitem(last=False)
            return result

        return remembering

    return keeping


def _same_as(value: Any) -> Callable[[Any], bool]:
    """Whether another is the very same, as long as that is held by anybody; what is gone is like no other."""
    try:
        held = weakref.ref(value)
    except TypeError:
        return lambda other: other is value
    return lambda other: other is not None and held() is other
