"""The memories of the compiled fleet, field by field: the one table that gives NumPy's dtypes, what ``fast`` lays out,
and the names that the kernel reads and writes.

Everything is an int64: times in ns from the start of the run, slots whole, flags 0 or 1, -1 where there is nothing, and
``NEVER`` where a time does not come. A job is told by its row, a node by its number over all pools.
"""

from sim.engine.fleet.request import NEVER_NS
from sim.engine.serving.layout import Record, Rows

NEVER = NEVER_NS
"""The limit of a job that has none."""
ABSENT = 1 << 62
"""An instant that does not come; of a row that does not wait, in the tree of limits of its size."""

BY_ARRIVAL, BY_LIMIT = range(2)
"""In which order those that wait are looked at."""
NO_BACKFILL, EASY, GREEDY = range(3)
"""Behind a head that has no room: nobody starts; those that do not delay it; whoever has room."""
ANYWHERE, PACKED = range(2)
"""Where."""
DONE, NEED_PLACES = range(2)
"""What a call returns: it is done, or there must be more room for places before it is called again."""

WORD = 64
"""Nodes in a word of a set."""
BLOCK = 64
"""Entries that a block of the list of dues has room for."""
SLOT_BITS = 16
"""Of a place in one word: the number of its node stands above so many bits, in which its slots stand."""


class Job(Record):
    """A row of the table; what is asked of it and what became of it."""

    submit_ns: int
    limit_ns: int
    """What its user said."""
    size: int
    """Its row in ``Fleet.sizes``; -1 where no pool could ever hold it."""
    leaf: int
    """Its place in the tree of its size."""
    waits: int
    start_ns: int
    end_ns: int
    pool: int
    """Where it runs, or -1."""
    first_place: int
    places: int


class Size(Record):
    """Jobs that ask for the same machines. ``limits`` is a tree of the least of the limits of those that wait, its
    leaves in the order of arrival; ``members`` gives the row of each leaf."""

    slots: int
    nodes: int
    """How many nodes it takes equal parts of; 0 where it does not say."""
    pools: Rows[int]
    """Those it may stand in, preferred first."""
    n_pools: int
    waiting: int
    leaves: int
    limits: Rows[int]
    members: Rows[int]


class Level(Record):
    """The nodes of a pool with so many free slots: a set of bits, and a bit of ``full`` for each word that is not 0."""

    words: Rows[int]
    full: Rows[int]


class Pool(Record):
    """Equal nodes."""

    first: int
    """Number of its first node."""
    count: int
    slots: int
    """Of one node."""
    free: int
    """Slots of all."""
    held_ns: Rows[int]
    """How long each row would hold its machines here."""
    n_full: int
    """Words of ``Level.full``."""
    levels: Rows[Level]
    counts: Rows[int]
    """How many nodes have so many free slots."""
    later_ns: int
    """An instant: ``later`` and ``later_counts`` are ``free`` and ``counts`` as they would be, if everybody who is to
    end until then had ended now."""
    later_free: int
    later_counts: Rows[int]
    spare: int
    """Slots beyond what the head of the queue needs, at the time of its reservation; below zero where they are too
    few."""
    order: Rows[int]
    """Blocks of its dues, those due first in front."""
    n_blocks: int


class End(Record):
    """When a job that runs will end."""

    at_ns: int
    row: int


class Block(Record):
    """A part of the list of who is to end when, if its user is right: entries by time, then by row."""

    n: int
    slots: int
    """Of all its entries."""
    dues: Rows[End]


class Fleet(Record):
    """All of it."""

    head_by: int
    """In which order somebody comes first."""
    backfill: int
    behind_by: int
    """In which order those behind are looked at."""
    placement: int
    imagines: int
    """Whether machines are imagined as they will be; else free slots are counted, which are all that counts."""
    now_ns: int
    until_ns: int
    """Nothing that happens then or later is seen."""
    asking: int
    """Whether a question to the scheduler was cut short for want of room."""
    jobs: Rows[Job]
    n_jobs: int
    next_job: int
    """The next to be submitted."""
    head: int
    """Nobody before this row waits."""
    n_waiting: int
    sizes: Rows[Size]
    n_sizes: int
    pools: Rows[Pool]
    n_pools: int
    free: Rows[int]
    """Free slots of each node."""
    later: Rows[int]
    """The same at the ``later_ns`` of its pool."""
    pool_of: Rows[int]
    """The pool of each node."""
    ends: Rows[End]
    """A heap."""
    n_ends: int
    blocks: Rows[Block]
    spare_blocks: Rows[int]
    n_spare: int
    places: Rows[int]
    """A place a word."""
    n_places: int
    places_room: int
    most_places: int
    """That one job may take."""
    stints: Rows[int]
    """Rows in the order in which they started."""
    n_stints: int
    events: int
    """Ends and arrivals that were seen."""
