"""``null`` takes a value away, wherever it stands: what is left is whole, or refused as if it was never written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.documents import KeyPath, read_document
from sim.errors import InputError, RunError
from sim.loading.scenario import copied, load_scenario, read_scenario, resolve_files, shipped_scenarios
from sim.spec.study import load_study, shipped_studies
from sim.study.store import Store
from sim.study.sweep import run as sweeping
from sim.study.sweep.run import sweep
from tests.small import small

NAMED = ("workloads", "sites", "routes")  # below these stand names that somebody chose


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from paths(item, (*path, key))


def without(data: Any, path: KeyPath) -> Any:
    changed = here = copied(data)
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = None
    return changed


def alike(data: Any, path: KeyPath) -> tuple[Any, ...]:
    """The field at a path: its names, but for numbers and names that people chose, and the kinds around it."""
    kinds, here = [], data
    for part in path:
        kinds.append(str(here.get("kind")) if isinstance(here, dict) else "")
        here = here[part]
    names = ["*" if isinstance(part, int) or (at and path[at - 1] in NAMED) else part for at, part in enumerate(path)]
    return (*names, *kinds)


def shipped() -> Iterator[tuple[str, Any, KeyPath]]:
    """Every path of every shipped scenario, of alike ones the first."""
    seen = set()
    for name, file in shipped_scenarios().items():
        document, _, folders = read_scenario(file)
        data: Any = copied(document.data)
        resolve_files(document, data, (), folders)
        for path in paths(data):
            field = alike(data, path)
            if field not in seen:
                seen.add(field)
                yield name, data, path


def ends(data: Any) -> bool:
    """Whether a scenario is whole; an internal error is none of the two answers."""
    try:
        load_scenario(data)
    except InputError:
        return False
    return True


def places_of(data: Any) -> list[str]:
    """Where a scenario's problems stand."""
    return [problem.path for problem in sim.check(data)]


CASES = list(shipped())
SLOW = {"african-water", "dallas-on-ercot", "seattle", "flexible-training"}
"""They read a year of files: of them every sixth path is enough for one go."""
SHORTER = {
    "bloom-inference": {"end": "2022-09-23T03:10:00Z"},
    "campaign-beside-service": {"duration": "3 h"},
    "geo-shifted-service": {"duration": "3 h"},
    "llama-3-405b-training": {"duration": "9 d"},
    "mig-node": {"duration": "4 h"},
    "oversubscribed-row": {"duration": "1 d"},
    "rag-service": {"duration": "10 min"},
    "research-cluster": {"duration": "1 d"},
    "split-detector": {"duration": "2 min"},
    "spot-training": {"duration": "3 d"},
}
"""Scenarios that take seconds to run, and what makes them shorter: most of all that ever happens in them still does."""


@cache
def whole(thinned: bool) -> list[int]:
    """Cases that can be run without what they name; with ``thinned``, of those that are not slow to read, or sixth."""
    if not thinned:
        rest = [i for i, (name, _, _) in enumerate(CASES) if name in SLOW and i % 6]
        return sorted(whole(True) + [i for i in rest if ends(without(*CASES[i][1:]))])
    first = [i for i, (name, _, _) in enumerate(CASES) if name not in SLOW or i % 6 == 0]
    return [i for i in first if ends(without(*CASES[i][1:]))]


def test_every_path_of_every_scenario_may_be_null() -> None:
    assert 0 < len(whole(thinned=True)) < len(CASES) // 10  # most of what is written is needed


def run_without(i: int) -> None:
    """Runs a case without what it names, but for two that take long to read."""
    name, data, path = CASES[i]
    changed, shorter = without(data, path), SHORTER.get(name, {})
    if name not in ("african-water", "dallas-on-ercot"):
        sim.run(changed | {key: value for key, value in shorter.items() if changed.get(key) is not None})


@pytest.mark.slow
def test_what_is_whole_without_a_path_runs() -> None:
    for i in whole(thinned=True)[::4]:
        run_without(i)


@pytest.mark.proof
def test_every_path_of_every_scenario_may_be_null_and_what_is_whole_runs() -> None:
    for i in whole(thinned=False):
        run_without(i)


@pytest.mark.parametrize("path", sorted({path[0] for path in paths(small())}, key=str))
def test_a_section_that_is_null_is_one_that_is_missing(path: str) -> None:
    """But for fields that have a default: there ``null`` is refused, being no value."""
    data = small()
    missing = {key: value for key, value in data.items() if key != path}
    assert set(places_of(missing)) <= set(places_of({**data, path: None}))


@pytest.mark.parametrize("names", [["site"], ["sites"], ["site", "sites"]])
def test_a_scenario_without_a_place_is_refused(names: list[str], tmp_path: Path) -> None:
    data = {key: value for key, value in small().items() if key != "site"} | dict.fromkeys(names)
    with pytest.raises(InputError, match="site: required"):
        sim.run(data)
    with pytest.raises(InputError, match="site: required"):
        sweep({"base": data, "axes": {"seed": [1, 2]}}, tmp_path / "out", cache=Store(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_null_leaves_the_other_kind() -> None:
    data = small()
    assert ends({**data, "sites": None})
    sites = {key: value for key, value in data["site"].items() if key != "name"}
    assert ends({**data, "site": None, "sites": {"here": sites}})


def test_a_lifetime_that_is_null_is_required() -> None:
    data = small()
    with pytest.raises(InputError, match=r"accounting\.gpu_lifetime: required"):
        load_scenario({**data, "accounting": {**data["accounting"], "gpu_lifetime": None}})


def test_every_path_of_every_study_may_be_null() -> None:
    for name, file in shipped_studies().items():
        data = read_document(file).data
        whole = []
        for path in paths(data):
            try:
                load_study(without(data, path))
            except InputError:
                continue
            whole.append(path)
        assert ("name",) in whole, name


def test_a_study_with_null_in_it_leaves_nothing_where_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_work(*_: Any) -> Any:
        raise RunError("all points are checked")

    monkeypatch.setattr(sweeping, "_pool", at_work)
    base = {**small(), "duration": "2 h"}
    study = {"name": "nulls", "base": base, "axes": {"seed": [1, 2], "site.grid.intensity": ["57 gCO2e/kWh", None]}}
    study["design"] = {"kind": "grid"}
    for path in paths(study):
        if path[0] == "base" and len(path) > 2:
            continue
        with pytest.raises((InputError, RunError)):
            sweep(without(study, path), tmp_path / "out", cache=Store(tmp_path / "cache"))
        assert not (tmp_path / "out").exists(), path


def test_null_takes_an_inherited_value_away(tmp_path: Path) -> None:
    from sim.results.files import to_yaml

    (tmp_path / "base.yaml").write_text(to_yaml(small()))
    (tmp_path / "over.yaml").write_text("extends: base.yaml\nsite: null\n")
    with pytest.raises(InputError, match="site: required"):
        load_scenario(tmp_path / "over.yaml")
    (tmp_path / "over.yaml").write_text("extends: base.yaml\nsite: {grid: {intensity: null}}\n")
    with pytest.raises(InputError, match=r"site\.grid\.intensity: required"):
        load_scenario(tmp_path / "over.yaml")
    with pytest.raises(InputError, match="site: required"):
        load_scenario(tmp_path / "base.yaml", {"site": "null"})
