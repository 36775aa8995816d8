"""Streams of requests in chunks of columns, so that a billion of them need no more memory than a thousand.

Whatever the size of its chunks, a stream is the same: gaps, lengths, sessions and choices come from generators of their
own, each used in order. Times are integer nanoseconds added up in int64, exact over any run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CHUNK = 1 << 15
"""Requests drawn at a time."""


@dataclass(frozen=True)
class RequestChunk:
    """Requests in order of arrival: columns (n,) of int64, and the ids of their hashed prompt blocks.

    ``session`` is -1 where there is none; priority 0 is the most urgent. Request i owns
    ``prefix_hashes[prefix_start[i] : prefix_start[i + 1]]``, the ids of its prompt's blocks in order. ``difficulty``
    (n,) and ``key`` (n,), by which requests are the same, are there where a trace was read for them.
    """

    arrival_ns: Ints
    prompt_tokens: Ints
    output_tokens: Ints
    session: Ints
    priority: Ints
    prefix_start: Ints
    prefix_hashes: Ints
    difficulty: Floats | None = None
    key: Ints | None = None

    def __len__(self) -> int:
        return len(self.arrival_ns)

    def take(self, rows: Ints) -> RequestChunk:
        """The requests at ``rows``, in that order."""
        widths = np.diff(self.prefix_start)[rows]
        start = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        where = np.repeat(self.prefix_start[:-1][rows] - start[:-1], widths)
        where += np.arange(len(where))
        return RequestChunk(
            self.arrival_ns[rows],
            self.prompt_tokens[rows],
            self.output_tokens[rows],
            self.session[rows],
            self.priority[rows],
            start,
            self.prefix_hashes[where],
            self.difficulty[rows] if self.difficulty is not None else None,
            self.key[rows] if self.key is not None else None,
        )

    def between(self, begin: int, end: int) -> RequestChunk:
        """The requests from ``begin`` to before ``end``: views, without a copy of the hashes."""
        first, last = int(self.prefix_start[begin]), int(self.prefix_start[end])
        return RequestChunk(
            self.arrival_ns[begin:end],
            self.prompt_tokens[begin:end],
            self.output_tokens[begin:end],
            self.session[begin:end],
            self.priority[begin:end],
            self.prefix_start[begin : end + 1] - first,
            self.prefix_hashes[first:last],
            self.difficulty[begin:end] if self.difficulty is not None else None,
            self.key[begin:end] if self.key is not None else None,
        )


def plain_chunk(arrival_ns: Ints, prompt: Ints, output: Ints) -> RequestChunk:
    """Requests with neither sessions, priorities nor hashes."""
    n = len(arrival_ns)
    zeros = np.zeros(n + 1, dtype=np.int64)
    return RequestChunk(
        arrival_ns, prompt, output, np.full(n, -1, dtype=np.int64), zeros[:n], zeros, np.zeros(0, dtype=np.int64)
    )


def joined(chunks: list[RequestChunk]) -> RequestChunk:
    """One chunk of several, one after the other."""
    hashes = [len(chunk.prefix_hashes) for chunk in chunks]
    before = np.concatenate([[0], np.cumsum(hashes)[:-1]]) if chunks else np.zeros(0, dtype=np.int64)
    starts = [chunk.prefix_start[:-1] + shift for chunk, shift in zip(chunks, before, strict=True)]

    def column(name: str) -> Ints:
        return np.concatenate([np.zeros(0, dtype=np.int64), *(getattr(chunk, name) for chunk in chunks)])

    return RequestChunk(
        column("arrival_ns"),
        column("prompt_tokens"),
        column("output_tokens"),
        column("session"),
        column("priority"),
        np.concatenate([*starts, [sum(hashes)]]).astype(np.int64),
        column("prefix_hashes"),
    )


class RequestSource(Protocol):
    """A stream of requests, which can be read from its start again and again.

    ``block_tokens`` are the tokens of a hashed block, 0 where no request has hashes.
    """

    @property
    def block_tokens(self) -> int: ...

    def chunks(self) -> Iterator[RequestChunk]:
        """The stream from its start, in chunks that are not empty."""
        ...


LengthLaw = Callable[[int], tuple[Ints, Ints]]
"""The next n prompt and output lengths in tokens, each (n,) and at least 1."""


@dataclass(frozen=True)
class Generated:
    """Requests from a process and a law of lengths; at most ``limit`` of them, all before ``until_ns``."""

    times: Callable[[], Iterator[Ints]]
    lengths: Callable[[], LengthLaw]
    until_ns: int | None
    limit: int | None
    priority: int = 0
    block_tokens: int = 0

    def chunks(self) -> Iterator[RequestChunk]:
        """Requests as they are drawn; see ``RequestSource.chunks``."""
        law = self.lengths()
        left = self.limit
        for arrival_ns in self.times():
            n = len(arrival_ns)
            if self.until_ns is not None and n and arrival_ns[-1] >= self.until_ns:
                n = int(np.searchsorted(arrival_ns, self.until_ns))
            last = n < len(arrival_ns)
            if left is not None:
                last = last or left <= n
                n = min(n, left)
                left -= n
            if n:
                chunk = plain_chunk(arrival_ns[:n], *law(n))
                yield replace(chunk, priority=np.full(n, self.priority, dtype=np.int64)) if self.priority else chunk
            if last:
                return


@dataclass(frozen=True, eq=False)
class Listed:
    """Requests at given times (n,), of whose tokens nothing is said."""

    arrival_ns: Ints
    block_tokens: int = 0

    def chunks(self) -> Iterator[RequestChunk]:
        """All of them; see ``RequestSource.chunks``."""
        for begin in range(0, len(self.arrival_ns), CHUNK):
            times = self.arrival_ns[begin : begin + CHUNK]
            ones = np.ones(len(times), dtype=np.int64)
            yield plain_chunk(times, ones, ones)


@dataclass(frozen=True)
class Merged:
    """Several streams as one, in order of time and then of the streams; sessions and hashes are kept apart."""

    sources: tuple[RequestSource, ...]

    @property
    def block_tokens(self) -> int:
        """Tokens of a hashed block of the streams that have hashes; they must agree."""
        return max(source.block_tokens for source in self.sources)

    def chunks(self) -> Iterator[RequestChunk]:
        """All streams in order of time; see ``RequestSource.chunks``. Holds a chunk of each stream."""
        streams = [source.chunks() for source in self.sources]
        held = [joined([]) for _ in streams]
        going = set(range(len(streams)))
        while going:
            for i in [i for i in going if not len(held[i])]:
                self._extend(streams, held, going, i)
            if not going:
                break
            # What a stream goes on with is not before its last arrival so far: all before that is known.
            horizon_ns = min(int(held[i].arrival_ns[-1]) for i in going)
            known = [int(np.searchsorted(chunk.arrival_ns, horizon_ns)) for chunk in held]
            whole = joined([chunk.between(0, n) for chunk, n in zip(held, known, strict=True)])
            held = [chunk.between(n, len(chunk)) for chunk, n in zip(held, known, strict=True)]
            if len(whole):
                yield whole.take(np.argsort(whole.arrival_ns, kind="stable"))
            for i in [i for i in going if held[i].arrival_ns[-1] == horizon_ns]:
                self._extend(streams, held, going, i)
        rest = joined(held)
        if len(rest):
            yield rest.take(np.argsort(rest.arrival_ns, kind="stable"))

    def _extend(self, streams: list[Iterator[RequestChunk]], held: list[RequestChunk], going: set[int], i: int) -> None:
        chunk = self._next(streams[i], i)
        if chunk is None:
            going.discard(i)
        else:
            held[i] = joined([held[i], chunk])

    def _next(self, stream: Iterator[RequestChunk], index: int) -> RequestChunk | None:
        chunk = next(stream, None)
        if chunk is None:
            return None
        apart = len(self.sources)
        session = np.where(chunk.session >= 0, chunk.session * apart + index, -1)
        return replace(chunk, session=session, prefix_hashes=chunk.prefix_hashes * apart + index)


@dataclass(frozen=True)
class ClosedLoop:
    """Requests without arrival times of their own: each is sent when a user of the loop is free."""

    lengths: Callable[[], LengthLaw]
    limit: int | None
    block_tokens: int = 0

    def chunks(self) -> Iterator[RequestChunk]:
        """Requests without times: all arrivals are 0. See ``RequestSource.chunks``."""
        law = self.lengths()
        left = self.limit
        while left is None or left > 0:
            n = CHUNK if left is None else min(CHUNK, left)
            yield plain_chunk(np.zeros(n, dtype=np.int64), *law(n))
            left = None if left is None else left - n
