"""The compiled pool: lays out the kernel's memories, feeds it arrivals, and grows what has become too small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.kernels.loading import SERVING, loaded
from sim.engine.serving import plan as p
from sim.engine.serving import records as k
from sim.engine.serving.layout import LINE, WORD, in_lines
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.workload.requests import RequestChunk
from sim.workload.routers import ROUTERS

FIRST_SLOTS = 1024
MOST_SLOTS = 1 << 24  # a slot is a part of a key of 64 bits
HASHES_AT_ONCE = 1 << 16
FIRST_ROWS = 1 << 14
FIRST_BUCKETS = 1 << 12
FEWEST_APART = 64
"""Replicas: of fewer all that is kept stays in the processor's caches, in whatever order they are followed."""
COSTS = {"compute": p.COMPUTE, "memory": p.MEMORY, "capped": p.CAPPED, "energy": p.ENERGY}
COMPARED = {"round-robin": 0, "random": 0, "power-of-two": 0, "fewest-tokens": k.BY_TOKENS, "least-kv": k.BY_KV}
"""What routers compare of all replicas, where it is not the number of their requests."""
SLOPES = {
    "pair": p.PAIR,
    "read": p.READ,
    "window_pair": p.WINDOW_PAIR,
    "window_read": p.WINDOW_READ,
    "sequence": p.SEQUENCE,
    "block": p.BLOCK,
    "chunk": p.CHUNK,
}
"""Names of a cost's fields, and where ``plan`` has them in its arrays."""
DONE_NS = p.ROW_COLUMNS.index("done_ns")
DRAWN = ("active_ns", "dynamic_nj", "link_nj")
"""What a replica keeps of its work until it is asked."""


call = loaded(SERVING)


def _in_lines(count: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rows of zeros that begin with a line of the processor's caches."""
    return _from_line(np.zeros(count * kind.itemsize + LINE, np.uint8), count, kind)


def _from_line(owner: npt.NDArray[np.uint8], count: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rows in the bytes of ``owner``, from where the first line begins."""
    begin = -owner.ctypes.data % LINE
    return owner[begin : begin + count * kind.itemsize].view(kind)


class FastPool:
    """Replicas behind one router, as ``ReferencePool``, advanced by a compiled loop.

    ``_pool`` is the ``records.Pool``; ``_rows`` holds the rows of each of its fields that is an address.
    """

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
        self._counted = dict.fromkeys(p.COUNTS, 0)
        self._taken: list[Ints] = []
        self._hashes_used = 0
        self._unknown = False  # more may come, of which nothing is known yet
        self._owned: list[npt.NDArray[Any]] = []
        self._rows: dict[str, npt.NDArray[Any]] = {}
        memory = np.zeros(1, k.Pool.dtype)
        self._address = memory.ctypes.data
        self._pool = memory[0]
        self._counts = memory["counts"].view(np.int64)  # by the places of ``COUNTS``
        n, seats, size = len(roles), settings.max_num_seqs, settings.block_tokens
        leaves = 1 << max(0, (n - 1).bit_length())
        entries = sum(kv_blocks) // settings.kv_hashed + n if settings.hash_blocks else 0
        most_buckets = 1 << max(4, (2 * entries).bit_length())
        buckets = min(most_buckets, FIRST_BUCKETS)
        future = seats + 64 + settings.concurrency
        finished = FIRST_ROWS + seats if settings.rows else seats + 16
        apart = n >= FEWEST_APART and all(role == p.ANY for role in roles) and settings.timeout_ns < 0
        apart = apart and not settings.concurrency
        compared = COMPARED.get(ROUTERS[settings.router], k.BY_REQUESTS)
        balances = compared and ROUTERS[settings.router] == "prefix-affinity"
        stated = {name: value for name, value in asdict(settings).items() if name != "accept"} | {
            "block_shift": size.bit_length() - 1 if size & (size - 1) == 0 else -1,
            "kv_step": settings.kv_step,
            "kv_hashed": settings.kv_hashed,
            "largest": p.largest_request(roles, kv_blocks),
            "slots_room": FIRST_SLOTS,
            "n_leaves": leaves,
            "compared": compared,
            "balances": balances,
            "future_room": future,
            "finishes_room": 2 * seats + 16,
            "n_buckets": buckets,
            "most_buckets": most_buckets,
            "finished_room": finished,
            "n_replicas": n,
            "apart": apart,
            "followed": -1,
            "ended_room": FIRST_ROWS if apart else 0,
            "backlog": (-1, -1),
        }
        for name, value in stated.items():
            self._pool[name] = value
        rows = {
            "accept": settings.draft_tokens,
            "requests": FIRST_SLOTS,
            "seats": FIRST_SLOTS,
            "free_seats": FIRST_SLOTS,
            "free": FIRST_SLOTS,
            "sent": FIRST_SLOTS,
            "hashes": 0,
            "replicas": n,
            "open": 3,
            "touched": n,
            "loads": n,
            "ends": 2 * leaves,
            "weights": 6 * leaves if compared else 0,
            "heaviest": 6 * leaves if balances else 0,
            "future": future,
            "buckets": buckets if entries else 0,
            "entries": entries,
            "key_buckets": buckets if entries and balances else 0,
            "aside": n if balances else 0,
            "sketch": len(p.SKETCHES) * p.SKETCH_SIZE,
            "finished": finished,
            "ended": FIRST_ROWS if apart else 0,
        }
        for name, count in rows.items():
            self._place(name, _in_lines(count, k.Pool.rows[name]))
        self._rows["accept"][:] = settings.accept
        for tree in ("ends", "weights", "heaviest"):
            self._rows[tree][:] = k.NEVER
        self._costs: Ints = self._lay_costs(costs)
        self._open: Ints = np.zeros((3, n), dtype=np.int64)
        self._rows["open"]["replicas"] = self._addresses(self._open)
        self._lay_replicas(roles, cost_of, kv_blocks)
        self._words: memoryview[int] = self._rows["replicas"].view(np.int64).data  # read in half the time of fields
        fields = {name: place[1] // WORD for name, place in (k.Replica.dtype.fields or {}).items()}
        self._width, self._drawn = k.Replica.dtype.itemsize // WORD, tuple(fields[name] for name in DRAWN)
        self._columns = self._rows["replicas"].view(np.int64).reshape(n, self._width)

    def _lay_costs(self, costs: Sequence[StepCost]) -> Ints:
        laid = np.zeros(len(costs), k.Cost.dtype)
        for cost, row in zip(costs, laid, strict=True):
            self._lay_cost(cost, row)
        return self._addresses(laid)

    def _lay_cost(self, cost: StepCost, row: np.void) -> None:
        row["ranks"] = cost.ranks
        for name, i in COSTS.items():
            slope, stated = row[name], cost.slope[i]
            for of, j in SLOPES.items():
                slope[of] = stated[j]
            slope["decode"] = stated[p.PAIR] + stated[p.READ]
            slope["window_decode"] = stated[p.WINDOW_PAIR] + stated[p.WINDOW_READ]
        for content, name in ((p.DECODES, "decodes"), (p.PROMPTS, "prompts"), (p.BOTH, "both")):
            row[name] = self._own(np.array(cost.table[content], np.int64, order="C"))

    def _lay_replicas(self, roles: Sequence[int], cost_of: Sequence[int], kv_blocks: Sequence[int]) -> None:
        r, n = self._rows["replicas"], len(roles)
        r["index"] = np.arange(n)
        r["load"] = self._addresses(self._rows["loads"])
        r["role"], r["cost"], r["blocks"] = roles, self._costs[list(cost_of)], kv_blocks
        r["end_ns"] = k.NEVER
        r["lru_head"] = r["lru_tail"] = r["begun"] = r["first_chunk"] = r["last_chunk"] = -1
        # The rows of a replica lie side by side: what is used of them at a time are a few lines.
        counts = {
            "waiting": self._set.priorities,
            "running": self._set.priorities,
            "residue": self._set.block_tokens,
            "finishes": int(self._pool["finishes_room"]),
        }
        fields = [(name, k.Replica.rows[name], (count,)) for name, count in counts.items()]
        laid = _in_lines(n, in_lines(np.dtype(fields, align=True)))
        for name in counts:
            r[name] = self._addresses(laid[name])
        for queue in (laid["waiting"], laid["running"]):
            queue["head"] = queue["tail"] = -1

    # What the control plane does and sees

    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int:
        """Simulates everything up to and including ``until_ns``; returns how far it is.

        With ``idle_ends`` it goes no further than to where nothing is left to be done and nothing will arrive.
        """
        self._pool["idle_ends"] = idle_ends
        first = len(self._taken)
        if self._unknown:
            self._pool["n_arrivals"] = self._pool["next_arrival"]  # ask again
            self._unknown = False
        while (reason := call(self._address, k.ADVANCE, until_ns)) != k.DONE:
            if reason == k.NEED_ARRIVALS:
                self._feed()
            elif reason == k.NEED_SLOTS:
                self._grow_slots()
            elif reason == k.NEED_FUTURE:
                self._grow_future(0)
            elif reason == k.NEED_BUCKETS:
                self._grow_buckets()
            elif reason == k.NEED_ENDED:
                self._grow_ended()
            else:
                self._flush_rows()
        self._put_in_order(first)
        return int(self._pool["now"])

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1. Cuts no run short."""
        pool, rows = self._pool, self._rows
        times = [int(rows["ends"][1])]
        if pool["n_future"]:
            times.append(int(rows["future"][0]["time_ns"]))
        if not self._set.concurrency:
            if pool["next_arrival"] == pool["n_arrivals"] and not pool["closed"]:
                self._feed()
            if pool["next_arrival"] < pool["n_arrivals"]:
                times.append(int(rows["arrivals"][pool["next_arrival"]]))
        elif not pool["began"]:
            times.append(int(pool["now"]))
        earliest = min(times)
        return -1 if earliest == k.NEVER else earliest

    def start(self, index: int) -> None:
        """Brings a replica up; what waited for one is handed out."""
        replica = self._rows["replicas"][index]
        stood = replica["up"] == k.PAUSED
        replica["up"], replica["draining"] = k.UP, 0
        self._list_open(index)
        self._make_room_for(self.backlog)
        call(self._address, k.HAND_OUT, 0)
        if stood:
            call(self._address, k.RESUME, index)

    def drain(self, index: int) -> None:
        """Drains a replica: it finishes what it has and is given nothing more."""
        self._rows["replicas"][index]["draining"] = 1
        self._list_open(index)

    def pause(self, index: int) -> None:
        """Has a replica that is up stand still once the iteration that it is in is over; it keeps what it has, and is
        given more."""
        replica = self._settled(index)
        if replica["up"]:
            replica["up"] = k.PAUSED
            self._settled(index)  # a run that began at this very instant is an iteration, too

    def resume(self, index: int) -> None:
        """It goes on."""
        replica = self._rows["replicas"][index]
        if replica["up"] == k.PAUSED:
            replica["up"] = k.UP
            call(self._address, k.RESUME, index)

    def kill(self, index: int) -> None:
        """Takes a replica away with everything on it; its requests begin anew elsewhere."""
        lost = call(self._address, k.KILL, index)
        self._list_open(index)
        self._make_room_for(lost)
        call(self._address, k.SEND_AGAIN, lost)

    def set_cost(self, index: int, cost: int) -> None:
        """Sets the cost of a replica's iterations from its next one on (a power cap has changed)."""
        self._settled(index)["cost"] = self._costs[cost]

    def add_cost(self, cost: StepCost) -> int:
        """Another cost of iterations; its index."""
        self._costs = np.append(self._costs, self._lay_costs([cost]))
        return len(self._costs) - 1

    def load(self, index: int) -> tuple[int, int, int, int]:
        """Load of a replica: requests waiting and running, KV blocks in use, KV blocks in all."""
        replica = self._settled(index)
        return int(replica["n_waiting"]), int(replica["n_running"]), int(replica["used"]), int(replica["blocks"])

    def take_energy(self, index: int) -> tuple[int, int, int]:
        """Work since the last call, up to the last ``advance``: ns in iterations, dynamic nJ, and nJ of hand-overs."""
        call(self._address, k.SETTLE, index)
        words, first, (active, dynamic, link) = self._words, index * self._width, self._drawn
        active, dynamic, link = first + active, first + dynamic, first + link
        taken = words[active], words[dynamic], words[link]
        words[active] = words[dynamic] = words[link] = 0
        return taken

    def take_all(self) -> Ints:
        """``take_energy`` of every replica: (n, 3)."""
        call(self._address, k.SETTLE_ALL, len(self._columns))
        taken: Ints = self._columns[:, self._drawn]
        self._columns[:, self._drawn] = 0
        return taken

    def take_rows(self) -> Ints:
        """Rows (n, 16) of the requests finished since the last call, columns ``ROW_COLUMNS``."""
        self._flush_rows()
        rows = np.concatenate(self._taken) if self._taken else np.zeros((0, len(p.ROW_COLUMNS)), dtype=np.int64)
        self._taken = []
        return rows

    @property
    def counts(self) -> dict[str, int]:
        """What has been counted so far, by the names of ``COUNTS``."""
        self._drain_counts()
        return dict(self._counted)

    @property
    def sketches(self) -> Ints:
        """Log-linear sketches (7, SKETCH_SIZE) of ``SKETCHES``."""
        found = self._rows["sketch"].reshape(len(p.SKETCHES), p.SKETCH_SIZE).copy()
        if not self._set.draft_tokens:  # a step brings one token: the kernel tells the two apart only where they differ
            found[p.SKETCHES.index("step_gap")] = found[p.SKETCHES.index("itl")]
        return found

    @property
    def in_system(self) -> int:
        """Number of requests neither finished nor given up, retries under way included."""
        return int(self._pool["n_slots"] - self._pool["n_free"])

    @property
    def instants(self) -> int:
        """Number of instants at which it stopped by itself: runs of iterations have none within."""
        return int(self._pool["instants"])

    @property
    def backlog(self) -> int:
        """Number of requests that wait because no replica is up."""
        return int(self._pool["n_backlog"])

    def _settled(self, index: int) -> np.void:
        """A replica that has booked what it has drawn up to the present."""
        call(self._address, k.SETTLE, index)
        found: np.void = self._rows["replicas"][index]
        return found

    # Memory

    def _own(self, rows: npt.NDArray[Any]) -> int:
        """Keeps rows that never grow; returns their address."""
        self._owned.append(rows)
        return int(rows.ctypes.data)

    def _addresses(self, rows: npt.NDArray[Any]) -> Ints:
        """Keeps rows that never grow; returns the addresses of the first dimension's."""
        return self._own(rows) + np.arange(len(rows)) * rows.strides[0]

    def _place(self, name: str, rows: npt.NDArray[Any]) -> None:
        """The pool finds its rows here from now on."""
        self._rows[name] = rows
        self._pool[name] = rows.ctypes.data

    def _grow(self, name: str, count: int, used: int | None = None) -> None:
        """Rows move to where there is room for more of them; those not ``used`` yet leave their memory untouched."""
        before = self._rows[name][:used]
        larger = _in_lines(count, before.dtype)
        larger[: len(before)] = before
        self._place(name, larger)

    def _stretch(self, name: str, count: int) -> None:
        """There is room for more of these rows: where they are many, their pages move, and nothing is copied."""
        rows = self._rows[name]
        owner, kind, used = rows.base, rows.dtype, rows.nbytes
        assert owner is not None
        before = rows.ctypes.data - owner.ctypes.data
        owner.resize(count * kind.itemsize + LINE, refcheck=False)
        larger = _from_line(owner, count, kind)
        after = larger.ctypes.data - owner.ctypes.data
        if after != before:
            owner[after : after + used] = owner[before : before + used].copy()
        self._place(name, larger)

    def _grow_slots(self) -> None:
        count = min(5 * len(self._rows["requests"]) // 4, MOST_SLOTS)
        if count == len(self._rows["requests"]):
            raise MemoryError("more than 16 million requests are in the system at once: the service is overloaded")
        for name in ("requests", "free", "sent"):
            self._stretch(name, count)
        if count > len(self._rows["seats"]):
            self._grow("seats", 2 * count, int(self._pool["n_seats"]))
            self._grow("free_seats", 2 * count, int(self._pool["n_free_seats"]))
        self._pool["slots_room"] = count

    def _grow_future(self, more: int) -> None:
        room = 2 * int(self._pool["future_room"]) + more
        self._grow("future", room)
        self._pool["future_room"] = room

    def _grow_buckets(self) -> None:
        """The tables of the prefix cache are hashed anew into twice as many buckets."""
        count = min(2 * int(self._pool["n_buckets"]), int(self._pool["most_buckets"]))
        for name in ("buckets", "key_buckets"):
            if len(self._rows[name]):
                self._place(name, _in_lines(count, k.Pool.rows[name]))
        self._pool["n_buckets"] = count
        call(self._address, k.REHASH, 0)

    def _grow_ended(self) -> None:
        room = 2 * int(self._pool["ended_room"])
        self._grow("ended", room)
        self._pool["ended_room"] = room

    def _put_in_order(self, first: int) -> None:
        """Where replicas were followed one after the other: at how many instants anything happened, each counted once,
        and rows taken since there were ``first`` as they would be, had all been followed together."""
        count = int(self._pool["n_ended"])
        if count:
            ended = self._rows["ended"][:count]
            ended.sort()
            self._pool["instants"] += 1 + np.count_nonzero(ended[1:] != ended[:-1])
            self._pool["n_ended"] = 0
            self._flush_rows()
            if self._taken[first:]:
                rows = np.concatenate(self._taken[first:])
                self._taken[first:] = [rows[np.argsort(rows[:, DONE_NS], kind="stable")]]

    def _make_room_for(self, requests: int) -> None:
        """Makes room for as many requests sent again, each of which may be rejected, retried or given a deadline."""
        if self._pool["n_future"] + 2 * requests + 8 > self._pool["future_room"]:
            self._grow_future(2 * requests)
        self._flush_rows()
        if requests + 8 > self._pool["finished_room"]:
            self._grow("finished", requests + FIRST_ROWS)
            self._pool["finished_room"] = requests + FIRST_ROWS

    def _flush_rows(self) -> None:
        count = int(self._pool["n_finished"])
        if count:
            rows = self._rows["finished"][:count].view(np.int64).reshape(count, len(p.ROW_COLUMNS))
            self._taken.append(rows.copy())
            self._pool["n_finished"] = 0

    def _drain_counts(self) -> None:
        """Sums move to Python's integers with every chunk of arrivals, so that none of them can overflow."""
        counted = dict(zip(p.COUNTS, self._counts.tolist(), strict=True))
        peak = counted["peak_blocks"]
        for name, count in counted.items():
            self._counted[name] += count
        self._counted["peak_blocks"] = peak
        self._counts[:] = 0
        self._pool["counts"]["peak_blocks"] = peak

    def _feed(self) -> None:
        chunk = self._more()
        if chunk is None:
            self._pool["closed"] = 1
            return
        n = len(chunk.arrival_ns)
        if not n:
            self._await_more()
            return
        columns = {
            "arrivals": chunk.arrival_ns,
            "prompts": chunk.prompt_tokens,
            "outputs": chunk.output_tokens,
            "sessions": chunk.session,
            "classes": chunk.priority,
        }
        if self._set.hash_blocks:
            more = len(chunk.prefix_hashes)
            self._make_room_for_hashes(more)
            columns["first_hashes"] = self._hashes_used + chunk.prefix_start[:-1]
            columns["hash_counts"] = np.diff(chunk.prefix_start)
            self._rows["hashes"][self._hashes_used : self._hashes_used + more] = chunk.prefix_hashes
            self._hashes_used += more
        for name, column in columns.items():
            self._place(name, np.ascontiguousarray(column, np.int64))
        self._pool["next_arrival"], self._pool["n_arrivals"] = 0, n
        self._drain_counts()

    def _await_more(self) -> None:
        """Nothing comes as far as is known: an arrival that never comes stands there until something else is."""
        self._place("arrivals", np.full(1, k.NEVER, np.int64))
        self._pool["next_arrival"], self._pool["n_arrivals"] = 0, 1
        self._unknown = True

    def _make_room_for_hashes(self, more: int) -> None:
        """Room for the hashes of new arrivals: those of finished requests are forgotten, then the rows grow."""
        place, requests = self._rows["hashes"], self._rows["requests"]
        if self._hashes_used + more <= len(place):
            return
        live = np.flatnonzero(requests["hashes"] > 0)
        live = live[np.argsort(requests["first_hash"][live])]  # so that none is written over before it has moved
        start, lengths = requests["first_hash"][live], requests["hashes"][live]
        upto = np.concatenate([[0], np.cumsum(lengths)])
        requests["first_hash"][live] = upto[:-1]
        begin = 0
        while begin < len(live):  # a few at a time: where each comes from takes more room than they do
            end = max(begin + 1, int(np.searchsorted(upto, upto[begin] + HASHES_AT_ONCE, side="right")) - 1)
            shift = np.repeat((start - upto[:-1])[begin:end], lengths[begin:end])
            place[upto[begin] : upto[end]] = place[shift + np.arange(upto[begin], upto[end])]
            begin = end
        self._hashes_used = int(upto[-1])
        if self._hashes_used + more > len(place):
            self._stretch("hashes", 5 * (self._hashes_used + more) // 4)

    def _list_open(self, index: int) -> None:
        """A replica may be given requests from now on, or none any longer: lists by role, in the order of indices."""
        replica = self._rows["replicas"][index]
        is_open, own = bool(replica["up"] and not replica["draining"]), int(replica["role"])
        for role in range(len(self._open)) if own == p.ANY else (own,):
            choices, listed = self._rows["open"][role], self._open[role]
            n = int(choices["n"])
            last = n == 0 or listed[n - 1] < index  # as when all come up, one after the other
            at = n if last else int(listed[:n].searchsorted(index))
            was_open = not last and listed[at] == index
            if is_open and not was_open:
                if not last:
                    listed[at + 1 : n + 1] = listed[at:n].copy()
                listed[at] = index
                choices["n"] = n + 1
            elif was_open and not is_open:
                listed[at : n - 1] = listed[at + 1 : n].copy()
                choices["n"] = n - 1
        call(self._address, k.OPEN_OR_CLOSE, index)
