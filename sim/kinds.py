"""The registry of everything a scenario may choose: a row a kind, its spec class and what builds from it.

A *family* (``cooling``, ``scheduler``, ...) is a question that has several answers, its *kinds*. Each kind has a spec
class, which reads what is written under its ``kind``, and a builder, which makes of it what engine and accounts are
given. Where a field is typed with the base class of a family, any of its kinds may stand; the union is assembled here.

``sim.shipped_kinds`` holds what comes with coldaisle. A package of one's own adds rows by an entry point in the group
``coldaisle.kinds`` that leads to a ``Kind``, or to a tuple of them. Nothing is imported before it is asked for. Kinds
that have no fields, such as formats told by what is in a file, are names, and rows ``Named``.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import get_annotations
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args, get_origin

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from sim.errors import InputError
from sim.shipped_kinds import SHIPPED, SHIPPED_NAMES
from sim.validation import Spec

GROUP = "coldaisle.kinds"

_DESCRIBED: ContextVar[frozenset[type]] = ContextVar("_DESCRIBED", default=frozenset())
"""Families that a JSON schema is being made of."""


_WORDS_SHIPPED: Mapping[str, str] = {spec: words for rows in SHIPPED.values() for spec, (words, _) in rows.items()}


class Choice(Spec):
    """Base of a family's specs: a field typed with it (or with a class between) reads any of its kinds below it.

    What is written as ``kind`` of one that ships stands in ``sim.shipped_kinds``, where it is found before the module
    of the class is imported; the class has it from there as its first field. Only one whose ``kind`` may be left out
    writes it itself, with the default, as do the kinds of other packages.
    """

    if TYPE_CHECKING:
        kind: str

    family: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = {}
    """What must be written besides ``kind``, by an example that is valid by itself."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = get_annotations(cls)
        words = _WORDS_SHIPPED.get(f"{cls.__module__}:{cls.__qualname__}")
        if words is not None and "kind" not in own:
            cls.__annotations__ = {"kind": Literal[tuple(words.split())], **own}

    @classmethod
    def alternatives(cls) -> tuple[type[Spec], ...]:
        """The kinds that may stand where this class is asked for: itself, if it is one."""
        if _words(cls):
            return (cls,)
        return tuple(kind.spec for kind in kinds(cls.family) if issubclass(kind.spec, cls))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """That of the kind, or what looks up which of the kinds below this class is meant.

        The checks of a kind are made ready when one is first met: most scenarios name few of those that there are.
        """
        if not _words(cls):
            return core_schema.no_info_plain_validator_function(cls._chosen)
        try:
            return super().__get_pydantic_core_schema__(source, handler)
        except PydanticUserError as error:
            raise _unusable(cls, error) from error

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """That of the kind, or of the union of all kinds below this class, told apart by ``kind``."""
        if _words(cls):
            return handler(schema)
        whole = {word: _core(spec) for word, spec in _by_word(cls).items()}
        described = _DESCRIBED.get()
        if cls in described:  # a kind that holds others of its family: a schema may point at itself, not hold itself
            whole = {word: core_schema.definition_reference_schema(_ref(core)) for word, core in whole.items()}
        token = _DESCRIBED.set(described | {cls})
        try:
            return handler(core_schema.tagged_union_schema(whole, "kind"))
        finally:
            _DESCRIBED.reset(token)

    @classmethod
    def _chosen(cls, value: Any) -> Any:
        """``value`` as the kind that it names. Complaints are those of a tagged union, and name the tag."""
        word = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
        spec = _written(cls, word) if isinstance(word, str) else None
        checks = _refusal(cls) if spec is None else _validator(spec, str(word))
        return checks.validate_python(value)


@cache
def _written(base: type[Choice], word: str) -> type[Spec] | None:
    """The kind below a class that is written so. Of those that ship, the module of no other is imported."""
    added = [kind.spec for kind in _added() if isinstance(kind, Kind) and word in kind.names]
    shipped = [_named(spec) for spec, (words, _) in SHIPPED[base.family].items() if word in words.split()]
    return next((spec for spec in (*shipped, *added) if issubclass(spec, base)), None)


@cache
def _by_word(base: type[Choice]) -> dict[str, type[Spec]]:
    """The kinds below a class, by what is written as ``kind``."""
    return {word: spec for spec in base.alternatives() for word in _words(spec)}


@cache
def _validator(spec: type[Spec], word: str) -> SchemaValidator:
    """The checks of one kind, which put its name into the place of what they complain of."""
    return SchemaValidator(core_schema.tagged_union_schema({word: _core(spec)}, "kind"))


@cache
def _refusal(base: type[Choice]) -> SchemaValidator:
    """What complains where none of the kinds below a class is named."""
    words: dict[Any, CoreSchema] = {word: core_schema.any_schema() for word in _by_word(base)}
    return SchemaValidator(core_schema.tagged_union_schema(words, "kind"))


def _ref(core: Any) -> str:
    """The name that pydantic gave to a model's schema."""
    return str(core["schema"]["ref"] if core["type"] == "definitions" else core["ref"])


def _core(spec: type[Spec]) -> Any:
    """The schema of a model for pydantic's core, made ready if it is not."""
    adapter = TypeAdapter(spec)
    adapter.rebuild()
    return adapter.core_schema


def _unusable(spec: type[Choice], error: PydanticUserError) -> Exception:
    """A spec with a field that cannot be checked: the fault of the package that it comes from, or ours."""
    point = next((point for point in _points() if spec.__module__.partition(".")[0] in _tops(point)), None)
    return error if point is None else _refused(point, f"has a spec, {spec.__name__}, that cannot be read: {error}")


def _words(spec: type[Spec]) -> tuple[str, ...]:
    """What is written as ``kind`` for such a spec; nothing for the base of a family."""
    field = spec.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


class Kind(NamedTuple):
    """A row of the registry: a spec class, and what is called with such a spec (and what else its family gives)."""

    spec: type[Choice]
    builder: Callable[..., Any]

    @property
    def names(self) -> tuple[str, ...]:
        """What is written as ``kind``; mostly one word."""
        return _words(self.spec)


class Named(NamedTuple):
    """A row of a family whose kinds have no fields: the name that is written, and what it stands for."""

    family: str
    name: str
    stands_for: Any


@dataclass(frozen=True)
class NameIn:
    """Of a text field: one of the names of a family."""

    family: str

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """A literal of the names."""
        return core_schema.literal_schema(list(named(self.family)))


def kinds(family: str) -> tuple[Kind, ...]:
    """Every kind of a family, those that ship first. Raises ``InputError`` for an entry point that cannot be used."""
    added = (kind for kind in _added() if isinstance(kind, Kind))
    return (*_shipped(family), *(kind for kind in added if kind.spec.family == family))


def named(family: str) -> dict[str, Any]:
    """Every kind of a family without specs by its name, those that ship first. Raises as ``kinds``."""
    shipped = {name: _named(written) for name, written in SHIPPED_NAMES[family].items()}
    return shipped | {row.name: row.stands_for for row in _added() if isinstance(row, Named) and row.family == family}


def builder(spec: Choice) -> Callable[..., Any]:
    """What makes of such a spec that which the engine or the accounts are given."""
    row = SHIPPED.get(spec.family, {}).get(f"{type(spec).__module__}:{type(spec).__qualname__}")
    if row is not None:
        made: Callable[..., Any] = _named(row[1])
        return made
    return next(kind.builder for kind in _added() if isinstance(kind, Kind) and kind.spec is type(spec))


def plugins() -> dict[str, str]:
    """The installed packages that add kinds, each with its version and a hash of its sources; imports none of them."""
    return {_package(point): f"{_version(point)}+{_sources(_tops(point))}" for point in _points()}


@cache
def _named(written: str) -> Any:
    module, _, name = written.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


@cache
def _shipped(family: str) -> tuple[Kind, ...]:
    def later(written: str) -> Callable[..., Any]:
        return lambda *args, **named: _named(written)(*args, **named)

    return tuple(Kind(_named(spec), later(built)) for spec, (_, built) in SHIPPED.get(family, {}).items())


@cache
def _base(family: str) -> type:
    """The class that all specs of a family have in common."""
    first: type = _named(next(iter(SHIPPED[family])))
    return next(base for base in first.__mro__ if "family" in vars(base))


@cache
def _added() -> tuple[Kind | Named, ...]:
    """The kinds of other packages, in the order of the packages' names."""
    points = _points()
    if not points:
        return ()
    shipped = [(family, words) for family, rows in SHIPPED.items() for words, _ in rows.values()]
    owners = {(family, name): "coldaisle" for family, words in shipped for name in words.split()}
    owners |= {(family, name): "coldaisle" for family, names in SHIPPED_NAMES.items() for name in names}
    found: list[Kind | Named] = []
    for point in points:
        for row in _loaded(point):
            family, names = (row.family, (row.name,)) if isinstance(row, Named) else (row.spec.family, row.names)
            for name in names:
                if (family, name) in owners:
                    raise _refused(point, f"adds the {family} '{name}', which {owners[family, name]} has already")
                owners[family, name] = f"package '{_package(point)}'"
            found.append(row)
    return tuple(found)


@cache
def _points() -> list[EntryPoint]:
    """Of all installed packages, looked for once: that takes some 20 ms."""
    return sorted(set(entry_points(group=GROUP)), key=lambda point: (_package(point), point.name))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module.partition(".")[0]


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist is not None else "?"


def _refused(point: EntryPoint, why: str) -> InputError:
    told = f"entry point '{point.name}' of {GROUP} ({point.value}) {why}; mend or uninstall it"
    return InputError.one(f"package '{_package(point)}' {_version(point)}", told)


def _loaded(point: EntryPoint) -> Iterator[Kind | Named]:
    """What an entry point leads to, once it is known to be kinds."""
    try:
        given = point.load()
    except (Exception, SystemExit) as error:  # whatever the code of somebody else does
        raise _refused(point, f"cannot be loaded: {type(error).__name__}: {error}") from error
    rows = given if isinstance(given, tuple) and not isinstance(given, Kind | Named) else (given,)
    for row in rows:
        wrong = _fault(row, (*_tops(point), __name__.partition(".")[0]))
        if wrong is not None:
            raise _refused(point, wrong)
        yield row


def _fault(row: object, tops: tuple[str, ...]) -> str | None:
    """What is wrong with a row that a package adds, which has the modules ``tops`` (and ours)."""
    if isinstance(row, Named):
        known = f"  ({', '.join(SHIPPED_NAMES)})"
        return None if row.family in SHIPPED_NAMES else f"has a name of no family that there is, {row.family!r}{known}"
    if not isinstance(row, Kind):
        return f"leads to {type(row).__name__}, not to a sim.kinds.Kind or Named, or a tuple of them"
    if not (isinstance(row.spec, type) and issubclass(row.spec, Choice) and row.names):
        return f"has a kind whose spec, {row.spec!r}, is no sim.kinds.Choice with a 'kind'"
    if getattr(row.spec, "family", None) not in SHIPPED:
        return f"has a kind of no family that there is  ({', '.join(SHIPPED)})"
    base = _base(row.spec.family)
    if not issubclass(row.spec, base):
        return f"has a {row.spec.family}, {row.spec.__name__}, that is no {base.__module__}.{base.__qualname__}"
    for part in (row.spec, row.builder):
        top = str(getattr(part, "__module__", tops[0])).partition(".")[0]
        if top not in tops and top not in sys.stdlib_module_names:
            return f"has a kind from '{top}', which it does not install: its sources would count in no key of a run"
    lacking = ", ".join(sorted(row.spec.__abstractmethods__))
    if lacking:
        return f"has a kind, {row.spec.__name__}, that lacks what every {row.spec.family} says of itself  ({lacking})"
    return None if callable(row.builder) else f"has no builder for {row.spec.__name__}"


@cache
def _sources(tops: tuple[str, ...]) -> str:
    """A hash of the files of some modules and packages: their sources, and the data that these may read."""
    digest = hashlib.sha256()
    for name in tops:
        top = find_spec(name)
        roots = [Path(root) for root in (top.submodule_search_locations or ())] if top is not None else []
        files = {path.relative_to(root): path for root in roots for path in root.rglob("*") if path.is_file()}
        if top is not None and not roots and top.origin is not None:
            files = {Path(Path(top.origin).name): Path(top.origin)}
        for place, path in sorted(files.items()):
            if "__pycache__" not in place.parts:
                digest.update(f"{name}\0{place.as_posix()}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _tops(point: EntryPoint) -> tuple[str, ...]:
    """The modules and packages that the package of an entry point installs, as far as it says so, by their names."""
    listed = (point.dist.files or ()) if point.dist is not None else ()
    named = {file.parts[0].removesuffix(".py") for file in listed if file.suffix == ".py" and ".." not in file.parts}
    return tuple(sorted({point.module.partition(".")[0], *named}))


def at_fault(error: BaseException | None) -> InputError | None:
    """What to tell where the code of another package raised ``error``, or had it raised; None where it did not."""
    owners = {top: point for point in _points() for top in _tops(point)}
    first = error
    while error is not None:
        for frame, _ in walk_tb(error.__traceback__):
            point = owners.get(str(frame.f_globals.get("__name__")).partition(".")[0])
            if point is not None:
                return _refused(point, f"fails: {type(first).__name__}: {first}")
        error = error.__cause__ or error.__context__
    return None
