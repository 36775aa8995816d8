"""Where the code of a kernel comes from: the library that was built with the package, if it was made from the sources
that lie here; else Numba, which takes up to a minute the first time, and a second or two to be loaded at all."""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2]
LIBRARY = Path(__file__).with_name("kernels.so.1")
PREFIX = "coldaisle_"
MADE_FROM = PREFIX + "made_from"
"""The symbol of a text in the library: of each kernel its ``files`` below the package, and their ``sha256``."""

STALE = "the compiled kernels are of other sources than lie here; python -m sim.engine.kernels makes them anew"

Entry = Callable[..., int]
"""The one way into a kernel: an address of records first, then other integers."""


@dataclass(frozen=True)
class Kernel:
    """``call`` of a module, which takes so many integers; ``name`` is what the library calls it."""

    name: str
    module: str
    integers: int


SERVING = Kernel("serving", "sim.engine.serving.kernel.loop", 3)
FLEET = Kernel("fleet", "sim.engine.fleet.kernel.loop", 1)
METERING = Kernel("metering", "sim.engine.fleet.metering_kernel", 1)
KERNELS = (SERVING, FLEET, METERING)


class NotBuiltError(Exception):
    """There is no library, or it does not fit; the text says which, for people."""


@cache
def loaded(kernel: Kernel) -> Entry:
    """The way into a kernel; raises ImportError where neither the library fits nor Numba is there."""
    try:
        return built(kernel)
    except NotBuiltError:
        return by_numba(kernel)


def by_numba(kernel: Kernel) -> Entry:
    """The same, compiled by Numba when it is first called, or read from the cache of an earlier run."""
    entry: Entry = importlib.import_module(kernel.module).call
    return entry


def built(kernel: Kernel, library: Path = LIBRARY) -> Entry:
    """The same from a library; ``NotBuiltError`` where it was made from other sources than lie here."""
    code, made = opened(library)
    stated = made[kernel.name]
    if sha256_of(stated["files"]) != stated["sha256"]:
        raise NotBuiltError(STALE)
    entry = code[PREFIX + kernel.name]
    entry.argtypes, entry.restype = [ctypes.c_int64] * kernel.integers, ctypes.c_int64
    return entry


def opened(library: Path) -> tuple[ctypes.PyDLL, dict[str, Any]]:
    """A library, and by kernel what it was made from; ``NotBuiltError`` where there is none for this machine."""
    if not library.is_file():
        raise NotBuiltError("installed without compiled kernels")
    try:
        code = ctypes.PyDLL(str(library))  # as Numba's code, it keeps other threads from running meanwhile
        text = ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(code, MADE_FROM)))
    except (OSError, ValueError) as error:
        raise NotBuiltError(f"the compiled kernels cannot be loaded: {error}") from None
    return code, json.loads(text)


@cache
def why_not_built(kernel: Kernel) -> str | None:
    """What keeps a kernel of the library from being taken, or None."""
    try:
        built(kernel)
    except NotBuiltError as reason:
        return str(reason)
    return None


def is_at_hand(kernel: Kernel) -> bool:
    """Whether there is any code of it; where there is none, the plain engine says the same, far more slowly."""
    return why_not_built(kernel) is None or find_spec("numba") is not None


def code_of(kernel: Kernel) -> str:
    """Where the code of a kernel comes from, in words for a manifest. The results are the same; the time is not."""
    reason = why_not_built(kernel)
    if reason is None:
        return "compiled with the package"
    if is_at_hand(kernel):
        return f"compiled by Numba ({reason})"
    return f"plain Python ({reason}, and Numba is not installed)"


def notice(kernel: Kernel) -> str | None:
    """What a person should be told before the first call, if anything: that it begins with compiling, and why; the code
    is kept for later runs. A library that no longer fits is told in every run: whoever changed its sources can make it
    anew, and would else wonder what is slower."""
    reason = why_not_built(kernel)
    if reason is None:
        return None
    if not is_at_hand(kernel):
        return (
            f"the {kernel.name} engine runs in plain Python, which is far slower: {reason}, and Numba is not installed"
        )
    from sim.engine.serving.compiled import is_kept

    if is_kept(by_numba(kernel)):
        return f"the {kernel.name} engine runs as Numba compiled it: {reason}" if reason == STALE else None
    return f"compiling the {kernel.name} engine: up to a minute, this once ({reason})"


def sha256_of(files: Iterable[str]) -> str:
    """A hash of files below the package, names included; of one that is not there, too."""
    digest = hashlib.sha256()
    for name in files:
        path = PACKAGE / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
