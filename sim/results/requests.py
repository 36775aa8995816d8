"""Rows of requests as Arrow tables, made a group at a time: neither a run nor its file needs all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sim.accounting.serving import RequestEnergy
from sim.results.frames import serving_table
from sim.workload.serving_records import ROW_COLUMNS, ServingLog

ROWS_AT_ONCE = 1 << 18
"""Rows of a row group of ``requests.parquet``, whatever the pieces in which they come."""

NO_ROWS = np.zeros((0, len(ROW_COLUMNS)), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class RequestTables:
    """A table in pieces of one schema, which can be made again and again; one piece at least, perhaps without rows."""

    pieces: Callable[[], Iterator[pa.Table]]

    @classmethod
    def of(cls, table: pa.Table) -> RequestTables:
        """A table that is there already."""
        return cls(lambda: iter([table]))

    def groups(self) -> Iterator[pa.Table]:
        """All rows in order, ``ROWS_AT_ONCE`` at a time; the last group has fewer."""
        waiting: list[pa.Table] = []
        rows = 0
        for piece in self.pieces():
            waiting.append(piece)
            rows += piece.num_rows
            while rows > ROWS_AT_ONCE:
                whole = pa.concat_tables(waiting)
                yield whole.slice(0, ROWS_AT_ONCE).combine_chunks()
                waiting, rows = [whole.slice(ROWS_AT_ONCE)], rows - ROWS_AT_ONCE
        yield pa.concat_tables(waiting).combine_chunks()

    def table(self) -> pa.Table:
        """The whole table."""
        return pa.concat_tables(self.pieces())


def request_tables(
    logs: Sequence[ServingLog], energies: Mapping[str, RequestEnergy], queues: pa.Table | None
) -> RequestTables:
    """One row a request of serving workloads, then those of queues; a column that some do not have is null there."""

    def pieces_of(log: ServingLog) -> Iterator[pa.Table]:
        energy = energies.get(log.workload)
        yield serving_table(log, NO_ROWS, energy)
        for rows in log.rows.blocks():
            yield serving_table(log, rows, energy)

    if len(logs) + (queues is not None) == 1:
        return RequestTables(lambda: pieces_of(logs[0])) if logs else RequestTables.of(queues)

    def plain(table: pa.Table) -> pa.Table:
        return table.set_column(0, "workload", table["workload"].cast(pa.string()))

    def pieces() -> Iterator[pa.Table]:
        for log in logs:
            yield from pieces_of(log)
        if queues is not None:
            yield queues

    empty = pa.concat_tables([plain(piece.slice(0, 0)) for piece in _first_of_each(logs, pieces_of, queues)],
                             promote_options="default").slice(0, 0)  # fmt: skip
    return RequestTables(
        lambda: (pa.concat_tables([empty, plain(piece)], promote_options="default") for piece in pieces())
    )


def _first_of_each(
    logs: Sequence[ServingLog], pieces_of: Callable[[ServingLog], Iterator[pa.Table]], queues: pa.Table | None
) -> Iterator[pa.Table]:
    for log in logs:
        yield next(pieces_of(log))
    if queues is not None:
        yield queues
