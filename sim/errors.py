"""Every error this package raises on purpose, and nothing else::

    ColdaisleError
    ├── InputError        what the user wrote is wrong: carries every problem found; the command exits 2
    │   └── QuantityError one quantity could not be read; the loader turns it into a Problem with a place
    └── RunError          the input was fine and the run still could not be finished; the command exits 1
        └── SignalRangeError   a signal was asked about a time it does not cover

Anything else that is raised is a mistake in the package itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the input: where it stands, and what would mend it.

    ``file`` is as the user named it (or ``--set``), ``line`` counts from 1 and is None where a whole file is meant,
    ``path`` is dotted (``site.grid.intensity``) and empty for the document itself.
    """

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{place}: {self.path + ': ' if self.path else ''}{self.message}"


class ColdaisleError(Exception):
    """Base of every error raised on purpose."""


class InputError(ColdaisleError):
    """The input is wrong. ``problems`` lists everything found, in file and line order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            sorted(set(problems), key=lambda p: (p.file, p.line if p.line is not None else 0, p.path, p.message))
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """How an error is pickled: it comes back from another process as it was."""
        return type(self), (self.problems,)

    @classmethod
    def one(cls, file: str, message: str, *, line: int | None = None, path: str = "") -> InputError:
        """An input error with a single problem."""
        return cls([Problem(file, line, path, message)])


class QuantityError(InputError):
    """A quantity with its unit could not be read."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__([Problem("<value>", None, "", message)])

    def __reduce__(self) -> tuple[Any, ...]:
        """How an error is pickled, as with ``InputError``."""
        return type(self), (self.message,)


class RunError(ColdaisleError):
    """A run could not be finished."""


class SignalRangeError(RunError):
    """A signal was asked about a time outside what it covers; it never extrapolates."""
