"""Builds the library of kernels: Numba makes LLVM code of the ways in, for the plainest processor of the architecture;
LLVM makes objects of it, and the system's C compiler links them.

It can be built for another architecture (``COLDAISLE_KERNELS_FOR``, with a ``CC`` that links for it): Numba's code is
of 64-bit integers, doubles and addresses, which lie alike on both, and LLVM makes objects for any.

Nothing but integers and floats passes through, and no float is reordered or contracted: the code leaves the same bits
as that which Numba makes for the processor at hand. It needs the C library alone, so that one library does for every
Python. ``main`` runs in a process of its own: Numba reads once, when it is loaded, for which processor it compiles.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from sim.engine.kernels.loading import KERNELS, LIBRARY, MADE_FROM, PACKAGE, PREFIX, Kernel, sha256_of, why_not_built

PLAINEST = {"x86_64": "x86-64", "AMD64": "x86-64"}
"""What LLVM calls the least of the processors of an architecture, where that is not ``generic``."""
OLDEST = {"x86_64": "GLIBC_2.2.5", "aarch64": "GLIBC_2.17"}
"""The first version of the C library's symbols. ``pow`` has a later one, which computes the same but for errno: with
the first, the library runs wherever manylinux2014 does."""


def architecture() -> str:
    """Of what the library is to be: this machine, unless ``COLDAISLE_KERNELS_FOR`` says ``aarch64`` or ``x86_64``."""
    return os.environ.get("COLDAISLE_KERNELS_FOR") or platform.machine()


class CannotBuildError(Exception):
    """Why there will be no library, for people."""


def build(library: Path = LIBRARY) -> None:
    """Builds the library where it is looked for, in a process of its own; ``CannotBuildError`` if that fails."""
    with tempfile.TemporaryDirectory() as scratch:
        asked = {
            "NUMBA_CPU_NAME": PLAINEST.get(platform.machine(), "generic"),
            "NUMBA_CPU_FEATURES": "",
            "NUMBA_DISABLE_INTEL_SVML": "1",
            "NUMBA_CACHE_DIR": scratch,  # what is compiled for another processor is not kept for this one
            "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        command = [sys.executable, "-m", "sim.engine.kernels.build", str(library)]
        done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuildError(done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}")


def is_fresh() -> bool:
    """Whether there is nothing to build; a library for another machine cannot be looked into."""
    return architecture() == platform.machine() and all(why_not_built(kernel) is None for kernel in KERNELS)


def main() -> None:
    """Builds the library at the path that is given; an exit status other than 0 says why not in its last line."""
    (library,) = sys.argv[1:]
    compilers()  # before half a minute is spent on what nobody could link
    with tempfile.TemporaryDirectory() as scratch:
        entire = Path(scratch, "kernels.o" if architecture() == platform.machine() else "kernels.s")
        entire.write_bytes(_compiled())
        linked = Path(scratch, LIBRARY.name)
        _link(entire, linked)
        placed = Path(library).with_suffix(f".{os.getpid()}")
        placed.write_bytes(linked.read_bytes())
    placed.chmod(0o755)
    placed.replace(library)  # at once: others may have the one before it open


def compilers() -> list[str]:
    """C compilers at hand: that of Python, then the system's; ``CannotBuildError`` if there is none."""
    stated = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    found = [name for name in dict.fromkeys([stated, "cc"]) if shutil.which(name)]
    if not found:
        raise CannotBuildError(f"no C compiler: {stated}")
    return found


def _link(entire: Path, library: Path) -> None:
    kind = ["-shared", "-nostartfiles", "-s", "-Wl,-z,defs,-z,noexecstack"] if sys.platform == "linux" else ["-shared"]
    reasons = []
    for compiler in compilers():
        command = [compiler, *kind, str(entire), "-lm", "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        reasons.append(f"{compiler} cannot link: {done.stderr.strip().partition(chr(10))[0]}")
    raise CannotBuildError("; ".join(reasons))


def _compiled() -> bytes:
    """An object (assembly for a foreign machine) of the ways in, all that they call, and what they were made from."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()
    foreign = architecture() != platform.machine()
    triple = f"{architecture()}-unknown-linux-gnu" if foreign else llvm.get_process_triple()
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=PLAINEST.get(architecture(), "generic"), features="", opt=3, reloc="pic", codemodel="small"
    )
    made = {}
    entire = llvm.parse_assembly("" if foreign else _versions())
    for kernel in KERNELS:
        entire.link_in(_module(llvm, kernel, machine))
        made[kernel.name] = made_from(kernel)
    text = json.dumps(made).encode() + b"\0"
    entire.link_in(llvm.parse_assembly(f"@{MADE_FROM} = constant [{len(text)} x i8] c{_quoted(text)}"))
    entire.triple = triple
    entire.verify()
    if foreign:  # llvmlite reads assembly of this machine alone
        assembly: str = machine.emit_assembly(entire)
        return f"{assembly}\n{_version()}\n".encode()
    code: bytes = machine.emit_object(entire)
    return code


def _versions() -> str:
    return f'module asm "{_version()}"' if platform.libc_ver()[0] == "glibc" and _version() else ""


def _version() -> str:
    oldest = OLDEST.get(architecture())
    return f".symver pow,pow@{oldest}" if oldest else ""


def _quoted(text: bytes) -> str:
    return '"' + "".join(f"\\{byte:02X}" for byte in text) + '"'


def _module(llvm: Any, kernel: Kernel, machine: Any) -> Any:
    """LLVM code of a kernel, in which its way in has the name that is looked for, and all else none."""
    from numba import types

    call: Any = importlib.import_module(kernel.module).call
    kinds = (types.int64,) * kernel.integers
    call.compile(kinds)
    compiled = call.overloads[kinds]
    module = llvm.parse_assembly(compiled.library.get_llvm_str())
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.link_in(llvm.parse_assembly(_way_in(kernel, compiled.fndesc.llvm_func_name)))
    for own in (*module.functions, *module.global_variables):
        if not own.is_declaration and own.name != PREFIX + kernel.name:
            own.linkage = "internal"
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)  # drops what is not called, Numba's wrappers for Python first
    module.verify()
    return module


def _way_in(kernel: Kernel, function: str) -> str:
    """A C function around one of Numba's, which writes what it returns to where it is told. Kernels raise nothing."""
    given = ", ".join(f"i64 %given{i}" for i in range(kernel.integers))
    kinds = ", ".join(["i64"] * kernel.integers)
    return f"""
declare i32 @{function}(ptr, ptr, {kinds})
define i64 @{PREFIX}{kernel.name}({given}) {{
  %returned = alloca i64
  %raised = alloca ptr
  %status = call i32 @{function}(ptr %returned, ptr %raised, {given})
  %value = load i64, ptr %returned
  ret i64 %value
}}
"""


def made_from(kernel: Kernel) -> dict[str, Any]:
    """Files below the package that the code of a kernel follows from, and their hash."""
    from sim.engine.serving.compiled import modules_of

    coded = modules_of(sys.modules[kernel.module])
    paths = {_path(module) for module in (*coded, *_with_constants(coded), sys.modules[__name__])}
    files = sorted(path.relative_to(PACKAGE).as_posix() for path in paths)
    return {"files": files, "sha256": sha256_of(files)}


def _path(module: ModuleType) -> Path:
    return Path(str(module.__file__)).resolve()


def _with_constants(coded: Iterable[ModuleType]) -> set[ModuleType]:
    """Modules that give those of ``coded`` constants by name, with all that these import in turn."""
    found: set[ModuleType] = set()
    unseen = [
        origin for module in coded for origin, name in _imports(module) if _is_constant(getattr(module, name, None))
    ]
    while unseen:
        module = unseen.pop()
        if module not in found:
            found.add(module)
            unseen.extend(origin for origin, _ in _imports(module))
    return found


def _is_constant(value: object) -> bool:
    """Whether it is neither code nor a class, which tell where they come from."""
    return not callable(value) and not isinstance(value, ModuleType)


def _imports(module: ModuleType) -> list[tuple[ModuleType, str]]:
    """Modules of the package that a module imports from, and the name that it calls what it has from there."""
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    told = [(name, alias) for node in froms for name in [str(node.module)] for alias in node.names]
    found = [(sys.modules.get(f"{name}.{alias.name}") or sys.modules.get(name), alias) for name, alias in told]
    return [
        (origin, alias.asname or alias.name)
        for origin, alias in found
        if origin is not None and origin.__name__.startswith("sim.") and origin.__file__
    ]


if __name__ == "__main__":
    try:
        main()
    except CannotBuildError as reason:
        sys.exit(str(reason))
