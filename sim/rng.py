"""Named random streams: each part of a run draws from its own generator, so adding one never disturbs another."""

from __future__ import annotations

import hashlib

import numpy as np


class Streams:
    """``Streams(seed)("arrivals/chat")``: the same name gives the same numbers whoever else draws, in any order.

    The name is hashed (SHA-256, 128 bits) into the spawn key of a NumPy ``SeedSequence``. Seed 0 is a seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str) -> np.random.Generator:
        """A fresh generator for ``name``, always starting from the same state."""
        digest = hashlib.sha256(name.encode()).digest()
        key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=key)))
