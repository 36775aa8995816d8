"""What is wrong with an input, as the commands say it on standard error."""

from __future__ import annotations

import sys
from itertools import groupby
from shutil import get_terminal_size
from textwrap import wrap

from sim.errors import InputError

LONGEST_MESSAGE, LEAST_MESSAGE = 2_000, 30
"""Characters of a message that are said, and columns in which one is still read."""
LONGEST_COLUMN = 60
"""Characters of a path that the messages of others are set apart for; a longer one stands out alone."""


def describe(error: InputError, columns: int | None = None) -> str:
    """Every problem under its file, in the order of its lines; a line each, or in ``columns`` of a terminal."""
    blocks = []
    for file, group in groupby(error.problems, key=lambda problem: problem.file):
        problems = list(group)
        lines = [f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''}"]
        width = max((len(problem.path) for problem in problems if len(problem.path) <= LONGEST_COLUMN), default=0)
        for problem in problems:
            line = str(problem.line) if problem.line is not None else ""
            told = f"{line:>5}  {problem.path:<{width}}  {_short(problem.message)}".rstrip()
            lines += [told] if columns is None else _folded(told, columns, 9 + width)
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _folded(told: str, columns: int, indent: int) -> list[str]:
    """In lines under the beginning of the message, where a path before it leaves room for one."""
    indent = indent if columns - indent >= LEAST_MESSAGE else 9
    if len(told) <= columns:
        return [told]
    kept = len(told) - len(told.lstrip())
    lines = wrap(
        told[kept:].replace("  ", "\0 "),
        columns,
        initial_indent=" " * kept,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return [line.replace("\0", " ") for line in lines]


def columns() -> int | None:
    """Of the terminal that messages go to; None where a program or a file takes them, a problem a line."""
    return get_terminal_size().columns if sys.stderr.isatty() else None


def _short(message: str) -> str:
    """A message as far as anybody reads it: one may quote a cell or a name of any length."""
    more = len(message) - LONGEST_MESSAGE
    return message if more <= 0 else f"{message[:LONGEST_MESSAGE]} ... ({more:,} more characters)"
