"""The JSON Schema of a scenario file, for editors: the models' own, plus ``extends`` and what it makes optional."""

from __future__ import annotations

from typing import Any

from sim.spec.scenario import Scenario


def scenario_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario. A file that ``extends`` another states only what differs: it must
    hold nothing else."""
    schema = Scenario.model_json_schema()
    required = schema.pop("required")
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "A scenario file, relative to this one, of which this one states only the differences.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "coldaisle scenario",
        **{key: value for key, value in schema.items() if key != "title"},
        "if": {"required": ["extends"]},
        "else": {"required": required},
    }
