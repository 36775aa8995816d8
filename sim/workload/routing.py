"""One stream of requests shared out among places that serve it, by what is known at the time.

Every place regenerates the whole stream, from the same generators, and keeps its own requests: each request goes to
exactly one place, and how they are shared out changes nothing about them. The order of places is decided once an
interval by values at its start; nothing of the future, and nothing of queues, is known. Conversations stay where their
first request went, since their prefixes are cached there; by limits they may move instead, and begin anew there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.signals import Signal
from sim.units import SECONDS_PER_NS
from sim.workload.requests import RequestChunk, RequestSource

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def room(most_per_s: Floats | float, interval_ns: int) -> Floats:
    """Whole requests that a limit lets through in an interval, of the limit's shape; inf without a limit.

    A rounding of the product is no request less: 0.29/s over 100 s are 29, although the floats give 28.999999999999996.
    """
    found: Floats = np.floor(np.asarray(most_per_s) * (interval_ns * SECONDS_PER_NS) * (1.0 + 1e-12))
    return found


@dataclass(frozen=True, eq=False)
class Lowest:
    """Places in the order of their signals' values at the start of an interval; of equals, as listed.

    Each takes at most ``most_per_s`` (inf without a limit) of new requests on average over the interval, the rest goes
    on to the next; what none has room for goes to the first.
    """

    signals: Sequence[Signal]
    most_per_s: Floats
    interval_ns: int

    def order(self, interval: int) -> Ints:
        """Of the places, in the interval of that number."""
        at = interval * self.interval_ns
        values = [signal.at(min(max(at, signal.first_ns), signal.last_ns - 1)) for signal in self.signals]
        return np.argsort(np.array(values), kind="stable")

    def begin(self) -> Sharing:
        """The stream from its start."""
        return _InOrder(self)


@dataclass(frozen=True, eq=False)
class Shares:
    """Places drawn independently with these chances, by a generator that begins anew with each reading."""

    shares: Floats
    draw: Callable[[], np.random.Generator]

    def begin(self) -> Sharing:
        """The stream from its start."""
        return _ByChance(self)


Draw = Callable[[int], Floats]
"""The next n numbers."""


@dataclass(frozen=True)
class Difficulties:
    """Difficulties of requests in 0..1: a beta law's, or uniform where it has no shape."""

    shape: tuple[float, float] | None
    stream: Stream

    def __call__(self) -> Draw:
        """The law from the start of its stream."""
        rng, shape = self.stream(), self.shape
        return rng.random if shape is None else lambda n: rng.beta(*shape, n)


@dataclass(frozen=True, eq=False)
class Limits:
    """To the first of ``places`` (indices, by rising limit) whose limit holds a number of the request, else the last.

    ``limits`` has one entry fewer than ``places``; a limit itself is held. The number is the prompt's tokens, the
    difficulty that the stream says, or one ``drawn`` by a generator that begins anew with each reading. With ``stay``,
    conversations are held to their first request's.
    """

    limits: Floats
    places: Ints
    by: Literal["prompt-tokens", "told", "drawn"]
    stay: bool
    drawn: Callable[[], Draw] | None = None

    def begin(self) -> Sharing:
        """The stream from its start."""
        return _ByLimit(self)


Rule = Lowest | Shares | Limits


class Sharing:
    """How far a stream has been shared out, and where its conversations went."""

    def __init__(self) -> None:
        self._sessions: dict[int, int] = {}

    def places(self, chunk: RequestChunk) -> Ints:
        """The place of each request (n,) of the next chunk."""
        raise NotImplementedError

    def together(self, session: Ints, choose: Callable[[npt.NDArray[np.bool_]], Ints]) -> Ints:
        """The choice of each request, but that conversations stay where their first request went."""
        talking = np.flatnonzero(session >= 0)
        names, first, which = np.unique(session[talking], return_index=True, return_inverse=True)
        known = np.array([self._sessions.get(name, -1) for name in names.tolist()], dtype=np.int64)
        new = session < 0
        new[talking[first[known < 0]]] = True
        chosen = choose(new).copy()
        begun = known < 0
        known[begun] = chosen[talking[first[begun]]]
        self._sessions.update(zip(names[begun].tolist(), known[begun].tolist(), strict=True))
        chosen[talking] = known[which]
        return chosen


class _InOrder(Sharing):
    def __init__(self, rule: Lowest) -> None:
        super().__init__()
        self._rule = rule
        self._interval = -1
        self._order = np.zeros(0, dtype=np.int64)
        self._room = np.zeros(0)
        self._taken = 0

    def places(self, chunk: RequestChunk) -> Ints:
        """See ``Sharing``."""
        chosen = np.empty(len(chunk), dtype=np.int64)
        number = chunk.arrival_ns // self._rule.interval_ns
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [len(chunk)]])
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            self._enter(int(number[begin]))
            chosen[begin:end] = self.together(chunk.session[begin:end], self._in_order)
        return chosen

    def _enter(self, interval: int) -> None:
        if interval != self._interval:
            self._interval = interval
            self._order = self._rule.order(interval)
            self._room = np.cumsum(room(self._rule.most_per_s[self._order], self._rule.interval_ns))
            self._taken = 0

    def _in_order(self, new: npt.NDArray[np.bool_]) -> Ints:
        """Places (n,) of requests of which the ``new`` ones take room; the others' mean nothing."""
        places = np.zeros(len(new), dtype=np.int64)
        positions = self._taken + np.arange(int(new.sum()))
        rank = np.searchsorted(self._room, positions, side="right")
        rank[rank == len(self._order)] = 0
        places[new] = self._order[rank]
        self._taken += len(positions)
        return places


class _ByChance(Sharing):
    def __init__(self, rule: Shares) -> None:
        super().__init__()
        upto = np.cumsum(rule.shares)
        self._upto, self._rng = upto / upto[-1], rule.draw()

    def places(self, chunk: RequestChunk) -> Ints:
        """See ``Sharing``."""
        drawn = np.searchsorted(self._upto, self._rng.random(len(chunk)), side="right")
        chosen = np.minimum(drawn, len(self._upto) - 1).astype(np.int64)
        return self.together(chunk.session, lambda _: chosen)


class _ByLimit(Sharing):
    def __init__(self, rule: Limits) -> None:
        super().__init__()
        self._rule = rule
        self._draw = rule.drawn() if rule.drawn is not None else None

    def places(self, chunk: RequestChunk) -> Ints:
        """See ``Sharing``."""
        rule = self._rule
        chosen = rule.places[np.searchsorted(rule.limits, self._numbers(chunk), side="left")]
        return self.together(chunk.session, lambda _: chosen) if rule.stay else chosen

    def _numbers(self, chunk: RequestChunk) -> Floats:
        """What each request (n,) is held to the limits by."""
        if self._rule.by == "prompt-tokens":
            return chunk.prompt_tokens.astype(np.float64)
        if self._rule.by == "told":
            assert chunk.difficulty is not None  # read with the trace
            return chunk.difficulty
        assert self._draw is not None
        return self._draw(len(chunk))


@dataclass(frozen=True, eq=False)
class Routed:
    """The requests of ``source`` that go to the place of index ``place``, which they reach ``delay_ns`` later."""

    source: RequestSource
    rule: Rule
    place: int
    delay_ns: int

    @property
    def block_tokens(self) -> int:
        """As of the source."""
        return self.source.block_tokens

    def chunks(self) -> Iterator[RequestChunk]:
        """See ``RequestSource``."""
        sharing = self.rule.begin()
        for chunk in self.source.chunks():
            rows = np.flatnonzero(sharing.places(chunk) == self.place)
            if len(rows):
                own = chunk.take(rows)
                yield replace(own, arrival_ns=own.arrival_ns + self.delay_ns)


def tokens_by_bin(source: RequestSource, edges_ns: Ints) -> Floats:
    """Prompt and output tokens asked for in each bin between ``edges_ns`` (n + 1,), by arrival -> (n,).

    Those of requests that are refused or never finished are among them: no fewer than are moved.
    """
    tokens = np.zeros(len(edges_ns) - 1)
    for chunk in source.chunks():
        bins = np.searchsorted(edges_ns, chunk.arrival_ns, side="right") - 1
        inside = (bins >= 0) & (bins < len(tokens))
        asked = (chunk.prompt_tokens + chunk.output_tokens)[inside].astype(np.float64)
        tokens += np.bincount(bins[inside], weights=asked, minlength=len(tokens))
        if chunk.arrival_ns[-1] >= edges_ns[-1]:
            break
    return tokens
