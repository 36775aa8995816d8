"""The Pareto front is what its definition says, point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.errors import InputError
from sim.study.store import Store
from sim.study.sweep.front import Goal, front_of
from sim.study.sweep.run import sweep
from sim.study.sweep.tradeoffs import pareto_front
from tests.small import small

few = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")), st.floats(-1e3, 1e3))
shapes = st.tuples(st.integers(0, 30), st.integers(2, 3))
points = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=few))


def brute_force(outputs: np.ndarray) -> list[bool]:
    known = ~np.isnan(outputs).any(axis=1)

    def beats(a: np.ndarray, b: np.ndarray) -> bool:
        return bool((a <= b).all() and (a < b).any())

    def beaten(mine: np.ndarray) -> bool:
        return any(beats(other, mine) for other in outputs[known])

    return [bool(held) and not beaten(mine) for held, mine in zip(known, outputs, strict=True)]


@given(points)
def test_it_is_every_point_that_no_other_beats(outputs: np.ndarray) -> None:
    assert pareto_front(outputs).tolist() == brute_force(outputs)


@given(points)
def test_order_and_rising_scales_do_not_matter(outputs: np.ndarray) -> None:
    front = pareto_front(outputs)
    assert np.array_equal(pareto_front(outputs[::-1])[::-1], front)
    assert np.array_equal(pareto_front(outputs * 4.0), front)  # a power of 2 is exact


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four grids, the cleaner the dearer but one, and a PUE that no site can have."""
    folder = tmp_path_factory.mktemp("front")
    base = small() | {"duration": "1 h"}
    base["site"]["grid"]["price"] = "0.1 USD/kWh"
    grids = {
        "site.grid.intensity": [f"{g} gCO2e/kWh" for g in (50, 100, 200, 300)],
        "site.grid.price": [f"{p} USD/kWh" for p in (0.4, 0.2, 0.3, 0.1)],
    }
    axes = {"grid": {"zip": grids}, "site.facility.pue": [1.1, 1.4]}
    return sweep({"name": "grids", "base": base, "axes": axes}, folder / "out", cache=Store(folder / "cache")).folder


def test_a_study_has_a_front_over_its_columns(study: Path, tmp_path: Path) -> None:
    """The third grid is dirtier and dearer than the second, and the higher PUE worse at every grid."""
    goals = [Goal.read("carbon_kg.total"), Goal.read("min:cost.energy")]
    front = front_of(study, goals)
    assert [row["axis.site.grid.intensity"][:3] for row in front.points.to_pylist()] == ["50 ", "100", "300"]
    assert set(front.points["axis.site.facility.pue"].to_pylist()) == {1.1}
    assert (front.compared, front.failed, front.without) == (8, 0, 0)
    front.write(tmp_path / "front.csv")
    assert pacsv.read_csv(tmp_path / "front.csv").num_rows == 3
    dirtiest = front_of(study, [Goal.read("max:carbon_kg.total"), goals[1]])
    # at 300 g/kWh energy costs least, and the worse building emits most
    assert {row["axis.site.grid.intensity"][:3] for row in dirtiest.points.to_pylist()} == {"300"}
    assert dirtiest.points["axis.site.facility.pue"].to_pylist() == [1.4, 1.1]


def test_a_front_is_refused_with_the_nearest_column(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"carbon_kg\.totl.*carbon_kg\.total"):
        front_of(study, [Goal("carbon_kg.totl"), Goal("cost.energy")])
    with pytest.raises(InputError, match="2 or 3"):
        front_of(study, [Goal("carbon_kg.total")])
    with pytest.raises(InputError, match="'min' or 'max'"):
        Goal.read("least:carbon_kg.total")
    with pytest.raises(InputError, match="no finished study"):
        front_of(tmp_path, [Goal("carbon_kg.total"), Goal("cost.energy")])
    with pytest.raises(InputError, match=r"there are 0; this study has .*such as .*carbon_kg\.total.*cost\.energy"):
        front_of(study, [])
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="holds a run, and this asks for a study"):  # before any goal is asked for
        front_of(tmp_path, [])
