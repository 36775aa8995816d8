"""What is wrong with a profile that a scenario names, told where it is named."""

from __future__ import annotations

from collections.abc import Iterator

from sim.errors import InputError

NOWHERE = "<profiles>"
"""The file of a problem that is in no profile: a name that none has, or what a machine cannot do."""


def faults(error: InputError) -> Iterator[str]:
    """Every fault of its file, each with file, line and path; of a name that no profile has, that alone."""
    for problem in error.problems:
        yield problem.message if problem.file == NOWHERE else str(problem)
