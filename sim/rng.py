"""Named random streams: each part of a run draws from its own generator, so adding one never disturbs another."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stream:
    """One stream by its name, not drawn from yet: a value that says what will be drawn wherever it is drawn.

    The name is hashed (SHA-256, 128 bits) into the spawn key of a NumPy ``SeedSequence``. Seed 0 is a seed.
    """

    seed: int
    name: str

    def __call__(self) -> np.random.Generator:
        """A fresh generator, always starting from the same state."""
        digest = hashlib.sha256(self.name.encode()).digest()
        key = tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))

    def of(self, part: str) -> Stream:
        """A stream of its own for a part: however much one draws, the others draw the same."""
        return Stream(self.seed, f"{self.name}/{part}")


class Streams:
    """``Streams(seed)("arrivals/chat")``: the same name gives the same numbers whoever else draws, in any order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, name: str) -> np.random.Generator:
        """A fresh generator for ``name``, always starting from the same state."""
        return self.named(name)()

    def named(self, name: str) -> Stream:
        """The stream for ``name``, which nobody has drawn from."""
        return Stream(self._seed, name)
