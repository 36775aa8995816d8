"""The memories of the compiled fleet, field by field: the one table that gives NumPy's dtypes, what ``fast`` lays out,
and the names that the kernel reads and writes.

Everything is an int64: times in ns from the start of the run, slots whole, flags 0 or 1, -1 where there is nothing, and
``NEVER`` where a time does not come. A job is told by its row, a node by its number over all pools.
"""

from sim.engine.serving.compiled import Record, Rows

NEVER = (1 << 62) - 1
"""A limit or an instant that does not come; a job that waits without a limit has it, too."""
ABSENT = 1 << 62
"""Of a row that does not wait, in the tree of limits of its size."""

FIFO, SHORTEST, EASY = range(3)
"""Who starts next."""
BY_ARRIVAL, BY_LIMIT = range(2)
"""In which order backfill looks at those that wait."""
ANYWHERE, PACKED = range(2)
"""Where."""
DONE, NEED_PLACES = range(2)
"""What a call returns: it is done, or there must be more room for places before it is called again."""

WORD = 64
"""Nodes in a word of a set."""
BLOCK = 64
"""Entries that a block of the list of dues has room for."""


class Job(Record):
    """A row of the table; what is asked of it and what became of it."""

    submit_ns: int
    run_ns: int
    """How long it will hold its machines: cut off at its limit."""
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
    leaves in the order of arrival; ``rows`` gives the job of each leaf."""

    slots: int
    nodes: int
    """How many nodes it takes equal parts of; 0 where it does not say."""
    pools: Rows[int]
    """Those it may stand in, preferred first."""
    n_pools: int
    waiting: int
    leaves: int
    limits: Rows[int]
    rows: Rows[int]


class Level(Record):
    """The nodes of a pool with so many free slots: a set of bits, and a bit of ``full`` for each word that is not 0."""

    n: int
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
    n_full: int
    """Words of ``Level.full``."""
    levels: Rows[Level]
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

    scheduler: int
    order: int
    placement: int
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
    pool_of: Rows[int]
    """The pool of each node."""
    ends: Rows[End]
    """A heap."""
    n_ends: int
    blocks: Rows[Block]
    spare_blocks: Rows[int]
    n_spare: int
    places: Rows[int]
    """A place a word: the number of the node above, its slots in the lowest ``SLOT_BITS``."""
    n_places: int
    places_room: int
    most_places: int
    """That one job may take."""
    stints: Rows[int]
    """Rows in the order in which they started."""
    n_stints: int
    events: int
    """Ends and arrivals that were seen."""


SLOT_BITS = 16
