"""Parts of scenarios drawn from the JSON Schema: any kind, any field, with the schema's own examples as values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

Path = tuple[str | int, ...]


class Fragments:
    """Draws what a schema allows. ``others`` are whole documents whose parts may stand in the place of their likes."""

    def __init__(self, schema: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> None:
        self._defs: Mapping[str, Any] = schema["$defs"]
        self.root: Mapping[str, Any] = schema.get("else", schema)
        self._others = tuple(others)

    # Faults, with the signature of those of ``trees``

    def other(self, tree: Any, path: Path, rng: Random) -> None:
        """Something else that the schema allows there: another kind, say."""
        schema = self.schema_at(tree, path)
        if schema is not None:
            _at(tree, path[:-1])[path[-1]] = self.draw(schema, rng)

    def more(self, tree: Any, path: Path, rng: Random) -> None:
        """A field that was not given, in the nearest mapping."""
        while path and not isinstance(_at(tree, path), dict):
            path = path[:-1]
        schema = self.schema_at(tree, path)
        if schema is None:
            return
        here = _at(tree, path)
        absent = sorted(set(schema.get("properties", {})) - set(here))
        if absent:
            name = rng.choice(absent)
            here[name] = self.draw(schema["properties"][name], rng)
        elif isinstance(schema.get("additionalProperties"), Mapping):
            here[rng.choice(("other", "a", "b-2"))] = self.draw(schema["additionalProperties"], rng)

    def of_another(self, tree: Any, path: Path, rng: Random) -> None:
        """What stands under the same name in another document, if anything does."""
        found: list[Any] = []
        for other in self._others:
            _named(other, path[-1], found)
        if found:
            _at(tree, path[:-1])[path[-1]] = copy.deepcopy(rng.choice(found))

    # The schema

    def schema_at(self, tree: Any, path: Path) -> Mapping[str, Any] | None:
        """The schema of what stands at ``path``, by the kinds written on the way; None where the form has no such."""
        schema: Mapping[str, Any] | None = self.root
        here = tree
        for part in path:
            schema = self._of_this(schema, here)
            if schema is None:
                return None
            if isinstance(part, int):
                schema = schema.get("items")
            else:
                schema = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
            if not isinstance(schema, Mapping):
                return None
            here = here[part]
        return self._of_this(schema, here)

    def _of_this(self, schema: Mapping[str, Any] | None, value: Any) -> Mapping[str, Any] | None:
        """The alternative that ``value`` is meant to be."""
        if schema is None:
            return None
        choices = self._choices(schema)
        kind = value.get("kind") if isinstance(value, Mapping) else None
        wanted = "object" if isinstance(value, Mapping) else "array" if isinstance(value, list) else None
        if wanted is None:
            return schema
        fitting = [choice for choice in choices if choice.get("type") == wanted]
        named = [
            c for c in fitting if c.get("properties", {}).get("kind", {}).get("const") == kind and kind is not None
        ]
        return next(iter(named or fitting), None)

    def _choices(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Every alternative, with references followed."""
        if "$ref" in schema:
            return self._choices(self._defs[str(schema["$ref"]).rsplit("/", 1)[-1]])
        for word in ("oneOf", "anyOf"):
            if word in schema:
                return [choice for one in schema[word] for choice in self._choices(one)]
        return [schema]

    def draw(self, schema: Mapping[str, Any], rng: Random, depth: int = 0) -> Any:
        """A value that the schema allows, with few of its optional fields."""
        schema = rng.choice(self._choices(schema))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        if "examples" in schema:
            return rng.choice(str(rng.choice(schema["examples"])).split(" or "))
        match schema.get("type"):
            case "object":
                return self._object(schema, rng, depth)
            case "array":
                few = schema.get("minItems", 0)
                items = schema.get("items", {})
                return [
                    self.draw(items, rng, depth + 1) for _ in range(few + rng.choice((0, 0, 1)) if depth < 6 else few)
                ]
            case "integer":
                low = schema.get("minimum", 0)
                return min(low + rng.choice((0, 1, 2, 7)), schema.get("maximum", low + 7))
            case "number":
                low, high = _bounds(schema)
                return low + (high - low) * rng.choice((0.01, 0.1, 0.5, 0.9))
            case "boolean":
                return rng.random() < 0.5
            case "null":
                return None
            case "string":
                return rng.choice(("a", "x1", "site", "12:00"))
        return rng.choice((1, "x", None, 0.5))

    def _object(self, schema: Mapping[str, Any], rng: Random, depth: int) -> dict[str, Any]:
        fields: Mapping[str, Any] = schema.get("properties", {})
        needed = schema.get("required", ())
        drawn = {
            name: self.draw(field, rng, depth + 1)
            for name, field in fields.items()
            if name in needed or (depth < 4 and rng.random() < 0.15)
        }
        rest = schema.get("additionalProperties")
        if isinstance(rest, Mapping):
            names = ("a", "b", "c")[: max(1, schema.get("minProperties", 1))]
            drawn |= {name: self.draw(rest, rng, depth + 1) for name in names}
        return drawn


def _bounds(schema: Mapping[str, Any]) -> tuple[float, float]:
    low = float(schema.get("minimum", schema.get("exclusiveMinimum", 0.0)))
    high = float(schema.get("maximum", schema.get("exclusiveMaximum", low + 10.0)))
    return low, min(high, low + 100.0)


def _at(tree: Any, path: Path) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _named(tree: Any, name: str | int, found: list[Any]) -> None:
    if isinstance(tree, Mapping):
        if name in tree:
            found.append(tree[name])
        for value in tree.values():
            _named(value, name, found)
    elif isinstance(tree, list):
        for value in tree:
            _named(value, name, found)
