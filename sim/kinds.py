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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce, wraps
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler
from pydantic.errors import PydanticUserError
from pydantic_core import CoreSchema, core_schema

from sim.errors import ColdaisleError, InputError
from sim.shipped_kinds import SHIPPED, SHIPPED_NAMES
from sim.validation import Spec

GROUP = "coldaisle.kinds"


class Choice(Spec):
    """Base of a family's specs: a field typed with it (or with a class between) reads any of its kinds below it."""

    if TYPE_CHECKING:
        kind: str

    family: ClassVar[str]
    example: ClassVar[Mapping[str, Any]] = {}
    """What must be written besides ``kind``, by an example that is valid by itself."""

    @classmethod
    def alternatives(cls) -> tuple[type[Spec], ...]:
        """The kinds that may stand where this class is asked for: itself, if it is one."""
        if _words(cls):
            return (cls,)
        return tuple(kind.spec for kind in kinds(cls.family) if issubclass(kind.spec, cls))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """That of the kind, or of the union of all kinds below this class, told apart by ``kind``."""
        if _words(cls):
            try:
                return super().__get_pydantic_core_schema__(source, handler)
            except PydanticUserError as error:
                raise _unusable(cls, error) from error
        any_of_them: Any = reduce(or_, cls.alternatives())
        return handler.generate_schema(Annotated[any_of_them, Field(discriminator="kind")])


def _unusable(spec: type[Choice], error: PydanticUserError) -> Exception:
    """A spec with a field that cannot be checked: the fault of the package that it comes from, or ours."""
    point = _point_of(spec)
    return error if point is None else _refused(point, f"has a spec, {spec.__name__}, that cannot be read: {error}")


def _point_of(spec: type[Choice]) -> EntryPoint | None:
    """The entry point of the package that a spec comes from; None for those that ship."""
    own = (point for point in _points() if point.module.partition(".")[0] == spec.__module__.partition(".")[0])
    return next(own, None)


def _words(spec: type[Choice]) -> tuple[str, ...]:
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
    rows = SHIPPED.get(spec.family, {})
    written = rows.get(f"{type(spec).__module__}:{type(spec).__qualname__}")
    if written is not None:
        made: Callable[..., Any] = _named(written)
        return made
    added = next(kind for kind in _added() if isinstance(kind, Kind) and kind.spec is type(spec))
    return _blamed(added, _point_of(type(spec)))


@cache
def _blamed(kind: Kind, point: EntryPoint | None) -> Callable[..., Any]:
    """The builder of another package, whose faults are told as that package's."""

    @wraps(kind.builder)
    def built(*args: Any, **named: Any) -> Any:
        try:
            return kind.builder(*args, **named)
        except ColdaisleError:
            raise
        except Exception as error:
            if point is None:
                raise
            why = f"fails to build {kind.spec.family} '{kind.names[0]}': {type(error).__name__}: {error}"
            raise _refused(point, why) from error

    return built


def plugins() -> dict[str, str]:
    """The installed packages that add kinds, each with its version and a hash of its sources; imports none of them."""
    return {_package(point): f"{_version(point)}+{_sources(point.module)}" for point in _points()}


@cache
def _named(written: str) -> Any:
    module, _, name = written.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


@cache
def _shipped(family: str) -> tuple[Kind, ...]:
    def later(written: str) -> Callable[..., Any]:
        return lambda *args, **named: _named(written)(*args, **named)

    return tuple(Kind(_named(spec), later(built)) for spec, built in SHIPPED.get(family, {}).items())


@cache
def _added() -> tuple[Kind | Named, ...]:
    """The kinds of other packages, in the order of the packages' names."""
    points = _points()
    if not points:
        return ()
    owners = {(family, name): "coldaisle" for family in SHIPPED for kind in _shipped(family) for name in kind.names}
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
        wrong = _fault(row)
        if wrong is not None:
            raise _refused(point, wrong)
        yield row


def _fault(row: object) -> str | None:
    """What is wrong with a row that a package adds."""
    if isinstance(row, Named):
        known = f"  ({', '.join(SHIPPED_NAMES)})"
        return None if row.family in SHIPPED_NAMES else f"has a name of no family that there is, {row.family!r}{known}"
    if not isinstance(row, Kind):
        return f"leads to {type(row).__name__}, not to a sim.kinds.Kind or Named, or a tuple of them"
    if not (isinstance(row.spec, type) and issubclass(row.spec, Choice) and row.names):
        return f"has a kind whose spec, {row.spec!r}, is no sim.kinds.Choice with a 'kind'"
    if getattr(row.spec, "family", None) not in SHIPPED:
        return f"has a kind of no family that there is  ({', '.join(SHIPPED)})"
    lacking = ", ".join(sorted(row.spec.__abstractmethods__))
    if lacking:
        return f"has a kind, {row.spec.__name__}, that lacks what every {row.spec.family} says of itself  ({lacking})"
    return None if callable(row.builder) else f"has no builder for {row.spec.__name__}"


@cache
def _sources(module: str) -> str:
    """A hash of the files of the package that a module belongs to: its sources, and the data that these may read."""
    top = find_spec(module.partition(".")[0])
    roots = [Path(root) for root in (top.submodule_search_locations or ())] if top is not None else []
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    if top is not None and not roots and top.origin is not None:
        files = [Path(top.origin)]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
