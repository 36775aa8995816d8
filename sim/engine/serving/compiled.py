"""How kernels are compiled: its records by the names of their fields, and a cache that knows what it holds.

A record is a class whose annotations are its fields, each of eight bytes: an ``int``, a ``float``, the address of
``Rows`` (of those or of other records), or a record within the record. NumPy lays memory out by ``dtype``; the compiled
code is given addresses and reads and writes the very same fields (``request.ready``, ``pool.requests[slot]``), without
the ten words and the counted references that an array is at every call.
"""

import hashlib
import inspect
import operator
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.datamodel import models
from numba.core.registry import cpu_target
from numba.extending import intrinsic, lower_builtin, register_model

T = TypeVar("T")
WORD = 8
_NUMBERS = {int: types.int64, float: types.float64}


class Rows(Generic[T]):
    """The address of rows in memory, by their index; nobody checks its bounds."""

    def __getitem__(self, index: int) -> T: ...
    def __setitem__(self, index: int, value: T) -> None: ...


class At(Generic[T]):
    """The address of one record, whose fields are read and written through it as if it stood here."""

    def __getattr__(self, name: str) -> int: ...


class Record:
    """Fields by name. ``ints`` are the names of more of them, told elsewhere already; they come first."""

    dtype: ClassVar["np.dtype[np.void]"]
    compiled: ClassVar[types.Record]
    rows: ClassVar[dict[str, "np.dtype[Any]"]]
    """What a row is of each field that is an address."""

    def __init_subclass__(cls, ints: Iterable[str] = ()) -> None:
        """Lays the fields out, one after the other."""
        fields = dict.fromkeys(ints, int) | inspect.get_annotations(cls)
        cls.rows = {name: _laid(*get_args(kind)) for name, kind in fields.items() if get_args(kind)}
        cls.dtype = np.dtype([(name, _laid(kind)) for name, kind in fields.items()])
        kinds = [(name, _compiled(kind), cls.dtype.fields[name][1]) for name, kind in fields.items()]
        of = cls.__module__.removeprefix("sim.engine.")  # two kernels may each have a Pool, and both be loaded
        cls.compiled = _RecordType(f"{of}.{cls.__name__}", kinds, cls.dtype.itemsize)


def _laid(kind: Any) -> "np.dtype[Any]":
    """What NumPy lays out for a field: a record where it stands, an int or an address else."""
    if kind is float:
        return np.dtype(np.float64)
    return kind.dtype if inspect.isclass(kind) and issubclass(kind, Record) else np.dtype(np.int64)


def _compiled(kind: Any) -> types.Type:
    """The compiler's type of a field."""
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if not get_args(kind):
        return kind.compiled
    (row,) = get_args(kind)
    if get_origin(kind) is At:
        return _AtType(row.compiled)
    return types.CPointer(_NUMBERS[row]) if row in _NUMBERS else _RowsType(row.compiled)


class _RecordType(types.Record):
    """A record called by its name alone: that of NumPy's repeats every field, in every symbol and comparison."""

    def __init__(self, name: str, fields: list[tuple[str, types.Type, int]], size: int) -> None:
        described = [(field, {"type": kind, "offset": at, "alignment": WORD}) for field, kind, at in fields]
        self.fields = dict(self._normalize_fields(described))
        self.size = size
        self.aligned = True
        self.bitwidth = 8 * size
        types.Type.__init__(self, name)

    def __repr__(self) -> str:
        return self.name


class _RowsType(types.CPointer):
    """The address of records: an index gives the record itself, to be read and written in place."""


class _AtType(_RecordType):
    """The address of a record, itself in memory."""

    def __init__(self, record: _RecordType) -> None:
        self.fields, self.size, self.aligned, self.bitwidth = record.fields, record.size, True, 8 * WORD
        types.Type.__init__(self, f"At({record.name})")


register_model(_RecordType)(models.RecordModel)


@register_model(_AtType)
class _AtModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _AtType) -> None:
        super().__init__(manager, kind, ir.ArrayType(ir.IntType(8), kind.size).as_pointer())


register_model(_RowsType)(models.PointerModel)


@lower_builtin(operator.getitem, _RowsType, types.Integer)
def _record_at(context, builder, signature, args):  # noqa: ARG001 (Numba gives all four)
    return builder.gep(args[0], [args[1]])


def at(record: type[Record]) -> Any:
    """A function of compiled code: the record that begins at an address."""

    @intrinsic
    def placed(typing, address):  # noqa: ARG001 (Numba gives both)
        def generate(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return record.compiled(address), generate

    return placed


def inner(function: Callable[..., Any]) -> Any:
    """Compiles a function of the kernel that only others of the kernel call.

    Once: Numba would compile it anew for every constant that it is called with.
    """
    compiled = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    template = compiled.get_call_template
    compiled.get_call_template = lambda args, named: template(tuple(map(types.unliteral, args)), named)
    return compiled


def entry(function: Callable[..., int]) -> Any:
    """Compiles a way into the kernel, with all it calls, and keeps the code for later runs."""
    compiled = njit(error_model="numpy")(function)
    compiled._cache = _Cache(function)
    return compiled


def is_kept(compiled: Any) -> bool:
    """Whether code of an earlier run on such a machine will be taken, so that nothing need be compiled."""
    machine = cpu_target.target_context.codegen().magic_tuple()
    return any(machine in key for key in compiled._cache.kept())


class _StampedFile(IndexDataCacheFile):
    """Code with its stamp in the same file. Numba writes the index first: a run that is cut short, a full disk or a
    second process would leave older code beneath a newer index."""

    def _save_data(self, name: str, data: Any) -> None:
        super()._save_data(name, (self._source_stamp, data))

    def _load_data(self, name: str) -> Any:
        stamp, data = super()._load_data(name)
        if stamp != self._source_stamp:
            raise OSError("code of other sources")  # which is to Numba as if it were not there
        return data


class _Cache(FunctionCache):
    """Numba's cache, stamped with all that the code is made from: Numba's own stamp is the one file of the function."""

    def __init__(self, function: Callable[..., int]) -> None:
        super().__init__(function)
        self._cache_file = _StampedFile(
            cache_path=self._cache_path, filename_base=self._impl.filename_base, source_stamp=fingerprint(function)
        )

    def kept(self) -> dict[Any, str]:
        """Files of code that is fresh."""
        return self._cache_file._load_index()


def fingerprint(function: Callable[..., Any]) -> str:
    """A hash of every module that the code of a function comes from: its source and its constants, those included that
    it imports by name, for these are part of the compiled code."""
    found = hashlib.sha256()
    for module in sorted(_modules(sys.modules[function.__module__]), key=lambda module: module.__name__):
        constants = {name: value for name, value in vars(module).items() if _is_constant(name, value)}
        found.update(repr((module.__name__, inspect.getsource(module), sorted(constants.items()))).encode())
    return found.hexdigest()


def _is_constant(name: str, value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_constant(name, item) for item in value)
    return isinstance(value, int | float | str | bytes) and not name.startswith("__")


def _modules(first: ModuleType) -> set[ModuleType]:
    """The module and all of its package whose functions, classes or names it uses, and so on."""
    package = first.__name__.partition(".")[0] + "."
    found: set[ModuleType] = set()
    unseen = [first]
    while unseen:
        module = unseen.pop()
        if module not in found:
            found.add(module)
            for value in vars(module).values():
                name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
                if isinstance(name, str) and name.startswith(package):
                    unseen.append(sys.modules[name])
    return found
