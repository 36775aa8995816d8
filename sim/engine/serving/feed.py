"""What arrives at a compiled pool: chunks of requests, laid where its kernel reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.engine.serving import records as k
from sim.engine.serving.memory import WORD_OF, Memory
from sim.engine.serving.plan import Settings
from sim.workload.requests import RequestChunk
from sim.workload.routers import ROUTERS

MOST_KNOWN = 1 << 19
"""Arrivals that wait to be looked at together, when another chunk of them is fetched."""
HASHES_AT_ONCE = 1 << 16
EARLY, CLOSED, ORDINAL = (WORD_OF[name] for name in ("early", "closed", "ordinal"))
NEXT_ARRIVAL, N_ARRIVALS = (WORD_OF[name] for name in ("next_arrival", "n_arrivals"))


class Feed:
    """Lays what ``more`` gives into the ``memory`` of a pool: a chunk when all before are in the system, or where
    routers do not look at replicas as many as are asked for at a time."""

    def __init__(self, memory: Memory, settings: Settings, more: Callable[[], RequestChunk | None]) -> None:
        self._set = settings
        self._more = more
        self._memory, self._pool, self._words, self._rows = memory, memory.pool, memory.words, memory.rows
        self._hashes_used = 0
        self._unknown = False  # more may come, of which nothing is known yet

    def ask_again(self) -> None:
        """Where nothing was known to come, something may by now."""
        if self._unknown:
            self._words[N_ARRIVALS] = self._words[NEXT_ARRIVAL]
            self._unknown = False

    def is_known_from(self, at_ns: int) -> bool:
        """Whether a request is known that arrives at an instant or later, which is not done by then."""
        return self._is_known(at_ns - 1) and not self._is_too_long(self._words[N_ARRIVALS] - 1)

    def reaches(self, until_ns: int) -> bool:
        """Whether all that will have arrived by then is known, and is not too much to wait together."""
        while not self._words[CLOSED] and not self._is_known(until_ns):
            if self._words[N_ARRIVALS] - self._words[NEXT_ARRIVAL] >= MOST_KNOWN:
                return False
            self.fetch_once()
        return True

    def fetch(self, until_ns: int) -> None:
        """More arrivals, of which at most so many that wait to be looked at together."""
        self.fetch_once()
        if self._words[EARLY]:
            self.reaches(until_ns)

    def fetch_once(self) -> None:
        """The next chunk, or that there is none."""
        chunk = self._more()
        if chunk is None:
            self._pool["closed"] = 1
            return
        n = len(chunk.arrival_ns)
        if not n:
            self._await_more()
            return
        left = self._make_room_for_arrivals(n)
        arrivals = self._rows["arrivals"][left : left + n]
        arrivals["at_ns"], arrivals["prompt"], arrivals["output"] = (
            chunk.arrival_ns,
            chunk.prompt_tokens,
            chunk.output_tokens,
        )
        if self._set.priorities > 1:
            self._rows["classes"][left : left + n] = chunk.priority
        if ROUTERS[self._set.router] == "session-affinity":
            self._rows["sessions"][left : left + n] = chunk.session
        if self._set.hash_blocks:
            more = len(chunk.prefix_hashes)
            self._make_room_for_hashes(more)
            firsts = self._hashes_used + chunk.prefix_start[:-1]
            for name, column in {"first_hashes": firsts, "hash_counts": np.diff(chunk.prefix_start)}.items():
                self._memory.place(name, np.ascontiguousarray(column, np.int64))
            self._rows["hashes"][self._hashes_used : self._hashes_used + more] = chunk.prefix_hashes
            self._hashes_used += more

    def _is_known(self, until_ns: int) -> bool:
        """Whether an arrival after that is known, so that all before it are."""
        known = self._words[N_ARRIVALS]
        return known > self._words[NEXT_ARRIVAL] and int(self._rows["arrivals"]["at_ns"][known - 1]) > until_ns

    def _is_too_long(self, i: int) -> bool:
        """Whether the ``i``-th of the known arrivals is too long for any replica."""
        arrival = self._rows["arrivals"][i]
        tokens = int(arrival["prompt"]) + int(arrival["output"]) + self._set.draft_tokens
        return self._set.kv_blocks(tokens) > int(self._pool["largest"])

    def _await_more(self) -> None:
        """Nothing comes as far as is known: an arrival that never comes stands there until something else is."""
        self._make_room_for_arrivals(1)
        self._rows["arrivals"]["at_ns"][0] = k.NEVER
        self._unknown = True

    def _make_room_for_arrivals(self, more: int) -> int:
        """There are as many arrivals more; returns behind how many, which now are the first."""
        words = self._words
        begin, end = words[NEXT_ARRIVAL], words[N_ARRIVALS]
        left = end - begin
        is_small = left + more > len(self._rows["arrivals"])
        for name in ("arrivals", "sessions", "classes", "after"):
            rows = self._rows[name]
            if is_small:
                self._memory.place_empty(name, MOST_KNOWN + more if words[EARLY] else left + more)
            if is_small or begin:
                self._rows[name][:left] = rows[begin:end]
        words[ORDINAL] += begin
        words[NEXT_ARRIVAL], words[N_ARRIVALS] = 0, left + more
        return left

    def _make_room_for_hashes(self, more: int) -> None:
        """Room for the hashes of new arrivals: those of finished requests are forgotten, then the rows grow."""
        place, known = self._rows["hashes"], self._rows["more"]
        if self._hashes_used + more <= len(place):
            return
        live = np.flatnonzero(known["hashes"] > 0)
        live = live[np.argsort(known["first_hash"][live])]  # so that none is written over before it has moved
        start, lengths = known["first_hash"][live], known["hashes"][live]
        upto = np.concatenate([[0], np.cumsum(lengths)])
        known["first_hash"][live] = upto[:-1]
        begin = 0
        while begin < len(live):  # a few at a time: where each comes from takes more room than they do
            end = max(begin + 1, int(np.searchsorted(upto, upto[begin] + HASHES_AT_ONCE, side="right")) - 1)
            shift = np.repeat((start - upto[:-1])[begin:end], lengths[begin:end])
            place[upto[begin] : upto[end]] = place[shift + np.arange(upto[begin], upto[end])]
            begin = end
        self._hashes_used = int(upto[-1])
        if self._hashes_used + more > len(place):
            self._memory.stretch("hashes", 5 * (self._hashes_used + more) // 4)
