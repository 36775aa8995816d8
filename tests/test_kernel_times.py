"""Times of kernels against published measurements, on shapes that the constants have not seen."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import kernel_kinds as kinds
from benchmarks.accuracy import kernel_sets as sets
from benchmarks.accuracy import kernel_times as kt
from sim.measure.fit.least_squares import Bound

pytestmark = pytest.mark.shared_data

FILED = ("h200_sxm", "b200_sxm", "gb200")


def of_files(name: str, word: str, boards: tuple[str, ...] = FILED) -> pd.DataFrame:
    """Errors on the kernels that are files."""
    kind = kinds.KINDS[name]
    found = []
    for board in boards:
        table = sets.table_of(kind, board, word)
        rows = table[~sets.known(table, kind)]
        truth = rows["seconds"].to_numpy()
        ours = np.asarray(kind.seconds(rows, sets.BOARDS[board], word, kinds.shipped(name, word, board)).seconds)
        guess = kt.naive(kind, rows, sets.BOARDS[board], word)
        found.append(pd.DataFrame({"board": board, "error": ours / truth - 1.0, "naive": guess / truth - 1.0}))
    return pd.concat(found)


@pytest.mark.parametrize(
    ("name", "word", "reach"),
    [
        ("product", "bfloat16", 0.15),
        ("generation attention", "bfloat16", 0.65),
        ("context attention", "bfloat16", 0.55),
    ],
)
def test_the_laws_predict_shapes_held_out(name: str, word: str, reach: float) -> None:
    """Every board within reach, and far better than one efficiency of compute and one of memory."""
    off = of_files(name, word).groupby("board")
    ours, guess = (off[column].apply(lambda error: error.abs().mean()) for column in ("error", "naive"))
    assert (ours < reach).all()
    assert (ours < guess).all()
    assert ours.mean() < 0.55 * guess.mean()


@pytest.mark.parametrize("word", ["bfloat16", "fp8_block"])
def test_a_mixture_is_predicted_on_the_board_whose_kernels_are_known(word: str) -> None:
    """H200: of its generation's Triton kernels. B200's of vLLM 0.22 are others than those of 0.24."""
    off = of_files("mixture", word, ("h200_sxm",))
    assert off["error"].abs().mean() < 0.6 * off["naive"].abs().mean()


def test_what_is_judged_is_a_shape_that_nothing_is_fitted_to() -> None:
    """A shape is on one side with all its rows, whatever its times; both sides have some."""
    for kind in (each for each in kinds.KINDS.values() if each.bounds):
        table = sets.table_of(kind, "h200_sxm", "bfloat16")
        side = sets.known(table, kind)
        assert pd.Series(side).groupby([table[name].to_numpy() for name in kind.shape]).nunique().max() == 1
        assert 0.25 < side.mean() < 0.75
        lying = table.assign(seconds=table["seconds"] * 3.0, latency=0.0)
        assert (sets.known(lying, kind) == side).all()


def test_times_below_launches_are_no_kernels() -> None:
    """Blocks of fp8 were launched every 55 us on H200, and 150 us on B200, whatever the shape."""
    kind = kinds.KINDS["product"]
    for board, launch_s in (("h200_sxm", 55e-6), ("b200_sxm", 150e-6)):
        assert sets.table_of(kind, board, "fp8_block")["seconds"].min() > 1.2 * launch_s


@pytest.mark.slow
@pytest.mark.skipif(sets.package_folder() is None, reason="needs aiconfigurator-core")
@pytest.mark.parametrize(("name", "word"), [("product", "bfloat16"), ("product", "fp8_block")])
def test_the_constants_that_ship_are_the_fit(name: str, word: str) -> None:
    ship = {n: float(v) for n, v in kinds.shipped(name, word, "h200_sxm").items()}
    held = {} if word == "bfloat16" else {n: Bound(v, 0.99 * v, 1.01 * v) for n, v in ship.items() if v > 1.0}
    found = kt.fitted(kinds.KINDS[name], word, held)
    told = {n: found[n] for n in ("compute", "memory", "floor")}
    assert told == pytest.approx({n: ship[n] for n in told}, rel=0.05)


def test_rows_name_every_board() -> None:
    off = kt.judged(kinds.KINDS["product"], "bfloat16", partial(kinds.shipped, "product", "bfloat16"))
    assert set(FILED) <= set(off["board"])
