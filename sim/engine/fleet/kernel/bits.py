"""Sets of nodes as bits: one for each number of free slots."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.engine.serving.compiled import inner


@intrinsic
def trailing_zeros(typing, word):  # noqa: ARG001 (Numba gives both)
    """Number of the lowest bit of a word that is not 0."""

    def generate(_context, builder, _signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@inner
def put(level, i):
    """Node ``i`` of the pool is in the set."""
    word = i >> 6
    level.words[word] |= np.int64(1) << (i & 63)
    level.full[word >> 6] |= np.int64(1) << (word & 63)


@inner
def drop(level, i):
    """Node ``i`` of the pool is no longer in the set."""
    word = i >> 6
    left = level.words[word] & ~(np.int64(1) << (i & 63))
    level.words[word] = left
    if left == 0:
        level.full[word >> 6] &= ~(np.int64(1) << (word & 63))


@inner
def following(level, n_full, i):
    """The first of the set that is not before ``i``, or -1."""
    word = i >> 6
    at = word >> 6
    if at >= n_full:
        return np.int64(-1)
    if (level.full[at] >> (word & 63)) & 1:
        rest = level.words[word] & (np.int64(-1) << (i & 63))
        if rest:
            return (word << 6) + trailing_zeros(rest)
    # The shift is by less than 64, also where the word is the last of its 64.
    rest = level.full[at] & ((np.int64(-1) << (word & 63)) << 1)
    while rest == 0:
        at += 1
        if at >= n_full:
            return np.int64(-1)
        rest = level.full[at]
    word = (at << 6) + trailing_zeros(rest)
    return (word << 6) + trailing_zeros(level.words[word])
