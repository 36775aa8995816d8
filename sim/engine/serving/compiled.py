"""How Numba compiles kernels: its records (``layout``) by the names of their fields, and a cache that knows what it
holds. Only a build, and an installation without a library that fits, come here: see ``sim.engine.kernels``."""

import hashlib
import inspect
import operator
import sys
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, get_args, get_origin

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.datamodel import models
from numba.core.registry import cpu_target
from numba.extending import intrinsic, lower_builtin, register_model

from sim.engine.serving.layout import LINE, WORD, At, Flag, Record, Small

_NUMBERS = {int: types.int64, float: types.float64, Small: types.int32, Flag: types.int8}


@cache
def type_of(record: type[Record]) -> "_RecordType":
    """The compiler's type of a record."""
    fields = record.dtype.fields
    kinds = [(name, _compiled(kind), fields[name][1]) for name, kind in record.declared.items()]
    of = record.__module__.removeprefix("sim.engine.")  # two kernels may each have a Pool, and both be loaded
    return _RecordType(f"{of}.{record.__name__}", kinds, record.dtype.itemsize)


def _compiled(kind: Any) -> types.Type:
    """The compiler's type of a field."""
    if kind in _NUMBERS:
        return _NUMBERS[kind]
    if not get_args(kind):
        return type_of(kind)
    (row,) = get_args(kind)
    if get_origin(kind) is At:
        return _AtType(type_of(row))
    return types.CPointer(_NUMBERS[row]) if row in _NUMBERS else _RowsType(type_of(row))


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

        return type_of(record)(address), generate

    return placed


@intrinsic
def fetch(typing, record):  # noqa: ARG001 (Numba gives both)
    """Has the processor fetch a record, which will be read or written soon, all its lines at the same time; of rows the
    line that they begin in."""

    def generate(context, builder, signature, args):
        (kind,) = signature.args
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], _PREFETCH)
        begin = builder.bitcast(args[0], byte)
        for at in range(0, getattr(kind, "size", LINE), LINE):
            line = builder.gep(begin, [ir.Constant(ir.IntType(64), at)])
            builder.call(prefetch, [line, flag(1), flag(3), flag(1)])  # to be written; to be kept; data
        return context.get_dummy_value()

    return types.void(record), generate


_PREFETCH = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3])


def inner(function: Callable[..., Any]) -> Any:
    """Compiles a function of the kernel that only others of the kernel call.

    Once: Numba would compile it anew for every constant and every width of ints that it is called with.
    """
    compiled = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    template = compiled.get_call_template
    compiled.get_call_template = lambda args, named: template(tuple(map(_widest, args)), named)
    return compiled


def _widest(kind: types.Type) -> types.Type:
    """As what a function is compiled for it."""
    kind = types.unliteral(kind)
    return types.int64 if kind in (types.int32, types.int8) else kind


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
    for module in sorted(modules_of(sys.modules[function.__module__]), key=lambda module: module.__name__):
        constants = {name: value for name, value in vars(module).items() if _is_constant(name, value)}
        found.update(repr((module.__name__, inspect.getsource(module), sorted(constants.items()))).encode())
    return found.hexdigest()


def _is_constant(name: str, value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_constant(name, item) for item in value)
    return isinstance(value, int | float | str | bytes) and not name.startswith("__")


def modules_of(first: ModuleType) -> set[ModuleType]:
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
