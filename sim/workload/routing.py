"""One stream of requests shared out among places that serve it, by what is known at the time.

Every place regenerates the whole stream, from the same generators, and keeps its own requests: each request goes to
exactly one place, and how they are shared out changes nothing about them. The order of places is decided once an
interval by values at its start; nothing of the future, and nothing of queues, is known. Conversations stay where their
first request went, since their prefixes are cached there; by limits they may move instead, and begin anew there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

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


Sharing = Callable[[RequestChunk], Ints]
"""The place (index) of each request of the next chunk of a stream."""


class Rule(Protocol):
    """A way of sharing requests out among places."""

    def begun(self) -> Sharing:
        """The rule at the start of a stream; it is asked chunk by chunk, and gives the same again each time."""


class Together:
    """Conversations stay where their first request went."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}

    def keep(self, session: Ints, choose: Callable[[npt.NDArray[np.bool_]], Ints]) -> Ints:
        """What ``choose`` gives for each request (n,), but for those of conversations that went somewhere before.

        It is told which are new: requests by themselves, and the first of each conversation.
        """
        talking = np.flatnonzero(session >= 0)
        names, first, which = np.unique(session[talking], return_index=True, return_inverse=True)
        known = np.array([self._places.get(name, -1) for name in names.tolist()], dtype=np.int64)
        new = session < 0
        new[talking[first[known < 0]]] = True
        chosen = choose(new).copy()
        begun = known < 0
        known[begun] = chosen[talking[first[begun]]]
        self._places.update(zip(names[begun].tolist(), known[begun].tolist(), strict=True))
        chosen[talking] = known[which]
        return chosen


@dataclass(frozen=True, eq=False)
class Lowest:
    """A rule: places in the order of their signals' values at the start of an interval; of equals, as listed.

    Each takes at most ``most_per_s`` (inf without a limit) of new requests on average over the interval, the rest goes
    on to the next; what none has room for goes to the first.
    """

    signals: Sequence[Signal]
    most_per_s: Floats
    interval_ns: int

    def order(self, interval: int) -> Ints:
        """Places by index, the preferred first, in the interval of that number."""
        at = interval * self.interval_ns
        values = [signal.at(min(max(at, signal.first_ns), signal.last_ns - 1)) for signal in self.signals]
        return np.argsort(np.array(values), kind="stable")

    def begun(self) -> Sharing:
        """See ``Rule``."""
        return _InOrder(self)


@dataclass(frozen=True, eq=False)
class Shares:
    """A rule: places drawn independently with these chances, by a generator that begins anew with each reading.

    A draw counts through the places in this ``order``, all of them by index.
    """

    shares: Floats
    order: Ints
    draw: Callable[[], np.random.Generator]

    def begun(self) -> Sharing:
        """See ``Rule``."""
        rng, together = self.draw(), Together()
        upto = np.cumsum(self.shares[self.order])

        def share(chunk: RequestChunk) -> Ints:
            drawn = np.searchsorted(upto / upto[-1], rng.random(len(chunk)), side="right")
            chosen = self.order[np.minimum(drawn, len(upto) - 1)]
            return together.keep(chunk.session, lambda _: chosen)

        return share


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
    """A rule: the first of ``places`` (indices, by rising limit) whose limit holds a number of the request.

    The last place where no limit does: ``limits`` has one entry fewer than ``places``; a limit itself is held. The
    number is the prompt's tokens, the difficulty that the stream says, or one ``drawn`` by a generator that begins anew
    with each reading. With ``stay``, conversations are held to their first request's.
    """

    limits: Floats
    places: Ints
    by: Literal["prompt-tokens", "told", "drawn"]
    stay: bool
    drawn: Callable[[], Draw] | None = None

    def begun(self) -> Sharing:
        """See ``Rule``."""
        draw = self.drawn() if self.drawn is not None else None
        together = Together()

        def share(chunk: RequestChunk) -> Ints:
            by_limit = self.places[np.searchsorted(self.limits, self._numbers(chunk, draw), side="left")]
            return together.keep(chunk.session, lambda _: by_limit) if self.stay else by_limit

        return share

    def _numbers(self, chunk: RequestChunk, draw: Draw | None) -> Floats:
        """What each request (n,) is held to the limits by."""
        if self.by == "prompt-tokens":
            return chunk.prompt_tokens.astype(np.float64)
        if self.by == "told":
            assert chunk.difficulty is not None  # read with the trace
            return chunk.difficulty
        assert draw is not None
        return draw(len(chunk))


class _InOrder:
    """How far the room of the present interval is taken."""

    def __init__(self, rule: Lowest) -> None:
        self._rule = rule
        self._together = Together()
        self._interval = -1
        self._order = np.zeros(0, dtype=np.int64)
        self._room = np.zeros(0)
        self._taken = 0

    def __call__(self, chunk: RequestChunk) -> Ints:
        chosen = np.empty(len(chunk), dtype=np.int64)
        number = chunk.arrival_ns // self._rule.interval_ns
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(number)) + 1, [len(chunk)]])
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            self._enter(int(number[begin]))
            chosen[begin:end] = self._together.keep(chunk.session[begin:end], self._in_order)
        return chosen

    def _enter(self, interval: int) -> None:
        if interval != self._interval:
            rule, self._interval = self._rule, interval
            self._order = rule.order(interval)
            self._room = np.cumsum(room(rule.most_per_s[self._order], rule.interval_ns))
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


@dataclass(frozen=True, eq=False)
class Routed:
    """The requests of ``source`` that go to the place of index ``place``, which they reach ``delay_ns`` later."""

    source: RequestSource
    rule: Rule
    place: int
    delay_ns: int

    @property
    def block_tokens(self) -> int:
        """Tokens of a hashed block of the source."""
        return self.source.block_tokens

    def chunks(self) -> Iterator[RequestChunk]:
        """The requests of the place, late by the way there; see ``RequestSource.chunks``."""
        share = self.rule.begun()
        for chunk in self.source.chunks():
            rows = np.flatnonzero(share(chunk) == self.place)
            if len(rows):
                own = chunk.take(rows)
                yield replace(own, arrival_ns=own.arrival_ns + self.delay_ns)


def tokens_by_bin(source: RequestSource, edges_ns: Ints) -> Floats:
    """Prompt and output tokens asked for in each bin between ``edges_ns`` (n + 1,), by arrival -> (n,).

    Requests that are refused or never finished are counted too: the sum is an upper bound of what is moved.
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
