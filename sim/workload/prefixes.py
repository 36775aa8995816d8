"""Prompts that share beginnings: documents that many requests quote, and conversations that grow turn by turn.

Block ids are unique to a document, a conversation or a request, and number its blocks from the start of the prompt.
Whatever the size of the blocks that a stream's ids are for (512 tokens in Mooncake's traces, 16 in Bailian's), an
engine reuses KV blocks of its own size: ``KvBlocks`` makes the ids of the one from those of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.units import NS_PER_S
from sim.workload.exact import FAR_NS, at_most_ns
from sim.workload.requests import CHUNK, Ints, LengthLaw, RequestChunk, RequestSource, joined, plain_chunk

BLOCKS_OF_ONE = 1 << 18
"""Ids set aside for the blocks of one document, conversation or request."""

OWN = 1 << 40
"""Where the ids of blocks begin that only one request has."""

IDS_AT_ONCE = 1 << 16
"""Block ids made at a time, but for a single request that has more: half a MiB, which a core's cache holds."""

BEGUN_AT_ONCE = 1 << 12
"""Conversations drawn at a time."""

TURNS_AT_ONCE = 1 << 18
"""Turns drawn at a time, of several conversations."""

LONG = 1 << 12
"""Turns of a conversation that is drawn whole; a longer one is drawn as far as its tokens allow, and no further."""

LONG_AT_ONCE = 1 << 8
"""Turns of a long conversation drawn at a time."""


def _pieces(chunk: RequestChunk, blocks: Ints) -> Iterator[tuple[RequestChunk, Ints, Ints]]:
    """``chunk``, whose requests have ``blocks`` (n,) each, in pieces of few block ids.

    With each come the row (in ``chunk``) and the number of every block. The pieces know where the ids of each request
    are; the ids are for whoever asks to fill in.
    """
    upto = np.concatenate([[0], np.cumsum(blocks)]).astype(np.int64)
    begin = 0
    while begin < len(chunk):
        end = max(begin + 1, int(np.searchsorted(upto, upto[begin] + IDS_AT_ONCE, side="right")) - 1)
        start = upto[begin : end + 1] - upto[begin]
        row = np.repeat(np.arange(begin, end), np.diff(start))
        block = np.arange(len(row)) - start[row - begin]
        yield replace(chunk.between(begin, end), prefix_start=start), row, block
        begin = end


GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """As ``engine.serving.plan.mix``, of arrays: the finalizer of SplitMix64 (doi 10.1145/2660193.2660195)."""
    z = z + GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class KvBlocks:
    """``source`` with the ids of whole KV blocks of ``block_tokens``, the only ones an engine can reuse.

    A KV block is the same in two prompts where all tokens up to its end are: where every hashed block up to the one
    that covers its last token has the same id and the same length. So its id is a hash of those ids, their lengths and
    its place, as vLLM's is of the block before and its own tokens. A partial last hashed block counts with its length:
    it is shared by prompts that end alike, and only as far as it fills KV blocks. Tokens without an id are not shared.
    Ids are of 64 bits; two of a billion different blocks are taken for one with a chance of 3 %.
    """

    source: RequestSource
    block_tokens: int

    def chunks(self) -> Iterator[RequestChunk]:
        """The stream with ids of KV blocks; see ``RequestSource.chunks``."""
        hashed = self.source.block_tokens
        for chunk in self.source.chunks():
            known = np.minimum(chunk.prompt_tokens, np.diff(chunk.prefix_start) * hashed)
            begin = 0
            for piece, row, block in _pieces(chunk, known // self.block_tokens):
                end = begin + len(piece)
                sums = self._sums(chunk.between(begin, end), known[begin:end])
                first = chunk.prefix_start[row] - chunk.prefix_start[begin]
                covering = ((block + 1) * self.block_tokens - 1) // hashed
                upto = sums[first + covering + 1] - sums[first]
                ids = _mixed(upto ^ _mixed(block.astype(np.uint64)))
                yield replace(piece, prefix_hashes=ids.view(np.int64))
                begin = end

    def _sums(self, chunk: RequestChunk, known: Ints) -> npt.NDArray[np.uint64]:
        """Hashes of ids, each with its place and length, added up modulo 2**64 over all of ``chunk``, from 0 on."""
        widths = np.diff(chunk.prefix_start)
        row = np.repeat(np.arange(len(chunk)), widths)
        place = np.arange(len(row)) - chunk.prefix_start[row]
        length = np.minimum(self.source.block_tokens, known[row] - place * self.source.block_tokens)
        where = _mixed((place << 20 | length).astype(np.uint64))
        terms = _mixed(_mixed(chunk.prefix_hashes.astype(np.uint64)) ^ where)
        return np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])


@dataclass(frozen=True)
class Documents:
    """Each prompt begins with one of ``count`` documents of ``tokens``, by Zipf's law; that of ``source`` follows.

    The chance of the k-th document is in proportion to k**-zipf (Breslau et al., INFOCOM 1999,
    doi 10.1109/INFCOM.1999.749260).
    """

    source: RequestSource
    count: int
    tokens: int
    zipf: float
    block_tokens: int
    choose: Callable[[], np.random.Generator]

    def chunks(self) -> Iterator[RequestChunk]:
        """The stream with the blocks of a document before each prompt; see ``RequestSource.chunks``."""
        rng = self.choose()
        upto = np.cumsum(np.arange(1, self.count + 1, dtype=np.float64) ** -self.zipf)
        shared = self.tokens // self.block_tokens
        ordinal = 0
        for chunk in self.source.chunks():
            n = len(chunk)
            document = np.minimum(np.searchsorted(upto, rng.random(n) * upto[-1], side="right"), self.count - 1)
            longer = replace(chunk, prompt_tokens=chunk.prompt_tokens + self.tokens)
            for piece, row, block in _pieces(longer, longer.prompt_tokens // self.block_tokens):
                own = OWN + (ordinal + row) * BLOCKS_OF_ONE + block
                quoted = document[row] * BLOCKS_OF_ONE + block
                yield replace(piece, prefix_hashes=np.where(block < shared, quoted, own).astype(np.int64))
            ordinal += n


def _groups(counts: Ints) -> Iterator[tuple[int, int]]:
    """Conversations (from, to) to draw together: of few turns in all, or one that is long."""
    upto = np.concatenate([[0], np.cumsum(np.minimum(counts, LONG + 1))])
    long = np.append(np.flatnonzero(counts > LONG), len(counts))
    begin = 0
    while begin < len(counts):
        following = int(long[np.searchsorted(long, begin)])
        end = int(np.searchsorted(upto, upto[begin] + TURNS_AT_ONCE, side="right")) - 1
        end = begin + 1 if following == begin else max(begin + 1, min(end, following))
        yield begin, end
        begin = end


@dataclass(frozen=True)
class Conversations:
    """Conversations of several turns, each of which repeats all that was said before.

    ``times`` are of first turns; a geometric number of turns follow. The next turn comes an exponential think time
    after the one before, whatever the answer took: the arrivals stay open. A conversation ends before it would exceed
    ``most_tokens``. What is held are turns of conversations begun that are still to come within the run; turns that
    cannot come any more (after its end, beyond its requests) are not.
    """

    times: Callable[[], Iterator[Ints]]
    lengths: Callable[[], LengthLaw]
    turns: float
    think_s: float
    most_tokens: int
    block_tokens: int
    until_ns: int | None
    limit: int | None
    turning: Callable[[], np.random.Generator]  # draws how many turns
    thinking: Callable[[], np.random.Generator]  # and how long between them
    priority: int = 0

    def chunks(self) -> Iterator[RequestChunk]:
        """Turns of all conversations in order of time; see ``RequestSource.chunks``."""
        law, turns, thinking = self.lengths(), self.turning(), self.thinking()
        waiting = joined([])
        session = 0
        left = self.limit
        for starts_ns in self.times():
            ended = False
            if self.until_ns is not None and len(starts_ns) and starts_ns[-1] >= self.until_ns:
                ended = True
                starts_ns = starts_ns[: int(np.searchsorted(starts_ns, self.until_ns))]
            for part in np.array_split(starts_ns, max(1, -(-len(starts_ns) // BEGUN_AT_ONCE))):
                if not len(part):
                    continue
                counts = turns.geometric(1.0 / self.turns, len(part)).astype(np.int64)
                fresh: list[RequestChunk] = []
                for begin, end in _groups(counts):
                    if counts[begin] > LONG:
                        begun = self._long_conversation(part[begin], session, int(counts[begin]), law, thinking)
                    else:
                        begun = self._conversations(part[begin:end], session, counts[begin:end], law, thinking)
                    session += end - begin
                    fresh.append(begun)
                    if end < len(part) and sum(map(len, fresh)) < CHUNK:
                        continue
                    waiting, fresh = joined([waiting, *fresh]), []
                    waiting = waiting.take(np.argsort(waiting.arrival_ns, kind="stable")[:left])
                    ready = int(np.searchsorted(waiting.arrival_ns, part[end - 1], side="left"))
                    if ready:
                        yield from self._hashed(waiting.between(0, ready))
                        waiting = waiting.between(ready, len(waiting))
                    left = None if left is None else left - ready
                    if left == 0:
                        return
            if ended:
                break
        yield from self._hashed(waiting)

    def _hashed(self, turns: RequestChunk) -> Iterator[RequestChunk]:
        for piece, row, block in _pieces(turns, turns.prompt_tokens // self.block_tokens):
            yield replace(piece, prefix_hashes=turns.session[row] * BLOCKS_OF_ONE + block)

    def _conversations(
        self,
        starts_ns: Ints,
        first: int,
        counts: Ints,
        law: LengthLaw,
        thinking: np.random.Generator,
    ) -> RequestChunk:
        """Every turn of those that begin at ``starts_ns``, one conversation after the other, without hashes."""
        begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
        total = int(counts.sum())
        said, answered = law(total)
        gaps = thinking.exponential(self.think_s, total) * NS_PER_S
        gaps[begin] = starts_ns
        gaps_ns = at_most_ns(gaps, FAR_NS)
        gaps_ns[begin] = starts_ns
        owner = np.repeat(np.arange(len(starts_ns)), counts)

        def along(values: Ints) -> Ints:
            """Sums within each conversation, up to and including each turn."""
            sums = np.cumsum(values)
            within: Ints = sums - np.repeat(sums[begin] - values[begin], counts)
            return within

        arrival_ns = along(gaps_ns)
        if float(gaps.max(initial=0.0)) * int(counts.max(initial=0)) > FAR_NS:
            sums = [np.cumsum(own) for own in np.split(np.minimum(gaps, float(FAR_NS)), begin[1:])]
            arrival_ns = np.where(np.concatenate(sums) < FAR_NS, arrival_ns, FAR_NS)
        prompt = along(said + answered) - answered
        fits = along((prompt + answered > self.most_tokens).astype(np.int64)) == 0
        return self._turns(arrival_ns, prompt, answered, first + owner, fits)

    def _long_conversation(
        self, start_ns: int, session: int, count: int, law: LengthLaw, thinking: np.random.Generator
    ) -> RequestChunk:
        """The turns of one conversation of ``count``, which may never all fit: drawn until one does not."""
        parts: list[RequestChunk] = []
        last_ns, context, fits = int(start_ns), 0, np.ones(1, dtype=np.bool_)
        while count > 0 and fits.all():
            n = min(count, LONG_AT_ONCE)
            count -= n
            said, answered = law(n)
            gaps_ns = at_most_ns(thinking.exponential(self.think_s, n) * NS_PER_S, FAR_NS)
            gaps_ns[0] *= bool(parts)
            is_far = last_ns + np.cumsum(gaps_ns.astype(np.float64)) >= FAR_NS
            arrival_ns = np.where(is_far, FAR_NS, last_ns + np.cumsum(gaps_ns))
            upto = context + np.cumsum(said + answered)
            fits = upto <= self.most_tokens
            parts.append(self._turns(arrival_ns, upto - answered, answered, np.full(n, session, dtype=np.int64), fits))
            last_ns, context = int(arrival_ns[-1]), int(upto[-1])
        return joined(parts)

    def _turns(
        self, arrival_ns: Ints, prompt: Ints, answered: Ints, session: Ints, fits: npt.NDArray[np.bool_]
    ) -> RequestChunk:
        """Turns that fit and come before the end of the run."""
        turn = plain_chunk(arrival_ns, prompt, answered)
        turn = replace(turn, session=session, priority=np.full(len(session), self.priority, dtype=np.int64))
        if self.until_ns is not None:
            fits = fits & (arrival_ns < self.until_ns)
        return turn if fits.all() else turn.take(np.flatnonzero(fits))
