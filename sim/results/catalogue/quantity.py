"""What is known of a quantity of the summary, and how people read its value: the words the catalogue is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sim.results.formats import gram_mass, kilowatt_hours, litres, mass, number, ratio, seconds

Kind = tuple[type, ...]
"""Types of a value, as JSON has it."""
NUMBER: Kind = (int, float)
NUMBER_OR_NULL: Kind = (*NUMBER, type(None))
TEXT: Kind = (str,)
FLAG: Kind = (bool,)

STATISTICS = ("mean", "p50", "p90", "p95", "p99")
"""Of a distribution."""
LATER = {"p95"}
"""Those that runs of earlier releases, which are still read, did not tell."""

Form = Callable[[Any], str]
FORMS: Mapping[str, Form] = {
    "kWh": kilowatt_hours,
    "L": litres,
    "kg": mass,
    "s": seconds,
    "kg/kWh": lambda kg: f"{ratio(kg)} kg/kWh",
    "L/kWh": lambda litres: f"{ratio(litres)} L/kWh",
    "g": lambda grams: f"{gram_mass(grams)} per",  # its neighbour says per what
}
"""By unit; a number alone where none is here: there the head of a column says its unit."""


@dataclass(frozen=True)
class At:
    """A table of which a quantity is a column, the head of that column, and its place: by default as catalogued."""

    view: str
    head: str = ""
    place: int = 0


@dataclass(frozen=True)
class Quantity:
    """One value of the summary. ``path`` is dotted; in a table of the catalogue it is written from that table on.

    ``unit`` is as people write it, "" for a share, a count or a text; ``unit_in`` names the neighbour that says it
    where it is the scenario's. ``always``: it is there wherever its table is; in services of the kind ``of`` alone, if
    one is given. ``compared`` is its place in a comparison of runs, 0 where it has none; what is compared has an
    interval in an uncertain scenario, and so has another with ``interval``.

    The account of a run shows it if it is ``shown``, after its label, or after ``row`` where it says more; ``beside``
    the one before in the same row; at zero not, if ``no_row_at_zero``; with its range, if there is one in the table
    ``spread``. ``columns`` are those of other tables, where ``absent`` stands for what is not there. ``meaning``
    explains it in ``docs/words.md``. Carbon that is told ``by_location`` says so where it stands beside market-based.
    """

    path: str
    label: str
    unit: str = ""
    kind: Kind = NUMBER
    always: bool = False
    of: str = ""
    compared: int = 0
    interval: bool = False
    shown: bool = False
    row: str = ""
    beside: bool = False
    no_row_at_zero: bool = False
    columns: tuple[At, ...] = ()
    form: Form | None = None
    unit_in: str = ""
    absent: str = ""
    spread: str = ""
    meaning: str = ""
    by_location: bool = False

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Where it stands in a summary or, of a site, a job, a service, an item of a list and so on, in its table."""
        return (*self.path.replace("[].", "*.").rpartition("*.")[2].split("."),)

    @property
    def unit_keys(self) -> tuple[str, ...]:
        """Where its unit stands, if its neighbour says it."""
        return (*self.keys[:-1], self.unit_in)

    @property
    def in_account(self) -> str:
        """What stands before it in the account of a run; nothing where it is not shown there."""
        return self.row or (self.label if self.shown else "")

    def told(self, value: Any) -> str:
        """A value of it as people read it; ``absent`` where there is none."""
        return self.absent if value is None else (self.form or FORMS.get(self.unit, number))(value)

    def text(self, table: Mapping[str, Any]) -> str:
        """Its value in ``table``, in which ``keys`` lead to it, with the unit that its neighbour says."""
        value = value_in(table, self.keys)
        unit = f" {value_in(table, self.unit_keys)}" if self.unit_in and value is not None else ""
        return f"{self.told(value)}{unit}"


@dataclass(frozen=True)
class Table:
    """Quantities whose paths begin alike. An ``optional`` one may be absent, one that ``may_be_empty`` hold nothing;
    those ``per_site`` stand also under each site of several. ``word`` and ``meaning`` explain a distribution."""

    path: str
    quantities: tuple[Quantity, ...]
    optional: bool = False
    may_be_empty: bool = False
    per_site: bool = False
    word: str = ""
    meaning: str = ""


def table(path: str, *quantities: Quantity, unit: str = "", **about: Any) -> Table:
    """A table of the catalogue: ``unit`` is that of all numbers in it that name no other."""
    within = f"{path}." if path else ""
    there = tuple(
        replace(one, path=within + one.path, unit=one.unit or (unit if one.kind is NUMBER else ""))
        for one in quantities
    )
    return Table(path, there, **about)


def value_in(tree: Any, keys: tuple[str, ...]) -> Any:
    """What some keys lead to, one after the other; None where they lead nowhere."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree
