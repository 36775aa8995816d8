"""Numbers that cannot be are refused with their range and its source; those that are only unusual are run and told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

import sim
from sim.errors import InputError
from sim.loading.scenario import assign, copied, load_scenario, shipped_scenarios
from sim.possible import DIMENSIONS
from sim.profiles.catalog import Catalog, any_profile, read_profile
from sim.quantities import DevicePower, EnergyPrice, Lifetime
from sim.results.files import to_yaml
from sim.spec.scenario import Scenario
from sim.spec.study import StudySpec
from sim.spec.uncertainty import Uniform
from sim.validation import Spec
from tests.small import small


def changed(path: str, value: Any, data: Any = None) -> Any:
    data = copied(small() if data is None else data)
    keys = tuple(int(part) if part.isdigit() else part for part in path.split("."))
    assert assign(data, keys, value) is None
    return data


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("site.facility.pue", 1.25e30, "from 1 to 20 .*Uptime"),
        ("accounting.gpu_lifetime", "6e-9 years", "from 1 day to 200 years"),
        ("accounting.server_lifetime", "10000 s", "from 1 day"),
        ("site.grid.price", "1e29 USD/kWh", "from -20 to 100 per kWh"),
        ("site.grid.price", "-30 USD/kWh", "from -20 to 100 per kWh"),
        ("site.grid.intensity", "400 kgCO2e/kWh", "at most 10 kgCO2e/kWh"),
        ("site.water.wue", "1.8e6 L/kWh", "at most 10,000 L/kWh"),
        ("cluster.nodes.0.count", 10**9, "must be at most 100,000"),
    ],
)
def test_what_cannot_be_is_refused(path: str, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        load_scenario(changed(path, value))
    assert [problem.path for problem in refused.value.problems] == [path]


@pytest.mark.parametrize("watts", ["400 kW", "1.3e32 W"])
def test_an_accelerator_is_no_power_station(watts: str) -> None:
    for kind in ("active", "loaded"):
        load = {"kind": "measured", "active": "300 W", "loaded": "200 W"} | {kind: watts}
        work = {"kind": "gpu-hours", "gpu_hours": 10, "load": load}
        job = {"kind": "training", "gpus": 1, "work": work, "cpu_load": 0.1}
        with pytest.raises(InputError, match="at most 50 kW for one accelerator"):
            load_scenario({**small(), "workloads": {"job": job}})


def test_a_profile_of_one_s_own_is_held_to_the_same(tmp_path: Path) -> None:
    source = next(path for path in Catalog().paths().values() if path.parent.name == "gpus")
    data = read_profile(source).model_dump(mode="json", exclude_none=True)
    data["tdp"]["value"] = "400 kW"
    (tmp_path / source.name).write_text(to_yaml(data))
    with pytest.raises(InputError, match=r"tdp\.value: must be at most 50 kW"):
        read_profile(tmp_path / source.name)


def test_all_machines_together_are_held_against_a_power_station() -> None:
    """100,000 nodes of 6 kW are 0.6 GW and may be; 50 such pools are no site."""
    pool = {**small()["cluster"]["nodes"][0], "count": 100_000, "profile": "dgx-h100"}
    pools = [{**pool, "name": f"hall-{i}"} for i in range(50)]
    data = {**small(), "cluster": {"nodes": pools}}
    with pytest.raises(InputError, match=r"cluster\.nodes: draw .* kW at most \(100,000 x .*at most 25 GW") as refused:
        load_scenario(data)
    assert "cluster.nodes" in {problem.path for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("site.facility.pue", 3.0),
        ("site.grid.price", "-0.5 EUR/kWh"),
        ("site.grid.price", "17.5 USD/kWh"),
        ("accounting.gpu_lifetime", "1.5 years"),
        ("site.grid.intensity", "1.7 kgCO2e/kWh"),
        ("site.grid.intensity", "0 gCO2e/kWh"),
    ],
)
def test_what_is_met_in_the_world_passes_without_a_word(path: str, value: Any) -> None:
    assert load_scenario(changed(path, value)).remarks() == []


def test_what_is_unusual_is_told_and_run() -> None:
    loaded = load_scenario(changed("site.facility.pue", 5.0))
    assert loaded.remarks() == ["site.facility.pue: 5.0 is unusual: surveys' means were never above 2.5"]
    assert sim.run(changed("site.facility.pue", 5.0)).summary["kpi"]["pue"] == pytest.approx(5.0)


def test_shipped_scenarios_and_profiles_are_neither_refused_nor_remarked_on() -> None:
    """But for an SCI of two workloads that is per unit of one, which three of them have on purpose."""
    for path in Catalog().paths().values():
        read_profile(path)
    shared = []
    for name, path in shipped_scenarios().items():
        if name not in ("african-water", "dallas-on-ercot", "seattle"):  # which the slow tests run
            told = load_scenario(path).remarks()
            shared += [
                name for line in told if line.startswith("accounting.functional_unit: the SCI is of all that runs")
            ]
            assert len(told) == shared.count(name), name
    assert sorted(shared) == ["automl-campaign", "campaign-beside-service", "mig-node"]


@pytest.mark.parametrize("kind", [Scenario, any_profile(), StudySpec])
def test_every_number_of_the_schema_has_a_bound(kind: Any) -> None:
    def unbounded(schema: Any, at: str = "") -> Iterator[str]:
        if isinstance(schema, dict):
            kinds = schema.get("type")
            if kinds in ("integer", "number") and not {"maximum", "exclusiveMaximum", "enum", "const"} & schema.keys():
                yield at
            for key, inner in schema.items():
                yield from unbounded(inner, f"{at}/{key}")
        elif isinstance(schema, list):
            for inner in schema:
                yield from unbounded(inner, at)

    assert list(unbounded(TypeAdapter(kind).json_schema())) == []


def test_every_dimension_says_what_is_possible() -> None:
    """But fractions, angles, temperatures and durations, whose types bound them."""
    from sim.units import _SI_UNIT

    bounded = {"fraction", "angle", "temperature difference", "duration"}
    assert set(_SI_UNIT) - bounded == set(DIMENSIONS)


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_a_quantity_is_possible_or_refused(number: float) -> None:
    for kind, unit, low, high in (
        (DevicePower, "W", 0.0, 50e3),
        (EnergyPrice, "EUR/kWh", -20.0, 100.0),
        (Lifetime, "years", 1 / 365.25, 145.0),
    ):
        try:
            TypeAdapter(kind).validate_python(f"{number!r} {unit}")
        except ValueError:
            assert not low * 1.0001 < number < high * 0.9999
        else:
            assert low * 0.9999 <= number <= high * 1.5


# --- true -------------------------------------------------------------------------------------------------------------


def scalars(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        yield path
        return
    for key, item in pairs:
        yield from scalars(item, (*path, key))


@pytest.mark.parametrize("name", ["chat-service", "bloom-training"])
def test_true_is_no_number(name: str) -> None:
    """Nor a text: where nothing is asked that is true or false, ``true`` is refused."""
    data = load_scenario(shipped_scenarios()[name]).document.data
    taken = set()
    for path in scalars(data):
        try:
            load_scenario(changed(".".join(map(str, path)), True, data))
        except InputError:
            continue
        taken.add(path[-1])
    assert taken <= {"prefix_cache", "chunked_prefill"}


def test_true_is_no_number_in_lists_mappings_and_unions() -> None:
    class Holder(Spec):
        many: list[float] = Field(default_factory=list)
        named: dict[str, int] = Field(default_factory=dict)
        either: float | str = 0.0
        yes: bool = False

    for wrong in ({"many": [1.0, True]}, {"named": {"a": True}}, {"either": True}):
        with pytest.raises(ValueError, match=r"must be a number|valid number"):
            Holder.model_validate(wrong)
    assert Holder.model_validate({"many": [1, 2.5], "named": {"a": 1}, "either": "x", "yes": True}).yes
    with pytest.raises(ValueError, match="valid number"):
        Uniform.model_validate({"kind": "uniform", "low": True, "high": 2})


def test_true_is_refused_by_set() -> None:
    with pytest.raises(InputError, match="whole number"):
        load_scenario(small(), {"cluster.nodes.0.count": "true"})


# --- pipes ------------------------------------------------------------------------------------------------------------


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="a pipe or a device"):
        load_scenario(tmp_path / "pipe.yaml")
    (tmp_path / "over.yaml").write_text("extends: pipe.yaml\n")
    with pytest.raises(InputError, match="is no file"):
        load_scenario(tmp_path / "over.yaml")
    with pytest.raises(InputError, match="a pipe or a device"):
        read_profile(tmp_path / "pipe.yaml")
