"""Every quantity of a summary, once: its path, its words, its unit, and where people meet it.

What stands here and in the fold that computes it is enough: the tables of the terminal and of the page, ``compare``,
the intervals of uncertain scenarios, the tables of studies, what a run that is read again must have, and the rows of
``docs/words.md`` are made from it. In a path ``*`` is any name and ``[]`` each item of a list. Tables show quantities
in the order in which they stand here, where no place is given. A change of the words here is a change of what people
read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from sim.results.catalogue.accounts import ACCOUNTS
from sim.results.catalogue.activity import ACTIVITY
from sim.results.catalogue.batch import BATCH
from sim.results.catalogue.methods import OF_METHODS
from sim.results.catalogue.power_limits import POWER_LIMITS
from sim.results.catalogue.project import PROJECT
from sim.results.catalogue.quantity import Quantity, Table, value_in
from sim.results.catalogue.split import SPLIT
from sim.results.formats import Grid

__all__ = ["ACCOUNTS", "ACTIVITY", "QUANTITIES", "TABLES", "Quantity", "Table"]

SERVICE = "serving.*."
STEP = "jobs.*.step."
OF_JOBS = "batch.*."
IN_STAGES = "split.*."
TABLES: tuple[Table, ...] = (*ACCOUNTS, *PROJECT, *ACTIVITY, *BATCH, *POWER_LIMITS, *SPLIT, *OF_METHODS)
QUANTITIES: tuple[Quantity, ...] = tuple(one for table in TABLES for one in table.quantities)

HAPPENED = tuple(
    dict.fromkeys(table.path.partition(".")[0] for table in (*ACTIVITY, *BATCH, *POWER_LIMITS, *SPLIT, *OF_METHODS))
)
"""Parts of a summary that say what happened in a run, which re-pricing keeps."""


def _compared(of: Callable[[str], bool]) -> tuple[Quantity, ...]:
    there = (one for one in QUANTITIES if one.compared and of(one.path))
    return tuple(sorted(there, key=lambda one: one.compared))


COMPARED = _compared(lambda path: "*" not in path)
"""Of whole runs."""
COMPARED_PARTS = _compared(lambda path: path.endswith(".*"))
"""Of each component or workload that one of two runs has."""
COMPARED_SERVICES = _compared(lambda path: path.startswith(SERVICE))
"""Of each service that both runs have."""
COMPARED_STEPS = _compared(lambda path: path.startswith(STEP))
"""Of each job that both runs have and whose steps are known."""
COMPARED_JOBS = _compared(lambda path: path.startswith(OF_JOBS))
"""Of each workload of jobs as rows that both runs have."""
COMPARED_STAGED = _compared(lambda path: path.startswith(IN_STAGES))
"""Of each workload in stages that both runs have."""
INTERVALS = (*COMPARED, *(one for one in QUANTITIES if one.interval))
"""Of whole runs; each service, each job with steps and each workload of jobs or in stages has intervals of what is
compared."""
LATENCIES = {
    table.path.removeprefix(SERVICE): table.word for table in TABLES if table.word and table.path.startswith(SERVICE)
}
"""Times of services of which people are shown the distribution, and what they call them."""


@cache
def columns_of(view: str) -> tuple[tuple[str, Quantity], ...]:
    """The columns of a table in their order, each by its head."""
    there = [(at.place, at.head, one) for one in QUANTITIES for at in one.columns if at.view == view]
    return tuple((head, one) for _, head, one in sorted(there, key=lambda column: column[0]))


def grid(view: str, tables: Mapping[str, Mapping[str, Any]]) -> Grid:
    """A table by the head of its first column, with a row for each of ``tables``."""
    there = columns_of(view)
    rows = [[name, *(one.text(table) for _, one in there)] for name, table in tables.items()]
    return [view, *(head for head, _ in there)], rows


@cache
def quantity_at(path: str) -> Quantity | None:
    """What stands at a path of a summary, None for one that is not known."""
    return next((one for one in QUANTITIES if re.fullmatch(_pattern(one.path), path)), None)


@cache
def _pattern(path: str) -> str:
    return re.escape(path).replace(r"\*", ".+")


def in_words(path: str, summary: Mapping[str, Any] | None = None) -> str:
    """``carbon_kg.total`` -> ``carbon total, kg``. A unit that stands beside a result is looked up in ``summary``."""
    known = quantity_at(path)
    if known is None:
        return path.replace(".", " ").replace("_", " ")
    own = ".".join(known.keys)
    service = path.removesuffix(own).removeprefix(SERVICE.partition("*")[0]).removesuffix(".")
    plain = [key.removesuffix(f"_{known.unit.lower()}") for key in known.keys]
    unit = f", {known.unit}" if plain != [*known.keys] else ""
    beside = value_in(summary, (*path.split(".")[:-1], known.unit_in)) if known.unit_in else None
    if beside is not None:
        unit = f", {beside}"
    return f"{' '.join(filter(None, [service, *plain]))}{unit}".replace("_", " ")


def explained() -> Iterator[tuple[str, str, str, str]]:
    """What has a word that needs explaining: the word, its path, its unit, and what it means."""
    for table in TABLES:
        if table.meaning:
            yield table.word, table.path, table.quantities[0].unit, table.meaning
        yield from ((one.label, one.path, one.unit, one.meaning) for one in table.quantities if one.meaning)
