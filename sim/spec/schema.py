"""The JSON Schema of a scenario file, for editors: the models' own, plus ``extends`` and what it makes optional."""

from __future__ import annotations

from typing import Any

from sim.later import Described
from sim.spec.scenario import Scenario


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario. A file that ``extends`` another states only what differs: it must
    hold nothing else."""
    whole = Scenario.model_json_schema(schema_generator=Described)
    definitions = whole.pop("$defs")
    variant = _partial(whole)
    variant["properties"]["extends"] = {
        "type": "string",
        "description": "A scenario file, relative to this one, of which this one states only the differences.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "coldaisle scenario",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": variant,
        "else": whole,
        "$defs": definitions | {f"Partial{name}": _partial(definition) for name, definition in definitions.items()},
    }


def _partial(schema: Any) -> Any:
    """``schema`` with nothing required, ``null`` allowed (it takes an inherited value away), and parts alike."""
    if isinstance(schema, list):
        return [_partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    partial: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("required", "discriminator", "default"):
            continue
        if key == "$ref":
            partial[key] = value.replace("#/$defs/", "#/$defs/Partial")
        elif key in ("oneOf", "anyOf"):
            partial["anyOf"] = [*_partial(value), {"type": "null"}]
        elif key == "properties":
            partial[key] = {name: _partial(item) for name, item in value.items()}
        else:
            partial[key] = _partial(value)
    return partial
