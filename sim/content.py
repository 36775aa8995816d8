"""The hash of a value by all that is in it, for values that decide something and must never be mistaken for another.

Types count: 1, 1.0 and ``True`` differ, and so do two classes with equal fields. The order of a mapping counts, since
whoever goes through it goes in that order. A path stands for the content of its file, a function for its name, where it
is one that anybody can look up. What cannot be seen into (a closure, a generator, an open file, an object of a class of
which nothing is known) is refused: nothing is left out in silence.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import struct
import sys
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import ref
from zoneinfo import ZoneInfo

import numpy as np

from sim.errors import InputError
from sim.validation import Spec

Feed = Callable[[bytes | memoryview], None]
OWN_PACKAGE = "sim"
"""Whose sources whoever keeps a hash accounts for once, and not with every class."""


def content_hash(value: Any) -> str:
    """SHA-256 of everything in ``value``, in hex.

    Raises ``UnseenError`` naming the place of what cannot be seen into, ``InputError`` for a file that cannot be read.
    """
    digest = hashlib.sha256()
    _feed(value, digest.update)
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _hashed(path: str, _modified_ns: int, _size: int) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_sha256(path: str) -> str:
    """Hash of a file's content, read again only after it changed. Raises ``InputError`` for one that cannot be read."""
    try:
        state = Path(path).stat()
        return _hashed(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise InputError.one(path, f"cannot be read: {error.strerror or error}") from None


class UnseenError(TypeError):
    """What cannot be seen into, and where it stands: each caller on the way out puts its own step before the others."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.steps: list[str] = []

    def __str__(self) -> str:
        return f"{''.join(reversed(self.steps)) or 'the value'}: cannot see into {self.what}"


def _feed(value: Any, feed: Feed) -> None:
    write = _WRITERS.get(type(value))
    if write is None:
        write = _WRITERS[type(value)] = _writer(type(value))
    write(value, feed)


def _within(step: str, value: Any, feed: Feed) -> None:
    try:
        _feed(value, feed)
    except UnseenError as error:
        error.steps.append(step)
        raise


def _text(text: str, feed: Feed) -> None:
    data = text.encode()
    feed(b"%d:" % len(data))
    feed(data)


@lru_cache(maxsize=4096)
def _named(known: Any) -> bytes:
    """A class or function by where anybody finds it; with its source, where that is somebody else's."""
    module = known.__module__
    name = f"{module}.{known.__qualname__}"
    file = getattr(sys.modules.get(module), "__file__", None)
    if module.partition(".")[0] not in (OWN_PACKAGE, *sys.stdlib_module_names) and str(file).endswith(".py"):
        name = f"{name} {file_sha256(str(file))}"
    return b"%d:" % len(name.encode()) + name.encode()


def _name(tag: bytes, known: Any, feed: Feed) -> None:
    feed(tag)
    feed(_named(known))


# Plain values


def _none(_value: None, feed: Feed) -> None:
    feed(b"N")


def _bool(value: bool, feed: Feed) -> None:
    feed(b"T" if value else b"F")


def _int(value: int, feed: Feed) -> None:
    feed(b"i%d;" % value)


def _float(value: float, feed: Feed) -> None:
    feed(struct.pack(">cd", b"f", value))


def _str(value: str, feed: Feed) -> None:
    feed(b"s")
    _text(value, feed)


def _bytes(value: bytes, feed: Feed) -> None:
    feed(b"b%d:" % len(value))
    feed(value)


def _number(value: Any, feed: Feed) -> None:
    """A number that remembers more, such as the text it was written as."""
    _name(b"n", type(value), feed)
    feed(b"i%d;" % value if isinstance(value, int) else struct.pack(">cd", b"f", value))
    _items(vars(value), feed)


def _moment(value: date | timedelta, feed: Feed) -> None:
    feed(b"t")
    _text(repr(value), feed)


def _zone(value: ZoneInfo, feed: Feed) -> None:
    if value.key is None:
        raise UnseenError("a time zone without a name")
    feed(b"z")
    _text(value.key, feed)


def _path(value: Path, feed: Feed) -> None:
    feed(b"p")
    feed(file_sha256(str(value)).encode())


def _member(value: enum.Enum, feed: Feed) -> None:
    _name(b"e", type(value), feed)
    _text(value.name, feed)


# Many of them


def _array(value: np.ndarray[Any, Any], feed: Feed) -> None:
    if value.dtype.hasobject:
        raise UnseenError("an array of Python objects")
    if value.dtype.names is not None and value.dtype.isalignedstruct:
        raise UnseenError("an array with bytes between its fields, which mean nothing")
    kind = value.dtype.str if value.dtype.names is None else value.dtype.descr
    feed(f"a{kind}{value.shape};".encode())
    feed(np.ascontiguousarray(value).view(np.uint8).data)


def _scalar(value: np.generic, feed: Feed) -> None:
    feed(b"g")
    _array(np.asarray(value), feed)


def _sequence(value: list[Any] | tuple[Any, ...], feed: Feed) -> None:
    if type(value) in (list, tuple):
        feed(b"[%d:" % len(value) if isinstance(value, list) else b"(%d:" % len(value))
    else:
        _name(b"(", type(value), feed)
        feed(b"%d:" % len(value))
    for i, item in enumerate(value):
        try:
            _feed(item, feed)
        except UnseenError as error:
            error.steps.append(f"[{i}]")
            raise


def _set(value: set[Any] | frozenset[Any], feed: Feed) -> None:
    feed(b"{%d:" % len(value))
    for digest in sorted(map(content_hash, value)):
        feed(digest.encode())


def _mapping(value: Mapping[Any, Any], feed: Feed) -> None:
    feed(b"m")
    _items(value, feed)


def _items(value: Mapping[Any, Any], feed: Feed) -> None:
    feed(b"%d:" % len(value))
    for key, item in value.items():
        _within(f"[key {key!r}]", key, feed)
        _within(f"[{key!r}]", item, feed)


# What knows its own fields


def _data(value: Any, feed: Feed) -> None:
    """A dataclass. What it has worked out of its fields and remembers is no content; any other attribute is refused."""
    kind: Any = type(value)
    names = _fields(kind)
    for name in getattr(value, "__dict__", ()):
        if name not in names and not isinstance(getattr(kind, name, None), functools.cached_property):
            raise UnseenError(f"the attribute '{name}' of a {kind.__name__}, which is no field of it")
    _name(b"d", kind, feed)
    for name in names:
        _text(name, feed)
        try:
            _feed(getattr(value, name), feed)
        except UnseenError as error:
            error.steps.append(f".{name}")
            raise


@lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


_SPECS: dict[int, tuple[ref[Spec], bytes]] = {}
"""Hashes of checked parts of a scenario by id: they are frozen, and stand in variant after variant."""


def _spec(value: Spec, feed: Feed) -> None:
    known = _SPECS.get(id(value))
    if known is None or known[0]() is not value:
        digest = hashlib.sha256()
        _name(b"S", type(value), digest.update)
        if value.__pydantic_private__:
            raise UnseenError(f"the private attributes of a {type(value).__name__}")
        for name in type(value).model_fields:
            _text(name, digest.update)
            _within(f".{name}", getattr(value, name), digest.update)
        number = id(value)
        known = _SPECS[number] = (ref(value, lambda _: _SPECS.pop(number, None)), digest.digest())
    feed(known[1])


# What can be called


def _partial(value: functools.partial[Any], feed: Feed) -> None:
    feed(b"P")
    _within(".func", value.func, feed)
    _within(".args", value.args, feed)
    _within(".keywords", value.keywords, feed)


def _function(value: Any, feed: Feed) -> None:
    here: Any = sys.modules.get(value.__module__ or "")
    for part in value.__qualname__.split("."):
        here = getattr(here, part, None)
    if here is not value:
        raise UnseenError(f"the function '{value.__qualname__}', which is known by no name of its module")
    _name(b"F", value, feed)


def _method(value: types.MethodType, feed: Feed) -> None:
    feed(b"M")
    _text(value.__func__.__qualname__, feed)
    _within(".__self__", value.__self__, feed)


def _class(value: type, feed: Feed) -> None:
    _function(value, feed)


_WRITERS: dict[type, Callable[[Any, Feed], None]] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    bytes: _bytes,
    list: _sequence,
    tuple: _sequence,
    set: _set,
    frozenset: _set,
    dict: _mapping,
    types.MappingProxyType: _mapping,
    np.ndarray: _array,
    date: _moment,
    datetime: _moment,
    timedelta: _moment,
    timezone: _moment,
    ZoneInfo: _zone,
    functools.partial: _partial,
    types.FunctionType: _function,
    types.BuiltinFunctionType: _function,
    types.MethodType: _method,
}


def _writer(kind: type) -> Callable[[Any, Feed], None]:
    """How the content of a kind of value is written that is not known by itself."""
    if issubclass(kind, np.generic):
        return _scalar
    if issubclass(kind, enum.Enum):
        return _member
    if issubclass(kind, Path):
        return _path
    if issubclass(kind, type):
        return _class
    if issubclass(kind, Spec):
        return _spec
    if dataclasses.is_dataclass(kind) and not issubclass(kind, (list, tuple, dict, set, frozenset, str, bytes)):
        return _data
    if issubclass(kind, int | float):
        return _number
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _sequence

    def refuse(_value: Any, _feed: Feed) -> None:
        raise UnseenError(f"a {kind.__module__}.{kind.__qualname__}")

    return refuse
