"""A scenario built in code is checked as a file is: the same problems in the same places, and the same run."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML

import sim
from sim.errors import InputError, Problem
from sim.spec.accounting import Accounting
from sim.spec.cluster import Cluster
from sim.spec.scenario import Outputs, Scenario
from sim.spec.site import Site
from sim.spec.work import Workload
from tests.small import small


def test_its_keywords_are_the_fields_of_a_file() -> None:
    assert set(inspect.signature(sim.scenario).parameters) == {*Scenario.model_fields, "extends"}


def built() -> dict[str, Any]:
    """The small scenario of objects of the classes that a file is read into."""
    parts = small()
    work: Any = TypeAdapter(Workload)
    return {
        **parts,
        "site": Site(**parts["site"]),
        "cluster": Cluster(**parts["cluster"]),
        "accounting": Accounting(**parts["accounting"]),
        "outputs": Outputs(**parts["outputs"]),
        "workloads": {name: work.validate_python(one) for name, one in parts["workloads"].items()},
    }


def test_objects_and_mappings_make_the_same_scenario() -> None:
    objects = sim.scenario(**built())
    assert sim.load(objects).resolved() == sim.load(small()).resolved()
    assert sim.run(objects).summary == sim.run(sim.scenario(**small())).summary


def test_what_it_gives_is_plain_data() -> None:
    text = io.StringIO()
    YAML(typ="safe").dump(sim.scenario(**built()), text)
    assert sim.load(YAML(typ="safe").load(text.getvalue())).resolved() == sim.load(small()).resolved()


def broken() -> dict[str, dict[str, Any]]:
    """The small scenario with something wrong, by what it is."""
    found = {}
    for name, path, value in (
        ("a unit", "site.grid.intensity", "4 parsec"),
        ("a name", "accounting.gpu_lifetme", "5 years"),
        ("a kind", "site.facility.kind", "fixed-peu"),
        ("a number", "workloads.api.replicas", -1),
        ("truth for a number", "workloads.tune.gpus", True),
        ("nothing", "duration", None),
        ("a profile", "cluster.nodes.0.profile", "dgx-a1000"),
        ("more than there is", "workloads.tune.gpus", 64),
        ("two at once", "seed", -1),
    ):
        data = small()
        at: Any = data
        *above, last = path.split(".")
        for step in above:
            at = at[int(step)] if isinstance(at, list) else at[step]
        at[last] = value
        if name == "two at once":
            data["site"]["facility"]["pue"] = 0.5
        found[name] = {key: item for key, item in data.items() if item is not None}
    return found


@pytest.mark.parametrize("name", broken())
def test_it_has_the_problems_of_the_file(name: str, tmp_path: Path) -> None:
    data = broken()[name]
    file = tmp_path / "scenario.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(data, stream)
    of_file = _problems(lambda: sim.load(file))
    assert of_file
    assert all(problem.line is not None for problem in of_file)
    in_code = _problems(lambda: sim.scenario(**data))
    assert sorted((one.path, one.message) for one in in_code) == sorted((one.path, one.message) for one in of_file)


def _problems(load: Any) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as refused:
        load()
    return refused.value.problems


def test_an_object_refuses_where_it_is_made() -> None:
    with pytest.raises(ValidationError, match=r"grid\.intensity"):
        Site(name="x", grid={"intensity": "4 parsec"}, facility={"kind": "fixed-pue", "pue": 1.2})


def test_it_begins_with_another_scenario() -> None:
    found = sim.scenario(extends="bloom-training", accounting={"gpu_lifetime": "7 years"})
    whole = sim.load("bloom-training", set={"accounting.gpu_lifetime": "7 years"})
    assert sim.load(found).resolved() == whole.resolved()
