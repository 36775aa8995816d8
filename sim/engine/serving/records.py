"""The memories of the compiled pool, field by field: the one table that gives NumPy's dtypes, what ``fast`` lays out,
and the names that the kernel reads and writes.

Everything is an int: times in ns from the start of the run, energies in nJ, spans and remainders in 2**-16 ns, flags
0 or 1, and -1 where there is nothing. A request is told by its *slot*, its row in ``Pool.requests``, which another
takes over once it is finished; a replica by its index.
"""

from dataclasses import fields

from sim.engine.serving import plan as p
from sim.engine.serving.layout import At, Record, Rows, Small
from sim.engine.serving.request_records import More, Request


class Queue(Record):
    """Ends of a doubly linked list of requests: their slots, or -1."""

    head: Small
    tail: Small


class Slope(Record):
    """How a row of a cost grows with each of the slopes of ``plan``."""

    pair: int
    read: int
    window_pair: int
    window_read: int
    sequence: int
    block: int
    chunk: int
    decode: int
    """With a context token of a sequence that decodes: ``pair`` and ``read``."""
    window_decode: int


class Base(Record):
    """What an iteration costs by its tokens alone."""

    compute: int
    memory: int
    capped: int
    energy: int


class Cost(Record):
    """A ``StepCost``."""

    compute: Slope
    memory: Slope
    capped: Slope
    energy: Slope
    ranks: int
    query_rows: int
    decodes: Rows[Base]
    """By tokens, of an iteration of decodes."""
    prompts: Rows[Base]
    both: Rows[Base]


class Load(Record):
    """What routers weigh of a replica, apart from it: they look at all of them."""

    assigned: Small
    """Requests it has been given and still has."""
    in_run: Small
    """Where replicas are followed by themselves: whether it is in a run of decodes, which an arrival cuts short."""
    pending: int
    """Tokens that these have still to prefill, and one for each that decodes."""


class Replica(Record, lines=True):
    """A scheduler with its KV cache, and the iteration or the run of iterations it is in. Its rows follow behind it."""

    index: Small
    role: Small
    up: Small
    draining: Small
    touched: Small
    """Whether it stands in ``Pool.touched``."""
    busy: Small
    n_waiting: Small
    n_running: Small
    begun: Small
    """Slot of the request whose prompt is prefilled in part, or -1."""
    decoding: Small
    """Sequences that decode."""
    takes_part: Small
    """Sequences that decode in the iteration it is in."""
    n_finishes: Small
    n_chunks: Small
    """Prompts in the iteration it is in."""
    first_chunk: Small
    """Slot of the request of the first of these, each of which knows the next."""
    last_chunk: Small
    late: Small
    """Whether one has joined the decodes whose last token is of long ago."""
    stood: Small
    """Whether it was paused since it last decoded, so that all of them may have waited."""
    load: At[Load]
    cost: At[Cost]
    waiting: Rows[Queue]
    """By class: requests that are not in a batch."""
    running: Rows[Queue]
    """By class: requests admitted, in the order of admission."""
    residue: Rows[Small]
    """KV blocks that sequences take with their next block of tokens, by their position within one at which they decode,
    counted from ``iteration`` 0."""
    finishes: Rows[int]
    """Heap of iteration << SLOT_BITS | slot: when sequences finish. May hold stale entries."""
    taking: int
    """All of ``residue``."""
    blocks: int
    """KV blocks in all."""
    used: int
    """KV blocks held by requests."""
    cached: int
    """KV blocks of prefixes that nobody refers to."""
    start_ns: int
    """When the iteration, or the run, began."""
    now_ns: int
    """Where it is followed by itself: up to when it has been."""
    end_ns: int
    remainder: int
    """Of 2**-16 ns, carried from one iteration to the next."""
    run: int
    """Decode iterations planned as one; 0: an iteration with prompts or drafts."""
    closing: int
    """Whether the run has been shortened to end with the iteration it is in."""
    span: int
    """Time of the one iteration it is in."""
    energy_nj: int
    """Dynamic energy of the one iteration it is in."""
    read_nj: int
    """Of it, what a sequence that decodes takes for a token of its context."""
    iteration: int
    """Decode iterations done."""
    context: int
    """Tokens that those who decode attend to in the next iteration."""
    prompt: int
    """Tokens of the prompts in the iteration it is in."""
    alone_ns: int
    """What its decodes would have taken without the prompts beside them."""
    alone_nj: int
    reads: int
    """Context tokens read by the decodes of the iteration."""
    share_ns: int
    """A sequence's share of the time of all decodes so far."""
    share_nj: int
    """The same of their dynamic energy, without what each reads of its own context."""
    rest_ns: int
    """What was left when that was divided."""
    rest_nj: int
    active_ns: int
    """Time in iterations, since it was last taken."""
    dynamic_nj: int
    booked_ns: int
    """How much of the iteration it is in has been added to ``active_ns`` already."""
    booked_nj: int
    last_token_ns: int
    """When its decodes last brought tokens."""
    windowed: int
    """``context`` within the window."""
    window_reads: int
    """``reads`` within the window."""
    growing: Small
    """Sequences whose context is still within the window."""
    abandoned: Small
    """Running requests whose users have given up."""
    awaited: int
    """KV blocks that those who wait will take, where routers compare them."""
    lru_head: Small
    """The hashed block without references that was used least recently, or -1."""
    lru_tail: Small
    free_slot: Small
    """The first slot of its own that is free again, or -1: see ``kernel.slots``."""
    next_slot: Small
    """The first that has not been taken yet, of those up to ``end_slot``."""
    end_slot: Small
    link_nj: int
    """Energy of hand-overs, since it was last taken."""
    link_free_ns: int
    """When its link has handed over what it was given."""


class Event(Record):
    """What will happen, in a heap by time and order of pushing."""

    time_ns: int
    pushed: int
    kind: int
    """``RETRY``, ``HANDED_OVER``, ``DEADLINE`` or ``USER``."""
    slot: int
    stamp: int


class Entry(Record):
    """A hashed block in the prefix cache of a replica."""

    key: int
    replica: Small
    """Its index; -1: the row is free."""
    alike: Small
    """Next entry of the same block on another replica, or -1."""
    before: Small
    """The entry whose ``alike`` this one is; in the first of its block see ``kernel.holders``."""
    holders: Small
    """In the first of its block: entries of it."""
    refs: Small
    """Requests that refer to it."""
    older: Small
    """Next to be evicted before it, of those without references; -1: none."""
    newer: Small
    chain: Small
    """Next entry of its bucket, or of the free ones, plus 1; 0: none."""


class Arrival(Record):
    """A request that is known to arrive."""

    at_ns: int
    prompt: Small
    """Tokens."""
    output: Small


class Open(Record):
    """The replicas that requests for a role may go to, in the order of their indices."""

    n: int
    replicas: Rows[int]
    following: int
    """Round robin: the least index whose turn it is."""
    place: int
    """Where that stands in ``replicas``, if none has come or gone since."""


class Finished(Record, ints=p.ROW_COLUMNS):
    """A finished request, as it is told to others."""


class Counts(Record, ints=[*p.COUNTS, *(f"{name}_high" for name in p.WIDE)]):
    """What is counted, taken by ``fast`` now and then so that no sum overflows; of ``plan.WIDE`` the lower halves and,
    by themselves, the upper ones."""


class Pool(Record, ints=[field.name for field in fields(p.Settings) if field.name != "accept"]):
    """Replicas behind one router: settings, by their names in ``plan.Settings``, state, and where all else is."""

    accept: Rows[int]
    kv_step: int
    """``Settings.kv_step``."""
    kv_hashed: int
    """``Settings.kv_hashed``."""
    block_shift: int
    """``block_tokens`` is two to this power; -1: no power of two."""
    largest: int
    """KV blocks of the largest request that can be served."""
    now: int
    began: int
    """Whether the users of a closed loop have begun."""
    requests: Rows[Request]
    slots_room: int
    n_slots: int
    """Slots that have ever been taken."""
    free_slot: int
    """The first of those that are free again, each of which knows the next, or -1."""
    n_free: int
    """All that are, those of replicas included."""
    more: Rows[More]
    """By slot: memory that is never used is never touched."""
    knows_more: int
    """Whether the workload knows something of every request that stands there."""
    sent: Rows[Small]
    """Slots of requests on their way back to the router."""
    arrivals: Rows[Arrival]
    """In order; what else is known of them stands in the columns below."""
    after: Rows[Small]
    """The next of those that go to the same replica, or -1."""
    inboxes: Rows[Queue]
    """By replica: the first and the last of those that will go to it."""
    sessions: Rows[int]
    classes: Rows[int]
    """Their ``priority``."""
    first_hashes: Rows[int]
    """Index in ``hashes``, where prefixes are cached."""
    hash_counts: Rows[int]
    next_arrival: int
    n_arrivals: int
    closed: int
    """Whether no more arrivals will come."""
    ordinal: int
    """Requests that have arrived before the first of ``arrivals``."""
    hashes: Rows[int]
    """Hashed blocks of prompts."""
    replicas: Rows[Replica]
    n_replicas: int
    apart: int
    """Whether replicas know nothing of each other once all has arrived and nothing is due; see ``kernel.apart``."""
    early: int
    """Whether they do not before, either: ``BLIND``, or ``LOOKING`` where the router looks at how many requests, tokens
    or KV blocks they have; else 0."""
    handed: int
    """Whether all arrivals up to ``horizon_ns`` are in inboxes."""
    least_ns: int
    """No iteration takes less."""
    horizon_ns: int
    """Up to where each is followed by itself."""
    followed: int
    """Index of the replica that is followed by itself, or -1."""
    apart_ns: int
    """Since when each is followed by itself."""
    latest_ns: int
    """When anything happened last, to those that have been followed."""
    left_waiting: int
    """Of the ns since then of all who wait in the end: those before they came, less those of who waits no longer."""
    left_running: int
    ended: Rows[int]
    """Instants at which anything has happened to replicas that are followed one after the other, after ``since_ns``."""
    since_ns: int
    ended_room: int
    n_ended: int
    loads: Rows[Load]
    """By replica."""
    open: Rows[Open]
    """By role."""
    touched: Rows[Small]
    """Replicas that may begin an iteration at this instant."""
    n_touched: int
    ends: Rows[int]
    """Tree of the least ``Replica.end_ns``: the root at 1, the children of i at 2 i and 2 i + 1."""
    n_leaves: int
    weights: Rows[int]
    """Trees of what routers compare, as ``ends``, one for each role of replicas."""
    heaviest: Rows[int]
    """The same negated, for the most; where routers ``balance``."""
    compared: int
    """What ``weights`` are, or 0 where the router compares nothing."""
    balances: int
    idle_ends: int
    """Whether ``advance`` ends where nothing is left to do, once all arrivals are known."""
    instants: int
    """At which anything has happened by itself, of those that are counted."""
    future: Rows[Event]
    future_room: int
    n_future: int
    pushed: int
    """Events ever pushed."""
    backlog: Queue
    """Requests that wait because no replica is up."""
    n_backlog: int
    n_waiting: int
    n_running: int
    finishes_room: int
    """Of each ``Replica.finishes``."""
    buckets: Rows[Small]
    """First entry of the prefix cache by hash, plus 1; 0: none. Memory that is never used is never touched."""
    n_buckets: int
    most_buckets: int
    """More than these are not needed for all entries that there can be."""
    entries: Rows[Entry]
    n_entries: int
    """Rows of ``entries`` that have ever been used."""
    free_entry: int
    """First of those that are free again, plus 1; 0: none."""
    key_buckets: Rows[Small]
    """First of the lists of holders by hash, plus 1; 0: none. As many as ``buckets``."""
    aside: Rows[Small]
    """Replicas that were looked at in vain."""
    sketch: Rows[int]
    """Sketch after sketch of ``SKETCHES``."""
    finished: Rows[Finished]
    finished_room: int
    n_finished: int
    counts: Counts


NEVER = 1 << 62
SLOT_BITS = 24
"""Of a slot, where it is a part of a key of 64 bits."""
SLOT = (1 << SLOT_BITS) - 1
"""Where the slot stands in such a key."""
SLOTS_AT_ONCE = 8  # that a replica gets, where it has its own
MANY = 64
"""Replicas: of so many the next to be seen to is not in the processor's nearest caches."""

DONE, NEED_ARRIVALS, NEED_SLOTS, NEED_FUTURE, NEED_ROWS, NEED_BUCKETS, NEED_ENDED = range(7)
"""Why the kernel returns: it is done, or ``fast`` must see to something first."""

BY_REQUESTS, BY_TOKENS, BY_KV = range(1, 4)
"""``Pool.compared``."""

BLIND, LOOKING = 1, 2
"""``Pool.early``."""

ADVANCE, SETTLE, START, KILL, SEND_AGAIN, OPEN_OR_CLOSE, REHASH, RESUME, SETTLE_ALL, START_ALL = range(10)
"""What ``fast`` wants of the kernel."""

UP, PAUSED = 1, 2  # ``Replica.up``; 0: it is not

RETRY, HANDED_OVER, DEADLINE, USER = range(4)
AWAY, WAITING, RUNNING, MOVING = range(4)  # the first in slots that nobody has had yet, too
