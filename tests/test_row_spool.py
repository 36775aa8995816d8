"""Rows of requests are the same however they came, and whether memory or a file held them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import RunError
from sim.results import requests
from sim.results.files import _write_groups
from sim.results.requests import RequestTables
from sim.workload import row_spool
from sim.workload.row_spool import RowSpool


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 50), st.integers(1, 30))
def test_rows_come_back_in_order_in_blocks_of_one_size(pieces: list[int], held: int, block: int) -> None:
    rows = np.arange(sum(pieces) * 16, dtype=np.int64).reshape(-1, 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_spool, "HELD", held)
        patch.setattr(row_spool, "BLOCK", block)
        spool = RowSpool()
        for begin, end in zip(np.cumsum([0, *pieces]), np.cumsum(pieces), strict=False):
            spool.add(rows[begin:end])
        for _ in range(2):
            found = list(spool.blocks())
            assert np.array_equal(np.concatenate([rows[:0], *found]), rows)
            assert [len(part) for part in found[:-1]] == [block] * (len(found) - 1)
    assert len(spool) == len(rows)


def test_a_full_disk_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(row_spool, "HELD", 1)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(RunError, match=r"no room for 3 rows of requests .* No space left on device; point TMPDIR"):
        RowSpool().add(np.zeros((3, 16), dtype=np.int64))


def test_the_file_does_not_depend_on_the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "ROWS_AT_ONCE", 64)
    table = pa.table({"a": np.arange(300), "b": pa.array(["x"] * 300).dictionary_encode()})
    written = []
    for size in (300, 64, 7, 1):
        pieces = [table.slice(0, 0), *(table.slice(at, size) for at in range(0, 300, size))]
        path = tmp_path / f"{size}.parquet"
        _write_groups(RequestTables(lambda pieces=pieces: iter(pieces)).groups(), path)  # type: ignore[misc]
        written.append(path.read_bytes())
        assert pq.read_table(path).equals(table)
        assert pq.ParquetFile(path).num_row_groups == 5
    assert len(set(written)) == 1
