"""What a summary looks like, as far as anything reads it again: names, and what kind of thing is under each.

A run's folder may have been edited, or written by another version; what is not of this shape is no summary of a run,
and is refused by its dotted path before anything is drawn from it. Names that are not catalogued are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sim.results.catalogue import SERVICE, TABLES, Table
from sim.results.catalogue.services import BY_TOKEN, QUEUE


@dataclass
class Shape:
    """What may stand at a place of plain data, and under which names what: ``*`` any, ``[]`` each item of a list.

    ``title`` says what a value is, and its unit.
    """

    kinds: tuple[type, ...] = (dict,)
    title: str = ""
    needed: bool = False
    may_be_empty: bool = False
    inner: dict[str, Shape] = field(default_factory=dict)

    def at(self, path: str, *, needed: bool) -> Shape:
        """The place at a dotted path, made where it is not there; all on the way to what is ``needed`` are, too."""
        here = self
        for name in filter(None, path.split(".")):
            here.kinds = (list,) if name == "[]" else (dict,)
            here = here.inner.setdefault(name, Shape())
            here.needed |= needed
        return here


def shape_of(tables: Iterable[Table], of: tuple[str, ...]) -> Shape:
    """What some tables of the catalogue come to; of services, what those of some kinds have."""
    whole = Shape()
    for table in tables:
        here = whole.at(table.path, needed=not table.optional)
        here.may_be_empty = table.may_be_empty
        for one in table.quantities:
            if one.of in of:
                value = here.at(one.path.removeprefix(f"{table.path}."), needed=one.always)
                value.kinds, value.title = one.kind, f"{one.label}, {one.unit}".removesuffix(", ")
    return whole


@cache
def _summary() -> Shape:
    whole = shape_of(TABLES, of=("",))
    site = shape_of((table for table in TABLES if table.per_site), of=("",))
    whole.inner["sites"] = Shape(inner={"*": site})
    return whole


@cache
def _service(kind: str) -> Shape:
    tables = [table for table in TABLES if f"{table.path}.".startswith(SERVICE)]
    return shape_of(tables, of=("", kind)).inner["serving"].inner["*"]


def lacks_of_summary(found: Any) -> Iterator[str]:
    """Dotted paths at which a summary has nothing, or another thing than a run writes."""
    yield from lacks(found, _summary())
    services = found.get("serving") if type(found) is dict else None
    for name, service in services.items() if type(services) is dict else ():
        if type(service) is dict:
            yield from lacks(service, _service(BY_TOKEN if "output_tokens" in service else QUEUE), f"serving.{name}")


def lacks(found: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Dotted paths of ``shape`` under which ``found``, as JSON has it, has nothing, or another thing."""
    if type(found) not in shape.kinds:
        yield path or "everything"
        return
    for name, inner in shape.inner.items() if found or not shape.may_be_empty else ():
        if name == "[]":
            for i, item in enumerate(found):
                yield from lacks(item, inner, f"{path}[{i}]")
            continue
        for key in found if name == "*" else (name,):
            if key in found:
                yield from lacks(found[key], inner, f"{path}.{key}".lstrip("."))
            elif inner.needed:
                yield f"{path}.{key}".lstrip(".")


def summary_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``summary.json``: every quantity with its words and its unit."""
    whole = _schema(_summary())
    services = {"anyOf": [_schema(_service(kind)) for kind in (BY_TOKEN, QUEUE)]}
    whole["properties"]["serving"]["additionalProperties"] = services
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "coldaisle summary", **whole}


JSON_TYPES = {dict: "object", list: "array", float: "number", str: "string", bool: "boolean", type(None): "null"}


def _schema(shape: Shape) -> dict[str, Any]:
    types = [JSON_TYPES[kind] for kind in shape.kinds if kind is not int]  # a whole number is a number
    schema: dict[str, Any] = {"type": types if len(types) > 1 else types[0]}
    if shape.title:
        schema["title"] = shape.title
    named = {name: inner for name, inner in shape.inner.items() if name not in ("*", "[]")}
    if named:
        schema["properties"] = {name: _schema(inner) for name, inner in named.items()}
        schema["required"] = [name for name, inner in named.items() if inner.needed]
    if "*" in shape.inner:
        schema["additionalProperties"] = _schema(shape.inner["*"])
    if "[]" in shape.inner:
        schema["items"] = _schema(shape.inner["[]"])
    return {"anyOf": [{**schema, "maxProperties": 0, "required": []}, schema]} if shape.may_be_empty else schema
