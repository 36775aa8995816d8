"""A trace of requests played again: faster, longer, and over and over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.workload.exact import FAR_NS, at_most_ns
from sim.workload.lengths import MOST_TOKENS
from sim.workload.requests import Ints, RequestChunk
from sim.workload.traces import Trace


@dataclass(frozen=True)
class Replay:
    """A trace played again: gaps divided by ``rate_scale``, lengths multiplied, over and over if it is to ``repeat``.

    A lap lasts as long as the trace and one mean gap; each has sessions and blocks of its own. ``offset_ns`` is when
    the first request comes; what lies before the run is left out.
    """

    trace: Trace
    rate_scale: float
    prompt_scale: float
    output_scale: float
    repeat: bool
    offset_ns: int
    until_ns: int | None
    limit: int | None

    @property
    def block_tokens(self) -> int:
        """Tokens of a hashed block; 0 where lengths are scaled and no longer have the blocks that were hashed."""
        return self.trace.block_tokens if self.prompt_scale == 1.0 else 0

    def longest_sequence(self) -> int:
        """Tokens of the longest prompt and its answer."""
        prompt, output = self._lengths()
        return int((prompt + output).max())

    def _lengths(self) -> tuple[Ints, Ints]:
        whole = self.trace.requests
        return _scaled(whole.prompt_tokens, self.prompt_scale), _scaled(whole.output_tokens, self.output_scale)

    def chunks(self) -> Iterator[RequestChunk]:
        """The requests of the trace, lap by lap; see ``RequestSource.chunks``."""
        whole = self.trace.requests
        times_ns = at_most_ns(whole.arrival_ns / self.rate_scale, FAR_NS)
        prompt, output = self._lengths()
        lap_ns = int(times_ns[-1]) + max(1, int(times_ns[-1]) // max(1, len(whole) - 1))
        hashed = self.block_tokens > 0
        ids = int(whole.prefix_hashes.max()) + 1 if hashed and len(whole.prefix_hashes) else 1
        sessions = int(whole.session.max()) + 1
        lap, left = 0, self.limit
        while True:
            arrival_ns = times_ns + self.offset_ns + lap * lap_ns
            chunk = RequestChunk(
                arrival_ns,
                prompt,
                output,
                np.where(whole.session >= 0, whole.session + lap * sessions, -1),
                whole.priority,
                whole.prefix_start if hashed else np.zeros(len(whole) + 1, dtype=np.int64),
                whole.prefix_hashes + lap * ids if hashed else np.zeros(0, dtype=np.int64),
                whole.difficulty,
                whole.key,
            )
            inside = arrival_ns >= 0
            if self.until_ns is not None:
                inside &= arrival_ns < self.until_ns
            rows = np.flatnonzero(inside)
            rows = rows if left is None else rows[:left]
            if len(rows):
                yield chunk if len(rows) == len(whole) else chunk.take(rows)
            left = None if left is None else left - len(rows)
            lap += 1
            over = lap * lap_ns + self.offset_ns >= (FAR_NS if self.until_ns is None else self.until_ns)
            if not self.repeat or over or left == 0:
                return


def _scaled(tokens: Ints, scale: float) -> Ints:
    return tokens if scale == 1.0 else np.clip(np.rint(tokens * scale), 1, MOST_TOKENS).astype(np.int64)
