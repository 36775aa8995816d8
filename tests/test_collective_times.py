"""The benchmark of collectives: constants are found again where the law holds, and nothing judged is fitted to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.accuracy import collectives as benchmark
from benchmarks.accuracy.collectives import (
    BOARDS,
    KINDS,
    OVER_PCIE,
    Measured,
    fitted,
    judged,
    judged_over_pcie,
    measured,
    predicted_s,
)
from sim.profiles.catalog import Catalog
from sim.profiles.kernel_tables.package import SYSTEMS
from sim.training.protocols import Library
from sim.training.topology import Switched, island_of, switched

TRUE = Library(0.6, 1.0, 1.3)
SIZES = [2.0**power for power in range(9, 30, 2)]


def island(board: str = BOARDS[1]) -> Switched:
    return switched(8, island_of(Catalog().gpu(board), 8), None)


def by_law(board: str = BOARDS[1]) -> list[Measured]:
    """Every kind and size, as long as a library of these constants takes."""
    asked = [Measured(kind, gpus, byte, 1.0) for kind in KINDS.values() for gpus in (2, 4, 8) for byte in SIZES]
    taken = predicted_s(asked, island(board), TRUE)
    return [replace(row, seconds=float(second)) for row, second in zip(asked, taken, strict=True)]


def package(folder: Path, slower: float = 1.0) -> Path:
    """Tables of all boards as the package has them; all-to-alls take ``slower`` times what the law says."""
    names = {kind: name for name, kind in KINDS.items()}
    for board in (*BOARDS, *OVER_PCIE):
        rows: list[dict[str, Any]] = [
            {
                "op_name": names[row.kind],
                "nccl_dtype": "half",
                "num_gpus": row.gpus,
                "message_size": int(row.byte / 2.0),
                "latency": 1e3 * row.seconds * (slower if row.kind == "all-to-all" else 1.0),
            }
            for row in by_law(board)
        ]
        for version, times in (("2.9.1", 7.0), ("2.27.3", 1.0)):  # not the newest by its letters
            at = folder / SYSTEMS[board] / "comm" / "nccl" / version
            at.mkdir(parents=True)
            pd.DataFrame([{**row, "latency": times * row["latency"]} for row in rows]).to_parquet(
                at / "nccl_perf.parquet"
            )
    return folder


def test_constants_are_found_again() -> None:
    found = fitted(by_law(), island())
    assert found.link_efficiency == pytest.approx(TRUE.link_efficiency, rel=1e-3)
    assert found.latency == pytest.approx(TRUE.latency, rel=1e-3)


def test_what_is_judged_is_not_fitted_to(tmp_path: Path) -> None:
    """All-to-alls of half the speed are wrong by half, as if they had not been seen; the newest version is read."""
    folder = package(tmp_path, slower=2.0)
    assert measured(folder, BOARDS[0])[0].seconds < 1e-3
    off = judged(folder)
    swapped = off[off["kind"] == "all-to-all"]
    assert swapped["error"].abs().median() == pytest.approx(0.5, abs=0.01)
    assert len(off) == len(BOARDS) * len(KINDS) * 3 * len(SIZES)


def test_a_board_over_pcie_is_judged_by_the_other_alone(tmp_path: Path) -> None:
    """All-to-alls of half the speed are seen on either, and the board that is judged by the other's constants shows
    them; small all-reduces on both are as the law has them."""
    off = judged_over_pcie(package(tmp_path, slower=2.0))
    assert set(off["board"]) == set(OVER_PCIE)
    swapped = off["kind"] == "all-to-all"
    assert off[swapped]["error"].abs().median() > 3 * off[~swapped]["error"].abs().median()


def test_without_the_package_nothing_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "package_folder", lambda: None)
    assert benchmark.rows() == []


def test_rows_are_told_by_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(benchmark, "package_folder", lambda: package(tmp_path))
    rows = benchmark.rows()
    assert [row.case.rpartition(", ")[2] for row in rows[: len(KINDS)]] == list(KINDS.values())
    assert [row.case.rpartition(", ")[2] for row in rows[len(KINDS) :]] == ["l40s", "rtx-pro-6000-server"]
    assert all(row.value < 0.5 for row in rows)  # the law judged on itself, constants found to a thousandth
