"""Validators of what is read and written, each made once in a process: the schema of scenarios takes half a second to
make, and two more to be checked itself."""

from __future__ import annotations

from functools import cache

from jsonschema import Draft202012Validator

from sim.exports.schemas import schema_of
from sim.spec.schema import scenario_schema


@cache
def scenario_validator() -> Draft202012Validator:
    """Of scenarios."""
    return Draft202012Validator(scenario_schema())


@cache
def validator_of(name: str) -> Draft202012Validator:
    """Of a file of a run, or of an export."""
    return Draft202012Validator(schema_of(name))
