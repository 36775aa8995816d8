"""Names that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from pydantic import ValidationError

from sim import later as later_module
from sim.kinds import kinds
from sim.later import Described
from sim.profiles import catalog
from sim.shipped_kinds import SHIPPED
from sim.spec.scenario import Scenario

THING = """
from sim.validation import Spec
class Thing(Spec):
    size: int
def twice(number):
    return 2 * number
"""
ASKING = """
from __future__ import annotations
from sim.later import later
from sim.validation import Spec
{how}
    from thing import Thing, twice
class Holder(Spec):
    thing: Thing | None = None
    things: list[Thing] = []
"""


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that takes a class and a function of another later."""
    (tmp_path / "thing.py").write_text(THING)
    monkeypatch.syspath_prepend(tmp_path)
    yield _made(ASKING.format(how="with later():"))
    sys.modules.pop("thing", None)


def _made(source: str) -> ModuleType:
    module = ModuleType("asking")
    sys.modules["asking"] = module
    try:
        exec(compile(source, "asking.py", "exec"), vars(module))
    finally:
        del sys.modules["asking"]
    return module


def test_what_nobody_has_imported_has_no_instances_and_stays_so(asking: ModuleType) -> None:
    assert not isinstance(3, asking.Thing)
    assert not issubclass(int, asking.Thing)
    assert asking.Holder.model_validate({}).thing is None
    assert "thing" not in sys.modules


def test_a_name_is_the_class_itself_from_its_first_use_on(asking: ModuleType) -> None:
    stands = asking.Thing
    made = stands(size=1)
    assert asking.Thing is sys.modules["thing"].Thing is type(made)
    assert isinstance(made, stands)
    assert issubclass(asking.Thing, stands)
    assert asking.twice(4) == 8


def test_a_document_is_checked_by_what_a_name_stands_for(asking: ModuleType) -> None:
    held = asking.Holder.model_validate({"thing": {"size": 2}, "things": [{"size": 3}]})
    assert (held.thing.size, held.things[0].size) == (2, 3)
    assert held.model_dump() == {"thing": {"size": 2}, "things": [{"size": 3}]}
    with pytest.raises(ValidationError) as refused:
        asking.Holder.model_validate({"things": [{"size": 3}, {"sise": 3}]})
    assert [error["loc"] for error in refused.value.errors()] == [("things", 1, "size"), ("things", 1, "sise")]


def test_its_schema_is_that_of_the_class(asking: ModuleType) -> None:
    at_once = _made(ASKING.format(how="if True:"))
    found = asking.Holder.model_json_schema(schema_generator=Described)
    assert found == at_once.Holder.model_json_schema(schema_generator=Described)


def test_imports_of_others_are_as_ever(asking: ModuleType) -> None:
    assert asking.Spec is later_module.meant(asking.Spec)
    import thing  # type: ignore[import-not-found]  # the fixture wrote it

    assert thing.twice(1) == 2


def test_the_words_of_the_registry_are_those_of_the_classes() -> None:
    """They stand there a second time, so that no class need be imported for them."""
    for family, rows in SHIPPED.items():
        told = {name: tuple(words.split()) for name, (words, _) in rows.items()}
        assert {f"{kind.spec.__module__}:{kind.spec.__qualname__}": kind.names for kind in kinds(family)} == told
    of_profiles = {
        word: get_args(later_module.meant(one).model_fields["kind"].annotation)
        for word, one in catalog._CLASSES.items()
    }
    assert of_profiles == {word: (word,) for word in of_profiles}


def test_the_schema_of_a_scenario_holds_every_kind_of_workload() -> None:
    workloads = Scenario.model_json_schema(schema_generator=Described)["properties"]["workloads"]
    (told,) = workloads["patternProperties"].values()
    assert set(told["discriminator"]["mapping"]) == {words for words, _ in SHIPPED["workload"].values()}
