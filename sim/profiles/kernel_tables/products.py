"""Measured matrix products, by format, columns, depth and rows; and the quantising of what they multiply.

A table whose kernels were timed from the host, not from a graph, shows a floor of tens of microseconds whatever the
shape: what lies near it is the host's time and no kernel's (``kernels_own``). The same format as another framework
launches it on the same GPU stands in for that, or another format of as many bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from sim.profiles.kernel_tables.curves import BORROWED, ROOFLINE, Answer, Curve, Floats, between, neighbours
from sim.profiles.kernel_tables.roof import Roof
from sim.profiles.kernel_tables.tables import Shelf, Table

LAUNCHED_S = 20e-6
"""In a graph kernels follow one another within a few microseconds; launched by a host, within tens."""
OVER_FLOOR = 3.0
"""A row this many times above the floor of its kernel is taken for the kernel's own time; launches vary by half."""
FORMATS: Mapping[str, tuple[str, ...]] = {
    "bf16": ("bfloat16",),
    "fp16": ("bfloat16",),
    "fp8": ("fp8",),
    "fp8-block": ("fp8_block", "fp8"),
    "int8": ("int8_wo",),
    "int4": ("int4_wo",),
    "nvfp4": ("nvfp4",),
    "mxfp4": ("bfloat16",),
}
"""What the tables call a format of weights, the likest first. In mxfp4 a mixture quantises its experts alone."""
KIND, TABLE = "gemm", "gemm_perf"


class Products:
    """Products and quantising on one GPU, under one framework."""

    def __init__(self, shelf: Shelf, roof: Roof) -> None:
        self._shelf, self._roof = shelf, roof
        self._grids: dict[str, _Grid | None] = {}

    def product(self, n: int, k: int, rows: Floats, word: str) -> Answer | None:
        """s of ``rows`` by ``k`` times ``k`` by ``n``; None where no such format was measured."""
        for name in FORMATS.get(word, ()):
            if name not in self._grids:
                self._grids[name] = _Grid.of(self._shelf, name)
            grid = self._grids[name]
            if grid is not None:
                return grid.at(self._roof, n, k, rows)
        return None

    def quantising(self, k: int, rows: Floats) -> Answer | None:
        """s of scaling ``rows`` of ``k`` activations to 8 bits in one pass, by scales that are known or found in it."""
        table = self._shelf.table("quantize", "scale_matrix_perf")
        if table is None:
            return None
        inside = float(np.clip(k, table["k"].min(), table["k"].max()))
        parts = []
        for depth, weight in neighbours(_axis(table["k"]), inside):
            at = table.where(k=depth)
            curve = Curve.of(at["m"], at["seconds"])
            assert curve is not None
            parts.append((curve.at(rows, lambda m: m), weight))
        found = between(parts)
        return found if inside == k else found.times(k / inside).at_most(ROOFLINE)


@dataclass(frozen=True, eq=False)
class _Grid:
    """One format's table; ``others`` of the same format and of others stand in where it has only launches."""

    table: Table
    others: tuple[Table, ...]
    ns: tuple[float, ...]
    ks: tuple[float, ...]

    @classmethod
    def of(cls, shelf: Shelf, name: str) -> _Grid | None:
        """None where this framework's table lacks the format."""
        whole = shelf.table(KIND, TABLE)
        table = _format(whole, name) if whole is not None else None
        if whole is None or table is None or not len(table):
            return None
        own = kernels_own(whole, name)
        others = tuple(_stand_ins(shelf, name)) if len(own) < len(table) else ()
        return cls(own, others, _axis(table["n"]), _axis(table["k"]))

    def at(self, roof: Roof, n: int, k: int, rows: Floats) -> Answer:
        """Between the measured shapes around this one, or scaled from the last of them."""
        inside_n, inside_k = (float(np.clip(v, axis[0], axis[-1])) for v, axis in ((n, self.ns), (k, self.ks)))
        parts = []
        for near_n, of_n in neighbours(self.ns, inside_n):
            for near_k, of_k in neighbours(self.ks, inside_k):
                curve = self._curve(near_n, near_k)
                if curve is not None:
                    answer = curve.at(rows, partial(roof.product, near_n, near_k))
                    parts.append((answer, of_n * of_k))
        whole = sum(weight for _, weight in parts)
        found = between([(answer, weight / whole) for answer, weight in parts])
        if (inside_n, inside_k) == (n, k):
            return found
        some = np.maximum(rows, 1.0)
        return found.times(roof.product(n, k, some) / roof.product(inside_n, inside_k, some)).at_most(ROOFLINE)

    def _curve(self, n: float, k: float) -> Curve | None:
        own = self.table.where(n=n, k=k)
        curve = Curve.of(own["m"], own["seconds"])
        for other in self.others:
            rows = other.where(n=n, k=k)
            stand_in = Curve.of(rows["m"], rows["seconds"], BORROWED)
            curve = stand_in if curve is None else curve.below(stand_in)
        return curve


def _axis(column: npt.NDArray[np.generic]) -> tuple[float, ...]:
    return tuple(float(value) for value in np.unique(column))


def _stand_ins(shelf: Shelf, name: str) -> Iterator[Table]:
    """Tables of kernels alone: other frameworks' of this format, then this one's of other formats of as many bits."""
    for framework in shelf.others:
        table = shelf.newest(KIND, TABLE, framework)
        if table is not None:
            yield kernels_own(table, name)
    for words in FORMATS.values():
        for other in words[words.index(name) + 1 :] if name in words else ():
            table = shelf.table(KIND, TABLE)
            if table is not None:
                yield kernels_own(table, other)


@lru_cache(maxsize=64)
def _format(table: Table, name: str) -> Table:
    """The rows of a format, those of launches too."""
    return table.where(gemm_dtype=name)


@lru_cache(maxsize=64)
def kernels_own(table: Table, name: str) -> Table:
    """The rows of a format, without those whose time is that of their launch."""
    table = _format(table, name)
    seconds, named = table["seconds"], table.columns.get("kernel_source", np.zeros(len(table)))
    keep = np.ones(len(table), dtype=np.bool_)
    for source in np.unique(named):
        rows = named == source
        floor = float(np.quantile(seconds[rows], 0.05))
        if floor > LAUNCHED_S:
            keep &= ~rows | (seconds > OVER_FLOOR * floor)
    return table if keep.all() else table.rows(keep)
