"""Which kernels of the campaign were compiled just before they were measured: products of fp8 in blocks.

DeepGEMM compiles a kernel when a tiling of a matrix is first asked for, which takes seconds, and the meter's last
second is then one at rest. Which tiling it asks for follows from rows, columns, depth and multiprocessors by a rule
that is published: on Hopper the one with the fewest cycles of the first- or second-level cache, on Blackwell one of a
single wave, then of a pair of multiprocessors, then of the fewest waves, the fullest last one and the smallest tile. So
what was compiled follows from the order of the rows, and nothing is fitted.

Rule: DeepGEMM (MIT), ``csrc/jit_kernels/heuristics/sm90.hpp`` (commit 10747d4) and ``sm100.hpp`` (0274ad7). Left out:
products of fewer than 32 rows on Hopper, which another library runs (FlashInfer): its first, of 17 rows, is taken to be
compiled and no other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

DEPTH = 128
"""Of a tile; bytes, as the operands have one each."""
SHARED_BYTES = 232448
OTHERS_ROWS = 32
"""Fewer rows are another library's on Hopper."""


def _steps(value: Ints, by: int) -> Ints:
    return -(-value // by)


def _hopper(m: Ints, n: Ints, k: Ints, multiprocessors: int) -> Ints:
    """Number of the tiling that each product gets."""
    fewest = np.full(len(m), np.inf)
    best = np.full(len(m), -1)
    l2_rate, l1_rate = int(min(64.0 * multiprocessors, 8e6 / 1.3e3)), 128 * multiprocessors
    for pair, (across_m, across_n) in enumerate(((1, 1), (1, 2), (2, 1))):
        for rows in (64, 128, 16, 32, 256):
            for columns in range(16, 193, 16):
                beyond = columns - DEPTH
                if beyond > 0 and (rows > DEPTH or (columns % beyond and DEPTH % beyond)):
                    continue
                result = 2 * rows * columns
                scales = _steps(_steps(k, DEPTH) * 4 * (1 if DEPTH % columns == 0 else 2), 8) * 8
                room = SHARED_BYTES - -(-result // 1024) * 1024 - 256 - scales
                stages = room // (DEPTH * (rows + columns) + -(-rows * 4 // 128) * 128)
                legal = stages >= (3 if rows * columns >= DEPTH * 192 else 4)
                if rows < 64:
                    legal &= m <= rows
                tiles = _steps(m, rows) * _steps(n, columns)
                waves = _steps(tiles, multiprocessors)
                if pair:
                    legal &= waves > 1
                l2 = (k * (rows // across_n + columns // across_m) + result) * tiles // l2_rate
                l1 = (k * (rows + columns + max(64, rows) + columns) + 2 * result) * tiles // l1_rate
                cycles = np.floor(np.maximum(l1, l2) * (waves * multiprocessors) / tiles)
                better = legal & (cycles < fewest)
                fewest[better] = cycles[better]
                best[better] = (pair * 512 + rows) * 512 + columns
    return best


def _blackwell(m: Ints, n: Ints, k: Ints, multiprocessors: int) -> Ints:
    """Number of the tiling that each product gets."""
    least = np.full(len(m), np.iinfo(np.int64).max)
    best = np.full(len(m), -1)
    plain = [(0, rows, columns) for rows in (32, 64, 128) for columns in (16, *range(32, 257, 32))]
    turned = [(1, rows, 128) for rows in range(16, 257, 16)]
    for swapped, rows, columns in plain + turned:
        for together in (1, 2):
            tiles_m, tiles_n = _steps(m, rows), _steps(n, columns)
            legal = (tiles_n if swapped else tiles_m) % together == 0
            if not swapped:
                legal &= np.where(m <= 32, 32, np.where(m <= 64, 64, 128)) == rows
                legal &= (columns <= 128) | (k > 256)
            tiles = tiles_m * tiles_n
            waves = _steps(tiles, multiprocessors)
            last = (tiles - 1) % multiprocessors + 1
            order = ((waves > 1) * 4 + 2 - together) * 100_000 + waves
            order = ((order * 200 + 200 - last) * 600 + rows + columns) * 70_000 + rows * columns
            better = legal & (order < least)
            least[better] = order[better]
            best[better] = ((swapped * 2 + together) * 512 + rows) * 512 + columns
    return best


def compiled(m: Ints, n: Ints, k: Ints, multiprocessors: int, *, hopper: bool) -> Mask:
    """Whether each product's tiling is its matrix's first of that kind, in the order given."""
    tiling = (_hopper if hopper else _blackwell)(m, n, k, multiprocessors)
    if hopper:
        tiling = np.where(m < OTHERS_ROWS, 0, tiling)
    _, first = np.unique(np.stack([n, k, tiling]), axis=1, return_index=True)
    result = np.zeros(len(m), dtype=np.bool_)
    result[first] = True
    return result
