"""Requests, replicas and all that the plain engine knows between two instants."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.iterations import IterationLog
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.workload.requests import RequestChunk

RETRY, HANDED_OVER, DEADLINE, USER = range(4)
WAITING, RUNNING, MOVING, AWAY = range(4)


@dataclass(eq=False)
class Request:
    """One request on its way. ``context`` counts tokens in its KV cache; ``target`` those its prefill must reach."""

    slot: int
    ordinal: int
    arrival_ns: int
    prompt: int
    output: int
    session: int
    priority: int
    hashes: tuple[int, ...]
    where: int = AWAY
    replica: Replica | None = None
    scheduled_ns: int = -1
    first_ns: int = -1
    emitted: int = 0
    context: int = 0
    target: int = 0
    ready: bool = False  # its context is computed; it only needs room to decode
    swapped: bool = False
    abandoned: bool = False
    held: int = 0  # leading hashed blocks it holds a reference on
    cached: int = 0
    preemptions: int = 0
    attempts: int = 1
    stamp: int = 0  # events with an older stamp are stale
    padded_prompt: int = 0
    padded_output: int = 0
    last_ns: int = -1  # of its last token
    steps: int = 0  # that brought it a token or more, after the first
    acc_ns: int = 0
    acc_nj: int = 0
    own_reads: int = 0
    turns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    prefill_nj: int = 0
    decode_nj: int = 0


@dataclass(eq=False)
class Replica:
    """One scheduler with its KV cache, and the iteration it is in."""

    index: int
    role: int
    blocks: int
    cost: StepCost
    up: bool = False
    draining: bool = False
    paused: bool = False
    waiting: list[deque[Request]] = field(default_factory=list)
    running: list[Request] = field(default_factory=list)  # in order of admission
    used: int = 0
    cached: int = 0
    references: dict[int, int] = field(default_factory=dict)  # of every hashed block in the cache
    unreferenced: OrderedDict[int, None] = field(default_factory=OrderedDict)  # least recently used first
    assigned: int = 0
    pending: int = 0
    link_free_ns: int = 0
    remainder: int = 0  # of 2**-16 ns
    busy: bool = False
    start_ns: int = 0
    end_ns: int = 0
    decoding: list[Request] = field(default_factory=list)
    chunks: list[tuple[Request, int]] = field(default_factory=list)
    energy_nj: int = 0
    nominal_ns: int = 0  # of the iteration, without the remainder carried into it
    decode_only: tuple[int, int] = (0, 0)
    reads: int = 0
    window_reads: int = 0
    own_nj_per_read: int = 0
    booked_ns: int = 0
    booked_nj: int = 0
    share_ns: int = 0
    share_nj: int = 0
    rest_ns: int = 0
    rest_nj: int = 0
    active_ns: int = 0
    dynamic_nj: int = 0
    link_nj: int = 0


@dataclass(eq=False)
class State:
    """Replicas behind one router, and all requests that are known of them."""

    settings: Settings
    costs: list[StepCost]
    more: Callable[[], RequestChunk | None]
    iterations: IterationLog
    replicas: list[Replica]
    largest: int
    backlog: deque[Request] = field(default_factory=deque)
    live: dict[int, Request] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    slots: int = 0
    future: list[tuple[int, int, int, Request | None, int]] = field(default_factory=list)
    pushed: int = 0
    arrivals: deque[tuple[int, int, int, int, int, tuple[int, ...]]] = field(default_factory=deque)
    closed: bool = False
    ordinal: int = 0
    next_in_turn: list[int] = field(default_factory=lambda: [0, 0, 0])
    waiting: int = 0
    running: int = 0
    now: int = 0
    began: bool = False
    instants: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(p.COUNTS, 0))
    sketches: Ints = field(default_factory=lambda: np.zeros((len(p.SKETCHES), p.SKETCH_SIZE), dtype=np.int64))
    rows: list[tuple[int, ...]] = field(default_factory=list)

    def peek(self) -> int | None:
        """When the next request arrives; None where none will."""
        if not self.arrivals and not self.closed:
            chunk = self.more()
            if chunk is None:
                self.closed = True
            else:
                starts = chunk.prefix_start.tolist()
                hashes = chunk.prefix_hashes.tolist()
                columns = (chunk.arrival_ns, chunk.prompt_tokens, chunk.output_tokens, chunk.session, chunk.priority)
                for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
                    self.arrivals.append((*row, tuple(hashes[starts[i] : starts[i + 1]])))
        return self.arrivals[0][0] if self.arrivals else None

    def next_ns(self) -> int | None:
        """The earliest instant at which anything happens by itself, or None."""
        times = [replica.end_ns for replica in self.replicas if replica.busy]
        if self.future:
            times.append(self.future[0][0])
        if not self.settings.concurrency and (arrival := self.peek()) is not None:
            times.append(arrival)
        if not self.began and self.settings.concurrency:
            times.append(self.now)
        return min(times) if times else None

    def pass_to(self, now: int) -> None:
        """Time passes; who waits and who runs is counted over it."""
        if now > self.now:
            self.counts["waiting_area_ns"] += self.waiting * (now - self.now)
            self.counts["running_area_ns"] += self.running * (now - self.now)
            self.now = now

    def push(self, time_ns: int, kind: int, request: Request | None) -> None:
        """Something will happen to a request, or to a user of a closed loop (None)."""
        heapq.heappush(self.future, (time_ns, self.pushed, kind, request, request.stamp if request else 0))
        self.pushed += 1

    @property
    def hash_tokens(self) -> int:
        """Tokens of a hashed block of a prompt; 0 where no prefixes are cached."""
        return self.settings.hash_blocks * self.settings.block_tokens

    def observe(self, name: str, value_ns: int) -> None:
        """Adds up a time, and notes it in its sketch."""
        self.counts[f"{name}_ns"] += value_ns
        self.sketch(name, value_ns)

    def sketch(self, name: str, value_ns: int) -> None:
        """Notes a time in its sketch."""
        self.sketches[p.SKETCHES.index(name), p.sketch_bucket(value_ns)] += 1
