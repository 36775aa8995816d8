"""Relays between serving workloads, whose pools advance lazily: each is brought to the same instant, upstream first.

A pool needs all arrivals up to the instant that it is brought to. Those of a later place are what came back from the
one before it until then, and with a memo each request waits for all that was complete before it was asked; so pools
are brought from one instant to the next in the order of the relay, and are never asked to go back. What the control
plane does to a pool at an instant it does when all of them have been brought there.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.engine.serving import plan as p
from sim.workload.prefixes import KvBlocks
from sim.workload.relays import Passing, RelayLog, RelayPlan, passing
from sim.workload.requests import RequestChunk, RequestSource, joined
from sim.workload.result_cache import Memo

if TYPE_CHECKING:
    from sim.engine.serving.service import ServingService

Ints = npt.NDArray[np.int64]
COLUMN = {name: i for i, name in enumerate(p.ROW_COLUMNS)}


class ServingRelay:
    """Feeds the pools of the workloads of its plan, and hears of every request that leaves them."""

    def __init__(self, plan: RelayPlan, services: Sequence[ServingService]) -> None:
        self._plan = plan
        self._services = services
        self._log = RelayLog.of(plan)
        self._memo = Memo(plan.cache.capacity) if plan.cache is not None else None
        self._chunks = passing(plan)
        self._asked: deque[Passing] = deque()
        self._last_born_ns = 0
        self._all_asked = False
        self._inbox: list[deque[tuple[int, Passing]]] = [deque() for _ in services]
        self._inside: list[dict[int, Passing]] = [{} for _ in services]
        self._given = [0] * len(services)
        self._answers: list[tuple[int, int, int]] = []  # still on their way to the memo: when, which, key
        self._numbered = 0
        for place, service in enumerate(services):
            service.feed_by(self, place)

    def log(self) -> RelayLog:
        """What is known up to now."""
        if self._memo is not None:
            self._remember(max((at_ns for at_ns, _, _ in self._answers), default=0))
            self._log.evictions, self._log.remembered = self._memo.evictions, len(self._memo)
        return self._log

    # What the services ask

    def bring(self, now_ns: int) -> None:
        """Brings all pools to an instant."""
        while (following := self._next_asked()) is not None and following.born_ns <= now_ns:
            if self._memo is not None:
                self._through(following.born_ns - 1)
            self._asked.popleft()
            self._ask(following)
        self._through(now_ns)

    def more(self, place: int) -> RequestChunk | None:
        """What has come to a place since it asked last: nothing yet, if that is empty; None if nothing will."""
        waiting = self._inbox[place]
        if not waiting and self._closed(place):
            return None
        arrived = list(waiting)
        waiting.clear()
        for _, one in arrived:
            self._inside[place][self._given[place]] = one
            self._given[place] += 1
        return self._as_chunk(arrived)

    def closed(self, place: int) -> bool:
        """Whether nothing more comes to a place, and all that came has been given to it."""
        return not self._inbox[place] and self._closed(place)

    def look_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1; where more is to be asked, not before
        what is known of that."""
        times = [at_ns for service in self._services if (at_ns := service.next_event_ns()) >= 0]
        times += [waiting[0][0] for waiting in self._inbox if waiting]
        following = self._next_asked()
        if following is not None:
            return max([following.born_ns, self._last_born_ns])
        return min(times, default=-1)

    # Requests on their way

    def _next_asked(self) -> Passing | None:
        if not self._asked and not self._all_asked:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._all_asked = True
            else:
                self._asked.extend(chunk)
                self._last_born_ns = chunk[-1].born_ns
        return self._asked[0] if self._asked else None

    def _closed(self, place: int) -> bool:
        """Whether nothing can come to a place that is not in its inbox already."""
        if self._next_asked() is not None:
            return False
        before = range(place) if self._plan.hardness is not None else ()
        return not any(self._inbox[i] or self._inside[i] for i in before)

    def _ask(self, one: Passing) -> None:
        log, cache = self._log, self._plan.cache
        log.asked += 1
        looked_ns = 0
        if cache is not None and self._memo is not None:
            looked_ns = cache.lookup_ns
            log.looked_ns.append(one.born_ns)
            self._remember(one.born_ns - 1)
            if self._memo.has(one.key, one.born_ns):
                log.hits += 1
                return
        self._inbox[one.place].append((one.born_ns + looked_ns + self._plan.way_ns[one.place], one))

    def _through(self, until_ns: int) -> None:
        """Brings every pool to an instant, in order: what leaves one arrives at the next."""
        for place, service in enumerate(self._services):
            self._back(place, service.bring(until_ns))

    def _back(self, place: int, rows: Ints) -> None:
        """Requests that have left a pool: answered, passed on or lost."""
        plan, log, inside = self._plan, self._log, self._inside[place]
        judges = plan.judges(place)
        judged_ns = plan.way_ns[place] + (plan.verifier_ns if judges else 0)
        names = ("request", "status", "first_token_ns", "done_ns")
        for number, status, first_ns, done_ns in rows[:, [COLUMN[name] for name in names]].tolist():
            one = inside.pop(number)
            if status != p.COMPLETED:
                log.lost[place] += 1
                continue
            if judges:
                log.judged_ns[place].append(done_ns)
            if one.hardness > plan.limits[place]:
                log.passed_on[place] += 1
                one.place = place + 1
                self._inbox[place + 1].append((done_ns + judged_ns + plan.way_ns[place + 1], one))
                continue
            log.answer(place, done_ns + judged_ns - one.born_ns)
            # a judged answer is shown when it has passed, and its first token with it
            shown_ns = done_ns + judged_ns if judges else first_ns + plan.way_ns[place]
            log.first_ns[place].append(shown_ns - one.born_ns)
            if self._memo is not None:
                self._numbered += 1
                heapq.heappush(self._answers, (done_ns + judged_ns, self._numbered, one.key))

    def _remember(self, until_ns: int) -> None:
        assert self._memo is not None
        while self._answers and self._answers[0][0] <= until_ns:
            at_ns, _, key = heapq.heappop(self._answers)
            self._memo.put(key, at_ns)

    def _as_chunk(self, arrived: Sequence[tuple[int, Passing]]) -> RequestChunk:
        """The requests as their places know them, whatever chunks they come from."""
        pieces: list[RequestChunk] = []
        begin = 0
        while begin < len(arrived):
            source = arrived[begin][1].chunk
            end = begin
            while end < len(arrived) and arrived[end][1].chunk is source:
                end += 1
            rows = np.array([one.row for _, one in arrived[begin:end]], dtype=np.int64)
            pieces.append(source.take(rows))
            begin = end
        whole = joined(pieces)
        return replace(whole, arrival_ns=np.array([at_ns for at_ns, _ in arrived], dtype=np.int64))


class OfChunk:
    """A stream of one chunk."""

    def __init__(self, chunk: RequestChunk, block_tokens: int) -> None:
        self._chunk = chunk
        self.block_tokens = block_tokens

    def chunks(self) -> Iterator[RequestChunk]:
        """It."""
        yield self._chunk


def in_kv_blocks(chunk: RequestChunk, source: RequestSource) -> RequestChunk:
    """A chunk as ``source`` would have given it, whose ids are of whole KV blocks if that is a ``KvBlocks``."""
    if not isinstance(source, KvBlocks) or not len(chunk):
        return chunk
    return joined(list(KvBlocks(OfChunk(chunk, source.source.block_tokens), source.block_tokens).chunks()))
