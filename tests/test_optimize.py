"""Searches keep to their limits, say when nothing does, and go on after a stop as if there had been none."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sim
from sim.errors import InputError, RunError
from sim.results.files import to_yaml
from sim.results.searched import search_tables
from sim.spec.search import Search, load_search
from sim.study.search.optimize import Found, optimize, search
from tests.small import small

pytest.importorskip("optuna")


def asked(**more: Any) -> Search:
    return Search.model_validate(
        {
            "minimise": "cost",
            "subject_to": [{"path": "delay", "at_most": 2.0}],
            "over": {"x": {"low": 0.0, "high": 4.0}, "kind": ["a", "b"]},
            "trials": 40,
            **more,
        }
    )


def model(values: Mapping[str, Any]) -> dict[str, float]:
    """Cheaper is slower: the least cost within delay 2 is at x = 2 with kind b, and costs 2 - 1."""
    return {"cost": 4.0 - values["x"] - (values["kind"] == "b"), "delay": values["x"]}


def test_the_best_keeps_to_the_limits_and_is_the_least_of_those_that_do() -> None:
    found = search(asked(), model, asked="q")
    assert found.best is not None
    within = [t for t in found.trials if t.results["delay"] <= 2.0]
    assert len(within) < len(found.trials)  # the limit binds
    assert found.best.results["cost"] == min(t.results["cost"] for t in within)
    assert found.best.values["kind"] == "b"
    assert found.best.results["cost"] < 1.3  # 40 trials come near the least, 1


def test_a_search_that_nothing_satisfies_says_so_and_names_what_is_nearest() -> None:
    found = search(asked(subject_to=[{"path": "delay", "at_most": -1.0}], trials=15), model, asked="q")
    assert found.best is None
    assert found.as_dict()["feasible"] is False
    assert found.nearest is not None
    assert found.nearest.results["delay"] == min(t.results["delay"] for t in found.trials)


def test_a_point_that_cannot_run_is_a_trial_with_its_error() -> None:
    def fragile(values: Mapping[str, Any]) -> dict[str, float]:
        if values["kind"] == "b":
            raise RunError("no such thing as b")
        return model(values)

    found = search(asked(trials=15), fragile, asked="q")
    assert {t.error for t in found.trials if t.values["kind"] == "b"} == {"no such thing as b"}
    assert found.best is not None
    assert found.best.values["kind"] == "a"
    console = Console(width=120, file=(shown := StringIO()))
    console.print(search_tables("q", found.as_dict()))
    assert "The first of these: no such thing as b" in shown.getvalue()


def plain(found: Found) -> list[tuple[Any, ...]]:
    return [(t.number, dict(t.values), dict(t.results), t.excess, t.error) for t in found.trials]


class StoppedError(Exception):
    """As a kill would: the search does not see it coming."""


def test_stopped_and_resumed_it_is_the_search_that_was_not(tmp_path: Path) -> None:
    whole = search(asked(trials=25), model, asked="q")
    journal, calls = tmp_path / "journal", 0

    def stopping(values: Mapping[str, Any]) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 14:
            raise StoppedError
        return model(values)

    with pytest.raises(StoppedError):
        search(asked(trials=25), stopping, asked="q", journal=journal)
    search(asked(trials=20), model, asked="q", journal=journal, resume=True)
    resumed = search(asked(trials=25), model, asked="q", journal=journal, resume=True)
    assert plain(resumed) == plain(whole)
    with pytest.raises(InputError, match="go on with --resume"):
        search(asked(), model, asked="q", journal=journal)
    with pytest.raises(InputError, match="another question"):
        search(asked(), model, asked="other", journal=journal, resume=True)


def test_another_seed_is_another_search() -> None:
    first, other = (search(asked(trials=5, seed=seed), model, asked="q") for seed in (0, 1))
    assert plain(first) != plain(other)


def test_the_least_carbon_of_a_scenario_within_a_budget(tmp_path: Path) -> None:
    """Carbon falls with the PUE and nothing else here: of four choices the least wins, and limits cut some off."""
    import json

    base = tmp_path / "base.yaml"
    base.write_text(json.dumps(small()), encoding="utf-8")  # JSON is YAML
    least = 1.25 * sim.run(small()).at("energy_kwh.it")
    spec = {
        "base": str(base),
        "optimize": {
            "minimise": "carbon_kg.total",
            "subject_to": [{"path": "energy_kwh.facility", "at_least": least}],
            "over": {"site.facility.pue": [1.1, 1.2, 1.3, 1.4]},
            "trials": 15,
        },
    }
    found = optimize(load_search(spec))
    assert found.best is not None
    tried = {t.values["site.facility.pue"]: t for t in found.trials}
    assert found.best.results["energy_kwh.facility"] >= least
    assert found.best.values["site.facility.pue"] == min(pue for pue, t in tried.items() if t.feasible)
    assert any(not t.feasible for t in tried.values())


def of_base(tmp_path: Path, **more: Any) -> dict[str, Any]:
    import json

    base = tmp_path / "base.yaml"
    base.write_text(json.dumps(small()), encoding="utf-8")  # JSON is YAML
    asked_for = {"minimise": "carbon_kg.total", "over": {"site.facility.pue": {"low": 1.1, "high": 1.4}}, "trials": 5}
    return {"base": str(base), "optimize": {**asked_for, **more}}


def test_a_result_that_is_none_is_refused_at_its_place_and_before_the_last_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.study.search import optimize as searching

    ran: list[Any] = []

    def counted(self: Any, values: Mapping[str, Any]) -> dict[str, float]:
        ran.append(values)
        return results(self, values)

    results = searching._Scenario.results
    monkeypatch.setattr(searching._Scenario, "results", counted)
    wrong = of_base(tmp_path, subject_to=[{"path": "carbon_kg.totl", "at_most": 1}], trials=50)
    journal = tmp_path / "journal"
    with pytest.raises(
        InputError, match=r"optimize\.subject_to\.0\.path: 'carbon_kg\.totl'.*did you mean 'carbon_kg\.total'"
    ):
        optimize(load_search(wrong), journal=journal)
    assert len(ran) == searching.MOST_SENSELESS
    assert not journal.exists()  # the mended search may have that name


def test_a_choice_that_leads_nowhere_is_refused_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"site\.facility\.puee: unknown name 'puee'; did you mean 'pue'"):
        optimize(load_search(of_base(tmp_path, over={"site.facility.puee": [1.1, 1.2]})))


def test_all_trials_have_what_is_set(tmp_path: Path) -> None:
    found = optimize(load_search({**of_base(tmp_path), "set": {"site.grid.intensity": "0 gCO2e/kWh"}}))
    plainly = optimize(load_search(of_base(tmp_path)))
    assert found.best is not None
    assert plainly.best is not None
    assert found.best.results["carbon_kg.total"] < plainly.best.results["carbon_kg.total"]
    assert set(found.best.values) == {"site.facility.pue"}
    with pytest.raises(InputError, match=r"<search>.*site\.facility\.pu: unknown name"):
        optimize(load_search({**of_base(tmp_path), "set": {"site.facility.pu": 1.1}}))


def test_a_base_that_is_nowhere_is_refused_where_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"<search>.*base: 'nowhere': no such file"):
        optimize(load_search({**of_base(tmp_path), "base": "nowhere"}))


def test_a_line_torn_by_a_kill_is_the_only_one_lost(tmp_path: Path) -> None:
    whole = search(asked(trials=12), model, asked="q")
    journal = tmp_path / "journal"
    search(asked(trials=6), model, asked="q", journal=journal)
    with journal.open("ab") as torn:
        torn.write(b'{"op_code": 4, "wor')
    assert plain(search(asked(trials=12), model, asked="q", journal=journal, resume=True)) == plain(whole)


def test_a_file_that_is_no_journal_is_refused_and_kept(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_text("my notes\n")
    with pytest.raises(InputError, match="journal:1: is no line of a search's journal"):
        search(asked(), model, asked="q", journal=journal, resume=True)
    assert journal.read_text() == "my notes\n"
    with pytest.raises(InputError, match="is a folder"):
        search(asked(), model, asked="q", journal=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"over": {"x": {"low": "300 W", "high": "2 kW"}}}, "must have one unit"),
        ({"subject_to": [{"path": "delay"}]}, "'at_most' or 'at_least'"),
        ({"trials": 0}, "trials"),
        ({"over": {"x.y": [1], "x": [{"y": 2}]}}, "takes away what 'x.y' sets"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    fine = {"minimise": "cost", "over": {"x": [1, 2]}, "trials": 3}
    with pytest.raises(InputError, match=message):
        load_search({"base": "small", "optimize": {**fine, **change}})


def test_nothing_feasible_names_the_limit_that_binds_and_by_how_much_it_is_missed() -> None:
    """Delay is x from 0 to 4 and may be -1 at most: no trial keeps it, and the nearest misses it by its own x and 1."""
    found = search(asked(subject_to=[{"path": "delay", "at_most": -1.0}], trials=15), model, asked="q")
    (missed,) = found.missed
    assert found.nearest is not None
    least = found.nearest.results["delay"]
    assert missed["limit"] == "delay at most -1"
    assert missed["excess"] == missed["excess_share"] == least + 1.0
    assert missed["kept_by"] == 0
    assert (missed["nearest_value"], missed["nearest_trial"]) == (least, found.nearest.number)
    console = Console(width=160, file=(shown := StringIO()))
    console.print(search_tables("q", found.as_dict()))
    assert "it misses delay at most -1 by" in shown.getvalue()
    assert "none of 15 trials keeps it" in shown.getvalue()


def test_limits_that_exclude_one_another_are_told_as_such() -> None:
    """Cost at most 1 and delay at most 1 are each kept by many trials, and never together: cost + delay >= 3."""
    limits = [{"path": "cost", "at_most": 1.0}, {"path": "delay", "at_most": 1.0}]
    found = search(asked(subject_to=limits, trials=40), model, asked="q")
    assert found.best is None
    assert found.missed
    assert all(0 < one["kept_by"] < 40 for one in found.missed)
    console = Console(width=160, file=(shown := StringIO()))
    console.print(search_tables("q", found.as_dict()))
    assert "trials keep it, and miss another" in shown.getvalue()


def test_the_nearest_is_so_whatever_units_its_limits_are_in() -> None:
    """What is least beyond its limits is so in s and in ms: each is held against its own limit."""
    limits = [{"path": "cost", "at_most": 1.0}, {"path": "delay", "at_most": 1.0}]
    small_units = [{"path": "cost", "at_most": 1.0}, {"path": "delay", "at_most": 1000.0}]

    def in_ms(values: Mapping[str, Any]) -> dict[str, float]:
        found = model(values)
        return {"cost": found["cost"], "delay": 1000.0 * found["delay"]}

    over = {"x": [0.0, 1.0, 1.5, 2.0, 3.0, 4.0], "kind": ["a", "b"]}
    seconds = search(asked(subject_to=limits, over=over, trials=60), model, asked="q")
    milli = search(asked(subject_to=small_units, over=over, trials=60), in_ms, asked="q")
    for found in (seconds, milli):  # at x = 1.5 with kind b both are 1.5, beyond by a half; all others by 1 or more
        assert found.nearest is not None
        assert found.nearest.values == {"x": 1.5, "kind": "b"}


def test_a_result_that_no_trial_can_have_says_which_field_to_give(tmp_path: Path) -> None:
    scenario = small()
    del scenario["site"]["grid"]["price"]
    base = tmp_path / "base.yaml"
    base.write_text(to_yaml(scenario))
    over = {"site.facility.pue": [1.1, 1.2, 1.3, 1.4]}
    with pytest.raises(InputError, match=r"'cost\.energy' is not in this run: give site\.grid\.price"):
        optimize(load_search({"base": str(base), "optimize": {"minimise": "cost.energy", "over": over, "trials": 4}}))
