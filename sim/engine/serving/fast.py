"""The compiled pool: lays out the kernel's arrays, feeds it arrivals, and grows what has become too small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim.engine.serving import kernel as k
from sim.engine.serving import plan as p
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.workload.requests import RequestChunk

FIRST_SLOTS = 1024
FIRST_ROWS = 1 << 14


class FastPool:
    """Replicas behind one router, as ``ReferencePool``, advanced by a compiled loop."""

    def __init__(
        self,
        settings: Settings,
        costs: Sequence[StepCost],
        roles: Sequence[int],
        cost_of: Sequence[int],
        kv_blocks: Sequence[int],
        more: Callable[[], RequestChunk | None],
    ) -> None:
        self._set = settings
        self._more = more
        self._replicas = len(roles)
        self._counted = dict.fromkeys(p.COUNTS, 0)
        self._rows: list[Ints] = []
        self._hashes_used = 0
        n, classes = self._replicas, settings.priorities
        tree = 1 << max(0, (n - 1).bit_length())
        seats = settings.max_num_seqs
        entries = sum(kv_blocks) // settings.hash_blocks + n if settings.hash_blocks else 0
        buckets = 1 << max(4, (2 * entries).bit_length())
        tokens = max(cost.table.shape[1] for cost in costs)
        sizes = {
            k.O_SKETCH: len(p.SKETCHES) * p.SKETCH_SIZE,
            k.O_TREE: 2 * tree,
            k.O_UP: 3 * n,
            k.O_ASSIGNED: n,
            k.O_PENDING: n,
            k.O_WAIT_HEAD: n * classes,
            k.O_WAIT_TAIL: n * classes,
            k.O_RUN_HEAD: n * classes,
            k.O_RUN_TAIL: n * classes,
            k.O_RESIDUE: n * settings.block_tokens,
            k.O_HEAP: n * (2 * seats + 16),
            k.O_CHUNK: 2 * n * seats,
            k.O_COST: len(costs) * (k.PAGE_HEAD + 12 * tokens),
            k.O_FUTURE: (seats + 64 + settings.concurrency) * k.FUTURE_WIDTH,
            k.O_FREE: FIRST_SLOTS,
            k.O_ARRIVAL: 0,
            k.O_ROW: (FIRST_ROWS + seats if settings.rows else seats + 16) * k.ROW_WIDTH,
            k.O_TOUCHED: n,
            k.O_BUCKET: buckets if entries else 0,
            k.O_ENTRY: entries * k.ENTRY_WIDTH,
            k.O_HASH: 0,
            k.O_ACCEPT: settings.draft_tokens,
            k.O_SENT: FIRST_SLOTS,
        }
        self._sizes = sizes
        self._m: Ints = np.zeros(k.HEAD + sum(sizes.values()), dtype=np.int64)
        at = k.HEAD
        for region, size in sizes.items():
            self._m[region] = at
            at += size
        self._s: Ints = np.zeros((FIRST_SLOTS, k.SW), dtype=np.int64)
        self._r: Ints = np.zeros((n, k.RW), dtype=np.int64)
        m, size = self._m, settings.block_tokens
        stated = {
            k.MAX_SEQS: seats,
            k.BUDGET: settings.max_num_batched_tokens,
            k.PREFILL: settings.prefill,
            k.BLOCK: settings.block_tokens,
            k.WATERMARK: settings.watermark_blocks,
            k.SWAP: settings.swap,
            k.HASH_BLOCKS: settings.hash_blocks,
            k.WINDOW: settings.window,
            k.DRAFT: settings.draft_tokens,
            k.ROUTER: settings.router,
            k.BALANCE: settings.balance_requests,
            k.QUEUE_LIMIT: settings.queue_limit,
            k.TIMEOUT: settings.timeout_ns,
            k.RETRIES: settings.retries,
            k.BACKOFF: settings.backoff_ns,
            k.CLASSES: classes,
            k.CONCURRENCY: settings.concurrency,
            k.THINK: settings.think_ns,
            k.HAND_NS: settings.transfer_ns,
            k.HAND_PER_TOKEN: settings.transfer_per_token,
            k.HAND_NJ: settings.transfer_nj_per_token,
            k.SLO_TTFT: settings.slo_ttft_ns,
            k.SLO_TPOT: settings.slo_tpot_ns,
            k.SLO_E2E: settings.slo_e2e_ns,
            k.SEED: settings.seed,
            k.ROWS: settings.rows,
            k.REPLICAS: n,
            k.LARGEST: p.largest_request(roles, kv_blocks),
            k.TREE_SIZE: tree,
            k.HEAP_CAP: 2 * seats + 16,
            k.FUTURE_CAP: sizes[k.O_FUTURE] // k.FUTURE_WIDTH,
            k.ROW_CAP: sizes[k.O_ROW] // k.ROW_WIDTH,
            k.COST_TOKENS: tokens,
            k.BUCKETS: buckets,
            k.SLOT_CAP: FIRST_SLOTS,
            k.BLOCK_SHIFT: size.bit_length() - 1 if size & (size - 1) == 0 else -1,
            k.BACK_HEAD: -1,
            k.BACK_TAIL: -1,
        }
        for index, value in stated.items():
            m[index] = value
        self._region(k.O_TREE)[:] = k.NEVER
        for region in (k.O_WAIT_HEAD, k.O_WAIT_TAIL, k.O_RUN_HEAD, k.O_RUN_TAIL, k.O_BUCKET):
            self._region(region)[:] = -1
        self._region(k.O_ACCEPT)[:] = settings.accept
        links = self._region(k.O_ENTRY).reshape(-1, k.ENTRY_WIDTH)
        links[:, k.E_CHAIN] = np.arange(1, len(links) + 1)
        self._pages = [int(m[k.O_COST]) + i * (k.PAGE_HEAD + 12 * tokens) for i in range(len(costs))]
        for page, cost in zip(self._pages, costs, strict=True):
            m[page : page + k.DECODE_SLOPE] = cost.slope.ravel()
            m[page + k.DECODE_SLOPE :][:4] = cost.slope[:, p.PAIR] + cost.slope[:, p.READ]
            m[page + k.DECODE_SLOPE :][4:8] = cost.slope[:, p.WINDOW_PAIR] + cost.slope[:, p.WINDOW_READ]
            m[page + k.RANKS] = cost.ranks
            table = m[page + k.PAGE_HEAD :][: 12 * tokens].reshape(3, tokens, 4)
            table[:, : cost.table.shape[1]] = cost.table
        r = self._r
        r[:, k.R_ROLE], r[:, k.R_BLOCKS] = roles, kv_blocks
        r[:, k.R_COST] = [self._pages[cost] for cost in cost_of]
        r[:, k.R_END] = k.NEVER
        r[:, k.R_LRU_HEAD] = r[:, k.R_LRU_TAIL] = r[:, k.R_BEGUN] = -1

    # What the control plane does and sees

    def advance(self, until_ns: int) -> None:
        """Everything up to and including ``until_ns``."""
        while (reason := self._call(k.ADVANCE, until_ns)) != k.DONE:
            if reason == k.NEED_ARRIVALS:
                self._feed()
            elif reason == k.NEED_SLOTS:
                self._grow_slots()
            elif reason == k.NEED_FUTURE:
                self._grow_future(0)
            else:
                self._flush_rows()
        self._drain_counts()

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1. Cuts no run short."""
        m = self._m
        times = [int(m[m[k.O_TREE] + 1])]
        if m[k.N_FUTURE]:
            times.append(int(m[m[k.O_FUTURE]]))
        if not self._set.concurrency:
            if m[k.NEXT_ARRIVAL] == m[k.ARRIVALS] and not m[k.CLOSED]:
                self._feed()
            if m[k.NEXT_ARRIVAL] < m[k.ARRIVALS]:
                times.append(int(m[m[k.O_ARRIVAL] + m[k.NEXT_ARRIVAL]]))
        elif not m[k.BEGAN]:
            times.append(int(m[k.NOW]))
        earliest = min(times)
        return -1 if earliest == k.NEVER else earliest

    def start(self, index: int) -> None:
        """The replica is up from now on; what waited for one is handed out."""
        self._r[index, k.R_UP], self._r[index, k.R_DRAINING] = 1, 0
        self._list_up()
        self._make_room_for(int(self._m[k.BACK_N]))
        self._call(k.HAND_OUT)

    def drain(self, index: int) -> None:
        """The replica finishes what it has and is given nothing more."""
        self._r[index, k.R_DRAINING] = 1
        self._list_up()

    def kill(self, index: int) -> None:
        """The replica is gone with everything on it; its requests begin anew elsewhere."""
        lost = self._call(k.KILL, index)
        self._list_up()
        self._make_room_for(lost)
        self._call(k.SEND_AGAIN, lost)

    def set_cost(self, index: int, cost: int) -> None:
        """From its next iteration on the replica runs at another cost (a power cap has changed)."""
        self._call(k.SETTLE, index)
        self._r[index, k.R_COST] = self._pages[cost]

    def load(self, index: int) -> tuple[int, int, int, int]:
        """Requests waiting and running on a replica, KV blocks in use, KV blocks in all."""
        self._call(k.SETTLE, index)
        row = self._r[index]
        return int(row[k.R_WAITING]), int(row[k.R_RUNNING]), int(row[k.R_USED]), int(row[k.R_BLOCKS])

    def take_energy(self, index: int) -> tuple[int, int, int]:
        """Since the last call, up to the last ``advance``: ns in iterations, their dynamic nJ, and nJ of hand-overs."""
        self._call(k.SETTLE, index)
        columns = [k.R_ACTIVE_NS, k.R_DYNAMIC, k.R_LINK]
        active_ns, dynamic_nj, link_nj = (int(value) for value in self._r[index, columns])
        self._r[index, columns] = 0
        return active_ns, dynamic_nj, link_nj

    def take_rows(self) -> Ints:
        """Rows (n, 16) of the requests finished since the last call, columns ``ROW_COLUMNS``."""
        self._flush_rows()
        rows = np.concatenate(self._rows) if self._rows else np.zeros((0, k.ROW_WIDTH), dtype=np.int64)
        self._rows = []
        return rows

    @property
    def counts(self) -> dict[str, int]:
        """What has been counted so far, by the names of ``COUNTS``."""
        self._drain_counts()
        return dict(self._counted)

    @property
    def sketches(self) -> Ints:
        """Log-linear sketches (7, SKETCH_SIZE) of ``SKETCHES``."""
        found = self._region(k.O_SKETCH).reshape(len(p.SKETCHES), p.SKETCH_SIZE).copy()
        if not self._set.draft_tokens:  # a step brings one token: the kernel tells the two apart only where they differ
            found[p.SKETCHES.index("step_gap")] = found[p.SKETCHES.index("itl")]
        return found

    @property
    def in_system(self) -> int:
        """Requests neither finished nor given up, retries under way included."""
        return int(self._m[k.N_SLOTS] - self._m[k.N_FREE])

    @property
    def backlog(self) -> int:
        """Requests that wait because no replica is up."""
        return int(self._m[k.BACK_N])

    # Memory

    def _call(self, command: int, argument: int = 0) -> int:
        addresses = self._s.ctypes.data, self._r.ctypes.data, self._m.ctypes.data
        return int(k.call(*addresses, command, argument))

    def _region(self, region: int) -> Ints:
        at = int(self._m[region])
        return self._m[at : at + self._sizes[region]]

    def _resize(self, region: int, size: int) -> None:
        """Lays the regions out anew with one of them larger; contents move with them."""
        old, before = self._m, dict(self._sizes)
        self._sizes[region] = size
        self._m = np.zeros(k.HEAD + sum(self._sizes.values()), dtype=np.int64)
        self._m[: k.HEAD] = old[: k.HEAD]
        at = k.HEAD
        for name, now in self._sizes.items():
            self._m[name] = at
            kept = min(before[name], now)
            self._m[at : at + kept] = old[old[name] : old[name] + kept]
            at += now

    def _grow_slots(self) -> None:
        count = 2 * len(self._s)
        if count > 1 << 24:
            raise MemoryError("more than 16 million requests are in the system at once: the service is overloaded")
        larger = np.zeros((count, k.SW), dtype=np.int64)
        larger[: len(self._s)] = self._s
        self._s = larger
        self._resize(k.O_FREE, count)
        self._resize(k.O_SENT, count)
        self._m[k.SLOT_CAP] = count

    def _grow_future(self, more: int) -> None:
        capacity = 2 * int(self._m[k.FUTURE_CAP]) + more
        self._resize(k.O_FUTURE, capacity * k.FUTURE_WIDTH)
        self._m[k.FUTURE_CAP] = capacity

    def _make_room_for(self, requests: int) -> None:
        """For as many requests sent again, each of which may be rejected, retried or given a deadline."""
        if self._m[k.N_FUTURE] + 2 * requests + 8 > self._m[k.FUTURE_CAP]:
            self._grow_future(2 * requests)
        self._flush_rows()
        if requests + 8 > self._m[k.ROW_CAP]:
            self._resize(k.O_ROW, (requests + FIRST_ROWS) * k.ROW_WIDTH)
            self._m[k.ROW_CAP] = requests + FIRST_ROWS

    def _flush_rows(self) -> None:
        count = int(self._m[k.N_ROWS])
        if count:
            self._rows.append(self._region(k.O_ROW).reshape(-1, k.ROW_WIDTH)[:count].copy())
            self._m[k.N_ROWS] = 0

    def _drain_counts(self) -> None:
        """Sums move to Python's integers, so that none of them can overflow."""
        m = self._m
        for i, name in enumerate(p.COUNTS):
            at = k.COUNT0 + i
            if name == "peak_blocks":
                self._counted[name] = int(m[at])
            elif m[at]:
                self._counted[name] += int(m[at])
                m[at] = 0

    def _feed(self) -> None:
        chunk = self._more()
        if chunk is None:
            self._m[k.CLOSED] = 1
            return
        n = len(chunk.arrival_ns)
        if n * k.ARRIVAL_WIDTH > self._sizes[k.O_ARRIVAL]:
            self._resize(k.O_ARRIVAL, n * k.ARRIVAL_WIDTH)
        hashed = bool(self._set.hash_blocks)
        if hashed:
            self._place_hashes(len(chunk.prefix_hashes))
        columns = self._region(k.O_ARRIVAL)[: n * k.ARRIVAL_WIDTH].reshape(k.ARRIVAL_WIDTH, n)
        columns[0] = chunk.arrival_ns
        columns[1] = chunk.prompt_tokens
        columns[2] = chunk.output_tokens
        columns[3] = chunk.session
        columns[4] = chunk.priority
        if hashed:
            columns[5] = self._hashes_used + chunk.prefix_start[:-1]
            columns[6] = np.diff(chunk.prefix_start)
            place = self._region(k.O_HASH)
            place[self._hashes_used : self._hashes_used + len(chunk.prefix_hashes)] = chunk.prefix_hashes
            self._hashes_used += len(chunk.prefix_hashes)
        self._m[k.NEXT_ARRIVAL], self._m[k.ARRIVALS] = 0, n
        self._drain_counts()

    def _place_hashes(self, more: int) -> None:
        """Room for the hashes of new arrivals: those of finished requests are forgotten, then the region grows."""
        if self._hashes_used + more <= self._sizes[k.O_HASH]:
            return
        live = np.flatnonzero((self._s[:, k.S_LIVE] == 1) & (self._s[:, k.S_HASHES] > 0))
        start, lengths = self._s[live, k.S_HASH], self._s[live, k.S_HASHES]
        upto = np.cumsum(lengths)
        at = int(upto[-1]) if len(live) else 0
        place = self._region(k.O_HASH)
        place[:at] = place[np.repeat(start - upto + lengths, lengths) + np.arange(at)]
        self._s[live, k.S_HASH] = upto - lengths
        self._hashes_used = at
        if at + more > self._sizes[k.O_HASH]:
            self._resize(k.O_HASH, 2 * (at + more))

    def _list_up(self) -> None:
        r, n = self._r, self._replicas
        free = (r[:, k.R_UP] == 1) & (r[:, k.R_DRAINING] == 0)
        lists = self._region(k.O_UP).reshape(3, n)
        for role in (p.ANY, p.PREFILL, p.DECODE):
            fitting = np.flatnonzero(free & np.isin(r[:, k.R_ROLE], (p.ANY, role)))
            lists[role, : len(fitting)] = fitting
            self._m[k.UP0 + role] = len(fitting)
