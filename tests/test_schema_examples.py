"""What an editor offers for a field, by the examples of the schema, is no mistake there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

import sim.spec
from sim.validation import Spec


def specs(of: type[Spec]) -> Iterator[type[Spec]]:
    for spec in of.__subclasses__():
        yield spec
        yield from specs(spec)


def offered() -> Iterator[tuple[str, Any, object]]:
    """Each example of a field of a spec: the field's path, its type, and the example."""
    for module in pkgutil.iter_modules(sim.spec.__path__):
        importlib.import_module(f"sim.spec.{module.name}")
    for spec in sorted({one for one in specs(Spec) if one.__module__.startswith("sim.")}, key=lambda one: one.__name__):
        for name, field in spec.model_fields.items():
            schemas = [getattr(one, "json_schema", None) for one in field.metadata]
            examples = [example for one in schemas if isinstance(one, dict) for example in one.get("examples", ())]
            for example in examples:
                yield f"{spec.__name__}.{name}", Annotated[field.annotation, *field.metadata], example


OFFERED = list(offered())


def test_an_example_is_taken_where_it_is_offered() -> None:
    refused = []
    for path, kind, example in OFFERED:
        try:
            TypeAdapter(kind).validate_python(example)
        except ValidationError as error:
            refused.append((path, example, str(error)))
    assert refused == []
    assert len(OFFERED) > 400


def test_what_is_bought_in_a_year_is_offered_as_that() -> None:
    found = {path: example for path, _, example in OFFERED}
    assert found["Certificates.energy"] == "40 GWh/year"
    assert found["Accounting.server_lifetime"] == "6 years"
    assert {"GeneratorTests.load", "FixedPUE.pue", "Battery.soc_low"} <= found.keys()
