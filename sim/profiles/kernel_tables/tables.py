"""Files of tables: which one answers for a framework and its version, and its columns.

Files lie by GPU, kind of kernel, framework and version. Where a version has no table of a kind, its ``reuse.yaml`` may
name the version whose table it takes; else the newest earlier version of the framework stands in, as kernels seldom
change, or the oldest later one where there is none. Each table says in ``origin`` whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.documents import read_document
from sim.errors import InputError
from sim.memo import kept_while_unchanged
from sim.reading import read_parquet

Numbers = npt.NDArray[Any]
FRAMEWORKS = ("vllm", "sglang", "trtllm")
SECONDS_PER_MS = 1e-3


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name, ``seconds`` among them, and the framework and version that were measured.

    Columns of words hold places in ``words``.
    """

    columns: Mapping[str, Numbers]
    words: Mapping[str, Sequence[str]]
    origin: str
    file: str

    def __getitem__(self, name: str) -> Numbers:
        """A column of numbers. Raises ``InputError`` for one that is not there, or is none."""
        if name not in self.columns or name in self.words:
            raise InputError.one(self.file, f"is no table of kernels: it has no column of numbers '{name}'")
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def where(self, **wanted: float | str) -> Table:
        """The rows that have these values; a column that a table lacks is no condition."""
        keep = np.ones(len(self), dtype=np.bool_)
        for name, value in wanted.items():
            if name in self.columns:
                words = self.words.get(name)
                sought = value if words is None else words.index(str(value)) if value in words else -1
                keep &= self.columns[name] == sought
        return self.rows(keep)

    def rows(self, keep: npt.NDArray[np.bool_]) -> Table:
        """The rows that are kept."""
        columns = {name: column[keep] for name, column in self.columns.items()}
        return replace(self, columns=columns)

    def __len__(self) -> int:
        return len(self.columns["seconds"])


@dataclass(frozen=True, eq=False)
class Shelf:
    """The tables of one GPU as a framework of some version finds them. ``used`` notes whose, by kind, as it goes."""

    folder: Path
    framework: str
    version: str
    used: dict[str, set[str]] = field(default_factory=dict)

    @property
    def others(self) -> tuple[str, ...]:
        """The other frameworks, which launch many of the same kernels."""
        return tuple(name for name in FRAMEWORKS if name != self.framework)

    def table(self, kind: str, name: str) -> Table | None:
        """The table ``name`` of a kind of kernel for this version; None where there is none that it could take."""
        folder = self.folder / kind / self.framework
        taken = _reused(folder / self.version / "reuse.yaml", name)
        known = sorted((path.name for path in folder.glob("*")), key=_order)
        older = [version for version in known if _order(version) < _order(self.version)]
        newer = [version for version in known if _order(version) > _order(self.version)]
        tried = [self.version, *([taken] if taken is not None else []), *reversed(older), *newer]
        return self._first(kind, self.framework, tried, name)

    def newest(self, kind: str, name: str, framework: str) -> Table | None:
        """The table of another framework's (or library's) newest version that has it."""
        versions = sorted((path.name for path in (self.folder / kind / framework).glob("*")), key=_order, reverse=True)
        return self._first(kind, framework, versions, name)

    def _first(self, kind: str, framework: str, versions: list[str], name: str) -> Table | None:
        for version in versions:
            path = self.folder / kind / framework / version / f"{name}.parquet"
            if path.is_file():
                origin = f"{framework} {version}"
                self.used.setdefault(kind, set()).add(origin)
                return _read(path, origin)
        return None


def versions(folder: Path, framework: str) -> list[str]:
    """Versions of a framework of which products, attention or experts were measured on a GPU, oldest first."""
    kinds = ("gemm", "attention", "moe")
    found = {path.name for kind in kinds for path in (folder / kind / framework).glob("*") if path.is_dir()}
    return sorted(found, key=_order)


def _order(version: str) -> tuple[tuple[int, ...], int, str]:
    """Releases by their numbers; candidates of a release before it."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    release = tuple(int(part) for part in numbers.group().split(".")) if numbers is not None else ()
    rest = version[numbers.end() :] if numbers is not None else version
    candidate = re.match(r"rc(\d+)", rest)
    return release, int(candidate.group(1)) - 10**6 if candidate is not None else 0, rest


def _reused(file: Path, name: str) -> str | None:
    """The version whose table ``name`` is taken, as the file beside the tables says."""
    if not file.is_file():
        return None
    entries = read_document(file).data.get("reuse", [])
    return next((str(entry["from_version"]) for entry in entries if entry.get("table") == name), None)


@kept_while_unchanged(most=64)
def _read(path: Path, origin: str) -> Table:
    """A file, milliseconds as ``seconds``. Raises ``InputError`` for one that is no table of latencies."""
    import pyarrow as pa

    read = read_parquet(path)
    columns: dict[str, Numbers] = {}
    words: dict[str, list[str]] = {}
    try:
        for name in read.column_names:
            column = read.column(name).combine_chunks()
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                encoded = column.dictionary_encode()
                words[name], columns[name] = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
            else:
                columns[name] = column.to_numpy(zero_copy_only=False)
        latency = np.asarray(columns.pop("latency"), dtype=np.float64)
    except (KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise InputError.one(str(path), f"is no table of kernels: {error}") from None
    if "latency" in words:
        raise InputError.one(str(path), "is no table of kernels: its latencies are words")
    told = (latency > 0.0) & np.isfinite(latency)  # differences of two kernels may be lost in their noise
    if not told.any():
        raise InputError.one(str(path), "has no latency above zero")
    columns["seconds"] = SECONDS_PER_MS * latency
    table = Table(columns, words, origin, str(path))
    return table if told.all() else table.rows(told)
