"""The plain serving engine: one iteration at a time, written to be read. ``kernel`` must equal it to the nanosecond.

At every instant, in this order: iterations that end (by replica), then what was due (hand-overs, retries, deadlines,
users of a closed loop), then arrivals, then every replica that stands still and has work begins an iteration. What is
in an iteration when it begins stays in it; whoever arrives meanwhile waits for the next.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.iterations import IterationLog
from sim.engine.serving.plan import Ints, Settings, StepCost, draw, largest_request
from sim.workload.requests import RequestChunk
from sim.workload.routers import ROUTERS, Choice, choose

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


class ReferencePool:
    """Replicas behind one router. ``more`` gives the next arrivals, or None once there are no more."""

    def __init__(
        self,
        settings: Settings,
        costs: Sequence[StepCost],
        roles: Sequence[int],
        cost_of: Sequence[int],
        kv_blocks: Sequence[int],
        more: Callable[[], RequestChunk | None],
        iterations: IterationLog | None = None,
    ) -> None:
        self._set = settings
        self._costs = list(costs)
        self._more = more
        self._iterations = IterationLog(0) if iterations is None else iterations
        self._replicas = [
            Replica(i, role, kv_blocks[i], costs[cost_of[i]], waiting=[deque() for _ in range(settings.priorities)])
            for i, role in enumerate(roles)
        ]
        self._largest = largest_request(roles, kv_blocks)
        self._backlog: deque[Request] = deque()
        self._live: dict[int, Request] = {}
        self._free: list[int] = []
        self._slots = 0
        self._future: list[tuple[int, int, int, Request | None, int]] = []
        self._pushed = 0
        self._arrivals: deque[tuple[int, int, int, int, int, tuple[int, ...]]] = deque()
        self._closed = False
        self._ordinal = 0
        self._next_in_turn = [0, 0, 0]
        self._waiting = 0
        self._running = 0
        self._now = 0
        self._until = 0
        self._began = False
        self.instants = 0
        self.counts = dict.fromkeys(p.COUNTS, 0)
        self.sketches: Ints = np.zeros((len(p.SKETCHES), p.SKETCH_SIZE), dtype=np.int64)
        self._rows: list[tuple[int, ...]] = []

    # What the control plane does and sees

    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int:
        """Simulates everything up to and including ``until_ns``; returns how far it is.

        With ``idle_ends`` it goes no further than to where nothing is left to be done and nothing will arrive.
        """
        if not self._began:
            self._began = True
            for _ in range(self._set.concurrency):
                self._push(self._now, USER, None)
        while (now := self._next()) is not None and now <= until_ns:
            self.instants += now > self._now
            self._pass(now)
            for replica in self._replicas:
                if replica.busy and replica.end_ns == now:
                    self._end(replica)
            while self._future and self._future[0][0] == now:
                self._happen(*heapq.heappop(self._future)[2:])
            while not self._set.concurrency and self._peek() == now:
                self._arrive(self._arrivals.popleft())
            self._begin_iterations()
        if not (idle_ends and now is None and not self._live):
            self._pass(until_ns)
        return self._now

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1."""
        following = self._next()
        return -1 if following is None else following

    def start(self, index: int) -> None:
        """Brings a replica up; what waited for one is handed out."""
        replica = self._replicas[index]
        replica.up, replica.draining, replica.paused = True, False, False
        waiting, self._backlog = self._backlog, deque()
        for request in waiting:
            request.where = AWAY
            self._waiting -= 1
            self._dispatch(request, p.PREFILL, 0)
        self._begin_iterations()

    def drain(self, index: int) -> None:
        """Drains a replica: it finishes what it has and is given nothing more."""
        self._replicas[index].draining = True

    def pause(self, index: int) -> None:
        """Has a replica that is up stand still once the iteration that it is in is over; it keeps what it has, and is
        given more."""
        self._replicas[index].paused = self._replicas[index].up

    def resume(self, index: int) -> None:
        """It goes on."""
        self._replicas[index].paused = False
        self._begin_iterations()

    def kill(self, index: int) -> None:
        """Takes a replica away with everything on it; its requests begin anew elsewhere."""
        replica = self._replicas[index]
        self._settle(replica)
        lost = sorted(
            (q for q in self._live.values() if q.replica is replica and q.where != AWAY), key=lambda q: q.slot
        )
        fresh = Replica(index, replica.role, replica.blocks, replica.cost)
        fresh.waiting = [deque() for _ in range(self._set.priorities)]
        fresh.active_ns, fresh.dynamic_nj, fresh.link_nj = replica.active_ns, replica.dynamic_nj, replica.link_nj
        self._replicas[index] = fresh
        for request in lost:
            if request.where == WAITING:
                self._waiting -= 1
            else:
                self._running -= 1
            self._lose(request)
        for request in lost:
            self._attempt(request)
        self._begin_iterations()

    def set_cost(self, index: int, cost: int) -> None:
        """Sets the cost of a replica's iterations from its next one on (a power cap has changed)."""
        self._replicas[index].cost = self._costs[cost]

    def add_cost(self, cost: StepCost) -> int:
        """Another cost of iterations; its index."""
        self._costs.append(cost)
        return len(self._costs) - 1

    def load(self, index: int) -> tuple[int, int, int, int]:
        """Load of a replica: requests waiting and running, KV blocks in use, KV blocks in all."""
        replica = self._replicas[index]
        return sum(map(len, replica.waiting)), len(replica.running), replica.used, replica.blocks

    def take_energy(self, index: int) -> tuple[int, int, int]:
        """Work since the last call, up to the last ``advance``: ns in iterations, dynamic nJ, and nJ of hand-overs."""
        replica = self._replicas[index]
        self._settle(replica)
        taken = replica.active_ns, replica.dynamic_nj, replica.link_nj
        replica.active_ns = replica.dynamic_nj = replica.link_nj = 0
        return taken

    def take_all(self) -> Ints:
        """``take_energy`` of every replica: (n, 3)."""
        return np.array([self.take_energy(i) for i in range(len(self._replicas))], dtype=np.int64)

    def take_rows(self) -> Ints:
        """Rows (n, 16) of the requests finished since the last call, columns ``ROW_COLUMNS``."""
        rows = np.array(self._rows, dtype=np.int64).reshape(-1, len(p.ROW_COLUMNS))
        self._rows = []
        return rows

    @property
    def in_system(self) -> int:
        """Number of requests neither finished nor given up, retries under way included."""
        return len(self._live)

    @property
    def backlog(self) -> int:
        """Number of requests that wait because no replica is up."""
        return len(self._backlog)

    # Time

    def _peek(self) -> int | None:
        if not self._arrivals and not self._closed:
            chunk = self._more()
            if chunk is None:
                self._closed = True
            else:
                starts = chunk.prefix_start.tolist()
                hashes = chunk.prefix_hashes.tolist()
                columns = (chunk.arrival_ns, chunk.prompt_tokens, chunk.output_tokens, chunk.session, chunk.priority)
                for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
                    self._arrivals.append((*row, tuple(hashes[starts[i] : starts[i + 1]])))
        return self._arrivals[0][0] if self._arrivals else None

    def _next(self) -> int | None:
        times = [replica.end_ns for replica in self._replicas if replica.busy]
        if self._future:
            times.append(self._future[0][0])
        if not self._set.concurrency and (arrival := self._peek()) is not None:
            times.append(arrival)
        if not self._began and self._set.concurrency:
            times.append(self._now)
        return min(times) if times else None

    def _pass(self, now: int) -> None:
        if now > self._now:
            self.counts["waiting_area_ns"] += self._waiting * (now - self._now)
            self.counts["running_area_ns"] += self._running * (now - self._now)
            self._now = now

    def _push(self, time_ns: int, kind: int, request: Request | None) -> None:
        heapq.heappush(self._future, (time_ns, self._pushed, kind, request, request.stamp if request else 0))
        self._pushed += 1

    def _happen(self, kind: int, request: Request | None, stamp: int) -> None:
        if request is None:
            if self._peek() is not None:
                self._arrive(self._arrivals.popleft())
            return
        if stamp != request.stamp or self._live.get(request.slot) is not request:
            return
        if kind == RETRY:
            self._attempt(request)
        elif kind == HANDED_OVER:
            self._handed_over(request)
        else:
            self._deadline(request)

    # Arrivals and routing

    def _arrive(self, row: tuple[int, int, int, int, int, tuple[int, ...]]) -> None:
        _, prompt, output, session, priority, hashes = row
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._slots
            self._slots += 1
        full = prompt // self._hash_tokens if self._hash_tokens else 0
        priority = min(priority, self._set.priorities - 1)
        request = Request(slot, self._ordinal, self._now, prompt, output, session, priority, hashes[:full])
        request.target = prompt
        self._live[slot] = request
        self._ordinal += 1
        self.counts["arrived"] += 1
        if self._set.kv_blocks(prompt + output + self._set.draft_tokens) > self._largest:
            self.counts["too_long"] += 1
            self._finish(request, p.REJECTED)
        else:
            self._attempt(request)

    @property
    def _hash_tokens(self) -> int:
        return self._set.hash_blocks * self._set.block_tokens

    def _attempt(self, request: Request) -> None:
        if self._set.timeout_ns >= 0:
            self._push(self._now + self._set.timeout_ns, DEADLINE, request)
        self._dispatch(request, p.PREFILL, 0)

    def _dispatch(self, request: Request, role: int, turn: int) -> None:
        replica = self._route(request, role, 4 * request.attempts + turn)
        queue_limit = self._set.queue_limit
        if replica is None:
            if queue_limit >= 0 and len(self._backlog) >= queue_limit:
                self._give_up(request, p.REJECTED)
                return
            request.where = WAITING
            request.replica = None
            self._waiting += 1
            self._backlog.append(request)
        elif queue_limit >= 0 and not request.ready and self._is_full(replica):
            self._give_up(request, p.REJECTED)
        else:
            self._assign(request, replica)
            replica.waiting[request.priority].append(request)
            self._waiting += 1
            request.where = WAITING

    def _is_full(self, replica: Replica) -> bool:
        """Whether a replica takes no more; an idle one takes one more at once, so that one never waits."""
        waiting = sum(map(len, replica.waiting))
        return waiting >= self._set.queue_limit and (replica.busy or waiting > 0)

    def _assign(self, request: Request, replica: Replica) -> None:
        request.replica = replica
        replica.assigned += 1
        replica.pending += self._pending(request)

    @staticmethod
    def _pending(request: Request) -> int:
        return 1 if request.ready else request.target - request.context

    def _route(self, request: Request, role: int, turn: int) -> Replica | None:
        choices = [r for r in self._replicas if r.up and not r.draining and r.role in (p.ANY, role)]
        if not choices:
            return None
        found = Choice(
            choices,
            request,
            seed=self._set.seed,
            turn=turn,
            following=self._next_in_turn[role],
            balance=self._set.balance_requests,
            kv_demand=lambda r: self._kv_demand(self._replicas[r.index]),
            hits=lambda r: self._hits(request, self._replicas[r.index]),
        )
        index = choose(ROUTERS[self._set.router], found, decodes=role == p.DECODE)
        self._next_in_turn[role] = index + 1
        return self._replicas[index]

    def _kv_demand(self, replica: Replica) -> int:
        waiting = sum(
            self._set.kv_blocks(q.context if q.ready else q.target) for queue in replica.waiting for q in queue
        )
        return replica.used + waiting

    # Blocks of KV cache

    def _held_blocks(self, request: Request) -> int:
        tokens = max(request.context, request.target)
        if request.padded_output:
            tokens = request.padded_prompt + request.padded_output
        return self._set.kv_blocks(tokens)

    def _hits(self, request: Request, replica: Replica) -> int:
        """Leading hashed blocks of a prompt that are in the cache; one token at least is always computed."""
        if not self._hash_tokens:
            return 0
        limit = min(len(request.hashes), (request.target - 1) // self._hash_tokens)
        hits = 0
        while hits < limit and request.hashes[hits] in replica.references:
            hits += 1
        return hits

    def _refer(self, replica: Replica, block: int) -> None:
        if replica.references[block] == 0:
            del replica.unreferenced[block]
            replica.cached -= self._set.kv_hashed
            replica.used += self._set.kv_hashed
        replica.references[block] += 1

    def _take_blocks(self, replica: Replica, blocks: int) -> None:
        replica.used += blocks
        while replica.used + replica.cached > replica.blocks:
            oldest, _ = replica.unreferenced.popitem(last=False)
            del replica.references[oldest]
            replica.cached -= self._set.kv_hashed
        self.counts["peak_blocks"] = max(self.counts["peak_blocks"], replica.used)

    def _give_back_blocks(self, request: Request, replica: Replica) -> None:
        hashed = self._set.kv_hashed
        replica.used -= self._held_blocks(request) - request.held * hashed
        for block in reversed(request.hashes[: request.held]):
            replica.references[block] -= 1
            if replica.references[block] == 0:
                replica.unreferenced[block] = None
                replica.used -= hashed
                replica.cached += hashed
        request.held = 0

    def _register_prefix(self, request: Request, replica: Replica) -> None:
        """Shares a request's computed prompt blocks from now on; a block that is there already replaces its copy."""
        for block in request.hashes[request.held :]:
            if block in replica.references:
                self._refer(replica, block)
                replica.used -= self._set.kv_hashed
            else:
                replica.references[block] = 1
            request.held += 1

    # An iteration begins

    def _begin_iterations(self) -> None:
        for replica in self._replicas:
            if not replica.busy and replica.up and not replica.paused and replica.assigned:
                self._begin(replica)

    def _begin(self, replica: Replica) -> None:
        swapped_blocks = 0
        chunks: list[tuple[Request, int]] = []
        if self._set.prefill == p.STATIC:
            if not replica.running:
                chunks = self._admit_batch(replica)
            decoding = [] if chunks else list(replica.running)
        elif self._set.prefill == p.PRIORITIZED:
            swapped_blocks += self._admit_ready(replica)
            chunks = self._admit(replica, 0)
            decoding = [] if chunks else [q for q in replica.running if q.ready]
            if decoding:
                swapped_out = self._make_room(replica)
                swapped_blocks += swapped_out
                decoding = [q for q in replica.running if q.ready]
        else:
            swapped_blocks += self._admit_ready(replica)
            before = self.counts["preemptions"]
            swapped_blocks += self._make_room(replica)
            decoding = [q for q in replica.running if q.ready]
            chunks = self._admit(replica, len(decoding), may_admit=self.counts["preemptions"] == before)
        if decoding or chunks:
            self._launch(replica, decoding, chunks, swapped_blocks)

    def _head(self, replica: Replica) -> Request | None:
        return next((queue[0] for queue in replica.waiting if queue), None)

    def _room(self, replica: Replica) -> int:
        return replica.blocks - replica.used

    def _decode_need(self, replica: Replica) -> int:
        blocks, more = self._set.kv_blocks, self._set.verified_tokens
        return sum(blocks(q.context + more) - blocks(q.context) for q in replica.running if q.ready)

    def _enter(self, replica: Replica, request: Request) -> None:
        replica.waiting[request.priority].popleft()
        self._waiting -= 1
        self._running += 1
        replica.running.append(request)
        request.where = RUNNING
        if request.scheduled_ns < 0:
            request.scheduled_ns = self._now

    def _admit_ready(self, replica: Replica) -> int:
        """Lets sequences whose context is computed join the decodes; returns the KV blocks swapped in for them."""
        swapped = 0
        while (head := self._head(replica)) is not None and head.ready:
            blocks = self._set.kv_blocks(head.context)
            spare = self._room(replica) - self._decode_need(replica) - blocks - self._set.kv_step
            watermark = self._set.watermark_blocks if replica.running else -self._set.kv_step
            if len(replica.running) >= self._set.max_num_seqs or spare < watermark:
                break
            self._enter(replica, head)
            self._take_blocks(replica, blocks)
            self._join(replica, head)
            if head.swapped:
                swapped += blocks
                head.swapped = False
        return swapped

    def _make_room(self, replica: Replica) -> int:
        """Makes room for the tokens about to be decoded, by preemption if need be; returns the blocks swapped out."""
        swapped = 0
        while (need := self._decode_need(replica)) > self._room(replica):
            order = {id(q): i for i, q in enumerate(replica.running)}
            victim = max(replica.running, key=lambda q: (q.priority, order[id(q)]))
            swapped += self._preempt(replica, victim)
        self._take_blocks(replica, need)
        return swapped

    def _preempt(self, replica: Replica, victim: Request) -> int:
        self.counts["preemptions"] += 1
        victim.preemptions += 1
        replica.pending -= self._pending(victim)
        blocks = self._held_blocks(victim)
        self._give_back_blocks(victim, replica)
        replica.running.remove(victim)
        keep = self._set.swap and victim.ready
        if victim.ready:
            self._leave_decode(replica, victim)
        if keep:
            victim.swapped = True
        else:
            victim.ready = False
            victim.target = victim.prompt + victim.emitted
            victim.context = 0
            blocks = 0
        replica.pending += self._pending(victim)
        replica.waiting[victim.priority].appendleft(victim)
        victim.where = WAITING
        self._running -= 1
        self._waiting += 1
        return blocks

    def _admit(self, replica: Replica, decodes: int, *, may_admit: bool = True) -> list[tuple[Request, int]]:
        """Chunks of prompts for this iteration: what was begun first, then from the queue while all limits allow."""
        chunked = self._set.prefill == p.CHUNKED
        budget = self._set.max_num_batched_tokens - decodes * self._set.verified_tokens
        chunks: list[tuple[Request, int]] = []
        begun = next((q for q in replica.running if not q.ready), None)
        if begun is not None:
            tokens = min(begun.target - begun.context, budget)
            if tokens > 0:
                chunks.append((begun, tokens))
                budget -= tokens
            if begun.context + tokens < begun.target:
                return chunks
        while may_admit and budget > 0 and len(replica.running) < self._set.max_num_seqs:
            head = self._head(replica)
            if head is None or head.ready:
                break
            hits = self._hits(head, replica)
            missing = head.target - hits * self._hash_tokens
            if not chunked and missing > budget and chunks:
                break  # a prompt beyond the budget comes whole, as the only one of its iteration
            revived = sum(self._set.kv_hashed for block in head.hashes[:hits] if replica.references[block] == 0)
            blocks = self._set.kv_blocks(head.target) - hits * self._set.kv_hashed
            watermark = self._set.watermark_blocks if replica.running else 0
            if self._room(replica) - revived - blocks < watermark:
                break
            self._enter(replica, head)
            for block in head.hashes[:hits]:
                self._refer(replica, block)
            head.held = hits
            head.context = hits * self._hash_tokens
            replica.pending -= head.context
            self._take_blocks(replica, blocks)
            if self._set.hash_blocks:
                self.counts["looked_up_tokens"] += head.target
                self.counts["cached_tokens"] += head.context
                head.cached = head.context
            tokens = min(missing, budget) if chunked else missing
            chunks.append((head, tokens))
            budget -= tokens
            if tokens < missing:
                break
        return chunks

    def _admit_batch(self, replica: Replica) -> list[tuple[Request, int]]:
        """A closed batch, padded to its longest prompt and output."""
        batch: list[Request] = []
        prompt = output = 0
        while (head := self._head(replica)) is not None and len(batch) < self._set.max_num_seqs:
            longer, more = max(prompt, head.prompt), max(output, head.output)
            seats = len(batch) + 1
            fits = seats * self._set.kv_blocks(longer + more) <= replica.blocks
            if batch and not (fits and seats * longer <= self._set.max_num_batched_tokens):
                break
            prompt, output = longer, more
            self._enter(replica, head)
            batch.append(head)
        for request in batch:
            request.padded_prompt, request.padded_output = prompt, output
            self._take_blocks(replica, self._held_blocks(request))
        return [(request, prompt) for request in batch]

    def _launch(
        self, replica: Replica, decoding: list[Request], chunks: list[tuple[Request, int]], swapped_blocks: int
    ) -> None:
        verified = self._set.verified_tokens
        alone = self._work([(q.context, verified) for q in decoding])
        cost = replica.cost
        only = self._cost(cost, p.DECODES, len(decoding) * verified, alone, (len(decoding), swapped_blocks, 0))
        if chunks:
            work = self._work([(self._begun(q), n) for q, n in chunks])
            prompt = sum(n for _, n in chunks)
            tokens = p.padded_tokens(cost.ranks, len(decoding) * verified, prompt, len(chunks))
            both = [a + b for a, b in zip(alone, work, strict=True)]
            members = (len(decoding) + len(chunks), swapped_blocks, len(chunks))
            total = self._cost(cost, p.BOTH if decoding else p.PROMPTS, tokens, both, members)
        else:
            total = only
        span = replica.remainder + max(total[:3])
        replica.remainder = span & ((1 << p.FRACTION_BITS) - 1)
        replica.start_ns, replica.end_ns = self._now, self._now + (span >> p.FRACTION_BITS)
        replica.nominal_ns = max(total[:3]) >> p.FRACTION_BITS
        replica.busy = True
        replica.decoding, replica.chunks = decoding, chunks
        replica.energy_nj = total[p.ENERGY]
        replica.decode_only = (max(only[:3]) >> p.FRACTION_BITS, only[p.ENERGY])
        replica.own_nj_per_read = int(cost.slope[p.ENERGY, p.PAIR] + cost.slope[p.ENERGY, p.READ])
        replica.booked_ns = replica.booked_nj = 0
        replica.reads, replica.window_reads = alone[p.READ], alone[p.WINDOW_READ]

    def _begun(self, request: Request) -> int:
        return 0 if request.padded_output else request.context

    def _work(self, parts: list[tuple[int, int]]) -> list[int]:
        """Pairs and reads, without and with a window, of new tokens (second) on a context (first) of each sequence."""
        work = [0, 0, 0, 0]
        for context, new in parts:
            work[p.PAIR] += new * context + new * (new + 1) // 2
            work[p.READ] += context + new
            if self._set.window:
                work[p.WINDOW_PAIR] += sum(self._set.within(context + i) for i in range(1, new + 1))
                work[p.WINDOW_READ] += self._set.within(context + 1) + new - 1
        return work

    @staticmethod
    def _cost(cost: StepCost, what: int, tokens: int, work: list[int], members: tuple[int, int, int]) -> list[int]:
        """``members``: sequences, swapped blocks, and chunks of prompts."""
        parts = [*work, *members]
        return [
            int(cost.table[what, tokens, row])
            + sum(int(slope) * part for slope, part in zip(cost.slope[row], parts, strict=True))
            for row in range(4)
        ]

    # An iteration ends

    def _settle(self, replica: Replica) -> None:
        """Books the part of the present iteration that is over."""
        if not replica.busy:
            return
        elapsed = self._now - replica.start_ns
        so_far = int(replica.energy_nj * (elapsed / (replica.end_ns - replica.start_ns)))
        replica.active_ns += elapsed - replica.booked_ns
        replica.dynamic_nj += so_far - replica.booked_nj
        replica.booked_ns, replica.booked_nj = elapsed, so_far

    def _end(self, replica: Replica) -> None:
        self._settle(replica)
        replica.busy = False
        decoding, chunks = replica.decoding, replica.chunks
        self._share_out(replica, decoding, chunks)
        self.counts["iterations"] += 1
        prompt_tokens = sum(tokens for _, tokens in chunks)
        what = len(decoding), len(chunks), prompt_tokens, replica.energy_nj
        self._iterations.note(replica.index, replica.start_ns, replica.end_ns, *what)
        if decoding:
            self.counts["kv_iterations"] += 1
            self.counts["kv_tokens"] += replica.reads
            self.counts["kv_window_tokens"] += replica.window_reads
            self.counts["kv_sequences"] += len(decoding)
            if not chunks:
                self.counts["decode_iteration_ns"] += replica.end_ns - replica.start_ns
                self._sketch("decode_iteration", replica.nominal_ns)
        finished: list[Request] = []
        for request in decoding:
            tokens = self._emit(request)
            self._gap(request, replica.start_ns - request.last_ns + replica.nominal_ns, tokens)
            over = self._set.kv_blocks(request.context + self._set.verified_tokens)
            request.context += tokens
            if not request.padded_output:
                replica.used -= over - self._set.kv_blocks(request.context)
            request.emitted += tokens
            self.counts["decoded_tokens"] += tokens
            if request.emitted >= (request.padded_output or request.output):
                finished.append(request)
        completed = sorted((q for q in finished if not q.abandoned), key=lambda q: q.slot)
        for request in sorted((q for q in decoding if q.abandoned), key=lambda q: q.slot):
            self._drop(replica, request)
        for request in completed:
            self._depart(replica, request)
            self._finish(request, p.COMPLETED)
        for request, tokens in chunks:
            self._chunk_done(replica, request, tokens)

    def _gap(self, request: Request, gap_ns: int, tokens: int) -> None:
        """Notes that a step has brought ``tokens``, the first after a gap, the others with it."""
        self._sketch("step_gap", gap_ns)
        self._sketch("itl", gap_ns)
        for _ in range(tokens - 1):
            self._sketch("itl", 0)
        request.steps += 1
        request.last_ns = self._now

    def _emit(self, request: Request) -> int:
        if not self._set.draft_tokens:
            return 1
        chance = draw(self._set.seed, request.ordinal, (1 << 33) + request.turns) >> 11
        request.turns += 1
        accepted = sum(chance < bound for bound in self._set.accept)
        return min(1 + accepted, request.output - request.emitted)

    def _share_out(self, replica: Replica, decoding: list[Request], chunks: list[tuple[Request, int]]) -> None:
        """Splits the iteration's time and energy between those in it; what does not divide is carried."""
        time_ns, energy_nj = replica.end_ns - replica.start_ns, replica.energy_nj
        if decoding:
            decode_ns, decode_nj = (time_ns, energy_nj) if not chunks else replica.decode_only
            own = [replica.own_nj_per_read * (q.context + 1) for q in decoding]
            for request, nj in zip(decoding, own, strict=True):
                request.own_reads += nj
            share, replica.rest_ns = divmod(replica.rest_ns + decode_ns, len(decoding))
            replica.share_ns += share
            share, replica.rest_nj = divmod(replica.rest_nj + decode_nj - sum(own), len(decoding))
            replica.share_nj += share
            time_ns, energy_nj = time_ns - decode_ns, energy_nj - decode_nj
        total = sum(n for _, n in chunks)
        before = 0
        for request, tokens in chunks:
            after = before + tokens
            request.prefill_ns += time_ns * after // total - time_ns * before // total
            request.prefill_nj += energy_nj * after // total - energy_nj * before // total
            before = after

    def _chunk_done(self, replica: Replica, request: Request, tokens: int) -> None:
        self.counts["prefilled_tokens"] += tokens
        if request.padded_output:
            replica.pending -= request.target
            request.context = request.padded_prompt
        else:
            replica.pending -= tokens
            request.context += tokens
        if request.abandoned:
            self._drop(replica, request, pending=0 if request.padded_output else request.target - request.context)
            return
        if not request.padded_output and request.context < request.target:
            return
        if self._hash_tokens:
            self._register_prefix(request, replica)
        request.emitted += 1
        self.counts["first_tokens"] += 1
        if request.first_ns < 0:
            request.first_ns = request.last_ns = self._now
        else:
            self._gap(request, self._now - request.last_ns, 1)
        request.ready = True
        replica.pending += 1
        if request.emitted >= (request.padded_output or request.output):
            self._depart(replica, request, decoding=False)
            self._finish(request, p.COMPLETED)
        elif replica.role == p.PREFILL:
            self._hand_over(replica, request)
        else:
            self._join(replica, request)

    def _join(self, replica: Replica, request: Request) -> None:
        request.acc_ns, request.acc_nj = replica.share_ns, replica.share_nj
        request.own_reads = 0

    def _leave_decode(self, replica: Replica, request: Request) -> None:
        request.decode_ns += replica.share_ns - request.acc_ns
        request.decode_nj += replica.share_nj - request.acc_nj + request.own_reads

    def _depart(self, replica: Replica, request: Request, *, decoding: bool = True) -> None:
        """Takes a sequence out of the batch, with its blocks."""
        if decoding and request.ready:
            self._leave_decode(replica, request)
        self._give_back_blocks(request, replica)
        replica.running.remove(request)
        replica.pending -= 1 if request.ready else 0
        replica.assigned -= 1
        self._running -= 1

    def _drop(self, replica: Replica, request: Request, pending: int = 0) -> None:
        """Takes a sequence whose client has gone out of the batch."""
        replica.pending -= pending
        self._depart(replica, request)
        self._give_up(request, p.TIMED_OUT)

    # Disaggregation

    def _hand_over(self, replica: Replica, request: Request) -> None:
        replica.running.remove(request)
        replica.pending -= 1
        replica.assigned -= 1
        request.where = MOVING
        begin = max(self._now, replica.link_free_ns)
        fraction = request.context * self._set.transfer_per_token
        fraction += min(request.context, self._set.window) * self._set.transfer_per_window_token
        replica.link_free_ns = begin + self._set.transfer_ns + (fraction >> p.FRACTION_BITS)
        self._push(replica.link_free_ns, HANDED_OVER, request)

    def _handed_over(self, request: Request) -> None:
        source = request.replica
        assert source is not None
        self._give_back_blocks(request, source)
        energy_nj = self._set.transfer_nj + request.context * self._set.transfer_nj_per_token
        energy_nj += min(request.context, self._set.window) * self._set.transfer_nj_per_window_token
        source.link_nj += energy_nj
        request.prefill_nj += energy_nj
        self.counts["transferred_tokens"] += request.context
        self._running -= 1
        request.where = AWAY
        if request.abandoned:
            self._give_up(request, p.TIMED_OUT)
            return
        if not any(r.up and not r.draining and r.role in (p.ANY, p.DECODE) for r in self._replicas):
            self._lose(request)
            self._attempt(request)
            return
        self._dispatch(request, p.DECODE, 1)

    # The end of a request

    def _deadline(self, request: Request) -> None:
        if request.where == WAITING:
            replica = request.replica
            self._waiting -= 1
            if replica is None:
                self._backlog.remove(request)
            else:
                replica.waiting[request.priority].remove(request)
                replica.pending -= self._pending(request)
                replica.assigned -= 1
            self._give_up(request, p.TIMED_OUT)
        elif request.where in (RUNNING, MOVING):
            request.abandoned = True

    def _reset(self, request: Request) -> None:
        """Puts a request back into the state in which it arrived; only its history is kept."""
        request.where, request.replica = AWAY, None
        request.scheduled_ns = request.first_ns = request.last_ns = -1
        request.emitted = request.context = request.held = request.own_reads = request.steps = 0
        request.target = request.prompt
        request.padded_prompt = request.padded_output = 0
        request.ready = request.swapped = request.abandoned = False

    def _lose(self, request: Request) -> None:
        """Sends a request that a machine lost again at once, with a deadline of its own."""
        self.counts["killed"] += 1
        self.counts["wasted_tokens"] += request.emitted
        request.stamp += 1
        self._reset(request)

    def _give_up(self, request: Request, status: int) -> None:
        """Ends an attempt whose client gives up; it may try again."""
        self.counts["wasted_tokens"] += request.emitted
        if request.attempts <= self._set.retries:
            self.counts["retries"] += 1
            request.attempts += 1
            request.stamp += 1
            self._reset(request)
            self._push(self._now + self._set.backoff_ns, RETRY, request)
        else:
            self._finish(request, status)

    def _finish(self, request: Request, status: int) -> None:
        counts = self.counts
        if status == p.COMPLETED:
            counts["completed"] += 1
            counts["prompt_tokens"] += request.prompt
            counts["output_tokens"] += request.output
            if request.padded_output:
                counts["wasted_tokens"] += request.padded_output - request.output
            self._judge(request)
        else:
            counts["rejected" if status == p.REJECTED else "timed_out"] += 1
        counts["prefill_share_ns"] += request.prefill_ns
        counts["decode_share_ns"] += request.decode_ns
        counts["prefill_share_nj"] += request.prefill_nj
        counts["decode_share_nj"] += request.decode_nj
        if self._set.rows:
            replica = request.replica.index if request.replica is not None else -1
            times = (request.arrival_ns, request.scheduled_ns, request.first_ns, self._now)
            tokens = (request.prompt, request.output, request.cached, request.preemptions, request.attempts)
            shares = (request.prefill_ns, request.decode_ns, request.prefill_nj, request.decode_nj)
            self._rows.append((request.ordinal, status, *times, replica, *tokens, *shares))
        del self._live[request.slot]
        self._free.append(request.slot)
        if self._set.concurrency:
            self._push(self._now + self._set.think_ns, USER, None)

    def _judge(self, request: Request) -> None:
        counts, settings = self.counts, self._set
        ttft_ns, e2e_ns = request.first_ns - request.arrival_ns, self._now - request.arrival_ns
        self._observe("ttft", ttft_ns)
        self._observe("e2e", e2e_ns)
        self._observe("queueing", request.scheduled_ns - request.arrival_ns)
        counts["itl_ns"] += self._now - request.first_ns
        counts["itl_count"] += request.emitted - 1
        counts["step_gap_count"] += request.steps
        tpot_ns = 0
        if request.output > 1:
            tpot_ns = (self._now - request.first_ns) // (request.output - 1)
            self._observe("tpot", tpot_ns)
            counts["tpot_count"] += 1
        counts["good"] += all(
            limit < 0 or value <= limit
            for value, limit in (
                (ttft_ns, settings.slo_ttft_ns),
                (tpot_ns, settings.slo_tpot_ns),
                (e2e_ns, settings.slo_e2e_ns),
            )
        )

    def _observe(self, name: str, value_ns: int) -> None:
        self.counts[f"{name}_ns"] += value_ns
        self._sketch(name, value_ns)

    def _sketch(self, name: str, value_ns: int) -> None:
        self.sketches[p.SKETCHES.index(name), p.sketch_bucket(value_ns)] += 1
