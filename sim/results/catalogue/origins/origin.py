"""How a quantity of the summary comes about: the words in which the catalogue keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

By = Literal["", "component", "owner", "state"]
Part = Literal["", "it", "building", "network", "devices"]


@dataclass(frozen=True)
class Origin:
    """How a quantity comes about.

    ``words`` say it in a sentence. With a ``formula`` it follows from other numbers: in braces stand paths of the
    summary, in which each ``*`` is the name that stands at the same place in the quantity's own path, ``{sum PATH}`` is
    the total of all that ``PATH`` with its last ``*`` stands for, and ``{@name}`` is a number of the run that the
    summary does not hold. With ``columns`` it is their sum over lines of the footprint: those of a ``part``, and of
    what the last name of the path is called, ``by`` component, owner or state. ``rows`` is the table of the run that
    has what it was counted from, line by line, with the ``value`` of each where there is one column for it.
    """

    words: str
    formula: str = ""
    columns: tuple[str, ...] = ()
    part: Part = ""
    by: By = ""
    rows: str = ""
    value: str = ""


def told(table: str, said: Mapping[str, str], rows: str = "") -> dict[str, Origin]:
    """Quantities that were counted in the run: words for each name in a table, or for several in one line."""
    within = f"{table}." if table else ""
    return {within + name: Origin(words, rows=rows) for names, words in said.items() for name in names.split()}


def derived(table: str, said: Mapping[str, tuple[str, str]]) -> dict[str, Origin]:
    """Quantities that follow from others: formula and words for each name in a table."""
    within = f"{table}." if table else ""
    return {within + name: Origin(words, formula) for name, (formula, words) in said.items()}


def statistics(tables: Mapping[str, str], names: Iterable[str], *, rows: str) -> dict[str, Origin]:
    """Of distributions, by their table, the words for what is distributed."""
    says = {
        "mean": "the mean",
        "p50": "the value below which half of them lie",
        "p90": "the value below which 90 % of them lie",
        "p95": "the value below which 95 % of them lie",
        "p99": "the value below which 99 % of them lie",
        "max": "the largest",
    }
    return {
        f"{table}.{name}": Origin(f"{says[name]} of {words}", rows=rows)
        for table, words in tables.items()
        for name in names
    }
