"""Points checked by several processes: that nothing shows of who looked at which, or of one that died."""

from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import InputError, RunError
from sim.memo import last_kept
from sim.spec.study import load_study
from sim.study.processes import Processes
from sim.study.store import Store
from sim.study.sweep import check_in_parallel as helpers
from sim.study.sweep import tasks as work
from sim.study.sweep.check_points import Asked, Checker, Given, Looked, Seen
from sim.study.sweep.journal import Journal
from sim.study.sweep.plan import asked_for, asked_of, base_of
from sim.study.sweep.run import Interrupted, sweep
from tests.test_study import GRID, contents, here, quick, study

INTENSITIES = 40
"""Times two PUEs: points of one simulation."""


def priced(**more: Any) -> dict[str, Any]:
    axes = {GRID: {"range": ["20 gCO2e/kWh", "800 gCO2e/kWh", INTENSITIES]}, "site.facility.pue": [1.1, 1.5]}
    return {"name": "priced", "base": quick(), "axes": axes, **more}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers take part after the first few points, and are waited for."""
    monkeypatch.setattr(helpers, "BATCH", 3)
    monkeypatch.setattr(helpers, "ALONE", 1)
    monkeypatch.setattr(helpers, "MOST_WAITING", 2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """It holds the one simulation."""
    folder = tmp_path_factory.mktemp("priced")
    store = Store(folder / "cache")
    sweep(priced(), folder / "out", workers=1, cache=store)
    return store


@pytest.fixture(scope="module")
def alone(cache: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("alone") / "out"
    assert sweep(priced(), out, workers=1, cache=cache).progress.simulated == 0
    return contents(out)


def asked_and_points(folder: Path, store: Store | None) -> tuple[Asked, list[Given]]:
    """Good points, bad ones among them, and one twice."""
    loaded = load_study(priced())
    with closing(Journal(folder / "journal", asked_of(loaded))) as journal:
        asked = asked_for(loaded, base_of(loaded), journal, store)
    written: list[Any] = [f"{20 + i} gCO2e/kWh" for i in range(20)]
    written[7] = written[13] = "5 kWh"
    written[18] = written[2]
    return asked, [Given(0, 1, {GRID: value, "site.facility.pue": 1.2}) for value in written]


def flat(batches: Iterator[tuple[list[Given], Looked]]) -> list[tuple[Given, Seen]]:
    return [pair for given, looked in batches for pair in zip(given, looked.seen, strict=True)]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("bad_are_rows", [True, False])
def test_points_come_back_in_order_with_what_there_is_to_say_of_them(
    cache: Store, tmp_path: Path, count: int, *, bad_are_rows: bool
) -> None:
    asked, points = asked_and_points(tmp_path, cache)
    asked = Asked(asked.base, asked.axes, asked.columns, asked.store, asked.done, bad_are_rows)
    own = flat(helpers.looked_at(points, asked, Checker(asked), 0))
    shared = flat(helpers.looked_at(points, asked, Checker(asked), count))
    assert [given for given, _ in shared] == points
    # after a bad point one process prices nothing more, and others cannot know of it: its rows are not asked for
    until = len(points) if bad_are_rows else 7
    assert shared[:until] == own[:until]
    bare = [[seen._replace(row=None) for _, seen in found] for found in (own, shared)]
    assert bare[0] == bare[1]
    assert [i for i, (_, seen) in enumerate(own) if seen.key is None] == [7, 13]
    assert own[2][1] == own[18][1] or not bad_are_rows


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("workers", [2, 3])
def test_helpers_do_not_show_in_a_study(alone: dict[str, bytes], cache: Store, tmp_path: Path, workers: int) -> None:
    found = sweep(priced(), tmp_path / "out", workers=workers, cache=cache)
    assert contents(tmp_path / "out") == alone
    assert found.progress.simulated == 0
    assert found.progress.found == 1


@pytest.mark.usefixtures("soon")
def test_a_helper_that_dies_leaves_its_share_to_this_process(
    alone: dict[str, bytes], cache: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []

    class Mortal(Processes):
        def submit(self, work: Any, *given: Any) -> Any:
            sent.append(len(given[0]))
            if len(sent) == 3:
                for number in self._pool._processes:
                    os.kill(number, signal.SIGKILL)
            return super().submit(work, *given)

    monkeypatch.setattr(helpers, "Processes", Mortal)
    sweep(priced(), tmp_path / "out", workers=2, cache=cache)
    assert len(sent) >= 3
    assert contents(tmp_path / "out") == alone


@pytest.mark.usefixtures("soon")
def test_what_helpers_find_wrong_is_said_as_if_one_had_looked(tmp_path: Path, cache: Store) -> None:
    given = priced()
    given["axes"]["site.facility.pue"] = [1.1, 0.9]  # below one is refused
    said = []
    for workers in (1, 3):
        with pytest.raises(InputError) as refused:
            sweep(given, tmp_path / f"out-{workers}", workers=workers, cache=cache)
        said.append(refused.value.problems)
        assert not (tmp_path / f"out-{workers}").exists()
    assert said[0] == said[1]


def test_points_that_all_fail_at_their_price_leave_the_same_columns_resumed_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpriced(*_: Any) -> Any:
        raise RunError("no price")

    monkeypatch.setattr(work.Pricer, "price", unpriced)
    here(monkeypatch)
    store = Store(tmp_path / "cache")
    found = sweep(study(), tmp_path / "whole", cache=store)
    assert found.study["statuses"] == {"failed": 12}
    assert not [name for name in found.study["columns"] if name.startswith("serving.")]
    here(monkeypatch, most=3)
    with pytest.raises(Interrupted):
        sweep(study(), tmp_path / "resumed", cache=Store(tmp_path / "another"))
    here(monkeypatch)
    sweep(study(), tmp_path / "resumed", cache=Store(tmp_path / "another"), resume=True)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("soon")
def test_fewer_workers_than_one_check_alone(alone: dict[str, bytes], cache: Store, tmp_path: Path) -> None:
    sweep(priced(), tmp_path / "out", workers=0, cache=cache)
    assert contents(tmp_path / "out") == alone


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_a_function_remembers_its_last_answer_by_identity() -> None:
    asked: list[Sequence[int]] = []

    @last_kept
    def doubled(values: list[int]) -> list[int]:
        asked.append(values)
        return [2 * value for value in values]

    one, equal = [1, 2], [1, 2]
    assert doubled(one) is doubled(one)
    assert doubled(equal) == doubled(one)
    assert [values is one for values in asked] == [True, False, True]
    with pytest.raises(TypeError, match="by position"):
        doubled(values=one)


def test_an_error_is_not_remembered_and_large_arguments_may_go() -> None:
    asked = []

    @last_kept
    def inverse(values: np.ndarray[Any, Any]) -> float:
        asked.append(len(values))
        if not values.all():
            raise ZeroDivisionError
        return float((1.0 / values).sum())

    zeros = np.zeros(2)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            inverse(zeros)
    large = np.ones(1000)
    assert inverse(large) == inverse(large) == 1000.0
    assert asked == [2, 2, 1000]
    gone = weakref.ref(large)
    del large
    gc.collect()
    assert gone() is None
