"""The rows of a study as one Parquet dataset, in the order of its points: the same bytes however they came about.

Columns: ``point``, ``replication``, ``seed``, ``status``, ``error``, ``scenario_sha256``; one ``axis.PATH`` for each
path that an axis sets, as written, and beside it ``axis.PATH (UNIT)`` where its values are quantities of one unit; then
the summary, flat, with units in the names. A column holds null where a point has no such value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.spec.ranges import split_quantity
from sim.study.sweep.parts import part_name
from sim.study.sweep.rows import DONE, Row

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_GROUP = 1_000
"""In memory at a time; a part holds ``GROUPS_PER_PART`` of them."""
GROUPS_PER_PART = 10


@dataclass(frozen=True)
class Record:
    """One point with everything that its row of the dataset says."""

    row: Row
    shared: Mapping[str, Any]
    replication: int
    seed: int
    scenario_sha256: str
    values: Mapping[str, Any]


_KINDS = (bool, int, float, object)
"""What a value is told as, the first that fits: a flag is a whole number, too, and a text is neither."""


class _Kinds:
    """What has been seen of a column."""

    def __init__(self) -> None:
        self.seen: set[type] = set()
        self.units: set[str | None] = set()

    def see(self, value: Any) -> None:
        kind = type(value)
        if value is not None and kind not in self.seen:  # nearly every value is of a type that has been seen
            self.seen.add(next(known for known in _KINDS if issubclass(kind, known)))

    def arrow(self) -> pa.DataType:
        import pyarrow as pa

        if not self.seen or object in self.seen or (bool in self.seen and len(self.seen) > 1):
            return pa.string()
        if bool in self.seen:
            return pa.bool_()
        return pa.float64() if float in self.seen else pa.int64()


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    from sim.results.columns import reals, texts, truths, wholes

    if pa.types.is_string(kind):
        return texts([value if value is None or isinstance(value, str) else _written(value) for value in values])
    made = {pa.float64(): reals, pa.int64(): wholes, pa.bool_(): truths}[kind]
    return made(values)


def _written(value: Any) -> str:
    from sim.study.points import canonical

    return canonical(value)


class Columns:
    """Which columns the dataset has, and of which type, from all that goes into it."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._axes = {path: _Kinds() for path in paths}
        self._summary: defaultdict[str, _Kinds] = defaultdict(_Kinds)
        self._last: Mapping[str, Any] | None = None

    def see_point(self, values: Mapping[str, Any]) -> None:
        """Takes into account what the axes say at a point."""
        for path, kinds in self._axes.items():
            value = values.get(path)
            kinds.see(value)
            if value is not None:
                split = split_quantity(value)
                kinds.units.add(split[1] if split is not None else None)

    def see_row(self, row: Row, shared: Mapping[str, Any]) -> None:
        """Takes into account what came of it; a row that failed shares nothing."""
        for name, value in row.values.items():
            self._summary[name].see(value)
        if row.status == DONE and shared is not self._last:
            self._last = shared
            for name, value in shared.items():
                self._summary[name].see(value)

    def schema(self) -> pa.Schema:
        """The schema, in an order that depends on nothing but the names."""
        import pyarrow as pa

        fields = [
            pa.field("point", pa.int64()),
            pa.field("replication", pa.int64()),
            pa.field("seed", pa.int64()),
            pa.field("status", pa.string()),
            pa.field("error", pa.string()),
            pa.field("scenario_sha256", pa.string()),
        ]
        for path, kinds in self._axes.items():
            fields.append(pa.field(f"axis.{path}", kinds.arrow()))
            unit = self._unit(kinds)
            if unit:
                fields.append(pa.field(f"axis.{path} ({unit})", pa.float64()))
        fields += [pa.field(name, kinds.arrow()) for name, kinds in sorted(self._summary.items())]
        return pa.schema(fields)

    @staticmethod
    def _unit(kinds: _Kinds) -> str | None:
        return next(iter(kinds.units)) if len(kinds.units) == 1 else None

    def table(self, records: Sequence[Record], schema: pa.Schema) -> pa.Table:
        """Some records as a table."""
        import pyarrow as pa

        columns: dict[str, list[Any]] = {
            "point": [record.row.index for record in records],
            "replication": [record.replication for record in records],
            "seed": [record.seed for record in records],
            "status": [record.row.status for record in records],
            "error": [record.row.error for record in records],
            "scenario_sha256": [record.scenario_sha256 for record in records],
        }
        for path, kinds in self._axes.items():
            given = [record.values.get(path) for record in records]
            columns[f"axis.{path}"] = given
            unit = self._unit(kinds)
            if unit:
                split = [None if value is None else split_quantity(value) for value in given]
                columns[f"axis.{path} ({unit})"] = [None if pair is None else pair[0] for pair in split]
        for name in self._summary:
            columns[name] = [record.row.values.get(name, record.shared.get(name)) for record in records]
        arrays = [_array(columns[field.name], field.type) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)


def write_parts(records: Iterable[Record], columns: Columns, folder: Path) -> Iterator[Path]:
    """Writes the dataset into ``folder``, a part at a time, and yields each part's file."""
    import pyarrow.parquet as pq

    schema = columns.schema()
    waiting = iter(records)
    batch = list(islice(waiting, ROWS_PER_GROUP))
    number = 0
    while batch:
        path = folder / part_name(number)
        with pq.ParquetWriter(path, schema, compression="zstd") as part:
            for _ in range(GROUPS_PER_PART):
                part.write_table(columns.table(batch, schema))
                batch = list(islice(waiting, ROWS_PER_GROUP))
                if not batch:
                    break
        yield path
        number += 1
