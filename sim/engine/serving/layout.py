"""The records of kernels, as NumPy lays them out.

A record is a class whose annotations are its fields, each of eight bytes: an ``int``, a ``float``, the address of
``Rows`` (of those or of other records), or a record within the record. NumPy lays memory out by ``dtype``; the compiled
code is given addresses and reads and writes the very same fields (``request.ready``, ``pool.requests[slot]``), without
the ten words and the counted references that an array is at every call. Nothing here needs a compiler: ``compiled``
says the same to Numba.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar, get_args

import numpy as np

T = TypeVar("T")
WORD = 8


class Rows(Generic[T]):
    """The address of rows in memory, by their index; nobody checks its bounds."""

    def __getitem__(self, index: int) -> T: ...  # type: ignore[empty-body]  # compiled code has it
    def __setitem__(self, index: int, value: T) -> None: ...


class At(Generic[T]):
    """The address of one record, whose fields are read and written through it as if it stood here."""

    def __getattr__(self, name: str) -> int: ...  # type: ignore[empty-body]  # compiled code has it


class Record:
    """Fields by name. ``ints`` are the names of more of them, told elsewhere already; they come first."""

    declared: ClassVar[dict[str, Any]]
    """What each field was said to be."""
    dtype: ClassVar[np.dtype[np.void]]
    rows: ClassVar[dict[str, np.dtype[Any]]]
    """What a row is of each field that is an address."""

    def __init_subclass__(cls, ints: Iterable[str] = ()) -> None:
        """Lays the fields out, one after the other."""
        cls.declared = dict.fromkeys(ints, int) | inspect.get_annotations(cls)
        cls.rows = {name: _laid(*get_args(kind)) for name, kind in cls.declared.items() if get_args(kind)}
        cls.dtype = np.dtype([(name, _laid(kind)) for name, kind in cls.declared.items()])


def _laid(kind: Any) -> np.dtype[Any]:
    """What NumPy lays out for a field: a record where it stands, an int or an address else."""
    if kind is float:
        return np.dtype(np.float64)
    return kind.dtype if inspect.isclass(kind) and issubclass(kind, Record) else np.dtype(np.int64)
