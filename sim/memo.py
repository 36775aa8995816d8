"""Pure functions that remember what they said last, for callers who ask the same of the same objects over and over.

Arguments are the same if they are the very same objects: nothing is compared or hashed, so it suits large values that
nobody changes (a ledger, a checked section of a scenario).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def last_kept(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, which must be pure and take its arguments by position; an error is not remembered.

    Until it is asked for others, it holds the result, and weakly the arguments that allow it: what is large can go.
    """
    held: list[tuple[list[Callable[[], Any]], R]] = []

    @wraps(function)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs:
            raise TypeError(f"{function.__name__} takes its arguments by position")
        for known, result in held[-1:]:  # a copy: another thread may be replacing it
            if len(known) == len(args) and all(one() is arg for one, arg in zip(known, args, strict=True)):
                return result
        result = function(*args, **kwargs)
        held[:] = [([_held(arg) for arg in args], result)]
        return result

    return remembering


def _held(value: Any) -> Callable[[], Any]:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value
