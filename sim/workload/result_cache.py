"""A memo of results in front of a service: what is asked again is answered from it, as long as it is remembered.

Each request has a key, which says whether it is the same as another. A result is remembered from when it is complete
on, until as many others as the memo has room for have been used after it (least recently used, LRU). A repeat that
comes while the first is still being computed is computed too: nobody waits for somebody else's answer.

The hit rate of LRU under independent requests has no short closed form; Che, Tung and Wang (2002, "Hierarchical Web
caching systems", IEEE JSAC 20(7), doi 10.1109/JSAC.2002.801752) approximate it to a per cent (``che_hit_rate``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.workload.requests import RequestChunk

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Keys = Callable[[RequestChunk], Ints]
"""The keys (n,) of the next chunk of a stream."""


class KeyLaw(Protocol):
    """A law of what is asked again."""

    def begun(self) -> Keys:
        """The law at the start of a stream, which gives the same again each time."""


@dataclass(frozen=True)
class Zipf:
    """Keys of a catalogue drawn independently, the k-th with a chance in proportion to k**-exponent.

    Breslau et al. (1999, INFOCOM, doi 10.1109/INFCOM.1999.749260) found exponents of 0.64 to 0.83 in what is asked of
    web caches.
    """

    catalogue: int
    exponent: float
    stream: Stream

    def begun(self) -> Keys:
        """See ``KeyLaw``."""
        rng, upto = self.stream(), np.cumsum(zipf_weights(self.catalogue, self.exponent))

        def keys(chunk: RequestChunk) -> Ints:
            drawn = np.searchsorted(upto, rng.random(len(chunk)) * upto[-1], side="right")
            found: Ints = np.minimum(drawn, self.catalogue - 1).astype(np.int64)
            return found

        return keys


@dataclass(frozen=True)
class Repeated:
    """``samples`` different keys in order, the whole of them ``times`` times over; then as many new ones."""

    samples: int
    times: int

    def begun(self) -> Keys:
        """See ``KeyLaw``."""
        asked = 0

        def keys(chunk: RequestChunk) -> Ints:
            nonlocal asked
            number = asked + np.arange(len(chunk), dtype=np.int64)
            asked += len(chunk)
            found: Ints = number // (self.samples * self.times) * self.samples + number % self.samples
            return found

        return keys


@dataclass(frozen=True)
class Recorded:
    """The keys that the trace says."""

    def begun(self) -> Keys:
        """See ``KeyLaw``."""

        def keys(chunk: RequestChunk) -> Ints:
            assert chunk.key is not None  # read with the trace
            return chunk.key

        return keys


@dataclass(frozen=True)
class CachePlan:
    """A memo of ``capacity`` results; each look into it takes ``lookup_ns`` and ``lookup_j`` of the CPU of ``at``."""

    keys: KeyLaw
    capacity: int
    lookup_ns: int
    lookup_j: float
    at: str


class Memo:
    """Results by key, least recently used first, with when each was complete."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._since: OrderedDict[int, int] = OrderedDict()
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._since)

    def has(self, key: int, now_ns: int) -> bool:
        """Whether a result is known that was complete before now; it counts as used then."""
        since = self._since.get(key)
        if since is None or since >= now_ns:
            return False
        self._since.move_to_end(key)
        return True

    def put(self, key: int, now_ns: int) -> None:
        """Remembers a result; what was used least recently is forgotten where there is no room."""
        if not self._capacity:
            return
        self._since.setdefault(key, now_ns)
        self._since.move_to_end(key)
        if len(self._since) > self._capacity:
            self._since.popitem(last=False)
            self.evictions += 1


def zipf_weights(catalogue: int, exponent: float) -> Floats:
    """Relative popularities (catalogue,), the most popular first."""
    weights: Floats = np.arange(1, catalogue + 1, dtype=np.float64) ** -exponent
    return weights


def che_hit_rate(popularity: Floats, capacity: int) -> float:
    """Approximate hit rate of LRU with room for ``capacity`` of the keys of ``popularity`` (n,), asked independently.

    A key is remembered if it was asked within the characteristic time t, at which the expected number of different
    keys asked is the capacity: sum(1 - exp(-p t)) = capacity. Che, Tung and Wang 2002, eq. 6.
    """
    chance = popularity / popularity.sum()
    if capacity >= len(chance):
        return 1.0
    low, high = 0.0, 1.0
    while float(-np.expm1(-chance * high).sum()) < capacity and high < 1e300:
        high *= 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        enough = float(-np.expm1(-chance * middle).sum()) >= capacity
        low, high = (low, middle) if enough else (middle, high)
    return float((chance * -np.expm1(-chance * high)).sum())
