"""What the compiled pool keeps of a request, by its slot: two lines of the processor's caches.

As in ``records`` everything is an int, and -1 where there is nothing.
"""

from sim.engine.serving.layout import Flag, Record, Small


class Request(Record, lines=True):
    """A request in the system. Millions may wait, where a service is overloaded, or be spread over thousands of
    replicas, so there is little of it: the first line has what its queue, its batch and its end need, the second what
    has become of it. What only some workloads know of requests stands in ``More``."""

    slot: Small
    """Its row in ``Pool.requests``."""
    next: Small
    """Slot of the next in its queue, or of the next that is free, or -1."""
    prev: Small
    replica: Small
    """Index of the replica that holds it; -1 in the backlog."""
    context: Small
    """Tokens in its KV cache; those of the decode it is in are added when it leaves."""
    target: Small
    """Tokens its prefill must reach."""
    prompt: Small
    """Tokens."""
    output: Small
    """Tokens."""
    emitted: Small
    """Tokens of its output so far; those of the decode it is in are added when it leaves."""
    where: Flag
    """``WAITING``, ``RUNNING``, ``MOVING`` between replicas, or ``AWAY``."""
    ready: Flag
    """Whether its context is computed, so that it only needs room to decode."""
    decodes: Flag
    """Whether it is among those that decode, and since ``joined_at``."""
    has_more: Flag
    """Whether there is anything in its row of ``Pool.more``."""
    joined_at: int
    """Number of the replica's iteration at which it joined the decodes."""
    arrival_ns: int
    """-1 in a slot that is free; 0 in one that nobody has had, whose ``output`` is 0 as well."""
    first_ns: int
    """When its first token came."""
    last_ns: int
    """When its last token came."""
    decode_ns: int
    """Its share of the time of decodes; while it decodes, the replica's ``share_ns`` when it joined."""
    decode_nj: int
    """The same of their dynamic energy."""
    prefill_ns: int
    """Its share of the time of iterations, for its prompt."""
    prefill_nj: int
    """Its share of their dynamic energy, for its prompt."""
    scheduled_ns: int
    """When it was first admitted to a batch, in this attempt."""
    ordinal: int
    """Its place in the order of arrivals; no two requests share one."""
    chunk: Small
    """Tokens of its prompt in the iteration that its replica is in."""
    next_chunk: Small
    """Slot of the request whose prompt comes next in that iteration, or -1."""


class More(Record):
    """What some workloads know of requests, by slot (``Pool.knows_more``), and what is kept of a few in any other: the
    rows of the rest are not touched."""

    stamp: int
    """Events that bear an older one are stale."""
    session: int
    """Whose conversation it belongs to, or -1."""
    first_hash: int
    """Index in ``Pool.hashes`` of the first hashed block of its prompt."""
    decode_ns: int
    """While it decodes, its share of decodes before."""
    decode_nj: int
    own_nj: int
    """Energy of reading its own context since it joined, with drafts."""
    hashes: Small
    """How many hashed blocks its prompt has; 0 in a slot that is free."""
    held: Small
    """Leading hashed blocks it holds a reference on."""
    priority: Small
    """Its class; 0 goes first."""
    attempts: Small
    padded_prompt: Small
    """Tokens of the longest prompt of its closed batch."""
    padded_output: Small
    """Tokens of the longest output of its closed batch."""
    cached: Small
    """Tokens of its prompt found in the prefix cache."""
    preemptions: Small
    turns: Small
    """Random draws it has made while decoding with drafts."""
    steps: Small
    """Steps that brought it a token or more, after the first; counted with drafts only."""
    kv_grows: Flag
    """Whether its layers with a window keep more with every token, while it decodes."""
    abandoned: Flag
    """Whether its user has given up while it runs."""
    swapped: Flag
    """Whether its KV cache lies in the host's memory."""
