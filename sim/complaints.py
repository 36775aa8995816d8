"""What is wrong with the rows of a file: faults alike are one problem with their count, so that others are seen."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.errors import InputError, Problem

MOST_PROBLEMS = 20
"""Kinds of fault named before the rest are only counted."""

MOST_LINES = 12
"""Rows named of one kind of fault."""


class Complaints:
    """Faults of one file as they are found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._kinds: dict[str, _Kind] = {}
        self._more = 0

    def add(self, line: int | None, message: str, path: str = "") -> None:
        """Notes one more row at fault. A message names what varies (a cell) only where rows differ in it."""
        kind = self._kinds.get(message)
        if kind is not None:
            kind.count += 1
            if line is not None and len(kind.others) < MOST_LINES:
                kind.others.append(line)
        elif len(self._kinds) < MOST_PROBLEMS:
            self._kinds[message] = _Kind(line, path)
        else:
            self._more += 1

    def problems(self) -> list[Problem]:
        """One problem of each kind, at its first row, with the lines of the others."""
        found = [Problem(self.file, kind.line, kind.path, text + kind.alike()) for text, kind in self._kinds.items()]
        if self._more:
            found.append(Problem(self.file, None, "", f"and {self._more} more rows at fault"))
        return found

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with every kind of fault, if there was one."""
        if self._kinds:
            raise InputError(self.problems())


@dataclass
class _Kind:
    """Where a fault was met first, how often again, and in which of the next lines."""

    line: int | None
    path: str
    count: int = 0
    others: list[int] = field(default_factory=list)

    def alike(self) -> str:
        if not self.count:
            return ""
        if not self.line or set(self.others) == {self.line}:
            return f"  ({self.count:,} more alike)"  # in a document without lines, or on one line
        named = ", ".join(str(line) for line in self.others)
        further = f" and {self.count - len(self.others):,} further" if self.count > len(self.others) else ""
        return f"  ({self.count:,} more alike: line{'s' if self.count > 1 else ''} {named}{further})"
