"""The simulation key: whatever a run is given is in it, and nothing that only prices; hashes see all or refuse."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sim.build.world
from sim.build.built import Built
from sim.build.resolved import Resolved
from sim.build.seen import Seen
from sim.build.world import build
from sim.content import UnseenError, content_hash
from sim.documents import Place
from sim.errors import InputError
from sim.loading.scenario import load_scenario, read_scenario
from sim.loading.variants import Variants
from sim.profiles.catalog import Catalog
from sim.rng import Stream
from sim.running.run import built_of
from sim.signals import Signal
from sim.study.points import Keys
from tests import test_throttle_policy as throttle
from tests.small import small

GRID = "site.grid.intensity"
SCHEDULE = {
    "kind": "pause-resume",
    "signal": "carbon",
    "threshold": "300 gCO2e/kWh",
    "within": "4 h",
    "while_paused": {"kind": "hold"},
}
CAP = {
    "kind": "power-cap",
    "target": "tune",
    "cap": "250 W",
    "when": {"kind": "above", "signal": "carbon", "level": "300 gCO2e/kWh"},
}


def key(data: Mapping[str, Any] | str, values: Mapping[str, Any] | None = None) -> str:
    return Keys().of(load_scenario(data, values or {}))


# --- anything of what a run is given ----------------------------------------------------------------------------------


def changed(value: Any) -> Iterator[Any]:
    """``value`` with one thing in it changed, for every thing there is."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float | np.number):
        yield np.add(value, 1) if isinstance(value, np.number) else value + 1
    elif isinstance(value, str):
        yield f"{value}'"
    elif value is None:
        yield 0
    elif isinstance(value, np.ndarray):
        yield np.append(value, value[-1:]) if len(value) else np.ones(1, dtype=value.dtype)
        for at in range(0, len(value), max(1, len(value) // 3)):
            other = value.copy()
            other.reshape(-1)[at] += 1
            yield other
    elif isinstance(value, functools.partial):
        for args in changed(value.args):
            yield functools.partial(value.func, *args)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for other in changed(getattr(value, field.name)):
                yield with_field(value, field.name, other)
    elif isinstance(value, Mapping):
        yield {**value, "another": None}
        for name, item in value.items():
            yield from ({**value, name: other} for other in changed(item))
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        row: Any = value
        for name in row._fields:
            yield from (row._replace(**{name: other}) for other in changed(getattr(row, name)))
    elif isinstance(value, tuple | list):
        yield (*value, None)
        for at, item in enumerate(value):
            yield from ((*value[:at], other, *value[at + 1 :]) for other in changed(item))
    elif isinstance(value, frozenset):
        yield value | {"another"}


def with_field(value: Any, name: str, other: Any) -> Any:
    """A copy with one field changed, whatever its class thinks of it: a hash is asked, and no physics."""
    made = object.__new__(type(value))
    for field in fields(value):
        object.__setattr__(made, field.name, other if field.name == name else getattr(value, field.name))
    return made


def with_all() -> dict[str, Any]:
    data = small()
    data["workloads"]["tune"]["schedule"] = SCHEDULE
    data["workloads"]["tune"]["checkpoint"] = {"every": "30 min", "write": "1 min"}
    data["policies"] = [CAP]
    return data


@pytest.mark.parametrize(
    "base", ["with_all", "geo-shifted-service", "rag-service", "automl-campaign", "federated-fleet", "split-detector"]
)
def test_any_one_thing_of_what_a_run_is_given_changes_the_key(base: str) -> None:
    built = built_of(load_scenario(with_all() if base == "with_all" else base))
    known = content_hash(built)
    others = [content_hash(other) for other in changed(built)]
    assert len(others) > 100
    assert known not in others
    assert known == content_hash(built_of(load_scenario(with_all() if base == "with_all" else base)))


def test_every_field_of_what_is_built_was_changed() -> None:
    """Or the walk above would miss what it knows no change for."""
    built = built_of(load_scenario(with_all()))
    silent = [field.name for field in fields(built) if not [*changed(getattr(built, field.name))]]
    assert silent == ["scheduler"]  # first come first served has nothing that could be otherwise


# --- nothing of what only prices --------------------------------------------------------------------------------------


def numbers(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every number in plain data by its path, with its unit where it is a text."""
    if isinstance(data, dict):
        for name, item in data.items():
            yield from numbers(item, f"{path}.{name}")
    elif not isinstance(data, bool) and str(data).partition(" ")[0].replace(".", "").isdigit():
        yield path, data


def scaled(written: Any, factor: float) -> Any:
    if isinstance(written, str):
        number, _, unit = written.partition(" ")
        return f"{float(number) * factor:g} {unit}"
    return written * factor


PRICED = [
    (path, written)
    for top in ("site", "accounting")
    for path, written in numbers(load_scenario(small()).resolved()[top], top)
]


@given(st.sampled_from(PRICED), st.floats(0.8, 1.3))
@settings(max_examples=60, deadline=None)
def test_any_number_that_only_prices_leaves_the_key(number: tuple[str, Any], factor: float) -> None:
    path, written = number
    try:
        loaded = load_scenario(small(), {path: scaled(written, factor)})
    except InputError:  # no scenario can be so
        assume(False)
    assert Keys().of(loaded) == SMALL


SMALL = key(small())


def test_there_is_something_that_only_prices() -> None:
    assert {GRID, "site.facility.pue", "accounting.gpu_lifetime"} <= {path for path, _ in PRICED}


@pytest.mark.parametrize("field", ["schedule", "policies"])
def test_what_looks_at_the_grid_is_decided_by_it(field: str) -> None:
    data = small()
    if field == "schedule":
        data["workloads"]["tune"]["schedule"] = SCHEDULE
    else:
        data["policies"] = [CAP]
    clean, dirty = (key(data, {GRID: f"{grams} gCO2e/kWh"}) for grams in (57, 380))
    assert clean != dirty
    assert key(data, {"site.facility.pue": 1.1}) == key(data)
    assert key(data, {"site.grid.price": "0.3 USD/kWh"}) == key(data)


def test_a_route_by_carbon_is_decided_by_the_grids_and_one_by_shares_is_not() -> None:
    grid, rule = "sites.west.grid.intensity", {"kind": "shares", "shares": {"west": 0.5, "east": 0.5}}
    name = "geo-shifted-service"
    clean, dirty = ({grid: f"{grams} gCO2e/kWh"} for grams in (57, 380))
    assert key(name, clean) != key(name, dirty)
    assert key(name, clean) == key(name, {**clean, "sites.west.facility.pue": 1.4})
    by_shares = {"routes.chat.by": rule}
    assert key(name, {**clean, **by_shares}) == key(name, {**dirty, **by_shares})


def test_a_throttle_is_decided_by_what_the_plant_carries_and_nothing_else_is(tmp_path: Path) -> None:
    """A plant may be built larger, which only prices, until somebody throttles by it."""
    small_plant, large_plant = (throttle.site(tmp_path, size) for size in ("4.6 kW", "20 kW"))
    assert key(throttle.scenario(small_plant)) == key(throttle.scenario(large_plant))
    held = {"kind": "throttle"}
    assert key(throttle.scenario(small_plant, held)) != key(throttle.scenario(large_plant, held))
    stated = {"kind": "throttle", "limit": "4.4 kW"}
    assert key(throttle.scenario(small_plant, stated)) == key(throttle.scenario(large_plant, stated))


# --- a builder that nobody has thought of -----------------------------------------------------------------------------


def by_carbon(resolved: Resolved, seen: Seen, seed: int) -> Built:
    """Jobs that keep the hosts busy wait for an hour where the grid is dirty: a field with a new meaning."""
    built = build(resolved, seen, seed)
    jobs = []
    for job in built.training:
        dirty = job.cpu_load > 0.5 and seen.signals[built.sites[job.pool]]["carbon"].at(0) > 200 / 3.6e6
        jobs.append(replace(job, submit_ns=job.submit_ns + 3600 * 10**9) if dirty else job)
    return replace(built, training=tuple(jobs))


@pytest.mark.parametrize("fresh", [True, False])
def test_a_builder_that_looks_at_the_site_gets_keys_of_its_own(monkeypatch: pytest.MonkeyPatch, fresh: bool) -> None:
    monkeypatch.setattr(sim.build.world, "build", by_carbon)
    keys = Keys()

    def of(load: float, grams: int) -> str:
        values = {"workloads.tune.cpu_load": load, GRID: f"{grams} gCO2e/kWh"}
        return (Keys() if fresh else keys).of(load_scenario(small(), values))

    assert of(0.9, 57) != of(0.9, 380)
    assert of(0.9, 380) == of(0.9, 380)
    assert of(0.1, 57) == of(0.1, 380)


def test_a_log_of_requests_that_was_rewritten_is_another_run(tmp_path: Path) -> None:
    """Remembered or worked out: what the files of the work hold is in the key, under one name or another."""
    log = tmp_path / "log.csv"
    data = small()
    data["workloads"]["api"]["arrivals"] = {"kind": "request-log", "file": str(log)}
    keys, catalog = Keys(), Catalog()

    def of(hours: list[int]) -> str:
        log.write_text("timestamp_utc\n" + "".join(f"2022-07-04T{hour:02}:00:00Z\n" for hour in hours))
        remembered = keys.of(load_scenario(data, catalog=catalog))
        assert remembered == Keys().of(load_scenario(data))
        return remembered

    assert of([1, 2, 3]) != of([1, 2, 4])


CHANGES: dict[str, list[Any]] = {
    GRID: ["57 gCO2e/kWh", "380 gCO2e/kWh"],
    "site.facility.pue": [1.1, 1.4],
    "site.name": ["here", "there"],
    "seed": [1, 2],
    "workloads.tune.gpus": [4, 8],
    "workloads.tune.schedule": [SCHEDULE],
    "policies": [[CAP]],
    "outputs.bin": ["30 min"],
    "accounting.gpu_lifetime": ["3 years"],
}


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from(sorted(CHANGES)), st.integers(0, 1), max_size=4), max_size=8))
@settings(deadline=None, max_examples=60)
def test_keys_that_are_remembered_are_those_worked_out(choices: list[dict[str, int]]) -> None:
    document, name, folders = read_scenario(small())
    variants = Variants(document, name, {**folders, "x": Path.cwd()})
    remembering = Keys()
    for choice in choices:
        values = {path: CHANGES[path][which % len(CHANGES[path])] for path, which in choice.items()}
        loaded = variants.at(values, dict.fromkeys(values, Place("x", 1)))
        assert remembering.of(loaded) == Keys().of(loaded)


# --- hashes by content ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Two of anything."""

    a: Any
    b: Any


@dataclass(frozen=True)
class Other:
    """As ``Pair``, and no ``Pair``."""

    a: Any
    b: Any


def test_types_count() -> None:
    alike = [
        1,
        1.0,
        True,
        "1",
        None,
        np.int64(1),
        np.float64(1),
        np.float32(1),
        np.array([1]),
        np.array([1.0]),
        [1],
        (1,),
    ]
    alike += [{"a": 1}, {"a": 1.0}, frozenset({1}), Pair(1, 2), Other(1, 2), (1, 2), b"1", [[1], 2], [1, [2]]]
    assert len({content_hash(value) for value in alike}) == len(alike)
    assert content_hash({"a": 1, "b": 2}) != content_hash({"b": 2, "a": 1})
    assert content_hash(np.arange(4)) != content_hash(np.arange(4).reshape(2, 2))
    assert content_hash(functools.partial(min, 1)) != content_hash(functools.partial(max, 1))
    assert content_hash(Signal.constant(1.0, "g/J")) == content_hash(Signal.constant(1.0, "g/J"))


def test_a_path_is_the_content_of_its_file(tmp_path: Path) -> None:
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text)
    a, b, c = (content_hash(tmp_path / name) for name in "abc")
    assert a == b != c
    with pytest.raises(InputError):
        content_hash(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        (lambda: 1, "the function '<lambda>'"),
        (Stream(1, "a")(), "Generator"),
        (Stream(1, "a")().normal, "Generator"),
        ((i for i in [1]), "generator"),
        (object(), "object"),
        (np.array([object()]), "Python objects"),
    ],
)
def test_what_cannot_be_seen_into_is_refused_where_it_stands(hidden: Any, says: str) -> None:
    with pytest.raises(UnseenError, match=says) as refused:
        content_hash({"x": [Pair(1, hidden)]})
    assert str(refused.value).startswith("['x'][0].b")


def test_an_attribute_beside_the_fields_is_refused() -> None:
    pair = Pair(1, 2)
    object.__setattr__(pair, "c", 3)
    with pytest.raises(UnseenError, match="'c' of a Pair"):
        content_hash(pair)
