"""The records of kernels, as NumPy lays them out.

A record is a class whose annotations are its fields, each of eight bytes: an ``int``, a ``float``, the address of
``Rows`` (of those or of other records), or a record within the record. ``Small`` and ``Flag`` are smaller, for records
of which there are so many that they do not stay in the processor's caches. NumPy lays memory out by ``dtype``; the
compiled code is given addresses and reads and writes the very same fields (``request.ready``,
``pool.requests[slot]``), without the ten words and the counted references that an array is at every call. Nothing here
needs a compiler: ``compiled`` says the same to Numba.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar, get_args

import numpy as np

T = TypeVar("T")
WORD = 8
LINE = 64
"""Bytes that a processor fetches at once."""


class Small(int):
    """An int of four bytes, below 2**31: whatever is worked out with it has eight again."""


class Flag(int):
    """0 or 1, a byte."""


class Rows(Generic[T]):
    """The address of rows in memory, by their index; nobody checks its bounds."""

    def __getitem__(self, index: int) -> T: ...  # type: ignore[empty-body]  # compiled code has it
    def __setitem__(self, index: int, value: T) -> None: ...


class At(Generic[T]):
    """The address of one record, whose fields are read and written through it as if it stood here."""

    def __getattr__(self, name: str) -> int: ...  # type: ignore[empty-body]  # compiled code has it


_NUMBERS: dict[Any, type] = {float: np.float64, Small: np.int32, Flag: np.int8}


class Record:
    """Fields by name. ``ints`` are the names of more of them, told elsewhere already; they come first. One that is
    made of ``lines`` fills whole lines, so that rows of it which begin with one do all."""

    declared: ClassVar[dict[str, Any]]
    """What each field was said to be."""
    dtype: ClassVar[np.dtype[np.void]]
    rows: ClassVar[dict[str, np.dtype[Any]]]
    """What a row is of each field that is an address."""

    def __init_subclass__(cls, ints: Iterable[str] = (), *, lines: bool = False) -> None:
        """Lays the fields out, one after the other, each where the processor likes to have it."""
        cls.declared = dict.fromkeys(ints, int) | inspect.get_annotations(cls)
        cls.rows = {name: _laid(*get_args(kind)) for name, kind in cls.declared.items() if get_args(kind)}
        cls.dtype = np.dtype([(name, _laid(kind)) for name, kind in cls.declared.items()], align=True)
        if lines:
            cls.dtype = in_lines(cls.dtype)


def in_lines(laid: np.dtype[np.void]) -> np.dtype[np.void]:
    """The same fields in whole lines."""
    fields = [(name, *laid.fields[name]) for name in laid.names] if laid.fields and laid.names else []
    names, formats, offsets = zip(*fields, strict=True)
    size = -(-laid.itemsize // LINE) * LINE
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def _laid(kind: Any) -> np.dtype[Any]:
    """What NumPy lays out for a field: a record where it stands, an int or an address else."""
    if kind in _NUMBERS:
        return np.dtype(_NUMBERS[kind])
    return kind.dtype if inspect.isclass(kind) and issubclass(kind, Record) else np.dtype(np.int64)
