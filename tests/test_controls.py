"""Controls come from the scenario: every number and choice of it has one, and sliders end at values that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.explore.control import Control
from sim.explore.controls import FIXED, PRICED, controls_of
from sim.explore.usual import USUAL
from sim.loading.scenario import Loaded, load_scenario
from sim.quantities import Range
from tests.small import small

SHIPPED: tuple[str, ...] = (
    "bloom-training",
    "chat-service",
    "dallas-on-ercot",
    "geo-shifted-service",
    "llama-70b-training",
)
SHIPPED += ("research-cluster", "solar-and-battery", "disaggregated")
NAMES = {"of", "workload", "workloads", "pool", "name", "site", "route", "zone"}
"""Fields that name another part of the scenario: a text, and no setting of their own."""


@lru_cache(maxsize=16)
def loaded_of(name: str) -> Loaded:
    return load_scenario(name)


@lru_cache(maxsize=16)
def controls(name: str) -> list[Control]:
    loaded = loaded_of(name)
    return controls_of(loaded.scenario, loaded.catalog, [])


def scalars(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every single value of plain data, by dotted path, but for fields that are no setting."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key not in FIXED | NAMES:
                yield from scalars(value, (*path, str(key)))
    elif isinstance(data, list):
        for i, value in enumerate(data):
            yield from scalars(value, (*path, str(i)))
    else:
        yield ".".join(path), data


@pytest.mark.parametrize("name", SHIPPED)
def test_every_number_and_choice_has_a_control_with_the_scenarios_own_value(name: str) -> None:
    found = {control.path: control for control in reversed(controls(name))}
    for path, value in scalars(loaded_of(name).resolved()):
        assert path in found, path
        written = str(value).lower() if isinstance(value, bool) else str(value)
        shown = found[path].value
        assert shown == written or float(shown.split()[0]) == float(written.split()[0])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_slider_holds_its_value_within_its_ends(name: str) -> None:
    sliders = [control for control in controls(name) if control.kind == "number"]
    assert sliders
    for one in sliders:
        assert one.low is not None
        assert one.high is not None
        assert one.step is not None
        assert one.number is not None
        assert one.low <= one.number <= one.high, one
        assert 0.0 < one.step <= one.high - one.low, one


@pytest.mark.parametrize("name", ["bloom-training", "chat-service", "solar-and-battery"])
def test_both_ends_of_what_prices_are_values_that_the_scenario_takes(name: str) -> None:
    """No bound of a field is passed."""
    scenario = loaded_of(name).resolved()
    priced = [control for control in controls(name) if control.prices and control.usual and control.kind == "number"]
    assert len(priced) >= 2
    for one in priced:
        for end in (one.low, one.high):
            load_scenario(scenario, {one.path: one.written.replace("@", f"{end} {one.unit}".strip())})


def test_the_most_usual_come_first_and_have_words() -> None:
    found = controls("chat-service")
    usual = [control.usual for control in found]
    assert usual == sorted(usual, reverse=True)
    assert [control.label for control in found[:5]] == [
        "Carbon intensity of the grid", "Grid: average of a region", "Grid: hours of a file", "PUE",
        "Price of electricity",
    ]  # fmt: skip
    named = {words for _, words in USUAL}
    assert all(
        any(control.label.startswith(words) for words in named) or control.label.startswith("Grid:")
        for control in found
        if control.usual
    )
    assert {control.path.partition(".")[0] for control in found if control.prices} <= PRICED


def test_what_a_scenario_leaves_out_can_be_given() -> None:
    loaded = load_scenario(small())
    found = {control.path: control for control in controls_of(loaded.scenario, loaded.catalog, [])}
    unset = found["cluster.nodes.0.idle_timeout"]
    assert (unset.kind, unset.value) == ("text", "")
    load_scenario(small(), {unset.path: unset.example})


def test_what_is_often_left_out_has_a_slider_that_stands_at_an_example() -> None:
    """Price, cap and water: until a slider is moved it says nothing, and any of its steps is a value that is taken."""
    found = {control.path: control for control in controls("chat-service")}
    scenario = loaded_of("chat-service").resolved()
    for path in ("site.grid.price", "site.water.ewif", "workloads.chat.replicas.power_cap"):
        one = found[path]
        assert (one.kind, one.value, one.usual) == ("number", "", True)
        assert one.high is not None
        load_scenario(scenario, {path: f"{one.high} {one.unit}"})
    cap = found["workloads.chat.replicas.power_cap"]
    gpu = loaded_of("chat-service").catalog.gpu("nvidia-h100-sxm-80gb")
    assert cap.high == gpu.tdp.value
    assert cap.low == pytest.approx(gpu.power.loaded.value, abs=2.0)  # on a step


def test_whole_numbers_of_things_begin_at_the_least_that_there_can_be() -> None:
    found = {control.path: control for control in controls("disaggregated")}
    assert found["workloads.api.prefill.count"].low == 1


def test_controls_of_several_pools_are_told_apart_by_their_names() -> None:
    labels = [control.label for control in controls("disaggregated") if control.usual]
    assert len({*labels}) == len(labels)
    assert {"Number of servers (prefill)", "Number of servers (decode)"} <= {*labels}


def test_a_grid_of_a_file_and_a_plant_can_be_replaced_as_wholes() -> None:
    loaded = loaded_of("dallas-on-ercot")
    shown = controls("dallas-on-ercot")
    found = {control.path: control for control in shown if not control.label.startswith("Grid:")}
    regions = next(control for control in shown if control.label == "Grid: average of a region")
    pue = found["site.facility"]
    assert len(regions.choices) > 50
    grid, facility = regions.choices[1][0], pue.written.replace("@", "1.25")
    water = found["site.water.ewif"]  # of the mix, which an average has not
    changes = {regions.path: grid, pue.path: facility, water.path: water.example}
    changed = load_scenario(loaded.resolved(), changes)
    assert changed.resolved()["site"]["facility"] == {"kind": "fixed-pue", "pue": 1.25}
    assert changed.resolved()["site"]["grid"]["intensity"]["kind"] == "average"


def test_choices_are_those_that_the_field_takes() -> None:
    found = {control.path: control for control in controls("chat-service")}
    assert [value for value, _ in found["workloads.chat.batching.preemption"].choices] == ["recompute", "swap"]
    nodes = [value for value, _ in found["cluster.nodes.0.profile"].choices]
    assert {"dgx-h100", "dgx-a100"} <= {*nodes}
    for profile in nodes[:6]:
        said = ""
        try:
            load_scenario("chat-service", {"cluster.nodes.0.profile": profile})
        except InputError as error:  # a node may not fit the work; that it exists is never the problem
            said = str(error)
        assert "unknown profile" not in said
    stacks = [value for value, _ in found["workloads.chat.stack"].choices]
    assert "vllm-2025" in stacks
    assert not any("megatron" in stack for stack in stacks)


def test_a_region_and_a_file_stand_in_for_the_intensity(tmp_path: Path) -> None:
    series = tmp_path / "grid.csv"
    hours = [f"2022-07-04T{hour:02d}:00:00Z,{100 + hour}" for hour in range(24)]
    series.write_text("\n".join(["datetime_utc,carbon_intensity", *hours]) + "\n")
    loaded = load_scenario(small())
    sources = [
        one for one in controls_of(loaded.scenario, loaded.catalog, [str(series)]) if one.label.startswith("Grid:")
    ]
    assert [one.path for one in sources] == ["site.grid.intensity"] * 2
    regions, files = sources
    assert len(regions.choices) > 50
    assert [words for _, words in files.choices[1:]] == ["Texas (ERCOT), hours of each month of 2022", str(series)]
    for value, _ in (regions.choices[1], regions.choices[-1], *files.choices[1:]):
        load_scenario(small(), {"site.grid.intensity": value})
    (_, alone) = (
        one for one in controls_of(loaded.scenario, loaded.catalog, []) if one.label.startswith("Grid:")
    )  # what ships is there without a file, and prices a run by its hours
    at_noon = sim.account(sim.run(small()), set={"site.grid.intensity": alone.choices[1][0]})
    assert 350.0 < 1000.0 * at_noon.at("kpi.cue_kg_per_kwh") / at_noon.at("kpi.pue") < 450.0


def test_bounds_of_quantities_are_those_that_reading_holds_them_to() -> None:
    """The ends that a field tells are the last values that it takes."""
    from typing import get_type_hints

    from pydantic import TypeAdapter

    from sim.spec.building import FixedPUE

    (bounds,) = (part for part in FixedPUE.model_fields["pue"].metadata if isinstance(part, Range))
    read = TypeAdapter(get_type_hints(FixedPUE, include_extras=True)["pue"]).validate_python
    assert bounds.low is not None
    assert bounds.high is not None
    for end, beyond in ((bounds.low, bounds.low - 0.01), (bounds.high, bounds.high + 0.01)):
        assert read(end) == end
        with pytest.raises(ValueError):
            read(beyond)
