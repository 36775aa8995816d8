"""Names that are imported when they are first used: ``lazy from``, as Python 3.15 has it (PEP 810), for those before.

    with later():
        from sim.spec.campaign import CampaignSpec

Most scenarios name few of the kinds that there are, and to make the classes of all of them takes longer than most runs.
Such a name stands for a class (or a function, or a module) until somebody calls it, reads an attribute of it, or has a
document checked against it; then its module is imported, and the name is the class itself from there on. Nothing is an
instance of a class whose module nobody has imported, so that to ask whether a value is one imports nothing.

In the annotation of a field it may stand for models, which know by themselves how they are written out, and for nothing
else. It will not do for a base class, a member of a union that is told apart by a field, or a key of a dictionary.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from threading import RLock
from types import SimpleNamespace
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_ONE_AT_A_TIME = RLock()


class _Standing(type):
    """The type of names that stand for something else."""

    module: str
    asking: dict[str, Any]
    """The names of the module that asked for it."""

    def meant(cls) -> Any:
        """What it stands for."""
        module, name = import_module(cls.module), cls.__name__
        return cls._told(getattr(module, name, None) or import_module(f"{cls.module}.{name}"))

    def _told(cls, real: Any) -> Any:
        """``real``, which takes the place of the name in the module that asked."""
        for name in [name for name, value in cls.asking.items() if value is cls]:
            cls.asking[name] = real
        return real

    def _known(cls) -> Any:
        """What it stands for if its module has been imported; else no class at all, of which nothing is an instance."""
        real = getattr(sys.modules.get(cls.module), cls.__name__, None)
        return () if real is None else cls._told(real)

    def __call__(cls, *given: Any, **named: Any) -> Any:
        return cls.meant()(*given, **named)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):  # what pydantic and others look for in whatever they meet
            raise AttributeError(name)
        return getattr(cls.meant(), name)

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, cls._known())

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls._known())

    def __get_pydantic_core_schema__(cls, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(Annotated[Any, _Checked(cls)])


class _Checked:
    """Has pydantic check a value by what a name stands for, which is imported when there is a value."""

    def __init__(self, name: _Standing) -> None:
        self.name = name

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            lambda value: _adapter(self.name.meant()).validate_python(value), metadata={MEANT: self.name}
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core_schema.definitions_schema(_core(self.name.meant()), []))  # asks the inner one for its own


MEANT = "meant"
"""In the metadata of a schema: the name by which values are checked."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _core(kind: Any) -> CoreSchema:
    """The schema for pydantic's core, made ready if it is not."""
    adapter = _adapter(kind)
    adapter.rebuild()
    return adapter.core_schema


class Described(GenerateJsonSchema):
    """Makes the JSON Schema of a model, which is the same whether a name stands for a class or is one."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """As it is with what is meant."""
        name = schema.get("metadata", {}).get(MEANT)
        return super().field_title_should_be_set(schema if name is None else _core(name.meant()))


def meant(kind: Any) -> Any:
    """What a name stands for, if it is one of these, or else what was given."""
    return kind.meant() if isinstance(kind, _Standing) else kind


@contextmanager
def later() -> Iterator[None]:
    """Within it, ``from module import name`` gives names that stand for what is imported when they are used."""
    asking = sys._getframe(2).f_globals
    with _ONE_AT_A_TIME:
        at_once = builtins.__import__

        def standing(name: str, names: Any = None, own: Any = None, wanted: Any = (), level: int = 0) -> Any:
            if names is not asking or not wanted:
                return at_once(name, names, own, wanted, level)
            known = sys.modules.get(name)
            told = {"module": name, "asking": asking}
            return SimpleNamespace(**{one: getattr(known, one, None) or _Standing(one, (), told) for one in wanted})

        builtins.__import__ = standing  # type: ignore[assignment]  # what mypy expects of it is a module
        try:
            yield
        finally:
            builtins.__import__ = at_once
