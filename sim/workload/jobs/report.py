"""What a reader of job traces says of a file: rows that cannot be used, and rows that a rule was applied to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.workload.traces import TraceReport

MOST_LINES, MOST_PROBLEMS = 5, 5
"""Of one rule, and of rows that cannot be used, that are shown by line."""


@dataclass
class Note:
    """How many rows a rule was applied to, and the lines of the first of them."""

    count: int = 0
    lines: list[int] = field(default_factory=list)


@dataclass
class JobReport(TraceReport):
    """Counts of a trace's rows and ``jobs``; ``notes`` are the rules that were applied, in their own words."""

    jobs: int = 0
    notes: dict[str, Note] = field(default_factory=dict)

    def note(self, rule: str, lines: list[int], count: int) -> None:
        """A rule applied to ``count`` more rows, the first of which are at ``lines``."""
        if count:
            note = self.notes.setdefault(rule, Note())
            note.count += count
            note.lines += lines[: MOST_LINES - len(note.lines)]

    def told(self) -> Iterator[str]:
        """The counts and each rule in a line of text."""
        yield f"{self.format}: {self.rows:,} rows, {self.jobs:,} jobs, {self.skipped:,} rows that cannot be used"
        for problem in self.problems[:MOST_PROBLEMS]:
            yield f"line {problem.line} {problem.message}"
        for rule, note in self.notes.items():
            shown = ", ".join(str(line) for line in note.lines)
            more = note.count - len(note.lines)
            which = f"line{'s' if note.count > 1 else ''} {shown}{f' and {more:,} more' if more else ''}"
            yield f"{note.count:,} {rule} ({which})"
