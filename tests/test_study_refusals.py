"""What a study refuses before it begins, what it says of that, and that a refusal leaves nothing behind."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.segment import Segments

from sim.errors import InputError, RunError
from sim.spec.study import load_study
from sim.study.store import Store, store_at
from sim.study.sweep import run as sweeping
from sim.study.sweep.front import Goal, front_of
from sim.study.sweep.run import sweep
from sim.study.sweep.tables import front_tables, study_tables
from sim.study.sweep.tasks import Limits, Task
from tests.test_study import InOrder, contents, here, quick, study

RATE = "workloads.api.arrivals.rate"


def problems_of(tmp_path: Path, axes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InputError) as refused:
        sweep({"name": "small", "base": quick(), "axes": axes}, tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()
    return {problem.path: problem.message for problem in refused.value.problems}


# --- conditions that would leave an axis out without a word -----------------------------------------------------------


def test_a_condition_on_a_path_that_nobody_sets_is_refused(tmp_path: Path) -> None:
    found = problems_of(tmp_path, {"seed": [1, 2], RATE: {"values": ["1 /s"], "when": {"sede": 2}}})
    assert "neither an axis nor the base" in found[f'axes."{RATE}".when.sede']


def test_a_condition_on_a_value_that_never_comes_is_refused(tmp_path: Path) -> None:
    found = problems_of(tmp_path, {"seed": [1, 2], RATE: {"values": ["1 /s"], "when": {"seed": [3, 4]}}})
    assert found[f'axes."{RATE}".when.seed'] == "never holds: there it is 1 or 2"


def test_a_condition_on_an_axis_that_comes_later_is_refused() -> None:
    axes = {RATE: {"values": ["1 /s"], "when": {"seed": 2}}, "seed": [1, 2]}
    with pytest.raises(InputError, match=r"when\.seed: its axis must stand before"):
        load_study({"base": quick(), "axes": axes})


def test_a_condition_on_a_conditional_axis_or_the_base_holds_where_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    axes = {
        "seed": [1, 2],
        "workloads.api.replicas": {"values": [2, 3], "when": {"seed": 2}},
        RATE: {"values": ["0.1 /s", "0.2 /s"], "when": {"workloads.api.replicas": 3, "duration": "1 h"}},
    }
    found = sweep({"base": quick(), "axes": axes}, tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert found.study["points"] == 4


def test_a_base_that_is_nowhere_is_refused_where_it_is_named(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("axes: {seed: [1, 2]}\nbase: nowhere\n")
    with pytest.raises(InputError, match=r"study\.yaml:2: base: 'nowhere': no such file"):
        sweep(file, tmp_path / "out", cache=Store(tmp_path / "cache"))


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resume", [False, True])
def test_a_study_of_another_name_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    here(monkeypatch)
    cache, out = Store(tmp_path / "cache"), tmp_path / "out"
    sweep(study(), out, cache=cache)
    before = contents(out)
    with pytest.raises(InputError, match="holds the study 'small', and this is 'other'"):
        sweep(study(name="other"), out, cache=cache, resume=resume)
    assert contents(out) == before


def test_a_study_that_was_stopped_is_not_gone_on_with_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, out = Store(tmp_path / "cache"), tmp_path / "out"
    here(monkeypatch, most=1)
    with pytest.raises(KeyboardInterrupt):
        sweep(study(), out, cache=cache)
    kept = (out / ".progress" / "journal").read_bytes()
    with pytest.raises(InputError, match="holds the study 'small'"):
        sweep(study(name="other"), out, cache=cache, resume=True)
    assert (out / ".progress" / "journal").read_bytes() == kept


def test_workers_that_are_refused_leave_nothing_to_go_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: Any) -> InOrder:
        raise RunError("workers with another build")

    monkeypatch.setattr(sweeping, "_pool", refuses)
    with pytest.raises(RunError):
        sweep(study(), tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


# --- Dask -------------------------------------------------------------------------------------------------------------


def test_an_address_that_is_none_is_refused_at_once() -> None:
    """Before a client is made of it, which would linger until its timeout and then complain on standard error."""
    distributed: Any = pytest.importorskip("distributed")
    from sim.study.sweep.cluster import DaskPool

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("made a client"))
        for address in ("nonsense", "x://nonsense"):
            with pytest.raises(InputError, match=f"no scheduler answers at '{address}'"):
                DaskPool(address)


def refused_by(client: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    distributed: Any = pytest.importorskip("distributed")
    from sim.study.sweep.cluster import DaskPool

    monkeypatch.setattr(distributed, "Client", lambda *_, **__: client)
    with pytest.raises(RunError) as refused:
        DaskPool("tcp://127.0.0.1:8786")
    return str(refused.value)


def test_a_scheduler_without_workers_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*_: Any, **__: Any) -> None:
        raise TimeoutError

    closed: list[bool] = []
    client = SimpleNamespace(wait_for_workers=waits, close=lambda: closed.append(True))
    assert "dask worker tcp://127.0.0.1:8786" in refused_by(client, monkeypatch)
    assert closed


def test_a_worker_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(*_: Any) -> None:
        raise ModuleNotFoundError("No module named 'sim'")

    client = SimpleNamespace(wait_for_workers=lambda *_, **__: None, run=runs, close=lambda: None)
    assert "install 'coldaisle[dask]'" in refused_by(client, monkeypatch)


def test_a_scheduler_that_goes_away_is_no_defect_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its client then makes of every task in hand: a cancelled one."""
    distributed: Any = pytest.importorskip("distributed")
    from sim.study.sweep.cluster import DaskPool

    class Completed(list[Any]):
        add = list.append

        def __next__(self) -> Any:
            return self.pop()

    class Lost:
        def exception(self) -> Any:
            return distributed.CancelledError("scheduler-connection-lost")

    monkeypatch.setattr(distributed, "as_completed", lambda **_: Completed())
    pool = DaskPool.__new__(DaskPool)
    pool._address = "tcp://there"
    pool._client = SimpleNamespace(loop=None, nthreads=dict, submit=lambda *_, **__: Lost())
    with pytest.raises(RunError, match=r"scheduler at tcp://there is gone.*--resume goes on"):
        list(pool.run([Task(0, "k", b"", ((0, {}),), None, Limits(), None)]))


# --- the cache and the end of a study ---------------------------------------------------------------------------------


def test_the_cache_keeps_the_limit_it_was_given(tmp_path: Path) -> None:
    assert store_at(tmp_path).limit == 4 * 2**30
    store_at(tmp_path).limited(1000)
    assert store_at(tmp_path).limit == 1000
    assert store_at(tmp_path).clear() == 0
    assert store_at(tmp_path).limit == 1000


def test_the_cache_does_not_wait_for_the_end_of_a_study_to_keep_to_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "TRIM_EVERY", 2)
    here(monkeypatch, most=4)
    store = Store(tmp_path / "cache", limit=0)
    with pytest.raises(KeyboardInterrupt):
        sweep(study(), tmp_path / "out", cache=store)
    assert list(store.entries()) == []
    here(monkeypatch)
    sweep(study(), tmp_path / "out", cache=store, resume=True)
    here(monkeypatch)
    sweep(study(), tmp_path / "other", cache=Store(tmp_path / "more"))
    assert contents(tmp_path / "out") == contents(tmp_path / "other")


def test_the_end_says_which_results_no_point_has_and_cuts_no_heading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    outputs = ["carbon_kg.operational_location", "carbon_kg.totl"]
    found = sweep(study(outputs=outputs), tmp_path / "out", cache=Store(tmp_path / "cache"))
    page = io.StringIO()
    Console(width=80, file=page).print(study_tables(found))
    shown = page.getvalue()
    assert "no point has such a result: carbon_kg.totl" in shown
    assert "intensity" in shown
    assert "…" not in shown


def test_the_end_and_the_front_cut_no_number_and_tell_mappings_as_scenarios_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    averages = [{"kind": "average", "region": code} for code in ("FRA", "POL")]
    axes = {"site.grid.intensity": averages, "seed": [1, 2], "site.facility.pue": [1.123, 1.2]}
    outputs = ["carbon_kg.operational_location", "serving.api.e2e_s.p99"]
    found = sweep(study(axes=axes, outputs=outputs), tmp_path / "out", cache=Store(tmp_path / "cache"))
    for tables in (
        study_tables(found),
        front_tables(front_of(tmp_path / "out", [Goal.read(path) for path in outputs])),
    ):
        page = io.StringIO()
        console = Console(width=80, file=page)
        console.print(Segments(console.render(tables)), crop=False)
        shown = page.getvalue()
        assert all(part in shown for part in ("operational_", "location", "e2e_s", "p99", "1.123", "FRA}"))
        assert "\u2026" not in shown
        assert '"' not in shown
        assert max(map(len, shown.splitlines())) <= 80


# --- points that no scenario can be, where a study takes them as rows ------------------------------------------------


def replicas(*counts: int, **more: Any) -> dict[str, Any]:
    """An A100 node has eight GPUs, and a replica takes some."""
    axes = {"workloads.api.replicas": list(counts), "site.grid.intensity": ["50 gCO2e/kWh", "400 gCO2e/kWh"]}
    return {"name": "small", "base": quick(), "axes": axes, **more}


def test_a_point_that_cannot_be_is_a_row_where_the_study_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    with pytest.raises(InputError, match=r"workloads\.api\.replicas"):
        sweep(replicas(1, 9000), tmp_path / "out", cache=Store(tmp_path / "cache"))
    found = sweep(replicas(1, 9000, on_bad_points="row"), tmp_path / "out", cache=Store(tmp_path / "cache"))
    rows = found.table().to_pylist()
    assert [row["status"] for row in rows] == ["done", "done", "refused", "refused"]
    assert all(str(row["error"]).startswith("workloads.api.replicas: ") for row in rows[2:])
    assert [row["axis.workloads.api.replicas"] for row in rows] == [1, 1, 9000, 9000]
    assert (found.progress.failed, found.progress.refused, found.progress.identical) == (2, 2, 0)


def test_a_study_of_bad_points_alone_is_refused_anyhow(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"workloads\.api\.replicas"):
        sweep(replicas(8000, 9000, on_bad_points="row"), tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


def test_bad_points_and_failures_are_counted_after_a_stop_as_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.running.run import simulated
    from sim.study.sweep import tasks as work

    def fails(loaded: Any) -> Any:
        if loaded.scenario.workloads["api"].replicas == 2:
            raise RunError("no way")
        return simulated(loaded)

    monkeypatch.setattr(work, "simulated", fails)
    asked = replicas(2, 1, 9000, on_bad_points="row")
    here(monkeypatch)
    whole = sweep(asked, tmp_path / "whole", cache=Store(tmp_path / "one"))
    here(monkeypatch, most=1)
    with pytest.raises(KeyboardInterrupt):
        sweep(asked, tmp_path / "out", cache=Store(tmp_path / "two"))
    here(monkeypatch)
    resumed = sweep(asked, tmp_path / "out", cache=Store(tmp_path / "two"), resume=True)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert whole.progress.failed == resumed.progress.failed == 4


def test_a_study_of_too_many_points_is_refused_before_they_are_counted_out() -> None:
    axes = {"seed": {"range": [1, 100_000, 100_000]}, "site.facility.pue": {"range": [1.0, 2.0, 1000]}}
    with pytest.raises(InputError, match=r"axes: make 100,000,000 points"):
        load_study({"base": quick(), "axes": axes})


def test_whoever_watches_hears_of_points_while_they_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch)
    heard: list[tuple[int, int, int]] = []
    sweep(
        study(),
        tmp_path / "out",
        cache=Store(tmp_path / "cache"),
        watch=lambda how: heard.append((how.points, how.checked, how.done)),
    )
    assert [checked for points, checked, _ in heard if not points] == list(range(1, 13))
    assert heard[-1] == (12, 12, 12)


def test_a_shipped_scenario_in_place_of_a_study_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a scenario that comes with the package: coldaisle run chat-service"):
        load_study("chat-service")
    with pytest.raises(InputError, match="no study of that name"):
        load_study("chat-servize")
    (tmp_path / "chat-service.yaml").write_text("name: mine\n")
    with pytest.raises(InputError, match="no study of that name"):
        load_study(tmp_path / "chat-service")


def test_the_end_says_which_points_miss_an_objective_and_which_carbon_cannot_be_compared(tmp_path: Path) -> None:
    slow = {"workloads.chat.slo.ttft": {"values": ["1 ms", "10 s"]}}
    regions = {"site.grid.intensity.region": ["IRL", "US-IA"]}
    given = {
        "name": "promises",
        "base": "chat-service",
        "set": {
            "duration": "2 min",
            "workloads.chat.start_up": None,
            "site.grid.intensity": {"kind": "average", "region": "IRL"},
        },
        "axes": slow | regions,
    }
    found = sweep(given, tmp_path / "out", workers=1, cache=Store(tmp_path / "cache"))
    page = io.StringIO()
    Console(width=80, file=page).print(study_tables(found))
    shown = " ".join(page.getvalue().split())
    assert "2 of 4 points miss the slo of serving.chat in more than 1.0 % of answers, up to 100.0 %" in shown
    assert "site.grid.intensity.region combines life-cycle (IRL) with direct (US-IA) intensities" in shown
    assert "goodput_share" in shown
