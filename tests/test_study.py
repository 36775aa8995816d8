"""Studies: which points there are, what they share, and that nothing about how they ran shows in the results."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.documents import Place
from sim.errors import InputError
from sim.loading.scenario import load_scenario, read_scenario
from sim.loading.variants import Variants
from sim.running.run import simulated
from sim.spec.ranges import read_range
from sim.spec.study import Sampled, Sobol, load_study, shipped_studies
from sim.study.packed import packed, unpacked
from sim.study.points import Hasher
from sim.study.store import Store
from sim.study.sweep import run as sweeping
from sim.study.sweep.design import combinations, replication_seed, unit_cube
from sim.study.sweep.finished import StudyResults
from sim.study.sweep.plan import base_of
from sim.study.sweep.run import sweep
from sim.study.sweep.tasks import Done, Task, flat, perform
from tests.small import small

PLACE = Place("study.yaml", 1)
GRID = "site.grid.intensity"


def quick() -> dict[str, Any]:
    """An hour of one small service: some milliseconds to simulate."""
    scenario = small()
    scenario["duration"] = "1 h"
    del scenario["workloads"]["tune"]
    scenario["outputs"] = {"bin": "1 h"}
    return scenario


def study(**more: Any) -> dict[str, Any]:
    """Three loads, two grids, two replications: twelve points, six simulations."""
    axes = {"workloads.api.arrivals.rate": ["0.1 /s", "0.5 /s", "1 /s"], GRID: ["50 gCO2e/kWh", "400 gCO2e/kWh"]}
    return {"name": "small", "base": quick(), "axes": axes, "replications": 2, **more}


class InOrder:
    """Performs tasks in this process; ``shuffled`` lets them be done in any order, ``most`` stops after some."""

    workers = 3

    def refuse_absent(self, files: Sequence[str]) -> None:
        pass

    def __init__(self, *, shuffled: int | None = None, most: int | None = None) -> None:
        self._shuffled, self._most = shuffled, most

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        known = list(tasks)
        if self._shuffled is not None:
            random.Random(self._shuffled).shuffle(known)
        for count, task in enumerate(known):
            if count == self._most:
                raise KeyboardInterrupt
            yield perform(task)

    def close(self) -> None:
        pass


def here(monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    monkeypatch.setattr(sweeping, "_pool", lambda *_: InOrder(**how))


def contents(folder: Path) -> dict[str, bytes]:
    """Everything of a study that may not depend on how it ran."""
    return {path.name: path.read_bytes() for path in [*sorted((folder / "points").iterdir()), folder / "study.json"]}


def lookup(_path: str) -> None:
    return None


def rows(axes: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
    return list(combinations(load_study({"base": "x", "axes": axes, **more}), lookup))


# --- which points -----------------------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_the_last_axis_fastest() -> None:
    found = rows({"a": [1, 2], "b": {"range": ["100 W", "300 W", 3]}})
    assert found == [{"a": a, "b": b} for a in (1, 2) for b in ("100 W", "200 W", "300 W")]


def test_zipped_paths_move_together() -> None:
    assert rows({"both": {"zip": {"a": [1, 2], "b": ["x", "y"]}}}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_conditional_axis_speaks_only_where_its_condition_holds() -> None:
    axes = {"kind": ["plain", "cached"], "size": {"values": [1, 2, 3], "when": {"kind": "cached"}}}
    assert rows(axes) == [{"kind": "plain"}, *({"kind": "cached", "size": size} for size in (1, 2, 3))]


def test_a_condition_may_be_met_by_the_base() -> None:
    loaded = load_study({"base": "x", "axes": {"size": {"values": [1, 2], "when": {"kind": ["a", "b"]}}}})
    assert list(combinations(loaded, lambda _: "b")) == [{"size": 1}, {"size": 2}]
    assert list(combinations(loaded, lambda _: "c")) == [{}]


@pytest.mark.parametrize(
    ("given_", "step", "log", "levels"),
    [
        ([1, 4], 1, False, [1, 2, 3, 4]),
        ([0.1, 0.5], 0.1, False, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (["0.5 kW", "1 kW", 3], None, False, ["0.5 kW", "0.75 kW", "1 kW"]),
        ([1.0, 1000.0, 4], None, True, [1.0, 10.0, 100.0, 1000.0]),
        ([1, 2], 0.5, False, [1.0, 1.5, 2.0]),
    ],
)
def test_ranges(given_: list[Any], step: Any, log: bool, levels: list[Any]) -> None:
    found = read_range(given_, step, log=log).levels()
    assert found == levels
    assert [type(level) for level in found] == [type(level) for level in levels]


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 2**32))
def test_a_latin_hypercube_has_one_point_in_each_slice(log2: int, dimensions: int, seed: int) -> None:
    design = load_study(
        {"base": "x", "design": {"kind": "latin-hypercube", "points": 2**log2, "seed": seed}}
    ).spec.design
    assert isinstance(design, Sampled)
    cube = unit_cube(design, dimensions)
    for column in cube.T:
        assert sorted(np.floor(column * 2**log2).astype(int).tolist()) == list(range(2**log2))


@given(st.integers(0, 7), st.integers(1, 5), st.integers(0, 2**32))
def test_a_sobol_sequence_is_balanced_in_each_dimension(log2: int, dimensions: int, seed: int) -> None:
    """The first 2**m points of a (t, s)-sequence in base 2 put one into each of 2**m slices of every single axis."""
    cube = unit_cube(Sobol(kind="sobol", points=2**log2, seed=seed), dimensions)
    for column in cube.T:
        assert sorted(np.floor(column * 2**log2).astype(int).tolist()) == list(range(2**log2))


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol", "random"])
def test_designs_repeat_by_seed_and_stay_within_their_axes(kind: str) -> None:
    axes = {"a": {"range": [1, 3]}, "b": {"range": ["10 W", "20 W"]}, "c": ["x", "y"]}
    first, again, other = (rows(axes, design={"kind": kind, "points": 64, "seed": seed}) for seed in (1, 1, 2))
    assert first == again != other
    assert {row["a"] for row in first} == {1, 2, 3}
    assert {row["c"] for row in first} == {"x", "y"}
    assert all(10 <= float(row["b"].split()[0]) <= 20 for row in first)


def test_replications_share_their_seeds_between_points_and_begin_with_the_scenario_s_own() -> None:
    assert replication_seed(7, 0) == 7
    seeds = {replication_seed(seed, r) for seed in (7, 8) for r in range(1, 50)}
    assert len(seeds) == 98
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(
    ("written", "path", "says"),
    [
        ({"axes": {"a": {"range": [1, 2]}}}, "axes.a.range", "how many"),
        ({"axes": {"a": {"range": ["1 W", "2 kW", 3]}}}, "axes.a.range", "one unit"),
        ({"axes": {"a": {"zip": {"b": [1], "c": [1, 2]}}}}, "axes.a", "one length"),
        ({"axes": {"a": {"values": [1], "range": [1, 2, 2]}}}, "axes.a", "one of"),
        ({"axes": {"a": [1], "g": {"zip": {"a": [2]}}}}, "axes.a", "more than once"),
        ({"axes": {"a.b": [1], "a": [{"b": 2}]}}, "axes.a", "'a' takes away what 'a.b' sets"),
        ({"set": {"a.b.c": 1}, "axes": {"g": {"zip": {"d": [1], "a": [{}]}}}}, "axes.g", "'a' takes away what 'a.b.c'"),
        ({"base": 5}, "base", "must be text"),
        ({"design": {"kind": "sobol", "points": 100}}, "design", "power of two"),
        ({"design": {"kind": "griddy"}}, "design.kind", "did you mean 'grid'"),
        ({"axis": {}}, "axis", "did you mean 'axes'"),
        ({"replications": 0}, "replications", "must be at least 1"),
    ],
)
def test_what_is_wrong_with_a_study_is_said_at_its_place(written: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        load_study({"base": "x", **written})
    assert any(problem.path.startswith(path) and says in problem.message for problem in refused.value.problems)


def test_every_point_is_checked_before_anything_runs(tmp_path: Path) -> None:
    text = """\
base: bloom-training-physical
axes:
  site.facility.pue: [1.1, 0.9]
  workloads.bloom.gpus:
    - 384
    - 385000
  site.grid.intensity: [50 gCO2e/kWh, 50 kWh]
"""
    file = tmp_path / "study.yaml"
    file.write_text(text)
    out = tmp_path / "out"
    with pytest.raises(InputError) as refused:
        sweep(file, out, cache=Store(tmp_path / "cache"))
    found = {(problem.line, problem.path) for problem in refused.value.problems}
    assert {(3, "site.facility.pue"), (4, "workloads.bloom.gpus"), (7, "site.grid.intensity")} <= found
    assert {problem.file for problem in refused.value.problems} == {str(file)}
    assert not out.exists()


# --- what points share ------------------------------------------------------------------------------------------------


CHANGES: dict[str, list[Any]] = {
    GRID: ["57 gCO2e/kWh", "kWh", {"kind": "series", "file": "nowhere.csv", "unit": "1 gCO2e/kWh"}],
    "site.facility.pue": [1.0, 0.5, "1.2"],
    "site.water": [None, {"wue": "1 L/kWh"}],
    "workloads.api.replicas": [1, 0, 900],
    "workloads.api.arrivals": [{"kind": "poisson", "rate": "1 /s"}, {"kind": "interval-log", "file": "gone.csv"}],
    "workloads.tune.gpus": [8, 99, "eight"],
    "accounting.gpu_lifetime": ["3 years", None],
    "cluster.nodes.0.profile": ["dgx-h100", "dgx-h1000"],
    "cluster.nodes.7.count": [1],
    "duration": ["2 h", None, "0 s"],
    "seed": [3, -1],
    "policies": [[]],
}


CHOICE = st.dictionaries(st.sampled_from(sorted(CHANGES)), st.integers(0, 5), max_size=4)


@given(st.lists(CHOICE, min_size=1, max_size=3))
def test_a_variant_is_what_loading_it_alone_would_give(choices: Sequence[Mapping[str, int]]) -> None:
    document, name, folders = read_scenario(small())
    variants = Variants(document, name, {**folders, "study.yaml": Path.cwd()})
    for choice in (*choices, *choices):  # what was checked before is known the second time
        values = {path: CHANGES[path][number % len(CHANGES[path])] for path, number in choice.items()}

        def outcome(load: Any) -> Any:
            try:
                return load().resolved()
            except InputError as error:
                return {(problem.path, problem.message) for problem in error.problems}

        places = dict.fromkeys(values, PLACE)
        varied = outcome(lambda v=values, p=places: variants.at(v, p))
        assert varied == outcome(lambda v=values: load_scenario(small(), v))


def keys_of(values: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> tuple[str, str]:
    document, name, folders = read_scenario(base if base is not None else small())
    variants = Variants(document, name, {**folders, "study.yaml": Path.cwd()})
    return Hasher().hashes(variants.at(values, dict.fromkeys(values, PLACE)))


@pytest.mark.parametrize(
    ("values", "simulates_anew"),
    [
        ({GRID: "57 gCO2e/kWh"}, False),
        ({"site.facility.pue": 1.1}, False),
        ({"site.water": None}, False),
        ({"accounting.gpu_lifetime": "3 years"}, False),
        ({"name": "another"}, False),
        ({"seed": 2}, True),
        ({"site.name": "elsewhere"}, True),  # the ledger's rows carry it
        ({"workloads.api.cpu_load": 0.2}, True),
        ({"outputs.bin": "30 min"}, True),
        ({"cluster.nodes.0.profile": "dgx-h100"}, True),
    ],
)
def test_the_simulation_key_leaves_out_what_only_prices(values: dict[str, Any], simulates_anew: bool) -> None:
    point, key = keys_of({})
    other_point, other_key = keys_of(values)
    assert other_point != point
    assert (other_key != key) == simulates_anew


def test_a_signal_that_something_reads_decides_the_simulation() -> None:
    base = small()
    base["workloads"]["tune"]["schedule"] = {
        "kind": "pause-resume",
        "signal": "carbon",
        "threshold": "300 gCO2e/kWh",
        "within": "4 h",
        "while_paused": {"kind": "hold"},
    }
    keys = [keys_of({GRID: intensity}, base)[1] for intensity in ("57 gCO2e/kWh", "380 gCO2e/kWh", "57 gCO2e/kWh")]
    assert keys[0] == keys[2] != keys[1]
    assert keys_of({"site.facility.pue": 1.1}, base)[1] == keys_of({}, base)[1]


def hourly(path: Path, minutes: int, value: float) -> None:
    lines = [
        f"2022-07-04T{minute // 60:02d}:{minute % 60:02d}:00Z,{value + minute}" for minute in range(0, 720, minutes)
    ]
    path.write_text("\n".join(["datetime_utc,carbon_intensity", *lines]) + "\n")


def test_a_series_that_cuts_the_bins_elsewhere_needs_a_ledger_of_its_own(tmp_path: Path) -> None:
    """By the hour it prices the same ledger of hourly bins; by the half hour it cannot."""
    series = {"kind": "series", "file": str(tmp_path / "grid.csv"), "unit": "1 gCO2e/kWh"}
    hourly(tmp_path / "grid.csv", 60, 100.0)
    assert keys_of({GRID: series})[1] == keys_of({})[1]
    hourly(tmp_path / "grid.csv", 30, 100.0)
    assert keys_of({GRID: series})[1] != keys_of({})[1]


def test_the_content_of_input_files_is_part_of_a_point(tmp_path: Path) -> None:
    series = {"kind": "series", "file": str(tmp_path / "grid.csv"), "unit": "1 gCO2e/kWh"}
    log = {"kind": "request-log", "file": str(tmp_path / "log.csv")}
    hourly(tmp_path / "grid.csv", 60, 100.0)
    (tmp_path / "log.csv").write_text("timestamp_utc\n2022-07-04T00:10:00Z\n2022-07-04T00:20:00Z\n")
    before = keys_of({GRID: series, "workloads.api.arrivals": log})
    hourly(tmp_path / "grid.csv", 60, 101.0)
    priced = keys_of({GRID: series, "workloads.api.arrivals": log})
    assert (priced[0] != before[0], priced[1] != before[1]) == (True, False)
    (tmp_path / "log.csv").write_text("timestamp_utc\n2022-07-04T00:10:00Z\n2022-07-04T00:25:00Z\n")
    driven = keys_of({GRID: series, "workloads.api.arrivals": log})
    assert (driven[0] != priced[0], driven[1] != priced[1]) == (True, True)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_a_simulation_survives_packing_to_the_bit() -> None:
    run = simulated(load_scenario(quick()))
    again = unpacked(packed(run, "k"))
    assert again.ledger.keys == run.ledger.keys
    for name in ("edges_ns", "energy_j", "slot_ns"):
        assert np.array_equal(getattr(again.ledger, name), getattr(run.ledger, name))
    assert json.dumps(again.activity) == json.dumps(run.activity)


def test_a_poisoned_entry_is_found_out_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch)
    store = Store(tmp_path / "cache")
    first = sweep(study(), tmp_path / "a", cache=store)
    assert first.progress.simulated == 6
    truncated, edited, swapped, *rest = sorted(store.entries())
    truncated.write_bytes(truncated.read_bytes()[:-1])
    content = bytearray(edited.read_bytes())
    content[-5] ^= 1
    edited.write_bytes(bytes(content))
    swapped.write_bytes(rest[0].read_bytes())
    again = sweep(study(), tmp_path / "b", cache=store)
    assert again.progress.simulated == 3
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert store.verify() == (6, 0)


def test_the_cache_keeps_what_was_read_last(tmp_path: Path) -> None:
    content = packed(simulated(load_scenario(quick())), "k")
    store = Store(tmp_path, limit=2 * len(content))
    import os

    for age, key in enumerate(("aa", "bb", "cc")):
        store.keep(key, packed(simulated(load_scenario(quick())), key))
        os.utime(store.path(key), (1000 + age, 1000 + age))
    assert store.read("aa") is not None  # it is the last read now
    assert store.trim() == 1
    assert sorted(path.stem for path in store.entries()) == ["aa", "cc"]
    assert store.clear() == 2
    assert list(store.entries()) == []


# --- how it ran does not show -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study as done in order, by this process."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        here(patch)
        sweep(study(), folder / "out", cache=Store(folder / "cache"))
    return folder / "out"


def test_each_row_is_the_run_of_its_scenario(reference: Path) -> None:
    for row in pq.read_table(reference / "points").to_pylist():
        values = {
            name.removeprefix("axis."): v for name, v in row.items() if name.startswith("axis.") and "(" not in name
        }
        alone = flat(sim.run(quick(), set=values, seed=row["seed"]).summary)
        assert {name: row[name] for name in alone} == alone
        assert row["status"] == "done"


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_completion_does_not_show(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    here(monkeypatch, shuffled=seed)
    sweep(study(), tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert contents(tmp_path / "out") == contents(reference)


@pytest.mark.parametrize("most", [0, 1, 4])
def test_a_study_stopped_and_resumed_is_the_same(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    store, out = Store(tmp_path / "cache"), tmp_path / "out"
    here(monkeypatch, shuffled=3, most=most)
    with pytest.raises(sweeping.Interrupted) as stopped:
        sweep(study(), out, cache=store)
    assert stopped.value.progress.done == 2 * most  # each simulation prices two grids
    here(monkeypatch)
    with pytest.raises(InputError, match="--resume"):
        sweep(study(), out, cache=store)
    resumed = sweep(study(), out, cache=store, resume=True)
    assert (resumed.progress.began_with, resumed.progress.simulated) == (2 * most, 6 - most)
    assert contents(out) == contents(reference)
    again = sweep(study(), out, cache=store, resume=True)
    assert again.progress.simulated == 0
    assert contents(out) == contents(reference)


def test_a_torn_journal_loses_only_its_last_line(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out = Store(tmp_path / "cache"), tmp_path / "out"
    here(monkeypatch, most=4)
    with pytest.raises(sweeping.Interrupted):
        sweep(study(), out, cache=store)
    journal = out / ".progress" / "journal"
    journal.write_bytes(journal.read_bytes()[:-10])
    here(monkeypatch)
    resumed = sweep(study(), out, cache=Store(tmp_path / "other"), resume=True)
    assert resumed.progress.began_with == 7
    assert contents(out) == contents(reference)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_does_not_show(reference: Path, tmp_path: Path, workers: int) -> None:
    sweep(study(), tmp_path / "out", workers=workers, cache=Store(tmp_path / "cache"))
    assert contents(tmp_path / "out") == contents(reference)


def test_what_was_simulated_before_is_not_again(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    store = Store(tmp_path / "cache")
    first = sweep(study(), tmp_path / "a", cache=store)
    wider = study(axes={**study()["axes"], "site.facility.pue": [1.1, 1.2, 1.3]})
    second = sweep(wider, tmp_path / "b", cache=store)
    assert (first.progress.simulated, second.progress.simulated) == (6, 0)
    assert (first.progress.simulations, second.progress.simulations, second.progress.found) == (6, 6, 6)
    assert contents(tmp_path / "a") == contents(reference)


def test_identical_points_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch)
    found = sweep(
        study(axes={GRID: ["50 gCO2e/kWh"] * 3}, replications=1), tmp_path / "out", cache=Store(tmp_path / "c")
    )
    table = found.table().drop_columns(["point"]).to_pylist()
    assert table[0] == table[1] == table[2]
    assert (found.progress.identical, found.progress.simulated) == (2, 1)


def test_columns_are_tidy(reference: Path) -> None:
    table = pq.read_table(reference / "points")
    rate = "axis.workloads.api.arrivals.rate"
    assert table.column("point").to_pylist() == list(range(12))
    assert table.column(rate).to_pylist()[:5] == ["0.1 /s"] * 4 + ["0.5 /s"]
    assert table.column(f"{rate} (/s)").to_pylist()[::4] == [0.1, 0.5, 1.0]
    assert table.column("replication").to_pylist() == [0, 1] * 6
    # common random numbers: a replication has one seed at all points
    assert len(set(zip(table["replication"].to_pylist(), table["seed"].to_pylist(), strict=True))) == 2


def test_outputs_choose_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch)
    found = sweep(study(outputs=["carbon_kg.total"]), tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert [name for name in found.table().column_names if "." in name and not name.startswith("axis.")] == [
        "carbon_kg.total"
    ]


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "values", "limits", "status", "error"),
    [
        # 500 requests a second for an hour take many seconds
        ("workloads.api.arrivals.rate", ["1 /s", "500 /s"], {"time": "1 s"}, "timed-out", "its limit of 1 s"),
        # 720,000 bins of some 25 rows of 16 bytes
        ("outputs.bin", ["1 h", "5 ms"], {"memory": "160 MiB"}, "out-of-memory", "the limit of 160 MiB"),
    ],
)
def test_a_point_past_its_limits_is_a_row_and_not_the_end(
    tmp_path: Path, path: str, values: list[str], limits: dict[str, str], status: str, error: str
) -> None:
    given_ = {"base": quick(), "axes": {path: values}, "limits": limits}
    found = sweep(given_, tmp_path / "out", workers=1, cache=Store(tmp_path / "cache"))
    assert found.table().column("status").to_pylist() == ["done", status]
    assert error in found.table().column("error").to_pylist()[1]
    assert found.progress.failed == 1


def test_a_killed_worker_costs_nothing(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    from sim.study.sweep import pool as pools

    killed: list[int] = []

    class Murderous(pools.LocalPool):
        def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
            for done in super().run(tasks):
                if not killed and self._processes is not None:
                    killed.append(next(iter(self._processes._pool._processes)))
                    os.kill(killed[0], signal.SIGKILL)
                yield done

    monkeypatch.setattr(sweeping, "LocalPool", Murderous)
    sweep(study(), tmp_path / "out", workers=1, cache=Store(tmp_path / "cache"))
    assert killed
    assert contents(tmp_path / "out") == contents(reference)


def test_a_point_that_cannot_be_finished_is_a_row_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.errors import RunError
    from sim.study.sweep import tasks as work

    def fails(loaded: Any) -> Any:
        if "0.5" in loaded.resolved()["workloads"]["api"]["arrivals"]["rate"]:
            raise RunError("no way")
        return simulated(loaded)

    here(monkeypatch)
    monkeypatch.setattr(work, "simulated", fails)
    found: StudyResults = sweep(study(), tmp_path / "out", cache=Store(tmp_path / "cache"))
    statuses = found.table().column("status").to_pylist()
    assert statuses == ["done"] * 4 + ["failed"] * 4 + ["done"] * 4
    assert set(found.table().column("error").to_pylist()) == {None, "no way"}
    assert found.study["statuses"] == {"done": 8, "failed": 4}


# --- what ships -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_hold_together(name: str, tmp_path: Path) -> None:
    from sim.study.sweep.journal import Journal, Spool
    from sim.study.sweep.plan import asked_for, asked_of, planned

    loaded = load_study(name)
    with (
        closing(Journal(tmp_path / "journal", asked_of(loaded))) as journal,
        closing(Spool(tmp_path / "plan")) as spool,
    ):
        plan = planned(loaded, asked_for(loaded, base_of(loaded), journal, None), spool, journal)
    assert 1 <= len(plan.keys) <= len(plan.at) <= 100


def test_files_that_came_along_are_read_where_they_were_laid_out(tmp_path: Path) -> None:
    from dataclasses import replace

    from sim.study.points import build_id
    from sim.study.sweep.tasks import variants_of

    there = tmp_path / "grid.csv"
    hourly(there, 60, 100.0)
    loaded = load_study({"base": small(), "axes": {GRID: [{"kind": "series", "file": str(there), "unit": "1 g/kWh"}]}})
    sent = replace(base_of(loaded), files={str(there): there.read_bytes()}, build=build_id())
    there.unlink()
    base, variants = variants_of(sent.pickled())
    values = {GRID: {"kind": "series", "file": str(there), "unit": "1 g/kWh"}}
    assert sim.run(variants.at(values, base.places).resolved()).summary["carbon_kg"]["total"] > 0


def test_two_commands_cannot_write_one_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is the kernel's: whoever is killed holds none, and what it left can be gone on with."""
    from sim.study.sweep.folder import PROGRESS, held_alone

    out = tmp_path / "out"
    (out / PROGRESS).mkdir(parents=True)
    here(monkeypatch)
    with held_alone(out / PROGRESS), pytest.raises(InputError, match="at work"):
        sweep(study(), out, cache=Store(tmp_path / "cache"))
    sweep(study(), out, cache=Store(tmp_path / "cache"))


def test_a_folder_of_profiles_goes_along_with_the_tasks(tmp_path: Path) -> None:
    """A worker that has no such folder prices and simulates with what was in it."""
    from dataclasses import replace

    from sim.profiles.catalog import Catalog
    from sim.study.points import build_id
    from sim.study.sweep.tasks import files_of, variants_of

    own = tmp_path / "profiles"
    own.mkdir()
    shipped = Catalog().path("nvidia-a100-sxm-80gb")
    text = shipped.read_text()
    (own / shipped.name).write_text(text.replace("idle: {value: 60 W", "idle: {value: 61 W", 1))
    data = small() | {"profiles": str(own)}
    idle = sim.load(data).catalog.gpu("nvidia-a100-sxm-80gb").power.idle.value
    assert idle != Catalog().gpu("nvidia-a100-sxm-80gb").power.idle.value
    sent = replace(base_of(load_study({"base": data})), profiles={str(own): files_of(own)}, build=build_id())
    own.rename(tmp_path / "gone")
    base, variants = variants_of(sent.pickled())
    assert variants.at({}, base.places).catalog.gpu("nvidia-a100-sxm-80gb").power.idle.value == idle


def test_a_file_too_large_to_travel_must_stand_at_every_worker(tmp_path: Path) -> None:
    from types import SimpleNamespace

    from sim.study.sweep.cluster import DaskPool

    (tmp_path / "here.csv").write_text("")
    pool = DaskPool.__new__(DaskPool)
    workers = SimpleNamespace(run=lambda function, files: {"tcp://one": function(files), "tcp://two": []})
    pool._client = workers
    pool.refuse_absent([str(tmp_path / "here.csv")])
    with pytest.raises(InputError, match=r"there\.csv.*tcp://one.*s3://"):
        pool.refuse_absent([str(tmp_path / "here.csv"), str(tmp_path / "there.csv")])


def test_a_worker_of_another_build_is_refused() -> None:
    from dataclasses import replace

    from sim.errors import RunError
    from sim.study.sweep.tasks import variants_of

    base = replace(base_of(load_study({"base": small()})), build="0.0.1+other")
    with pytest.raises(RunError, match=r"0\.0\.1\+other"):
        variants_of(base.pickled())


def test_an_object_store_gives_the_inputs_and_takes_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsspec's store in memory stands for any other."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setenv("COLDAISLE_CACHE", str(tmp_path / "home"))
    here(monkeypatch)
    hourly(tmp_path / "grid.csv", 60, 100.0)
    memory.put_file(str(tmp_path / "grid.csv"), "/in/grid.csv")
    series = {"kind": "series", "file": "memory://in/grid.csv", "unit": "1 g/kWh"}
    ours = {**series, "file": str(tmp_path / "grid.csv")}
    remote = sweep(study(axes={GRID: [series]}), "memory://out/study")
    local = sweep(study(axes={GRID: [ours]}), tmp_path / "local")
    assert remote.table().column("carbon_kg.total") == local.table().column("carbon_kg.total")
    sent = memory.cat("/out/study/points/part-00000.parquet")
    assert sent == (remote.folder / "points" / "part-00000.parquet").read_bytes()
    assert memory.exists("/out/study/study.json")


# --- uncertain points -------------------------------------------------------------------------------------------------


def test_points_of_an_uncertain_base_carry_intervals_and_share_their_draws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each interval is that of the point run by itself, and the difference of two points that of common draws."""
    base = quick()
    base["uncertainty"] = {
        "draws": 16, "seeds": 1, "over": {"site.facility.pue": {"kind": "uniform", "low": 1.1, "high": 1.5}},
    }  # fmt: skip
    axes = {GRID: ["50 gCO2e/kWh", "400 gCO2e/kWh"], "workloads.api.arrivals.rate": ["0.1 /s", "1 /s"]}
    here(monkeypatch)
    asked = {"name": "uncertain", "base": base, "axes": axes}
    found = sweep(asked, tmp_path / "a", cache=Store(tmp_path / "cache"))
    frame = found.frame()
    assert found.progress.simulations == 2  # draws that only price need none of their own
    for _, row in frame.iterrows():
        alone = sim.run(base, set={path: row[f"axis.{path}"] for path in axes})
        for end in ("p05", "p50", "p95"):
            own = alone.summary["intervals"]["carbon_kg.total"][end]
            assert row[f"intervals.carbon_kg.total.{end}"] == pytest.approx(own, rel=1e-12)
    kwh = frame[frame["axis.workloads.api.arrivals.rate"] == "1 /s"].sort_values(f"axis.{GRID} (gCO2e/kWh)")
    ends = kwh["intervals.carbon_kg.operational_location.p95"] / kwh["intervals.carbon_kg.operational_location.p50"]
    assert ends.iloc[0] == pytest.approx(ends.iloc[1])  # the same draws of PUE at both grids
    again = sweep(asked | {"outputs": ["carbon_kg.total"]}, tmp_path / "b", cache=Store(tmp_path / "cache"))
    names = [name for name in again.frame().columns if not name.startswith("axis.")][6:]
    assert names == ["carbon_kg.total", *(f"intervals.carbon_kg.total.{end}" for end in ("p05", "p50", "p95"))]


def test_a_distribution_that_does_not_fit_is_found_before_anything_runs(tmp_path: Path) -> None:
    base = quick()
    base["uncertainty"] = {
        "draws": 8,
        "seeds": 1,
        "over": {"site.facility.pue": {"kind": "triangular", "low": 2.0, "high": 3.0}},
    }
    with pytest.raises(InputError, match=r"facility\.pue.*lies outside"):
        sweep({"base": base, "axes": {GRID: ["50 gCO2e/kWh"]}}, tmp_path / "a", cache=Store(tmp_path / "cache"))
    assert not (tmp_path / "a").exists()
    base["uncertainty"]["over"]["site.facility.pue"] |= {"mode": 2.5}
    with pytest.raises(InputError, match=r"facility\.pue.*no axis moves"):
        sweep({"base": base, "axes": {"site.facility.pue": [1.1, 1.4]}}, tmp_path / "a", cache=Store(tmp_path / "c"))
