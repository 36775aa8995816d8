"""The compiled pool: feeds its kernel arrivals, does to it what the control plane wants, and grows what has become too
small."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim.engine.kernels.loading import SERVING, loaded
from sim.engine.serving import plan as p
from sim.engine.serving import records as k
from sim.engine.serving.feed import Feed
from sim.engine.serving.laying import FIRST_ROWS, lay_costs, lay_pool, lay_replicas
from sim.engine.serving.layout import WORD
from sim.engine.serving.memory import WORD_OF, Memory
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.errors import RunError
from sim.workload.requests import RequestChunk

ROOMS = (1 << 14, 1 << 19)
"""For requests that are in the system, once the first room for them is full."""
MANY_ENDED = 1 << 22
"""Instants, once the first room for them is full; most of it may stay untouched, too."""
MOST_SLOTS = 1 << k.SLOT_BITS
DONE_NS = p.ROW_COLUMNS.index("done_ns")
DRAWN = ("active_ns", "dynamic_nj", "link_nj")
"""What a replica keeps of its work until it is asked."""
N_ARRIVALS, NEXT_ARRIVAL = WORD_OF["n_arrivals"], WORD_OF["next_arrival"]
NOW, IDLE_ENDS, N_ENDED, N_BACKLOG = (WORD_OF[name] for name in ("now", "idle_ends", "n_ended", "n_backlog"))
EARLY, CLOSED, INSTANTS, SINCE = (WORD_OF[name] for name in ("early", "closed", "instants", "since_ns"))


call = loaded(SERVING)


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
        self._counted = dict.fromkeys(p.COUNTS, 0)
        self._taken: list[Ints] = []
        self._put_off_ns: int | None = None
        self._request_ns = 0  # at most, of those that the counts have in ``waiting_area_ns`` or ``running_area_ns``
        self.passed = 0
        """At how many instants it stopped by itself in the last ``advance``, if that was not put off; none is within a
        run of iterations."""
        memory = self._memory = Memory()
        self._address, self._pool, self._words, self._rows = memory.address, memory.pool, memory.words, memory.rows
        lay_pool(memory, settings, roles, kv_blocks)
        self._feed = Feed(memory, settings, more)
        self._costs = lay_costs(memory, costs)
        lay_replicas(memory, settings, roles, np.array(self._costs, np.int64)[list(cost_of)], kv_blocks)
        replicas = self._rows["replicas"].view(np.int64)
        fields = {name: place[1] // WORD for name, place in (k.Replica.dtype.fields or {}).items()}
        self._width, self._drawn = k.Replica.dtype.itemsize // WORD, tuple(fields[name] for name in DRAWN)
        self._cost_at = fields["cost"]
        self._of_replicas: memoryview[int] = replicas.data  # read in half the time of fields
        self._columns = replicas.reshape(len(roles), self._width)

    # What the control plane does and sees

    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int:
        """Simulates everything up to and including ``until_ns``; returns how far it is.

        With ``idle_ends`` it goes no further than to where nothing is left to be done and nothing will arrive. Where
        nobody needs to know of it yet, and the router does not look at replicas, it is put off until somebody does: the
        more is known of what arrives, the longer each is followed by itself, in memory that stays in the processor's
        caches.
        """
        if not idle_ends and self._words[EARLY] and self._feed.reaches(until_ns):
            self._put_off_ns = until_ns
            return until_ns
        if not (self._words[CLOSED] and self._rows["open"]["n"][p.PREFILL]):
            self._bring()
        before = self._words[INSTANTS]
        since_ns, self._put_off_ns = self._put_off_ns, None
        self._run(until_ns, self._words[NOW] if since_ns is None else since_ns, idle_ends=idle_ends)
        self.passed = self._words[INSTANTS] - before
        return self._words[NOW]

    def _bring(self) -> None:
        """Does what was put off."""
        if self._put_off_ns is not None:
            until_ns, self._put_off_ns = self._put_off_ns, None
            self._run(until_ns, until_ns)

    def _run(self, until_ns: int, since_ns: int, *, idle_ends: bool = False) -> None:
        """Has the kernel advance. Where it stops while replicas are followed one after the other is counted after
        ``since_ns`` alone."""
        self._words[IDLE_ENDS], self._words[SINCE] = idle_ends, since_ns
        first = len(self._taken)
        self._feed.ask_again()
        reach_ns = self._countable(until_ns)
        while (reason := call(self._address, k.ADVANCE, reach_ns)) != k.DONE or reach_ns == self._words[NOW] < until_ns:
            if reason in (k.DONE, k.NEED_ARRIVALS):
                if reason == k.NEED_ARRIVALS:
                    self._feed.fetch(until_ns)
                    self._drain_counts()
                reach_ns = self._countable(until_ns)
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

    def _countable(self, until_ns: int) -> int:
        """How far time may pass at once, so that the requests that are here or known to come, times ns, fit a word with
        those of before, which are taken out of it where they would not."""
        pool, now_ns = self._pool, self._words[NOW]
        requests = int(pool["n_slots"]) - int(pool["n_free"]) + self._words[N_ARRIVALS] - self._words[NEXT_ARRIVAL] + 1
        if self._request_ns + requests * (until_ns - now_ns) > k.NEVER:
            self._drain_counts()
        reach_ns = min(until_ns, now_ns + k.NEVER // requests)
        self._request_ns += requests * (reach_ns - now_ns)
        return reach_ns

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1. Cuts no run short."""
        self._bring()
        pool, rows = self._pool, self._rows
        times = [int(rows["ends"][1])]
        if pool["n_future"]:
            times.append(int(rows["future"][0]["time_ns"]))
        if not self._set.concurrency:
            if pool["next_arrival"] == pool["n_arrivals"] and not pool["closed"]:
                self._feed.fetch_once()
            if pool["next_arrival"] < pool["n_arrivals"]:
                times.append(int(rows["arrivals"]["at_ns"][pool["next_arrival"]]))
        elif not pool["began"]:
            times.append(int(pool["now"]))
        earliest = min(times)
        return -1 if earliest == k.NEVER else earliest

    def open(self, index: int) -> None:
        """Brings a replica up; what waited for one goes on waiting until one is started."""
        self._bring()
        replica = self._rows["replicas"][index]
        replica["up"], replica["draining"] = replica["up"] or k.UP, 0
        call(self._address, k.OPEN_OR_CLOSE, index)
        self.resume(index)

    def start(self, index: int) -> None:
        """Brings a replica up; what waited for one is handed out."""
        if self.backlog:  # which has done what was put off
            self._make_room_for(self.backlog)
        call(self._address, k.START, index)

    def start_all(self, indices: Sequence[int], cost: int) -> None:
        """Brings up replicas that have not been up before, at one cost; nothing may wait for them."""
        self._bring()
        self._columns[indices, self._cost_at] = self._costs[cost]
        if list(indices) == list(range(len(indices))):
            call(self._address, k.START_ALL, len(indices))
            return
        for index in indices:
            call(self._address, k.START, index)

    def drain(self, index: int) -> None:
        """Drains a replica: it finishes what it has and is given nothing more."""
        self._bring()
        self._rows["replicas"][index]["draining"] = 1
        call(self._address, k.OPEN_OR_CLOSE, index)

    def pause(self, index: int) -> None:
        """Has a replica that is up stand still once the iteration that it is in is over; it keeps what it has, and is
        given more."""
        replica = self._settled(index)
        if replica["up"]:
            replica["up"] = k.PAUSED
            self._settled(index)  # a run that began at this very instant is an iteration, too

    def resume(self, index: int) -> None:
        """It goes on."""
        self._bring()
        replica = self._rows["replicas"][index]
        if replica["up"] == k.PAUSED:
            replica["up"] = k.UP
            call(self._address, k.RESUME, index)

    def kill(self, index: int) -> None:
        """Takes a replica away with everything on it; its requests begin anew elsewhere."""
        self._bring()
        lost = call(self._address, k.KILL, index)
        sent = self._rows["sent"][:lost]
        sent[:] = sent[np.argsort(self._rows["requests"]["ordinal"][sent])]  # as they came, whatever slots they have
        call(self._address, k.OPEN_OR_CLOSE, index)
        self._make_room_for(lost)
        call(self._address, k.SEND_AGAIN, lost)

    def set_cost(self, index: int, cost: int) -> None:
        """Sets the cost of a replica's iterations from its next one on (a power cap has changed)."""
        self._bring()
        call(self._address, k.SETTLE, index)
        self._of_replicas[index * self._width + self._cost_at] = self._costs[cost]

    def add_cost(self, cost: StepCost) -> int:
        """Another cost of iterations; its index."""
        self._costs += lay_costs(self._memory, [cost])
        return len(self._costs) - 1

    def load(self, index: int) -> tuple[int, int, int, int]:
        """Load of a replica: requests waiting and running, KV blocks in use, KV blocks in all."""
        replica = self._settled(index)
        return int(replica["n_waiting"]), int(replica["n_running"]), int(replica["used"]), int(replica["blocks"])

    def take_energy(self, index: int) -> tuple[int, int, int]:
        """Work since the last call, up to the last ``advance``: ns in iterations, dynamic nJ, and nJ of hand-overs."""
        self._bring()
        call(self._address, k.SETTLE, index)
        words, first, (active, dynamic, link) = self._of_replicas, index * self._width, self._drawn
        active, dynamic, link = first + active, first + dynamic, first + link
        taken = words[active], words[dynamic], words[link]
        words[active] = words[dynamic] = words[link] = 0
        return taken

    def take_all(self) -> Ints:
        """``take_energy`` of every replica: (n, 3)."""
        self._bring()
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
        self._bring()
        self._drain_counts()
        return dict(self._counted)

    @property
    def sketches(self) -> Ints:
        """Log-linear sketches (7, SKETCH_SIZE) of ``SKETCHES``."""
        self._bring()
        found = self._rows["sketch"].reshape(len(p.SKETCHES), p.SKETCH_SIZE).copy()
        if not self._set.draft_tokens:  # a step brings one token: the kernel tells the two apart only where they differ
            found[p.SKETCHES.index("step_gap")] = found[p.SKETCHES.index("itl")]
        return found

    @property
    def in_system(self) -> int:
        """Number of requests neither finished nor given up, retries under way included."""
        self._bring()
        return int(self._pool["n_slots"] - self._pool["n_free"])

    @property
    def late(self) -> int:
        """How many of these have missed a limit already."""
        self._bring()
        slots = self._rows["requests"][: int(self._pool["n_slots"])]
        there = slots[(slots["arrival_ns"] >= 0) & (slots["output"] > 0)]
        arrival_ns, first_ns, output = (there[name].astype(np.int64) for name in ("arrival_ns", "first_ns", "output"))
        return self._set.late(arrival_ns, first_ns, output, self._words[NOW])

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done, nor will anything come."""
        at_ns = self._put_off_ns
        if at_ns is not None and self._feed.is_known_from(at_ns):
            return False
        if self.in_system:
            return False
        if self._words[NEXT_ARRIVAL] == self._words[N_ARRIVALS] and not self._words[CLOSED]:
            self._feed.fetch_once()
        following = self._words[NEXT_ARRIVAL]
        return following == self._words[N_ARRIVALS] or bool(self._rows["arrivals"]["at_ns"][following] == k.NEVER)

    @property
    def backlog(self) -> int:
        """Number of requests that wait because no replica is up."""
        self._bring()
        return self._words[N_BACKLOG]

    def _settled(self, index: int) -> np.void:
        """A replica that has booked what it has drawn up to the present."""
        self._bring()
        call(self._address, k.SETTLE, index)
        found: np.void = self._rows["replicas"][index]
        return found

    # Memory

    def _grow_slots(self) -> None:
        """More requests are in the system. Of the second of ``ROOMS`` most may stay untouched, which costs nothing;
        beyond it what is copied would."""
        before = len(self._rows["requests"])
        count = min(next((room for room in ROOMS if room > before), 5 * before // 4), MOST_SLOTS)
        if count == before:
            raise RunError("more than 16 million requests are in the system at once: the service is overloaded")
        used = int(self._pool["n_slots"])
        for name in ("requests", "sent"):
            if count in ROOMS:
                self._memory.grow(name, count, used if name == "requests" else 0)
            else:
                self._memory.stretch(name, count)
        if self._pool["knows_more"] and count not in ROOMS:
            self._memory.stretch("more", count)
        elif count > len(self._rows["more"]):
            self._grow_more(count if count in ROOMS else 2 * count, used)
        self._pool["slots_room"] = count

    def _grow_more(self, count: int, used: int) -> None:
        """The rows that have been touched move to where there is room for more of them."""
        before, touched = self._rows["more"], np.flatnonzero(self._rows["requests"]["has_more"][:used])
        self._memory.place_empty("more", count)
        self._rows["more"][touched] = before[touched]

    def _grow_future(self, more: int) -> None:
        room = 2 * int(self._pool["future_room"]) + more
        self._memory.grow("future", room)
        self._pool["future_room"] = room

    def _grow_buckets(self) -> None:
        """The tables of the prefix cache are hashed anew into twice as many buckets."""
        count = min(2 * int(self._pool["n_buckets"]), int(self._pool["most_buckets"]))
        for name in ("buckets", "key_buckets"):
            if len(self._rows[name]):
                self._memory.place_empty(name, count)
        self._pool["n_buckets"] = count
        call(self._address, k.REHASH, 0)

    def _grow_ended(self) -> None:
        room = max(2 * int(self._pool["ended_room"]), MANY_ENDED)
        self._memory.grow("ended", room)
        self._pool["ended_room"] = room

    def _put_in_order(self, first: int) -> None:
        """Where replicas were followed one after the other: at how many instants anything happened, each counted once,
        and rows taken since there were ``first`` as they would be, had all been followed together."""
        ended = self._rows["ended"][: self._words[N_ENDED]]
        if not len(ended):
            return
        ended.sort()
        self._words[INSTANTS] += 1 + int(np.count_nonzero(ended[1:] != ended[:-1]))
        self._words[N_ENDED] = 0
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
            self._memory.grow("finished", requests + FIRST_ROWS)
            self._pool["finished_room"] = requests + FIRST_ROWS

    def _flush_rows(self) -> None:
        count = int(self._pool["n_finished"])
        if count:
            rows = self._rows["finished"][:count].view(np.int64).reshape(count, len(p.ROW_COLUMNS))
            self._taken.append(rows.copy())
            self._pool["n_finished"] = 0

    def _drain_counts(self) -> None:
        """Sums move to Python's integers with every chunk of arrivals, so that none of them can overflow."""
        names = (*p.COUNTS, *(f"{name}_high" for name in p.WIDE))
        counted = dict(zip(names, self._memory.counts.tolist(), strict=True))
        for name in p.WIDE:
            counted[name] += counted.pop(f"{name}_high") << p.HALF_BITS
        peak = counted["peak_blocks"]
        for name, count in counted.items():
            self._counted[name] += count
        self._counted["peak_blocks"] = peak
        self._memory.counts[:] = 0
        self._request_ns = 0
        self._pool["counts"]["peak_blocks"] = peak
