"""What is wrong with the rows of a file: faults alike are one problem with their count, so that others are seen."""

from __future__ import annotations

from sim.errors import InputError, Problem

MOST_PROBLEMS = 20
"""Kinds of fault named before the rest are only counted."""

MOST_LINES = 12
"""Rows named of one kind of fault."""


class Complaints:
    """Faults of one file as they are found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._rows: dict[str, list[tuple[int, str]]] = {}
        self._more = 0

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, line: int, message: str, path: str = "") -> None:
        """One more row at fault. A message names what varies (a cell) only where rows differ in it."""
        if message in self._rows or len(self._rows) < MOST_PROBLEMS:
            self._rows.setdefault(message, []).append((line, path))
        else:
            self._more += 1

    def problems(self) -> list[Problem]:
        """One problem of each kind, at its first row, with the lines of the others."""
        found = []
        for message, rows in self._rows.items():
            line, path = rows[0]
            found.append(Problem(self.file, line, path, message + _others([at for at, _ in rows[1:]])))
        if self._more:
            found.append(Problem(self.file, None, "", f"and {self._more} more rows at fault"))
        return found

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with every kind of fault, if there was one."""
        if self._rows:
            raise InputError(self.problems())


def _others(lines: list[int]) -> str:
    if not lines:
        return ""
    named = ", ".join(str(line) for line in lines[:MOST_LINES])
    more = f" and {len(lines) - MOST_LINES} further" if len(lines) > MOST_LINES else ""
    return f"  ({len(lines)} more alike: line{'s' if len(lines) > 1 else ''} {named}{more})"
