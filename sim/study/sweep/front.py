"""The Pareto front of a finished study: which points no other beats in every result asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.results.atomic import Ours, marked, parquet_of_ours, refuse_unusable, write_bytes
from sim.results.catalogue import COMPARED
from sim.study.sweep.folder import manifest_of, points_of
from sim.study.sweep.rows import DONE
from sim.study.sweep.tradeoffs import pareto_front
from sim.validation import nearest

FEWEST, MOST = 2, 3
DIRECTIONS = ("min", "max")
NUMBERS = ("double", "float", "int64", "int32")
"""Types of columns, as a study's manifest names them."""


@dataclass(frozen=True)
class Goal:
    """A column of the dataset and which way is better."""

    column: str
    largest: bool = False

    @classmethod
    def read(cls, text: str) -> Goal:
        """``PATH`` (the least), ``min:PATH`` or ``max:PATH``. Raises ``InputError`` for another direction."""
        way, colon, column = text.partition(":")
        if not colon:
            return cls(text)
        if way not in DIRECTIONS:
            raise InputError.one("--over", f"'{text}': a direction is 'min' or 'max', and not '{way}'")
        return cls(column, way == "max")

    def __str__(self) -> str:
        return f"{'most' if self.largest else 'least'} {self.column}"


@dataclass(frozen=True)
class Front:
    """The points on the front as rows of the dataset, in the order of the first goal, and what stayed outside."""

    name: str
    goals: tuple[Goal, ...]
    axes: tuple[str, ...]
    points: pa.Table
    compared: int
    failed: int
    without: int
    """Points that are done and have no number for one of the goals."""

    def write(self, path: Path) -> None:
        """Writes the front as CSV or Parquet, by the ending; whole or not at all."""
        sink = pa.BufferOutputStream()
        if path.suffix == ".csv":
            import pyarrow.csv as pacsv

            pacsv.write_csv(_inert(self.points), sink)
        else:
            import pyarrow.parquet as pq

            pq.write_table(self.points.replace_schema_metadata({b"coldaisle": b"front"}), sink)
        write_bytes(sink.getvalue().to_pybytes(), path, ours=_ours(path))

    def as_dict(self) -> dict[str, Any]:
        """The front as plain data."""
        columns = ["point", *self.axes, *(goal.column for goal in self.goals)]
        return {
            "study": self.name,
            "over": [str(goal) for goal in self.goals],
            "compared": self.compared,
            "failed": self.failed,
            "without_value": self.without,
            "front": self.points.select(columns).to_pylist(),
        }


def _inert(points: pa.Table) -> pa.Table:
    """A table whose texts no spreadsheet takes for a formula (OWASP, "CSV Injection"); numbers stay as they are."""
    for at, field in enumerate(points.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            texts = pc.replace_substring_regex(points.column(at), r"^([=+@\t\r\n-])", r"'\1")
            plain = pc.match_substring_regex(points.column(at), r"^[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?$")
            points = points.set_column(at, field, pc.if_else(plain, points.column(at), texts))
    return points


def _ours(path: Path) -> Ours:
    """A table in CSV has no room for a mark but its header."""
    return marked('"point","status"') if path.suffix == ".csv" else parquet_of_ours


def refuse_bad_target(path: Path) -> None:
    """Raises ``InputError`` where a front cannot be written to ``path``."""
    if path.suffix not in (".csv", ".parquet"):
        raise InputError.one("--out", f"'{path}' must end in .csv or .parquet")
    refuse_unusable(path, folder=False, ours=_ours(path))


def front_of(folder: Path, goals: Sequence[Goal]) -> Front:
    """The front over two or three results of the study in ``folder``.

    Points that failed, and those without one of the results, are not compared and counted. Raises ``InputError`` for a
    folder that holds no finished study, and for results that its dataset does not have as numbers.
    """
    study = manifest_of(folder)
    numbers = [name for name, kind in study["columns"].items() if kind in NUMBERS and not name.startswith("axis.")]
    if not FEWEST <= len(goals) <= MOST:
        usual = [one.path for one in COMPARED if one.path in numbers]
        such = ", ".join(usual or numbers[:MOST])
        told = f"takes {FEWEST} or {MOST} results, and there are {len(goals)}"
        raise InputError.one("--over", f"{told}; this study has {len(numbers)} to choose from, such as {such}")
    if len({goal.column for goal in goals}) < len(goals):
        raise InputError.one("--over", "names one result twice")
    for goal in goals:
        if goal.column not in numbers:
            hint = nearest(goal.column, numbers)
            raise InputError.one(str(folder), f"has no number '{goal.column}' among its columns{hint}")
    axes = tuple(f"axis.{path}" for paths in study["axes"].values() for path in paths)
    rows = points_of(folder, study, ["point", "status", *axes, *(goal.column for goal in goals)])
    if not all(_is_number(rows.schema.field(goal.column).type) for goal in goals):
        raise InputError.one(str(folder), "its dataset is not that of its study.json; run the study again")
    done = rows.filter(pc.field("status") == DONE)
    values = np.stack([_values(done, goal) for goal in goals], axis=1)
    known = ~np.isnan(values).any(axis=1)
    on_front = done.filter(pa.array(pareto_front(values)))
    first = "descending" if goals[0].largest else "ascending"
    order = pc.sort_indices(on_front, sort_keys=[(goals[0].column, first), ("point", "ascending")])
    return Front(
        name=study["name"],
        goals=tuple(goals),
        axes=axes,
        points=on_front.take(order),
        compared=int(known.sum()),
        failed=rows.num_rows - done.num_rows,
        without=int((~known).sum()),
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _values(rows: pa.Table, goal: Goal) -> Any:
    values = rows[goal.column].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return -values if goal.largest else values
